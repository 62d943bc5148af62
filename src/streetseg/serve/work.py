"""From a picture's bytes to an encoded answer, in a thread of a model's queue."""

from __future__ import annotations

import time
from collections.abc import Callable
from io import BytesIO
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from streetseg.errors import ImageError, MissingExtraError
from streetseg.runtime.frames import Picture, decode_picture
from streetseg.runtime.result import Result
from streetseg.serve.errors import RefusedError
from streetseg.serve.queue import Ticket
from streetseg.serve.served import ServedModel
from streetseg.serve.site import Site

Encoded = TypeVar("Encoded")


class Worker:
    """Does one request's work for a model and keeps the seconds of its stages.

    what: What errors call the picture: a client's file name is not repeated.
    """

    def __init__(self, model: ServedModel, site: Site, ticket: Ticket, what: str = "the picture") -> None:
        self.model, self.ticket, self.what = model, ticket, what
        self.measures, self.limits = site.measures, site.settings.limits
        self.seconds: dict[str, float] = {}
        self.waited = time.perf_counter() - ticket.arrived

    def decode(self, data: bytes) -> Picture:
        """Return the picture in a file's bytes; RefusedError for anything else, or if it has too many pixels."""
        self.ticket.check()
        start = time.perf_counter()
        try:
            return decode_picture(BytesIO(data), self.what, max_pixels=self.limits.pixels)
        except MissingExtraError as error:
            raise RefusedError(415, str(error)) from None
        except ImageError as error:
            raise RefusedError(400, str(error)) from None
        finally:
            self.add("decode", time.perf_counter() - start)

    def segment(
        self, frame: NDArray[np.uint8], encode: Callable[[Result], Encoded], *, logits: bool = False
    ) -> tuple[Result, Encoded]:
        """Segment a frame and encode its result."""
        self.ticket.check()
        segmenter = self.model.segmenter
        height, width = segmenter.padded_size_of(segmenter.content_size(frame))
        if height * width > self.limits.network:
            raise RefusedError(413, f"{self.what} becomes {width} x {height} pixels for the network; it is too thin")
        start = time.perf_counter()
        result = segmenter(frame, logits=logits)
        network, classes = (result.milliseconds[stage] / 1000 for stage in ("network", "class map"))
        turn = max(0.0, time.perf_counter() - start - network - classes)  # another frame was in the network
        self.ticket.check()
        start = time.perf_counter()
        encoded = encode(result)
        stages = {
            "wait": self.waited + turn,
            "network": network,
            "classmap": classes,
            "encode": time.perf_counter() - start,
        }
        for stage, value in stages.items():
            self.add(stage, value)
        counted = stages | ({"decode": self.seconds["decode"]} if "decode" in self.seconds else {})
        self.measures.frame(self.model.name, counted, result.names, result.share())
        self.waited = 0.0
        return result, encoded

    def add(self, stage: str, seconds: float) -> None:
        """Add a stage's seconds."""
        self.seconds[stage] = self.seconds.get(stage, 0.0) + seconds

    def milliseconds(self) -> dict[str, float]:
        """Return the milliseconds of the stages."""
        return {stage: round(1000 * seconds, 2) for stage, seconds in self.seconds.items()}

    def server_timing(self) -> str:
        """Return the stages for the header Server-Timing."""
        return ", ".join(f"{stage};dur={value}" for stage, value in self.milliseconds().items())
