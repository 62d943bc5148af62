"""Convert a dataset: read any layout, leave out what cannot be used, and write a clean dataset."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from streetseg.data.datasets import find_dataset
from streetseg.data.findings import Finding, told
from streetseg.data.origin import ORIGIN_FILE, origin_of
from streetseg.data.pairs import Dataset, Pair, read_ahead
from streetseg.data.renaming import Renaming, as_cityscapes, rename
from streetseg.data.resplit import divide
from streetseg.data.survey import read_pair
from streetseg.data.targets.target import CleanFrame, Target
from streetseg.data.targets.targets import TARGETS
from streetseg.errors import DatasetError, OutputError, UsageError
from streetseg.progress import Progress, silent
from streetseg.results import Facts, Printable
from streetseg.runtime.files import whole_folder


@dataclass(frozen=True, repr=False)
class ConvertedDataset(Printable):
    """A dataset that `convert_dataset` has written.

    Attributes:
        out: Its folder.
        to: A key of TARGETS.
        classes: Its classes.
        splits: Split -> number of frames.
        source_frames: Number of frames in the source.
        renamed: Class of the source -> its other name.
        left_out: What was left out, and why.
        notes: Decisions: how the frames were divided, and what the source's folder leaves open.
    """

    out: Path
    to: str
    classes: tuple[str, ...]
    splits: dict[str, int]
    source_frames: int
    renamed: dict[str, str]
    left_out: tuple[Finding, ...]
    notes: tuple[str, ...]

    def facts(self) -> Facts:
        """Return the figures as JSON's types.

        Returns:
            The fields by their names.
        """
        return {
            **asdict(self),
            "out": str(self.out),
            "left_out": [asdict(finding) for finding in self.left_out],
        }

    def table(self) -> str:
        """Return the figures as text.

        Returns:
            What was left out, notes, renamed classes, and last the folder with the number of frames in each split.
        """
        total = sum(self.splits.values())
        lines = told(self.left_out, self.source_frames, "left out")
        lines += [f"note: {note}" for note in self.notes]
        if self.renamed:
            lines.append("classes: " + ", ".join(f"{old} -> {new}" for old, new in self.renamed.items()))
        counts = ", ".join(f"{count} in {split}" for split, count in self.splits.items())
        rest = f"; {len(self.left_out)} left out" if self.left_out else ""
        lines.append(f"{self.out}: {total} frames ({counts}), {len(self.classes)} classes{rest}")
        return "\n".join(lines)


def convert_dataset(
    data: Dataset | Path | str,
    out: Path | str,
    *,
    to: str = "folder",
    val: float | None = None,
    test: float | None = None,
    names: Mapping[str, str] | None = None,
    dataset: str | None = None,
    progress: Progress = silent,
) -> ConvertedDataset:
    """Write a clean dataset of any dataset that can be read.

    Frames that cannot be used, without a label for instance, are left out and named in the result. The data's terms
    are kept in origin.yaml.

    Args:
        data: A dataset, or its folder.
        out: A new or empty folder.
        to: A key of `TARGETS`: "folder", "cityscapes" or "coco".
        val: Share of the frames of train and val that val gets, above 0, below 1, whole drives or blocks of
            consecutive frames; None keeps the splits.
        test: The same for test, of all frames with a label.
        names: Class -> its new name; classes of one name become one, "" leaves a class out.
        dataset: A key of `DATASETS`; None: recognised by the folder's layout.
        progress: Shows how many pairs have been written.

    Returns:
        What was written, and what was left out.

    Raises:
        DatasetError: The folder is not a dataset, or none of its frames can be used.
        UsageError: An unknown target, share or class, or a class that the target does not have.
        OutputError: The folder is not empty or cannot be written to.
    """
    out = Path(out)
    if to not in TARGETS:
        raise UsageError(f"unknown layout {to!r}; choose one of {', '.join(TARGETS)}")
    opened = data if isinstance(data, Dataset) else find_dataset(data, dataset)
    check_place(out, opened.root)
    renaming = as_cityscapes(opened.labels, names or {}) if to == "cityscapes" else rename(opened.labels, names or {})
    splits, notes = chosen_splits(opened, val, test)
    left_out: list[Finding] = []
    counts: Counter[str] = Counter({split: 0 for split in splits})
    with whole_folder(out) as folder:
        target = TARGETS[to](folder, renaming.labels)
        write_frames(opened, splits, renaming, target, counts, left_out, progress)
        if not counts.total():
            reason = left_out[0].message if left_out else "it holds no frame"
            raise DatasetError(f"no frame of {opened.root} can be used: {reason} (streetseg data check lists all)")
        target.finish()
        (folder / ORIGIN_FILE).write_text(origin_of(opened), encoding="utf-8")
    filled = {split: count for split, count in counts.items() if count}
    return ConvertedDataset(
        out=out,
        to=to,
        classes=renaming.labels.names,
        splits=filled,
        source_frames=sum(map(len, opened.splits.values())),
        renamed=renaming.changed,
        left_out=tuple(left_out),
        notes=tuple(filter(None, notes)),
    )


def check_place(out: Path, source: Path) -> None:
    """Raise OutputError if a folder is not empty or lies in the source."""
    try:
        occupied = out.exists() and (not out.is_dir() or any(out.iterdir()))
    except OSError as error:
        raise OutputError(f"{out} cannot be read: {error.strerror}; give a new folder") from None
    if occupied:
        raise OutputError(f"{out} is not an empty folder; give a new or empty one")
    if out.resolve().is_relative_to(source.resolve()):
        raise OutputError(f"{out} lies in {source}, which is read; give a folder outside it")


def chosen_splits(
    dataset: Dataset, val: float | None, test: float | None
) -> tuple[dict[str, tuple[Pair, ...]], list[str]]:
    """Return the splits to write, and notes on how they came about."""
    shares = {split: share for split, share in (("val", val), ("test", test)) if share is not None}
    if not shares:
        return dataset.splits, [dataset.note]
    pooled = [
        pair
        for split, pairs in dataset.splits.items()
        for pair in pairs
        if pair.label is not None and (test is not None or split != "test")
    ]
    division = divide(pooled, shares)
    taken = {pair.name for pair in pooled}
    rest = {
        split: left
        for split, pairs in dataset.splits.items()
        if (left := tuple(pair for pair in pairs if pair.name not in taken)) and split not in division.splits
    }
    return division.splits | rest, [division.note]


def write_frames(
    dataset: Dataset,
    splits: Mapping[str, tuple[Pair, ...]],
    renaming: Renaming,
    target: Target,
    counts: Counter[str],
    left_out: list[Finding],
    progress: Progress,
) -> None:
    """Write the frames that can be used; count them, and list the others."""
    work = [(split, pair) for split, pairs in splits.items() for pair in pairs]
    taken: dict[str, set[str]] = {split: set() for split in splits}  # a name may be in two splits
    read = read_ahead(lambda item: read_pair(dataset, item[1]), work)
    for (split, pair), (frame, label, problems) in zip(progress(work, "pair"), read, strict=True):
        if problems or frame is None:
            left_out += problems[:1]
            continue
        name = free_name(dataset, pair, taken[split])
        label = None if label is None else renaming.table[label]
        try:
            target.add(CleanFrame(split, name, pair.sequence, pair.image, frame, label))
        except OSError as error:
            raise OutputError(f"{target.root} cannot be written to: {error.strerror}; give another folder") from None
        counts[split] += 1


def free_name(dataset: Dataset, pair: Pair, taken: set[str]) -> str:
    """Return a name for a pair without folders that is not taken, whatever the case; then it is."""
    split = next((split for split in dataset.splits if pair.name.startswith(f"{split}/")), "")
    name = pair.name.removeprefix(f"{split}/") if split else pair.name
    name = name.replace("/", "_").lstrip(".") or "frame"
    candidates = (name, f"{split}_{name}", *(f"{name}_{number}" for number in range(2, len(taken) + 3)))
    free = next(each for each in candidates if each.casefold() not in taken)
    taken.add(free.casefold())
    return free
