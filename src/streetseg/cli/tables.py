"""`streetseg tables`, the papers' tables beside our figures, and `streetseg models`."""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING

from streetseg.cli.options import (
    add_data_options,
    add_engine_options,
    add_json,
    add_verb,
    engine_options,
    need_torch,
    path,
)
from streetseg.cli.output import DONE, figures_optional, progress, say, say_at_the_end

if TYPE_CHECKING:
    from streetseg.cli.options import Verbs


def add_verbs(verbs: Verbs) -> None:
    """Add tables and models."""
    verb = add_verb(verbs, "tables", tables, "print the papers' tables beside our figures")
    verb.add_argument("names", nargs="*", metavar="NAME", help="name of a table, such as ddrnet-V (default: list them)")
    verb.add_argument("--bench", action="store_true", help="time the networks on this machine in tables with times")
    add_engine_options(verb)
    add_data_options(verb, required=False)
    verb.add_argument(
        "--weights", type=path, action="append", default=[], metavar="FILE",
        help="with --data: NAME.onnx or a name of weights to evaluate (default: the package's); can be repeated",
    )  # fmt: skip
    verb.add_argument(
        "--out", type=path, metavar="DIR", help="folder for NAME.md, NAME.json and plots as SVG and PNG (default: none)"
    )
    add_json(verb, "one JSON object a line instead of the tables")

    verb = add_verb(verbs, "models", models, "list the networks, or compare their sizes with the papers'")
    verb.add_argument("--table", action="store_true", help="print counted sizes beside the papers' figures")


def tables(options: argparse.Namespace) -> int:
    """Print papers' tables beside figures counted, timed and evaluated here; without a name, list the tables."""
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
