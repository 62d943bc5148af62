"""ImageNet (Russakovsky et al., IJCV 2015), or any folder of images sorted by class, to pre-train backbones.

Layout: train/CLASS/*.JPEG and val/CLASS/*.JPEG. ImageNet's classes are WordNet numbers such as n01440764. The
publisher's val images are not sorted: sort them by class first.
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

    Attributes:
        name: The dataset's name.
        root: Its folder.
        names: The classes in the order of their indices, which is alphabetical.
        splits: Split -> its images, each with its class index.
    """

    name: str
    root: Path
    names: tuple[str, ...]
    splits: dict[str, tuple[tuple[Path, int], ...]]

    def items(self, split: str) -> tuple[tuple[Path, int], ...]:
        """Return the images of a split by class, each with its class index; DatasetError if there is no such split."""
        if split not in self.splits:
            raise DatasetError(f"{self.root} ({self.name}) has no split {split!r}; there are {', '.join(self.splits)}")
        return self.splits[split]


def recognises(root: Path) -> bool:
    """Return True if `root` has images sorted by class: train/CLASS/IMAGE."""
    folders = classes_in(root / "train")
    return bool(folders) and any(is_image(path) for path in folders[0].iterdir())


def open_imagenet(root: Path) -> LabelledImages:
    """Open the images below `root`; DatasetError if there are none or the classes are wrong."""
    if not root.is_dir():
        raise DatasetError(f"dataset folder {root} does not exist or is not a folder; give the folder of a dataset")
    names = tuple(folder.name for folder in classes_in(root / "train"))
    if not names:
        raise DatasetError(f"{root} holds no images sorted by class; looked for {LAYOUT}")
    splits = {}
    for split in SPLITS:
        items: list[tuple[Path, int]] = []
        for folder in classes_in(root / split):
            if folder.name not in names:
                raise DatasetError(f"{folder} is a class that train lacks; take it out, or add it to train")
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
    """Return the class folders of a split without hidden ones; none if the split does not exist."""
    if not folder.is_dir():
        return []
    return sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))


def is_image(path: Path) -> bool:
    """Return True if a file is an image by its name."""
    return path.suffix.lower() in SUFFIXES and not path.name.startswith(".")
