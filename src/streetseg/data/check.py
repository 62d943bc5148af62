"""Check a dataset: one pass over its files lists what would ruin a training."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import asdict, dataclass
from pathlib import Path

from streetseg.data.causes import likely_causes, sizes_cause
from streetseg.data.datasets import find_dataset
from streetseg.data.doubts import SplitLabels, doubts
from streetseg.data.findings import Finding, Severity, told
from streetseg.data.misspelt import name_hints
from streetseg.data.pairs import IGNORE, SHOWN, Dataset
from streetseg.data.survey import Sample, SplitFigures, class_counts, describe_sizes, split_bands, split_figures, survey
from streetseg.progress import Progress, silent
from streetseg.results import Facts, Printable, text_table


@dataclass(frozen=True, repr=False)
class CheckReport(Printable):
    """The result of a check of a dataset.

    Attributes:
        dataset: The dataset's name.
        root: Its folder.
        note: Decisions about the data that its folder leaves open; may be empty.
        splits: Split -> its figures.
        findings: The faults and doubts.
    """

    dataset: str
    root: Path
    note: str
    splits: dict[str, SplitFigures]
    findings: tuple[Finding, ...]

    def count(self, severity: Severity) -> int:
        """Return the number of findings of a severity.

        Args:
            severity: "error" or "warning".

        Returns:
            0 or more.
        """
        return sum(finding.severity == severity for finding in self.findings)

    def facts(self) -> Facts:
        """Return the report as JSON's types.

        Returns:
            The figures of each split, the findings, and the numbers of errors and warnings.
        """
        return {
            "dataset": self.dataset,
            "root": str(self.root),
            "note": self.note,
            "splits": {split: asdict(figures) for split, figures in self.splits.items()},
            "findings": [asdict(finding) for finding in self.findings],
            "errors": self.count("error"),
            "warnings": self.count("warning"),
        }

    def table(self) -> str:
        """Return the report as text.

        Returns:
            A line for each finding, or a few for many of one kind; then the splits, the shares of the classes, and the
            number of findings.
        """
        lines = told(self.findings, sum(figures.frames for figures in self.splits.values()))
        for split, figures in self.splits.items():
            lines.append(f"{self.dataset}, {split}: {figures.frames} frames, {describe_sizes(figures.sizes)}")
        if self.note:
            lines.append(f"note: {self.note}")
        rows = [["share of pixels", *self.splits]]
        names = next(iter(self.splits.values())).shares if self.splits else {}
        rows += [[name, *(share_text(each.shares[name]) for each in self.splits.values())] for name in names]
        rows.append(["(void)", *(share_text(each.void) for each in self.splits.values())])
        errors, warnings = self.count("error"), self.count("warning")
        total = f"{errors} error{'s' * (errors != 1)}, {warnings} warning{'s' * (warnings != 1)}"
        return "\n".join([*lines, text_table(rows), total])


def share_text(share: float | None) -> str:
    """Return a share in per cent."""
    return "-" if share is None else f"{share:.3%}"


def check_dataset(
    data: Dataset | Path | str, *, dataset: str | None = None, progress: Progress = silent
) -> CheckReport:
    """Read every file of every split and list what is wrong or doubtful.

    Args:
        data: A dataset, or its folder; labels may be missing (see `find_dataset`).
        dataset: A key of `DATASETS`; None: recognised by the folder's layout.
        progress: Shows how many pairs have been read.

    Returns:
        The findings and the figures of each split.

    Raises:
        DatasetError: The folder is not a dataset.
    """
    opened = data if isinstance(data, Dataset) else find_dataset(data, dataset)
    everything = survey(opened, [pair for pairs in opened.splits.values() for pair in pairs], progress)
    rest = iter(everything)
    samples = {split: [next(rest) for _ in pairs] for split, pairs in opened.splits.items()}
    findings = [problem for sample in everything for problem in sample.problems]
    findings += causes(opened, everything)
    findings += void_labels(everything) + duplicates(samples) + orphans(opened) + missing_splits(opened)
    for split, members in samples.items():
        found = doubts(split_labels(opened, split, members))
        findings += found or missing_classes(opened, split, members)
    findings += misspelt_names(opened, everything)
    splits = {split: split_figures(opened, members) for split, members in samples.items()}
    return CheckReport(opened.name, opened.root, opened.note, splits, tuple(findings))


def causes(dataset: Dataset, samples: list[Sample]) -> list[Finding]:
    """Return the likely cause if at least half of the labels hold what is no class, or have another size."""
    of_kind = {
        kind: [sample for sample in samples if any(problem.kind == kind for problem in sample.problems)]
        for kind in ("value", "size")
    }
    values, sizes = (members if 2 * len(members) >= len(samples) else [] for members in of_kind.values())
    found = likely_causes(dataset, [sample.pair for sample in values]) if values else []
    return found + (sizes_cause(dataset, [(sample.pair, sample.size) for sample in sizes]) if sizes else [])


def split_labels(dataset: Dataset, split: str, samples: list[Sample]) -> SplitLabels:
    """Return the labels of a split, counted."""
    pairs = tuple(sample.pair for sample in samples if sample.labels.any())
    return SplitLabels(dataset, split, pairs, class_counts(samples), split_bands(samples))


def void_labels(samples: list[Sample]) -> list[Finding]:
    """Return a warning for each label without a pixel that counts."""
    return [
        Finding("warning", f"{sample.pair.label_place}: every pixel is void; take the pair out", "void")
        for sample in samples
        if sample.labels[IGNORE] and not sample.labels[:IGNORE].any()
    ]


def duplicates(samples: dict[str, list[Sample]]) -> list[Finding]:
    """Return a finding for frames with the same pixels.

    Within a split they are a waste (warning). Across splits, a network is evaluated on what it was trained on (error).
    """
    same: defaultdict[bytes, list[tuple[str, Sample]]] = defaultdict(list)
    for split, members in samples.items():
        for sample in members:
            if sample.digest is not None:
                same[sample.digest].append((split, sample))
    findings = []
    for group in same.values():
        if len(group) > 1:
            splits = list(dict.fromkeys(split for split, _ in group))
            files = ", ".join(str(sample.pair.image) for _, sample in group[:SHOWN])
            files += f" and {len(group) - SHOWN} more" if len(group) > SHOWN else ""
            if len(splits) > 1:
                message = f"{files} have the same pixels, in {' and '.join(splits)}; keep each frame in one split"
                findings.append(Finding("error", message, "leak"))
            else:
                findings.append(Finding("warning", f"{files} have the same pixels; keep one", "copy"))
    return findings


def orphans(dataset: Dataset) -> list[Finding]:
    """Return a warning for each label file without a frame in the folders of the labels."""
    pairs = [pair for pairs in dataset.splits.values() for pair in pairs]
    known = {*(pair.label for pair in pairs), *dataset.left_out, *dataset.sources, dataset.class_file}
    # A file that holds the labels of several frames has no namesakes among them.
    labels = {pair.label: pair.image.stem for pair in pairs if pair.label is not None and not pair.entry}
    # Other files may lie beside the labels (Cityscapes' colours and polygons). A file counts as a label only if its
    # name has the ending of one: the part of a label's name after what it shares with its frame's name.
    endings = tuple({ending(stem, label.name) for label, stem in labels.items()})
    strays = [
        path
        for folder in sorted({label.parent for label in labels})
        if folder.is_dir()
        for path in sorted(folder.iterdir())
        if path not in known and not path.name.startswith(".") and path.name.endswith(endings)
    ]
    advice = "a label without a frame; add the image or take it out"
    return [Finding("warning", f"{path}: {advice}", "stray") for path in strays]


def ending(stem: str, name: str) -> str:
    """Return the part of a label's name after what it shares with its frame's name, for example "_L.png"."""
    shared = next((i for i, (a, b) in enumerate(zip(stem, name, strict=False)) if a != b), min(len(stem), len(name)))
    return name[shared:]


def misspelt_names(dataset: Dataset, samples: list[Sample]) -> list[Finding]:
    """Return a warning for each name that may be misspelt in the classes that the folder defines itself."""
    if dataset.class_file is None:
        return []
    counts = class_counts(samples).tolist()
    return [Finding("warning", hint) for hint in name_hints(dict(zip(dataset.labels.names, counts, strict=False)))]


def missing_splits(dataset: Dataset) -> list[Finding]:
    """Return a warning for each missing split of train and val."""
    consequences = {"train": "nothing to train on", "val": "nothing to evaluate on"}
    return [
        Finding("warning", f"{dataset.root} has no split {split!r}: there is {consequence}")
        for split, consequence in consequences.items()
        if split not in dataset.splits
    ]


def missing_classes(dataset: Dataset, split: str, samples: list[Sample]) -> list[Finding]:
    """Return a warning for classes without a pixel in train, which cannot be learned, or in val."""
    consequence = {"train": "learned", "val": "evaluated"}.get(split)
    counts = class_counts(samples)
    if consequence is None or not counts.any():  # no label could be read; each has its own finding
        return []
    absent = [name for i, name in enumerate(dataset.labels.names) if not counts[i]]
    message = f"no pixel of {', '.join(absent)} in {split}: cannot be {consequence}"
    return [Finding("warning", message)] if absent else []
