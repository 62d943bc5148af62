"""Bring decoded frames into the form that the network knows: progressive, plain brightness, 8-bit grey."""

from __future__ import annotations

import struct
import tempfile
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.sidedata.sidedata import SideDataContainer
from av.video.reformatter import ColorRange, Colorspace

from streetseg.runtime.video.pixels import UNSPECIFIED
from streetseg.runtime.video.tone import BRIGHTEST_PEAK, DARKEST_PEAK, HLG, PEAK, PQ, write_table

RGB12 = "gbrp12le"  # the form in which HDR is mapped
GREY_BITS = (8, 10, 12, 14, 16)  # of sensors


class Filters:
    """The filters of one video, opened when its first frame needs them.

    A filter gives as many frames as it takes, in order; the deinterlacer one frame late.

    Args:
        deinterlace: "auto", "always" or "never".
        shown: The source's name in messages.
        tell: Gets a line about what was assumed.
    """

    def __init__(self, deinterlace: str, shown: str, tell: Callable[[str], object] = lambda line: None) -> None:
        self.deinterlace, self.shown, self.tell = deinterlace, shown, tell
        self.fields = deinterlace == "always"
        self.graph: av.filter.Graph | None = None
        self.form: object = None  # what the graph was made for
        self.times: deque[int | None] = deque()
        self.grey_bits = GREY_BITS[0]

    def __call__(self, frames: Iterable[av.VideoFrame]) -> Iterator[av.VideoFrame]:
        """Yield the frames in a form that the network knows."""
        for frame in frames:
            if frame.format.name in ("gray16le", "gray16be"):
                yield self.grey(frame)
                continue
            self.fields |= self.deinterlace == "auto" and bool(frame.interlaced_frame)
            tone = frame.color_trc if frame.color_trc in (PQ, HLG) else None
            if not self.fields and tone is None:
                yield from self.drained()
                yield frame
                continue
            peak = peak_of(frame) if tone == PQ else PEAK
            self.times.append(frame.pts)
            if tone is not None:
                matrix = Colorspace.BT2020 if frame.colorspace == UNSPECIFIED else None
                frame = frame.reformat(format=RGB12, src_colorspace=matrix)
            form = (frame.width, frame.height, frame.format.name, tone, peak)
            if self.graph is None or form != self.form:
                pts = self.times.pop()
                yield from self.drained()
                self.times.append(pts)
                self.graph, self.form = self.open(frame, tone, peak), form
            self.graph.push(frame)
            yield from self.ready()
        yield from self.drained()

    def open(self, frame: av.VideoFrame, tone: int | None, peak: float) -> av.filter.Graph:
        """Return a graph for frames like this one."""
        graph = av.filter.Graph()
        base = frame.time_base
        chain = [graph.add_buffer(width=frame.width, height=frame.height, format=frame.format, time_base=base)]
        if self.fields:
            if not frame.interlaced_frame:
                chain.append(graph.add("setfield", mode="tff"))
            chain.append(
                graph.add("bwdif", mode="send_frame", deint="all" if self.deinterlace == "always" else "interlaced")
            )
        with tempfile.TemporaryDirectory() as folder:
            if tone is not None:
                table = Path(folder, "tone.cube")
                write_table(table, tone, peak)
                chain.append(graph.add("lut3d", file=str(table)))
            chain.append(graph.add("buffersink"))
            graph.link_nodes(*chain).configure()
        return graph

    def ready(self) -> Iterator[av.VideoFrame]:
        """Yield the frames that the graph has finished."""
        assert self.graph is not None
        while True:
            try:
                frame = self.graph.vpull()
            except (av.BlockingIOError, av.EOFError):
                return
            frame.pts = self.times.popleft()
            yield frame

    def drained(self) -> Iterator[av.VideoFrame]:
        """Yield the frames that are still in the graph, and close it."""
        if self.graph is not None:
            self.graph.push(None)
            yield from self.ready()
            self.graph = None

    def grey(self, frame: av.VideoFrame) -> av.VideoFrame:
        """Return a 16-bit grey frame in 8 bits: its sensor's bits are those that the values so far need."""
        values = np.asarray(frame.to_ndarray(), np.uint16)
        brightest = int(values.max())
        bits = next(bits for bits in GREY_BITS if brightest < 1 << bits)
        if bits > self.grey_bits:
            self.grey_bits = bits
            if bits < 16:
                self.tell(f"note: {self.shown} has grey values of at most {bits} bits in 16; they are scaled")
        plain = av.VideoFrame.from_ndarray((values >> (self.grey_bits - 8)).astype(np.uint8), "gray")
        plain.pts, plain.time_base, plain.color_range = frame.pts, frame.time_base, ColorRange.JPEG
        return plain


def peak_of(frame: av.VideoFrame) -> float:
    """Return the brightest light of a PQ video in cd/m2, as it says itself, or else the usual one."""
    level: Any = SideDataContainer(frame).get("CONTENT_LIGHT_LEVEL")  # type: ignore[call-arg]  # unknown to its stub
    if level is None:
        return PEAK
    (peak,) = struct.unpack_from("I", bytes(level))
    return float(peak) if DARKEST_PEAK <= peak <= BRIGHTEST_PEAK else PEAK
