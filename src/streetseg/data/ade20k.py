"""ADE20K's scene parsing benchmark (Zhou et al., CVPR 2017): images/training/ with annotations/training/, 150 classes.

Masks hold 1 to 150; 0 does not count. The names are the first ones that objectInfo150.txt gives each class. Folders of
the same names without ADE20K's file names are a user's own data (folder.py).
"""

from __future__ import annotations

from pathlib import Path

from streetseg.data.class_files import class_files
from streetseg.data.mask_dataset import Publisher, folders_dataset
from streetseg.data.mask_folders import FolderPair
from streetseg.data.own_classes import OwnClasses, plain, published
from streetseg.data.pairs import IGNORE, Dataset, LabelSpace, distinct_colours

IN_ORDER = (
    "wall, building, sky, floor, tree, ceiling, road, bed, windowpane, grass, cabinet, sidewalk, person, earth, door, "
    "table, mountain, plant, curtain, chair, car, water, painting, sofa, shelf, house, sea, mirror, rug, field, "
    "armchair, seat, fence, desk, rock, wardrobe, lamp, bathtub, railing, cushion, base, box, column, signboard, "
    "chest of drawers, counter, sand, sink, skyscraper, fireplace, refrigerator, grandstand, path, stairs, runway, "
    "case, pool table, pillow, screen door, stairway, river, bridge, bookcase, blind, coffee table, toilet, flower, "
    "book, hill, bench, countertop, stove, palm, kitchen island, computer, swivel chair, boat, bar, arcade machine, "
    "hovel, bus, towel, light, truck, tower, chandelier, awning, streetlight, booth, television receiver, airplane, "
    "dirt track, apparel, pole, land, bannister, escalator, ottoman, bottle, buffet, poster, stage, van, ship, "
    "fountain, conveyer belt, canopy, washer, plaything, swimming pool, stool, barrel, basket, waterfall, tent, bag, "
    "minibike, cradle, oven, ball, food, step, tank, trade name, microwave, pot, animal, bicycle, lake, dishwasher, "
    "screen, blanket, sculpture, hood, sconce, vase, traffic light, tray, ashcan, fan, pier, crt screen, plate, "
    "monitor, bulletin board, shower, radiator, glass, clock, flag"
)
NAMES = tuple(IN_ORDER.split(", "))
LABELS = LabelSpace(NAMES, distinct_colours(len(NAMES)))
VALUES = {0: IGNORE, IGNORE: IGNORE} | {i + 1: i for i in range(len(NAMES))}
TERMS = (
    "ADE20K's images may be used for non-commercial research and education alone, as its site says; its annotations "
    "are under a BSD licence."
)
LIMITS = ("Photos of every kind of scene, most of them indoors, few of them taken from a car.",)
FOLDERS = ("images", "annotations")
LAYOUT = "images/training/ADE_*.jpg with annotations/training/ADE_*.png (and validation/)"


def recognises(root: Path) -> bool:
    """Return True if `root` has the benchmark's folders, and files that are called as ADE20K's are."""
    folders = [root / folder / "training" for folder in FOLDERS]
    if not all(folder.is_dir() for folder in folders):
        return False
    listed = any(path.name.lower().startswith("objectinfo150") for path in class_files([root]))
    return listed or any(folders[0].glob("ADE_*"))


def open_ade20k(root: Path) -> Dataset:
    """Open the dataset at `root`."""
    publisher = Publisher("ade20k", published(VALUES, LABELS), TERMS, LIMITS, agrees=is_official)
    return folders_dataset(root, [FolderPair(root / FOLDERS[0], root / FOLDERS[1])], publisher=publisher)


def is_official(classes: OwnClasses) -> bool:
    """Return True if a file gives each class its value; it may give more names after the first."""
    first = {
        value: plain(entry.name.replace(";", ",").split(",")[0]) for entry in classes.entries for value in entry.indices
    }
    return first == {value: plain(NAMES[index]) for value, index in VALUES.items() if index != IGNORE}
