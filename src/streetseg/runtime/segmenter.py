"""Segment frames: frame -> network input -> logits -> class map."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Generator, Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from streetseg.errors import ArtefactError, UsageError
from streetseg.runtime.arrays import FrameLike, as_picture, check_frame
from streetseg.runtime.artefact import read_card
from streetseg.runtime.card import ModelCard
from streetseg.runtime.classmap import class_map
from streetseg.runtime.confidence import FrameScores
from streetseg.runtime.engines.engine import Engine
from streetseg.runtime.engines.opening import open_engine
from streetseg.runtime.engines.options import EngineOptions
from streetseg.runtime.frames import resize
from streetseg.runtime.result import Result
from streetseg.runtime.shelf.shelf import PACKAGED, find_weights
from streetseg.runtime.stream import in_order

MAX_NETWORK_PIXELS = 40_000_000  # a frame of 7680 x 5120; the networks need about 100 bytes for each
DEFAULT_WEIGHTS = PACKAGED / "ddrnet_23_slim_camvid.onnx"


@dataclass(frozen=True)
class Prepared:
    """A frame as the network takes it.

    Attributes:
        input: H x W x 3 uint8 RGB, C-contiguous: the frame resized to `content_size`, then padded to `padded_size`.
        content_size: H, W in pixels of the resized frame.
        padded_size: H, W in pixels of the input, multiples of the card's size_multiple.
    """

    input: NDArray[np.uint8]
    content_size: tuple[int, int]
    padded_size: tuple[int, int]

    def __repr__(self) -> str:
        """Return the sizes, without the pixels."""
        return f"Prepared(content_size={self.content_size}, padded_size={self.padded_size})"


class Segmenter:
    """Segments frames of any size with an artefact. `Segmenter.open` makes one.

    Several threads may use one at once. In a process forked from the one that opened it, it opens itself again, or says
    that its engine cannot be forked.

    Attributes:
        card: The artefact's card.
        engine: The engine that runs the network.
        short_side: Pixels. Frames with a longer short side are reduced to it.
        streams: Number of frames that the network processes at once.
        threads: Number of CPU threads for one class map.
        bgr: True if arrays have their channels in OpenCV's order, blue first.
    """

    def __init__(
        self,
        card: ModelCard,
        engine: Engine,
        size: int | None = None,
        streams: int = 1,
        threads: int = 1,
        *,
        bgr: bool = False,
        reopen: Callable[[], Engine] | None = None,
    ) -> None:
        self.card, self.engine, self.streams, self.threads, self.bgr = card, engine, streams, threads, bgr
        self.short_side = card.native_short_side if size is None else size
        self.reopen = reopen
        self.begin()

    def begin(self) -> None:
        """Note the process, and forget what threads of another one may hold."""
        self.process = os.getpid()
        self.turns = threading.BoundedSemaphore(self.streams)
        self.sizes_met: set[tuple[int, int]] = set()

    def survive_fork(self) -> None:
        """Open the engine again in a forked process: the threads of the first one stayed behind."""
        if self.process != os.getpid():
            if self.reopen is not None:
                self.engine = self.reopen()
            self.begin()

    def __repr__(self) -> str:
        """Return network, classes, engine and short side in one line."""
        card, engine = self.card, self.engine
        return (
            f"<Segmenter: {card.network}, {len(card.classes)} classes; {engine.name}, {engine.precision}; "
            f"short side {self.short_side}>"
        )

    @classmethod
    def open(
        cls,
        artefact: str | Path | None = None,
        *,
        size: int | None = None,
        options: EngineOptions | None = None,
        engine: str | None = None,
        device: str | None = None,
        threads: int | None = None,
        precision: str | None = None,
        streams: int = 1,
        cache: str | Path | None = None,
        bgr: bool = False,
    ) -> Segmenter:
        """Open an artefact.

        Args:
            artefact: NAME.onnx, NAME.xml, NAME.pt2, NAME.param, or a name of weights, which are downloaded if they are
                not on this machine; None: the package's weights.
            size: Pixels, 1 or more. Frames are reduced to this short side instead of the card's, before the card's
                operating scale. None: the card's native short side.
            options: Engine, device and so on as one object, in place of the keywords below.
            engine: "openvino", "onnxruntime", "torch" or "ncnn"; None: the first that runs the file on the device.
            device: Device that runs the network; None: the engine's default. All values: see `EngineOptions`.
            threads: Number of CPU threads, 1 or more; None: all cores.
            precision: "float32", "bfloat16" or "float16"; None: the fastest of the device.
            streams: Number of frames that the network processes at once, 1 or more.
            cache: Folder for what the engine compiles; None: nothing is kept.
            bgr: Take arrays with blue first, as OpenCV reads them. Files, PIL images and results stay RGB.

        Returns:
            The segmenter.

        Raises:
            ArtefactError: If the artefact is not there, damaged, or holds unfolded weights.
            EngineError: If no engine runs it as the options say.
            OutputError: If a file cannot be written, in the cache or among the weights.
            UsageError: If the name or the size is wrong, or `options` comes with one of its keywords.
        """
        given = EngineOptions(engine, device, threads, precision, streams, cache)
        if options is None:
            options = given
        elif given != EngineOptions():
            raise UsageError("give either options, or engine, device, threads, precision, streams and cache")
        path = DEFAULT_WEIGHTS if artefact is None else find_weights(artefact)
        if size is not None and size < 1:
            raise UsageError(f"size must be at least 1 pixel, got {size}")
        card = read_card(path)
        if path.suffix == ".safetensors":
            raise ArtefactError(f"{path} holds unfolded weights, which no engine runs; first: streetseg export {path}")
        reopen = partial(open_engine, path, card, options)
        return cls(card, reopen(), size, options.streams, options.threads_per_stream, bgr=bgr, reopen=reopen)

    def __call__(self, frame: FrameLike, *, logits: bool = False) -> Result:
        """Segment a frame.

        Args:
            frame: H x W x 3 uint8 RGB, of any size; or the path of an image file, a PIL image, or a torch tensor of
                uint8, H x W x 3 or 3 x H x W.
            logits: Keep the network's logits in the result.

        Returns:
            The result; its class map has the frame's H and W. Its `remarks` say what was assumed.

        Raises:
            UsageError: If `frame` is none of these.
            ImageError: If the file cannot be read.
            ArtefactError: If the shape of the logits is not that on the card.
            EngineError: If this process was forked, and the engine cannot run in it.
        """
        picture = as_picture(frame, self.bgr)
        pixels = picture.frame
        start = time.perf_counter()
        prepared = self.prepare(pixels)
        preparing = time.perf_counter() - start
        self.survive_fork()
        with self.turns:  # so that the network's time holds no other frame's turn
            first = prepared.padded_size not in self.sizes_met
            start = time.perf_counter()
            values = self.run(prepared)
            ran = time.perf_counter()
            self.sizes_met.add(prepared.padded_size)
        classes = self.class_map(values, (pixels.shape[0], pixels.shape[1]))
        done = time.perf_counter()
        milliseconds = {"network": (preparing + ran - start) * 1e3, "class map": (done - ran) * 1e3}
        return Result(
            classes,
            self.card.classes,
            self.card.colours,
            pixels,
            milliseconds,
            first_of_size=first,
            logits=values if logits else None,
            remarks=(*picture.assumed, *picture.tolerated),
            scores=self.scores(values, (pixels.shape[0], pixels.shape[1])),
        )

    def scores(self, logits: NDArray[np.float32], size: tuple[int, int]) -> FrameScores:
        """Return what the confidence of a frame is computed from.

        Args:
            logits: h x w x C float32, as `logits` gives them.
            size: H, W of the frame in pixels.

        Returns:
            The scores; `confidence()` of them is H x W float32.
        """
        content = self.content_size_of(size)
        padded, card = self.padded_size_of(content), self.card
        return FrameScores(logits, size, content, padded, card.align_corners, card.temperature or 1.0)

    def class_map(self, logits: NDArray[np.float32], size: tuple[int, int]) -> NDArray[np.uint8]:
        """Return the class map of a frame's logits.

        Args:
            logits: h x w x C float32, as `logits` gives them.
            size: H, W of the frame in pixels.

        Returns:
            H x W uint8, class indices.
        """
        content = self.content_size_of(size)
        return class_map(
            logits,
            size,
            content_size=content,
            padded_size=self.padded_size_of(content),
            align_corners=self.card.align_corners,
            threads=self.threads,
        )

    def with_short_side(self, short_side: int) -> Segmenter:
        """Return a segmenter that reduces frames to another short side; it shares the engine.

        Args:
            short_side: Pixels, 1 or more.

        Returns:
            The segmenter.
        """
        other = Segmenter(
            self.card, self.engine, short_side, self.streams, self.threads, bgr=self.bgr, reopen=self.reopen
        )
        other.turns, other.sizes_met = self.turns, self.sizes_met
        return other

    def stream(self, frames: Iterable[FrameLike]) -> Generator[Result]:
        """Segment frames in order, several at a time.

        While the network processes one frame, the next is read and the class map of the last is made. Memory is
        bounded. Closing the generator early stops its threads.

        Args:
            frames: As for one frame. Each is an array of its own, not a buffer that is filled again.

        Yields:
            A result for each frame.

        Raises:
            UsageError, ArtefactError: As for one frame, in that frame's place, like an error of `frames`.
        """
        return in_order(self, frames, self.workers)

    @property
    def workers(self) -> int:
        """Return the number of frames in progress at once: those in the network, and one before or after it.

        Returns:
            The number.
        """
        return self.streams + 1

    def logits(self, frame: FrameLike) -> NDArray[np.float32]:
        """Return the logits of a frame.

        Args:
            frame: As for a call.

        Returns:
            h x w x C float32 at the network's output stride, padding included.

        Raises:
            UsageError: If `frame` is not such an array.
            ArtefactError: If the shape of the logits is not that on the card.
        """
        self.survive_fork()
        return self.run(self.prepare(as_picture(frame, self.bgr).frame))

    def prepare(self, frame: NDArray[np.uint8]) -> Prepared:
        """Resize and pad a frame for the network.

        The frame's short side becomes at most `short_side`, times the card's operating scale. Padding repeats the right
        and the bottom edge up to the next multiple of the card's size_multiple.

        Args:
            frame: H x W x 3 uint8 RGB, of any size.

        Returns:
            The network's input with its sizes.

        Raises:
            UsageError: If `frame` is not such an array, or becomes larger than the network may see.
        """
        content = self.content_size(frame)
        padded = self.padded_size_of(content)
        if padded[0] * padded[1] > MAX_NETWORK_PIXELS:
            raise UsageError(
                f"a frame of {frame.shape[1]} x {frame.shape[0]} pixels becomes {padded[1]} x {padded[0]} for the "
                f"network, which takes at most {MAX_NETWORK_PIXELS:,}; give a smaller --size, or tiles (--window)"
            )
        resized = resize(frame, content)
        if padded != content:
            below, right = padded[0] - content[0], padded[1] - content[1]
            resized = np.pad(resized, ((0, below), (0, right), (0, 0)), mode="edge")
        return Prepared(np.ascontiguousarray(resized), content, padded)

    def run(self, prepared: Prepared) -> NDArray[np.float32]:
        """Return the engine's logits of a prepared frame.

        Args:
            prepared: What `prepare` returned.

        Returns:
            h x w x C float32 at the network's output stride, padding included.

        Raises:
            ArtefactError: If the shape of the logits is not that on the card.
        """
        logits = self.engine(prepared.input)
        height, width = prepared.padded_size
        stride = 1 if self.card.form.output == "classmap" else self.card.output_stride
        expected = (-(-height // stride), -(-width // stride), len(self.card.classes))
        if logits.shape != expected:
            raise ArtefactError(
                f"the artefact disagrees with its card: logits of shape {logits.shape} where the card promises "
                f"{expected}; get the file again, or export it again"
            )
        return logits

    def content_size(self, frame: NDArray[np.uint8]) -> tuple[int, int]:
        """Return the size to which a frame is resized.

        Args:
            frame: H x W x 3 uint8 RGB, of any size.

        Returns:
            H, W in pixels.

        Raises:
            UsageError: If `frame` is not such an array.
        """
        check_frame(frame)
        return self.content_size_of((frame.shape[0], frame.shape[1]))

    def content_size_of(self, size: tuple[int, int]) -> tuple[int, int]:
        """Return the size to which a frame of a size is resized.

        Args:
            size: H, W in pixels.

        Returns:
            H, W in pixels.
        """
        height, width = size
        ratio = min(1.0, self.short_side / min(height, width)) * self.card.operating_scale
        if self.card.form.size is not None:  # the largest that has room in the only input
            most_high, most_wide = self.card.form.size
            ratio = min(ratio, most_high / height, most_wide / width)
        return max(1, round(height * ratio)), max(1, round(width * ratio))

    def padded_size_of(self, content: tuple[int, int]) -> tuple[int, int]:
        """Return the size to which a resized frame is padded.

        Args:
            content: H, W in pixels of the resized frame.

        Returns:
            H, W in pixels, multiples of the card's size_multiple; the only size that the artefact takes, if it has one.
        """
        if self.card.form.size is not None:
            return self.card.form.size
        multiple = self.card.size_multiple
        return -content[0] // multiple * -multiple, -content[1] // multiple * -multiple
