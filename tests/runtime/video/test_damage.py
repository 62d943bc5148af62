"""What is missing from a file is proven by the file itself; sound files are never called damaged."""

from __future__ import annotations

import struct
from pathlib import Path

import av
import numpy as np
import pytest

from streetseg.errors import VideoError
from streetseg.runtime.video.ebml import is_broken
from streetseg.runtime.video.reader import VideoReader
from tests.support.videos import steady, write_film, write_video


def read(path: Path) -> VideoReader:
    """Read a file to its end."""
    with VideoReader(str(path)) as reader:
        for _ in reader:
            pass
    return reader


@pytest.mark.parametrize("codec", ["mpeg4", "mjpeg", "libx264", "ffv1"])
@pytest.mark.parametrize(
    "times",
    [[*range(13), *range(14, 33), *range(34, 60)], [*range(2, 20)], [0, *range(5, 20)], [*range(0, 60, 3)]],
    ids=["three repeats", "begins late", "a long picture", "two of three"],
)
def test_empty_chunks_of_an_avi_repeat_a_picture(codec: str, times: list[int], tmp_path: Path) -> None:
    pixels = "yuvj420p" if codec == "mjpeg" else "yuv420p"
    reader = read(write_film(tmp_path / "a.avi", times, codec=codec, pixels=pixels, options={"g": "10", "bf": "0"}))
    assert reader.clock.frames == len(times)
    assert (reader.tally.patched, reader.missing) == (0, 0)


def test_an_avi_with_sound_and_pictures_that_wait(tmp_path: Path) -> None:
    with av.open(str(tmp_path / "a.avi"), "w") as container:
        stream = container.add_stream("mpeg4", rate=25, options={"bf": "2"})
        sound = container.add_stream("mp3", rate=44_100, layout="mono")
        assert isinstance(stream, av.VideoStream)
        stream.height, stream.width, stream.pix_fmt = 48, 64, "yuv420p"
        for index in range(50):
            frame = av.VideoFrame.from_ndarray(np.full((48, 64, 3), 4 * index, np.uint8), "rgb24")
            frame.pts = index
            container.mux(stream.encode(frame))
            noise = av.AudioFrame.from_ndarray(np.zeros((1, 1764), np.float32), "fltp", "mono")
            noise.sample_rate, noise.pts = 44_100, 1764 * index
            container.mux(sound.encode(noise))
        container.mux(stream.encode())
        container.mux(sound.encode())
    reader = read(tmp_path / "a.avi")
    assert (reader.clock.frames, reader.tally.patched, reader.missing) == (50, 0, 0)


def test_a_cut_avi_is_told(tmp_path: Path) -> None:
    path = write_film(tmp_path / "a.avi", range(60), codec="mjpeg", pixels="yuvj420p")
    data = path.read_bytes()
    chunks = [at for at in range(len(data)) if data[at : at + 4] == b"00dc"]
    spoilt = bytearray(data)
    for at in chunks[20:23]:  # their pictures, not their places
        size = int.from_bytes(data[at + 4 : at + 8], "little")
        spoilt[at + 8 : at + 8 + size] = bytes(size)
    path.write_bytes(spoilt)
    assert read(path).missing == 3


@pytest.mark.parametrize(("length", "begin", "frames"), [(600, 1024, 15), (600, 4608, 15), (1200, 4608, 23)])
def test_an_edit_list_cuts_frames_away(length: int, begin: int, frames: int, tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", steady(30))
    data = bytearray(path.read_bytes())
    at = data.index(b"elst") + 12
    data[at : at + 8] = struct.pack(">Ii", length, begin)  # milliseconds, ticks
    path.write_bytes(data)
    reader = read(path)
    assert (reader.clock.frames, reader.clock.start) == (frames, 0)
    assert (reader.tally.patched, reader.missing) == (0, 0)


@pytest.mark.parametrize(
    ("name", "codec", "options"),
    [
        ("a.mp4", "libx264", {"movflags": "frag_keyframe+empty_moov"}),
        ("a.mp4", "libx264", {"movflags": "faststart"}),
        ("a.webm", "libvpx", {}),
        ("a.webm", "libvpx-vp9", {}),
        ("a.mkv", "libx265", {"live": "1"}),
        ("a.mkv", "mpeg2video", {}),
        ("a.vob", "mpeg2video", {}),
        ("a.asf", "mpeg4", {}),
    ],
)
def test_a_claim_proves_nothing(name: str, codec: str, options: dict[str, str], tmp_path: Path) -> None:
    """A file that claims a longer duration than it has is sound."""
    path = write_film(tmp_path / name, range(40), codec=codec, options={"g": "10"}, container_options=options)
    data = path.read_bytes()
    longer = data.replace(b"00:00:01.600", b"00:00:09.600")  # Matroska's
    mvhd = longer.find(b"mvhd")
    if mvhd > 0:
        longer = longer[: mvhd + 20] + struct.pack(">I", 96_000) + longer[mvhd + 24 :]
    path.write_bytes(longer)
    reader = read(path)
    assert (reader.clock.frames, reader.tally.patched, reader.missing) == (40, 0, 0)


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.webm", "a.avi", "a.flv"])
def test_a_file_that_breaks_off_is_told(name: str, tmp_path: Path) -> None:
    codec = {"a.webm": "libvpx-vp9", "a.avi": "mpeg4"}.get(name, "libx264")
    path = write_film(
        tmp_path / name, range(40), codec=codec, options={"g": "10"}, container_options={"movflags": "faststart"}
    )
    data = path.read_bytes()
    path.write_bytes(data[: len(data) * 6 // 10])
    reader = read(path)
    assert 0 < reader.clock.frames < 40
    assert reader.missing or reader.tally.patched


# Name, codec, options of the container.
CUT = [
    ("fragments.mp4", "libx264", {"movflags": "frag_keyframe+empty_moov"}),
    ("fragments.mov", "libx264", {"movflags": "frag_every_frame+empty_moov+default_base_moof"}),
    ("a.mp4", "libx264", {"movflags": "faststart"}),
    ("a.avi", "libx264", {}),
    ("a.ts", "libx264", {}),
    ("a.vob", "mpeg2video", {}),
    ("a.flv", "libx264", {}),
    ("a.mkv", "libx264", {}),
    ("live.webm", "libvpx", {"live": "1"}),
    ("a.mjpeg", "mjpeg", {}),
    ("a.ivf", "libvpx", {}),
]


@pytest.mark.slow
@pytest.mark.parametrize(("name", "codec", "options"), CUT)
def test_a_film_that_ends_anywhere_is_told(name: str, codec: str, options: dict[str, str], tmp_path: Path) -> None:
    """Cut at any length, a film lacks no frame without a word; or it cannot be opened at all."""
    pixels = "yuvj420p" if codec == "mjpeg" else "yuv420p"
    coding = {"g": "5"} if codec != "mjpeg" else {}
    path = write_film(tmp_path / name, range(16), codec=codec, pixels=pixels, options=coding, container_options=options)
    reader = read(path)
    assert (reader.clock.frames, reader.tally.patched, reader.missing) == (16, 0, 0)
    data, opened = path.read_bytes(), 0
    borders = whole_lengths(data, name)
    for index in range(1, 30):
        length = len(data) * index // 30 + index % 5
        if length in borders:
            continue
        path.write_bytes(data[:length])
        try:
            reader = read(path)
        except VideoError:
            continue
        opened += 1
        told = reader.missing or reader.tally.patched
        assert told or reader.clock.frames == 16, f"{length} of {len(data)} bytes: {reader.clock.frames} frames"
    assert opened > 5


def whole_lengths(data: bytes, name: str) -> set[int]:
    """Return the lengths at which nothing tells that more should follow: after a whole fragment or packet."""
    if name.startswith("fragments"):
        ends, at = {0}, 0
        while at < len(data):
            at += int.from_bytes(data[at : at + 4])
            ends.add(at)
        return ends
    return set(range(0, len(data), 188)) if name == "a.ts" else set()


def test_an_avi_cut_in_its_pictures_is_read_as_far_as_it_goes(tmp_path: Path) -> None:
    path = write_film(tmp_path / "a.avi", range(20), codec="mpeg4", options={"g": "10"})
    data = path.read_bytes()
    at, ends = data.index(b"movi") + 4, []
    while data[at : at + 4] == b"00dc":
        at += 8 + int.from_bytes(data[at + 4 : at + 8], "little")
        at += at % 2
        ends.append(at)
    assert len(ends) == 20
    for whole in (1, 7, 19):
        for more in (0, 5):  # between two pictures, and within one
            path.write_bytes(data[: ends[whole - 1] + more])
            reader = read(path)
            assert whole <= reader.clock.frames <= whole + 1
            assert reader.missing


def test_what_follows_a_film_is_no_damage(tmp_path: Path) -> None:
    for name, options in (("a.mp4", {}), ("f.mp4", {"movflags": "frag_keyframe+empty_moov"}), ("a.avi", {})):
        path = write_film(tmp_path / name, range(6), container_options=options)
        path.write_bytes(path.read_bytes() + b"whatever follows, such as a camera's own data")
        reader = read(path)
        assert (reader.clock.frames, reader.missing) == (6, 0), name


def test_elements_of_a_matroska_file(tmp_path: Path) -> None:
    path = write_film(tmp_path / "a.mkv", range(40), options={"g": "10"})
    data = path.read_bytes()
    assert not is_broken(path)
    path.write_bytes(data + b"whatever follows")
    assert not is_broken(path)
    path.write_bytes(data[:-1])
    assert is_broken(path)
    cluster = data.index(b"\x1f\x43\xb6\x75")
    path.write_bytes(data[:cluster] + b"\x1f\x43\xb6\x76" + data[cluster + 4 :])
    assert is_broken(path)
    path.write_bytes(b"no Matroska")
    assert is_broken(path)
