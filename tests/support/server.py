"""A real server for tests: a process on a free port, and what speaks to it."""

from __future__ import annotations

import http.client
import io
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import uvicorn
from numpy.typing import NDArray
from PIL import Image

from streetseg.runtime.frames import encode_png
from streetseg.runtime.segmenter import Segmenter
from streetseg.serve.app import make_app
from streetseg.serve.log import Log
from streetseg.serve.queue import WorkQueue
from streetseg.serve.served import ServedModel
from streetseg.serve.server import configuration, listen
from streetseg.serve.settings import ServeSettings
from tests.support.cards import CARD

PATIENCE = 60  # seconds for a server to listen, on a busy machine


@dataclass
class Answer:
    """An answer over HTTP; header names in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class RunningServer:
    """A server's process, or its application if it runs in this one; its log as far as it came."""

    process: Any
    port: int
    log: list[dict[str, Any]] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def ask(self, method: str, path: str, body: bytes | None = None, headers: dict[str, str] | None = None) -> Answer:
        """Send a request on a connection of its own; return the answer."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        try:
            connection.request(method, path, body, headers or {})
            answer = connection.getresponse()
            return Answer(answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read())
        finally:
            connection.close()

    def raw(self, data: bytes, timeout: float = PATIENCE) -> bytes:
        """Send bytes as they are; return all that comes until the server closes."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=timeout) as connection:
            connection.sendall(data)
            received = b""
            try:
                while piece := connection.recv(65536):
                    received += piece
            except ConnectionError:
                pass
            return received

    def end(self) -> int:
        """Tell the server to end; return its exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.process.wait(PATIENCE)


@contextmanager
def running(*arguments: object, **environment: str) -> Iterator[RunningServer]:
    """Run `streetseg serve` with arguments on a free port; inside, it listens."""
    command = [sys.executable, "-m", "streetseg", "serve", *map(str, arguments), "--port", "0", "--threads", "1"]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ, **environment}
    )
    server = RunningServer(process, 0)
    listening = threading.Event()

    def read_log() -> None:
        assert process.stdout is not None
        server.log.extend(map(json.loads, process.stdout))

    def read_errors() -> None:
        assert process.stderr is not None
        for line in process.stderr:
            server.errors.append(line)
            if found := re.search(r"serving .*http://[^ ]*:(\d+)", line):
                server.port = int(found[1])
                listening.set()
        listening.set()

    readers = [threading.Thread(target=read_log), threading.Thread(target=read_errors)]
    for reader in readers:
        reader.start()
    try:
        assert listening.wait(PATIENCE), "the server does not listen"
        assert server.port, "".join(server.errors)
        yield server
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                process.kill()
        for reader in readers:
            reader.join(PATIENCE)
        for pipe in (process.stdout, process.stderr):
            assert pipe is not None
            pipe.close()
        process.wait()


def multipart(*contents: bytes) -> tuple[bytes, dict[str, str]]:
    """Return a multipart body of files, and its headers."""
    parts = [
        b'--XX\r\nContent-Disposition: form-data; name="f"; filename="../../etc/passwd"\r\n\r\n' + content + b"\r\n"
        for content in contents
    ]
    return b"".join([*parts, b"--XX--\r\n"]), {"Content-Type": "multipart/form-data; boundary=XX"}


def resident(process: int) -> int:
    """Return the resident bytes of a process."""
    return int(Path(f"/proc/{process}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@contextmanager
def serving(engine: Callable[[NDArray[np.uint8]], NDArray[np.float32]], **settings: Any) -> Iterator[RunningServer]:
    """Serve a network that is a Python function, in a thread of this process; its model is called "model".

    engine: H x W x 3 -> logits at stride 4 of three classes.
    """
    engine.name, engine.precision = "python", "float32"  # type: ignore[attr-defined]
    segmenter = Segmenter(replace(CARD, operating_scale=1.0), engine)  # type: ignore[arg-type]
    given = ServeSettings(port=0, **settings)
    log = Log(io.StringIO())
    model = ServedModel("model", segmenter, WorkQueue("model", segmenter.workers, given.queue))
    app = make_app({"model": model}, given, log)
    server = uvicorn.Server(configuration(app, given))
    listener = listen(given)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        yield RunningServer(app, listener.getsockname()[1])
    finally:
        server.should_exit = True
        thread.join(PATIENCE)
        listener.close()
        log.close()


def logits_of(frame: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return logits by which every pixel is of class 1."""
    logits = np.zeros((frame.shape[0] // 4, frame.shape[1] // 4, 3), np.float32)
    logits[..., 1] = 1
    return logits


def picture(height: int = 48, width: int = 64, seed: int = 0) -> bytes:
    """Return a PNG file of noise."""
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)
    return encode_png(Image.fromarray(pixels))
