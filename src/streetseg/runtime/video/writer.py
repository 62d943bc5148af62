"""Write pictures to video files."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from types import TracebackType

import av
import numpy as np
from av.video.reformatter import ColorRange, Colorspace
from numpy.typing import NDArray

from streetseg.errors import OutputError, VideoError
from streetseg.runtime.files import reason, whole_file
from streetseg.runtime.video.pixels import BT601, BT709, HD_HEIGHT
from streetseg.runtime.video.sound import Sound

FRACTION_MAX = 2**30  # FFmpeg's fractions are of 32-bit numbers


@dataclass(frozen=True)
class Codec:
    """A codec of overlays.

    Attributes:
        encoder: FFmpeg's name of the encoder.
        pixels: The pixel format.
        quality: The constant rate factor without visible artefacts, which would look like the network's. None:
            lossless.
        options: The encoder's options, for a speed that keeps up with the network.
        max_side: Pixels; the encoder's limit.
    """

    encoder: str
    pixels: str = "yuv420p"
    quality: int | None = None
    options: dict[str, str] = field(default_factory=dict)
    max_side: int = 16_384


CODECS = {
    "h264": Codec("libx264", quality=20, options={"preset": "veryfast"}),
    "hevc": Codec("libx265", quality=24, options={"preset": "veryfast", "x265-params": "log-level=none"}),
    "av1": Codec("libsvtav1", quality=32, options={"preset": "9"}),
    "ffv1": Codec("ffv1", pixels="bgr0", max_side=65_536),
}


class VideoWriter:
    """A writer of a video file: overlays with a codec of CODECS, class maps lossless as FFV1 in 8-bit grey.

    It is a context manager. The file gets its name, whole, once the block ends without an error.

    Args:
        path: The file.
        picture: The first picture: overlay H x W x 3 uint8, or class map H x W uint8.
        rate: Frames per second.
        time_base: Seconds per step of a timestamp.
        aspect: Width of a pixel by its height.
        codec: Codec of an overlay.
        quality: Constant rate factor of an overlay; None: the codec's.
        sound: Sound to copy into the file.
        lasting: True if the source cannot be read again. Then the file also stays after an OutputError, its own or
            another file's, if its format can be read without its end.

    Attributes:
        kept: True once the file is there.

    Raises:
        VideoError: If the pictures are too large for the codec.
        OutputError: If the place cannot be written to.
    """

    def __init__(
        self,
        path: Path,
        picture: NDArray[np.uint8],
        rate: Fraction,
        time_base: Fraction,
        *,
        aspect: Fraction = Fraction(1),
        codec: str = "h264",
        quality: int | None = None,
        sound: Sound | None = None,
        lasting: bool = False,
    ) -> None:
        self.format = "rgb24" if picture.ndim == 3 else "gray"
        height, width = picture.shape[:2]
        chosen = CODECS[codec] if picture.ndim == 3 else Codec("ffv1", pixels="gray", max_side=65_536)
        self.codec = codec
        if max(height, width) > chosen.max_side:
            raise VideoError(
                f"an overlay of {width} x {height} pixels cannot be written: {codec} takes at most {chosen.max_side:,} "
                "a side; reduce the video first"
            )
        self.path, self.lasting, self.finished, self.kept, self.frames = path, lasting, False, False, 0
        self.sound, self.step = sound, 1 / rate
        os.environ.setdefault("SVT_LOG", "1")  # the AV1 encoder prints only errors
        with ExitStack() as files:
            self.container = av.open(f"file:{files.enter_context(whole_file(path))}", "w")
            rate = max(rate.limit_denominator(int(FRACTION_MAX / max(rate, Fraction(1)))), Fraction(1, FRACTION_MAX))
            stream = self.container.add_stream(chosen.encoder, rate=rate)
            assert isinstance(stream, av.VideoStream)
            self.stream = stream
            # Where chroma has a sample for two by two pixels, an odd side gets one pixel more.
            odd = (height % 2, width % 2) if chosen.pixels == "yuv420p" else (0, 0)
            self.padding = ((0, odd[0]), (0, odd[1]), (0, 0)) if any(odd) else None
            self.stream.height, self.stream.width = height + odd[0], width + odd[1]
            self.stream.pix_fmt = chosen.pixels
            context = self.stream.codec_context
            self.matrix = None
            factor = chosen.quality if quality is None else quality
            self.stream.options = {**chosen.options, **({} if factor is None else {"crf": str(factor)})}
            if picture.ndim == 3:
                context.sample_aspect_ratio = aspect
            if chosen.pixels == "yuv420p":
                self.matrix, meaning = (Colorspace.ITU709, BT709) if height >= HD_HEIGHT else (Colorspace.ITU601, BT601)
                context.colorspace = context.color_primaries = context.color_trc = meaning
                context.color_range = ColorRange.MPEG
            if codec == "hevc" and path.suffix.lower() != ".mkv":
                context.codec_tag = "hvc1"  # Apple's players know no other
            if sound is not None:
                sound.add_to(self.container, str(path))
            self.stream.time_base = context.time_base = self.time_base = time_base
            self.file = files.pop_all()

    def add(self, picture: NDArray[np.uint8], pts: int) -> None:
        """Write a picture at a timestamp."""
        if self.padding is not None:
            picture = np.pad(picture, self.padding, mode="edge")
        frame = av.VideoFrame.from_ndarray(picture, format=self.format)
        frame = frame.reformat(format=self.stream.pix_fmt, dst_colorspace=self.matrix, threads=1)
        frame.pts, frame.time_base = pts, self.time_base
        with self.translated_errors():
            self.container.mux(self.stream.encode(frame))
            if self.sound is not None:
                self.sound.copy_until(self.container, pts * self.time_base + self.step)
        self.frames += 1

    def __enter__(self) -> VideoWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        lasting = self.lasting and self.frames > 0
        if error is not None and not (lasting and isinstance(error, OutputError)):
            with contextlib.suppress(av.FFmpegError):
                self.container.close()
            self.file.__exit__(kind, error, trace)
            return
        failure = None
        with self.file:
            try:
                if not self.finished:
                    self.finish()
            except OutputError as problem:
                if not (lasting and self.path.suffix == ".mkv"):  # other formats cannot be read without their end
                    raise
                failure = problem
        self.kept = True
        if failure is not None and error is None:
            raise failure

    def finish(self) -> None:
        """Write the end of the file, before it gets its name."""
        with self.translated_errors():
            try:
                self.container.mux(self.stream.encode())
            finally:
                self.container.close()
        self.finished = True

    @contextlib.contextmanager
    def translated_errors(self) -> Iterator[None]:
        """Turn FFmpeg's errors in the block into VideoError, or into OutputError if the disk refuses."""
        try:
            yield
        except av.FFmpegError as error:
            if isinstance(error, OSError):
                raise OutputError(f"{self.path} cannot be written: {reason(error)}; choose another place") from None
            if self.frames == 0:
                raise VideoError(
                    f"{self.codec} of {self.stream.width} x {self.stream.height} pixels cannot be written to "
                    f"{self.path}: {error.strerror}; choose another --codec or NAME.mkv"
                ) from None
            raise VideoError(
                f"no {self.path.suffix} of this video can be written: {error.strerror}; its timestamps may lie too "
                "far apart, which NAME.mkv can hold"
            ) from None
