"""The result files of a video: overlay and class maps."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from types import TracebackType

import numpy as np
from numpy.typing import NDArray

from streetseg.errors import UsageError
from streetseg.runtime.addresses import is_live
from streetseg.runtime.drawing import Drawing
from streetseg.runtime.files import make_folder, same_file
from streetseg.runtime.result import Result
from streetseg.runtime.video.maps import MapArchive, PngFolder
from streetseg.runtime.video.reader import VideoReader
from streetseg.runtime.video.sound import Sound
from streetseg.runtime.video.writer import VideoWriter
from streetseg.runtime.video_options import VideoOptions

OVERLAY_SUFFIXES = (".mp4", ".mkv", ".mov")
MAP_SUFFIXES = ("", ".mkv", ".npz")


@dataclass(frozen=True)
class SegmentedFrame:
    """A segmented frame of a video.

    Attributes:
        index: Index of the frame in its source, from 0.
        pts: Its timestamp, counted from the first frame, in steps of the time base.
        overlay: H x W x 3 uint8 RGB; H x 2W x 3 beside the plain frame.
        result: What the segmenter gave.
    """

    index: int
    pts: int
    overlay: NDArray[np.uint8]
    result: Result


class Results:
    """The result files of a video, opened with its first frame.

    It is a context manager that leaves every file as `VideoWriter` does. A live source cannot be recorded again, so its
    files are lasting.

    Args:
        overlay: As for `segment_video`, like `classmap` and `every`.
        reader: The source.
        drawing: Has the colours of the class maps.

    Attributes:
        frames: Frames written.
        size: H, W of the class maps, in pixels.
    """

    def __init__(
        self, overlay: Path | None, classmap: Path | None, every: int, reader: VideoReader, drawing: Drawing
    ) -> None:
        self.overlay_path, self.classmap_path = overlay, classmap
        self.rate, self.reader, self.drawing = reader.rate / every, reader, drawing
        self.files = ExitStack()
        self.overlay: VideoWriter | None = None
        self.maps: VideoWriter | MapArchive | PngFolder | None = None
        self.frames, self.size, self.start = 0, (0, 0), 0

    def add(self, frame: SegmentedFrame) -> None:
        """Write a frame to all files."""
        classmap = frame.result.classmap
        if self.frames == 0:
            self.open(frame)
        if self.overlay is not None:
            self.overlay.add(frame.overlay, frame.pts + self.start)
        if isinstance(self.maps, VideoWriter):
            self.maps.add(classmap, frame.pts + self.start)
        elif isinstance(self.maps, MapArchive):
            self.maps.add(frame.index, frame.pts + self.start, classmap)
        elif self.maps is not None:
            self.maps.add(frame.index, classmap)
        self.frames += 1

    def open(self, frame: SegmentedFrame) -> None:
        """Open the files for frames like this one."""
        classmap = frame.result.classmap
        self.size = classmap.shape[0], classmap.shape[1]
        if self.reader.options.absolute_times:
            self.start = self.reader.clock.start or 0
        if self.overlay_path is not None:
            self.overlay = self.files.enter_context(self.video(self.overlay_path, frame.overlay))
        path = self.classmap_path
        if path is None:
            return
        if path.suffix == ".mkv":
            self.maps = self.files.enter_context(self.video(path, classmap))
        elif path.suffix == ".npz":
            self.maps = self.files.enter_context(MapArchive(path, self.reader.time_base))
        else:
            self.maps = PngFolder(path, self.drawing.palette(frame.result))

    def video(self, path: Path, picture: NDArray[np.uint8]) -> VideoWriter:
        """Open a video file for pictures like this one."""
        reader, options = self.reader, self.reader.options
        aspect = reader.aspect if self.size == reader.size else 1 / reader.aspect  # turned by a quarter
        return VideoWriter(
            path,
            picture,
            self.rate,
            reader.time_base,
            aspect=aspect,
            codec=options.codec,
            quality=options.quality,
            sound=self.sound() if picture.ndim == 3 and options.audio else None,
            lasting=reader.live,
        )

    def sound(self) -> Sound:
        """Open the sound of the film."""
        reader = self.reader
        start = Fraction(0) if reader.options.absolute_times else (reader.clock.start or 0) * reader.time_base
        sound = Sound(reader.source, start)
        self.files.callback(sound.close)
        if sound.stream is None:
            reader.tell(f"note: {reader.shown} has no sound")
        return sound

    def finish(self) -> None:
        """Write the ends of all videos before one gets its name: either all are there, or none."""
        for one in (self.overlay, self.maps):
            if isinstance(one, VideoWriter):
                one.finish()

    @property
    def kept(self) -> list[Path]:
        """Return the files that are there although another could not be written."""
        return [one.path for one in (self.overlay, self.maps) if one is not None and one.kept]

    def stale(self) -> int:
        """Return the number of class maps in their folder that another run has left."""
        return self.maps.stale() if isinstance(self.maps, PngFolder) else 0

    def __enter__(self) -> Results:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.files.__exit__(kind, error, trace)


def check_outputs(source: str, overlay: Path | None, classmap: Path | None, options: VideoOptions) -> None:
    """Raise UsageError if a result cannot be called or made so, before anything is opened; create the folders."""
    if overlay is not None and overlay.suffix.lower() not in OVERLAY_SUFFIXES:
        raise UsageError(
            f"{overlay} is not a name for a video; allowed are names ending in {', '.join(OVERLAY_SUFFIXES)}"
        )
    if classmap is not None and classmap.suffix not in MAP_SUFFIXES:
        raise UsageError(f"--classmap {classmap} must be NAME.mkv, NAME.npz, or a folder (no suffix) for PNGs")
    matroska = overlay is None or overlay.suffix.lower() == ".mkv"
    if options.absolute_times and not matroska:
        raise UsageError(f"--absolute-times needs Matroska, got {overlay}; give NAME.mkv")
    if options.codec == "ffv1" and not matroska:
        raise UsageError(f"--codec ffv1 needs Matroska, got {overlay}; give NAME.mkv")
    if options.audio and is_live(source):
        raise UsageError("--audio is for files; leave it out for a camera or a stream")
    for path in (overlay, classmap):
        if path is not None and same_file(path, Path(source)):
            raise UsageError(f"{path} is the video to segment; choose another name for the result")
    if classmap is not None and overlay is not None and classmap.resolve() == overlay.resolve():
        raise UsageError(f"{overlay} cannot be the overlay and the class map at once; choose another name")
    if overlay is not None:
        make_folder(overlay.parent)
    if classmap is not None:
        make_folder(classmap.parent if classmap.suffix else classmap)
