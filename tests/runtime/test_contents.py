"""What a file is, its content says."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from streetseg.runtime.addresses import is_live, without_password
from streetseg.runtime.contents import holds_film
from streetseg.runtime.inputs import is_video
from tests.support.videos import steady, street, write_film, write_video

FILMS = {
    "a.mp4": ("libx264", "yuv420p"),
    "a.mov": ("mjpeg", "yuvj420p"),
    "a.mkv": ("ffv1", "bgr0"),
    "a.avi": ("mpeg4", "yuv420p"),
    "a.ts": ("libx264", "yuv420p"),
    "a.mjpeg": ("mjpeg", "yuvj420p"),
    "a.vob": ("mpeg2video", "yuv420p"),
    "a.m2v": ("mpeg2video", "yuv420p"),
    "a.h264": ("libx264", "yuv420p"),
    "a.hevc": ("libx265", "yuv420p"),
    "a.y4m": ("wrapped_avframe", "yuv420p"),
    "a.nut": ("ffv1", "yuv420p"),
    "a.flv": ("libx264", "yuv420p"),
    "a.ivf": ("libvpx", "yuv420p"),
    "a.webm": ("libvpx-vp9", "yuv420p"),
    "a.asf": ("mpeg4", "yuv420p"),
}


@pytest.mark.parametrize("name", FILMS)
@pytest.mark.parametrize("suffix", ["", ".jpg", ".dav"])
def test_a_film_is_known_whatever_its_name(name: str, suffix: str, tmp_path: Path) -> None:
    codec, pixels = FILMS[name]
    path = write_film(tmp_path / name, range(4), codec=codec, pixels=pixels, options={"g": "2"})
    renamed = path.rename(tmp_path / f"film{suffix}")
    assert is_video(str(renamed))


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "BMP", "GIF", "PPM", "WEBP", "TIFF", "AVIF"])
@pytest.mark.parametrize("name", ["a.mp4", "a", "a.jpg", "a.mjpg"])
def test_a_picture_is_known_whatever_its_name(kind: str, name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    Image.fromarray(street()).save(path, kind)
    assert not is_video(str(path))


def jpeg(picture: Image.Image, **options: object) -> bytes:
    buffer = BytesIO()
    picture.save(buffer, "JPEG", **options)
    return buffer.getvalue()


def test_jpegs_in_a_row_are_a_film_and_those_of_one_photo_are_not(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    photo = Image.fromarray(street())
    for options in ({}, {"progressive": True}, {"quality": 100, "restart_marker_rows": 1}):
        one = jpeg(photo, **options)
        path.write_bytes(one + one)
        assert holds_film(path)
        path.write_bytes(one + bytes(700) + one)  # cameras fill up to the end of a block
        assert holds_film(path)
        path.write_bytes(one)
        assert holds_film(path) is False
        path.write_bytes(one + one[: len(one) // 2])  # what begins after it is no whole picture
        assert holds_film(path) is False
    thumbnail = jpeg(photo.resize((32, 16)))
    path.write_bytes(one + thumbnail)
    assert holds_film(path) is False
    path.write_bytes(one + b"\0\0\0\x18ftypmp42" + bytes(64))  # a phone's moving photo
    assert holds_film(path) is False
    photo.save(path, "MPO", save_all=True, append_images=[photo])
    assert holds_film(path) is False


@pytest.mark.parametrize("name", ["notes", "notes.mp3", "empty"])
def test_what_is_neither_is_no_video(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(b"" if name == "empty" else b"hello " * 100)
    assert not is_video(str(tmp_path / name))
    assert not is_video(str(tmp_path))


def test_where_there_is_no_file_its_name_says_what_it_should_be(tmp_path: Path) -> None:
    assert is_video(str(tmp_path / "gone.MP4"))
    assert not is_video(str(tmp_path / "gone.png"))
    assert not is_video(str(tmp_path / "gone"))
    (tmp_path / "damaged.mp4").write_bytes(bytes(np.arange(200, dtype=np.uint8)))
    assert is_video(str(tmp_path / "damaged.mp4"))


def test_cameras_by_number_and_address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for source in ("0", "12", "/dev/video0", "rtsp://cam/x", "HTTP://cam/video.mjpg", "udp://@:5000", "rtmp://h/a"):
        assert is_live(source)
        assert is_video(source)
    for source in ("00.png", "file://a", "a://b", "-1", "1.5", "²"):
        assert not is_live(source)
    (tmp_path / "0").mkdir()  # as drives are called in some datasets
    write_video(tmp_path / "1.mp4", steady(3)).rename(tmp_path / "1")
    assert not is_live("0")
    assert not is_live("1")
    assert is_video("1")


def test_no_password_is_shown() -> None:
    assert without_password("http://me:se@cret@cam/x@y") == "http://cam/x@y"
    assert without_password("/films/a@b.mp4") == "/films/a@b.mp4"
