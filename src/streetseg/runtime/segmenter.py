"""Segment frames: frame -> network input -> logits -> class map."""

from __future__ import annotations

import json
import time
from collections.abc import Generator, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from streetseg.errors import ArtefactError, UsageError
from streetseg.figures import new_figure
from streetseg.results import Facts, text_table
from streetseg.runtime.artefact import read_card
from streetseg.runtime.card import ModelCard
from streetseg.runtime.classmap import class_map
from streetseg.runtime.engines.engine import Engine
from streetseg.runtime.engines.opening import open_engine
from streetseg.runtime.engines.options import EngineOptions
from streetseg.runtime.frames import encode_png, resize
from streetseg.runtime.overlay import overlay, percent, share
from streetseg.runtime.shelf.shelf import PACKAGED, find_weights
from streetseg.runtime.stream import in_order

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DEFAULT_WEIGHTS = PACKAGED / "ddrnet_23_slim_camvid.onnx"


@dataclass(frozen=True, repr=False)
class Result:
    """A segmented frame. A notebook shows its overlay.

    Attributes:
        classmap: H x W uint8, class indices.
        names: Class names by index.
        colours: RGB of the classes by index, 0 to 255.
        frame: H x W x 3 uint8 RGB, the segmented frame.
        milliseconds: Stage -> milliseconds: "network" (with resizing and padding) and "class map".
    """

    classmap: NDArray[np.uint8]
    names: tuple[str, ...]
    colours: tuple[tuple[int, int, int], ...]
    frame: NDArray[np.uint8]
    milliseconds: dict[str, float]

    def share(self) -> dict[str, float]:
        """Return the share of each class in the frame's pixels.

        Returns:
            Class name -> share, 0 to 1; the classes present, largest first.
        """
        shares = dict(zip(self.names, share(self.classmap, len(self.names)).tolist(), strict=True))
        return dict(sorted(((name, part) for name, part in shares.items() if part), key=lambda item: -item[1]))

    def overlay(self) -> NDArray[np.uint8]:
        """Paint the classes over the frame, with a legend.

        Returns:
            H x W x 3 uint8 RGB.
        """
        return overlay(self.frame, self.classmap, self.names, self.colours)

    def facts(self) -> Facts:
        """Return height, width, milliseconds and shares, as JSON's types.

        Returns:
            "height" and "width" in pixels; "milliseconds" by stage, with 2 digits; "share" by class, 0 to 1, with 6.
        """
        height, width = self.classmap.shape
        return {
            "height": height,
            "width": width,
            "milliseconds": {stage: round(value, 2) for stage, value in self.milliseconds.items()},
            "share": {name: round(part, 6) for name, part in self.share().items()},
        }

    def to_json(self) -> str:
        """Return `facts` as one JSON object.

        Returns:
            The text.
        """
        return json.dumps(self.facts(), indent=2)

    def table(self) -> str:
        """Return the classes and their shares as text for a terminal.

        Returns:
            A row for each class present, largest first.
        """
        return text_table([["class", "share"], *([name, percent(part)] for name, part in self.share().items())])

    def plot(self) -> Figure:
        """Draw the overlay beside the shares of the classes, in their colours.

        Returns:
            A matplotlib figure; `figure.savefig("result.png")` writes it.

        Raises:
            MissingExtraError: If matplotlib is not installed.
        """
        figure = new_figure(10, 4)
        picture, bars = figure.subplots(1, 2, width_ratios=(3, 1))
        picture.imshow(overlay(self.frame, self.classmap, self.names, self.colours, legend=False))
        picture.set_axis_off()
        shares = self.share()
        colours = [[value / 255 for value in self.colours[self.names.index(name)]] for name in shares]
        bars.barh(list(shares), [100 * part for part in shares.values()], color=colours)
        bars.invert_yaxis()  # the largest at the top
        bars.set_xlabel("share of the pixels, %")
        return figure

    def __repr__(self) -> str:
        """Return size, shares and times in one line."""
        height, width = self.classmap.shape
        shares = ", ".join(f"{name} {percent(part)}" for name, part in self.share().items())
        times = ", ".join(f"{stage} {value:.1f} ms" for stage, value in self.milliseconds.items())
        return f"Result({width} x {height}: {shares}; {times})"

    def _repr_png_(self) -> bytes:
        """Return the overlay for a notebook."""
        return encode_png(Image.fromarray(self.overlay()))


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

    Attributes:
        card: The artefact's card.
        engine: The engine that runs the network.
        short_side: Pixels. Frames with a longer short side are reduced to it.
        streams: Number of frames that the network processes at once.
        threads: Number of CPU threads for one class map.
    """

    def __init__(
        self, card: ModelCard, engine: Engine, size: int | None = None, streams: int = 1, threads: int = 1
    ) -> None:
        self.card, self.engine, self.streams, self.threads = card, engine, streams, threads
        self.short_side = card.native_short_side if size is None else size

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
    ) -> Segmenter:
        """Open an artefact.

        Args:
            artefact: NAME.onnx, NAME.pt2, or a name of weights, which are downloaded if they are not on this machine;
                None: the package's weights.
            size: Pixels, 1 or more. Frames are reduced to this short side instead of the card's, before the card's
                operating scale. None: the card's native short side.
            options: Engine, device and so on as one object, in place of the keywords below.
            engine: "openvino", "onnxruntime" or "torch"; None: the first that runs the file on the device.
            device: Device that runs the network; None: the engine's default. All values: see `EngineOptions`.
            threads: Number of CPU threads, 1 or more; None: all cores.
            precision: "float32", "bfloat16" or "float16"; None: the fastest of the device.
            streams: Number of frames that the network processes at once, 1 or more.
            cache: Folder for what the engine compiles; None: nothing is kept.

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
        return cls(card, open_engine(path, card, options), size, options.streams, options.threads_per_stream)

    def __call__(self, frame: NDArray[np.uint8]) -> Result:
        """Segment a frame.

        Args:
            frame: H x W x 3 uint8 RGB, of any size.

        Returns:
            The result; its class map has the frame's H and W.

        Raises:
            UsageError: If `frame` is not such an array.
            ArtefactError: If the shape of the logits is not that on the card.
        """
        start = time.perf_counter()
        prepared = self.prepare(frame)
        logits = self.run(prepared)
        ran = time.perf_counter()
        classes = class_map(
            logits,
            (frame.shape[0], frame.shape[1]),
            content_size=prepared.content_size,
            padded_size=prepared.padded_size,
            align_corners=self.card.align_corners,
            threads=self.threads,
        )
        done = time.perf_counter()
        milliseconds = {"network": (ran - start) * 1e3, "class map": (done - ran) * 1e3}
        return Result(classes, self.card.classes, self.card.colours, frame, milliseconds)

    def stream(self, frames: Iterable[NDArray[np.uint8]]) -> Generator[Result]:
        """Segment frames in order, several at a time.

        While the network processes one frame, the next is read and the class map of the last is made. Memory is
        bounded. Closing the generator early stops its threads.

        Args:
            frames: H x W x 3 uint8 RGB each, of any size. Each is an array of its own, not a buffer that is filled
                again.

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

    def logits(self, frame: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return the logits of a frame.

        Args:
            frame: H x W x 3 uint8 RGB, of any size.

        Returns:
            h x w x C float32 at the network's output stride, padding included.

        Raises:
            UsageError: If `frame` is not such an array.
            ArtefactError: If the shape of the logits is not that on the card.
        """
        return self.run(self.prepare(frame))

    def prepare(self, frame: NDArray[np.uint8]) -> Prepared:
        """Resize and pad a frame for the network.

        The frame's short side becomes at most `short_side`, times the card's operating scale. Padding repeats the right
        and the bottom edge up to the next multiple of the card's size_multiple.

        Args:
            frame: H x W x 3 uint8 RGB, of any size.

        Returns:
            The network's input with its sizes.

        Raises:
            UsageError: If `frame` is not such an array.
        """
        content = self.content_size(frame)
        multiple = self.card.size_multiple
        padded = -content[0] // multiple * -multiple, -content[1] // multiple * -multiple
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
        stride = self.card.output_stride
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
        if not isinstance(frame, np.ndarray):
            raise UsageError(f"a frame is an array, H x W x 3 uint8 RGB, got {frame!r:.40}")
        if frame.ndim != 3 or frame.shape[2] != 3 or frame.dtype != np.uint8 or 0 in frame.shape:
            raise UsageError(f"a frame is H x W x 3 uint8 RGB, got {frame.dtype} of shape {frame.shape}")
        height, width = frame.shape[:2]
        ratio = min(1.0, self.short_side / min(height, width)) * self.card.operating_scale
        return max(1, round(height * ratio)), max(1, round(width * ratio))
