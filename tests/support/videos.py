"""Videos to be segmented, and the frames of those that come out."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

from streetseg.runtime.video.pixels import upright_rgb
from streetseg.runtime.video.reader import VideoReader
from streetseg.streets.scene import render

TICK = Fraction(1, 12800)
SIZE = (48, 64)


@cache  # here, for at import it would delay every run of tests
def street() -> NDArray[np.uint8]:
    """Return a street, 96 x 256 x 3."""
    return render(2, (96, 256)).frame


def write_video(
    path: Path, pts: list[int], size: tuple[int, int] = SIZE, codec: str = "libx264", aspect: Fraction = Fraction(1)
) -> Path:
    """Write a ride along a street: a frame at each timestamp, in ticks; in MP4 also an audio track."""
    with av.open(f"file:{path}", "w") as container:
        stream = container.add_stream(codec, rate=25, options={"g": "10"} if codec == "libx264" else {})
        assert isinstance(stream, av.VideoStream)
        stream.height, stream.width = size
        stream.pix_fmt = "yuv420p" if size[0] % 2 == size[1] % 2 == 0 else "yuv444p"
        stream.time_base = stream.codec_context.time_base = TICK
        stream.codec_context.sample_aspect_ratio = aspect
        audio = container.add_stream("aac", rate=8000, layout="mono") if path.suffix == ".mp4" else None
        for index, at in enumerate(pts):
            left = index % (256 - size[1])
            frame = av.VideoFrame.from_ndarray(
                np.ascontiguousarray(street()[: size[0], left : left + size[1]]), "rgb24"
            )
            frame.pts, frame.time_base = at, TICK
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
        if audio is not None:
            sound = av.AudioFrame.from_ndarray(np.zeros((1, 4096), np.float32), "fltp", "mono")
            sound.sample_rate = 8000
            container.mux(audio.encode(sound))
            container.mux(audio.encode())
    return path


def write_film(
    path: Path,
    times: Iterable[int],
    *,
    codec: str = "libx264",
    pixels: str = "yuv420p",
    size: tuple[int, int] = SIZE,
    rate: int = 25,
    tick: Fraction | None = None,
    format: str | None = None,
    options: dict[str, str] | None = None,
    container_options: dict[str, str] | None = None,
) -> Path:
    """Write a ride along a street without sound: a frame at each time, in ticks, by default of one frame each."""
    with av.open(f"file:{path}", "w", format=format, options=container_options or {}) as container:
        stream = container.add_stream(codec, rate=rate, options=options or {})
        assert isinstance(stream, av.VideoStream)
        stream.height, stream.width = size
        stream.pix_fmt = pixels
        stream.codec_context.thread_count = 1  # for the same bytes on every run
        stream.time_base = stream.codec_context.time_base = base = tick or Fraction(1, rate)
        for index, at in enumerate(times):
            picture = np.roll(street(), -index, 1)[: size[0], : size[1]]
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), "rgb24").reformat(format=pixels)
            frame.pts, frame.time_base = at, base
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def steady(frames: int) -> list[int]:
    """Return the timestamps of 25 frames a second, in ticks."""
    return [index * 512 for index in range(frames)]


def write_ride(folder: Path) -> Path:
    """Write 25 frames, two of them late, as a phone would record them."""
    return write_video(folder / "ride.mp4", [*steady(20), *(9000 + 900 * k for k in range(2, 7))])


def frames_of(path: Path, pixel_format: str = "rgb24") -> list[tuple[Fraction, NDArray[Any]]]:
    """Return time in seconds and pixels of every frame; the container must hold only a video."""
    with av.open(path) as container:
        assert len(container.streams) == 1
        return [
            (Fraction((f.pts or 0) * (f.time_base or 1)), f.to_ndarray(format=pixel_format))
            for f in container.decode(video=0)
        ]


def source_frames(path: Path) -> list[tuple[Fraction, NDArray[np.uint8]]]:
    """Return time in seconds and upright pixels of every frame, as our reader gives them."""
    with VideoReader(str(path)) as reader:
        return [((frame.pts or 0) * reader.time_base, upright_rgb(frame, reader.size)) for frame in reader]
