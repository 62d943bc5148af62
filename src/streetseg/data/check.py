"""What ruins trainings, found in one pass over a dataset."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np

from streetseg.data.pairs import IGNORE, Dataset
from streetseg.data.survey import Progress, Sample, survey


@dataclass(frozen=True)
class Finding:
    """Something wrong ("error": training would fail or deceive) or doubtful ("warning"), in one line."""

    severity: Literal["error", "warning"]
    message: str


@dataclass(frozen=True)
class Report:
    """What a check found. samples: those of each split."""

    dataset: Dataset
    samples: dict[str, list[Sample]]
    findings: list[Finding]

    def count(self, severity: Literal["error", "warning"]) -> int:
        """How many findings are of that severity."""
        return sum(finding.severity == severity for finding in self.findings)

    def facts(self) -> dict[str, Any]:
        """Everything, for JSON."""
        return {
            "dataset": self.dataset.name,
            "root": str(self.dataset.root),
            "note": self.dataset.note,
            "splits": {split: split_facts(self.dataset, samples) for split, samples in self.samples.items()},
            "findings": [asdict(finding) for finding in self.findings],
            "errors": self.count("error"),
            "warnings": self.count("warning"),
        }

    def summary(self) -> str:
        """The splits, the classes' shares in each, and how many findings there are."""
        splits = self.facts()["splits"]
        lines = [
            f"{self.dataset.name}, {split}: {facts['frames']} frames, {describe_sizes(facts['sizes'])}"
            for split, facts in splits.items()
        ]
        if self.dataset.note:
            lines.append(f"note: {self.dataset.note}")
        names = [*self.dataset.labels.names, "(void)"]
        width = max(map(len, names)) + 2
        lines.append(f"{'share of pixels':<{width}}" + "".join(f"{split:>9}" for split in splits))
        for name in names:
            shares = [facts["void"] if name == "(void)" else facts["shares"][name] for facts in splits.values()]
            lines.append(f"{name:<{width}}" + "".join("        -" if s is None else f"{s:>9.3%}" for s in shares))
        errors, warnings = self.count("error"), self.count("warning")
        return "\n".join([*lines, f"{errors} error{'s' * (errors != 1)}, {warnings} warning{'s' * (warnings != 1)}"])


def split_facts(dataset: Dataset, samples: list[Sample]) -> dict[str, Any]:
    """Frames, their sizes, and each class's share of the pixels that count; shares are None without labels."""
    labels = class_counts(samples)
    counted = labels[: len(dataset.labels.names)].sum()
    return {
        "frames": len(samples),
        "sizes": {f"{width} x {height}": count for (height, width), count in frame_sizes(samples).items()},
        "shares": {
            name: round(float(labels[i] / counted), 6) if counted else None
            for i, name in enumerate(dataset.labels.names)
        },
        "void": round(float(labels[IGNORE] / labels.sum()), 6) if labels.any() else None,
    }


def describe_sizes(sizes: dict[str, int]) -> str:
    """Up to three frame sizes in words."""
    if len(sizes) == 1:
        return next(iter(sizes))
    named = ", ".join(f"{count} of {size}" for size, count in list(sizes.items())[:3])
    return named + (f" and {len(sizes) - 3} more sizes" if len(sizes) > 3 else "")


def check(dataset: Dataset, progress: Progress = iter) -> Report:
    """Read every file of every split and judge what is there; `dataset` may be incomplete (see `find_dataset`)."""
    everything = survey(dataset, [pair for pairs in dataset.splits.values() for pair in pairs], progress)
    rest = iter(everything)
    samples = {split: [next(rest) for _ in pairs] for split, pairs in dataset.splits.items()}
    findings = [Finding("error", problem) for sample in everything for problem in sample.problems]
    findings += void_labels(everything) + duplicates(samples) + orphans(dataset)
    findings += missing_splits(dataset) + missing_classes(dataset, samples)
    return Report(dataset, samples, findings)


def void_labels(samples: list[Sample]) -> list[Finding]:
    """Labels without a pixel that counts."""
    return [
        Finding("warning", f"{sample.pair.label}: every pixel is void; take the pair out")
        for sample in samples
        if sample.labels[IGNORE] and not sample.labels[:IGNORE].any()
    ]


def duplicates(samples: dict[str, list[Sample]]) -> list[Finding]:
    """Frames with the same pixels: within a split a waste, across splits a judgement on what was trained on."""
    same: defaultdict[bytes, list[tuple[str, Sample]]] = defaultdict(list)
    for split, members in samples.items():
        for sample in members:
            if sample.digest is not None:
                same[sample.digest].append((split, sample))
    findings = []
    for group in same.values():
        if len(group) > 1:
            splits = list(dict.fromkeys(split for split, _ in group))
            files = ", ".join(str(sample.pair.image) for _, sample in group)
            if len(splits) > 1:
                message = f"{files} have the same pixels, in {' and '.join(splits)}; keep each frame in one split"
                findings.append(Finding("error", message))
            else:
                findings.append(Finding("warning", f"{files} have the same pixels; keep one"))
    return findings


def orphans(dataset: Dataset) -> list[Finding]:
    """Label files that belong to no frame, in the folders where the others lie."""
    pairs = [pair for pairs in dataset.splits.values() for pair in pairs]
    labels = {pair.label: pair.image.stem for pair in pairs if pair.label is not None}
    known = {*labels, *dataset.left_out}
    # Beside labels may lie files of other kinds (Cityscapes' colours and polygons): only what is named like a label is
    # one, and how it is named is what follows the part that the frame's name shares with its label's.
    endings = {ending(stem, label.name) for label, stem in labels.items()}
    found = [
        path
        for folder in sorted({label.parent for label in labels})
        if folder.is_dir()
        for path in sorted(folder.iterdir())
        if path not in known and not path.name.startswith(".") and path.name.endswith(tuple(endings))
    ]
    return [Finding("warning", f"{path}: a label without a frame; add the image or take it out") for path in found]


def ending(stem: str, name: str) -> str:
    """What follows in a label's name after what it shares with its frame's: "_L.png"."""
    shared = next((i for i, (a, b) in enumerate(zip(stem, name, strict=False)) if a != b), min(len(stem), len(name)))
    return name[shared:]


def missing_splits(dataset: Dataset) -> list[Finding]:
    consequences = {"train": "nothing to train on", "val": "nothing to judge on"}
    return [
        Finding("warning", f"{dataset.root} has no split {split!r}: there is {consequence}")
        for split, consequence in consequences.items()
        if split not in dataset.splits
    ]


def missing_classes(dataset: Dataset, samples: dict[str, list[Sample]]) -> list[Finding]:
    """Classes without a pixel in train, which cannot be learned, or in val, which cannot be judged."""
    findings = []
    for split, consequence in (("train", "learned"), ("val", "judged")):
        if split in samples:
            counts = class_counts(samples[split])
            if not counts.any():  # no label could be read, which is told of each
                continue
            absent = [name for i, name in enumerate(dataset.labels.names) if not counts[i]]
            if absent:
                findings.append(
                    Finding("warning", f"no pixel of {', '.join(absent)} in {split}: cannot be {consequence}")
                )
    return findings


def class_counts(samples: list[Sample]) -> np.ndarray:
    """How many pixels have each class index, and IGNORE; 256 counts."""
    return sum((sample.labels for sample in samples), np.zeros(256, np.int64))


def frame_sizes(samples: list[Sample]) -> dict[tuple[int, int], int]:
    """Height and width -> how many frames have them, the most common first."""
    return dict(Counter(sample.size for sample in samples if sample.size is not None).most_common())
