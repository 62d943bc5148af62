"""What strangers send: each gets a 4xx, and the server goes on."""

from __future__ import annotations

import socket
import struct
import time
import zlib

import pytest

from streetseg.serve.settings import ServeLimits
from tests.support.server import RunningServer, logits_of, multipart, picture, serving

HEAD = b"POST /v1/segment HTTP/1.1\r\nHost: x\r\n"


def bomb() -> bytes:
    """Return a PNG of 30,000 x 30,000 pixels in its header."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", 30_000, 30_000, 8, 2, 0, 0, 0)
    data = chunk(b"IDAT", zlib.compress(bytes(1000)))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + data + chunk(b"IEND", b"")


BODY, MULTIPART = multipart(picture())


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        (b"", {}, 400),
        (b"no picture", {}, 400),
        (picture()[:-30], {}, 400),
        (bomb(), {}, 400),
        (picture(1, 3000) and b"\xff\xd8\xff" + bytes(99), {}, 400),
        (picture(), {"Content-Encoding": "gzip"}, 415),
        (b"{}", {"Content-Type": "application/json"}, 415),
        (picture(), {"X-Timeout-Ms": "soon"}, 400),
        (picture(), {"X-Timeout-Ms": "-1"}, 400),
        (picture(), {"X-Timeout-Ms": "nan"}, 400),
        (BODY[:-8], MULTIPART, 400),
        (BODY, {"Content-Type": "multipart/form-data"}, 400),
        (BODY, {"Content-Type": "multipart/form-data; boundary=" + "x" * 99}, 400),
        (b"--XX--\r\n", MULTIPART, 400),
        (b"--XX\r\nno header\r\n--XX--\r\n", MULTIPART, 400),
        (multipart(*[b"x"] * 17)[0], MULTIPART, 413),
        (multipart(b"x")[0].replace(b"\r\n\r\n", b"\r\nContent-Transfer-Encoding: base64\r\n\r\n", 1), MULTIPART, 415),
    ],
)
def test_bad_bodies(server: RunningServer, body: bytes, headers: dict[str, str], status: int) -> None:
    answer = server.ask("POST", "/v1/segment", body, headers)
    assert answer.status == status
    assert "passwd" not in answer.json["error"]
    assert server.ask("GET", "/v2/health/ready").status == 200


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (HEAD + b"Content-Length: 1000000000\r\n\r\n", b"413"),
        (HEAD + b"Content-Length: -1\r\n\r\n", b"400"),
        (HEAD + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\n", b"400"),
        (HEAD + b"Connection: close\r\nX: " + b"x" * 20_000 + b"\r\n\r\n", b"431"),
        (HEAD + b"X: " + b"x" * 40_000, b"400"),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\nno length\r\n", b"400"),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", b"400"),
        (b"GET /" + b"%2e%2e%2f" * 9 + b"etc/passwd HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", b"404"),
        (b"DELETE /v1/segment HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", b"405"),
    ],
)
def test_bad_requests(server: RunningServer, data: bytes, status: bytes) -> None:
    assert server.raw(data).split(b" ")[1] == status


def test_slow_senders_time_out() -> None:
    """Headers that do not end, a body that does not go on, and a client that does not come back."""
    limits = ServeLimits(header_seconds=0.3, pause_seconds=0.3)
    with serving(logits_of, limits=limits) as server:
        for data in (b"GET / HT", HEAD + b"Content-Length: 99\r\n\r\nabc"):
            start = time.monotonic()
            assert server.raw(data).split(b" ")[1] == b"408"
            assert time.monotonic() - start < 20


def test_bodies_have_limits() -> None:
    with serving(logits_of, limits=ServeLimits(body=1 << 20, bodies=1000)) as server:
        answer = server.ask("POST", "/v1/segment", bytes(2000))
        assert (answer.status, answer.headers["retry-after"]) == (503, "1")
        assert server.ask("POST", "/v1/segment", bytes(1 << 21)).status == 413


def test_connections_have_a_limit() -> None:
    with serving(logits_of, limits=ServeLimits(connections=2)) as server:
        held = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(2)]
        time.sleep(0.2)
        assert (
            server.raw(b"GET /v2/health/live HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").split(b" ")[1] == b"503"
        )
        for connection in held:
            connection.close()
