"""The table of label tools."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from streetseg.bulk.prelabel.cityscapes import CityscapesPolygons
from streetseg.bulk.prelabel.cvat import CvatTarget
from streetseg.bulk.prelabel.label_studio import LabelStudioTarget
from streetseg.bulk.prelabel.outlined import Outlines
from streetseg.bulk.prelabel.yolo import YoloTarget
from streetseg.data.pairs import LabelSpace
from streetseg.data.targets.coco import CocoTarget
from streetseg.data.targets.folder import FolderTarget
from streetseg.data.targets.target import Target


@dataclass(frozen=True)
class Tool:
    """A label tool's form.

    Attributes:
        make: Returns its writer for a new folder, the classes, and how outlines are made.
        outlines: True if it has polygons, which need OpenCV.
        zipped: True if it is one zip.
        folders: True if names of frames keep their folders.
    """

    make: Callable[[Path, LabelSpace, Outlines], Target]
    outlines: bool = False
    zipped: bool = False
    folders: bool = False


TOOLS = {
    "cvat": Tool(lambda root, labels, _: CvatTarget(root, labels), zipped=True, folders=True),
    "labelstudio": Tool(LabelStudioTarget, outlines=True),
    "coco": Tool(lambda root, labels, _: CocoTarget(root, labels)),
    "yolo": Tool(YoloTarget, outlines=True),
    "cityscapes": Tool(CityscapesPolygons, outlines=True),
    "folder": Tool(lambda root, labels, _: FolderTarget(root, labels)),
}
