"""The settings of a server as one object."""

from __future__ import annotations

from dataclasses import dataclass

from streetseg.errors import UsageError

MEGABYTE = 1 << 20


@dataclass(frozen=True)
class ServeLimits:
    """The limits of what a server takes. Beyond one the answer is 4xx, or 503 where waiting helps.

    Attributes:
        body: Bytes of a request's body.
        bodies: Bytes of all bodies that are held at once; beyond them 503.
        pixels: Pixels of a picture, by its header.
        network: Pixels that a frame may have for the network, after resizing.
        parts: Pictures of a request.
        json: Bytes of a body's JSON part.
        header: Bytes of a request's headers.
        header_seconds: Seconds that a request's headers may take.
        body_seconds: Seconds that a body may take.
        pause_seconds: Seconds between two pieces of a body.
        send_seconds: Seconds for which a client may not take its answer.
        connections: Connections that are open at once, for each process.
        frame: Bytes of a frame on a WebSocket.
        drain_seconds: Seconds for what is accepted, once the server is told to end.
    """

    body: int = 64 * MEGABYTE
    bodies: int = 256 * MEGABYTE
    pixels: int = 32_000_000
    network: int = 10_000_000
    parts: int = 16
    json: int = 4 * MEGABYTE
    header: int = 16 * 1024
    header_seconds: float = 10
    body_seconds: float = 60
    pause_seconds: float = 10
    send_seconds: float = 30
    connections: int = 1000
    frame: int = 8 * MEGABYTE
    drain_seconds: float = 30


@dataclass(frozen=True)
class ServeSettings:
    """The settings of a server.

    Attributes:
        host: Address to listen on.
        port: TCP port; 0: any that is free.
        workers: Number of processes that answer on the one port.
        queue: Pictures that may wait for a model, beside those in work.
        token: Secret that clients must send as "Authorization: Bearer TOKEN"; None: everybody is answered.
        allow_origin: Web pages of other origins that may call the server, such as https://example.com.
        limits: What it takes from its clients.

    Raises:
        UsageError: If a value is out of its range.
    """

    host: str = "127.0.0.1"
    port: int = 8000
    workers: int = 1
    queue: int = 16
    token: str | None = None
    allow_origin: tuple[str, ...] = ()
    limits: ServeLimits = ServeLimits()

    def __post_init__(self) -> None:
        if not 0 <= self.port <= 65535:
            raise UsageError(f"port must be from 0 to 65535, got {self.port}")
        if self.workers < 1:
            raise UsageError(f"workers must be at least 1, got {self.workers}")
        if self.queue < 0:
            raise UsageError(f"queue must be at least 0, got {self.queue}")
        if self.token is not None and not (self.token.isascii() and self.token.isprintable() and self.token.strip()):
            raise UsageError("the token must be printable ASCII, not empty")
        for origin in self.allow_origin:
            scheme, _, host = origin.partition("://")
            if scheme not in ("http", "https") or not host or "/" in host:
                raise UsageError(f"allow-origin {origin!r} is not an origin; give, for example, https://example.com")
