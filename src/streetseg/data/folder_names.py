"""What the names of folders, lists and files say: images or masks, and which split."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

Role = Literal["images", "masks"]

SPLITS = ("train", "val", "test")
SPLIT_WORDS = (
    dict.fromkeys(("train", "training", "trn", "tr"), "train")
    | dict.fromkeys(("val", "valid", "validation", "dev", "eval"), "val")
    | dict.fromkeys(("test", "testing", "tst", "ts"), "test")
)
IMAGE_WORDS = {
    "image", "images", "img", "imgs", "rgb", "frame", "frames", "photo", "photos", "picture", "pictures", "pic", "pics",
    "input", "inputs", "camera", "leftimg8bit",
}  # fmt: skip
MASK_WORDS = {
    "mask", "masks", "msk", "msks", "label", "labels", "lbl", "lbls", "annotation", "annotations", "annot", "annots",
    "anno", "annos", "ann", "anns", "gt", "gts", "groundtruth", "truth", "segmentation", "segmentations", "seg", "segs",
    "segmap", "segmaps", "semantic", "semantics", "labelmap", "labelmaps", "target", "targets", "gtfine",
}  # fmt: skip
# Words that say nothing about the role or the split.
FILLERS = {
    "dir", "folder", "jpeg", "jpg", "png", "class", "fine", "ground", "set", "data", "full", "original", "raw", "anon",
    "all", "id", "ids", "k", "list", "lists", "file", "files", "names", "split", "splits", "x",
}  # fmt: skip
# Masks for people to look at, which are taken only where there are no others.
FOR_THE_EYE = {
    "colour",
    "colours",
    "color",
    "colors",
    "rgb",
    "vis",
    "visual",
    "overlay",
    "overlays",
    "preview",
    "blend",
}


@dataclass(frozen=True)
class Meaning:
    """What a folder's name says.

    Attributes:
        role: "images" or "masks"; None if it says neither.
        split: "train", "val" or "test"; None if it says none.
        for_the_eye: True for masks in colours for people to look at.
    """

    role: Role | None = None
    split: str | None = None
    for_the_eye: bool = False


def words_of(name: str) -> list[str]:
    """Return the words of a name without numbers: "trainannot", "imagesTr" and "train_images2" have two each."""
    pieces = re.findall(r"[A-Z]?[^\W\d_A-Z]+|[A-Z]+(?![^\W\d_A-Z])", composed(name))
    words: list[str] = []
    for piece in (piece.casefold() for piece in pieces):
        split = next((word for word in SPLIT_WORDS if piece.startswith(word) and piece != word), None)
        rest = piece[len(split) :] if split else ""
        words += [split, rest] if split and rest in MASK_WORDS | IMAGE_WORDS else [piece]
    return words


@lru_cache(maxsize=4096)
def meaning_of(name: str) -> Meaning:
    """Return what the name of a folder or list says; nothing if it holds a word of another kind."""
    if composed(name).casefold() == "leftimg8bit":
        return Meaning("images")
    words = words_of(name)
    known = IMAGE_WORDS | MASK_WORDS | FILLERS | FOR_THE_EYE | {*SPLIT_WORDS}
    splits = {SPLIT_WORDS[word] for word in words if word in SPLIT_WORDS}
    if not words or not set(words) <= known or len(splits) > 1:
        return Meaning()
    split = splits.pop() if splits else None
    if MASK_WORDS & set(words):
        return Meaning("masks", split, bool(FOR_THE_EYE & set(words)))
    return Meaning("images" if IMAGE_WORDS & set(words) else None, split)


def composed(name: str) -> str:
    """Return a name with letters and accents in one (NFC): a Mac stores them apart, other systems as they come."""
    return unicodedata.normalize("NFC", name)


def split_of(name: str) -> str | None:
    """Return the split that one of a name's folders says; None if none does."""
    for folder in name.split("/")[:-1]:
        if split := meaning_of(folder).split:
            return split
    return None
