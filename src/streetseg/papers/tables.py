"""The papers' tables and their figures of speed and accuracy, ours beside them.

What a paper prints lies in papers/*.toml and stays the paper's. Ours is counted, timed or evaluated by the caller, who
may know networks; where there is nothing, a cell is empty. Speeds of other machines mean little: beside the paper's
frames a second stand its ratio to the row that the table names as its reference, and ours.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from streetseg.bench.subject import Subject
from streetseg.errors import UsageError
from streetseg.measure.markdown import markdown_table
from streetseg.measure.plot import Drawing, Point, scatter

PAPERS = Path(__file__).parent


class Judged(NamedTuple):
    """What is judged for a row: an artefact of a network on a split. operating_scale: the one on its card, None where
    the row takes any."""

    network: str
    operating_scale: float | None
    dataset: str
    split: str


@dataclass(frozen=True)
class PaperTable:
    """A table of a paper. columns: key -> the paper's heading. rows: the paper's figures by those keys, and for a
    network of ours what it is. facts: the file's. figure: the keys of the axes, where this is one."""

    name: str
    paper: str
    source: str
    title: str
    columns: dict[str, str]
    rows: list[dict[str, Any]]
    facts: dict[str, Any]
    figure: tuple[str, str] | None = None

    def subjects(self) -> list[Subject | None]:
        """For each row, or None where the network is a rival's."""
        return [
            Subject(
                row["network"],
                tuple(
                    (name, tuple(value) if isinstance(value, list) else value)
                    for name, value in (self.facts.get("arguments", {}) | row.get("arguments", {})).items()
                ),
                self.facts["classes"],
                tuple(row.get("size") or self.facts["size"]),
            )
            if "network" in row
            else None
            for row in self.rows
        ]

    def judged(self) -> list[Judged | None]:
        """For each row, or None where it is not a network's own (a rival's, an ablation's, another training's) or the
        table is on no data set of ours."""
        return [
            Judged(subject.network, row.get("operating_scale"), self.facts["dataset"], self.facts["split"])
            if "dataset" in self.facts and subject and not (subject.arguments or row.get("trained_otherwise"))
            else None
            for row, subject in zip(self.rows, self.subjects(), strict=True)
        ]

    def timed(self) -> set[Subject]:
        """The subjects whose speed the paper gives."""
        return {
            subject
            for subject, row in zip(self.subjects(), self.rows, strict=True)
            if subject is not None and "fps" in row
        }


@dataclass(frozen=True)
class Ours:
    """What was found here. counts: parameters in millions and GMACs. times: milliseconds, one a round, of subjects that
    took turns. mious: 0 to 1."""

    counts: Mapping[Subject, tuple[float, float]]
    times: Mapping[Subject, NDArray[np.float64]] = field(default_factory=dict)
    mious: Mapping[Judged, float] = field(default_factory=dict)


def paper_tables() -> dict[str, PaperTable]:
    """Every table by name, such as "ddrnet-V"; figures after the tables."""
    found: dict[str, PaperTable] = {}
    for path in sorted(PAPERS.glob("*.toml")):
        paper = tomllib.loads(path.read_text(encoding="utf-8"))
        about = {key: paper.pop(key) for key in ("paper", "source")}
        for key, facts in paper.items():
            name = f"{path.stem}-{key}"
            if "table" in facts:
                axes = facts["x"], facts["y"]
                origin = paper[facts["table"]]
                rows = [row for row in origin["rows"] if all(isinstance(row.get(axis), int | float) for axis in axes)]
                columns = {column: origin["columns"][column] for column in ("model", *axes)}
                found[name] = PaperTable(name, **about, title=facts["title"], columns=columns, rows=rows,
                                         facts=origin, figure=axes)  # fmt: skip
            else:
                found[name] = PaperTable(name, **about, title=facts["title"], columns=facts["columns"],
                                         rows=facts["rows"], facts=facts)  # fmt: skip
    return found


def size_tables() -> list[PaperTable]:
    """The tables that give our networks' sizes, and all of a paper that gives none anywhere."""
    tables = [table for table in paper_tables().values() if not table.figure]
    sized = [
        table for table in tables if any({"parameters", "gmacs"} & set(row) for row in table.rows if "network" in row)
    ]
    papers = {table.paper for table in sized}
    return [table for table in tables if table in sized or table.paper not in papers]


def table_named(name: str) -> PaperTable:
    """UsageError where there is none of that name; capitals do not matter."""
    found = {known.lower(): table for known, table in paper_tables().items()}
    if name.lower() not in found:
        raise UsageError(f"no table {name!r}; there are {', '.join(paper_tables())}")
    return found[name.lower()]


def joined(table: PaperTable, ours: Ours) -> list[dict[str, Any]]:
    """Every row with the paper's figures, ours, and the ratios of frames a second to the reference row; None where
    there is no figure."""
    subjects = table.subjects()
    reference = next((row for row in table.rows if row["model"] == table.facts.get("reference")), None)
    reference_subject = subjects[table.rows.index(reference)] if reference else None
    reference_times = ours.times.get(reference_subject) if reference_subject else None
    rows = []
    for row, subject, judged in zip(table.rows, subjects, table.judged(), strict=True):
        found: dict[str, Any] = {"parameters": None, "gmacs": None, "fps": None, "miou": None}
        ratio: dict[str, float | None] = {"paper": None, "ours": None}
        if subject is not None:
            found["parameters"], found["gmacs"] = ours.counts[subject]
            if subject in ours.times and "fps" in row:
                found["fps"] = 1e3 / float(np.median(ours.times[subject]))
            if judged is not None:
                found["miou"] = ours.mious.get(judged)
            # Frames a second on another GPU are no ratio of networks.
            if reference is not None and "fps" in row and row.get("gpu") == reference.get("gpu"):
                ratio["paper"] = row["fps"] / reference["fps"]
                if subject in ours.times and reference_times is not None:
                    ratio["ours"] = float(np.median(reference_times / ours.times[subject]))
        rows.append({"paper": {key: row.get(key) for key in table.columns}, "ours": found, "fps_ratio": ratio})
    return rows


def table_text(table: PaperTable, rows: list[dict[str, Any]]) -> str:
    """A table as `joined` made it, in Markdown: every column says whether it is the paper's or ours."""
    columns = {
        f"{heading}, paper" if key != "model" else heading: [plain(row["paper"][key]) for row in rows]
        for key, heading in table.columns.items()
    }
    columns["M parameters, ours"] = [decimals(row["ours"]["parameters"]) for row in rows]
    columns["GMACs, ours"] = [decimals(row["ours"]["gmacs"]) for row in rows]
    about = f"{table.name}: {table.title}\n{table.source}"
    if "note" in table.facts:
        about += f"\n{table.facts['note']}"
    if "reference" in table.facts:
        about += f"\nFPS ratio: to {table.facts['reference']}; FPS, ours: the network alone, as the paper times it"
        columns["FPS, ours"] = [decimals(row["ours"]["fps"]) for row in rows]
        columns["FPS ratio, paper"] = [decimals(row["fps_ratio"]["paper"]) for row in rows]
        columns["FPS ratio, ours"] = [decimals(row["fps_ratio"]["ours"]) for row in rows]
    if "dataset" in table.facts:
        about += f"\nmIoU, ours: on {table.facts['dataset']} {table.facts['split']}"
        columns["mIoU %, ours"] = [decimals(row["ours"]["miou"], 100) for row in rows]
    return f"{about}\n\n{markdown_table([list(columns), *zip(*columns.values(), strict=True)])}"


def sizes_text(table: PaperTable, counts: Mapping[Subject, tuple[float, float, float]]) -> str:
    """The sizes of a table's networks in Markdown: ours, the paper's, by how much ours differ, and the reason that the
    table gives. counts: parameters in millions, those with what only training needs, GMACs."""
    cells = [["model", "network", "M parameters", "in training", "paper", "", "GMACs", "at", "paper", "", "why"]]
    for row, subject in zip(table.rows, table.subjects(), strict=True):
        if subject is None:
            continue
        parameters, in_training, gmacs = counts[subject]
        cells.append([
            row["model"],
            f"`{subject.network}`" + "".join(f", {name} {value}" for name, value in subject.arguments),
            decimals(parameters), decimals(in_training), plain(row.get("parameters")),
            difference(parameters, row.get("parameters")),
            decimals(gmacs), f"{subject.size[0]} x {subject.size[1]}", plain(row.get("gmacs")),
            difference(gmacs, row.get("gmacs")),
            row.get("why", ""),
        ])  # fmt: skip
    note = f"{table.facts['note']}\n\n" if "note" in table.facts else ""
    return f"### {table.name}: {table.title}\n\n{note}{markdown_table(cells)}"


def difference(ours: float, paper: float | None) -> str:
    """By which part of the paper's figure ours is larger; "=" where that rounds to nothing, or where ours does to the
    paper's figure."""
    if paper is None:
        return ""
    part = ours / paper - 1
    digits = len(str(paper).partition(".")[2])
    return "=" if abs(part) < 5e-4 or round(ours, digits) == paper else f"{part:+.1%}"


def plain(value: object) -> str:
    return "" if value is None else str(value)


def decimals(value: float | None, factor: float = 1) -> str:
    return "" if value is None else f"{factor * value:.2f}"


def table_figure(table: PaperTable, rows: list[dict[str, Any]]) -> Drawing:
    """The figure of a table with axes: the paper's points, and for a network measured here a ring at the speed that our
    ratio to the reference gives, so that what differs is the ratio and not the machine."""
    assert table.figure is not None
    x, y = table.figure
    at_reference = next(row[x] for row in table.rows if row["model"] == table.facts["reference"])
    points = []
    for facts, row in zip(table.rows, rows, strict=True):
        group = "networks of this package" if "network" in facts else "others"
        ratio = row["fps_ratio"]["ours"]
        points.append(
            Point(
                facts[x],
                facts[y],
                facts["model"].rstrip("†"),
                "others, by architecture search" if facts.get("searched") else group,
                None if ratio is None else at_reference * ratio,
            )
        )
    points.sort(key=lambda point: point.group)
    headings = table.columns
    return scatter(
        f"{table.paper}: {table.title}",
        f"{headings[x]}, the paper's figures",
        f"{headings[y]}, the paper's figures",
        points,
        f"measured here, {table.facts['reference']} laid on its point",
    )
