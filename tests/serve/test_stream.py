"""`WS /v1/stream`: frames in, class maps out, the latest wins."""

from __future__ import annotations

import io
import json
import threading
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from streetseg import Segmenter
from tests.support.server import PATIENCE, RunningServer, logits_of, picture, serving


def test_each_frame_gets_its_class_map(server: RunningServer, artefact: Path) -> None:
    segmenter = Segmenter.open(artefact, engine="onnxruntime", threads=1)
    with connect(f"ws://{server.address}/v1/stream?model=tiny") as socket:
        for seed in range(3):
            frame = picture(40, 56, seed)
            socket.send(frame)
            answer = socket.recv(PATIENCE)
            assert isinstance(answer, bytes)
            expected = segmenter(Image.open(io.BytesIO(frame))).classmap
            np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(answer))), expected)
        socket.send(b"no picture")
        assert "not an image" in json.loads(socket.recv(PATIENCE))["error"]
        socket.send(picture())
        assert isinstance(socket.recv(PATIENCE), bytes)


def test_a_wrong_question_closes_with_the_reason(server: RunningServer) -> None:
    with connect(f"ws://{server.address}/v1/stream?model=other") as socket, pytest.raises(ConnectionClosed) as closed:
        socket.recv(PATIENCE)
    assert "there is no model 'other'" in str(closed.value)


def test_the_latest_frame_wins() -> None:
    entered, go_on = threading.Event(), threading.Event()
    seen: list[int] = []

    def engine(frame: NDArray[np.uint8]) -> NDArray[np.float32]:
        entered.set()
        assert go_on.wait(PATIENCE)
        seen.append(frame.shape[1])
        return logits_of(frame)

    with serving(engine) as server, connect(f"ws://{server.address}/v1/stream?output=json") as socket:
        socket.send(picture(48, 48))
        assert entered.wait(PATIENCE)
        for width in range(56, 56 + 8 * 20, 8):
            socket.send(picture(48, width))
        socket.ping().wait(PATIENCE)  # all have arrived
        go_on.set()
        assert [json.loads(socket.recv(PATIENCE))["width"] for _ in range(2)] == [48, 208]
        with pytest.raises(TimeoutError):
            socket.recv(0.2)
    assert seen == [48, 208]
