"""Cityscapes (Cordts et al., CVPR 2016): leftImg8bit/ and gtFine/, 2048 x 1024, the 19 classes of its benchmark.

Labels are the published *_gtFine_labelIds.png, whose 34 values become 19 classes. If a folder has none, labels are the
*_gtFine_labelTrainIds.png that the publisher's scripts write. The labels of the test split are not public: its label
files hold void only.
"""

from __future__ import annotations

from pathlib import Path

from streetseg.data.pairs import IGNORE, Dataset, LabelSpace, Pair, indexed_labels

# The value in labelIds files, name and colour of each class, in the order of the train ids.
CLASSES: tuple[tuple[int, str, tuple[int, int, int]], ...] = (
    (7, "road", (128, 64, 128)),
    (8, "sidewalk", (244, 35, 232)),
    (11, "building", (70, 70, 70)),
    (12, "wall", (102, 102, 156)),
    (13, "fence", (190, 153, 153)),
    (17, "pole", (153, 153, 153)),
    (19, "traffic light", (250, 170, 30)),
    (20, "traffic sign", (220, 220, 0)),
    (21, "vegetation", (107, 142, 35)),
    (22, "terrain", (152, 251, 152)),
    (23, "sky", (70, 130, 180)),
    (24, "person", (220, 20, 60)),
    (25, "rider", (255, 0, 0)),
    (26, "car", (0, 0, 142)),
    (27, "truck", (0, 0, 70)),
    (28, "bus", (0, 60, 100)),
    (31, "train", (0, 80, 100)),
    (32, "motorcycle", (0, 0, 230)),
    (33, "bicycle", (119, 11, 32)),
)
LABELS = LabelSpace(tuple(name for _, name, _ in CLASSES), tuple(colour for _, _, colour in CLASSES))
LABEL_IDS = dict.fromkeys((*range(34), IGNORE), IGNORE) | {value: i for i, (value, _, _) in enumerate(CLASSES)}
TRAIN_IDS = {i: i for i in range(len(CLASSES))} | {IGNORE: IGNORE}

TERMS = (
    "Cityscapes may be used free of charge for non-commercial purposes only (research, teaching, publications, "
    "personal experiments), under the licence that its site asks one to accept; weights trained on it are research "
    "weights."
)
LIMITS = (
    "Fifty cities in and around Germany, dry, by day, from spring to autumn, with one camera: night, rain, snow and "
    "other countries' streets were never seen.",
)

LAYOUT = "leftImg8bit/SPLIT/CITY/*_leftImg8bit.png with gtFine/SPLIT/CITY/*_gtFine_labelIds.png (or labelTrainIds)"


def recognises(root: Path) -> bool:
    """Return True if `root` has the published folders."""
    return (root / "leftImg8bit").is_dir() and (root / "gtFine").is_dir()


def open_cityscapes(root: Path) -> Dataset:
    """Open the dataset at `root`; a frame's sequence is its city."""
    kind = "labelIds"
    if not any((root / "gtFine").glob(f"*/*/*_{kind}.png")) and any((root / "gtFine").glob("*/*/*_labelTrainIds.png")):
        kind = "labelTrainIds"
    splits = {}
    for split in ("train", "val", "test"):
        pairs = []
        for frame in sorted((root / "leftImg8bit" / split).glob("[!.]*/[!.]*_leftImg8bit.png")):
            stem, city = frame.stem.removesuffix("_leftImg8bit"), frame.parent.name
            label = root / "gtFine" / split / city / f"{stem}_gtFine_{kind}.png"
            pairs.append(Pair(f"{split}/{stem}", frame, None if split == "test" else label, city))
        if pairs:
            splits[split] = tuple(pairs)
    decode = indexed_labels(LABEL_IDS if kind == "labelIds" else TRAIN_IDS)
    server_values = tuple(value for value, _, _ in CLASSES)
    return Dataset("cityscapes", root, LABELS, splits, decode, TERMS, LIMITS, server_values=server_values)
