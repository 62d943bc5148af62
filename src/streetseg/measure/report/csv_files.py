"""The CSV files of a report: scores of classes, scores of frames, the confusion matrix."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from io import StringIO
from pathlib import Path

from streetseg.measure.evaluation import Evaluation
from streetseg.results import rounded
from streetseg.runtime.files import write_file

Cell = str | int | float | None


def write_csv_files(folder: Path, evaluation: Evaluation) -> None:
    """Write classes.csv, images.csv and confusion.csv."""
    columns = evaluation.class_scores()
    per_class = ([name, *(column[name] for column in columns.values())] for name in evaluation.names)
    write_csv(folder / "classes.csv", ["class", *columns], per_class)
    per_frame = ([frame.name, rounded(frame.miou), rounded(frame.pixel_accuracy)] for frame in evaluation.frame_scores)
    write_csv(folder / "images.csv", ["image", "miou", "pixel_accuracy"], per_frame)
    counts = ([name, *row] for name, row in zip(evaluation.names, evaluation.matrix.tolist(), strict=True))
    write_csv(folder / "confusion.csv", ["true \\ predicted", *evaluation.names], counts)


def write_csv(path: Path, header: list[str], rows: Iterable[Sequence[Cell]]) -> None:
    """Write a table; a cell without a figure is empty."""
    text = StringIO()
    writer = csv.writer(text)
    writer.writerow(header)
    writer.writerows(rows)
    write_file(path, encoded(text.getvalue()))


def encoded(text: str) -> bytes:
    """Return the text as UTF-8; bytes of a file's name that are not UTF-8 become escapes."""
    return text.encode(errors="backslashreplace")
