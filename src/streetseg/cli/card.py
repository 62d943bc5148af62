"""`streetseg card`: what a weights file says of itself."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from streetseg.cli.options import add_json, add_verb, path
from streetseg.cli.output import DONE, say

if TYPE_CHECKING:
    from streetseg.cli.options import Verbs


def add_verbs(verbs: Verbs) -> None:
    """Add card."""
    verb = add_verb(verbs, "card", card, "print a weights file's card: classes, data, terms, limits, ancestors")
    verb.add_argument(
        "weights",
        type=path,
        metavar="WEIGHTS",
        help="NAME.onnx, NAME.xml, NAME.pt2, NAME.param, NAME.safetensors or a name of weights",
    )
    add_json(verb)


def card(options: argparse.Namespace) -> int:
    """Print a card."""
    from streetseg.runtime.artefact import read_card
    from streetseg.runtime.shelf.shelf import find_weights

    found = read_card(find_weights(options.weights))
    say(found.to_json() if options.json else found.table())
    return DONE
