"""`streetseg prelabel`: predictions as annotations for a label tool."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from streetseg.cli.images import add_image_reading, image_options
from streetseg.cli.options import add_engine_options, add_json, add_verb, class_mapping, engine_options, fill_in, path
from streetseg.cli.output import CHECK_FAILED, DONE, complain, progress, say

if TYPE_CHECKING:
    from streetseg.cli.options import Verbs


def add_verbs(verbs: Verbs) -> None:
    """Add prelabel."""
    verb = add_verb(verbs, "prelabel", prelabel, "write predictions as annotations to be corrected in a label tool")
    verb.add_argument("sources", nargs="+", metavar="SOURCE", help="image, folder or pattern such as 'drive/*.png'")
    to = verb.add_argument("--to", required=True, metavar="TOOL", help="label tool: %(tools)s")
    fill_in(to, tools=tools)
    verb.add_argument("--out", required=True, type=path, metavar="PLACE", help="new folder; for cvat NAME.zip")
    verb.add_argument(
        "--weights", type=path, metavar="FILE", help="NAME.onnx or a name of weights (default: the package's)"
    )
    verb.add_argument(
        "--tolerance", type=float, default=1.0, metavar="PIXELS",
        help="pixels by which simplified polygons may miss the outline (default: 1)",
    )  # fmt: skip
    verb.add_argument(
        "--smallest", type=int, default=1, metavar="PIXELS", help="leave out polygons of fewer pixels (default: 1)"
    )
    verb.add_argument("--brush", action="store_true", help="for labelstudio: brush masks in place of polygons")
    verb.add_argument(
        "--map", action="append", default=[], metavar="NAME=NEW",
        help="rename a class, or merge it into the class NEW; 'NAME=' leaves it out; several with commas",
    )  # fmt: skip
    verb.add_argument(
        "--select", metavar="uncertain:N",
        help="only the N frames that the network is least sure of, spread over time; or random:N (default: all)",
    )  # fmt: skip
    verb.add_argument("--seed", type=int, default=0, metavar="N", help="seed of random:N (default: 0)")
    add_engine_options(verb)
    verb.add_argument(
        "--size", type=int, metavar="PIXELS", help="reduce frames to this short side (default: the card's)"
    )
    add_json(verb)
    add_image_reading(verb)


def tools() -> str:
    """Return the label tools."""
    from streetseg.bulk.prelabel.tools import TOOLS

    return ", ".join(TOOLS)


def prelabel(options: argparse.Namespace) -> int:
    """Write annotations; tell an image that cannot be read, and go on with the others."""
    from streetseg.bulk.prelabel.run import prelabel

    done = prelabel(
        options.sources,
        options.out,
        to=options.to,
        weights=options.weights,
        tolerance=options.tolerance,
        smallest=options.smallest,
        brush=options.brush,
        names=class_mapping(options, "NAME=NEW"),
        select=options.select,
        seed=options.seed,
        images=image_options(options),
        size=options.size,
        options=engine_options(options),
        tell=complain,
        progress=progress,
    )
    say(done.to_json() if options.json else done.table())
    return CHECK_FAILED if done.failed else DONE
