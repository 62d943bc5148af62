"""Times of frames: counted from the first, always growing, as the source has them."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import pytest

from streetseg.runtime.segmenter import Segmenter
from streetseg.runtime.video.clock import Clock
from streetseg.runtime.video.reader import VideoReader
from streetseg.runtime.video.segment import segment_video
from streetseg.runtime.video_options import VideoOptions
from tests.support.videos import frames_of, write_film

MS, FPS = Fraction(1, 1000), Fraction(20)  # 50 ms a frame


def placed(times: list[int | None], *, live: bool = False) -> list[int]:
    clock = Clock(MS, FPS, live=live)
    return [clock.place(at) for at in times]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ([36_000_000, 36_000_050, 36_000_100], [0, 50, 100]),
        ([-100, -50, 0, 50], [0, 50, 100, 150]),
        ([0, 40, 110, 150], [0, 40, 110, 150]),  # a rate that varies
        ([0, 50, 5050, 5100], [0, 50, 5050, 5100]),  # a pause
        ([0, 50, 50, 150, 200], [0, 50, 75, 150, 200]),  # a time that repeats
        ([0, 0, 100, 100, 200, 200], [0, 25, 100, 125, 200, 225]),
        ([0, 50, 100, 60, 200], [0, 50, 100, 125, 200]),  # a little back
        ([9000, 9050, 0, 50, 130], [0, 50, 100, 150, 230]),  # a clock that starts anew
        ([None, None, None], [0, 50, 100]),
        ([500, None, 600], [0, 50, 100]),
    ],
)
def test_times(given: list[int | None], expected: list[int]) -> None:
    assert placed(given) == expected


def test_a_cameras_clock_may_be_set() -> None:
    given: list[int | None] = [0, 50, 3_600_000, 3_600_050]
    assert placed(given, live=True) == [0, 50, 100, 150]
    assert placed(given) == given


TEN_HOURS = 36_000 * 25


@pytest.mark.parametrize("name", ["a.ts", "a.mkv", "a.nut"])
def test_a_clock_that_has_run_for_hours(name: str, segmenter: Segmenter, tmp_path: Path) -> None:
    source = write_film(tmp_path / name, range(TEN_HOURS, TEN_HOURS + 5), options={"tune": "zerolatency"})
    segment_video(segmenter, str(source), tmp_path / "o.mp4")
    segment_video(segmenter, str(source), tmp_path / "o.mkv", options=VideoOptions(absolute_times=True))
    times = [Fraction(k, 25) for k in range(5)]
    assert [at for at, _ in frames_of(tmp_path / "o.mp4")] == times
    assert [at for at, _ in frames_of(tmp_path / "o.mkv")] == [36_000 + at for at in times]


PAUSE = [0, 1, 2, 3, 50, 51, 52]


@pytest.mark.parametrize(
    ("name", "times"),  # MP4 hides frames before 0 by its edit list
    [("a.nut", range(-3, 4)), ("a.ts", range(-3, 4)), ("a.mkv", PAUSE), ("a.mp4", PAUSE), ("a.ts", PAUSE)],
)
def test_odd_times_are_no_damage(name: str, times: Sequence[int], tmp_path: Path) -> None:
    path = write_film(tmp_path / name, times, options={"bf": "2", "g": "3"})
    with VideoReader(str(path)) as reader:
        seen = [round((frame.pts or 0) * reader.time_base * 25) for frame in reader]
    assert seen == [at - times[0] for at in times]
    assert (reader.tally.patched, reader.missing) == (0, 0)


@pytest.mark.parametrize(("name", "codec"), [("a.ts", "libx264"), ("a.vob", "mpeg2video")])
def test_films_put_one_behind_the_other(name: str, codec: str, tmp_path: Path) -> None:
    """Recorders do so: the clock starts anew in the middle."""
    path = write_film(tmp_path / name, range(50), codec=codec, options={"g": "10"})
    path.write_bytes(path.read_bytes() * 2)
    with VideoReader(str(path)) as reader:
        seen = [round((frame.pts or 0) * reader.time_base * 25) for frame in reader]
    assert seen == list(range(100))
    assert (reader.tally.patched, reader.missing) == (0, 0)


@pytest.mark.parametrize(
    ("name", "codec", "options"),
    [
        ("a.avi", "mpeg4", {"bf": "2"}),
        ("a.avi", "libx264", {"bf": "0"}),
        ("a.avi", "libx264", {"bf": "2", "g": "10"}),
        ("a.avi", "libx264", {"x264-params": "bframes=3:b-pyramid=normal:keyint=12:open-gop=1"}),
        ("a.h264", "libx264", {"bf": "2"}),
        ("a.mkv", "libx264", {"x264-params": "open-gop=1:keyint=10:bframes=3"}),
        ("a.mp4", "libx265", {"x265-params": "log-level=none:open-gop=1:keyint=10"}),
    ],
)
def test_frames_that_are_stored_out_of_order(name: str, codec: str, options: dict[str, str], tmp_path: Path) -> None:
    with VideoReader(str(write_film(tmp_path / name, range(50), codec=codec, options=options))) as reader:
        seen = [round((frame.pts or 0) * reader.time_base * 25) for frame in reader]
    assert seen == list(range(50))
    assert (reader.tally.patched, reader.missing) == (0, 0)
