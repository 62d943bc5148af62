"""Segments of films: together they are the film, to the pixel."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest

from streetseg.bulk.films import Damage, items_of, read_frames
from streetseg.bulk.items import Item, Listed
from streetseg.errors import VideoError
from streetseg.runtime.video_options import VideoOptions
from tests.support.videos import write_film

OPEN_GOP = {"x264-params": "open-gop=1:keyint=8:min-keyint=8:scenecut=0:bframes=3:b-adapt=0"}
OPTIONS = VideoOptions()

Frames = list[tuple[Fraction, int, bytes]]


def frames_of(path: Path, items: list[Item], every: int = 1, damage: Damage | None = None) -> Frames:
    damage = damage or Damage()
    return [
        (frame.seconds, frame.number, frame.pixels.tobytes())
        for item in items
        for frame in read_frames(str(path), item, OPTIONS, every, damage)
    ]


def segments_of(path: Path, seconds: float = 0.5) -> list[Item]:
    return items_of(Listed(str(path), "ride", True), OPTIONS, seconds)


@pytest.mark.parametrize("name", ["ride.mp4", "ride.mkv"])
def test_segments_give_the_whole_film(name: str, tmp_path: Path) -> None:
    """With open groups of pictures: frames before a key frame need the group before."""
    path = write_film(tmp_path / name, range(45), options=OPEN_GOP)
    segments, whole = segments_of(path), segments_of(path, 1e9)
    assert len(segments) >= 3
    assert len(whole) == 1
    for every in (1, 4):
        assert frames_of(path, segments, every) == frames_of(path, whole, every)
    assert [number for _, number, _ in frames_of(path, segments, 4)] == [*range(0, 45, 4)]
    assert [round(at * 25) for at, _, _ in frames_of(path, segments)] == [*range(45)]


def test_films_that_would_change_stay_whole(tmp_path: Path) -> None:
    raw = write_film(tmp_path / "ride.h264", range(45), options={"g": "8"}, format="h264")
    assert [one.segment for one in segments_of(raw)] == [None]
    (tmp_path / "bad.mp4").write_bytes(b"no film")
    (bad,) = segments_of(tmp_path / "bad.mp4")
    with pytest.raises(VideoError):
        frames_of(tmp_path / "bad.mp4", [bad])


def test_a_cut_film_says_what_is_missing(tmp_path: Path) -> None:
    path = write_film(tmp_path / "ride.mkv", range(45), options={"g": "8"})
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 3 // 4])
    damage = Damage()
    assert 0 < len(frames_of(path, segments_of(path), damage=damage)) < 45
    assert "missing" in str(damage)
    assert str(Damage()) == ""
