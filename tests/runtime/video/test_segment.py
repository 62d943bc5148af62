"""Videos made here, segmented and read back; interrupted, from a camera, on a full disk."""

from __future__ import annotations

import re
import resource
import signal
import struct
import threading
import time
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from streetseg.errors import OutputError, UsageError
from streetseg.runtime.segmenter import Segmenter
from streetseg.runtime.video import segment as video_module
from streetseg.runtime.video.pixels import upright_rgb
from streetseg.runtime.video.reader import VideoReader
from streetseg.runtime.video.segment import segment_video
from streetseg.runtime.video.writer import CODECS, Codec, VideoWriter
from streetseg.runtime.video_options import VideoOptions
from tests.support.videos import frames_of, source_frames, steady, write_video

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_overlay_and_lossless_class_map(suffix: str, ride: Path, segmenter: Segmenter, tmp_path: Path) -> None:
    overlay, classmap = tmp_path / f"overlay{suffix}", tmp_path / "classes.mkv"
    report = segment_video(segmenter, str(ride), overlay, classmap)
    assert (report.width, report.height, report.frames, report.decoded) == (64, 48, 25, 25)
    assert (report.damaged, report.missing, report.dropped, report.interrupted) == (0, 0, 0, False)
    assert {path.name for path in tmp_path.iterdir()} == {overlay.name, "classes.mkv"}

    source = source_frames(ride)
    classes, pictures = frames_of(classmap, "gray"), frames_of(overlay)
    assert len(source) == len(classes) == len(pictures) == 25
    step = Fraction(1, 1000)  # Matroska's
    for (at, frame), (class_at, classes_there), (picture_at, picture) in zip(source, classes, pictures, strict=True):
        result = segmenter(frame)
        np.testing.assert_array_equal(classes_there, result.classmap)
        assert abs(class_at - at) <= step
        assert abs(picture_at - at) <= (step if suffix == ".mkv" else 0)
        assert np.abs(picture.astype(int) - result.overlay()).mean() < 12  # 4:2:0 blurs the colours of thin things
        assert np.abs(picture.astype(int) - frame).mean() > 15


@pytest.mark.parametrize("size", [(47, 63), (16, 16), (2, 250)])
def test_odd_and_small_sizes(size: tuple[int, int], segmenter: Segmenter, tmp_path: Path) -> None:
    source = write_video(tmp_path / "odd.mkv", steady(3), size)
    assert segment_video(segmenter, str(source), tmp_path / "out.mp4").frames == 3
    even = size[0] + size[0] % 2, size[1] + size[1] % 2
    assert [picture.shape for _, picture in frames_of(tmp_path / "out.mp4")] == [(*even, 3)] * 3


def test_every_nth_frame_and_no_more_than(ride: Path, segmenter: Segmenter, tmp_path: Path) -> None:
    report = segment_video(segmenter, str(ride), tmp_path / "o.mp4", tmp_path / "maps", every=3, max_frames=4)
    assert (report.frames, report.missing) == (4, 0)
    source = source_frames(ride)
    assert [at for at, _ in frames_of(tmp_path / "o.mp4")] == [source[index][0] for index in (0, 3, 6, 9)]
    maps = sorted((tmp_path / "maps").iterdir())
    assert [path.name for path in maps] == [f"{index:06d}.png" for index in (0, 3, 6, 9)]
    np.testing.assert_array_equal(np.asarray(Image.open(maps[2])), segmenter(source[6][1]).classmap)
    assert report.stale == 0
    (tmp_path / "maps" / "notes.png").touch()
    again = segment_video(segmenter, str(ride), tmp_path / "o.mp4", tmp_path / "maps", every=2, max_frames=4)
    assert again.stale == 2  # 3 and 9; 0 and 6 are new


# What a display matrix (a, b, c, d) makes of a picture: (x, y) comes to (a x + c y, b x + d y).
TURNS: dict[str, tuple[tuple[int, int, int, int], Callable[[NDArray[Any]], NDArray[Any]]]] = {
    "clockwise": ((0, 1, -1, 0), lambda rgb: np.rot90(rgb, -1)),
    "anticlockwise": ((0, -1, 1, 0), np.rot90),
    "upside down": ((-1, 0, 0, -1), lambda rgb: rgb[::-1, ::-1]),
    "mirrored": ((-1, 0, 0, 1), lambda rgb: rgb[:, ::-1]),
    "mirrored upside down": ((1, 0, 0, -1), lambda rgb: rgb[::-1]),
    "transposed": ((0, 1, 1, 0), lambda rgb: rgb.swapaxes(0, 1)),
    "transposed the other way": ((0, -1, -1, 0), lambda rgb: rgb[::-1, ::-1].swapaxes(0, 1)),
}


@pytest.mark.parametrize("turn", TURNS)
def test_a_turned_or_mirrored_video_comes_out_upright(
    turn: str, ride: Path, segmenter: Segmenter, tmp_path: Path
) -> None:
    (a, b, c, d), expected = TURNS[turn]
    data = bytearray(ride.read_bytes())
    identity = struct.pack(">9i", 1 << 16, 0, 0, 0, 1 << 16, 0, 0, 0, 1 << 30)
    matrix = data.index(identity, data.index(b"tkhd"))
    data[matrix : matrix + 36] = struct.pack(">9i", a << 16, b << 16, 0, c << 16, d << 16, 0, 0, 0, 1 << 30)
    (tmp_path / "turned.mp4").write_bytes(data)
    turned, straight = source_frames(tmp_path / "turned.mp4"), source_frames(ride)
    np.testing.assert_array_equal(turned[3][1], expected(straight[3][1]))
    report = segment_video(segmenter, str(tmp_path / "turned.mp4"), tmp_path / "o.mp4", max_frames=2)
    assert (report.height, report.width) == expected(straight[3][1]).shape[:2]


def test_pixels_that_are_not_square_stay_so(segmenter: Segmenter, tmp_path: Path) -> None:
    source = write_video(tmp_path / "wide.mp4", steady(3), aspect=Fraction(4, 3))
    for name in ("o.mp4", "o.mkv"):
        segment_video(segmenter, str(source), tmp_path / name)
        with av.open(tmp_path / name) as container:
            assert container.streams.video[0].sample_aspect_ratio == Fraction(4, 3)


def test_a_time_as_a_name(ride: Path, segmenter: Segmenter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    segment_video(segmenter, str(ride), Path("12:30:05.mp4"), max_frames=2)
    assert [path.name for path in tmp_path.iterdir()] == ["12:30:05.mp4"]


@pytest.mark.parametrize("every", [1, 3])
def test_our_own_videos_are_sound(every: int, ride: Path, segmenter: Segmenter, tmp_path: Path) -> None:
    segment_video(segmenter, str(ride), tmp_path / "o.mkv", tmp_path / "c.mkv", every=every)
    for name in ("o.mkv", "c.mkv"):
        with VideoReader(str(tmp_path / name)) as reader:
            assert len(list(reader)) == -(-25 // every)
            assert (reader.tally.patched, reader.missing) == (0, 0)


@pytest.mark.usefixtures("usual_signals")
@pytest.mark.parametrize("at", [0, 6])
def test_an_interruption_while_a_frame_is_written_does_not_split_it(
    at: int, ride: Path, segmenter: Segmenter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    added: list[int] = []

    def add(writer: VideoWriter, picture: NDArray[np.uint8], pts: int) -> None:
        write(writer, picture, pts)
        if writer.format == "rgb24" and len(added) == at:  # the overlay is written, the class map not yet
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
            time.sleep(0.5)  # so that it strikes before the frame is counted
        added.append(pts)

    write = VideoWriter.add
    monkeypatch.setattr(VideoWriter, "add", add)
    report = segment_video(segmenter, str(ride), tmp_path / "o.mkv", tmp_path / "c.mkv")
    assert report.interrupted
    frames = [len(frames_of(tmp_path / name)) for name in ("o.mkv", "c.mkv")]
    assert frames == [report.frames, report.frames] == [at // 2 + 1] * 2


@pytest.mark.usefixtures("usual_signals")
def test_an_interruption_does_not_hide_that_a_frame_could_not_be_written(
    ride: Path, segmenter: Segmenter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def add(writer: VideoWriter, picture: NDArray[np.uint8], pts: int) -> None:
        if pts > 0:
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
            time.sleep(0.5)  # so that it strikes before the failure
            raise OutputError("the disk is full")
        write(writer, picture, pts)

    write = VideoWriter.add
    monkeypatch.setattr(VideoWriter, "add", add)
    with pytest.raises(OutputError, match="the disk is full"):
        segment_video(segmenter, str(ride), tmp_path / "o.mp4")
    assert list(tmp_path.iterdir()) == []


def test_a_failure_leaves_nothing_behind(
    ride: Path, segmenter: Segmenter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = iter(range(100))

    def fail(frame: object, size: tuple[int, int]) -> NDArray[np.uint8]:
        if next(calls) == 10:
            raise UsageError("ten are enough")
        return upright_rgb(frame, size)  # type: ignore[arg-type]

    monkeypatch.setattr(video_module, "upright_rgb", fail)
    with pytest.raises(UsageError, match="ten are enough"):
        segment_video(segmenter, str(ride), tmp_path / "o.mp4", tmp_path / "c.mkv")
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def small_disk() -> Iterator[None]:
    """A disk on which no file has room for more than 40 kB."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (40_000, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.usefixtures("small_disk")
def test_a_full_disk_is_told_of_the_file_that_did_not_fit(
    ride: Path, segmenter: Segmenter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(CODECS, "h264", Codec("libx264", quality=0, options={"preset": "ultrafast"}))
    with pytest.raises(OutputError, match=r"o\.mkv cannot be written: File too large"):
        segment_video(segmenter, str(ride), tmp_path / "o.mkv", tmp_path / "c.mkv")
    assert list(tmp_path.iterdir()) == []


class Camera(VideoReader):
    """A file that is read at its own pace."""

    def __init__(
        self, source: str, options: VideoOptions | None = None, tell: Callable[[str], object] = lambda line: None
    ) -> None:
        super().__init__(source, options, tell)
        self.live = True

    def __iter__(self) -> Iterator[av.VideoFrame]:
        for frame in super().__iter__():
            yield frame
            time.sleep(0.005)


@pytest.mark.usefixtures("small_disk")
@pytest.mark.parametrize(("overlay", "kept"), [("o.mkv", ["c.mkv", "o.mkv"]), ("o.mp4", ["c.mkv"])])
def test_what_a_camera_gave_before_the_disk_was_full_is_kept(
    overlay: str,
    kept: list[str],
    segmenter: Segmenter,
    tmp_path: Path,
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    source = write_video(tmp_path_factory.mktemp("camera") / "wide.mp4", steady(25), (96, 192))
    monkeypatch.setattr(video_module, "VideoReader", Camera)
    monkeypatch.setitem(CODECS, "h264", Codec("libx264", quality=0, options={"preset": "ultrafast", "g": "2"}))
    with pytest.raises(OutputError) as told:
        segment_video(segmenter, str(source), tmp_path / overlay, tmp_path / "c.mkv")
    message = r"/o\.m.. cannot be written: File too large; choose another place; kept as far as written: (.*)"
    found = re.search(message, str(told.value))
    assert found
    assert sorted(Path(path).name for path in found[1].split(", ")) == kept
    assert sorted(path.name for path in tmp_path.iterdir()) == kept
    assert all(source_frames(tmp_path / name) for name in kept)


def test_a_cameras_clock_starts_with_it(segmenter: Segmenter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(video_module, "VideoReader", Camera)
    source = write_video(tmp_path / "up_for_an_hour.mkv", [3600 * 12_800 + at for at in steady(5)])
    segment_video(segmenter, str(source), tmp_path / "o.mp4")
    assert frames_of(tmp_path / "o.mp4")[0][0] == 0


def test_late_frames_are_dropped_when_live(
    ride: Path, segmenter: Segmenter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def slow(frame: av.VideoFrame, size: tuple[int, int]) -> NDArray[np.uint8]:
        time.sleep(0.05)
        return upright_rgb(frame, size)

    monkeypatch.setattr(video_module, "VideoReader", Camera)
    monkeypatch.setattr(video_module, "upright_rgb", slow)
    report = segment_video(segmenter, str(ride), tmp_path / "o.mp4")
    assert report.dropped > 0
    assert report.frames + report.dropped == report.decoded == 25
    times = [at for at, _ in frames_of(tmp_path / "o.mp4")]
    assert times == sorted(times)
    assert times[-1] == source_frames(ride)[-1][0]  # the newest, however many are dropped
