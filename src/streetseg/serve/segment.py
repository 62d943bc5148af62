"""`POST /v1/segment` and `GET /v1/models`: pictures in, class maps and what is made of them out."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import partial

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from streetseg.results import JSON
from streetseg.serve.body import hung_up
from streetseg.serve.errors import RefusedError
from streetseg.serve.multipart import boundary_of, pictures_of
from streetseg.serve.outputs import Wanted, wanted
from streetseg.serve.queue import Ticket
from streetseg.serve.served import ServedModel
from streetseg.serve.site import Site, note, number, site_of, ticket_of
from streetseg.serve.work import Worker

LONGEST_HEADER = 2048  # characters: proxies take headers of 4 KiB in all
# Types of a body that is surely no picture.
NO_PICTURE = ("application/json", "application/x-www-form-urlencoded", "text/")


async def list_models(request: Request) -> Response:
    """Answer with the models: names, classes, colours, sizes."""
    return JSONResponse({"models": [model.facts() for model in site_of(request).models.values()]})


@dataclass(frozen=True)
class Answer:
    """An answer. facts: of the one picture, for a header; stages: for the header Server-Timing."""

    body: bytes
    media_type: str
    stages: str
    milliseconds: dict[str, float]
    facts: dict[str, JSON] | None


async def segment(request: Request) -> Response:
    """Segment the pictures of a request."""
    site = site_of(request)
    model = site.model(request.query_params.get("model"))
    output, smallest = request.query_params.get("output"), number(request, "smallest", 1)
    ticket = ticket_of(request)
    content_type = request.headers.get("content-type", "")
    boundary = boundary_of(content_type)
    if content_type.lower().startswith(NO_PICTURE):
        raise RefusedError(415, "send a picture as the body, or several as multipart/form-data")
    want = wanted(output, request.headers.get("accept", ""), smallest, boundary is not None)
    model.queue.check_room()  # before the body is read
    async with site.bodies.read(request) as body:
        pictures = [body] if boundary is None else pictures_of(body, boundary, site.settings.limits.parts)
        note(request, model=model.name, pictures=len(pictures), bytes=len(body), output=want.form)
        work = partial(answer, site, model, pictures, want, boundary is not None)
        done = await model.queue.run(work, ticket, hung_up(request), len(pictures))
    note(request, stages=done.milliseconds)
    headers = {"Server-Timing": done.stages, "X-Model": model.name, "Vary": "Accept"}
    if done.facts is not None and want.form not in ("rle", "polygons", "json"):
        text = json.dumps(done.facts)
        if len(text) <= LONGEST_HEADER:
            headers["X-Result"] = text
    return Response(done.body, headers=headers, media_type=done.media_type)


def answer(
    site: Site, model: ServedModel, pictures: list[bytes], want: Wanted, together: bool, ticket: Ticket
) -> Answer:
    """Return the answer to pictures; run in a thread of the model's queue.

    together: They came as a list, so the answer is one, too.
    """
    worker = Worker(model, site, ticket)
    encoded: list[bytes | dict[str, JSON]] = []
    facts: dict[str, JSON] | None = None
    while pictures:  # each is let go once it is decoded
        if together:
            worker.what = f"picture {len(encoded)}"
        picture = worker.decode(pictures.pop(0))
        result, one = worker.segment(picture.frame, want.encode)
        remarks: list[JSON] = [*picture.assumed, *picture.tolerated]
        if isinstance(one, dict):
            one = {"model": model.name, **one, "remarks": remarks}
        else:
            facts = {**result.facts(), "remarks": remarks}
        encoded.append(one)
    body, media_type = want.join(encoded, together)
    return Answer(body, media_type, worker.server_timing(), worker.milliseconds(), None if together else facts)
