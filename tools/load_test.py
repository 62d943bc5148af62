"""Measure a server of `streetseg serve` under load and under attack. It starts its own, on the loopback address.

    python tools/load_test.py               # all, about five minutes
    python tools/load_test.py --short       # all, less than a minute; figures are rough
    python tools/load_test.py rates hostile # some of them

Prints a table of each measurement. Exit code 1 if a bound does not hold. Linux only.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import io
import json
import os
import random
import re
import signal
import struct
import subprocess
import sys
import threading
import time
import zlib
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import simplejpeg

from streetseg import Segmenter
from streetseg.results import text_table
from streetseg.runtime.frames import decode_frame
from streetseg.serve.outputs import classmap_png
from streetseg.streets.scene import render

HOST = "127.0.0.1"
PATIENCE = 120  # seconds for an answer
CLIENTS = (1, 2, 8, 64)
MAY_COST = 0.15  # share of the bare Segmenter's rate
HOSTILE, HOSTILE_GROWTH = 200, 1 << 20  # requests, bytes
KILLED = 100  # clients
SLOPE = 10  # bytes a request
HEALTH = 0.1  # seconds


@dataclass(frozen=True)
class Lengths:
    """How long the measurements are: seconds a rate, seconds of overload, requests of the soak."""

    rate: float = 12
    overload: float = 60
    soak: int = 20_000


LONG, SHORT = Lengths(), Lengths(2, 6, 300)


@dataclass
class Server:
    """The server's process."""

    process: subprocess.Popen[str]
    port: int

    def resident(self) -> int:
        """Return the resident bytes of the process."""
        pages = int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")

    def threads(self) -> int:
        """Return the number of its threads."""
        return sum(1 for _ in Path(f"/proc/{self.process.pid}/task").iterdir())

    def descriptors(self) -> int:
        """Return the number of its open descriptors."""
        return sum(1 for _ in Path(f"/proc/{self.process.pid}/fd").iterdir())


@contextlib.contextmanager
def running(arguments: Sequence[str]) -> Iterator[Server]:
    """Run a server on a free port; inside, it listens."""
    command = [sys.executable, "-m", "streetseg", "serve", "--port", "0", *arguments]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    reader = threading.Thread(target=process.stderr.read)
    try:
        for line in process.stderr:
            if found := re.search(r"serving .*:(\d+)", line):
                break
            print(line, end="", file=sys.stderr)
        else:
            raise SystemExit("the server did not start")
        reader.start()
        yield Server(process, int(found[1]))
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(PATIENCE)
        if reader.ident is not None:
            reader.join()
        process.stderr.close()


class Client:
    """A connection that sends one request after the other."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.reader: asyncio.StreamReader | None = None
        self.writer: asyncio.StreamWriter | None = None

    async def ask(self, request: bytes) -> tuple[int, bytes]:
        """Send a request; return the status and the body of its answer."""
        if self.writer is None or self.writer.is_closing():
            self.reader, self.writer = await asyncio.open_connection(HOST, self.port)
        assert self.reader is not None
        self.writer.write(request)
        await self.writer.drain()
        head = (await self.reader.readuntil(b"\r\n\r\n")).lower()
        length = re.search(rb"content-length: (\d+)", head)
        body = await self.reader.readexactly(int(length[1])) if length else b""
        if b"connection: close" in head:
            self.close()
        return int(head.split(b" ", 2)[1]), body

    def close(self) -> None:
        """Close the connection."""
        if self.writer is not None:
            self.writer.close()
            self.writer = None

    async def end(self) -> None:
        """Close the connection and wait until it is closed."""
        writer = self.writer
        self.close()
        if writer is not None:
            with contextlib.suppress(OSError):
                await writer.wait_closed()


async def ask_once(port: int, request: bytes) -> tuple[int, bytes]:
    """Send a request on a connection of its own; return the status and the body of its answer."""
    client = Client(port)
    try:
        return await client.ask(request)
    finally:
        await client.end()


def post(path: str, body: bytes, *headers: str) -> bytes:
    """Return a request."""
    lines = [f"POST {path} HTTP/1.1", f"Host: {HOST}", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join([*lines, "", ""]).encode() + body


def get(path: str) -> bytes:
    """Return a request."""
    return f"GET {path} HTTP/1.1\r\nHost: {HOST}\r\n\r\n".encode()


def street(size: tuple[int, int] = (480, 640)) -> bytes:
    """Return a rendered street as JPEG."""
    return bytes(simplejpeg.encode_jpeg(np.ascontiguousarray(render(1, size).frame), quality=90))


def percentile(values: Sequence[float], share: float) -> float:
    """Return the value below which a share of the values lies; NaN of none."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else float("nan")


@dataclass
class Tally:
    """What clients met: statuses, and the seconds of the good answers. broken: connections that ended early."""

    statuses: Counter[int] = field(default_factory=Counter)
    seconds: list[float] = field(default_factory=list)
    broken: int = 0

    async def ask(self, client: Client, request: bytes) -> int:
        """Send a request and count its answer; return the status, 0 without an answer."""
        start = time.perf_counter()
        try:
            status, _ = await asyncio.wait_for(client.ask(request), PATIENCE)
        except (OSError, EOFError, TimeoutError):
            client.close()
            self.broken += 1
            return 0
        self.statuses[status] += 1
        if status == 200:
            self.seconds.append(time.perf_counter() - start)
        return status


async def health(port: int, ended: asyncio.Event, seconds: list[float]) -> None:
    """Ask for the server's health on a connection of its own until ended; note the seconds."""
    client = Client(port)
    while not ended.is_set():
        start = time.perf_counter()
        status, _ = await client.ask(get("/v2/health/ready"))
        assert status == 200
        seconds.append(time.perf_counter() - start)
        await asyncio.sleep(0.05)
    client.close()


async def with_health(port: int, load: Awaitable[object]) -> list[float]:
    """Run a load; return the seconds that health took meanwhile."""
    ended, seconds = asyncio.Event(), list[float]()
    asking = asyncio.create_task(health(port, ended, seconds))
    try:
        await load
    finally:
        ended.set()
        await asking
    return seconds


async def steady(port: int, clients: int, seconds: float, request: bytes) -> tuple[Tally, float]:
    """Let clients send one request after the other; return the tally and the seconds that it took."""
    tally, start = Tally(), time.perf_counter()

    async def one() -> None:
        client = Client(port)
        while time.perf_counter() < start + seconds:
            if await tally.ask(client, request) == 503:
                await asyncio.sleep(0.05)
        await client.end()

    await asyncio.gather(*(one() for _ in range(clients)))
    return tally, time.perf_counter() - start


def bare_rate(segmenter: Segmenter, jpeg: bytes, seconds: float) -> float:
    """Return the frames/s of JPEG to class map as PNG without a server, as many at once as the server does."""
    done, end = [0] * segmenter.workers, time.perf_counter() + seconds

    def work(place: int) -> None:
        while time.perf_counter() < end:
            classmap_png(segmenter(decode_frame(io.BytesIO(jpeg), "frame")))
            done[place] += 1

    threads = [threading.Thread(target=work, args=(place,)) for place in range(segmenter.workers)]
    start = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(done) / (time.perf_counter() - start)


def measure_rates(arguments: Sequence[str], lengths: Lengths) -> list[str]:
    """Print rates and latencies by clients beside the bare Segmenter's; return the bounds that do not hold."""
    jpeg = street()
    request = post("/v1/segment", jpeg)
    rows = [["clients", "frames/s", "bare frames/s", "share", "p50 ms", "p99 ms", "health p99 ms"]]
    shares, slow = [], 0.0
    segmenter = Segmenter.open()
    bare_rate(segmenter, jpeg, 0.5)
    with running(["--queue", "64", *arguments]) as server:
        asyncio.run(steady(server.port, 2, 1, request))
        for clients in CLIENTS:  # the bare rate beside each: the machine may change its pace
            before = bare_rate(segmenter, jpeg, lengths.rate / 4)
            results: list[tuple[Tally, float]] = []

            async def load(clients: int = clients, results: list[tuple[Tally, float]] = results) -> None:
                results.append(await steady(server.port, clients, lengths.rate, request))

            healths = asyncio.run(with_health(server.port, load()))
            bare = (before + bare_rate(segmenter, jpeg, lengths.rate / 4)) / 2
            (tally, took) = results[0]
            rate = tally.statuses[200] / took
            shares.append(rate / bare)
            slow = max(slow, percentile(healths, 0.99))
            rows.append(
                [
                    str(clients),
                    f"{rate:.1f}",
                    f"{bare:.1f}",
                    f"{rate / bare:.2f}",
                    f"{1e3 * percentile(tally.seconds, 0.5):.1f}",
                    f"{1e3 * percentile(tally.seconds, 0.99):.1f}",
                    f"{1e3 * percentile(healths, 0.99):.1f}",
                ]
            )
    print(text_table(rows))
    faults = [f"the best rate is {max(shares):.2f} of the bare one"] if max(shares) < 1 - MAY_COST else []
    return faults + ([f"health took {1e3 * slow:.0f} ms"] if slow > HEALTH else [])


def measure_overload(arguments: Sequence[str], lengths: Lengths) -> list[str]:
    """Print what becomes of ten times too many requests; return the bounds that do not hold."""
    request, queue = post("/v1/segment?output=json", street()), 16
    with running(["--queue", str(queue), *arguments]) as server:
        tally, took = asyncio.run(steady(server.port, 4, max(2.0, lengths.rate / 3), request))
        pace = tally.statuses[200] / took
        flood = Tally()
        sent = 0

        async def one() -> None:
            client = Client(server.port)
            await flood.ask(client, request)
            client.close()

        async def load() -> None:
            nonlocal sent
            tasks: set[asyncio.Task[None]] = set()
            start = time.perf_counter()
            while (now := time.perf_counter() - start) < lengths.overload:
                while sent < 10 * pace * now:
                    tasks.add(task := asyncio.create_task(one()))
                    task.add_done_callback(tasks.discard)
                    sent += 1
                await asyncio.sleep(0.005)
            await asyncio.gather(*tasks)

        before = server.resident()
        healths = asyncio.run(with_health(server.port, load()))
        grown = server.resident() - before
    accepted, rejected = flood.statuses[200], flood.statuses[503]
    worst = percentile(flood.seconds, 0.99)
    bound = (queue + 3) / pace
    print(
        text_table(
            [
                ["sent/s", "sent", "accepted", "rejected", "lost", "p99 s", "queue / rate s", "health p99 ms", "MiB"],
                [
                    f"{sent / lengths.overload:.0f}", str(sent), str(accepted), str(rejected), str(flood.broken),
                    f"{worst:.2f}", f"{bound:.2f}", f"{1e3 * percentile(healths, 0.99):.1f}", f"{grown / 2**20:+.1f}",
                ],
            ]
        )
    )  # fmt: skip
    faults = [] if accepted + rejected == sent else [f"{sent - accepted - rejected} of {sent} requests were lost"]
    if worst > 2 * bound:
        faults.append(f"p99 of the accepted is {worst:.2f} s, the queue over the rate {bound:.2f} s")
    return faults + (
        [f"health took {1e3 * percentile(healths, 0.99):.0f} ms"] if percentile(healths, 0.99) > HEALTH else []
    )


def bomb(side: int = 30_000) -> bytes:
    """Return a PNG with a large size in its header and few pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(bytes(10**6)))
        + chunk(b"IEND", b"")
    )


def hostile_requests(number: int) -> list[tuple[str, bytes]]:
    """Return names and bytes of bad requests, the same on every run."""
    rng = random.Random(0)
    jpeg = street((96, 128))
    part = b'--X\r\nContent-Disposition: form-data; name="f"; filename="../../../etc/passwd"\r\n\r\n' + jpeg
    multipart = "Content-Type: multipart/form-data; boundary=X"
    tensor = json.dumps(
        {"inputs": [{"name": "frames", "datatype": "UINT8", "shape": [1, 64, 64, 3],
                     "parameters": {"binary_data_size": 12_288}}]}
    ).encode()  # fmt: skip
    model = "/v2/models/ddrnet_23_slim_camvid/infer"

    def garbage() -> bytes:
        return bytes(rng.choices(range(256), k=rng.randrange(1, 5000)))

    makers: list[tuple[str, Callable[[], bytes]]] = [
        ("bomb", lambda: post("/v1/segment", bomb(rng.randrange(20_000, 60_000)))),
        ("thin bomb", lambda: post("/v1/segment", bomb(65_000)[:60])),
        ("truncated picture", lambda: post("/v1/segment", jpeg[: rng.randrange(2, len(jpeg) - 200)])),
        ("garbage picture", lambda: post("/v1/segment", garbage())),
        ("truncated multipart", lambda: post("/v1/segment", part[: rng.randrange(10, len(part))], multipart)),
        ("many parts", lambda: post("/v1/segment", (part + b"\r\n") * 40 + b"--X--", multipart)),
        ("1 GB announced", lambda: b"POST /v1/segment HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000000\r\n\r\n"),
        (
            "wrong lengths",
            lambda: b"POST /v1/segment HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 9\r\n\r\n",
        ),
        ("negative length", lambda: b"POST /v1/segment HTTP/1.1\r\nHost: x\r\nContent-Length: -9\r\n\r\n"),
        ("large header", lambda: b"GET /v2 HTTP/1.1\r\nHost: x\r\nX: " + b"x" * 50_000),
        ("garbage tensor", lambda: post(model, garbage(), "Inference-Header-Content-Length: 7")),
        ("short tensor", lambda: post(model, tensor + garbage(), f"Inference-Header-Content-Length: {len(tensor)}")),
        ("deep JSON", lambda: post(model, b"[" * rng.randrange(10_000, 90_000))),
        ("no HTTP", lambda: garbage() + b"\r\n\r\n"),
        ("path", lambda: get("/page/%2e%2e/%2e%2e/" + "../" * rng.randrange(1, 9) + "etc/passwd")),
        ("unknown model", lambda: post("/v1/segment?model=../../etc/passwd", jpeg)),
    ]
    return [(name, make()) for name, make in (makers[index % len(makers)] for index in range(number))]


async def attack(port: int, requests: Sequence[tuple[str, bytes]]) -> Counter[str]:
    """Send bad requests, eight at once; return how many got which status."""
    met: Counter[str] = Counter()
    turns = asyncio.Semaphore(8)

    async def one(name: str, data: bytes) -> None:
        async with turns:
            reader, writer = await asyncio.open_connection(HOST, port)
            with contextlib.suppress(OSError):
                writer.write(data)
                await writer.drain()
            try:
                head = await asyncio.wait_for(reader.read(12), PATIENCE)
                status = head.split(b" ")[1].decode() if head else "closed"
            except (OSError, TimeoutError, IndexError):
                status = "closed"
            met[status] += 1
            if not status.startswith("4"):
                print(f"{name}: {status}")
            writer.close()

    await asyncio.gather(*(one(name, data) for name, data in requests))
    return met


def measure_hostile(arguments: Sequence[str], lengths: Lengths) -> list[str]:
    """Print what bad requests and slow clients get; return the bounds that do not hold."""
    requests = hostile_requests(HOSTILE)
    good = post("/v1/segment?output=json", street((96, 128)))
    with running(arguments) as server:
        asyncio.run(steady(server.port, 2, 1, good))
        for _ in range(3):  # so that pools of memory have their size before the first look
            asyncio.run(attack(server.port, requests))
        time.sleep(1)
        before = server.resident()
        met = asyncio.run(attack(server.port, requests))
        time.sleep(1)
        grown = server.resident() - before
        slow = asyncio.run(slow_loris(server.port, 20))
        alive, _ = asyncio.run(ask_once(server.port, good))
    print(
        text_table(
            [
                ["requests", "4xx", "other", "slow clients ended", "memory KiB", "then"],
                [
                    str(HOSTILE), str(sum(n for status, n in met.items() if status.startswith("4"))),
                    str(sum(n for status, n in met.items() if not status.startswith("4"))), f"{slow} of 20",
                    f"{grown / 1024:+.0f}", str(alive),
                ],
            ]
        )
    )  # fmt: skip
    faults = [f"{number} got {status}" for status, number in met.items() if not status.startswith("4")]
    faults += [f"memory grew by {grown / 1024:.0f} KiB"] if grown >= HOSTILE_GROWTH else []
    faults += [f"only {slow} of 20 slow clients were ended"] if slow < 20 else []
    return faults + ([f"a good request got {alive}"] if alive != 200 else [])


async def slow_loris(port: int, clients: int) -> int:
    """Send headers a byte a second; return how many of the clients the server ended."""

    async def one() -> bool:
        reader, writer = await asyncio.open_connection(HOST, port)
        try:
            for byte in b"GET / HTTP/1.1\r\nX: slow and slower":
                writer.write(bytes([byte]))
                await writer.drain()
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(reader.read(99), 1)
                    return True
            return False
        except OSError:
            return True
        finally:
            writer.close()

    return sum(await asyncio.gather(*(one() for _ in range(clients))))


def measure_killed(arguments: Sequence[str], lengths: Lengths) -> list[str]:
    """Print what is left of clients that are killed in mid-request; return the bounds that do not hold."""
    request = post("/v1/segment", street())

    async def kill(port: int) -> None:
        async def one(number: int) -> None:
            with contextlib.suppress(OSError):
                _, writer = await asyncio.open_connection(HOST, port)
                writer.write(request[: len(request) if number % 2 else len(request) // 2])
                await asyncio.sleep(0.02 * (number % 10))
                writer.transport.abort()

        await asyncio.gather(*(one(number) for number in range(KILLED)))

    def left(port: int) -> tuple[float, float]:
        _, body = asyncio.run(ask_once(port, get("/metrics")))
        found = [re.search(rf"^{name}(?:{{.*}})? (\S+)$", body.decode(), re.M) for name in
                 ("streetseg_queue_places", "streetseg_active_requests")]  # fmt: skip
        places, active = (float(one[1]) if one else float("nan") for one in found)
        return places, active - 1  # the one that asks

    with running(["--queue", "64", *arguments]) as server:
        asyncio.run(steady(server.port, 2, 1, request))
        before = server.threads(), server.descriptors()
        asyncio.run(kill(server.port))
        end = time.monotonic() + 30
        while left(server.port) != (0, 0) and time.monotonic() < end:
            time.sleep(0.2)
        places, active = left(server.port)
        while server.descriptors() > before[1] and time.monotonic() < end:
            time.sleep(0.2)
        threads, descriptors = server.threads() - before[0], server.descriptors() - before[1]
    print(
        text_table(
            [
                ["killed", "places left", "requests left", "threads", "descriptors"],
                [str(KILLED), f"{places:.0f}", f"{active:.0f}", f"{threads:+}", f"{descriptors:+}"],
            ]
        )
    )
    return [] if (places, active) == (0, 0) and threads <= 0 and descriptors <= 0 else ["something is left of them"]


def measure_soak(arguments: Sequence[str], lengths: Lengths) -> list[str]:
    """Print how memory grows over many requests; return the bounds that do not hold."""
    request = post("/v1/segment", street((96, 128)))
    points: list[tuple[int, int]] = []
    with running(arguments) as server:

        async def soak() -> int:
            sent, failed = 0, 0

            async def one() -> None:
                nonlocal sent, failed
                client = Client(server.port)
                while sent < lengths.soak:
                    sent += 1
                    if sent % max(1, lengths.soak // 200) == 0:
                        points.append((sent, server.resident()))
                    failed += (await client.ask(request))[0] != 200
                client.close()

            await asyncio.gather(*(one() for _ in range(4)))
            return failed

        failed = asyncio.run(soak())
    settled = np.array(points[len(points) // 4 :], np.float64)  # pools of memory have their size by then
    slope = float(np.polyfit(settled[:, 0], settled[:, 1], 1)[0])
    print(text_table([["requests", "failed", "bytes a request"], [str(lengths.soak), str(failed), f"{slope:.1f}"]]))
    faults = [f"{failed} requests failed"] if failed else []
    return faults + ([f"memory grows by {slope:.1f} bytes a request"] if slope >= SLOPE else [])


MEASUREMENTS: dict[str, Callable[[Sequence[str], Lengths], list[str]]] = {
    "rates": measure_rates,
    "overload": measure_overload,
    "hostile": measure_hostile,
    "killed": measure_killed,
    "soak": measure_soak,
}


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """Return the options of the command."""
    parser = argparse.ArgumentParser(description="Measure a server under load and under attack.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"{', '.join(MEASUREMENTS)} (default: all)")
    parser.add_argument("--short", action="store_true", help="less than a minute for all; figures are rough")
    parser.add_argument(
        "--serve",
        nargs=argparse.REMAINDER,
        default=[],
        metavar="OPTION",
        help="further options of streetseg serve; last",
    )
    options = parser.parse_args(arguments)
    if unknown := [name for name in options.names if name not in MEASUREMENTS]:
        parser.error(f"unknown measurement {unknown[0]!r}; choose one of {', '.join(MEASUREMENTS)}")
    return options


def main(arguments: list[str] | None = None) -> int:
    """Run the measurements; return the exit code."""
    options = parse(arguments)
    faults = []
    for name in options.names or MEASUREMENTS:
        print(f"{name}:", flush=True)
        for fault in MEASUREMENTS[name](options.serve, SHORT if options.short else LONG):
            faults.append(fault)
            print(f"FAULT: {fault}")
        print(flush=True)
    return int(bool(faults))


if __name__ == "__main__":
    sys.exit(main())
