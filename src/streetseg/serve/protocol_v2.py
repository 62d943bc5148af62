"""The Open Inference Protocol, version 2, over HTTP: what clients of KServe and Triton speak."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

import streetseg
from streetseg.serve.body import hung_up
from streetseg.serve.errors import RefusedError
from streetseg.serve.queue import Ticket
from streetseg.serve.served import ServedModel
from streetseg.serve.site import Site, note, site_of, ticket_of
from streetseg.serve.tensors import HEADER_LENGTH, TYPES, binary_size, encode, frames_of, refuse, split_body
from streetseg.serve.work import Worker

VERSION = "1"  # of every model: one file, one version
INPUT = "frames"
OUTPUTS = {"classmap": "UINT8", "logits": "FP32"}


async def server(request: Request) -> Response:
    """Answer with the server's name, version and extensions."""
    return JSONResponse({"name": "streetseg", "version": streetseg.__version__, "extensions": ["binary_tensor_data"]})


async def live(request: Request) -> Response:
    """Answer that the process is alive."""
    return JSONResponse({"live": True})


async def ready(request: Request) -> Response:
    """Answer if the server takes requests."""
    draining = site_of(request).draining
    return JSONResponse({"ready": not draining}, 503 if draining else 200)


def model_of(request: Request) -> ServedModel:
    """Return the model in a request's path."""
    if request.path_params.get("version", VERSION) != VERSION:
        raise RefusedError(404, f"a model has version {VERSION} only")
    return site_of(request).model(request.path_params["name"])


async def model_ready(request: Request) -> Response:
    """Answer if a model takes requests."""
    model, draining = model_of(request), site_of(request).draining
    return JSONResponse({"name": model.name, "ready": not draining}, 503 if draining else 200)


async def metadata(request: Request) -> Response:
    """Answer with a model's tensors, and what its card says."""
    model = model_of(request)
    card = model.segmenter.card
    return JSONResponse(
        {
            "name": model.name,
            "versions": [VERSION],
            "platform": f"streetseg_{model.segmenter.engine.name}",
            "inputs": [{"name": INPUT, "datatype": "UINT8", "shape": [-1, -1, -1, 3]}],
            "outputs": [
                {"name": "classmap", "datatype": "UINT8", "shape": [-1, -1, -1]},
                {"name": "logits", "datatype": "FP32", "shape": [-1, -1, -1, len(card.classes)]},
            ],
            "parameters": model.facts(),
        }
    )


@dataclass(frozen=True)
class Inference:
    """An answer: its body, the length of the JSON before binary data, and the milliseconds by stage."""

    body: bytes
    json_length: int | None
    stages: str
    milliseconds: dict[str, float]


async def infer(request: Request) -> Response:
    """Segment the frames of a request."""
    site, model = site_of(request), model_of(request)
    ticket = ticket_of(request)
    model.queue.check_room()
    async with site.bodies.read(request) as body:
        note(request, model=model.name, bytes=len(body))
        work = partial(infer_body, site, model, body, request.headers.get(HEADER_LENGTH))
        done = await model.queue.run(work, ticket, hung_up(request))
    note(request, stages=done.milliseconds)
    headers = {"Server-Timing": done.stages}
    if done.json_length is None:
        return Response(done.body, headers=headers, media_type="application/json")
    headers["Inference-Header-Content-Length"] = str(done.json_length)
    return Response(done.body, headers=headers, media_type="application/octet-stream")


def infer_body(site: Site, model: ServedModel, body: bytes, header_length: str | None, ticket: Ticket) -> Inference:
    """Return the answer to a body; run in a thread of the model's queue."""
    limits = site.settings.limits
    content, raw = split_body(body, header_length, limits.json)
    patience = microseconds(content)
    if patience is not None and ticket.deadline is None:
        ticket.deadline = ticket.arrived + patience / 1e6
    request_id = content.get("id", "")
    if not isinstance(request_id, str):
        refuse("id is not text")
    entry, data = only_input(content, raw)
    frames = frames_of(entry, data, limits.parts, limits.pixels)
    names, binary = outputs_of(content)
    worker = Worker(model, site, ticket, "a frame")
    made: dict[str, list[NDArray[Any]]] = {name: [] for name in names}
    for frame in frames:
        result, _ = worker.segment(frame, lambda _: None, logits="logits" in names)
        for name in names:
            made[name].append(result.classmap if name == "classmap" else np.asarray(result.logits))
    head = {"model_name": model.name, "model_version": VERSION} | ({"id": request_id} if request_id else {})
    answered, length = encode([(name, OUTPUTS[name], np.stack(made[name]), binary[name]) for name in names], head)
    return Inference(answered, length, worker.server_timing(), worker.milliseconds())


def microseconds(content: dict[str, Any]) -> float | None:
    """Return the timeout among a request's parameters, Triton's extension; None if there is none."""
    value = parameters_of(content).get("timeout")
    if value is None or value == 0:
        return None
    if type(value) is not int or value < 0:
        refuse("the parameter timeout is a number of microseconds")
    return float(min(value, 1 << 53))


def parameters_of(entry: dict[str, Any]) -> dict[str, Any]:
    """Return the parameters of a request or an output; RefusedError if they are not an object."""
    parameters = entry.get("parameters", {})
    if not isinstance(parameters, dict):
        refuse("parameters are not an object")
    return dict(parameters)


def only_input(content: dict[str, Any], raw: memoryview) -> tuple[dict[str, Any], memoryview | None]:
    """Return the one input of a request, and its bytes if it is binary."""
    inputs = content.get("inputs")
    if not isinstance(inputs, list) or len(inputs) != 1 or not isinstance(inputs[0], dict):
        refuse(f"a request has one input, {INPUT!r}")
    entry: dict[str, Any] = inputs[0]
    if entry.get("name") != INPUT:
        refuse(f"there is no input {str(entry.get('name'))[:100]!r}; the input is {INPUT!r}")
    size = binary_size(entry)
    if (size or 0) != len(raw):
        refuse(f"{len(raw)} bytes lie behind the JSON, its inputs name {size or 0}")
    return entry, None if size is None else raw


def outputs_of(content: dict[str, Any]) -> tuple[list[str], dict[str, bool]]:
    """Return the outputs that a request asks for, all if it names none, and which of them go as bytes."""
    default = parameters_of(content).get("binary_data_output", False) is True
    entries = content.get("outputs", [])
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        refuse("outputs are not a list of objects")
    binary: dict[str, bool] = {}
    for entry in entries or [{"name": name} for name in OUTPUTS]:
        name = entry.get("name")
        if not isinstance(name, str) or name not in OUTPUTS or name in binary:
            refuse(f"output {str(name)[:100]!r} is unknown or asked for twice; there are {', '.join(OUTPUTS)}")
        parameters = parameters_of(entry)
        if parameters.get("classification"):
            refuse("outputs are no classifications of the whole picture; leave out the parameter classification")
        if "shared_memory_region" in parameters:
            refuse("shared memory is not supported")
        binary[name] = parameters.get("binary_data", default) is True
    return list(binary), binary


assert all(kind in TYPES for kind in OUTPUTS.values())


def routes() -> list[Route]:
    """Return the protocol's routes."""
    found = [Route("/v2", server), Route("/v2/health/live", live), Route("/v2/health/ready", ready)]
    for prefix in ("/v2/models/{name}", "/v2/models/{name}/versions/{version}"):
        found += [
            Route(prefix, metadata),
            Route(f"{prefix}/ready", model_ready),
            Route(f"{prefix}/infer", infer, methods=["POST"]),
        ]
    return found
