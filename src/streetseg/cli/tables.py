"""`streetseg tables`, the papers' tables with ours beside them, and `streetseg models`."""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING

from streetseg.cli.options import add_data_options, add_engine_options, engine_options, need_torch, path
from streetseg.cli.output import DONE, figures_optional, progress, say, say_at_the_end

if TYPE_CHECKING:
    from streetseg.cli.options import Verbs


def add_verbs(verbs: Verbs) -> None:
    """Add tables and models."""
    verb = verbs.add_parser("tables", help="the papers' tables and figures, ours beside them")
    verb.add_argument("names", nargs="*", metavar="NAME", help="such as ddrnet-V; without one, the names are listed")
    verb.add_argument("--bench", action="store_true", help="time the networks on this machine where the paper did")
    add_engine_options(verb)
    add_data_options(verb, required=False)
    verb.add_argument(
        "--weights", type=path, action="append", default=[], metavar="WEIGHTS",
        help="with --data: NAME.onnx, or a name, to evaluate (default: the package's); can be repeated",
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
    """Print papers' tables with what is counted, timed and evaluated here; without a name, list them."""
    from streetseg.papers.printed import read_tables
    from streetseg.runtime.files import make_folder

    if not options.names:
        for table in read_tables().values():
            say(f"{table.name}: {table.paper}, {table.title}")
        return DONE
    need_torch("streetseg tables")
    from streetseg.papers.tables import paper_tables, save_tables

    if options.out:
        make_folder(options.out)
    compared = paper_tables(
        options.names,
        bench=options.bench,
        data=options.data,
        dataset=options.dataset,
        weights=options.weights,
        options=engine_options(options),
        progress=progress,
    )
    with say_at_the_end(*(json.dumps(one.facts()) if options.json else f"{one.table()}\n" for one in compared)):
        if options.out:
            with figures_optional():
                save_tables(compared, options.out)
    return DONE


def models(options: argparse.Namespace) -> int:
    """Print the networks, or the papers' tables of their sizes."""
    need_torch("streetseg models")
    from streetseg.models.networks import list_networks
    from streetseg.papers.sizes import paper_sizes

    if options.table:
        for sizes in paper_sizes():
            say(f"{sizes.table()}\n")
    else:
        say(list_networks().table())
    return DONE
