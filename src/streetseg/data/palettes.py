"""Colours that published datasets give their classes, to suggest names for the colours of a user's masks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from streetseg.data.camvid import COLOURS_OF_CLASS
from streetseg.data.cityscapes_classes import CLASSES
from streetseg.data.pairs import distinct_colours
from streetseg.runtime.overlay import Colour

VOC_NAMES = (
    "background", "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow", "dining table",
    "dog", "horse", "motorbike", "person", "potted plant", "sheep", "sofa", "train", "tv monitor",
)  # fmt: skip
LEAST_COLOURS, LEAST_SHARE = 2, 0.5  # of the masks' colours and pixels that a palette must have to be the masks' own

PALETTES: dict[str, dict[str, Colour]] = {
    "CamVid": {name: colour for group in COLOURS_OF_CLASS.values() for name, colour in group.items()},
    "CamVid of SegNet": {
        "Sky": (128, 128, 128), "Building": (128, 0, 0), "Pole": (192, 192, 128), "Road": (128, 64, 128),
        "Pavement": (60, 40, 222), "Tree": (128, 128, 0), "SignSymbol": (192, 128, 128), "Fence": (64, 64, 128),
        "Car": (64, 0, 128), "Pedestrian": (64, 64, 0), "Bicyclist": (0, 128, 192), "Void": (0, 0, 0),
    },
    "Cityscapes": {name: colour for _, name, colour in CLASSES}
    | {
        "void": (0, 0, 0), "dynamic": (111, 74, 0), "ground": (81, 0, 81), "parking": (250, 170, 160),
        "rail track": (230, 150, 140), "guard rail": (180, 165, 180), "bridge": (150, 100, 100),
        "tunnel": (150, 120, 90), "caravan": (0, 0, 90), "trailer": (0, 0, 110),
    },
    "Pascal VOC": dict(zip(VOC_NAMES, ((0, 0, 0), *distinct_colours(20)), strict=True)) | {"void": (224, 224, 192)},
    "Mapillary Vistas": {
        "Bird": (165, 42, 42), "Ground Animal": (0, 192, 0), "Curb": (196, 196, 196), "Fence": (190, 153, 153),
        "Guard Rail": (180, 165, 180), "Barrier": (90, 120, 150), "Wall": (102, 102, 156),
        "Bike Lane": (128, 64, 255), "Crosswalk - Plain": (140, 140, 200), "Curb Cut": (170, 170, 170),
        "Parking": (250, 170, 160), "Pedestrian Area": (96, 96, 96), "Rail Track": (230, 150, 140),
        "Road": (128, 64, 128), "Service Lane": (110, 110, 110), "Sidewalk": (244, 35, 232),
        "Bridge": (150, 100, 100), "Building": (70, 70, 70), "Tunnel": (150, 120, 90), "Person": (220, 20, 60),
        "Bicyclist": (255, 0, 0), "Motorcyclist": (255, 0, 100), "Other Rider": (255, 0, 200),
        "Lane Marking - Crosswalk": (200, 128, 128), "Lane Marking - General": (255, 255, 255),
        "Mountain": (64, 170, 64), "Sand": (230, 160, 50), "Sky": (70, 130, 180), "Snow": (190, 255, 255),
        "Terrain": (152, 251, 152), "Vegetation": (107, 142, 35), "Water": (0, 170, 30), "Banner": (255, 255, 128),
        "Bench": (250, 0, 30), "Bike Rack": (100, 140, 180), "Billboard": (220, 220, 220),
        "Catch Basin": (220, 128, 128), "CCTV Camera": (222, 40, 40), "Fire Hydrant": (100, 170, 30),
        "Junction Box": (40, 40, 40), "Mailbox": (33, 33, 33), "Manhole": (100, 128, 160),
        "Phone Booth": (142, 0, 0), "Pothole": (70, 100, 150), "Street Light": (210, 170, 100),
        "Pole": (153, 153, 153), "Traffic Sign Frame": (128, 128, 128), "Utility Pole": (0, 0, 80),
        "Traffic Light": (250, 170, 30), "Traffic Sign (Back)": (192, 192, 192),
        "Traffic Sign (Front)": (220, 220, 0), "Trash Can": (140, 140, 20), "Bicycle": (119, 11, 32),
        "Boat": (150, 0, 255), "Bus": (0, 60, 100), "Car": (0, 0, 142), "Caravan": (0, 0, 90),
        "Motorcycle": (0, 0, 230), "On Rails": (0, 80, 100), "Other Vehicle": (128, 64, 64), "Trailer": (0, 0, 110),
        "Truck": (0, 0, 70), "Wheeled Slow": (0, 0, 192), "Car Mount": (32, 32, 32), "Ego Vehicle": (120, 10, 10),
        "void": (0, 0, 0),
    },
    "ADE20K": {
        "wall": (120, 120, 120), "building": (180, 120, 120), "sky": (6, 230, 230), "floor": (80, 50, 50),
        "tree": (4, 200, 3), "ceiling": (120, 120, 80), "road": (140, 140, 140), "bed": (204, 5, 255),
        "windowpane": (230, 230, 230), "grass": (4, 250, 7), "cabinet": (224, 5, 255), "sidewalk": (235, 255, 7),
        "person": (150, 5, 61), "earth": (120, 120, 70), "door": (8, 255, 51), "table": (255, 6, 82),
        "mountain": (143, 255, 140), "plant": (204, 255, 4), "curtain": (255, 51, 7), "chair": (204, 70, 3),
        "car": (0, 102, 200), "water": (61, 230, 250), "painting": (255, 6, 51), "sofa": (11, 102, 255),
        "shelf": (255, 7, 71), "house": (255, 9, 224), "sea": (9, 7, 230), "mirror": (220, 220, 220),
        "rug": (255, 9, 92), "field": (112, 9, 255), "armchair": (8, 255, 214), "seat": (7, 255, 224),
        "fence": (255, 184, 6),
    },
}  # fmt: skip


@dataclass(frozen=True)
class Known:
    """A palette that the colours of masks are from: its name, and colour -> name of the class."""

    palette: str
    names: dict[Colour, str]


def known_palette(colours: Mapping[Colour, int]) -> Known | None:
    """Return the published palette that the colours are from; None if there is none.

    Black says nothing: every palette has it. Of several palettes, the one with most of the pixels, then with most of
    the colours, then with the fewest classes.

    Args:
        colours: Colour -> number of pixels.
    """
    telling = {colour: count for colour, count in colours.items() if colour != (0, 0, 0)}
    best: tuple[int, int, int] | None = None
    found = None
    for title, palette in PALETTES.items():
        names = {colour: name for name, colour in palette.items()}
        common = [colour for colour in telling if colour in names]
        covered = sum(telling[colour] for colour in common)
        rank = covered, len(common), -len(palette)
        if (
            len(common) >= LEAST_COLOURS
            and covered >= LEAST_SHARE * sum(telling.values())
            and (not best or rank > best)
        ):
            best, found = rank, Known(title, names)
    return found


# Labelling tools give these colours to any classes, so that they do not tell names.
TELL_NO_NAMES = {"Pascal VOC"}
