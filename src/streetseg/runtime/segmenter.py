"""The way of a frame, once, whole: frame -> network input -> logits -> class map."""

from __future__ import annotations

import time
from collections.abc import Generator, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from streetseg.errors import ArtefactError, UsageError
from streetseg.runtime.card import ModelCard, read_card
from streetseg.runtime.classmap import class_map
from streetseg.runtime.engines.engine import Engine, cores, open_engine
from streetseg.runtime.frames import resize
from streetseg.runtime.overlay import overlay, share
from streetseg.runtime.shelf.shelf import PACKAGED, find_weights
from streetseg.runtime.stream import in_order

DEFAULT_WEIGHTS = PACKAGED / "ddrnet_23_slim_camvid.onnx"


@dataclass(frozen=True)
class Result:
    """A segmented frame.

    classmap: H x W uint8, class indices. names, colours: of the classes by index. frame: what was segmented.
    milliseconds: what "network" (with resizing and padding) and "class map" took.
    """

    classmap: NDArray[np.uint8]
    names: tuple[str, ...]
    colours: tuple[tuple[int, int, int], ...]
    frame: NDArray[np.uint8]
    milliseconds: dict[str, float]

    def share(self) -> dict[str, float]:
        """Class name -> its share of the frame's pixels, 0 to 1; the classes present, largest first."""
        shares = dict(zip(self.names, share(self.classmap, len(self.names)).tolist(), strict=True))
        return dict(sorted(((name, part) for name, part in shares.items() if part), key=lambda item: -item[1]))

    def overlay(self) -> NDArray[np.uint8]:
        """The frame with its classes painted over it and a legend: H x W x 3 uint8 RGB."""
        return overlay(self.frame, self.classmap, self.names, self.colours)


class Segmenter:
    """Segments frames of any size with an artefact. Make one with `Segmenter.open`."""

    def __init__(
        self, card: ModelCard, engine: Engine, size: int | None = None, streams: int = 1, threads: int = 1
    ) -> None:
        self.card, self.engine, self.streams, self.threads = card, engine, streams, threads
        self.short_side = card.native_short_side if size is None else size

    @classmethod
    def open(
        cls,
        artefact: str | Path | None = None,
        *,
        engine: str | None = None,
        threads: int | None = None,
        precision: str | None = None,
        size: int | None = None,
        streams: int = 1,
        cache: str | Path | None = None,
    ) -> Segmenter:
        """A segmenter for an artefact, NAME.onnx or NAME.pt2; without one, for the weights that come with the package.

        artefact: a file, or a name that `shelf.find_weights` knows, whose file is fetched if need be.
        engine: "openvino" (default) or "onnxruntime" for NAME.onnx, "torch" for NAME.pt2. threads: CPU threads, all
        cores otherwise. precision: "float32", "bfloat16" or, on a GPU, "float16"; otherwise the fastest there is, for
        "torch" on a CPU float32. size: reduce frames to this short side instead of the card's, before its operating
        scale. streams: frames that the network works on at once, sharing the threads: 1 for the least latency, as many
        as threads for the most frames a second. cache: a folder where OpenVINO keeps what it compiled, which makes the
        next opening quicker.
        Raises ArtefactError, EngineError, OutputError or UsageError.
        """
        path = DEFAULT_WEIGHTS if artefact is None else find_weights(artefact)
        if size is not None and size < 1:
            raise UsageError(f"size must be at least 1 pixel, got {size}")
        card = read_card(path)
        if path.suffix == ".safetensors":
            raise ArtefactError(f"{path} holds unfolded weights, which no engine runs; first: streetseg export {path}")
        opened = open_engine(
            engine,
            path,
            card,
            threads=threads,
            precision=precision,
            streams=streams,
            cache=None if cache is None else Path(cache),
        )
        return cls(card, opened, size, streams, max(1, (threads or cores()) // streams))

    def __call__(self, frame: NDArray[np.uint8]) -> Result:
        """Segment a frame, H x W x 3 uint8 RGB of any size; the class map has the same H and W."""
        start = time.perf_counter()
        content = self.content_size(frame)
        padded = self.padded_size(content)
        logits = self.run(frame, content, padded)
        ran = time.perf_counter()
        classes = class_map(
            logits,
            (frame.shape[0], frame.shape[1]),
            content_size=content,
            padded_size=padded,
            align_corners=self.card.align_corners,
            threads=self.threads,
        )
        done = time.perf_counter()
        milliseconds = {"network": (ran - start) * 1e3, "class map": (done - ran) * 1e3}
        return Result(classes, self.card.classes, self.card.colours, frame, milliseconds)

    def stream(self, frames: Iterable[NDArray[np.uint8]]) -> Generator[Result]:
        """Segment frames, in order: while one is in the network, the next is read and the class map of the last made.
        Each must be an array of its own, not a buffer that is filled again.

        Memory is bounded; an error, also one of `frames`, is raised in its frame's place; closing the generator early
        stops its threads.
        """
        return in_order(self, frames, self.workers)

    @property
    def workers(self) -> int:
        """How many frames are under way at once: those in the network, and one that enters or leaves it."""
        return self.streams + 1

    def logits(self, frame: NDArray[np.uint8]) -> NDArray[np.float32]:
        """The logits h x w x C of a frame at the network's output stride, padding included."""
        content = self.content_size(frame)
        return self.run(frame, content, self.padded_size(content))

    def run(self, frame: NDArray[np.uint8], content: tuple[int, int], padded: tuple[int, int]) -> NDArray[np.float32]:
        """The engine's logits of the resized and padded frame; ArtefactError where they are not the card's."""
        logits = self.engine(self.network_input(frame, content, padded))
        stride = self.card.output_stride
        expected = (-(-padded[0] // stride), -(-padded[1] // stride), len(self.card.classes))
        if logits.shape != expected:
            raise ArtefactError(
                f"the artefact disagrees with its card: logits of shape {logits.shape} where the card promises "
                f"{expected}; get the file again, or export it again"
            )
        return logits

    def content_size(self, frame: NDArray[np.uint8]) -> tuple[int, int]:
        """H, W to which a frame is resized: short side at most the native one, times the operating scale."""
        if not isinstance(frame, np.ndarray):
            raise UsageError(f"a frame is an array, H x W x 3 uint8 RGB, got {frame!r:.40}")
        if frame.ndim != 3 or frame.shape[2] != 3 or frame.dtype != np.uint8 or 0 in frame.shape:
            raise UsageError(f"a frame is H x W x 3 uint8 RGB, got {frame.dtype} of shape {frame.shape}")
        height, width = frame.shape[:2]
        ratio = min(1.0, self.short_side / min(height, width)) * self.card.operating_scale
        return max(1, round(height * ratio)), max(1, round(width * ratio))

    def padded_size(self, content: tuple[int, int]) -> tuple[int, int]:
        """The next size that is a multiple of the network's size_multiple."""
        multiple = self.card.size_multiple
        return -content[0] // multiple * -multiple, -content[1] // multiple * -multiple

    def network_input(
        self, frame: NDArray[np.uint8], content: tuple[int, int], padded: tuple[int, int]
    ) -> NDArray[np.uint8]:
        """The frame resized and padded right and bottom by repeating its edge: C-contiguous uint8."""
        resized = resize(frame, content)
        if padded != content:
            below, right = padded[0] - content[0], padded[1] - content[1]
            resized = np.pad(resized, ((0, below), (0, right), (0, 0)), mode="edge")
        return np.ascontiguousarray(resized)
