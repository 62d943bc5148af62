"""The log of a run as a CSV file: a row for each line of log.jsonl."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from streetseg.runtime.files import write_file

Row = Mapping[str, object]


class CsvLog:
    """log.csv of a run, rewritten from its log.jsonl when a column is new.

    Args:
        path: The file.
        read_rows: Returns the rows so far; each has its values by column.
    """

    def __init__(self, path: Path, read_rows: Callable[[], list[Row]]) -> None:
        self.path, self.read_rows = path, read_rows
        self.columns: list[str] = []
        self.rewrite()

    def rewrite(self) -> None:
        """Write the whole file."""
        rows = self.read_rows()
        self.columns = list(dict.fromkeys(column for row in rows for column in row))
        header = [self.columns] if rows else []
        write_file(self.path, as_csv([*header, *self.cells(rows)]))

    def add(self, row: Row) -> None:
        """Add a row, which `read_rows` already returns."""
        if row.keys() <= set(self.columns):
            with self.path.open("ab") as file:
                file.write(as_csv(self.cells([row])))
        else:
            self.rewrite()

    def cells(self, rows: Iterable[Row]) -> list[list[object]]:
        """Return the values of rows, column by column; an empty cell where a row has none."""
        return [[row.get(column, "") for column in self.columns] for row in rows]


def as_csv(rows: Iterable[Iterable[object]]) -> bytes:
    """Return rows as the text of a CSV file; names of classes may hold commas and any letters."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue().encode(errors="replace")
