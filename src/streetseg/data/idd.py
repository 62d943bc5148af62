"""IDD, the India Driving Dataset (Varma et al., WACV 2019): Cityscapes' folders with numbered drives and polygons.

Its labels form a hierarchy. The 26 classes are its level 3, on which its benchmark is held: rare labels are merged into
their neighbours. Where the publisher's scripts have written *_labellevel3Ids.png, a frame without polygons has that.
Class files beside the data that name other classes count; then it is not IDD, and its terms do not hold.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path

from streetseg.data.cityscapes import FRAME, has_numbered_drives, with_polygons
from streetseg.data.class_files import find_classes
from streetseg.data.mask_dataset import Publisher, named_dataset
from streetseg.data.own_classes import OwnClasses, plain, published
from streetseg.data.pairs import IGNORE, Dataset, LabelSpace, Pair
from streetseg.data.polygon_files import ENDING
from streetseg.runtime.inputs import SUFFIXES

# The classes of level 3 in the order of their ids: labels that are one class, and its colour. The first is its name.
CLASSES: tuple[tuple[tuple[str, ...], tuple[int, int, int]], ...] = (
    (("road",), (128, 64, 128)),
    (("drivable fallback", "parking"), (81, 0, 81)),
    (("sidewalk",), (244, 35, 232)),
    (("non-drivable fallback", "rail track"), (152, 251, 152)),
    (("person", "animal"), (220, 20, 60)),
    (("rider",), (255, 0, 0)),
    (("motorcycle",), (0, 0, 230)),
    (("bicycle",), (119, 11, 32)),
    (("autorickshaw",), (255, 204, 54)),
    (("car",), (0, 0, 142)),
    (("truck",), (0, 0, 70)),
    (("bus",), (0, 60, 100)),
    (("vehicle fallback", "caravan", "trailer", "train"), (136, 143, 153)),
    (("curb",), (220, 190, 40)),
    (("wall",), (102, 102, 156)),
    (("fence",), (190, 153, 153)),
    (("guard rail",), (180, 165, 180)),
    (("billboard",), (174, 64, 67)),
    (("traffic sign",), (220, 220, 0)),
    (("traffic light",), (250, 170, 30)),
    (("pole", "polegroup"), (153, 153, 153)),
    (("obs-str-bar-fallback",), (169, 187, 214)),
    (("building",), (70, 70, 70)),
    (("bridge", "tunnel"), (150, 100, 100)),
    (("vegetation",), (107, 142, 35)),
    (("sky", "fallback background"), (70, 130, 180)),
)
LABELS = LabelSpace(tuple(names[0] for names, _ in CLASSES), tuple(colour for _, colour in CLASSES))
VALUES_BY_LABEL = (
    {name: index for index, (names, _) in enumerate(CLASSES) for name in names}
    | dict.fromkeys(("unlabeled", "ego vehicle", "rectification border", "out of roi", "ground"), IGNORE)
    | {"license plate": -1}
)

TERMS = (
    "IDD may be used for non-commercial research under the licence that its site asks one to accept; weights trained "
    "on it are research weights."
)
LIMITS = (
    "Hyderabad, Bangalore and their outskirts, by day, with one camera: other countries' streets, night and snow were "
    "never seen.",
)
MERGED = "classes are level 3 of IDD's hierarchy"

LAYOUT = "leftImg8bit/SPLIT/NUMBER/*_leftImg8bit.png (or .jpg) with gtFine/SPLIT/NUMBER/*_gtFine_polygons.json"


def recognises(root: Path) -> bool:
    """Return True if `root` has Cityscapes' folders with numbered drives and no labels of Cityscapes."""
    return (root / "gtFine").is_dir() and has_numbered_drives(root)


def open_idd(root: Path) -> Dataset:
    """Open the dataset at `root`; a frame's sequence is its drive."""
    splits = {}
    for split in ("train", "val", "test"):
        pairs = []
        frames = (root / "leftImg8bit" / split).glob(f"[!.]*/[!.]*{FRAME}.*")
        for frame in sorted(path for path in frames if path.suffix.lower() in SUFFIXES):
            stem, drive = frame.stem.removesuffix(FRAME), frame.parent.name
            label = root / "gtFine" / split / drive / f"{stem}_gtFine{ENDING}"
            drawn = label.with_name(f"{stem}_gtFine_labellevel3Ids.png")
            label = drawn if drawn.is_file() and not label.is_file() else label
            withheld = split == "test" and not label.is_file()
            pairs.append(Pair(f"{split}/{drive}_{stem}", frame, None if withheld else label, drive))
        if pairs:
            splits[split] = tuple(pairs)
    classes = published(dict(enumerate(range(len(CLASSES)))) | {IGNORE: IGNORE}, LABELS)
    publisher = Publisher("idd", classes, TERMS, LIMITS, agrees=is_official)
    places = [root, root / "gtFine", root / "leftImg8bit"]
    dataset = named_dataset(root, splits, places, publisher=publisher)
    if dataset.class_file is not None and (own := find_classes(places, [])):
        return with_polygons(dataset, {entry.name.lower(): entry.indices[0] for entry in own.entries})
    return with_polygons(dataclasses.replace(dataset, note=MERGED), VALUES_BY_LABEL)


def is_official(classes: OwnClasses) -> bool:
    """Return True if the classes are the 26 of level 3."""
    return [plain(entry.name) for entry in classes.counted] == [plain(name) for name in LABELS.names]
