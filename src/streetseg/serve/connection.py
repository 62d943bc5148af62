"""HTTP connections with a limit on their number, and on the time that a request's headers may take."""

from __future__ import annotations

import asyncio

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

REASON = b'{"error": "too many connections at once"}'
FULL = (
    b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nConnection: close\r\n"
    b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (len(REASON), REASON)
)
SLOW = b"HTTP/1.1 408 Request Timeout\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"


class Connection(H11Protocol):
    """A connection. uvicorn itself waits for headers without end."""

    most = 1000
    header_seconds = 10.0
    linger_seconds = 2.0  # for the rest of a body that is not wanted

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take a connection, or answer 503 if there are too many."""
        self.patience: asyncio.TimerHandle | None = None
        super().connection_made(transport)
        if len(self.connections) > self.most:
            transport.write(FULL)
            transport.close()
            return
        self.expect_headers()

    def data_received(self, data: bytes) -> None:
        """Take data; the headers' time ends with the headers and begins with the next request's."""
        super().data_received(data)
        if self.conn.their_state is not h11.IDLE:
            self.forget_headers()
        elif self.patience is None:
            self.expect_headers()

    def on_response_complete(self) -> None:
        """Go on after an answer."""
        super().on_response_complete()
        if self.conn.their_state is h11.SEND_BODY and not self.transport.is_closing():
            # Answered before the body had come: closing now would take the answer from the client, too.
            self.loop.call_later(self.linger_seconds, self.transport.close)
            return
        trailing = self.conn.trailing_data[0] if self.conn.their_state is h11.IDLE else b""
        if trailing and self.patience is None:
            self.expect_headers()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        self.forget_headers()
        super().connection_lost(exc)

    def expect_headers(self) -> None:
        """Start the time of the headers."""
        self.patience = self.loop.call_later(self.header_seconds, self.end_slow)

    def forget_headers(self) -> None:
        """Stop the time of the headers."""
        if self.patience is not None:
            self.patience.cancel()
            self.patience = None

    def end_slow(self) -> None:
        """Close a connection whose headers did not come."""
        self.patience = None
        if not self.transport.is_closing():
            self.transport.write(SLOW)
            self.transport.close()


def connection_class(most: int, header_seconds: float) -> type[asyncio.Protocol]:
    """Return a class of connections with these limits, for uvicorn."""

    class Limited(Connection):
        """A connection with these limits."""

    Limited.most, Limited.header_seconds = most, header_seconds
    return Limited
