"""The table of targets."""

from __future__ import annotations

from streetseg.data.targets.cityscapes import CityscapesTarget
from streetseg.data.targets.coco import CocoTarget
from streetseg.data.targets.folder import FolderTarget
from streetseg.data.targets.target import Target

TARGETS: dict[str, type[Target]] = {
    "folder": FolderTarget,
    "cityscapes": CityscapesTarget,
    "coco": CocoTarget,
}
