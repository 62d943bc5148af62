"""Split films into segments at key frames, and read a segment's frames.

A segment's frames have the pixels and the times that reading the whole film gives. A film that cannot be split without
a difference stays whole: one without an index of its key frames, with interlaced frames, or with grey values whose
range shows only as it is read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

from streetseg.bulk.items import Item, Listed, Segment
from streetseg.bulk.places import file_system, is_remote
from streetseg.errors import VideoError
from streetseg.runtime.video.opening import FORMATS, choose_stream, open_file
from streetseg.runtime.video.pixels import upright_rgb
from streetseg.runtime.video.reader import VideoReader
from streetseg.runtime.video_options import VideoOptions

SEGMENT = 20  # seconds of a segment at least, the last one aside
SPLIT = ("mov", "matroska")  # containers that list their key frames


@dataclass(frozen=True)
class FilmFrame:
    """A frame of a film.

    Attributes:
        pixels: H x W x 3 uint8 RGB, upright.
        seconds: Its time, counted from the film's first frame.
        number: About its number in the film; exact if the rate is constant.
    """

    pixels: NDArray[np.uint8]
    seconds: Fraction
    number: int


def items_of(listed: Listed, options: VideoOptions, seconds: float = SEGMENT) -> list[Item]:
    """Return the items of a file: its segments if it is a film that can be split, else the whole file."""
    whole = Item(listed.source, listed.name, listed.film)
    if not listed.film:
        return [whole]
    try:
        with open_container(listed.source) as container:
            segments = split(container, options, seconds)
    except (av.FFmpegError, OSError, ValueError, VideoError):  # whoever reads it says what is wrong
        return [whole]
    return [Item(listed.source, listed.name, True, segment) for segment in segments] if len(segments) > 1 else [whole]


def open_container(source: str) -> av.container.InputContainer:
    """Open a film; of one in an object store, only what is looked at is fetched."""
    if not is_remote(source):
        return open_file(source)
    system, path = file_system(source)
    limits = {"format_whitelist": FORMATS, "protocol_whitelist": "file"}
    container: av.container.InputContainer = av.open(system.open(path, "rb"), options=limits, metadata_errors="replace")
    return container


def split(container: av.container.InputContainer, options: VideoOptions, seconds: float) -> list[Segment]:
    """Return the segments of a film; none if it cannot be split."""
    stream = choose_stream(container, options.stream, "the film")
    base = stream.time_base
    if not container.format.name.startswith(SPLIT) or base is None or options.deinterlace == "always":
        return []
    if container.format.name.startswith("matroska"):
        container.seek(1, stream=stream)  # only then is the index read, which stands at the end
        container.seek(0, stream=stream)
    keys = sorted(entry.timestamp for entry in stream.index_entries if entry.is_keyframe)
    if len(keys) < 2 or (keys[-1] - keys[0]) * base <= seconds:
        return []
    first = next(container.decode(stream), None)
    if first is None or first.pts is None or first.interlaced_frame or first.format.name.startswith("gray1"):
        return []
    starts: list[tuple[int, int]] = []  # where to seek, the key frame's own time
    last = first.pts
    for key in keys[1:]:
        if (key - last) * base < seconds:
            continue
        container.seek(key, stream=stream)
        packet = next(container.demux(stream), None)
        if packet is None or packet.pts is None or not packet.is_keyframe:
            return []
        if packet.pts > last:
            starts.append((key, packet.pts))
            last = packet.pts
    ends = [*(start for _, start in starts), None]
    begins: list[tuple[int | None, int]] = [(None, first.pts), *starts]
    return [Segment(seek, start, end, first.pts) for (seek, start), end in zip(begins, ends, strict=True)]


@dataclass
class Damage:
    """What a film lost, once its frames are read."""

    patched: int = 0
    missing: int = 0

    def __str__(self) -> str:
        said = [f"the decoder patched {self.patched} frames"] if self.patched else []
        said += [f"{self.missing} frames are missing"] if self.missing else []
        return " and ".join(said)


def read_frames(
    path: str,
    item: Item,
    options: VideoOptions,
    every: int,
    damage: Damage,
    tell: Callable[[str], object] = lambda line: None,
) -> Iterator[FilmFrame]:
    """Yield every Nth frame of a film or of a segment.

    Args:
        path: The film's file.
        item: Has the segment.
        options: Options of the film.
        every: N; the frames are those that the whole film would give.
        damage: Gets what was lost.
        tell: Gets a line about a choice that was made.

    Yields:
        The frames.

    Raises:
        VideoError: If the film cannot be opened, or holds no frame that can be decoded.
    """
    with VideoReader(path, options, tell) as reader:
        frames: Any = reader if item.segment is None else reader.filters(of_segment(reader, item.segment))
        before: int | None = None
        for frame in frames:
            seconds = Fraction(frame.pts or 0) * reader.time_base
            number = int(seconds * reader.rate + Fraction(1, 2))
            if number // every != (number - 1 if before is None else before) // every:
                yield FilmFrame(upright_rgb(frame, reader.size), seconds, number)
            before = number
        damage.patched = reader.tally.patched
        damage.missing = reader.missing if item.segment is None else reader.tally.lost + reader.tally.broken
        if before is None and item.segment is None:
            raise VideoError(f"{reader.shown} holds no frame that can be decoded; give an undamaged video")


def of_segment(reader: VideoReader, segment: Segment) -> Iterator[av.VideoFrame]:
    """Yield the frames of a segment, their times counted from the film's first frame."""
    if segment.seek is not None:
        reader.container.seek(segment.seek, stream=reader.stream)
    for frame in reader.decode():
        if frame.pts is None or frame.pts < segment.start:  # those before a key frame are of the last segment
            continue
        if segment.end is not None and frame.pts >= segment.end:
            return
        frame.pts -= segment.origin
        yield frame
