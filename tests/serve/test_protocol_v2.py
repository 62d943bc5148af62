"""The Open Inference Protocol: tritonclient works unchanged, and what is wrong is refused."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from streetseg import Segmenter
from tests.support.server import RunningServer

triton = pytest.importorskip("tritonclient.http", reason="needs tritonclient[http]")
FRAMES = np.random.default_rng(0).integers(0, 256, (2, 40, 60, 3), np.uint8)


@pytest.fixture
def client(server: RunningServer) -> Iterator[Any]:
    client = triton.InferenceServerClient(server.address, connection_timeout=60, network_timeout=60)
    yield client
    client.close()


def test_tritonclient_asks_what_there_is(client: Any) -> None:
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready("tiny")
    assert client.is_model_ready("tiny", "1")
    assert not client.is_model_ready("other")
    assert client.get_server_metadata()["extensions"] == ["binary_tensor_data"]
    metadata = client.get_model_metadata("tiny")
    assert metadata["inputs"] == [{"name": "frames", "datatype": "UINT8", "shape": [-1, -1, -1, 3]}]
    assert metadata["outputs"][1] == {"name": "logits", "datatype": "FP32", "shape": [-1, -1, -1, 3]}
    assert metadata["parameters"]["classes"] == ["road", "Gebüsch", "sky"]


@pytest.mark.parametrize("binary_input", [True, False])
@pytest.mark.parametrize("binary_output", [True, False, None])
def test_tritonclient_segments(client: Any, artefact: Path, binary_input: bool, binary_output: bool | None) -> None:
    """binary_output None: the request names no outputs, and gets all of them."""
    given = triton.InferInput("frames", list(FRAMES.shape), "UINT8")
    given.set_data_from_numpy(FRAMES, binary_data=binary_input)
    names = ("classmap", "logits")
    outputs = None
    if binary_output is not None:
        outputs = [triton.InferRequestedOutput(name, binary_data=binary_output) for name in names]
    result = client.infer("tiny", [given], outputs=outputs, request_id="7", timeout=60_000_000)
    segmenter = Segmenter.open(artefact, engine="onnxruntime", threads=1)
    for number, frame in enumerate(FRAMES):
        expected = segmenter(frame, logits=True)
        np.testing.assert_array_equal(result.as_numpy("classmap")[number], expected.classmap)
        np.testing.assert_allclose(result.as_numpy("logits")[number], np.asarray(expected.logits), rtol=1e-5)
    assert result.get_response()["id"] == "7"


def test_tritonclient_is_told_what_is_wrong(client: Any) -> None:
    given = triton.InferInput("images", list(FRAMES.shape), "UINT8")
    given.set_data_from_numpy(FRAMES)
    with pytest.raises(triton.InferenceServerException, match="there is no input 'images'; the input is 'frames'"):
        client.infer("tiny", [given])


def entry(**changes: Any) -> dict[str, Any]:
    return {"name": "frames", "datatype": "UINT8", "shape": [1, 1, 2, 3], "data": [1, 2, 3, 4, 5, 6], **changes}


BINARY = {"parameters": {"binary_data_size": 6}}


@pytest.mark.parametrize(
    ("content", "tail", "length"),
    [
        ({}, b"", None),
        ([], b"", None),
        ({"inputs": [1]}, b"", None),
        ({"inputs": [entry(), entry()]}, b"", None),
        ({"inputs": [entry(shape=[1, 1, 2, 4])]}, b"", None),
        ({"inputs": [entry(shape=[1, -1, 2, 3])]}, b"", None),
        ({"inputs": [entry(shape=[0, 1, 2, 3], data=[])]}, b"", None),
        ({"inputs": [entry(shape="1123")]}, b"", None),
        ({"inputs": [entry(datatype="FP32")]}, b"", None),
        ({"inputs": [entry(data=[1, 2, 3, 4, 5])]}, b"", None),
        ({"inputs": [entry(data=[1, 2, 3, 4, 5, 256])]}, b"", None),
        ({"inputs": [entry(data=[1, 2, 3, 4, 5, -1])]}, b"", None),
        ({"inputs": [entry(data=[1, 2, 3, 4, 5, 1.5])]}, b"", None),
        ({"inputs": [entry(data=[1, [2, 3], 4, 5, 6])]}, b"", None),
        ({"inputs": [entry(data=["a"] * 6)]}, b"", None),
        ({"inputs": [entry(data=[10**30] * 6)]}, b"", None),
        ({"inputs": [entry(data=None)]}, b"", None),
        ({"inputs": [entry(**BINARY)]}, b"12345", True),
        ({"inputs": [entry(**BINARY)]}, b"1234567", True),
        ({"inputs": [entry(parameters={"binary_data_size": -1})]}, b"", True),
        ({"inputs": [entry(parameters=[])]}, b"", None),
        ({"inputs": [entry()], "outputs": [{"name": "mask"}]}, b"", None),
        ({"inputs": [entry()], "outputs": [{}, {}]}, b"", None),
        ({"inputs": [entry()], "outputs": 3}, b"", None),
        ({"inputs": [entry()], "id": 3}, b"", None),
        ({"inputs": [entry()], "parameters": {"timeout": "soon"}}, b"", None),
        ({"inputs": [entry()]}, b"", "999999"),
        ({"inputs": [entry()]}, b"", "-3"),
        ({"inputs": [entry()]}, b"garbage", None),
    ],
)
def test_what_is_wrong_is_refused(server: RunningServer, content: Any, tail: bytes, length: str | bool | None) -> None:
    text = json.dumps(content).encode()
    headers = (
        {} if length is None else {"Inference-Header-Content-Length": str(len(text) if length is True else length)}
    )
    answer = server.ask("POST", "/v2/models/tiny/infer", text + tail, headers)
    assert answer.status == 400
    assert answer.json["error"]


def test_deep_and_endless_json_is_refused(server: RunningServer) -> None:
    for body in (b"[" * 100_000, b'{"inputs":' * 9999, b"NaN", b"\xff\xfe", b""):
        assert server.ask("POST", "/v2/models/tiny/infer", body).status == 400
    thin = {"inputs": [entry(shape=[1, 1, 2_000_000, 3], parameters={"binary_data_size": 6_000_000})]}
    text = json.dumps(thin).encode()
    headers = {"Inference-Header-Content-Length": str(len(text))}
    assert server.ask("POST", "/v2/models/grey/infer", text + bytes(6_000_000), headers).status == 413
