"""ImageNet (Russakovsky et al., IJCV 2015), or any folder of images sorted by class: what backbones are pre-trained on.

Layout: train/CLASS/*.JPEG and val/CLASS/*.JPEG; ImageNet's classes are WordNet numbers such as n01440764. The val
images come unsorted from the publisher; sort them by class first, as everybody's tools expect.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from streetseg.errors import DatasetError

LAYOUT = "train/CLASS/*.JPEG and val/CLASS/*.JPEG"
SPLITS = ("train", "val")
SUFFIXES = (".jpeg", ".jpg", ".png")


@dataclass(frozen=True)
class LabelledImages:
    """Images with one class each.

    names: the classes, in the order of their indices, which is the alphabet's. splits: split name -> its images, each
    with its class index.
    """

    name: str
    root: Path
    names: tuple[str, ...]
    splits: dict[str, tuple[tuple[Path, int], ...]]

    def items(self, split: str) -> tuple[tuple[Path, int], ...]:
        """The images of a split, by class, each with its class index; DatasetError where there is no such split."""
        if split not in self.splits:
            raise DatasetError(f"{self.root} ({self.name}) has no split {split!r}; there are {', '.join(self.splits)}")
        return self.splits[split]


def recognises(root: Path) -> bool:
    """Whether `root` has images sorted by class: train/CLASS/IMAGE."""
    folders = classes_in(root / "train")
    return bool(folders) and any(is_image(path) for path in folders[0].iterdir())


def open_imagenet(root: Path) -> LabelledImages:
    """The images below `root`; DatasetError if there are none, a class is empty, or val has one that train has not."""
    if not root.is_dir():
        raise DatasetError(f"dataset folder {root} does not exist or is no folder")
    names = tuple(folder.name for folder in classes_in(root / "train"))
    if not names:
        raise DatasetError(f"{root} holds no images sorted by class; looked for {LAYOUT}")
    splits = {}
    for split in SPLITS:
        items: list[tuple[Path, int]] = []
        for folder in classes_in(root / split):
            if folder.name not in names:
                raise DatasetError(f"{folder} is a class that train has not; take it out, or add it there")
            images = sorted(path for path in folder.iterdir() if is_image(path))
            if not images:
                raise DatasetError(f"{folder} holds no image; looked for files ending in {', '.join(SUFFIXES)}")
            index = names.index(folder.name)
            items += [(path, index) for path in images]
        if items:
            splits[split] = tuple(items)
        elif (root / split).is_dir():
            raise DatasetError(f"{root / split} holds no class folders; sort its images by class: {LAYOUT}")
    return LabelledImages("imagenet", root, names, splits)


def classes_in(folder: Path) -> list[Path]:
    """The class folders of a split, hidden ones left out; none where it is not there."""
    if not folder.is_dir():
        return []
    return sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))


def is_image(path: Path) -> bool:
    return path.suffix.lower() in SUFFIXES and not path.name.startswith(".")
