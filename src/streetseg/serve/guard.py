"""What stands before every route: token, origins, headers of security, the log and the count of outcomes."""

from __future__ import annotations

import asyncio
import hmac
import re
import time
import uuid
from collections.abc import MutableMapping
from typing import Any

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from streetseg.serve.site import Site
from streetseg.serve.traces import span, trace_id

# Answered without a token: whether it lives, what it offers, and the page, which has no secrets.
OPEN = ("/v2/health/live", "/v2/health/ready", "/openapi.json", "/docs", "/")
OPEN_BELOW = ("/page/",)
QUIET = ("/v2/health/live", "/v2/health/ready", "/metrics")  # asked every few seconds: in the log only if they fail
CONTENTS = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; media-src 'self' blob:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
SECURITY = {
    "Content-Security-Policy": CONTENTS,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(self), microphone=(), geolocation=()",
}
METHODS = "GET, POST, OPTIONS"
ASKED = "Authorization, Content-Type, Accept, X-Timeout-Ms, X-Request-Id, Inference-Header-Content-Length"
SHOWN = "Server-Timing, X-Result, X-Model, X-Request-Id, Retry-After, Inference-Header-Content-Length"
REQUEST_ID = re.compile(r"[\w.-]{1,64}", re.ASCII)
SUBPROTOCOL = "bearer."  # browsers cannot set headers on a WebSocket


class Guard:
    """ASGI middleware: refuses strangers, adds headers, counts and logs each request."""

    def __init__(self, app: ASGIApp, site: Site) -> None:
        self.app, self.site = app, site

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] == "http":
            await self.request(scope, receive, send)
        elif scope["type"] == "websocket":
            await self.socket(scope, receive, send)
        else:
            await self.app(scope, receive, send)

    async def request(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request over HTTP."""
        headers = Headers(scope=scope)
        start = time.perf_counter()
        status = 499  # the client hung up before the answer began
        request_id = request_id_of(headers)
        added: dict[str, str] = {**SECURITY, "X-Request-Id": request_id, **self.for_origin(headers)}

        async def answer(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                given = MutableHeaders(scope=message)
                for name, value in added.items():
                    given.setdefault(name, value)
                given.setdefault("Cache-Control", "no-store")
                if self.site.draining:
                    given["Connection"] = "close"
            # A client that does not take its answer must not hold it for ever.
            await asyncio.wait_for(send(message), self.site.settings.limits.send_seconds)

        self.site.active += 1
        try:
            refusal = self.refusal(scope, headers)
            with span(f"{scope['method']} {scope['path']}", headers, added):
                await (self.app if refusal is None else refusal)(scope, receive, answer)
        finally:
            self.site.active -= 1
            self.tell(scope, scope["method"], status, start, request_id, headers)

    async def socket(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a WebSocket."""
        headers = Headers(scope=scope)
        start, status = time.perf_counter(), 101
        offered = [name.strip() for name in headers.get("sec-websocket-protocol", "").split(",") if name.strip()]
        tokens = [name.removeprefix(SUBPROTOCOL) for name in offered if name.startswith(SUBPROTOCOL)]
        if not self.same_origin(headers) or not self.knows(headers, tokens) or self.site.draining:
            status = 403
            await receive()
            await send({"type": "websocket.close", "code": 1008, "reason": "refused"})
        else:

            async def answer(message: Message) -> None:
                if message["type"] == "websocket.accept" and tokens:
                    message["subprotocol"] = f"{SUBPROTOCOL}{tokens[0]}"
                await send(message)

            await self.app(scope, receive, answer)
        self.tell(scope, "WS", status, start, request_id_of(headers), headers)

    def refusal(self, scope: Scope, headers: Headers) -> Response | None:
        """Return the answer to a request that is not let through; None for one that is."""
        path = scope["path"]
        if sum(len(name) + len(value) for name, value in scope["headers"]) > self.site.settings.limits.header:
            return refused(431, "the headers are too large")
        if scope["method"] == "OPTIONS" and "access-control-request-method" in headers:
            return PlainTextResponse("", 204 if self.allowed(headers.get("origin")) else 403)
        if path not in OPEN and not path.startswith(OPEN_BELOW) and not self.knows(headers):
            return refused(401, "a token is needed: Authorization: Bearer TOKEN", {"WWW-Authenticate": "Bearer"})
        if self.site.draining and scope["method"] == "POST":
            return refused(503, "the server ends; try another", {"Retry-After": "5"})
        return None

    def knows(self, headers: Headers, tokens: list[str] | None = None) -> bool:
        """Return True if a request has the token, or none is needed."""
        token = self.site.settings.token
        if token is None:
            return True
        scheme, _, given = headers.get("authorization", "").partition(" ")
        offered = [*([given.strip()] if scheme.lower() == "bearer" else []), *(tokens or [])]
        # compare_digest takes as long for a wrong token as for a right one
        return any([hmac.compare_digest(one.encode(), token.encode()) for one in offered])

    def allowed(self, origin: str | None) -> bool:
        """Return True if web pages of this origin may call the server."""
        return origin is not None and origin in self.site.settings.allow_origin

    def same_origin(self, headers: Headers) -> bool:
        """Return True if a WebSocket comes from no web page, one of this server, or an allowed one."""
        origin = headers.get("origin")
        return origin is None or self.allowed(origin) or origin.partition("://")[2] == headers.get("host")

    def for_origin(self, headers: Headers) -> dict[str, str]:
        """Return the headers for web pages of other origins, none if they are not allowed."""
        origin = headers.get("origin")
        if not self.allowed(origin):
            return {"Cross-Origin-Resource-Policy": "same-origin"}
        assert origin is not None
        return {
            "Access-Control-Allow-Origin": origin,
            "Access-Control-Allow-Methods": METHODS,
            "Access-Control-Allow-Headers": ASKED,
            "Access-Control-Expose-Headers": SHOWN,
            "Access-Control-Max-Age": "600",
            "Cross-Origin-Resource-Policy": "cross-origin",
            "Vary": "Origin, Accept",
        }

    def tell(self, scope: Scope, method: str, status: int, start: float, request_id: str, headers: Headers) -> None:
        """Count a request and log it."""
        route = scope.get("streetseg.route", "other")
        self.site.measures.requests.labels(route, str(status)).inc()
        if scope["path"] in QUIET and status < 400:
            return
        facts: MutableMapping[str, Any] = {
            "id": request_id,
            "method": method,
            "path": scope["path"][:200],
            "status": status,
            "ms": round(1000 * (time.perf_counter() - start), 2),
            "client": (scope.get("client") or ["unknown"])[0],
        }
        if trace := trace_id(headers):
            facts["trace"] = trace
        self.site.log("request", {**facts, **scope.get("streetseg.noted", {})})


def refused(status: int, message: str, headers: dict[str, str] | None = None) -> Response:
    """Return an answer that says why a request is refused."""
    return JSONResponse({"error": message}, status, headers)


def request_id_of(headers: Headers) -> str:
    """Return a request's own id if it is sound, else a new one."""
    given = headers.get("x-request-id", "")
    return given if REQUEST_ID.fullmatch(given) else uuid.uuid4().hex
