"""Frames out of videos: sound, damaged and cut short; and what is refused."""

from __future__ import annotations

import gc
from pathlib import Path

import av
import numpy as np
import pytest

from streetseg.errors import VideoError
from streetseg.runtime.video.pixels import upright_rgb
from streetseg.runtime.video.reader import VideoReader
from tests.support.videos import steady, write_video


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


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.avi", "a.ts", "a.flv"])
def test_a_sound_video_has_as_many_frames_as_it_claims(name: str, tmp_path: Path) -> None:
    path = write_video(tmp_path / name, steady(30), codec="mpeg4" if name == "a.avi" else "libx264")
    with VideoReader(str(path)) as reader:
        assert len(list(reader)) == reader.clock.frames == 30
        assert reader.about in ((None,) if name == "a.avi" else (29, 30, 31))
        assert (reader.tally.patched, reader.missing) == (0, 0)


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
        assert (reader.tally.patched, reader.missing) == (0, 0)


TIME_BOXES = (b"mvhd", b"elst", b"mdhd", b"stts", b"ctts")


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv"])
def test_no_frame_goes_missing_in_silence(name: str, tmp_path: Path) -> None:
    path = write_video(tmp_path / name, steady(30))
    data = path.read_bytes()
    # What damaged times put beyond the edit list, the file hides.
    boxes = [(at - 4, at - 4 + int.from_bytes(data[at - 4 : at])) for at in map(data.find, TIME_BOXES) if at > 0]
    told = 0
    for seed in range(40):
        rng = np.random.default_rng(seed)
        spoilt = bytearray(data)
        for at in rng.integers(64, len(data), 4):
            if any(begin <= at < end for begin, end in boxes):
                continue
            spoilt[at] ^= int(rng.integers(1, 256))
        path.write_bytes(spoilt)
        try:
            with VideoReader(str(path)) as reader:
                frames = list(reader)
        except VideoError:
            continue
        told += bool(reader.tally.patched or reader.missing)
        assert len(frames) == reader.clock.frames
        if reader.clock.frames == 0:
            continue  # which segment_video refuses
        assert reader.clock.frames == 30 or reader.missing, f"seed {seed}: {reader.clock.frames} frames"
    assert told > 10


def test_a_cameras_password_is_not_shown() -> None:
    with pytest.raises(VideoError, match=r"^rtsp://127\.0\.0\.1:1/x does not answer: Connection refused"):
        VideoReader("rtsp://me:se@cret@127.0.0.1:1/x")


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
