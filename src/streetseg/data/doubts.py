"""Doubts about labels that can be read: they decode without an error, but do not mean what their maker meant.

Each function looks at the pixels that the classes of a split have. It names the likely cause and the remedy.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from shlex import quote

import numpy as np

from streetseg.data.cityscapes_classes import LABELS as CITYSCAPES
from streetseg.data.classes_yaml import CLASSES_FILE
from streetseg.data.findings import Finding, Severity
from streetseg.data.mask_contents import Contents, contents_of, describe_colours, describe_values, value_ranges
from streetseg.data.pairs import IGNORE, Dataset, Pair, as_loaded, read_ahead
from streetseg.errors import DatasetError
from streetseg.runtime.overlay import percent

BANDS = 8  # horizontal bands of a frame in which the pixels of each class are counted
STRIDE = 4  # every 4th pixel across and down is counted
MUCH_VOID = 0.5  # share of void in the labelled pixels
MUCH_OBJECT = 0.6  # share of an object in the frames of a dataset that has it and its background
SAMPLE = 48  # labels that are read to look for doubts in a hurry
RAW_SAMPLE = 16  # labels whose stored values are looked at

TRAIN_IDS = frozenset({*range(19), IGNORE})
# Classes that lie in the upper or in the lower part of frames, whatever the street.
ABOVE = frozenset({"sky", "himmel", "ciel", "cielo"})
BELOW = frozenset(
    {"road", "street", "lane", "lanemarking", "roadmarking", "sidewalk", "pavement", "bonnet", "hood", "egovehicle"}
    | {"strasse", "straße", "fahrbahn", "gehweg", "route", "chaussee", "carretera", "strada"}
)
BACKGROUNDS = frozenset({"background", "other", "others", "rest", "none", "unlabeled", "unlabelled", "hintergrund"})
# With a background, these may still fill most of a frame.
LARGE = ABOVE | BELOW | {"building", "vegetation", "tree", "terrain", "ground", "wall", "water", "nature", "scene"}


@dataclass
class SplitLabels:
    """The labels of a split, counted.

    Attributes:
        dataset: The dataset.
        split: The split's name.
        pairs: The split's pairs.
        counts: 256, number of pixels with each class index or IGNORE.
        bands: BANDS x 256, the same in each horizontal band, the top one first, every STRIDE-th pixel.
    """

    dataset: Dataset
    split: str
    pairs: tuple[Pair, ...]
    counts: np.ndarray
    bands: np.ndarray

    @property
    def classes(self) -> np.ndarray:
        """Number of pixels of each class."""
        counted: np.ndarray = self.counts[: len(self.dataset.labels.names)]
        return counted

    @property
    def void(self) -> float:
        """Share of void in the labelled pixels, 0 to 1."""
        return float(self.counts[IGNORE] / max(1, self.counts.sum()))

    @cached_property
    def stored(self) -> Contents:
        """What some of the labels hold before decoding."""
        return contents_of(self.dataset, spread(self.pairs, RAW_SAMPLE))

    @property
    def drawn(self) -> bool:
        """True if the labels are shapes, which hold no values of their own."""
        return self.dataset.decode is as_loaded

    @property
    def class_file(self) -> str:
        """Where the classes are defined, in words."""
        return str(self.dataset.class_file or "the class file")

    def height(self, index: int) -> float | None:
        """Return the mean place of a class from the top (0) to the bottom (1) of frames; None without pixels."""
        band = self.bands[:, index]
        return float(band @ (np.arange(BANDS) + 0.5) / (BANDS * band.sum())) if band.sum() else None


def band_counts(label: np.ndarray) -> np.ndarray:
    """Return BANDS x 256: number of pixels of each class index or IGNORE in each band, every STRIDE-th pixel."""
    part = label[::STRIDE, ::STRIDE]
    band = np.arange(part.shape[0]) * BANDS // max(1, part.shape[0])
    counts: np.ndarray = np.bincount((part + 256 * band[:, None]).ravel(), minlength=256 * BANDS)
    return counts.reshape(BANDS, 256)


def spread(pairs: tuple[Pair, ...], count: int) -> list[Pair]:
    """Return up to `count` of the pairs, spread evenly."""
    step = max(1, len(pairs) / count)
    return [pairs[int(i * step)] for i in range(min(count, len(pairs)))]


def quick_warnings(dataset: Dataset, split: str) -> list[str]:
    """Return the warnings of a check about a split, from a sample of its labels.

    Labels that cannot be read are passed over: whoever reads all of them tells it.

    Args:
        dataset: The dataset.
        split: A split, as `Dataset.pairs` takes it.

    Returns:
        A line for each doubt.

    Raises:
        DatasetError: Training on these labels would be senseless, or there is no such split.
    """
    pairs = tuple(pair for pair in dataset.pairs(split) if pair.label is not None)
    found = doubts(count_labels(dataset, split, spread(pairs, SAMPLE)))
    if len(pairs) > SAMPLE and any(finding.severity == "error" for finding in found):
        found = doubts(count_labels(dataset, split, pairs))  # a rare class may be in none of the sample
    if errors := [finding.message for finding in found if finding.severity == "error"]:
        raise DatasetError(f"{dataset.root}, split {errors[0]}")
    return [f"{dataset.root}, split {finding.message}" for finding in found]


def count_labels(dataset: Dataset, split: str, pairs: Iterable[Pair]) -> SplitLabels:
    """Return the labels of some pairs of a split, counted; those that cannot be read are left out."""
    pairs = tuple(pairs)
    counts, bands = np.zeros(256, np.int64), np.zeros((BANDS, 256), np.int64)
    for label in read_ahead(lambda pair: label_or_none(dataset, pair), pairs):
        if label is not None:
            counts += np.bincount(label.ravel(), minlength=256)
            bands += band_counts(label)
    return SplitLabels(dataset, split, pairs, counts, bands)


def label_or_none(dataset: Dataset, pair: Pair) -> np.ndarray | None:
    """Return the label map of a pair; None if it cannot be used."""
    try:
        return dataset.read_label(pair)
    except DatasetError:
        return None


def doubts(labels: SplitLabels) -> list[Finding]:
    """Return the doubts about the labels of a split."""
    if not labels.counts.any():  # no label, or none that can be read
        return []
    for look in (train_ids_as_label_ids, binary_masks, nothing_counts, single_class):
        if found := look(labels):  # one of these explains all that follows
            return found
    return [*mostly_void(labels), *misplaced(labels), *inverted(labels)]


def train_ids_as_label_ids(labels: SplitLabels) -> list[Finding]:
    """Return an error if train ids are read as Cityscapes' label ids, most of which do not count."""
    if labels.void < MUCH_VOID or not reads_label_ids(labels.dataset):
        return []
    values = labels.stored.only_values
    if not values or not values <= TRAIN_IDS:
        return []
    called = any(pair.label is not None and pair.label.stem.endswith("_labelIds") for pair in labels.pairs)
    listed = "put a classes.yaml with the 19 classes in Cityscapes' order beside the data"
    message = (
        f"{labels.split}: {percent(labels.void)} of the pixels are void, because the masks are read as Cityscapes' "
        f"label ids but hold train ids (values {value_ranges(values)}); "
        f"{'rename the files to *_labelTrainIds.png' if called else listed}"
    )
    return [Finding("error", message)]


def reads_label_ids(dataset: Dataset) -> bool:
    """Return True if masks are decoded as Cityscapes' label ids: 7 is road, and 0 does not count."""
    if dataset.labels.names != CITYSCAPES.names:
        return False
    try:
        return dataset.decode(np.array([[7, 0]], np.uint8)).ravel().tolist() == [0, IGNORE]
    except ValueError:
        return False


def binary_masks(labels: SplitLabels) -> list[Finding]:
    """Return an error if masks hold 0 and 255 alone, and 255 is read as void."""
    if labels.drawn or (labels.classes > 0).sum() > 1 or not labels.counts[IGNORE]:
        return []
    values, names = labels.stored.only_values, labels.dataset.labels.names
    if IGNORE not in values or len(values) > 2:
        return []
    absent = [name for name, count in zip(names, labels.classes, strict=True) if not count]
    present = [name for name in names if name not in absent]
    meant = absent[-1] if len(names) == 2 and present else ""
    line = f"- {{name: {meant or 'NAME'}, index: {IGNORE}}}"
    learned = f"training would learn {present[0]!r} alone" if present else "there is nothing to learn"
    message = (
        f"{labels.split}: masks hold {describe_values(labels.stored.greys)} alone, and 255 is read as void, so "
        f"{learned}; if 255 means {repr(meant) if meant else 'a class'}, write {line} in {labels.class_file}"
    )
    return [Finding("error", message)]


def nothing_counts(labels: SplitLabels) -> list[Finding]:
    """Return a finding if every labelled pixel is void: an error for what is trained on."""
    if labels.classes.any():
        return []
    message = f"{labels.split}: no pixel has a class that counts; {look_at(labels)}"
    return [Finding(severity(labels), message)]


def severity(labels: SplitLabels) -> Severity:
    """Return the severity of labels that teach nothing: an error, unless they are only evaluated on."""
    return "warning" if labels.split in ("val", "test") else "error"


def single_class(labels: SplitLabels) -> list[Finding]:
    """Return a finding if one class has all pixels that count: an error for what is trained on."""
    names = labels.dataset.labels.names
    if len(names) < 2 or (labels.classes > 0).sum() != 1:
        return []
    name = names[int(labels.classes.argmax())]
    message = (
        f"{labels.split}: {name!r} has every pixel that counts, and {len(names) - 1} other classes have none"
        f"; {look_at(labels)}"
    )
    return [Finding(severity(labels), message)]


def look_at(labels: SplitLabels) -> str:
    """Return advice: compare what the masks hold with the class file."""
    if labels.drawn:
        return f"pixels that no shape covers do not count, unless {CLASSES_FILE} has a class 'background'"
    stored = labels.stored
    if stored.colours:
        held = f"the masks hold the colours {describe_colours(stored.colours)}"
    elif stored.values:
        held = f"the masks hold {describe_values(stored.values)}"
    else:
        held = "look at the masks"
    return f"{held}: compare them with {labels.class_file}"


def mostly_void(labels: SplitLabels) -> list[Finding]:
    """Return a warning if more than half of the labelled pixels are void."""
    if labels.void <= MUCH_VOID:
        return []
    message = f"{labels.split}: {percent(labels.void)} of the labelled pixels are void and not learned; "
    return [Finding("warning", message + look_at(labels))]


def misplaced(labels: SplitLabels) -> list[Finding]:
    """Return a warning if the sky lies low or the road lies high: the classes may be in another order."""
    places = {}
    for index, name in enumerate(labels.dataset.labels.names):
        place = labels.height(index)
        if place is not None:
            places[name] = place
    sky = {name: place for name, place in places.items() if plain(name) in ABOVE}
    road = {name: place for name, place in places.items() if plain(name) in BELOW}
    odd = [f"{name!r} lies low ({place:.0%} down)" for name, place in sky.items() if place > 0.6]
    odd += [f"{name!r} lies high ({place:.0%} down)" for name, place in road.items() if place < 0.4]
    if not odd:
        return []
    message = (
        f"{labels.split}: {' and '.join(odd)} in the frames; the classes of {labels.class_file} may be in the wrong "
        f"order or shifted by one, or the masks inverted; look at streetseg data show {quote(str(labels.dataset.root))}"
    )
    return [Finding("warning", message)]


def inverted(labels: SplitLabels) -> list[Finding]:
    """Return a warning if an object fills most of the frames, and its background the rest."""
    names, total = labels.dataset.labels.names, labels.classes.sum()
    if len(names) != 2 or not total:
        return []
    backgrounds = [i for i, name in enumerate(names) if plain(name) in BACKGROUNDS]
    if len(backgrounds) != 1:
        return []
    name = names[1 - backgrounds[0]]
    share = float(labels.classes[1 - backgrounds[0]] / total)
    if share <= MUCH_OBJECT or plain(name) in LARGE:
        return []
    message = (
        f"{labels.split}: {name!r} has {percent(share)} of the pixels, {names[backgrounds[0]]!r} the rest; if the "
        f"masks are inverted, swap the two classes in {labels.class_file}"
    )
    return [Finding("warning", message)]


def plain(name: str) -> str:
    """Return a class's name without case, blanks and signs, composed."""
    return "".join(letter for letter in unicodedata.normalize("NFC", name).casefold() if letter.isalpha())
