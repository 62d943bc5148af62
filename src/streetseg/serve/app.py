"""The server's application: its routes, and what becomes of errors."""

from __future__ import annotations

import contextlib
import traceback
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.types import ASGIApp, Receive, Scope, Send

from streetseg.errors import MissingExtraError, StreetsegError
from streetseg.page.files import INDEX, PageFile, page_files
from streetseg.serve import openapi, protocol_v2, segment
from streetseg.serve.errors import RefusedError
from streetseg.serve.guard import Guard, refused
from streetseg.serve.log import Log
from streetseg.serve.queue import ClientGoneError, DeadlineMissedError, QueueFullError
from streetseg.serve.served import ServedModel
from streetseg.serve.settings import ServeSettings
from streetseg.serve.site import Site, note, site_of
from streetseg.serve.stream import stream

PAGE = Path(__file__).parent / "page"


async def metrics(request: Request) -> Response:
    """Answer with the figures for Prometheus."""
    return Response(site_of(request).metrics(), media_type="text/plain; version=0.0.4; charset=utf-8")


async def document(request: Request) -> Response:
    """Answer with the OpenAPI document."""
    return JSONResponse(openapi.document(list(site_of(request).models)))


async def readable(request: Request) -> Response:
    """Answer with the OpenAPI document as a page."""
    return Response(openapi.page(openapi.document(list(site_of(request).models))), media_type="text/html")


# Async although nothing is awaited: Starlette would run plain functions in threads.


async def on_refused(request: Request, error: Exception) -> Response:
    """Answer a request that cannot be answered as asked."""
    assert isinstance(error, RefusedError)
    note(request, error=str(error))
    return refused(error.status, str(error), error.headers)


async def on_full(request: Request, error: Exception) -> Response:
    """Answer a request for which no place is free."""
    assert isinstance(error, QueueFullError)
    return refused(503, str(error), {"Retry-After": str(error.retry_after)})


async def on_deadline(request: Request, error: Exception) -> Response:
    """Answer a request whose deadline has passed."""
    return refused(504, "the deadline of X-Timeout-Ms passed before the answer was ready")


async def on_gone(request: Request, error: Exception) -> Response:
    """Answer a client that has hung up: nobody reads it, the log counts it."""
    return refused(499, "the client hung up")


async def on_http(request: Request, error: Exception) -> Response:
    """Answer an address or a method that does not exist."""
    assert isinstance(error, HTTPException)
    return refused(error.status_code, error.detail, dict(error.headers or {}))


async def on_crash(request: Request, error: Exception) -> Response:
    """Answer a request on which the server failed; its traceback is in the log only."""
    if isinstance(error, MissingExtraError):
        return refused(501, str(error))
    site_of(request).log("crash", {"error": repr(error)[:500], "trace": "".join(traceback.format_exception(error))})
    return refused(500, "the server failed on this request; its log says why")


Named = TypeVar("Named", Route, WebSocketRoute)

ERRORS: Mapping[Any, Any] = {
    RefusedError: on_refused,
    QueueFullError: on_full,
    DeadlineMissedError: on_deadline,
    ClientGoneError: on_gone,
    HTTPException: on_http,
    StreetsegError: on_crash,
}


class Survive:
    """ASGI middleware inside the guard: an error of one request becomes its answer and nobody else's."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        begun = False

        async def answer(message: Any) -> None:
            nonlocal begun
            begun = True
            await send(message)

        try:
            await self.app(scope, receive, answer)
        except Exception as error:
            if scope["type"] != "http" or begun:
                site: Site = scope["app"].state.site
                site.log("crash", {"error": repr(error)[:500]})
                if scope["type"] == "http":
                    raise
                return
            await (await on_crash(Request(scope), error))(scope, receive, send)


def page_route(place: str, file: PageFile) -> Route:
    """Return the route of a file of the page; it is in memory."""

    async def send(request: Request) -> Response:
        headers = {"Cache-Control": "no-cache"}
        return Response(file.content, headers=headers, media_type=file.media_type)

    return named(Route("/" if place == INDEX else f"/{place}", send), "/" if place == INDEX else "/page")


def named(route: Named, name: str | None = None) -> Named:
    """Return a route that notes its name for the figures."""
    inner = route.handle

    async def handle(scope: Scope, receive: Receive, send: Send) -> None:
        scope["streetseg.route"] = name or route.path
        await inner(scope, receive, send)

    route.handle = handle  # type: ignore[method-assign]
    return route


async def to_docs(request: Request) -> Response:
    """Lead to the page of addresses, where the page for people is not installed."""
    return RedirectResponse("docs")


def make_app(models: Mapping[str, ServedModel], settings: ServeSettings, log: Log) -> Starlette:
    """Return the application.

    Args:
        models: The models by name.
        settings: The settings.
        log: The log.

    Returns:
        An ASGI application; its `state.site` is what the routes share.
    """
    site = Site(models, settings, log)
    routes = [
        Route("/v1/models", segment.list_models),
        Route("/v1/segment", segment.segment, methods=["POST"]),
        *protocol_v2.routes(),
        Route("/metrics", metrics),
        Route("/openapi.json", document),
        Route("/docs", readable),
    ]
    files = page_files(PAGE)
    pages = [page_route(place, file) for place, file in files.items()]
    if INDEX not in files:
        pages.append(Route("/", to_docs))

    @contextlib.asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        yield
        for model in models.values():
            model.queue.close()

    app = Starlette(
        routes=[*(named(route) for route in routes), named(WebSocketRoute("/v1/stream", stream)), *pages],
        middleware=[Middleware(Guard, site=site), Middleware(Survive)],
        exception_handlers=ERRORS,
        lifespan=lifespan,
    )
    app.state.site = site
    return app
