"""Videos made here, segmented and read back; damaged, cut short, interrupted; and what is refused."""

from __future__ import annotations

import gc
import json
import re
import resource
import signal
import struct
import subprocess
import sys
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

from streetseg.cli import main
from streetseg.errors import OutputError, StreetsegError, UsageError, VideoError
from streetseg.runtime.predict import live_name
from streetseg.runtime.segmenter import Segmenter
from streetseg.runtime.video import segment as video_module
from streetseg.runtime.video import writer as writer_module
from streetseg.runtime.video.reader import VideoReader, upright_rgb
from streetseg.runtime.video.segment import segment_video
from streetseg.runtime.video.writer import VideoWriter
from streetseg.streets.scene import render

TICK = Fraction(1, 12800)
SIZE = (48, 64)
STREET = render(5, (96, 256)).frame


def write_video(
    path: Path, pts: list[int], size: tuple[int, int] = SIZE, codec: str = "libx264", aspect: Fraction = Fraction(1)
) -> Path:
    """A ride along a street: a frame at each timestamp, in ticks; and an audio track where the container is MP4."""
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
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(STREET[: size[0], left : left + size[1]]), "rgb24")
            frame.pts, frame.time_base = at, TICK
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
        if audio is not None:
            sound = av.AudioFrame.from_ndarray(np.zeros((1, 4096), np.float32), "fltp", "mono")
            sound.sample_rate = 8000
            container.mux(audio.encode(sound))
            container.mux(audio.encode())
    return path


def steady(frames: int) -> list[int]:
    return [index * 512 for index in range(frames)]


@pytest.fixture(scope="module")
def segmenter() -> Segmenter:
    return Segmenter.open(engine="onnxruntime", streams=2)


@pytest.fixture(scope="module")
def ride(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """25 frames, two of them late, as a phone would record them."""
    return write_video(
        tmp_path_factory.mktemp("ride") / "ride.mp4", [*steady(20), *(9000 + 900 * k for k in range(2, 7))]
    )


@pytest.fixture(autouse=True)
def no_threads_are_left() -> Iterator[None]:
    before = threading.active_count()
    yield
    assert threading.active_count() == before


def frames_of(path: Path, pixel_format: str = "rgb24") -> list[tuple[Fraction, NDArray[Any]]]:
    """Time in seconds and pixels of every frame; the container holds nothing but a video."""
    with av.open(path) as container:
        assert len(container.streams) == 1
        return [
            (Fraction((f.pts or 0) * (f.time_base or 1)), f.to_ndarray(format=pixel_format))
            for f in container.decode(video=0)
        ]


def source_frames(path: Path) -> list[tuple[Fraction, NDArray[np.uint8]]]:
    with VideoReader(str(path)) as reader:
        return [((frame.pts or 0) * reader.time_base, upright_rgb(frame, reader.size)) for frame in reader]


# What comes out


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
    assert [picture.shape for _, picture in frames_of(tmp_path / "out.mp4")] == [(*size, 3)] * 3


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


def test_a_frame_is_gone_once_it_is_upright(ride: Path) -> None:
    """Not only once Python looks for circles: frames of a large video would fill the memory by then."""

    def alive() -> int:
        return sum(type(thing) is av.VideoFrame for thing in gc.get_objects())

    gc.collect()
    before = alive()  # what other tests have left
    gc.disable()
    try:
        with VideoReader(str(ride)) as reader:
            frames = sum(upright_rgb(frame, reader.size).size > 0 for frame in reader)
            kept = alive() - before
    finally:
        gc.enable()
    assert frames > 10
    assert kept <= 1


def test_a_time_as_a_name(ride: Path, segmenter: Segmenter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    segment_video(segmenter, str(ride), Path("12:30:05.mp4"), max_frames=2)
    assert [path.name for path in tmp_path.iterdir()] == ["12:30:05.mp4"]


@pytest.mark.parametrize("height", [360, 720])
def test_colours_are_those_that_players_show(height: int, tmp_path: Path) -> None:
    colour = np.full((height, 64, 3), (30, 200, 40), np.uint8)
    with VideoWriter(tmp_path / "a.mp4", colour, Fraction(25), TICK) as writer:
        writer.add(colour, 0)
    with av.open(tmp_path / "a.mp4") as container:
        frame = next(container.decode(video=0))
        assert (frame.colorspace, frame.color_range) == (1 if height == 720 else 6, 1)
        luma = 0.2126 * 30 + 0.7152 * 200 + 0.0722 * 40 if height == 720 else 0.299 * 30 + 0.587 * 200 + 0.114 * 40
        assert frame.to_ndarray()[0, 0] == pytest.approx(16 + luma * 219 / 255, abs=1)
        tagged = upright_rgb(frame, colour.shape[:2])
        frame.colorspace = 2  # as of most cameras' files, which do not say
        for pixels in (tagged, upright_rgb(frame, colour.shape[:2])):
            assert np.abs(pixels.astype(int) - colour).max() <= 3


# Damage


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.avi", "a.ts", "a.flv"])
def test_a_sound_video_has_as_many_frames_as_it_claims(name: str, tmp_path: Path) -> None:
    path = write_video(tmp_path / name, steady(30), codec="mpeg4" if name == "a.avi" else "libx264")
    with VideoReader(str(path)) as reader:
        assert len(list(reader)) == reader.decoded == 30
        assert reader.expected in ((None,) if name == "a.avi" else (30,) if name != "a.ts" else (29, 30, 31))
        assert (reader.damaged, reader.missing) == (0, 0)


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.ts"])
@pytest.mark.parametrize(
    "pts",
    [
        [128_000 + at for at in steady(30)],
        [*steady(30), *(30 * 512 + 1024 * k for k in range(30))],
        [at * at * 32 for at in range(40)],
    ],
    ids=["a piece of a longer one", "half as fast in its second half", "slower and slower"],
)
def test_a_sound_video_is_not_called_damaged(name: str, pts: list[int], tmp_path: Path) -> None:
    with VideoReader(str(write_video(tmp_path / name, pts))) as reader:
        assert len(list(reader)) == len(pts)
        assert (reader.damaged, reader.missing) == (0, 0)


@pytest.mark.parametrize("every", [1, 3])
def test_our_own_videos_are_sound(every: int, ride: Path, segmenter: Segmenter, tmp_path: Path) -> None:
    segment_video(segmenter, str(ride), tmp_path / "o.mkv", tmp_path / "c.mkv", every=every)
    for name in ("o.mkv", "c.mkv"):
        with VideoReader(str(tmp_path / name)) as reader:
            assert len(list(reader)) == -(-25 // every)
            assert (reader.damaged, reader.missing) == (0, 0)


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv"])
def test_no_frame_goes_missing_in_silence(name: str, tmp_path: Path) -> None:
    path = write_video(tmp_path / name, steady(30))
    data = path.read_bytes()
    told = 0
    for seed in range(40):
        rng = np.random.default_rng(seed)
        spoilt = bytearray(data)
        for at in rng.integers(64, len(data), 4):
            spoilt[at] ^= int(rng.integers(1, 256))
        path.write_bytes(spoilt)
        try:
            with VideoReader(str(path)) as reader:
                frames = list(reader)
        except VideoError:
            continue
        told += bool(reader.damaged or reader.missing)
        assert len(frames) == reader.decoded
        if reader.decoded == 0:
            continue  # which segment_video refuses
        assert reader.decoded == 30 or reader.missing, f"seed {seed}: {reader.decoded} frames"
    assert told > 10


def test_a_video_cut_short_is_told_by_the_exit_code(
    ride: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = write_video(tmp_path / "whole.mkv", steady(40)).read_bytes()
    cut = tmp_path / "cut.mkv"
    cut.write_bytes(whole[: len(whole) // 2])
    arguments = [str(cut), "--out", str(tmp_path / "o.mp4"), "--engine", "onnxruntime", "--json"]
    assert main(["predict", *arguments]) == 1
    output, errors = capsys.readouterr()
    report = json.loads(output)
    assert report["frames"] == len(frames_of(tmp_path / "o.mp4")) < 40
    assert report["missing"] >= 40 - report["frames"]
    assert errors.startswith(f"streetseg: {cut} is damaged: ")
    assert errors.count("\n") == 1
    # Where one stops early by wish, nothing is missing.
    assert main(["predict", *arguments, "--max-frames", "3"]) == 0


# Ends before the end


@pytest.mark.usefixtures("usual_signals")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_an_interruption_keeps_what_is_done(number: signal.Signals, tmp_path: Path) -> None:
    source = write_video(tmp_path / "long.mp4", steady(3000))
    out = tmp_path / "out"
    command: list[str | Path] = [
        sys.executable,
        "-m",
        "streetseg",
        "predict",
        source,
        "--out",
        out / "o.mp4",
        "--engine",
        "onnxruntime",
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        while process.poll() is None and not list(out.glob(".o*")):
            time.sleep(0.02)
        time.sleep(1)
        process.send_signal(number)
        output, errors = process.communicate(timeout=60)
    assert process.returncode == 130, errors
    assert [path.name for path in out.iterdir()] == ["o.mp4"]
    frames = len(frames_of(out / "o.mp4"))
    assert 0 < frames < 3000
    assert errors == f"streetseg: interrupted; {out / 'o.mp4'} holds the {frames} frames done so far\n"
    assert f"{frames} frames in" in output


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


def test_timestamps_too_far_apart_for_a_container_are_told(tmp_path: Path) -> None:
    def write(frame: NDArray[np.uint8]) -> None:
        with VideoWriter(tmp_path / "o.mp4", frame, Fraction(25), Fraction(1, 90_000)) as writer:
            for hour in (0, 8, 16):
                writer.add(frame, hour * 3600 * 90_000)

    with pytest.raises(VideoError, match=r"no \.mp4 of this video can be written: .*, which NAME\.mkv can hold"):
        write(render(0, (48, 64)).frame)
    assert list(tmp_path.iterdir()) == []


def test_a_rate_of_large_numbers(tmp_path: Path) -> None:
    rate = Fraction(1_702_483_403, 56_759_743)  # of a phone's 13 minutes at about 30 a second
    for every in (1, 100, 10_000):
        with VideoWriter(tmp_path / "o.mp4", STREET[:48, :64], rate / every, Fraction(1, 90_000)) as writer:
            writer.add(STREET[:48, :64], 0)
        with av.open(tmp_path / "o.mp4") as container:
            assert container.streams.video[0].frames == 1


def test_a_picture_that_h264_cannot_take_is_told(tmp_path: Path) -> None:
    wide = np.zeros((40, 17_000, 3), np.uint8)
    with pytest.raises(VideoError, match=r"overlay of 17000 x 40 pixels cannot be written: H\.264 takes at most 16384"):
        VideoWriter(tmp_path / "o.mp4", wide, Fraction(25), Fraction(1, 25))
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
    monkeypatch.setattr(writer_module, "OVERLAY_OPTIONS", {"preset": "ultrafast", "crf": "0"})
    with pytest.raises(OutputError, match=r"o\.mkv cannot be written: File too large"):
        segment_video(segmenter, str(ride), tmp_path / "o.mkv", tmp_path / "c.mkv")
    assert list(tmp_path.iterdir()) == []


# Live


class Camera(VideoReader):
    """A file that is read at its own pace."""

    def __init__(self, source: str) -> None:
        super().__init__(source)
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
    monkeypatch.setattr(writer_module, "OVERLAY_OPTIONS", {"preset": "ultrafast", "crf": "0", "g": "2"})
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


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("/dev/video0", "video0"),
        ("/dev/v4l/by-id/usb-A_B-video-index0", "v4l_by-id_usb-A_B-video-index0"),
        ("rtsp://me:secret@cam.local:554/a/b?key=secret", "cam.local_554_a_b"),
    ],
)
def test_a_recordings_name_is_its_cameras_and_its_times(source: str, name: str) -> None:
    assert re.fullmatch(rf"{name}_\d{{8}}-\d{{6}}", live_name(source))


def test_a_cameras_password_is_not_shown() -> None:
    with pytest.raises(VideoError, match=r"^rtsp://127\.0\.0\.1:1/x cannot be opened"):
        VideoReader("rtsp://me:se@cret@127.0.0.1:1/x")


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


# What is refused

CONCAT = "ffconcat version 1.0\nfile {ride}\n"
HLS = "#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\n{ride}\n#EXT-X-ENDLIST\n"
SDP = "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 5004 RTP/AVP 96\na=rtpmap:96 H264/90000\n"
DASH = '<?xml version="1.0"?><MPD><Period><AdaptationSet><BaseURL>{ride}</BaseURL></AdaptationSet></Period></MPD>'


@pytest.mark.parametrize("content", [CONCAT, HLS, SDP, DASH, "no video", ""], ids=str.split)
@pytest.mark.parametrize("name", ["list.mp4", "list.m3u8"])
def test_playlists_and_what_is_no_video_are_refused(content: str, name: str, ride: Path, tmp_path: Path) -> None:
    (tmp_path / name).write_text(content.format(ride=ride))
    with pytest.raises(VideoError, match="playlists that name other files are refused"):
        VideoReader(str(tmp_path / name))


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["{ride}", "--out", "{out}.gif"], "no name for a video"),
        (["{ride}", "{ride}", "--out", "{out}"], "one video at a time"),
        (["{ride}", "--out", "{ride}"], "is what is to be segmented"),
        (["{ride}", "--out", "{out}.mp4", "--classmap", "{out}.mp4"], "must be NAME.mkv"),
        (["{ride}", "--out", "{out}.mkv", "--classmap", "{out}.mkv"], "at once"),
        (
            ["{ride}", "--out", "{out}", "--every", "0"],
            "--every takes 1 to 1,000,000 and --max-frames at least 1, got 0",
        ),
        (["{ride}", "--out", "{out}", "--max-frames", "0"], "--max-frames at least 1, got 1 and 0"),
        (["{ride}", "--out", "{out}", "--every", "2147483648"], "--every takes 1 to 1,000,000"),
        (["{ride}", "--out", "{out}.mkv", "--classmap", "{out}/../o.mkv"], "at once"),
        (["{ride}.mp4", "--out", "{out}"], "is not there; give a video file"),
        (["{picture}", "--out", "{out}", "--every", "2"], "--every is for a video"),
        (["{sound}", "--out", "{out}"], "holds no video of a kind"),
    ],
)
def test_mistakes_are_told_in_one_line(
    arguments: list[str], complaint: str, ride: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    places = {"ride": ride, "out": tmp_path / "o", "picture": tmp_path / "p.png", "sound": tmp_path / "s.mp4"}
    Image.fromarray(STREET).save(places["picture"])
    with av.open(places["sound"], "w") as container:
        stream = container.add_stream("aac", rate=8000, layout="mono")
        sound = av.AudioFrame.from_ndarray(np.zeros((1, 4096), np.float32), "fltp", "mono")
        sound.sample_rate = 8000
        container.mux(stream.encode(sound))
        container.mux(stream.encode())
    engine = ["--engine", "onnxruntime"]
    assert main(["predict", *(argument.format(**places) for argument in arguments), *engine]) == 2
    output, errors = capsys.readouterr()
    assert output == ""
    assert complaint in errors
    assert errors.count("\n") == 1
    assert {path.name for path in tmp_path.iterdir()} <= {"p.png", "s.mp4", "o"}


def test_a_folder_that_is_called_like_a_video(tmp_path: Path) -> None:
    (tmp_path / "drive.mp4").mkdir()
    Image.fromarray(STREET).save(tmp_path / "drive.mp4" / "a.png")
    command = ["predict", str(tmp_path / "drive.mp4"), "--out", str(tmp_path / "out"), "--engine", "onnxruntime"]
    assert main(command) == 0
    assert (tmp_path / "out" / "a_classes.png").is_file()


def test_without_pyav(ride: Path) -> None:
    code = "import sys; sys.modules['av'] = None; import streetseg.cli; raise SystemExit(streetseg.cli.main())"
    command: list[str | Path] = [
        sys.executable,
        "-c",
        code,
        "predict",
        ride,
        "--out",
        "o.mp4",
        "--engine",
        "onnxruntime",
    ]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 2
    assert "pip install 'streetseg[video]'" in done.stderr
    assert issubclass(VideoError, StreetsegError)
