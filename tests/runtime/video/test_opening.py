"""The stream that players would choose, and sources that do not answer."""

from __future__ import annotations

import io
import struct
from pathlib import Path

import av
import numpy as np
import pytest
from av.stream import Disposition
from PIL import Image

from streetseg.errors import UsageError, VideoError
from streetseg.runtime.segmenter import Segmenter
from streetseg.runtime.video.reader import VideoReader
from streetseg.runtime.video.segment import segment_video
from streetseg.runtime.video_options import VideoOptions
from tests.support.videos import frames_of, steady, write_film, write_video

NO, DEFAULT, COVER = Disposition(0), Disposition.default, Disposition.attached_pic


def atom(name: bytes, content: bytes) -> bytes:
    """Return an MP4 box."""
    return struct.pack(">I", 8 + len(content)) + name + content


def with_cover(path: Path) -> Path:
    """Put a cover picture before the tracks of an MP4 whose moov box is its last."""
    picture = io.BytesIO()
    Image.new("RGB", (200, 200), "red").save(picture, "JPEG")
    handler = atom(b"hdlr", bytes(8) + b"mdirappl" + bytes(9))
    cover = atom(b"covr", atom(b"data", struct.pack(">II", 13, 0) + picture.getvalue()))
    tags = atom(b"udta", atom(b"meta", bytes(4) + handler + atom(b"ilst", cover)))
    data = path.read_bytes()
    moov = data.rindex(b"moov") - 4
    header = moov + 8 + int.from_bytes(data[moov + 8 : moov + 12])  # the end of mvhd
    boxes = data[header:]
    path.write_bytes(data[:moov] + atom(b"moov", data[moov + 8 : header] + tags + boxes))
    return path


def write_tracks(path: Path, *tracks: tuple[tuple[int, int], Disposition]) -> Path:
    """Write a film with a track of each size and flag."""
    with av.open(str(path), "w") as container:
        streams = []
        for size, flag in tracks:
            stream = container.add_stream("libx264", rate=25, options={"tune": "zerolatency"})
            assert isinstance(stream, av.VideoStream)
            stream.height, stream.width, stream.pix_fmt, stream.disposition = *size, "yuv420p", flag
            streams.append(stream)
        for index in range(6):
            for stream in streams:
                picture = np.full((stream.height, stream.width, 3), 40 * index, np.uint8)
                frame = av.VideoFrame.from_ndarray(picture, "rgb24")
                frame.pts = index
                container.mux(stream.encode(frame))
        for stream in streams:
            container.mux(stream.encode())
    return path


def test_a_cover_picture_is_not_the_film(segmenter: Segmenter, tmp_path: Path) -> None:
    path = with_cover(write_film(tmp_path / "a.mp4", range(12), size=(48, 80)))
    with av.open(str(path)) as container:
        assert container.streams.video[0].codec_context.name == "mjpeg"
    told: list[str] = []
    report = segment_video(segmenter, str(path), tmp_path / "o.mp4", tell=told.append)
    assert (report.frames, report.height, report.width, told) == (12, 48, 80, [])


def test_a_cover_alone_is_no_film(tmp_path: Path) -> None:
    with av.open(str(tmp_path / "a.mp4"), "w") as container:
        stream = container.add_stream("aac", rate=8000, layout="mono")
        sound = av.AudioFrame.from_ndarray(np.zeros((1, 4096), np.float32), "fltp", "mono")
        sound.sample_rate = 8000
        container.mux(stream.encode(sound))
        container.mux(stream.encode())
    with pytest.raises(VideoError, match="holds no video of a kind that can be decoded"):
        VideoReader(str(with_cover(tmp_path / "a.mp4")))


SMALL, LARGE = (24, 32), (48, 64)


@pytest.mark.parametrize(
    ("name", "tracks", "chosen"),
    [
        ("a.mp4", [(SMALL, NO), (LARGE, DEFAULT)], 1),
        ("a.mp4", [(SMALL, DEFAULT), (LARGE, DEFAULT)], 1),
        ("a.mkv", [(LARGE, NO), (SMALL, DEFAULT), (SMALL, NO)], 1),
        ("a.mkv", [(SMALL, NO), (LARGE, NO)], 1),
        ("a.ts", [(SMALL, NO), (LARGE, NO)], 1),
        ("a.ts", [(LARGE, NO), (LARGE, NO)], 0),
    ],
)
def test_the_default_track_else_the_largest(
    name: str, tracks: list[tuple[tuple[int, int], Disposition]], chosen: int, tmp_path: Path
) -> None:
    path = write_tracks(tmp_path / name, *tracks)
    with VideoReader(str(path)) as reader:
        assert reader.stream.index == chosen
        assert reader.size == tracks[chosen][0]
        assert reader.note is not None
        assert f"stream {chosen} (h264, " in reader.note
        assert reader.note.endswith("--stream N chooses another")
    with VideoReader(str(path), VideoOptions(stream=0)) as reader:
        assert (reader.stream.index, reader.size, reader.note) == (0, tracks[0][0], None)
    with pytest.raises(UsageError, match=r"has no video stream 7; give one of: 0 \(h264, "):
        VideoReader(str(path), VideoOptions(stream=7))


def test_sound_counts_among_the_streams(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", steady(5))
    with VideoReader(str(path), VideoOptions(stream=0)) as reader:
        assert reader.note is None
    with pytest.raises(UsageError, match=r"no video stream 1; give one of: 0 \(h264, 64 x 48\)"):
        VideoReader(str(path), VideoOptions(stream=1))


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("77", r"the camera /dev/video77 does not answer: No such file or directory; "),
        ("/dev/video78", r"the camera /dev/video78 does not answer: No such file"),
        ("http://127.0.0.1:9/video.mjpg", r"http://127\.0\.0\.1:9/video\.mjpg does not answer: Connection refused; "),
        ("rtmp://127.0.0.1:9/live", "rtmp://127.0.0.1:9/live does not answer: Connection refused"),
        ("udp://127.0.0.1:47193", "does not answer: no answer within 0.5 s"),
        ("srt://127.0.0.1:9", "does not answer: Protocol not found"),
    ],
)
def test_what_does_not_answer_is_told(source: str, message: str) -> None:
    with pytest.raises(VideoError, match=message):
        VideoReader(source, VideoOptions(timeout=0.5))


@pytest.mark.parametrize(
    ("name", "codec", "pixels"),
    [
        ("cam.mjpg", "mjpeg", "yuvj420p"),
        ("disc.m2v", "mpeg2video", "yuv420p"),
        ("raw.y4m", "wrapped_avframe", "yuv420p"),
        ("a.nut", "ffv1", "yuv420p"),
    ],
)
def test_every_frame_of_rare_containers(name: str, codec: str, pixels: str, tmp_path: Path) -> None:
    with VideoReader(str(write_film(tmp_path / name, range(12), codec=codec, pixels=pixels))) as reader:
        assert len(list(reader)) == 12
    assert (reader.tally.patched, reader.missing) == (0, 0)


def test_an_odd_size_gets_one_more_pixel_for_players(segmenter: Segmenter, tmp_path: Path) -> None:
    path = write_film(tmp_path / "odd.mkv", range(3), size=(47, 63), codec="ffv1", pixels="bgr0")
    segment_video(segmenter, str(path), tmp_path / "o.mp4", tmp_path / "c.mkv")
    with av.open(str(tmp_path / "o.mp4")) as container:
        stream = container.streams.video[0]
        assert (stream.width, stream.height, stream.codec_context.pix_fmt) == (64, 48, "yuv420p")
        assert stream.codec_context.profile in ("High", "Main", "Constrained Baseline")
    assert [picture.shape for _, picture in frames_of(tmp_path / "c.mkv", "gray")] == [(47, 63)] * 3
