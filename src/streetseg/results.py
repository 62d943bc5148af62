"""The base of all results: JSON for programs, tables for people."""

from __future__ import annotations

import dataclasses
import io
import json
import math
import reprlib
import shutil
import textwrap
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import TypeAlias

JSON: TypeAlias = bool | int | float | str | Sequence["JSON"] | Mapping[str, "JSON"] | None
Facts: TypeAlias = Mapping[str, JSON]

GAP = 2  # spaces between the columns of a table

# A field's part of the line that a Python prompt shows of a result.
SHORT = reprlib.Repr()
SHORT.maxlevel, SHORT.maxtuple, SHORT.maxlist, SHORT.maxdict = 2, 3, 3, 3
SHORT.maxstring = SHORT.maxother = 60
NARROWEST_SENTENCE = 20  # characters a line


class Printable(ABC):
    """A result with figures. A subclass defines the figures and their table."""

    @abstractmethod
    def facts(self) -> Facts:
        """Return the figures as JSON's types; shares from 0 to 1, None for a missing figure."""

    @abstractmethod
    def table(self) -> str:
        """Return the figures as text for a terminal."""

    def to_json(self) -> str:
        """Return `facts` as one JSON object."""
        return json.dumps(self.facts(), indent=2)

    def __repr__(self) -> str:
        """Return the class and its fields in one line, long ones shortened; dataclasses keep it by repr=False."""
        names: list[str] = [field.name for field in dataclasses.fields(self)] if dataclasses.is_dataclass(self) else []
        shown = ", ".join(f"{name}={SHORT.repr(getattr(self, name))}" for name in names)
        return " ".join(f"{type(self).__name__}({shown})".split())

    def _repr_html_(self) -> str:
        """Return the table for a notebook."""
        import html  # here, for it would slow every command

        return f"<pre>{html.escape(self.table())}</pre>"


def rounded(value: float | None, digits: int = 6) -> float | None:
    """Return the value rounded; None for None and for NaN, which JSON does not have."""
    return None if value is None or math.isnan(value) else round(value, digits)


def text_table(rows: Sequence[Sequence[str]], *, width: int | None = None) -> str:
    """Return a table that fits the terminal.

    Columns of figures are aligned right. Texts fold within their cell. If the columns do not fit side by side, the
    table continues below and repeats the first column.

    Args:
        rows: The header first; all of one length.
        width: Characters a line; None: the terminal's width, 80 without a terminal.

    Returns:
        Lines without trailing spaces.
    """
    from rich.console import Console  # here, for it would slow every command

    width = width or Console().width
    return "\n\n".join(aligned(part, width) for part in side_by_side(rows, width))


def text_list(entries: Mapping[str, str], *, width: int | None = None) -> str:
    """Return names, each with a sentence beside it that folds at the terminal's width.

    Args:
        entries: Name -> sentence.
        width: Characters a line; None: the terminal's width, 80 without a terminal.

    Returns:
        The names in one column, which is never folded, the sentences in another.
    """
    indent = max(map(len, entries)) + GAP
    width = max(width or shutil.get_terminal_size().columns, indent + NARROWEST_SENTENCE)
    return "\n".join(
        textwrap.fill(f"{name:<{indent}}{text}", width, subsequent_indent=" " * indent, break_long_words=False)
        for name, text in entries.items()
    )


def side_by_side(rows: Sequence[Sequence[str]], width: int) -> list[list[Sequence[str]]]:
    """Return the table in parts of columns that fit into the width; each begins with the first column."""
    columns = list(zip(*rows, strict=True))
    parts = [[columns[0]]]
    for column in columns[1:]:
        if len(parts[-1]) > 1 and sum(narrowest(each) + GAP for each in (*parts[-1], column)) >= width:
            parts.append([columns[0]])
        parts[-1].append(column)
    return [[list(row) for row in zip(*part, strict=True)] for part in parts]


def narrowest(column: Sequence[str]) -> int:
    """Return the width below which a column cannot be read: its figures, or its longest word."""
    cells = column[1:] if is_figures(column) else [word for cell in column[1:] for word in cell.split()]
    return max(map(len, [*column[0].split(), *cells]), default=0)


def is_figures(column: Sequence[str]) -> bool:
    """Return True if all cells below the header are figures, with or without sign and unit, or empty."""
    return all(cell in ("", "-") or (cell.lstrip("+-")[:1].isdigit() and cell.count(" ") < 2) for cell in column[1:])


def aligned(rows: Sequence[Sequence[str]], width: int) -> str:
    """Return the rows as aligned text."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, padding=(0, GAP, 0, 0))
    columns = list(zip(*rows, strict=True))
    for index, (column, characters) in enumerate(zip(columns, column_widths(columns, width), strict=True)):
        right = index > 0 and is_figures(column)
        table.add_column(Text(column[0]), justify="right" if right else "left", overflow="fold", width=characters)
    for row in rows[1:]:
        table.add_row(*map(Text, row))
    console = Console(file=io.StringIO(), width=width, color_system=None)
    with console.capture() as captured:
        console.print(table)
    return "\n".join(line.rstrip() for line in captured.get().splitlines())


def column_widths(columns: Sequence[Sequence[str]], width: int) -> list[int]:
    """Return each column's width in characters: all that it needs if there is room, never less than can be read."""
    widths = [min(narrowest(column), width // 2 - GAP) for column in columns]
    needs = [max(0, max(map(len, column)) - given) for column, given in zip(columns, widths, strict=True)]
    left = width - sum(widths) - GAP * len(widths)
    for place, index in enumerate(sorted(range(len(columns)), key=needs.__getitem__)):
        more = min(needs[index], max(0, left) // (len(columns) - place))  # the others share what one does not need
        widths[index] += more
        left -= more
    return widths
