"""Write a table as Markdown that is also readable as plain text."""

from __future__ import annotations

from collections.abc import Sequence


def markdown_table(rows: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table with padded columns. rows: the header first, all of one length.

    The first column is aligned left, the others right where they hold numbers.
    """
    widths = [max(3, *map(len, column)) for column in zip(*rows, strict=True)]
    numeric = [index > 0 and all(is_number(row[index]) for row in rows[1:]) for index in range(len(widths))]
    lines = []
    for row in rows:
        cells = [
            cell.rjust(width) if right else cell.ljust(width)
            for cell, width, right in zip(row, widths, numeric, strict=True)
        ]
        lines.append(f"| {' | '.join(cells)} |")
    rules = ["-" * (width - 1) + (":" if right else "-") for width, right in zip(widths, numeric, strict=True)]
    return "\n".join([lines[0], f"| {' | '.join(rules)} |", *lines[1:]])


def is_number(cell: str) -> bool:
    """Return True if a cell is empty or a figure, with or without a sign for its unit."""
    return cell in ("", "-") or cell[:1].isdigit()
