"""Segment any number of images and films, as `streetseg bulk` does."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

from streetseg.bulk.frame_table import table_names, write_tables
from streetseg.bulk.items import Item, Listed, cut
from streetseg.bulk.ledger import Ledger
from streetseg.bulk.options import BulkOptions, has_pyarrow
from streetseg.bulk.places import LEDGER, LocalStore, as_place, is_remote, open_store
from streetseg.bulk.pool import Here, Pool
from streetseg.bulk.report import BulkReport, BulkStatus, Meter
from streetseg.bulk.results import keep
from streetseg.bulk.rows import Row
from streetseg.bulk.sources import Sources
from streetseg.bulk.watch import Watch
from streetseg.bulk.worker import Setup
from streetseg.errors import UsageError
from streetseg.runtime.drawing import Drawing
from streetseg.runtime.engines.engine import cores
from streetseg.runtime.engines.options import EngineOptions
from streetseg.runtime.files import locked
from streetseg.runtime.image_options import ImageOptions
from streetseg.runtime.inputs import as_sequence
from streetseg.runtime.segmenter import DEFAULT_WEIGHTS, Segmenter
from streetseg.runtime.shelf.shelf import find_weights
from streetseg.runtime.video_options import VideoOptions

LAYOUT = 1  # of the ledger and the results; another one is another run


def bulk(
    sources: str | Path | Sequence[str | Path],
    out: str | Path,
    *,
    weights: str | Path | None = None,
    workers: int | None = None,
    ray: str | None = None,
    bulk: BulkOptions | None = None,
    images: ImageOptions | None = None,
    video: VideoOptions | None = None,
    drawing: Drawing | None = None,
    size: int | None = None,
    options: EngineOptions | None = None,
    tell: Callable[[str], object] = lambda line: None,
    report: Callable[[BulkStatus], object] = lambda status: None,
) -> BulkReport:
    """Segment images and films into class maps and one table, with several processes or on a Ray cluster.

    A run that was killed goes on with the same call, and ends with the same files as one that never stopped. The
    table has a row for each frame; what cannot be read is a row with its error.

    Args:
        sources: Folders, patterns, files, and lists: "@files.txt", NAME.csv or NAME.parquet; local, or addresses such
            as "s3://bucket/drives".
        out: The folder or the address of the results. Paths are mirrored below it.
        weights: NAME.onnx, NAME.pt2 or a name of weights; None: the package's.
        workers: Number of processes, or of Ray's actors; None: one for each of the cores.
        ray: "auto" joins the running Ray cluster or starts one here; an address joins that one; None: this machine.
        bulk: What to write; None: the defaults.
        images: Options of images; None: the defaults.
        video: Options of films; None: the defaults.
        drawing: How overlays and palettes look; None: the defaults.
        size: Pixels. Reduce frames to this short side; None: the card's.
        options: Engine, device and so on. `threads` are those of each worker; None: the cores divided by the workers.
        tell: Gets a line about what was assumed, and about each of the first errors.
        report: Gets how far the run is, about once a second.

    Returns:
        The numbers of frames and errors, and the files of the tables.

    Raises:
        UsageError: If a source or an option is wrong, or `out` holds results of other settings.
        MissingExtraError: If a source, a result or Ray needs an extra that is not installed.
        ArtefactError: If the weights cannot be opened.
        EngineError: If no engine runs them, or workers die whatever they do.
        OutputError: If the results cannot be written; the same call goes on.
    """
    begun = time.monotonic()
    wishes, shown = bulk or BulkOptions(), str(out)
    place = as_place(out) if is_remote(as_place(out)) else str(Path(as_place(out)).absolute())
    if workers is not None and workers < 1:
        raise UsageError(f"workers must be at least 1, got {workers}")
    listed = Sources(as_sequence(sources), place, wishes.column, tell)
    engine = options or EngineOptions()
    count = workers or (1 if engine.device not in (None, "cpu") else cores())
    if ray is None or workers is not None:
        engine = dataclasses.replace(engine, threads=engine.threads or max(1, cores() // count))
    else:
        engine = dataclasses.replace(engine, threads=engine.threads or 1)
    setup = Setup(
        str(DEFAULT_WEIGHTS if weights is None else Path(find_weights(weights)).absolute()),
        place, size, engine, wishes, images or ImageOptions(), video or VideoOptions(), drawing or Drawing(),
    )  # fmt: skip
    setup, classes, settings = settled(setup, listed.given)
    if not has_pyarrow():
        tell(f"note: the table is {table_names()[0]}; for frames.parquet: pip install 'streetseg[bulk]'")
    store = open_store(place)
    with in_use(place):
        if isinstance(store, LocalStore):
            store.sweep()
        ledger = Ledger(store, settings)
        meter, keys = Meter(), list[str]()
        watch = Watch(meter, tell, report)
        units = ledger.left(cut(items(listed, setup, meter), wishes.unit_size), wishes.retry_errors, keys, meter.skip)
        with counting(listed, meter):
            if ray is None:
                kind = Here if is_remote(place) and place.startswith("memory://") else None
                with (
                    kind(setup, watch.row, meter.begin) if kind else Pool(setup, count, watch.row, meter.begin) as pool
                ):
                    for unit, rows in pool.run(units):
                        keep(ledger, unit, rows, wishes.results)
                        meter.done += len(unit.items)
            else:
                from streetseg.bulk.ray_cluster import run_on_ray

                count = run_on_ray(units, setup, settings, ray, workers, meter, watch)
        rate = meter.rate()
        totals = Totals()
        names = write_tables(store, totals.counted(row for key in keys for row in ledger.rows(key)), classes)
        if isinstance(store, LocalStore):
            store.sweep()
    watch.end()
    return BulkReport(
        totals.frames, totals.errors, meter.frames, time.monotonic() - begun, count, rate, *names, out=shown
    )


def settled(setup: Setup, sources: Sequence[str]) -> tuple[Setup, tuple[str, ...], dict[str, object]]:
    """Return the setup with the engine that is used here, the classes, and what decides the results."""
    segmenter = Segmenter.open(setup.weights, size=setup.size, options=setup.engine)
    card = segmenter.card
    setup.drawing.check(card.classes)
    engine = dataclasses.replace(setup.engine, engine=segmenter.engine.name, precision=segmenter.engine.precision)
    bulk = setup.bulk
    settings: dict[str, object] = {
        "layout": LAYOUT,
        "sources": [source.encode("utf-8", "backslashreplace").decode() for source in sources],
        "weights": card.content_hash,
        "size": segmenter.short_side,
        "engine": f"{engine.engine}, {engine.precision}, {engine.device or 'cpu'}",
        "results": bulk.results,
        "shard-frames": bulk.shard_frames if bulk.packed else None,
        "overlays": bulk.overlays,
        "every": bulk.every,
        "threshold": bulk.threshold,
        "column": bulk.column,
        "segment-seconds": bulk.segment_seconds,
        **{
            name: json.loads(json.dumps(given.given(), default=str))
            for name, given in (("images", setup.images), ("video", setup.video), ("drawing", setup.drawing))
        },
    }
    return dataclasses.replace(setup, engine=engine), card.classes, settings


@contextlib.contextmanager
def in_use(place: str) -> Iterator[None]:
    """Inside, no other run of this machine writes to the output; OutputError if one does."""
    if is_remote(place):
        yield
        return
    folder = Path(place, LEDGER)
    LocalStore(place).scratch()  # makes the folder, or says why not
    lock, busy = folder / "lock", f"another run is writing to {place}; wait for it, or choose another --out"
    with locked(lock, Path(place), "choose another --out", busy):
        yield


def items(listed: Iterable[Listed], setup: Setup, meter: Meter) -> Iterator[Item]:
    """Yield the items of all files."""
    for one in listed:
        if not one.film:
            yield Item(one.source, one.name)
            continue
        from streetseg.bulk.films import items_of  # needs PyAV

        found = items_of(one, setup.video, setup.bulk.segment_seconds)
        meter.further += len(found) - 1
        yield from found


@contextlib.contextmanager
def counting(listed: Iterable[Listed], meter: Meter) -> Iterator[None]:
    """Inside, a thread counts the files, for the time left."""
    stopped = threading.Event()

    def count() -> None:
        total = 0
        with contextlib.suppress(Exception):  # the listing itself will meet the error
            for _ in listed:
                total += 1
                if stopped.is_set():
                    return
                if total % 256 == 0:
                    time.sleep(0)  # the listing comes first
            meter.total = total

    thread = threading.Thread(target=count, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stopped.set()
        thread.join(5)


class Totals:
    """Counts rows on their way to the table."""

    def __init__(self) -> None:
        self.frames = self.errors = 0

    def counted(self, rows: Iterable[Row]) -> Iterator[Row]:
        """Yield the rows."""
        for row in rows:
            self.frames += row.width is not None
            self.errors += row.error is not None
            yield row
