"""Overload, deadlines, clients that hang up, a network that crashes: over real connections."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.support.server import PATIENCE, RunningServer, logits_of, multipart, picture, serving

SEGMENT = "/v1/segment?output=json"


class Gate:
    """A network that waits until it may go on, and fails on black frames."""

    def __init__(self) -> None:
        self.open, self.entered, self.runs = threading.Event(), threading.Semaphore(0), 0

    def __call__(self, frame: NDArray[np.uint8]) -> NDArray[np.float32]:
        self.entered.release()
        assert self.open.wait(PATIENCE)
        self.runs += 1
        if not frame.any():
            raise RuntimeError("the engine broke")
        return logits_of(frame)


@contextmanager
def gated(**settings: int) -> Iterator[tuple[RunningServer, Gate]]:
    gate = Gate()
    with serving(gate, **settings) as server:
        try:
            yield server, gate
        finally:
            gate.open.set()


def held(server: RunningServer) -> int:
    return int(server.process.state.site.models["model"].queue.held)


def wait_until_held(server: RunningServer, places: int) -> None:
    end = time.monotonic() + PATIENCE
    while held(server) != places and time.monotonic() < end:
        time.sleep(0.01)
    assert held(server) == places


def test_beyond_the_bound_503_at_once_and_health_answers() -> None:
    with gated(queue=3) as (server, gate), ThreadPoolExecutor(20) as clients:
        capacity = 2 + 3  # one frame in the network, one before or after it, three that wait
        answers = [clients.submit(server.ask, "POST", SEGMENT, picture()) for _ in range(capacity)]
        wait_until_held(server, capacity)
        for _ in range(10):
            refused = server.ask("POST", SEGMENT, picture())
            assert refused.status == 503
            assert 1 <= int(refused.headers["retry-after"]) <= 60
        assert server.ask("GET", "/v2/health/ready").status == 200
        gate.open.set()
        assert Counter(answer.result().status for answer in answers) == {200: capacity}
        wait_until_held(server, 0)


def test_a_deadline_is_kept_and_its_work_is_dropped() -> None:
    with gated() as (server, gate), ThreadPoolExecutor(4) as clients:
        first = [clients.submit(server.ask, "POST", SEGMENT, picture()) for _ in range(2)]
        wait_until_held(server, 2)
        late = server.ask("POST", SEGMENT, picture(), {"X-Timeout-Ms": "50"})
        assert late.status == 504
        wait_until_held(server, 2)  # its place is free although the network still works
        gate.open.set()
        assert [answer.result().status for answer in first] == [200, 200]
        wait_until_held(server, 0)
        assert gate.runs == 2


def test_a_client_that_hangs_up_frees_its_place() -> None:
    body = picture()
    head = b"POST /v1/segment HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(body)
    with gated() as (server, gate):
        connections = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(6)]
        for connection in connections:
            connection.sendall(head + body)
        wait_until_held(server, 6)
        assert gate.entered.acquire(timeout=PATIENCE)
        for connection in connections:
            connection.close()
        end = time.monotonic() + PATIENCE
        while held(server) > 2 and time.monotonic() < end:  # those in work end at their next stage
            time.sleep(0.01)
        assert 1 <= held(server) <= 2
        gate.open.set()
        wait_until_held(server, 0)
        assert gate.runs <= 2
        site = server.process.state.site
        end = time.monotonic() + PATIENCE
        while site.active and time.monotonic() < end:
            time.sleep(0.01)
        assert (site.active, site.bodies.held) == (0, 0)


def test_a_crash_on_one_request_is_nobody_elses() -> None:
    black = picture(seed=0)
    with gated() as (server, gate), ThreadPoolExecutor(4) as clients:
        gate.open.set()
        crash = {
            "inputs": [{"name": "frames", "datatype": "UINT8", "shape": [1, 4, 4, 3], "data": [0] * 48}],
        }
        answers = [clients.submit(server.ask, "POST", SEGMENT, black) for _ in range(3)]
        broken = clients.submit(server.ask, "POST", "/v2/models/model/infer", json.dumps(crash).encode())
        assert broken.result().status == 500
        assert "broke" not in broken.result().json["error"]
        assert {answer.result().status for answer in answers} == {200}
        assert server.ask("POST", SEGMENT, black).status == 200


@pytest.mark.parametrize("pictures", [1, 16])
def test_a_request_of_many_pictures_fits_an_empty_queue(pictures: int) -> None:
    body, headers = multipart(*[picture()] * pictures)
    with serving(logits_of, queue=0) as server:
        assert server.ask("POST", SEGMENT, body, headers).status == 200
