"""The sizes of our networks, counted, beside the papers' figures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from streetseg.bench.subject import Subject
from streetseg.models.counting import NetworkCost, network_cost
from streetseg.papers.markdown import markdown_table
from streetseg.papers.printed import PaperTable, read_tables
from streetseg.results import Facts, Printable


@dataclass(frozen=True, repr=False)
class PaperSizes(Printable):
    """The sizes of a table's networks.

    Attributes:
        printed: The paper's table.
        counts: Network -> its parameters and multiply-adds.
    """

    printed: PaperTable
    counts: Mapping[Subject, NetworkCost]

    def facts(self) -> Facts:
        """Return the sizes as JSON's types.

        Returns:
            table, source and rows: parameters in millions, multiply-adds in billions.
        """
        return {
            "table": self.printed.name,
            "source": self.printed.source,
            "rows": [
                {
                    "model": row.model,
                    "network": row.subject.network,
                    "parameters": self.counts[row.subject].parameters,
                    "training_parameters": self.counts[row.subject].training_parameters,
                    "gmacs": self.counts[row.subject].gmacs,
                    "paper": {"parameters": row.number("parameters"), "gmacs": row.number("gmacs")},
                }
                for row in self.printed.rows
                if row.subject is not None
            ],
        }

    def table(self) -> str:
        """Return the sizes in Markdown: ours, the paper's, the difference, and its reason.

        Returns:
            A heading and a table.
        """
        cells = [["model", "network", "M parameters", "in training", "paper", "", "GMACs", "at", "paper", "", "why"]]
        for row in self.printed.rows:
            subject = row.subject
            if subject is None:
                continue
            counted = self.counts[subject]
            parameters, gmacs = row.number("parameters"), row.number("gmacs")
            cells.append([
                row.model,
                f"`{subject.network}`" + "".join(f", {name} {value}" for name, value in subject.arguments),
                f"{counted.parameters:.2f}", f"{counted.training_parameters:.2f}", as_printed(parameters),
                difference(counted.parameters, parameters),
                f"{counted.gmacs:.2f}", f"{subject.size[0]} x {subject.size[1]}", as_printed(gmacs),
                difference(counted.gmacs, gmacs),
                row.why,
            ])  # fmt: skip
        note = f"{self.printed.note}\n\n" if self.printed.note else ""
        return f"### {self.printed.name}: {self.printed.title}\n\n{note}{markdown_table(cells)}"


def paper_sizes() -> tuple[PaperSizes, ...]:
    """Count the sizes of our networks, beside the papers' figures.

    Returns:
        One for each table that gives our networks' sizes, and for each table of a paper that gives no sizes.
    """
    return tuple(PaperSizes(table, count_sizes(table)) for table in size_tables())


def count_sizes(table: PaperTable) -> dict[Subject, NetworkCost]:
    """Return the sizes of a table's networks."""
    return {subject: network_cost(*subject) for subject in table.subjects if subject}


def size_tables() -> list[PaperTable]:
    """Return the tables that give our networks' sizes, and all tables of papers that give no sizes."""
    tables = [table for table in read_tables().values() if not table.axes]
    sized = [
        table
        for table in tables
        if any({"parameters", "gmacs"} & row.figures.keys() for row in table.rows if row.subject)
    ]
    papers = {table.paper for table in sized}
    return [table for table in tables if table in sized or table.paper not in papers]


def difference(ours: float, paper: float | None) -> str:
    """Return the relative difference of our figure to the paper's, in per cent.

    It is "=" if it rounds to zero, or if ours rounds to the paper's figure. It is empty if the paper has no figure.
    """
    if paper is None:
        return ""
    relative = ours / paper - 1
    digits = len(str(paper).partition(".")[2])
    return "=" if abs(relative) < 5e-4 or round(ours, digits) == paper else f"{relative:+.1%}"


def as_printed(value: object) -> str:
    """Return a paper's figure as the paper prints it, empty where there is none."""
    return "" if value is None else str(value)
