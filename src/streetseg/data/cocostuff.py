"""COCO-Stuff 10k v1.1 (Caesar, Uijlings, Ferrari, CVPR 2018): 9,000 train and 1,000 test frames, 171 classes.

- As published: images/, annotations/ with one .mat file a frame, imageLists/train.txt and test.txt. The matrix S of a
  .mat holds 0 for void and COCO's numbers 1 to 182. A .png of the same stem with the same numbers replaces the .mat.
- As mmsegmentation converts it: images/ and annotations/ with train2014/ and test2014/. Labels are
  *_labelTrainIds.png with 0 for void and 1 to 171.

Papers report their results on the 1,000 test frames. Their labels are public, so they are the split "val" here.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from streetseg.data.classes_yaml import CLASSES_FILE, read_classes
from streetseg.data.mask_dataset import TERMS as OWN_TERMS
from streetseg.data.mask_files import read_pixels
from streetseg.data.own_classes import decoder, label_space_of
from streetseg.data.pairs import (
    IGNORE,
    Dataset,
    LabelSpace,
    Pair,
    distinct_colours,
    from_file,
    indexed_labels,
    read_lines,
)
from streetseg.errors import DatasetError, MissingExtraError

# COCO's classes by number, 1 to 182; "" for the eleven things that were never annotated.
IN_ORDER = (
    "person, bicycle, car, motorcycle, airplane, bus, train, truck, boat, traffic light, fire hydrant, , "
    "stop sign, parking meter, bench, bird, cat, dog, horse, sheep, cow, elephant, bear, zebra, giraffe, , "
    "backpack, umbrella, , , handbag, tie, suitcase, frisbee, skis, snowboard, sports ball, kite, baseball bat, "
    "baseball glove, skateboard, surfboard, tennis racket, bottle, , wine glass, cup, fork, knife, spoon, bowl, "
    "banana, apple, sandwich, orange, broccoli, carrot, hot dog, pizza, donut, cake, chair, couch, potted plant, "
    "bed, , dining table, , , toilet, , tv, laptop, mouse, remote, keyboard, cell phone, microwave, oven, toaster, "
    "sink, refrigerator, , book, clock, vase, scissors, teddy bear, hair drier, toothbrush, , banner, blanket, "
    "branch, bridge, building-other, bush, cabinet, cage, cardboard, carpet, ceiling-other, ceiling-tile, cloth, "
    "clothes, clouds, counter, cupboard, curtain, desk-stuff, dirt, door-stuff, fence, floor-marble, floor-other, "
    "floor-stone, floor-tile, floor-wood, flower, fog, food-other, fruit, furniture-other, grass, gravel, "
    "ground-other, hill, house, leaves, light, mat, metal, mirror-stuff, moss, mountain, mud, napkin, net, paper, "
    "pavement, pillow, plant-other, plastic, platform, playingfield, railing, railroad, river, road, rock, roof, "
    "rug, salad, sand, sea, shelf, sky-other, skyscraper, snow, solid-other, stairs, stone, straw, "
    "structural-other, table, tent, textile-other, towel, tree, vegetable, wall-brick, wall-concrete, wall-other, "
    "wall-panel, wall-stone, wall-tile, wall-wood, water-other, waterdrops, window-blind, window-other, wood"
)
NAMES_BY_NUMBER = IN_ORDER.split(", ")
NUMBERS = [number for number, name in enumerate(NAMES_BY_NUMBER, 1) if name]
LABELS = LabelSpace(tuple(filter(None, NAMES_BY_NUMBER)), distinct_colours(len(NUMBERS)))
VOID = {0: IGNORE, IGNORE: IGNORE}
BY_NUMBER = VOID | {number: index for index, number in enumerate(NUMBERS)}
BY_TRAIN_ID = VOID | {index + 1: index for index in range(len(NUMBERS))}

TERMS = (
    "COCO-Stuff's annotations are licensed CC BY 4.0; the photos belong to their authors on Flickr, under Flickr's "
    "terms and a licence for each photo."
)
LIMITS = ("Photos of every kind of scene, few of them taken from a car.",)

LAYOUT = "images/*.jpg with annotations/*.mat (or .png) and imageLists/; or mmsegmentation's train2014/ and test2014/"
CONVERTED = "_labelTrainIds.png"
LISTS = {"train": "train.txt", "val": "test.txt"}
SEQUENCE = "photos"  # photos form no sequences
FOLDERS = {"train": "train2014", "val": "test2014"}


def recognises(root: Path) -> bool:
    """Return True if `root` has one of the two layouts."""
    if not (root / "annotations").is_dir():
        return False
    converted = (root / "images/train2014").is_dir() and (root / "annotations/train2014").is_dir()
    return (root / "imageLists").is_dir() or (
        converted and any((root / "annotations/train2014").glob(f"[!.]*{CONVERTED}"))
    )


def open_cocostuff(root: Path) -> Dataset:
    """Open the dataset at `root`, in either layout; DatasetError if a list names a frame that does not exist."""
    if (root / "imageLists").is_dir():
        splits, meaning = published_layout(root), BY_NUMBER
    else:
        splits, meaning = converted_layout(root), BY_TRAIN_ID
    load = from_file(read_label_file)
    own = root / CLASSES_FILE
    if own.is_file():  # other data in these folders
        classes, load, name = read_classes(own), from_file(read_label_file), root.resolve().name
        labels, decode = label_space_of(classes), decoder(classes)
        return Dataset(name, root, labels, splits, decode, OWN_TERMS, load=load, class_file=own)
    return Dataset("cocostuff", root, LABELS, splits, indexed_labels(meaning), TERMS, LIMITS, load)


def published_layout(root: Path) -> dict[str, tuple[Pair, ...]]:
    """Return the splits of imageLists/."""
    splits = {}
    for split, name in LISTS.items():
        path = root / "imageLists" / name
        if path.is_file():
            stems = [line.strip() for line in read_lines(path) if line.strip()]
            for stem in stems:
                if not (root / "images" / f"{stem}.jpg").is_file():
                    raise DatasetError(f"{path} lists {stem}, and images/{stem}.jpg is not there; get the file again")
            splits[split] = tuple(
                Pair(f"{split}/{stem}", root / "images" / f"{stem}.jpg", label_of(root, stem), SEQUENCE)
                for stem in stems
            )
    return splits


def label_of(root: Path, stem: str) -> Path:
    """Return a frame's .png label if it exists, its .mat otherwise."""
    converted = root / "annotations" / f"{stem}.png"
    return converted if converted.is_file() else converted.with_suffix(".mat")


def converted_layout(root: Path) -> dict[str, tuple[Pair, ...]]:
    """Return the splits of mmsegmentation's folders."""
    return {
        split: tuple(
            Pair(
                f"{split}/{frame.stem}",
                frame,
                root / "annotations" / folder / f"{frame.stem}{CONVERTED}",
                SEQUENCE,
            )
            for frame in sorted((root / "images" / folder).glob("[!.]*.jpg"))
        )
        for split, folder in FOLDERS.items()
        if (root / "images" / folder).is_dir()
    }


def read_label_file(path: Path) -> np.ndarray:
    """Return the pixels of a .png, or the matrix S of a .mat, as uint8."""
    if path.suffix != ".mat":
        return read_pixels(path)
    try:
        from scipy.io import loadmat
    except ImportError:
        raise MissingExtraError("SciPy", "reading COCO-Stuff's .mat annotations", "cocostuff") from None
    content = loadmat(path, variable_names=["S"])
    if "S" not in content:
        raise DatasetError(f"{path} holds no matrix S; take the annotations of COCO-Stuff 10k v1.1")
    labels: np.ndarray = content["S"]
    if labels.min() < 0 or labels.max() > max(NUMBERS):
        raise DatasetError(f"{path} holds labels from {labels.min()} to {labels.max()}; v1.1 has 0 to {max(NUMBERS)}")
    return labels.astype(np.uint8)
