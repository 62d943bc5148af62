"""Read a camera's MJPEG stream over HTTP, and see how it ends."""

from __future__ import annotations

import contextlib
import http.client
import socket
import urllib.request
from urllib.parse import unquote, urlsplit

from streetseg.runtime.video.endings import Ending

TAIL = 256  # bytes of the end that show the last boundary


class HttpStream:
    """The body of an HTTP response, as a file that PyAV reads.

    Attributes:
        kind: Its content type, without parameters.
        ending: How it ended; None while it lasts.

    Raises:
        OSError: If the server does not answer, or answers with an error.
    """

    def __init__(self, source: str, timeout: float) -> None:
        parts = urlsplit(source)
        user, _, host = parts.netloc.rpartition("@")
        plain = parts._replace(netloc=host).geturl()
        name, _, password = map(unquote, user.partition(":"))
        handlers: list[urllib.request.BaseHandler] = []
        if user:
            known = urllib.request.HTTPPasswordMgrWithDefaultRealm()
            known.add_password(None, plain, name, password)
            handlers = [urllib.request.HTTPBasicAuthHandler(known), urllib.request.HTTPDigestAuthHandler(known)]
        request = urllib.request.Request(plain, headers={"User-Agent": "streetseg"})
        self.response: http.client.HTTPResponse = urllib.request.build_opener(*handlers).open(request, timeout=timeout)
        self.kind = self.response.headers.get_content_type()
        self.boundary = str(self.response.headers.get_boundary() or "").removeprefix("--").encode()
        self.measured = self.response.chunked or self.response.length is not None
        self.tail = b""
        self.ending: Ending | None = None

    def read(self, size: int) -> bytes:
        """Return up to `size` bytes as soon as there are some; none at the end."""
        try:
            data = self.response.read1(size)
        except TimeoutError:
            return self.end(Ending.STALLED)
        except (OSError, ValueError, AttributeError, http.client.HTTPException):  # also: closed while it was read
            return self.end(Ending.BROKEN)
        if not data:
            last = b"--" + self.boundary + b"--"
            whole = self.measured and not self.response.length
            return self.end(Ending.ORDERLY if whole or last in self.tail else Ending.BROKEN)
        self.tail = (self.tail + data)[-TAIL:]
        return data

    def end(self, ending: Ending) -> bytes:
        """Note the first reason to end; return no bytes."""
        self.ending = self.ending or ending
        return b""

    def close(self) -> None:
        """Close the connection also for a thread that waits for it."""
        with contextlib.suppress(AttributeError, OSError):  # at its end, the response has let go of its socket
            self.response.fp.raw._sock.shutdown(socket.SHUT_RDWR)  # type: ignore[attr-defined]  # not public
        self.response.close()
