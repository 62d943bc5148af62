"""`streetseg tables`, the papers' tables with ours beside them, and `streetseg models`."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING

from streetseg.cli.options import add_data_options, add_engine_options, engine_options, need_torch, path
from streetseg.cli.output import DONE, progress, say
from streetseg.errors import UsageError

if TYPE_CHECKING:
    from streetseg.cli.options import Verbs
    from streetseg.papers.tables import Judged, PaperTable

TABLE_ROUNDS = 20  # of `tables --bench`: some networks of the papers take a second a frame on a CPU


def add_verbs(verbs: Verbs) -> None:
    """tables, models."""
    verb = verbs.add_parser("tables", help="the papers' tables and figures, ours beside them")
    verb.add_argument("names", nargs="*", metavar="NAME", help="such as ddrnet-V; without one, the names are listed")
    verb.add_argument("--bench", action="store_true", help="time the networks on this machine where the paper did")
    add_engine_options(verb)
    add_data_options(verb, required=False)
    verb.add_argument(
        "--weights", type=path, action="append", metavar="WEIGHTS",
        help="with --data: NAME.onnx, or a name, to judge (default: the package's); can be repeated",
    )  # fmt: skip
    verb.add_argument(
        "--out", type=path, metavar="DIR", help="folder for NAME.md and NAME.json, figures as svg and png"
    )
    verb.add_argument("--json", action="store_true", help="one JSON object a line instead of the tables")
    verb.set_defaults(verb=tables)

    verb = verbs.add_parser("models", help="the networks")
    verb.add_argument("--table", action="store_true", help="their sizes, counted, beside the papers' figures")
    verb.set_defaults(verb=models)


def tables(options: argparse.Namespace) -> int:
    """Print papers' tables with what is counted, timed and judged here; without a name, list them."""
    from streetseg.papers.tables import Ours, joined, paper_tables, table_figure, table_named, table_text
    from streetseg.runtime.files import make_folder, write_file

    if not options.names:
        for table in paper_tables().values():
            say(f"{table.name}: {table.paper}, {table.title}")
        return DONE
    chosen = [table_named(name) for name in options.names]
    for option in ("weights", "dataset"):
        if getattr(options, option) is not None and options.data is None:
            raise UsageError(f"--{option} is for --data DIR, on which weights are judged; add it")
    for option in ("engine", "device", "threads", "precision"):
        if getattr(options, option) is not None and options.data is None and not options.bench:
            raise UsageError(f"--{option} is for --bench or --data DIR, which run networks; add one of them")
    need_torch("streetseg tables")
    from streetseg.bench.untrained import network_times
    from streetseg.models.counting import network_cost

    if options.out:
        make_folder(options.out)
    mious = judge(options, chosen) if options.data else {}
    subjects = {subject for table in chosen for subject in table.subjects() if subject}
    times = {}
    if options.bench:
        times = network_times(
            set().union(*(table.timed() for table in chosen)),
            TABLE_ROUNDS,
            options=engine_options(options),
            progress=lambda rounds: progress(rounds, "round"),
        )
    counted = {subject: network_cost(*subject) for subject in subjects}
    ours = Ours({subject: (found.parameters, found.gmacs) for subject, found in counted.items()}, times, mious)
    found = [(table, joined(table, ours)) for table in chosen]
    texts = [f"{table_text(table, rows)}\n" for table, rows in found]
    facts = [json.dumps({"table": table.name, "source": table.source, "rows": rows}) for table, rows in found]
    try:
        for (table, rows), text, fact in zip(found, texts, facts, strict=True):
            if options.out:
                write_file(options.out / f"{table.name}.md", text.encode())
                write_file(options.out / f"{table.name}.json", fact.encode())
                if table.figure:
                    table_figure(table, rows).save(options.out / table.name)
    finally:  # in this order, and whatever fails: what was measured must not be lost
        for text in facts if options.json else texts:
            say(text)
    return DONE


def judge(options: argparse.Namespace, chosen: list[PaperTable]) -> dict[Judged, float]:
    """mIoU of --weights, for the rows of the tables that are on --data."""
    from streetseg.data.datasets import open_dataset
    from streetseg.measure.frames import evaluate_frames
    from streetseg.models.origins import ORIGINS
    from streetseg.runtime.artefact import read_card
    from streetseg.runtime.segmenter import DEFAULT_WEIGHTS, Segmenter
    from streetseg.runtime.shelf.shelf import find_weights

    dataset = open_dataset(options.data, options.dataset)
    names = ", ".join(table.name for table in chosen)
    if not any(table.facts.get("dataset") == dataset.kind for table in chosen):
        raise UsageError(
            f"{options.data} is {dataset.kind}, on which {names} is not; leave --data out, or take another"
        )
    rows = {row for table in chosen for row in table.judged() if row is not None and row.dataset == dataset.kind}
    taken: dict[Judged, Path] = {}
    for artefact in options.weights or [DEFAULT_WEIGHTS]:
        card = read_card(find_weights(artefact))
        same = [origin.arguments for origin in ORIGINS if card.network in origin.networks and not origin.parts]
        if card.network_arguments and card.network_arguments not in same:
            raise UsageError(
                f"{artefact} is {card.network} built with {card.network_arguments}, an ablation, whose rows take no "
                "mIoU; take weights of the network itself"
            )
        what = f"{artefact} is {card.network} at operating scale {card.operating_scale:g}"
        fitting = {
            row for row in rows if row.network == card.network and row.operating_scale in (None, card.operating_scale)
        }
        if not fitting:
            raise UsageError(f"{what}, for which {names} has no row; take other --weights, or another table")
        if both := fitting & taken.keys():
            raise UsageError(f"{what}, and so is {taken[both.pop()]}: a row takes one; leave one of them out")
        taken |= dict.fromkeys(fitting, artefact)
    mious: dict[Judged, float] = {}
    for artefact in dict.fromkeys(taken.values()):
        segmenter = Segmenter.open(artefact, options=engine_options(options))
        fitting = {row for row in taken if taken[row] == artefact}
        for split in {row.split for row in fitting}:
            result = evaluate_frames(
                lambda frame: segmenter(frame).classmap,  # noqa: B023  # called before the next artefact
                segmenter.card.classes,
                dataset,
                split,
                progress=progress,
            )
            if result.left_out or not result.judged.all():
                raise UsageError(
                    f"{artefact} and {dataset.name} have other classes, which no paper's table compares; "
                    "take weights with the dataset's classes"
                )
            mious |= {row: result.scores.miou for row in fitting if row.split == split}
    return mious


def models(options: argparse.Namespace) -> int:
    """Print the networks, or the papers' tables of their sizes."""
    need_torch("streetseg models")
    from streetseg.models.counting import network_cost
    from streetseg.models.networks import list_networks
    from streetseg.papers.tables import size_tables, sizes_text

    if options.table:
        for table in size_tables():
            say(f"{sizes_text(table, {subject: network_cost(*subject) for subject in table.subjects() if subject})}\n")
    else:
        say(list_networks().table())
    return DONE
