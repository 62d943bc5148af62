"""Serve an exported page on this machine, with the headers that give it threads."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial
from http import HTTPStatus
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from streetseg.errors import OutputError, UsageError
from streetseg.export.place import written_by
from streetseg.export.web import HEADERS
from streetseg.page.files import media_type
from streetseg.runtime.files import reason

LOOPBACK = "127.0.0.1"
PORT = 8080


class PageHandler(SimpleHTTPRequestHandler):
    """Answers with a page's files, and nothing else."""

    def end_headers(self) -> None:
        """Send the headers, also those of the page."""
        for name, value in {**HEADERS, "Cache-Control": "no-cache", "X-Content-Type-Options": "nosniff"}.items():
            self.send_header(name, value)
        super().end_headers()

    def guess_type(self, path: Any) -> str:
        """Return a file's type, whatever the machine's table says."""
        return media_type(str(path))

    def list_directory(self, path: Any) -> None:
        """Refuse to list a folder."""
        self.send_error(HTTPStatus.NOT_FOUND)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


class PageServer(ThreadingHTTPServer):
    """Serves a page; a browser that hangs up is no error."""

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of a closed connection."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


def page_server(folder: str | Path, port: int = PORT) -> ThreadingHTTPServer:
    """Return a server of an exported page, on this machine only.

    Args:
        folder: What `export` with the target "web" wrote.
        port: Port of 127.0.0.1; 0: any that is free.

    Returns:
        The server; `serve_forever` runs it.

    Raises:
        OutputError: If the port cannot be had.
        UsageError: If the folder is no such page.
    """
    if written_by(Path(folder)) != "web":
        raise UsageError(f"{folder} is no page of streetseg; first: streetseg export WHAT --to web --out {folder}")
    try:
        return PageServer((LOOPBACK, port), partial(PageHandler, directory=str(folder)))
    except (OSError, OverflowError) as error:
        why = reason(error) if isinstance(error, OSError) else "ports are 0 to 65535"
        raise OutputError(f"port {port} of {LOOPBACK} cannot be used: {why}; choose another one by --port") from None


def serve_web(folder: str | Path, *, port: int = PORT, started: Callable[[str], None] | None = None) -> None:
    """Serve an exported page on this machine until it is interrupted.

    Args:
        folder: What `export` with the target "web" wrote.
        port: Port of 127.0.0.1; 0: any that is free.
        started: Called with the page's address once the server listens.

    Raises:
        OutputError: If the port cannot be had.
        UsageError: If the folder is no such page.
    """
    with page_server(folder, port) as server:
        if started is not None:
            started(f"http://localhost:{server.server_port}/")
        server.serve_forever()
