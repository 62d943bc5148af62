"""Network cameras for tests: RTSP with H.264 over TCP, and MJPEG over HTTP. Each serves in a thread of its own."""

from __future__ import annotations

import base64
import io
import re
import socket
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from fractions import Fraction

import av
import numpy as np
from PIL import Image

from tests.support.videos import street

RATE, CLOCK, PAYLOAD = 25, 90_000, 1300
SIZE = (48, 64)


def picture(index: int) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    """Return a frame of the ride."""
    return np.ascontiguousarray(np.roll(street(), -index, 1)[: SIZE[0], : SIZE[1]])


def access_units(frames: int) -> list[list[bytes]]:
    """Return the H.264 NAL units of each frame."""
    codec = av.VideoCodecContext.create("libx264", "w")
    (codec.height, codec.width), codec.pix_fmt, codec.time_base = SIZE, "yuv420p", Fraction(1, RATE)
    codec.options = {"tune": "zerolatency", "g": "5", "x264-params": "repeat-headers=1"}
    packets: list[bytes] = []
    for index in range(frames):
        frame = av.VideoFrame.from_ndarray(picture(index), "rgb24").reformat(format="yuv420p")
        frame.pts = index
        packets += [bytes(packet) for packet in codec.encode(frame)]
    return [[unit for unit in re.split(rb"\x00*\x00\x00\x01", packet) if unit] for packet in packets]


def payloads(unit: bytes) -> list[bytes]:
    """Return a NAL unit as RTP payloads: whole, or in fragments (RFC 6184)."""
    if len(unit) <= PAYLOAD:
        return [unit]
    parts = [unit[at : at + PAYLOAD] for at in range(1, len(unit), PAYLOAD)]
    marks = [0x80, *[0] * (len(parts) - 2), 0x40]
    return [bytes([unit[0] & 0xE0 | 28, mark | unit[0] & 31]) + part for mark, part in zip(marks, parts, strict=True)]


def wait_for_the_end(viewer: socket.socket) -> None:
    """Send nothing more until the viewer leaves."""
    viewer.settimeout(20)
    with suppress(OSError):
        while viewer.recv(4096):
            pass


class Camera:
    """A camera that serves viewers one after the other.

    Args:
        endings: How each viewer's film ends: "bye", "close" or "stall"; HTTP: also "locked".
        frames: Frames of each film.

    Attributes:
        address: The address to open.
        requests: What the viewers sent.
    """

    path = ""

    def __init__(self, *endings: str, frames: int = 12) -> None:
        self.endings, self.frames = endings, frames
        self.requests: list[bytes] = []
        self.server = socket.create_server(("127.0.0.1", 0))
        self.place = f"127.0.0.1:{self.server.getsockname()[1]}{self.path}"
        self.thread = threading.Thread(target=self.serve)

    def serve(self) -> None:
        """Serve the viewers."""
        for ending in self.endings:
            with suppress(OSError):
                viewer, _ = self.server.accept()
                with viewer:
                    self.answer(viewer, ending)

    def answer(self, viewer: socket.socket, ending: str) -> None:
        """Serve one viewer."""
        raise NotImplementedError

    def pace(self) -> Iterator[int]:
        """Yield the number of each frame when it is due."""
        for index in range(self.frames):
            yield index
            time.sleep(1 / RATE)


@contextmanager
def serving(camera: Camera) -> Iterator[Camera]:
    """Let a camera serve inside the block."""
    camera.thread.start()
    try:
        yield camera
    finally:
        with suppress(OSError):
            camera.server.shutdown(socket.SHUT_RDWR)
        camera.server.close()
        camera.thread.join()


class RtspCamera(Camera):
    """A camera that speaks RTSP and sends RTP over the same connection."""

    path = "/live"

    def answer(self, viewer: socket.socket, ending: str) -> None:
        units = access_units(self.frames)
        headers = ",".join(base64.b64encode(next(u for u in units[0] if u[0] & 31 == kind)).decode() for kind in (7, 8))
        description = (
            "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=camera\r\nt=0 0\r\nm=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\n"
            f"a=fmtp:96 packetization-mode=1;sprop-parameter-sets={headers}\r\na=control:track1\r\n"
        )
        answers = {
            "OPTIONS": "Public: OPTIONS, DESCRIBE, SETUP, PLAY, TEARDOWN\r\n\r\n",
            "DESCRIBE": f"Content-Type: application/sdp\r\nContent-Length: {len(description)}\r\n\r\n{description}",
            "SETUP": "Transport: RTP/AVP/TCP;unicast;interleaved=0-1\r\nSession: 1\r\n\r\n",
        }
        request = b""
        while received := viewer.recv(4096):
            request += received
            while b"\r\n\r\n" in request:
                text, request = request.split(b"\r\n\r\n", 1)
                self.requests.append(text)
                number = re.search(rb"CSeq: *(\d+)", text)
                assert number
                verb = text.split()[0].decode()
                answer = answers.get(verb, "Session: 1\r\n\r\n")
                viewer.sendall(f"RTSP/1.0 200 OK\r\nCSeq: {number[1].decode()}\r\n{answer}".encode())
                if verb == "PLAY":
                    return self.play(viewer, units, ending)
        return None

    def play(self, viewer: socket.socket, units: list[list[bytes]], ending: str) -> None:
        """Send the film, then end it."""
        number = 0
        for index in self.pace():
            parts = [part for unit in units[index] for part in payloads(unit)]
            for place, part in enumerate(parts):
                mark = 0x80 if place == len(parts) - 1 else 0
                packet = struct.pack(">BBHII", 0x80, 96 | mark, number, index * CLOCK // RATE, 1) + part
                viewer.sendall(b"$\0" + struct.pack(">H", len(packet)) + packet)
                number += 1
        if ending == "bye":
            viewer.sendall(b"$\1" + struct.pack(">HBBHI", 8, 0x81, 203, 1, 1))
        if ending != "close":
            wait_for_the_end(viewer)


class HttpCamera(Camera):
    """A camera that sends a JPEG after the other in one HTTP response."""

    path = "/video.mjpg"
    head = "HTTP/1.0 200 OK\r\nContent-Type: multipart/x-mixed-replace; boundary=--cut\r\n\r\n"

    def answer(self, viewer: socket.socket, ending: str) -> None:
        self.requests.append(viewer.recv(4096))
        if ending == "locked":
            viewer.sendall(b'HTTP/1.0 401 Unauthorized\r\nWWW-Authenticate: Basic realm="camera"\r\n\r\n')
            return
        viewer.sendall(self.head.encode())
        for index in self.pace():
            buffer = io.BytesIO()
            Image.fromarray(picture(index)).save(buffer, "JPEG")
            data = buffer.getvalue()
            part = f"--cut\r\nContent-Type: image/jpeg\r\nContent-Length: {len(data)}\r\n\r\n".encode() + data + b"\r\n"
            half = ending == "close" and index == self.frames - 1
            viewer.sendall(part[: len(part) // 2] if half else part)
        if ending == "bye":
            viewer.sendall(b"--cut--\r\n")
        if ending == "stall":
            wait_for_the_end(viewer)
