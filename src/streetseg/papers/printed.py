"""Read the papers' tables and figures of speed and accuracy from the TOML files of this folder."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from streetseg.bench.subject import Argument, Subject
from streetseg.errors import UsageError

FOLDER = Path(__file__).parent
# The keys of a row that are not figures of the paper.
NOTES = {"network", "arguments", "size", "operating_scale", "trained_otherwise", "searched", "why"}


class EvaluationSubject(NamedTuple):
    """The network and split of a row's accuracy. operating_scale: the card's; None: any."""

    network: str
    operating_scale: float | None
    dataset: str
    split: str


@dataclass(frozen=True)
class PaperRow:
    """A row of a paper's table.

    Attributes:
        figures: Column -> the paper's figure or word; "model" is always among them.
        subject: The network as the row has it; None: a rival's.
        operating_scale: Operating scale that a card must have to fit the row; None: any.
        trained_otherwise: True if the row's training is not the network's usual one.
        searched: True if an architecture search made the network.
        why: Why our count differs from the paper's.
    """

    figures: Mapping[str, float | str]
    subject: Subject | None
    operating_scale: float | None
    trained_otherwise: bool
    searched: bool
    why: str

    @property
    def model(self) -> str:
        """The paper's name of the row."""
        return str(self.figures["model"])

    def number(self, column: str) -> float | None:
        """Return a figure of the paper, None where it has none or a word."""
        value = self.figures.get(column)
        return value if isinstance(value, int | float) else None


@dataclass(frozen=True)
class PaperTable:
    """A table of a paper, or a figure that is drawn from one.

    Attributes:
        name: Such as "ddrnet-V".
        paper: Name of the paper's network.
        source: Authors, title and place.
        title: What the table shows.
        columns: Key of the rows' figures -> the paper's heading.
        rows: The rows in the paper's order.
        note: A remark on our side; empty where there is none.
        reference: Model of the row that ratios of speed refer to; None: the paper gives no speed.
        dataset: The dataset of the accuracies; None: none of ours.
        split: The split of that dataset.
        axes: The columns along x and y of a figure; None: a table.
    """

    name: str
    paper: str
    source: str
    title: str
    columns: Mapping[str, str]
    rows: tuple[PaperRow, ...]
    note: str
    reference: str | None
    dataset: str | None
    split: str
    axes: tuple[str, str] | None = None

    @property
    def subjects(self) -> list[Subject | None]:
        """The rows' networks."""
        return [row.subject for row in self.rows]

    @property
    def timed_subjects(self) -> set[Subject]:
        """The networks whose speed the paper gives."""
        return {row.subject for row in self.rows if row.subject is not None and "fps" in row.figures}

    @property
    def reference_row(self) -> PaperRow | None:
        """The row that ratios of speed refer to."""
        return next((row for row in self.rows if row.model == self.reference), None)

    def evaluation_subject(self, row: PaperRow) -> EvaluationSubject | None:
        """Return what is evaluated for a row of the table.

        It is None if the row is a rival's, an ablation's or another training's, or if the table is not on a dataset of
        ours.
        """
        subject = row.subject
        if self.dataset is None or subject is None or subject.arguments or row.trained_otherwise:
            return None
        return EvaluationSubject(subject.network, row.operating_scale, self.dataset, self.split)


def read_tables() -> dict[str, PaperTable]:
    """Return every table by name, such as "ddrnet-V"; a paper's figures come after its tables."""
    tables: dict[str, PaperTable] = {}
    for path in sorted(FOLDER.glob("*.toml")):
        content = tomllib.loads(path.read_text(encoding="utf-8"))
        paper, source = content.pop("paper"), content.pop("source")
        for key, written in content.items():
            name = f"{path.stem}-{key}"
            if "table" in written:
                axes = written["x"], written["y"]
                table = read_table(name, paper, source, written["title"], content[written["table"]], axes)
            else:
                table = read_table(name, paper, source, written["title"], written)
            tables[name] = table
    return tables


def read_table(
    name: str, paper: str, source: str, title: str, written: Mapping[str, Any], axes: tuple[str, str] | None = None
) -> PaperTable:
    """Return a table as it is written in TOML; with axes, the figure of the rows that have figures for both."""
    rows = tuple(read_row(row, written) for row in written["rows"])
    columns = written["columns"]
    if axes:
        rows = tuple(row for row in rows if all(row.number(axis) is not None for axis in axes))
        columns = {column: columns[column] for column in ("model", *axes)}
    return PaperTable(
        name, paper, source, title, columns, rows,
        note=written.get("note", ""), reference=written.get("reference"),
        dataset=written.get("dataset"), split=written.get("split", ""), axes=axes,
    )  # fmt: skip


def read_row(row: Mapping[str, Any], table: Mapping[str, Any]) -> PaperRow:
    """Return a row as it is written in TOML. The table's size and arguments hold for every row."""
    arguments: dict[str, Argument] = {
        name: tuple(value) if isinstance(value, list) else value
        for name, value in (table.get("arguments", {}) | row.get("arguments", {})).items()
    }
    subject = None
    if "network" in row:
        height, width = row.get("size") or table["size"]
        subject = Subject(row["network"], tuple(arguments.items()), table["classes"], (height, width))
    return PaperRow(
        figures={key: value for key, value in row.items() if key not in NOTES},
        subject=subject,
        operating_scale=row.get("operating_scale"),
        trained_otherwise=row.get("trained_otherwise", False),
        searched=row.get("searched", False),
        why=row.get("why", ""),
    )


def table_named(name: str) -> PaperTable:
    """Return a table by its name, in any case; UsageError if there is none."""
    tables = read_tables()
    by_name = {known.lower(): table for known, table in tables.items()}
    if name.lower() not in by_name:
        raise UsageError(f"no table {name!r}; there are {', '.join(tables)}")
    return by_name[name.lower()]
