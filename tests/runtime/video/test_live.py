"""Network cameras: an orderly end, a stall and a broken connection, and connecting again."""

from __future__ import annotations

import json
import threading
import time
from fractions import Fraction
from pathlib import Path

import av
import pytest

from streetseg.cli import main
from streetseg.errors import VideoError
from streetseg.runtime.segmenter import Segmenter
from streetseg.runtime.video.endings import Ending
from streetseg.runtime.video.reader import VideoReader
from streetseg.runtime.video.rtsp import Watch, says_goodbye
from streetseg.runtime.video.segment import segment_video
from streetseg.runtime.video_options import VideoOptions
from tests.support.cameras import HttpCamera, RtspCamera, picture, serving
from tests.support.videos import frames_of

pytestmark = pytest.mark.slow
KINDS = {"rtsp": RtspCamera, "http": HttpCamera}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("ending", "code", "words"), [("bye", 0, ""), ("stall", 3, "stalled: "), ("close", 4, "broke")]
)
def test_the_end_of_a_camera(
    kind: str, ending: str, code: int, words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "o.mkv"
    with serving(KINDS[kind](ending)) as camera:
        address = f"{kind}://{camera.place}"
        start = time.monotonic()
        arguments = ["predict", address, "--out", str(out), "--engine", "onnxruntime", "--timeout", "2", "--json"]
        assert main(arguments) == code
        assert time.monotonic() - start < 20
    output, errors = capsys.readouterr()
    facts = json.loads(output)
    assert facts["frames"] + facts["dropped"] == facts["decoded"]
    assert 10 <= facts["decoded"] <= 12
    assert facts["frames"] == len(frames_of(out)) > 0
    assert facts["ending"] == {"bye": "ended", "stall": "stalled", "close": "broke off"}[ending]
    assert "damaged" not in errors
    assert errors.count("\n") == (code > 0)
    if words:
        assert errors.startswith(f"streetseg: {address} {words}")
        assert f"holds the {facts['frames']} frames until then; --reconnect connects again" in errors


@pytest.mark.parametrize("kind", KINDS)
def test_a_lost_camera_is_connected_again(kind: str, tmp_path: Path, segmenter: Segmenter) -> None:
    told: list[str] = []
    with serving(KINDS[kind]("close", "stall", "bye")) as camera:
        address = f"{kind}://me:secret@{camera.place}"
        options = VideoOptions(timeout=2, reconnect=True)
        report = segment_video(segmenter, address, tmp_path / "o.mkv", options=options, tell=told.append)
        shown = f"{kind}://{camera.place}"
    assert (report.reconnections, report.ending) == (2, "ended")
    assert report.decoded >= 30
    assert told == [f"note: {shown} {how}; connecting again" for how in ("broke off", "stalled")]
    times = [at for at, _ in frames_of(tmp_path / "o.mkv")]
    assert times == sorted(times)
    assert times[-1] > 3  # the outages count
    if kind == "rtsp":
        assert all(b"rtsp://" + camera.place.encode() in request.split(b"\r\n")[0] for request in camera.requests)


def test_reading_can_be_stopped_while_nothing_comes() -> None:
    with serving(RtspCamera("stall", frames=3)) as camera:
        reader = VideoReader(f"rtsp://{camera.place}", VideoOptions(timeout=15))
        with reader:
            timer = threading.Timer(1.0, reader.stop)
            timer.start()
            start = time.monotonic()
            frames = list(reader)
            timer.join()
        assert len(frames) == 3
        assert time.monotonic() - start < 10


def test_a_camera_that_answers_with_an_error(tmp_path: Path) -> None:
    class Refusing(HttpCamera):
        head = "HTTP/1.0 403 Forbidden\r\n\r\n"

    with serving(Refusing("close", frames=0)) as camera, pytest.raises(VideoError, match=r"Forbidden \(403\)"):
        VideoReader(f"http://{camera.place}")


def test_a_camera_that_asks_for_a_password() -> None:
    with serving(HttpCamera("locked", "bye")) as camera:
        with VideoReader(f"http://me:secret@{camera.place}") as reader:
            assert len(list(reader)) == 12
        assert b"Authorization: Basic bWU6c2VjcmV0" in camera.requests[1]
    with serving(HttpCamera("locked")) as camera, pytest.raises(VideoError, match=r"Unauthorized \(401\)"):
        VideoReader(f"http://{camera.place}")


def test_a_film_at_a_web_address_loses_no_frame(tmp_path: Path) -> None:
    from functools import partial
    from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

    from tests.support.videos import steady, write_video

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

    write_video(tmp_path / "a.mp4", steady(30))
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(tmp_path))) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            with VideoReader(f"http://127.0.0.1:{server.server_port}/a.mp4") as reader:
                assert not reader.live
                assert len(list(reader)) == 30
                assert reader.ending == Ending.ORDERLY
        finally:
            server.shutdown()
            thread.join()


def test_a_transport_stream_over_udp() -> None:
    sent = threading.Event()

    def send() -> None:
        with av.open("udp://127.0.0.1:47211?pkt_size=1316", "w", format="mpegts") as container:
            stream = container.add_stream("libx264", rate=25, options={"tune": "zerolatency", "g": "5"})
            assert isinstance(stream, av.VideoStream)
            stream.height, stream.width, stream.pix_fmt = 48, 64, "yuv420p"
            for index in range(400):
                if sent.is_set():
                    return
                frame = av.VideoFrame.from_ndarray(picture(index), "rgb24")
                frame.pts, frame.time_base = index, Fraction(1, 25)
                container.mux(stream.encode(frame))
                time.sleep(0.02)

    thread = threading.Thread(target=send)
    thread.start()
    try:
        with VideoReader("udp://127.0.0.1:47211", VideoOptions(timeout=10)) as reader:
            frames = [frame.pts or 0 for frame, _ in zip(reader, range(20), strict=False)]
            assert (frames[0], reader.live, reader.size) == (0, True, (48, 64))
            assert frames == sorted(frames)
            reader.stop()
    finally:
        sent.set()
        thread.join()


def test_a_goodbye_among_other_packets() -> None:
    report = bytes([0x80, 200, 0, 6]) + bytes(24)
    goodbye = bytes([0x81, 203, 0, 1]) + bytes(4)
    assert says_goodbye(goodbye)
    assert says_goodbye(report + goodbye)
    assert not says_goodbye(report)
    assert not says_goodbye(b"")
    answer = b"RTSP/1.0 200 OK\r\ncontent-length: 4\r\n\r\n$\1\0\x08"
    video = b"$\0\0\x08" + goodbye
    for data, said in ((answer + video, False), (answer + video + b"$\1\0\x24" + report + goodbye, True)):
        for step in (1, 7, len(data)):
            watch = Watch()
            for at in range(0, len(data), step):
                watch.see(data[at : at + step])
            assert watch.goodbye == said
