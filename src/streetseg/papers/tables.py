"""The papers' tables with our figures beside the papers'.

Our sizes are counted, our speeds timed and our accuracies evaluated; a cell without a figure is empty. Speeds on
different machines cannot be compared. So the table also has the ratios of frames a second to one of its rows: the
paper's and ours.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from streetseg.bench.plot import Point, draw_scatter, save_figure
from streetseg.bench.subject import Subject
from streetseg.errors import UsageError
from streetseg.papers.markdown import markdown_table
from streetseg.papers.printed import EvaluationSubject, PaperRow, PaperTable, read_tables, table_named
from streetseg.papers.sizes import as_printed
from streetseg.progress import Progress, silent
from streetseg.results import Facts, Printable
from streetseg.runtime.engines.options import EngineOptions
from streetseg.runtime.files import write_file
from streetseg.runtime.inputs import as_sequence

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from streetseg.data.pairs import Dataset

ROUNDS = 20  # few, because some networks of the papers take a second a frame on a CPU


@dataclass(frozen=True)
class Measurements:
    """Our figures: counted, timed and evaluated.

    Attributes:
        counts: Network -> parameters in millions, and GMACs.
        times: Network -> milliseconds, one a round; the networks took turns in each round.
        mious: Network and split -> mIoU, 0 to 1.
    """

    counts: Mapping[Subject, tuple[float, float]]
    times: Mapping[Subject, NDArray[np.float64]] = field(default_factory=dict)
    mious: Mapping[EvaluationSubject, float] = field(default_factory=dict)


@dataclass(frozen=True)
class ComparedRow:
    """A row of a paper's table with our figures, None where there is none.

    Attributes:
        printed: The paper's row.
        parameters: Ours, in millions.
        gmacs: Ours, multiply-adds in billions.
        fps: Our frames a second, the network alone.
        miou: Ours, 0 to 1.
        paper_ratio: Ratio of the paper's frames a second to its reference row's, on the same GPU.
        our_ratio: The same ratio of ours: the median over the rounds.
    """

    printed: PaperRow
    parameters: float | None = None
    gmacs: float | None = None
    fps: float | None = None
    miou: float | None = None
    paper_ratio: float | None = None
    our_ratio: float | None = None


@dataclass(frozen=True, repr=False)
class ComparedTable(Printable):
    """A paper's table with our figures beside the paper's.

    Attributes:
        printed: The paper's table.
        rows: Its rows with our figures.
    """

    printed: PaperTable
    rows: tuple[ComparedRow, ...]

    def facts(self) -> Facts:
        """Return name, source and rows as JSON's types.

        Returns:
            table, source and rows: the paper's figures, ours, and the ratios of frames a second.
        """
        return {
            "table": self.printed.name,
            "source": self.printed.source,
            "rows": [
                {
                    "paper": {key: row.printed.figures.get(key) for key in self.printed.columns},
                    "ours": {"parameters": row.parameters, "gmacs": row.gmacs, "fps": row.fps, "miou": row.miou},
                    "fps_ratio": {"paper": row.paper_ratio, "ours": row.our_ratio},
                }
                for row in self.rows
            ],
        }

    def table(self) -> str:
        """Return the table in Markdown; every column says whether it is the paper's or ours.

        Returns:
            Title, source, notes and a table.
        """
        printed, rows = self.printed, self.rows
        columns = {
            heading if key == "model" else f"{heading}, paper": [
                as_printed(row.printed.figures.get(key)) for row in rows
            ]
            for key, heading in printed.columns.items()
        }
        columns["M parameters, ours"] = [decimals(row.parameters) for row in rows]
        columns["GMACs, ours"] = [decimals(row.gmacs) for row in rows]
        about = f"{printed.name}: {printed.title}\n{printed.source}"
        if printed.note:
            about += f"\n{printed.note}"
        if printed.reference:
            about += f"\nFPS ratio: to {printed.reference}; FPS, ours: the network alone, as the paper times it"
            columns["FPS, ours"] = [decimals(row.fps) for row in rows]
            columns["FPS ratio, paper"] = [decimals(row.paper_ratio) for row in rows]
            columns["FPS ratio, ours"] = [decimals(row.our_ratio) for row in rows]
        if printed.dataset:
            about += f"\nmIoU, ours: on {printed.dataset} {printed.split}"
            columns["mIoU %, ours"] = [decimals(row.miou, 100) for row in rows]
        return f"{about}\n\n{markdown_table([list(columns), *zip(*columns.values(), strict=True)])}"

    def plot(self) -> Figure | None:
        """Return the paper's figure with our speeds as rings.

        A ring's speed is the reference's printed speed times our ratio, so that it shows the ratio, not our machine.

        Returns:
            A figure of matplotlib; None for a table.

        Raises:
            MissingExtraError: matplotlib is missing.
        """
        printed = self.printed
        if printed.axes is None:
            return None
        x, y = printed.axes
        reference = printed.reference_row
        at_reference = reference.number(x) if reference else None
        points = [
            Point(
                row.printed.number(x) or 0.0,
                row.printed.number(y) or 0.0,
                row.printed.model.rstrip("†"),
                "others, by architecture search"
                if row.printed.searched
                else "networks of this package"
                if row.printed.subject
                else "others",
                None if row.our_ratio is None or at_reference is None else at_reference * row.our_ratio,
            )
            for row in self.rows
        ]
        return draw_scatter(
            f"{printed.paper}: {printed.title}",
            f"{printed.columns[x]} (frames/s), the paper's figures",
            f"{printed.columns[y]}{'' if '%' in printed.columns[y] else ' (%)'}, the paper's figures",
            sorted(points, key=lambda point: point.group),
            f"measured here, {printed.reference} laid on its point",
        )


def paper_tables(
    names: str | Iterable[str] = (),
    *,
    bench: bool = False,
    rounds: int = ROUNDS,
    data: Dataset | str | Path | None = None,
    dataset: str | None = None,
    weights: str | Path | Sequence[str | Path] = (),
    options: EngineOptions | None = None,
    progress: Progress = silent,
) -> tuple[ComparedTable, ...]:
    """Return papers' tables with our figures beside the papers'.

    Parameters and GMACs are always counted. `bench` adds speed, and `data` adds accuracy.

    Args:
        names: A table or several, such as "ddrnet-V", in capitals or not; without one, all.
        bench: Time the networks that the paper times, on this machine, with initial weights.
        rounds: Number of times that each is timed.
        data: A dataset, or its folder, on which `weights` are evaluated; None: no accuracy.
        dataset: Name of the dataset in the folder; None: its layout decides.
        weights: One or several artefacts to evaluate: files or names of the shelf; without one, the package's.
        options: How networks run; None: the defaults.
        progress: Shows rounds and frames.

    Returns:
        The tables in the order of their names.

    Raises:
        UsageError: A table is not known, an option has no effect, or weights fit no row or no split of the data.
        DatasetError: The folder is not a dataset.
        ArtefactError: An artefact is damaged or missing.
        EngineError: An engine is missing, or cannot run an artefact.
    """
    weights = as_sequence(weights)
    chosen = [table_named(name) for name in as_sequence(names)] or list(read_tables().values())
    check_options(bench, data, dataset, weights, options)
    # Imported late, because both import PyTorch.
    from streetseg.bench.untrained import network_times
    from streetseg.models.counting import network_cost

    options = options or EngineOptions()
    mious: Mapping[EvaluationSubject, float] = {}
    if data is not None:
        from streetseg.papers.accuracy import table_mious

        mious = table_mious(chosen, data, dataset, weights, options, progress)
    times: Mapping[Subject, NDArray[np.float64]] = {}
    if bench:
        subjects = dict.fromkeys(subject for table in chosen for subject in table.subjects if subject)
        timed = set().union(*(table.timed_subjects for table in chosen))
        times = network_times([subject for subject in subjects if subject in timed], rounds, options, progress)
    counted = {subject: network_cost(*subject) for table in chosen for subject in table.subjects if subject}
    counts = {subject: (size.parameters, size.gmacs) for subject, size in counted.items()}
    measured = Measurements(counts, times, mious)
    return tuple(compare_table(table, measured) for table in chosen)


def save_tables(tables: Iterable[ComparedTable], folder: Path) -> None:
    """Write NAME.md and NAME.json of every table, then NAME.svg and NAME.png of every figure.

    Args:
        tables: The result of `paper_tables`.
        folder: Folder of the files.

    Raises:
        OutputError: A file cannot be written.
        MissingExtraError: matplotlib is missing; the tables are written.
    """
    tables = list(tables)
    for table in tables:
        write_file(folder / f"{table.printed.name}.md", f"{table.table()}\n".encode())
        write_file(folder / f"{table.printed.name}.json", json.dumps(table.facts()).encode())
    for table in tables:
        if figure := table.plot():
            save_figure(figure, folder / table.printed.name)


def check_options(
    bench: bool,
    data: object,
    dataset: str | None,
    weights: Sequence[str | Path],
    options: EngineOptions | None,
) -> None:
    """Raise UsageError for options without effect."""
    for option, given in (("weights", weights), ("dataset", dataset)):
        if given and data is None:
            raise UsageError(f"--{option} is for --data DIR, on which weights are evaluated; add it")
    if options is not None and data is None and not bench:
        for option in ("engine", "device", "threads", "precision"):
            if getattr(options, option) is not None:
                raise UsageError(f"--{option} is for --bench or --data DIR, which run networks; add one of them")


def compare_table(table: PaperTable, measured: Measurements) -> ComparedTable:
    """Return a table with our figures and both ratios of frames a second to the reference row."""
    reference = table.reference_row
    reference_times = measured.times.get(reference.subject) if reference and reference.subject else None
    return ComparedTable(table, tuple(compare_row(table, row, measured, reference_times) for row in table.rows))


def compare_row(
    table: PaperTable, row: PaperRow, measured: Measurements, reference_times: NDArray[np.float64] | None
) -> ComparedRow:
    """Return a row of a table with our figures."""
    subject, reference = row.subject, table.reference_row
    if subject is None:
        return ComparedRow(row)
    parameters, gmacs = measured.counts[subject]
    times, printed_fps = measured.times.get(subject), row.number("fps")
    evaluated = table.evaluation_subject(row)
    paper_ratio = our_ratio = None
    # A ratio between two GPUs would not compare the networks.
    if reference and printed_fps is not None and row.figures.get("gpu") == reference.figures.get("gpu"):
        reference_fps = reference.number("fps")
        paper_ratio = printed_fps / reference_fps if reference_fps else None
        if times is not None and reference_times is not None:
            our_ratio = float(np.median(reference_times / times))
    return ComparedRow(
        printed=row,
        parameters=parameters,
        gmacs=gmacs,
        fps=1e3 / float(np.median(times)) if times is not None and printed_fps is not None else None,
        miou=measured.mious.get(evaluated) if evaluated else None,
        paper_ratio=paper_ratio,
        our_ratio=our_ratio,
    )


def decimals(value: float | None, factor: float = 1) -> str:
    """Return a figure for a table, empty where there is none."""
    return "" if value is None else f"{factor * value:.2f}"
