"""Write pictures to video files."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from contextlib import ExitStack
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

FRACTION_MAX = 2**30  # FFmpeg's fractions are of 32-bit numbers
H264_MAX_SIDE = 16_384  # pixels; libx264's limit
# x264: quick enough to keep up with the network, without visible artefacts that would look like the network's.
OVERLAY_OPTIONS: dict[str, object] = {"preset": "veryfast", "crf": "20"}


class VideoWriter:
    """A writer of a video file: overlays as H.264, class maps lossless as FFV1 in 8-bit grey.

    It is a context manager. The file gets its name, whole, once the block ends without an error.

    Args:
        path: The file.
        picture: The first picture: overlay H x W x 3 uint8, or class map H x W uint8.
        rate: Frames per second.
        time_base: Seconds per step of a timestamp.
        aspect: Width of a pixel by its height.
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
        lasting: bool = False,
    ) -> None:
        self.format = "rgb24" if picture.ndim == 3 else "gray"
        height, width = picture.shape[:2]
        if picture.ndim == 3 and max(height, width) > H264_MAX_SIDE:
            raise VideoError(
                f"an overlay of {width} x {height} pixels cannot be written: H.264 takes at most {H264_MAX_SIDE} a "
                "side; reduce the video first"
            )
        self.path, self.lasting, self.finished, self.kept, self.frames = path, lasting, False, False, 0
        with ExitStack() as files:
            self.container = av.open(f"file:{files.enter_context(whole_file(path))}", "w")
            rate = max(rate.limit_denominator(int(FRACTION_MAX / max(rate, Fraction(1)))), Fraction(1, FRACTION_MAX))
            self.stream = self.container.add_stream("libx264" if picture.ndim == 3 else "ffv1", rate=rate)
            # Players of H.264 want 4:2:0, whose chroma has a sample for two by two pixels: an odd side gets one more.
            self.padding = ((0, height % 2), (0, width % 2), (0, 0)) if picture.ndim == 3 else None
            self.stream.height, self.stream.width = height, width
            self.stream.pix_fmt = "gray"
            codec = self.stream.codec_context
            self.matrix = None
            if picture.ndim == 3:
                self.stream.options = OVERLAY_OPTIONS
                self.stream.pix_fmt = "yuv420p"
                self.stream.height, self.stream.width = height + height % 2, width + width % 2
                self.matrix, meaning = (Colorspace.ITU709, BT709) if height >= HD_HEIGHT else (Colorspace.ITU601, BT601)
                codec.colorspace = codec.color_primaries = codec.color_trc = meaning
                codec.color_range = ColorRange.MPEG
                codec.sample_aspect_ratio = aspect
            self.stream.time_base = codec.time_base = self.time_base = time_base
            self.file = files.pop_all()

    def add(self, picture: NDArray[np.uint8], pts: int) -> None:
        """Write a picture at a timestamp."""
        if self.padding is not None and any(map(any, self.padding)):
            picture = np.pad(picture, self.padding, mode="edge")
        frame = av.VideoFrame.from_ndarray(picture, format=self.format)
        frame = frame.reformat(format=self.stream.pix_fmt, dst_colorspace=self.matrix)
        frame.pts, frame.time_base = pts, self.time_base
        with self.translated_errors():
            self.container.mux(self.stream.encode(frame))
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
            raise VideoError(
                f"no {self.path.suffix} of this video can be written: {error.strerror}; its timestamps may lie too "
                "far apart, which NAME.mkv can hold"
            ) from None
