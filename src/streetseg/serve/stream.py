"""`WS /v1/stream`: a camera's frames in, class maps out; a late frame gives way to the latest."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time

from starlette.websockets import WebSocket, WebSocketDisconnect

from streetseg.serve.errors import RefusedError
from streetseg.serve.outputs import Wanted, wanted
from streetseg.serve.queue import ClientGoneError, QueueFullError, Ticket
from streetseg.serve.served import ServedModel
from streetseg.serve.site import Site, note, number, site_of
from streetseg.serve.work import Worker

BAD_REQUEST, GOING_AWAY, CRASHED = 1008, 1001, 1011  # WebSocket's codes
RETRY = 0.02  # seconds between two tries for a place in a full queue
REASON = 120  # bytes that a reason of closing may have


class Latest:
    """The latest frame of a client. A frame that comes while another waits takes its place.

    Attributes:
        dropped: Frames that gave way.
    """

    def __init__(self) -> None:
        self.frame: bytes | None = None
        self.dropped = 0
        self.changed = asyncio.Event()

    def put(self, frame: bytes) -> None:
        """Take a frame."""
        self.dropped += self.frame is not None
        self.frame = frame
        self.changed.set()

    async def get(self) -> bytes:
        """Return the latest frame, once there is one."""
        while self.frame is None:
            self.changed.clear()
            await self.changed.wait()
        frame, self.frame = self.frame, None
        return frame


async def stream(socket: WebSocket) -> None:
    """Answer a client's frames until it hangs up.

    Each answer is a binary message: the class map as PNG or the overlay as JPEG; for JSON forms a text. A frame that
    cannot be decoded is answered with a text, {"error": ...}. A frame that gives way gets no answer.
    """
    site = site_of(socket)
    try:
        model = site.model(socket.query_params.get("model"))
        want = wanted(socket.query_params.get("output", "classmap"), "", number(socket, "smallest", 1), False)
    except RefusedError as error:
        await socket.accept()
        await socket.close(BAD_REQUEST, str(error).encode()[:REASON].decode("ascii", "ignore"))
        return
    await socket.accept()
    latest = Latest()
    reader = asyncio.create_task(read(socket, latest))
    writer = asyncio.create_task(write(socket, site, model, want, latest))
    try:
        await asyncio.wait([reader, writer], return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in (reader, writer):
            task.cancel()
        ended = await asyncio.gather(reader, writer, return_exceptions=True)
        site.measures.dropped.labels(model.name).inc(latest.dropped)
        note(socket, model=model.name, dropped=latest.dropped)
    faults = [one for one in ended if isinstance(one, Exception) and not isinstance(one, WebSocketDisconnect)]
    with contextlib.suppress(RuntimeError, WebSocketDisconnect):  # it has hung up
        if faults:
            await socket.close(CRASHED, "the server failed on a frame")
        elif not isinstance(ended[0], WebSocketDisconnect):
            await socket.close(GOING_AWAY, "the server ends")
    if faults:
        raise faults[0]


async def read(socket: WebSocket, latest: Latest) -> None:
    """Take frames as they come."""
    while True:
        message = await socket.receive()
        if message["type"] == "websocket.disconnect":
            raise WebSocketDisconnect(message.get("code", 1000))
        if (frame := message.get("bytes")) is not None:
            latest.put(frame)


async def write(socket: WebSocket, site: Site, model: ServedModel, want: Wanted, latest: Latest) -> None:
    """Segment the latest frame and answer, one after the other, until the server ends."""
    while not site.draining:
        try:
            frame = await asyncio.wait_for(latest.get(), 1)
        except TimeoutError:
            continue
        try:
            answer = await place_and_segment(site, model, want, latest, frame)
        except RefusedError as error:
            answer = json.dumps({"error": str(error)})
        sending = socket.send_text(answer) if isinstance(answer, str) else socket.send_bytes(answer)
        await asyncio.wait_for(sending, site.settings.limits.send_seconds)


async def place_and_segment(site: Site, model: ServedModel, want: Wanted, latest: Latest, frame: bytes) -> bytes | str:
    """Return the answer to a frame, or to a later one if the queue is full meanwhile."""

    def work(ticket: Ticket) -> bytes | str:
        worker = Worker(model, site, ticket, "the frame")
        picture = worker.decode(frame)
        _, encoded = worker.segment(picture.frame, want.encode)
        return encoded if isinstance(encoded, bytes) else json.dumps(encoded)

    end = time.monotonic() + site.settings.limits.send_seconds
    while True:
        try:
            return await model.queue.run(work, Ticket())
        except QueueFullError:
            if time.monotonic() > end:
                raise
            await asyncio.sleep(RETRY)
            if latest.frame is not None:
                latest.dropped += 1
                frame = await latest.get()
        except ClientGoneError:
            raise WebSocketDisconnect from None
