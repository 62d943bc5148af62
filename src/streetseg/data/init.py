"""Write classes.yaml for a folder of images and masks, from what its masks and class files hold."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from shlex import quote

import numpy as np

from streetseg.data.class_files import read_class_file
from streetseg.data.class_suggestions import Suggestion, suggest, twins
from streetseg.data.classes_yaml import CLASSES_FILE
from streetseg.data.datasets import find_dataset
from streetseg.data.mask_contents import describe_colours, describe_values
from streetseg.data.mask_dataset import UnnamedClassesError
from streetseg.data.mask_files import read_pixels
from streetseg.data.mask_scan import MaskScan, scan_masks, split_mixtures
from streetseg.data.own_classes import OwnClass
from streetseg.data.pairs import IGNORE, Dataset
from streetseg.data.palettes import PALETTES
from streetseg.data.yaml_lines import class_line
from streetseg.errors import DatasetError, OutputError
from streetseg.progress import Progress, silent
from streetseg.results import Facts, Printable, text_table
from streetseg.runtime.files import write_file
from streetseg.runtime.inputs import SUFFIXES
from streetseg.runtime.overlay import Colour, percent

VOID = "void"
NAMED = 8  # names in an error, at most


@dataclass(frozen=True)
class FoundClass:
    """A class that `init_classes` has written.

    Attributes:
        name: Its name.
        share: Its share of the pixels of all masks, 0 to 1.
        indices: Its values in masks with one channel; empty if masks hold colours alone.
        colours: Its colours.
        ignore: True if its pixels do not count.
    """

    name: str
    share: float
    indices: tuple[int, ...]
    colours: tuple[tuple[int, int, int], ...]
    ignore: bool


@dataclass(frozen=True, repr=False)
class FoundClasses(Printable):
    """A classes.yaml that `init_classes` has written.

    Attributes:
        path: The file.
        classes: Its classes.
        masks: Number of masks that were read.
        hints: What is doubtful, a line each.
    """

    path: Path
    classes: tuple[FoundClass, ...]
    masks: int
    hints: tuple[str, ...]

    def facts(self) -> Facts:
        """Return the figures as JSON's types.

        Returns:
            The fields by their names; the path as text.
        """
        return {**asdict(self), "path": str(self.path)}

    def table(self) -> str:
        """Return the classes as text.

        Returns:
            A line for each hint, the classes with their shares, and last the file and what to do next.
        """
        rows = [["class", "share", "value", "colours"]]
        for each in self.classes:
            name = f"{each.name} (does not count)" if each.ignore else each.name
            value = ", ".join(map(str, each.indices))
            share = percent(each.share) if each.share else "-"
            rows.append([name, share, value, " ".join(str(list(colour)) for colour in each.colours)])
        return "\n".join(
            [
                *(f"hint: {hint}" for hint in self.hints),
                text_table(rows),
                f"{self.path}: {len(self.classes)} classes from {self.masks} masks; look at the names, then run "
                f"streetseg data check {quote(str(self.path.parent))}",
            ]
        )


def init_classes(
    data: Path | str,
    *,
    nearest: bool = False,
    force: bool = False,
    dataset: str | None = None,
    progress: Progress = silent,
) -> FoundClasses:
    """Write classes.yaml for a folder of images and masks.

    The names come from class files beside the data (`classes.txt`, `class_dict.csv` and so on), else from a published
    palette that the masks' colours are from, else they are class_1, class_2 and so on, to be replaced.

    Args:
        data: The folder.
        nearest: Let colours that are no class, as smoothed borders have them, take the class of the nearest colour.
            Otherwise they do not count.
        force: Replace a classes.yaml that is there.
        dataset: A key of `DATASETS`; None: recognised by the folder's layout.
        progress: Shows how many masks have been read.

    Returns:
        The classes with their shares, and hints.

    Raises:
        DatasetError: There are no masks, or they are pictures.
        OutputError: There is a classes.yaml, or it cannot be written.
    """
    refuse_to_replace(Path(data) / CLASSES_FILE, force)
    opened, given = open_unnamed(Path(data), dataset)
    root, path = opened.root, opened.root / CLASSES_FILE
    refuse_to_replace(path, force)
    masks = list(dict.fromkeys(pair.label for pairs in opened.splits.values() for pair in pairs if pair.label))
    present = [mask for mask in masks if mask.is_file()]
    scan = scan_masks(present, progress)
    if not scan.contents.masks:
        raise DatasetError(f"{root} holds no mask that can be read: {why_unreadable(masks)}")
    published_as = "" if given or not opened.labels.names else opened.name
    given = given or publishers(opened, scan)
    known = {colour for entry in given for colour in entry.colours}
    published = {colour for palette in PALETTES.values() for colour in palette.values()}
    colours, mixtures = split_mixtures(scan, known | (published if len(scan.contents.colours) < 256 else set()))
    suggestions, palette = suggest(scan, colours, given)
    palette = "" if given else palette
    if sum(not each.ignore for each in suggestions) < 2:
        raise DatasetError(
            f"the masks of {root} hold fewer than two classes: {held(scan)}; {CLASSES_FILE} has room for values from 0 "
            "to 255 and needs two classes that count"
        )
    hints = [*doubtful(scan, mixtures, nearest, palette, len(masks) - len(present)), *twins(suggestions)]
    unmatched = [each.name for each in suggestions if not each.pixels and not each.colours and not each.ignore]
    if unmatched and any(each.name.startswith("class_") for each in suggestions):
        hints.append(
            f"no colour or value in the masks is known to be {some(unmatched)}; give these classes those of class_N "
            "and delete the lines of class_N"
        )
    if published_as:
        hints.append(
            f"{path.name} counts more than the folder's layout, so that cards of weights no longer state the terms of "
            f"{published_as}; delete it if you want the dataset as published"
        )
    if mixtures and not nearest:
        catch_all(suggestions, sum(scan.contents.colours[colour] for colour in mixtures))
    total = max(1, scan.contents.values.total() + scan.contents.colours.total())
    write_file(path, file_of(suggestions, total, bool(mixtures) and nearest, hints).encode())
    found = tuple(
        FoundClass(each.name, round(each.pixels / total, 6), each.indices, each.colours, each.ignore)
        for each in suggestions
    )
    return FoundClasses(path, found, scan.contents.masks, tuple(hints))


def refuse_to_replace(path: Path, force: bool) -> None:
    """Raise OutputError if a file is there that must stay."""
    if path.exists() and not force:
        raise OutputError(f"{path} is there already and stays as it is; add --force to replace it")


def open_unnamed(root: Path, dataset: str | None) -> tuple[Dataset, list[OwnClass]]:
    """Return the folder's pairs, and the classes that the most trusted file in it names; none if there is no file."""
    try:
        opened = find_dataset(root, dataset)
    except UnnamedClassesError as error:
        return error.dataset, []
    labels = [pair.label for pairs in opened.splits.values() for pair in pairs if pair.label is not None]
    if labels and not any(label.suffix.lower() in SUFFIXES for label in labels):
        raise DatasetError(
            f"{opened.root} has no masks that are images: its labels name the classes themselves "
            f"({some(opened.labels.names)}); a {CLASSES_FILE} is needed only to change their order or to leave some out"
        )
    return opened, list(read_class_file(opened.class_file).entries) if opened.class_file else []


def why_unreadable(masks: Sequence[Path]) -> str:
    """Return why the first of some masks cannot be read."""
    if not masks:
        return "there are none"
    try:
        read_pixels(masks[0])
    except FileNotFoundError:
        return f"{masks[0]} is missing, as all {len(masks)} are" if len(masks) > 1 else f"{masks[0]} is missing"
    except Exception as error:  # damaged files make decoders raise any kind of error
        return f"{masks[0]}: {' '.join(str(error).split())}"
    return f"{masks[0]} is of a kind that holds no classes; save masks as PNG of 8 bits"


def held(scan: MaskScan) -> str:
    """Return what masks hold as text."""
    found = [describe_colours(scan.contents.colours)] if scan.contents.colours else []
    return "; ".join([*found, *([describe_values(scan.contents.values)] if scan.contents.values else [])])


def some(names: Sequence[str]) -> str:
    """Return the first names as text."""
    return ", ".join(names[:NAMED]) + (f" and {len(names) - NAMED} more" if len(names) > NAMED else "")


def publishers(dataset: Dataset, scan: MaskScan) -> list[OwnClass]:
    """Return the classes of a published dataset that masks have; none if the classes have no names yet."""
    if not dataset.labels.names:
        return []
    values: dict[str, list[int]] = {}
    for value in sorted(value for value in scan.contents.values if value <= IGNORE):
        name = decoded_name(dataset, np.array([[value]], np.uint8))
        values.setdefault(name, []).append(value)
    colours: dict[str, list[Colour]] = {}
    for colour in scan.contents.colours:
        colours.setdefault(decoded_name(dataset, np.array([[colour]], np.uint8)), []).append(colour)
    order = [*(name for name in dataset.labels.names if name in values or name in colours), VOID]
    return [
        OwnClass(
            name, tuple(values.get(name, (IGNORE,))), tuple(colours.get(name, ())), name == VOID, name not in values
        )
        for name in order
        if name in values or name in colours
    ]


def decoded_name(dataset: Dataset, pixel: np.ndarray) -> str:
    """Return the class of a stored pixel; VOID if it does not count, "" if it is no class."""
    try:
        index = int(dataset.decode(pixel).flat[0])
    except ValueError:
        return ""
    return VOID if index == IGNORE else dataset.labels.names[index]


def doubtful(
    scan: MaskScan, mixtures: list[tuple[int, int, int]], nearest: bool, palette: str, missing: int
) -> list[str]:
    """Return a line for each thing that the masks leave open."""
    contents, hints = scan.contents, []
    if palette:
        hints.append(f"the colours are those of {palette}")
    if mixtures:
        share = percent(sum(contents.colours[colour] for colour in mixtures) / contents.colours.total())
        what = f"{len(mixtures)} further colours ({share} of the pixels) lie on borders, as smoothing makes them"
        hints.append(
            f"{what}; they {'take' if nearest else 'do not count; with --nearest they take'} the nearest class"
        )
    if contents.colours and contents.values:
        hints.append("some masks hold colours and others values of one channel; classes have both where both are known")
    if too_large := [value for value in contents.values if value > IGNORE]:
        hints.append(
            f"{len(too_large)} values are above 255 and belong to no class: {', '.join(map(str, too_large[:5]))}"
        )
    if scan.unreadable:
        hints.append(f"{len(scan.unreadable)} masks cannot be read, first {scan.unreadable[0]}")
    if missing:
        hints.append(f"{missing} images have no mask; data convert leaves them out")
    return hints


def catch_all(suggestions: list[Suggestion], pixels: int) -> None:
    """Let a class that does not count have every colour of no class."""
    void = next((each for each in suggestions if each.ignore), None)
    if void is None:
        indexed = any(each.indices for each in suggestions)
        void = Suggestion(VOID, indices=(IGNORE,) if indexed else (), ignore=True)
        suggestions.append(void)
    void.others, void.pixels = True, void.pixels + pixels


def file_of(suggestions: Iterable[Suggestion], total: int, nearest: bool, hints: Iterable[str]) -> str:
    """Return the content of classes.yaml."""
    lines = ["# Written by streetseg data init from what the masks hold. Shares are of all masks' pixels."]
    lines += [f"# {' '.join(hint.split())}" for hint in hints]
    if nearest:
        lines.append("nearest_colour: true")
    lines.append("classes:")
    for each in suggestions:
        remark = ", ".join([percent(each.pixels / total) if each.pixels else "in no mask", *each.remark])
        lines.append(
            class_line(
                each.name,
                indices=each.indices,
                colours=each.colours,
                ignore=each.ignore,
                others=each.others,
                remark=remark,
            )
        )
    return "\n".join(lines) + "\n"
