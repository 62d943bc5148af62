"""The tables of a run: frames.parquet, the same bytes however the run went, and timings.parquet beside it.

Without pyarrow both are CSV.
"""

from __future__ import annotations

import csv
import re
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, TypeAlias

from streetseg.bulk.options import has_pyarrow
from streetseg.bulk.places import LocalStore, RemoteStore
from streetseg.bulk.rows import STAGES, Row
from streetseg.bulk.shards import shown

Cell: TypeAlias = str | float | int | None

ROW_GROUP = 10_000  # rows that are held at once
TEXTS = ("source", "result", "key", "overlay", "error")
SIZES = ("width", "height")


def table_names() -> tuple[str, str]:
    """Return the names of the two tables as they can be written here."""
    suffix = ".parquet" if has_pyarrow() else ".csv"
    return f"frames{suffix}", f"timings{suffix}"


def share_columns(classes: Sequence[str]) -> list[str]:
    """Return the columns of the classes: share_NAME, with "_" for what an SQL name cannot have without quotes."""
    columns = [f"share_{re.sub(r'[^0-9A-Za-z_]', '_', name)}" for name in classes]
    folded = [column.casefold() for column in columns]
    return [
        column if folded.count(column.casefold()) == 1 else f"{column}_{index}" for index, column in enumerate(columns)
    ]


def frame_columns(classes: Sequence[str]) -> list[str]:
    """Return the columns of the table of frames."""
    first = ["source", "seconds", "width", "height", "result", "key", "overlay"]
    return [*first, *share_columns(classes), "confidence", "unsure", "error"]


def frame_cells(row: Row, classes: int) -> list[Cell]:
    """Return a row of the table of frames."""
    shares: Sequence[Cell] = row.shares or [None] * classes
    texts = [
        None if text is None else shown(text) for text in (row.source, row.result, row.key, row.overlay, row.error)
    ]
    source, result, key, overlay, error = texts
    size = (row.seconds, row.width, row.height)
    return [source, *size, result, key, overlay, *shares, row.confidence, row.unsure, error]


def timing_columns() -> list[str]:
    """Return the columns of the table of timings."""
    return ["source", "seconds", "milliseconds", *(f"{stage.replace(' ', '_')}_ms" for stage in STAGES)]


def timing_cells(row: Row) -> list[Cell]:
    """Return a row of the table of timings."""
    stages = [row.milliseconds.get(stage) for stage in STAGES]
    total = round(sum(stage or 0.0 for stage in stages), 2) if row.milliseconds else None
    return [shown(row.source), row.seconds, total, *stages]


def write_tables(store: LocalStore | RemoteStore, rows: Iterable[Row], classes: Sequence[str]) -> tuple[str, str]:
    """Write both tables from rows that come one by one; return their names."""
    names = table_names()
    files = [store.scratch(), store.scratch()]
    try:
        with ExitStack() as stack:
            frames = stack.enter_context(open_table(files[0], frame_columns(classes)))
            timings = stack.enter_context(open_table(files[1], timing_columns()))
            for row in rows:
                frames.add(frame_cells(row, len(classes)))
                timings.add(timing_cells(row))
    except OSError as error:
        if isinstance(store, LocalStore):
            raise store.refused(names[0], error) from None
        raise
    for name, file in zip(names, files, strict=True):
        store.take(name, file)
    return names


class TableFile(ABC):
    """A table that is being written, closed when its block ends."""

    @abstractmethod
    def add(self, cells: Sequence[Cell]) -> None:
        """Write a row."""

    @abstractmethod
    def close(self) -> None:
        """Write what is left."""

    def __enter__(self) -> TableFile:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def open_table(path: Path, columns: Sequence[str]) -> TableFile:
    """Return a table to write, in the form that can be written here."""
    return ParquetFile(path, columns) if has_pyarrow() else CsvFile(path, columns)


class CsvFile(TableFile):
    """A table as CSV."""

    def __init__(self, path: Path, columns: Sequence[str]) -> None:
        self.file = path.open("w", newline="", encoding="utf-8")
        self.writer = csv.writer(self.file)
        self.writer.writerow(columns)

    def add(self, cells: Sequence[Cell]) -> None:
        """Write a row."""
        self.writer.writerow(cells)

    def close(self) -> None:
        """Close the file."""
        self.file.close()


class ParquetFile(TableFile):
    """A table as Parquet, written in groups of rows."""

    def __init__(self, path: Path, columns: Sequence[str]) -> None:
        import pyarrow as pa
        from pyarrow import parquet

        self.pa = pa
        self.schema = pa.schema([(name, self.type_of(name)) for name in columns])
        self.writer = parquet.ParquetWriter(path, self.schema, compression="zstd")
        self.rows: list[Sequence[Cell]] = []

    def type_of(self, column: str) -> Any:
        """Return a column's type."""
        if column in TEXTS:
            return self.pa.string()
        return self.pa.int32() if column in SIZES else self.pa.float64()

    def add(self, cells: Sequence[Cell]) -> None:
        """Add a row."""
        self.rows.append(cells)
        if len(self.rows) == ROW_GROUP:
            self.flush()

    def flush(self) -> None:
        """Write the rows that are held."""
        if not self.rows:
            return
        columns = [
            self.pa.array([row[index] for row in self.rows], field.type) for index, field in enumerate(self.schema)
        ]
        self.writer.write_table(self.pa.Table.from_arrays(columns, schema=self.schema))
        self.rows = []

    def close(self) -> None:
        """Write the last rows and the end of the file."""
        self.flush()
        self.writer.close()
