"""What a worker does: an item in, its rows out. It holds a Segmenter and writes the results."""

from __future__ import annotations

import contextlib
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streetseg.bulk.items import Item
from streetseg.bulk.options import BulkOptions
from streetseg.bulk.places import Films, open_place, open_store
from streetseg.bulk.rows import Row, Runs
from streetseg.errors import ArtefactError, EngineError, ImageError, OutputError, StreetsegError
from streetseg.runtime.drawing import Drawing
from streetseg.runtime.engines.options import EngineOptions
from streetseg.runtime.files import reason
from streetseg.runtime.frames import (
    Picture,
    decode_picture,
    encode_classmap,
    encode_image,
    picture_suffix,
    read_picture,
)
from streetseg.runtime.image_options import ImageOptions
from streetseg.runtime.inputs import CLASSMAP_ENDING, OVERLAY_ENDING
from streetseg.runtime.overlay import share
from streetseg.runtime.result import Result
from streetseg.runtime.segmenter import Segmenter
from streetseg.runtime.video_options import VideoOptions
from streetseg.runtime.windows import segment_picture

FATAL = (OutputError, ArtefactError, EngineError)  # of the run, not of a frame


@dataclass(frozen=True)
class Setup:
    """All that a worker needs, in this process, another one or on another machine.

    Attributes:
        weights: The artefact's file.
        out: The place of the results.
        size: Pixels. Frames are reduced to this short side; None: the card's.
        engine: Engine, device, threads and precision of one worker.
        bulk: What to write.
        images: Options of images.
        video: Options of films.
        drawing: How overlays and palettes look.
    """

    weights: str
    out: str
    size: int | None = None
    engine: EngineOptions = field(default_factory=EngineOptions)
    bulk: BulkOptions = field(default_factory=BulkOptions)
    images: ImageOptions = field(default_factory=ImageOptions)
    video: VideoOptions = field(default_factory=VideoOptions)
    drawing: Drawing = field(default_factory=Drawing)


class Worker:
    """Segments items and writes their results."""

    def __init__(self, setup: Setup) -> None:
        self.setup = setup
        self.segmenter = Segmenter.open(setup.weights, size=setup.size, options=setup.engine)
        self.store = open_store(setup.out)
        self.films = Films()

    def rows(self, item: Item) -> Iterator[Row]:
        """Yield a row for each frame of an item; one with an error for what cannot be read.

        Raises:
            OutputError, ArtefactError, EngineError: What ends the run.
        """
        try:
            yield from self.film(item) if item.film else self.image(item)
        except FATAL:
            raise
        except StreetsegError as error:
            yield Row(item.source, error=str(error))
        except Exception as error:  # of a million frames, one must not end the run
            yield Row(item.source, error=f"unexpected {type(error).__name__}: {' '.join(str(error).split())}")

    def image(self, item: Item) -> Iterator[Row]:
        """Yield the row of an image."""
        start = time.perf_counter()
        picture = self.picture(item.source)
        decoded = time.perf_counter()
        result = segment_picture(self.segmenter, picture, self.setup.images)
        yield self.written(item.source, item.name, result, None, item.number, (decoded - start) * 1e3)

    def picture(self, source: str) -> Picture:
        """Read an image."""
        levels, most = self.setup.images.parsed_levels, self.setup.images.max_pixels
        if "://" not in source:
            return read_picture(source, levels=levels, max_pixels=most)
        try:
            file = open_place(source)
        except OSError as error:
            raise ImageError(f"{source} cannot be read: {reason(error)}; give an image file") from None
        with file:
            return decode_picture(file, source, levels=levels, max_pixels=most)

    def film(self, item: Item) -> Iterator[Row]:
        """Yield the rows of a film or a segment of one."""
        from streetseg.bulk.films import Damage, read_frames  # needs PyAV

        damage, bulk = Damage(), self.setup.bulk
        path = self.films.local(item.source)
        begun = time.perf_counter()
        for frame in read_frames(path, item, self.setup.video, bulk.every, damage):
            decoded = (time.perf_counter() - begun) * 1e3
            result = self.segmenter(frame.pixels)
            seconds = round(float(frame.seconds), 6)
            name = f"{item.name}/{seconds:013.6f}"
            yield self.written(item.source, name, result, seconds, frame.number // bulk.every, decoded)
            begun = time.perf_counter()
        if str(damage):
            yield Row(item.source, error=f"{item.source} is damaged: {damage}")

    def written(self, source: str, name: str, result: Result, seconds: float | None, number: int, decode: float) -> Row:
        """Write the results of a frame and return its row."""
        bulk, start = self.setup.bulk, time.perf_counter()
        confidence = result.confidence()
        target = overlay = None
        if bulk.results == "png":
            target = name + CLASSMAP_ENDING
            self.store.write(target, encode_classmap(result.classmap, self.setup.drawing.palette(result)))
        if bulk.overlays is not None and number % bulk.overlays == 0:
            overlay = self.overlay(name, self.setup.drawing.paint(result))
        height, width = result.classmap.shape
        return Row(
            source,
            seconds,
            width,
            height,
            target,
            key=name if bulk.packed else None,
            overlay=overlay,
            shares=tuple(round(part, 6) for part in share(result.classmap, len(result.names)).tolist()),
            confidence=round(float(confidence.mean(dtype=np.float64)), 6),
            unsure=round(float((confidence < bulk.threshold).mean()), 6),
            milliseconds={
                "decode": round(decode, 2),
                **{stage: round(value, 2) for stage, value in result.milliseconds.items()},
                "write": round((time.perf_counter() - start) * 1e3, 2),
            },
            runs=Runs.of(result.classmap) if bulk.packed else None,
        )

    def overlay(self, name: str, picture: NDArray[np.uint8]) -> str:
        """Write an overlay; return its name."""
        overlay = name + OVERLAY_ENDING + picture_suffix(picture)
        self.store.write(overlay, encode_image(Path(overlay), picture))
        return overlay


def serve(connection: Connection, setup: Setup) -> None:
    """Run a worker in a process of its own: items come, rows go, until the other side is closed.

    Messages: "ready"; then for each item a "row" a row and "end"; "fatal" with an error ends all.
    """
    for name in ("SIGINT", "SIGHUP"):  # the parent decides; it closes the connection
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_IGN)
    with contextlib.suppress(EOFError, ConnectionError):
        try:
            worker = Worker(setup)
            send(connection, "ready", None)
            while True:
                for row in worker.rows(connection.recv()):
                    send(connection, "row", row)
                send(connection, "end", None)
        except StreetsegError as error:
            send(connection, "fatal", error)


def send(connection: Connection, kind: str, content: Any) -> None:
    """Send a message."""
    connection.send((kind, content))
