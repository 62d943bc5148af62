"""The process: it starts, it ends when told, several share one port, and mistakes get one line."""

from __future__ import annotations

import os
import signal
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.support.command_line import ONNXRUNTIME, Run, without
from tests.support.server import PATIENCE, RunningServer, multipart, picture, running


@pytest.mark.slow
def test_told_to_end_it_finishes_what_it_has_accepted(artefact: Path) -> None:
    body, headers = multipart(*[picture(1500, 2000)] * 6)
    with running(artefact, *ONNXRUNTIME) as server, ThreadPoolExecutor(1) as clients:
        work = clients.submit(server.ask, "POST", "/v1/segment?output=json", body, headers)
        while b'streetseg_queue_places{model="tiny"} 6.0' not in server.ask("GET", "/metrics").body:
            assert not work.done()
        server.process.send_signal(signal.SIGTERM)
        states = set()
        while server.process.poll() is None:
            try:
                states.add(server.ask("GET", "/v2/health/ready").status)
            except OSError:
                break
        assert 503 in states
        assert len(work.result().json["results"]) == 6
        assert server.process.wait(PATIENCE) == 0
        assert not [line for line in server.log if line["event"] == "crash"]
    assert [line["event"] for line in server.log if line["event"] != "request"] == ["listening", "draining", "ended"]


@pytest.mark.slow
def test_several_processes_share_a_port_and_one_that_dies_is_replaced(artefact: Path) -> None:
    def processes(server: RunningServer) -> set[int]:
        return {line["process"] for line in server.log if line["event"] == "listening"}

    def wait_for(server: RunningServer, number: int) -> None:
        end = time.monotonic() + PATIENCE
        while len(processes(server)) < number and time.monotonic() < end:
            time.sleep(0.05)
        assert len(processes(server)) == number

    with running(artefact, *ONNXRUNTIME, "--workers", 2) as server:
        wait_for(server, 2)
        time.sleep(1.1)
        for _ in range(6):
            assert server.ask("POST", "/v1/segment", picture()).status == 200
        text = server.ask("GET", "/metrics").body.decode()
        assert 'streetseg_frames_total{model="tiny"} 6.0' in text
        os.kill(min(processes(server)), signal.SIGKILL)
        wait_for(server, 3)
        assert server.ask("POST", "/v1/segment", picture()).status == 200
        assert server.end() == 0


def test_a_port_that_is_taken_is_one_line(run: Run, artefact: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        code, _, errors = run("serve", artefact, "--port", port)
    assert code == 2
    assert errors == [f"streetseg: nothing can listen on 127.0.0.1, port {port}: Address already in use; choose another"
                      " --host or --port"]  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--port", "99999"], "port must be from 0 to 65535"),
        (["--workers", "0"], "workers must be at least 1"),
        (["--allow-origin", "*"], "is not an origin"),
        (["--token", ""], "token must be"),
        (["--queue", "-1"], "queue must be"),
        (["nothing.onnx", "--port", "0"], "does not exist"),
    ],
)
def test_mistakes_get_one_line(run: Run, arguments: list[str], words: str) -> None:
    code, output, errors = run("serve", *arguments)
    assert (code, output, len(errors)) == (2, [], 1)
    assert words in errors[0]


def test_two_artefacts_of_one_name(run: Run, artefact: Path) -> None:
    code, _, errors = run("serve", artefact, artefact, "--port", "0", *ONNXRUNTIME)
    assert code == 2
    assert "two artefacts have the name 'tiny'" in errors[0]


@pytest.mark.parametrize("module", ["starlette", "uvicorn", "prometheus_client", "websockets"])
def test_without_the_extra_one_line_says_how_to_install_it(module: str) -> None:
    assert "pip install 'streetseg[serve]'" in without(module, "serve")
