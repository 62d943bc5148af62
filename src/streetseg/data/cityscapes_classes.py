"""Cityscapes' 19 classes: names, colours, and their values in its two kinds of label files.

BDD100K, KITTI and others use the same classes and values.
"""

from __future__ import annotations

from streetseg.data.pairs import IGNORE, LabelSpace

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
# The labels of *_polygons.json in the order of their values, from 0. A licence plate is not drawn: the car is below it.
OF_POLYGONS = (
    "unlabeled, ego vehicle, rectification border, out of roi, static, dynamic, ground, road, sidewalk, parking, "
    "rail track, building, wall, fence, guard rail, bridge, tunnel, pole, polegroup, traffic light, traffic sign, "
    "vegetation, terrain, sky, person, rider, car, truck, bus, caravan, trailer, train, motorcycle, bicycle"
)
VALUES_BY_LABEL = {label: value for value, label in enumerate(OF_POLYGONS.split(", "))} | {"license plate": -1}
