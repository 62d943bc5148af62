"""Read a request's body within limits."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator

from starlette.requests import ClientDisconnect, Request

from streetseg.serve.errors import RefusedError
from streetseg.serve.queue import ClientGoneError
from streetseg.serve.settings import ServeLimits


class Bodies:
    """The bytes of all bodies that the process holds.

    Attributes:
        held: Bytes.
    """

    def __init__(self, limits: ServeLimits) -> None:
        self.limits = limits
        self.held = 0

    @contextlib.asynccontextmanager
    async def read(self, request: Request) -> AsyncIterator[bytes]:
        """Read a request's body; its bytes count until the block ends.

        Raises:
            RefusedError: It is too large (413), too slow (408), encoded (415), or there is no memory for it now (503).
            ClientGoneError: The client hung up.
        """
        counted = [0]
        try:
            yield await self.collect(request, counted)
        finally:
            self.held -= counted[0]

    async def collect(self, request: Request, counted: list[int]) -> bytes:
        """Return the body; counted: its bytes, which count whatever happens."""
        limits = self.limits
        if request.headers.get("content-encoding", "identity").lower() != "identity":
            raise RefusedError(415, "compressed bodies are not taken; send it without Content-Encoding")
        announced = int(request.headers.get("content-length") or 0)  # h11 has checked that it is a number
        if announced > limits.body:
            raise RefusedError(413, too_large(limits))
        body: list[bytes] = []
        end = time.monotonic() + limits.body_seconds
        pieces = aiter(request.stream())
        try:
            while True:
                patience = min(limits.pause_seconds, end - time.monotonic())
                try:
                    piece = await asyncio.wait_for(anext(pieces), patience)
                except StopAsyncIteration:
                    return b"".join(body)
                counted[0] += len(piece)
                self.held += len(piece)
                if counted[0] > limits.body:
                    raise RefusedError(413, too_large(limits))
                if self.held > limits.bodies:
                    raise RefusedError(503, "too many bodies at once; try again", Retry_After="1")
                body.append(piece)
        except TimeoutError:
            raise RefusedError(408, "the body came too slowly", Connection="close") from None
        except ClientDisconnect:
            raise ClientGoneError from None


def too_large(limits: ServeLimits) -> str:
    """Return the message about a body that is too large."""
    return f"the body has more than {limits.body >> 20} MiB; send a smaller picture, or fewer"


async def hung_up(request: Request) -> None:
    """Wait until the client has hung up; call it only after the body is read."""
    while (await request.receive())["type"] != "http.disconnect":
        pass
