"""`streetseg serve`: answer over HTTP."""

from __future__ import annotations

import argparse
import os
from typing import TYPE_CHECKING

from streetseg.cli.options import add_engine_options, add_verb, engine_options
from streetseg.cli.output import DONE, complain

if TYPE_CHECKING:
    from streetseg.cli.options import Verbs

TOKEN = "STREETSEG_TOKEN"  # environment variable


def add_verbs(verbs: Verbs) -> None:
    """Add serve."""
    verb = add_verb(verbs, "serve", serve, "answer over HTTP, with a page for people")
    verb.add_argument(
        "artefacts",
        nargs="*",
        metavar="ARTEFACT",
        help="file or name of weights (default: the package's)",
    )
    verb.add_argument("--host", default="127.0.0.1", help="address (default: 127.0.0.1, this machine only)")
    verb.add_argument("--port", type=int, default=8000, help="port; 0: any that is free (default: 8000)")
    verb.add_argument("--workers", type=int, default=1, metavar="N", help="processes on the port (default: 1)")
    verb.add_argument(
        "--queue", type=int, default=16, metavar="N", help="pictures that may wait for a model (default: 16)"
    )
    verb.add_argument(
        "--token", metavar="SECRET",
        help=f"what clients send as 'Authorization: Bearer SECRET' (default: the variable {TOKEN}, else none)",
    )  # fmt: skip
    verb.add_argument(
        "--allow-origin", action="append", default=[], metavar="ORIGIN",
        help="web pages that may call the server, https://example.com; can be repeated (default: its own)",
    )  # fmt: skip
    verb.add_argument("--max-pixels", type=int, metavar="N", help="refuse larger pictures (default: 32,000,000)")
    verb.add_argument(
        "--size", type=int, metavar="PIXELS", help="reduce frames to this short side (default: the card's)"
    )
    verb.add_argument(
        "--streams", type=int, default=1, metavar="N", help="frames that the network processes at once (default: 1)"
    )
    add_engine_options(verb)


def serve(options: argparse.Namespace) -> int:
    """Serve until told to end."""
    from dataclasses import replace

    from streetseg.errors import UsageError
    from streetseg.serve.server import serve
    from streetseg.serve.settings import ServeLimits, ServeSettings

    if options.max_pixels is not None and options.max_pixels < 1:
        raise UsageError(f"max-pixels must be at least 1, got {options.max_pixels}")
    limits = ServeLimits() if options.max_pixels is None else ServeLimits(pixels=options.max_pixels)
    settings = ServeSettings(
        host=options.host,
        port=options.port,
        workers=options.workers,
        queue=options.queue,
        token=options.token if options.token is not None else os.environ.get(TOKEN) or None,
        allow_origin=tuple(options.allow_origin),
        limits=limits,
    )
    engine = replace(engine_options(options), streams=options.streams)
    serve(options.artefacts, settings=settings, size=options.size, options=engine, tell=complain)
    return DONE
