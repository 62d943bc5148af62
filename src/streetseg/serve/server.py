"""Run the server: one process, or several on one socket."""

from __future__ import annotations

import asyncio
import contextlib
import multiprocessing
import os
import signal
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Generator, Sequence
from multiprocessing.context import SpawnProcess
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

from streetseg.errors import MissingExtraError, OutputError, UsageError
from streetseg.runtime.engines.options import EngineOptions
from streetseg.serve.settings import ServeSettings

if TYPE_CHECKING:
    import uvicorn
    from starlette.applications import Starlette

ENDS = (signal.SIGTERM, signal.SIGINT)
BACKLOG = 2048  # connections that wait to be taken
SETTLE = 0.3  # seconds for which a server that ends still answers that it is not ready
RESTART_AFTER = 1.0  # seconds before a process that died is started again


def serve(
    artefacts: Sequence[str | Path] = (),
    *,
    settings: ServeSettings | None = None,
    size: int | None = None,
    options: EngineOptions | None = None,
    tell: Callable[[str], object] = print,
) -> None:
    """Serve artefacts over HTTP until the process is told to end by SIGTERM or Ctrl-C.

    It then finishes what it has accepted, within 30 seconds.

    Args:
        artefacts: Files or names of weights; none: the package's weights.
        settings: Address, limits and so on; None: the defaults.
        size: Pixels. Frames are reduced to this short side; None: each card's.
        options: Engine, device and so on; None: the defaults.
        tell: Called with a line for people once the server listens.

    Raises:
        MissingExtraError: If the extra "serve" is not installed.
        UsageError: If two artefacts have one name, or nothing can listen on the address.
        ArtefactError: If an artefact cannot be opened.
        EngineError: If no engine runs an artefact as the options say.
        OutputError: If a process of several cannot be kept running.
    """
    need_extra()
    settings = settings or ServeSettings()
    listener = listen(settings)
    try:
        if settings.workers == 1:
            run_one(listener, artefacts, settings, size, options, tell)
        else:
            run_several(listener, artefacts, settings, size, options, tell)
    finally:
        listener.close()


def need_extra() -> None:
    """Raise MissingExtraError if a library of the extra is missing."""
    for module, package in (
        ("starlette", "Starlette"),
        ("uvicorn", "uvicorn"),
        ("websockets", "websockets"),
        ("prometheus_client", "prometheus-client"),
    ):
        try:
            __import__(module)
        except ImportError:
            raise MissingExtraError(package, "streetseg serve", "serve") from None


def listen(settings: ServeSettings) -> socket.socket:
    """Return a socket that is bound to the address; UsageError if that cannot be."""
    try:
        family, _, _, _, address = socket.getaddrinfo(settings.host, settings.port, type=socket.SOCK_STREAM)[0]
        listener = socket.socket(family, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(address)
        except OSError:
            listener.close()
            raise
    except (OSError, UnicodeError) as error:
        why = getattr(error, "strerror", None) or error
        raise UsageError(
            f"nothing can listen on {settings.host}, port {settings.port}: {why}; choose another --host or --port"
        ) from None
    listener.listen(BACKLOG)
    return listener


def address_of(listener: socket.socket) -> str:
    """Return the address of a socket for people."""
    host, port = listener.getsockname()[:2]
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"


def configuration(app: Starlette, settings: ServeSettings) -> uvicorn.Config:
    """Return uvicorn's settings for an application."""
    import uvicorn

    from streetseg.serve.connection import connection_class

    limits = settings.limits
    return uvicorn.Config(
        app,
        http=connection_class(limits.connections, limits.header_seconds),
        ws="websockets-sansio",
        ws_max_size=limits.frame,
        ws_per_message_deflate=False,
        h11_max_incomplete_event_size=limits.header,
        timeout_keep_alive=30,
        timeout_graceful_shutdown=2,
        log_config=None,
        access_log=False,
        server_header=False,
        lifespan="on",
    )


def run_one(
    listener: socket.socket,
    artefacts: Sequence[str | Path],
    settings: ServeSettings,
    size: int | None,
    options: EngineOptions | None,
    tell: Callable[[str], object],
) -> None:
    """Serve in this process."""
    import uvicorn

    from streetseg.serve.app import make_app
    from streetseg.serve.log import Log
    from streetseg.serve.served import open_models

    class Server(uvicorn.Server):
        """A server that finishes what it has accepted, and then ends without an error."""

        @contextlib.contextmanager
        def capture_signals(self) -> Generator[None]:
            """Inside, SIGTERM and SIGINT begin the end; a second one ends at once."""
            if threading.current_thread() is not threading.main_thread():
                yield
                return
            numbers = [one for one in ENDS if signal.getsignal(one) is not signal.SIG_IGN]
            handlers = {number: signal.signal(number, self.end) for number in numbers}
            try:
                yield
            finally:
                for number, handler in handlers.items():
                    signal.signal(number, handler)

        def end(self, number: int, frame: FrameType | None) -> None:
            """Refuse new work from now on; end when what is accepted is done. Called by a signal."""
            if site.draining:
                if number == signal.SIGINT:
                    self.should_exit = self.force_exit = True
                return
            site.draining = True
            loop.call_soon_threadsafe(lambda: draining.append(loop.create_task(self.drain())))

        async def drain(self) -> None:
            """Wait for what is accepted, and end."""
            log("draining", {"active": site.active})
            end = time.monotonic() + settings.limits.drain_seconds - 1
            await asyncio.sleep(SETTLE)
            while site.active and time.monotonic() < end:
                await asyncio.sleep(0.05)
            self.should_exit = True

    log = Log()
    models = open_models(artefacts, size=size, options=options, waiting=settings.queue)
    app = make_app(models, settings, log)
    site = app.state.site
    server = Server(configuration(app, settings))
    draining: list[asyncio.Task[None]] = []
    loop: asyncio.AbstractEventLoop

    async def run() -> None:
        nonlocal loop
        loop = asyncio.get_running_loop()
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        while not server.started and not serving.done():
            await asyncio.sleep(0.01)
        names: list[Any] = list(models)
        log("listening", {"address": address_of(listener), "models": names, "process": os.getpid()})
        tell(f"serving {', '.join(models)} on {address_of(listener)}")
        await serving

    asyncio.run(run())
    log("ended", {})
    log.close()
    if any(thread.name.startswith("serve-") and not thread.daemon for thread in threading.enumerate()):
        sys.stdout.flush()
        os._exit(0)  # an engine that does not come back must not keep the process


def run_several(
    listener: socket.socket,
    artefacts: Sequence[str | Path],
    settings: ServeSettings,
    size: int | None,
    options: EngineOptions | None,
    tell: Callable[[str], object],
) -> None:
    """Serve in several processes that take connections from one socket; start again one that dies."""
    from streetseg.serve.measures import SHARED_FOLDER

    context = multiprocessing.get_context("spawn")
    ended = threading.Event()

    def start() -> SpawnProcess:
        process = context.Process(target=work, args=(listener, list(artefacts), settings, size, options), daemon=False)
        process.start()
        return process

    with tempfile.TemporaryDirectory(prefix="streetseg-") as folder:
        os.environ[SHARED_FOLDER] = folder
        before = {number: signal.signal(number, lambda *_: ended.set()) for number in ENDS}
        try:
            processes = [start() for _ in range(settings.workers)]
            tell(f"serving on {address_of(listener)} in {settings.workers} processes")
            born = time.monotonic()
            while not ended.wait(0.1):
                for place, process in enumerate(processes):
                    if process.is_alive():
                        continue
                    if process.exitcode == 2 or time.monotonic() - born < RESTART_AFTER:
                        raise OutputError("a process of the server cannot run; its message is above")
                    forget(process, folder)
                    ended.wait(RESTART_AFTER)
                    if not ended.is_set():
                        processes[place] = start()
        finally:
            for process in processes:
                process.terminate()
            for process in processes:
                process.join(settings.limits.drain_seconds + 5)
                if process.is_alive():
                    process.kill()
            del os.environ[SHARED_FOLDER]
            for number, handler in before.items():
                signal.signal(number, handler)


def forget(process: SpawnProcess, folder: str) -> None:
    """Forget the gauges of a process that died."""
    from prometheus_client.multiprocess import mark_process_dead

    mark_process_dead(process.pid, folder)  # type: ignore[no-untyped-call]


def work(
    listener: socket.socket,
    artefacts: Sequence[str | Path],
    settings: ServeSettings,
    size: int | None,
    options: EngineOptions | None,
) -> None:
    """Serve in a process of several."""
    from streetseg.errors import StreetsegError

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C goes to all; the parent says when to end
    try:
        run_one(listener, artefacts, settings, size, options, lambda _: None)
    except StreetsegError as error:
        print(f"streetseg: {error}", file=sys.stderr, flush=True)
        sys.exit(error.exit_code)
