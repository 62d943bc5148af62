"""`streetseg bulk`: any number of images and films, on one machine or a Ray cluster."""

from __future__ import annotations

import argparse
import json
import sys
import time
from typing import TYPE_CHECKING

from streetseg.cli.drawing import add_drawing_options, drawing_options
from streetseg.cli.images import add_image_reading, image_options
from streetseg.cli.options import add_engine_options, add_json, add_verb, engine_options, path
from streetseg.cli.output import CHECK_FAILED, DONE, INTERRUPTED, complain, say

if TYPE_CHECKING:
    from streetseg.bulk.report import BulkStatus
    from streetseg.cli.options import Verbs

EVERY = 30.0  # seconds between two lines of progress where there is no terminal
EVERY_JSON = 5.0


def add_verbs(verbs: Verbs) -> None:
    """Add bulk."""
    verb = add_verb(verbs, "bulk", bulk, "segment any number of images and films, on one machine or a Ray cluster")
    verb.add_argument(
        "sources", nargs="+", metavar="SOURCE",
        help="folder, pattern, file, @files.txt, NAME.csv or NAME.parquet; s3://... with fsspec",
    )  # fmt: skip
    verb.add_argument("--out", required=True, metavar="PLACE", help="folder or address for the results")
    verb.add_argument(
        "--weights", type=path, metavar="FILE", help="NAME.onnx, NAME.pt2 or a name of weights (default: the package's)"
    )
    verb.add_argument("--workers", type=int, metavar="N", help="number of processes (default: one for each core)")
    verb.add_argument("--ray", metavar="auto|ADDRESS", help="run on this Ray cluster; auto starts one if none runs")
    verb.add_argument(
        "--results", default="png", metavar="FORM",
        help="class maps as png, in shards as parquet or webdataset, or none (default: png)",
    )  # fmt: skip
    verb.add_argument(
        "--shard-frames", type=int, default=1000, metavar="N", help="images of a shard at most (default: 1000)"
    )
    verb.add_argument("--overlays", type=int, metavar="N", help="write an overlay of every Nth frame (default: none)")
    verb.add_argument("--every", type=int, default=1, metavar="N", help="segment every Nth frame of films (default: 1)")
    verb.add_argument(
        "--threshold", type=float, default=0.5, metavar="SHARE",
        help="confidence below which a pixel counts as unsure (default: 0.5)",
    )  # fmt: skip
    verb.add_argument("--column", metavar="NAME", help="column of a table that holds paths (default: by its name)")
    verb.add_argument(
        "--segment-seconds", type=float, default=20.0, metavar="S", help="length of a film's parts (default: 20)"
    )
    verb.add_argument(
        "--timeout", type=float, default=300.0, metavar="S", help="end a worker that gives no frame (default: 300)"
    )
    verb.add_argument("--retry-errors", action="store_true", help="try again what failed in an earlier run")
    add_engine_options(verb)
    verb.add_argument(
        "--size", type=int, metavar="PIXELS", help="reduce frames to this short side (default: the card's)"
    )
    add_json(verb, "JSON lines: the progress, then the result")
    add_drawing_options(verb)
    add_image_reading(verb)


def bulk(options: argparse.Namespace) -> int:
    """Segment everything; what cannot be read is a row of the table and exit code 1."""
    from streetseg.bulk.options import BulkOptions
    from streetseg.bulk.run import bulk

    names = BulkOptions.__dataclass_fields__
    wishes = BulkOptions(**{name: value for name, value in vars(options).items() if name in names})
    line = ProgressLine(as_json=options.json)
    try:
        done = bulk(
            options.sources,
            options.out,
            weights=options.weights,
            workers=options.workers,
            ray=options.ray,
            bulk=wishes,
            images=image_options(options),
            drawing=drawing_options(options),
            size=options.size,
            options=engine_options(options),
            tell=line.tell,
            report=line,
        )
    except KeyboardInterrupt:
        line.clear()
        complain("interrupted; the same command goes on")
        return INTERRUPTED
    finally:
        line.clear()
    say(json.dumps({"event": "done", **done.facts()}) if options.json else done.table())
    return CHECK_FAILED if done.errors else DONE


class ProgressLine:
    """One line on a terminal that is written over, a line now and then elsewhere, or JSON."""

    def __init__(self, *, as_json: bool) -> None:
        self.as_json, self.last, self.width = as_json, time.monotonic(), 0
        self.terminal = sys.stderr is not None and sys.stderr.isatty()

    def __call__(self, status: BulkStatus) -> None:
        """Show how far the run is."""
        pause = EVERY_JSON if self.as_json else 0 if self.terminal else EVERY
        if time.monotonic() - self.last < pause:
            return
        self.last = time.monotonic()
        if self.as_json:
            say(json.dumps({"event": "progress", **status.facts()}))
        elif self.terminal:
            text = status.table()
            sys.stderr.write(f"\r{text:<{self.width}}")
            sys.stderr.flush()
            self.width = len(text)
        else:
            complain(status.table())

    def tell(self, line: str) -> None:
        """Print a line above the progress."""
        self.clear()
        complain(line)

    def clear(self) -> None:
        """Take the line away."""
        if self.width and self.terminal:
            sys.stderr.write(f"\r{'':<{self.width}}\r")
            sys.stderr.flush()
        self.width = 0
