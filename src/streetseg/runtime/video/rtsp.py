"""Watch an RTSP connection for the camera's goodbye, which FFmpeg does not report.

    FFmpeg ── 127.0.0.1 ── Relay ── camera

The relay passes everything on as it is, and reads the frames of RTP over TCP (RFC 2326, 10.12) that the camera sends.
"""

from __future__ import annotations

import contextlib
import re
import socket
import threading
from urllib.parse import urlsplit

from streetseg.runtime.video.endings import Ending

PORT = 554
BLOCK = 65_536
BYE = 203  # RFC 3550, 6.6
HEADER = re.compile(rb"content-length:\s*(\d+)", re.IGNORECASE)


class Relay:
    """A relay between FFmpeg and a camera, for one connection.

    Attributes:
        address: The address to give to FFmpeg.
        ending: How the camera ended the connection; None while it lasts.

    Raises:
        OSError: If the camera does not answer.
    """

    def __init__(self, source: str, timeout: float) -> None:
        parts = urlsplit(source)
        host, port = parts.hostname or "", parts.port or PORT
        self.ending: Ending | None = None
        self.camera = socket.create_connection((host, port), timeout)
        self.camera.settimeout(None)
        self.server = socket.create_server(("127.0.0.1", 0))
        self.server.settimeout(timeout)
        self.player: socket.socket | None = None
        own = f"127.0.0.1:{self.server.getsockname()[1]}"
        user = parts.netloc.rpartition("@")[0]
        self.address = parts._replace(netloc=f"{user}@{own}" if user else own).geturl()
        self.ours, self.theirs = f"rtsp://{own}".encode(), f"rtsp://{parts.netloc.rpartition('@')[2]}".encode()
        self.watch = Watch()
        self.threads = [threading.Thread(target=self.serve, daemon=True)]
        self.threads[0].start()

    def serve(self) -> None:
        """Wait for FFmpeg, then pass on what the camera sends."""
        try:
            self.player, _ = self.server.accept()
            self.threads.append(threading.Thread(target=self.pass_requests, daemon=True))
            self.threads[-1].start()
            while data := self.camera.recv(BLOCK):
                self.player.sendall(data)
                self.watch.see(data)
                if self.watch.goodbye:
                    break
        except OSError:  # one of the three has gone
            pass
        self.ending = Ending.ORDERLY if self.watch.goodbye else Ending.BROKEN
        self.close()

    def pass_requests(self) -> None:
        """Pass on FFmpeg's requests, with the camera's address in place of ours."""
        assert self.player is not None
        with contextlib.suppress(OSError):
            while data := self.player.recv(BLOCK):
                lines = data.split(b"\r\n") if data[:1].isalpha() else [data]
                # Digest authorisation signs the address that FFmpeg knows.
                lines = [
                    line if line.lower().startswith(b"authorization") else line.replace(self.ours, self.theirs)
                    for line in lines
                ]
                self.camera.sendall(b"\r\n".join(lines))
        shut(self.camera)

    def join(self) -> None:
        """Wait until all connections are closed."""
        for thread in self.threads:
            thread.join()

    def close(self) -> None:
        """Close all connections, which ends what waits for them."""
        for one in (self.server, self.camera, self.player):
            if one is not None:
                shut(one)


def shut(connection: socket.socket) -> None:
    """Close a connection also for a thread that waits for it."""
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
    connection.close()


class Watch:
    """A reader of what an RTSP server sends: answers, and frames of RTP and RTCP between them.

    Attributes:
        goodbye: True once an RTCP packet said goodbye.
    """

    def __init__(self) -> None:
        self.rest = b""
        self.goodbye = False

    def see(self, data: bytes) -> None:
        """Read further data."""
        data = self.rest + data
        at = 0
        while at < len(data):
            if data[at : at + 1] == b"$":
                if at + 4 > len(data):
                    break
                end = at + 4 + int.from_bytes(data[at + 2 : at + 4])
                if end > len(data):
                    break
                if data[at + 1] % 2:  # RTCP has the odd channels
                    self.goodbye |= says_goodbye(data[at + 4 : end])
            else:
                head = data.find(b"\r\n\r\n", at)
                if head < 0:
                    break
                length = HEADER.search(data, at, head)
                end = head + 4 + (int(length[1]) if length else 0)
                if end > len(data):
                    break
            at = end
        self.rest = data[at:]


def says_goodbye(packets: bytes) -> bool:
    """Return True if one of the RTCP packets in a row is a goodbye."""
    at = 0
    while at + 4 <= len(packets):
        if packets[at] >> 6 == 2 and packets[at + 1] == BYE:
            return True
        at += 4 * (1 + int.from_bytes(packets[at + 2 : at + 4]))
    return False
