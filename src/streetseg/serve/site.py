"""What all routes of a server share: its models, settings, figures and state."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from typing import Any

from starlette.requests import HTTPConnection

from streetseg.results import JSON
from streetseg.serve.body import Bodies
from streetseg.serve.errors import RefusedError
from streetseg.serve.log import Log
from streetseg.serve.measures import Measures
from streetseg.serve.queue import Ticket
from streetseg.serve.served import ServedModel
from streetseg.serve.settings import ServeSettings

DEADLINE = "x-timeout-ms"  # header: the milliseconds that the client waits


class Site:
    """What all routes share.

    Attributes:
        models: The models by name; the first is the default.
        settings: The settings.
        bodies: The bytes of all bodies.
        measures: The figures for Prometheus.
        log: The log.
        draining: True once the server was told to end.
        active: Requests in progress.
    """

    def __init__(self, models: Mapping[str, ServedModel], settings: ServeSettings, log: Log) -> None:
        self.models, self.settings, self.log = dict(models), settings, log
        self.bodies = Bodies(settings.limits)
        self.measures = Measures()
        self.draining = False
        self.active = 0

    def model(self, name: str | None) -> ServedModel:
        """Return a model; None: the first. RefusedError if there is none of this name."""
        if name is None:
            return next(iter(self.models.values()))
        if name not in self.models:
            raise RefusedError(404, f"there is no model {name[:100]!r}; there are: {', '.join(self.models)}")
        return self.models[name]

    def metrics(self) -> bytes:
        """Return the figures for Prometheus."""
        return self.measures.text({name: model.queue.held for name, model in self.models.items()}, self.active)


def site_of(request: HTTPConnection) -> Site:
    """Return the site of a request."""
    site: Site = request.app.state.site
    return site


def note(request: HTTPConnection, **facts: JSON) -> None:
    """Add facts to the request's line of the log."""
    noted: dict[str, Any] = request.scope.setdefault("streetseg.noted", {})
    noted.update(facts)


def ticket_of(request: HTTPConnection, milliseconds: float | None = None) -> Ticket:
    """Return a ticket with the deadline of the header X-Timeout-Ms, or with the given milliseconds if there is none."""
    text = request.headers.get(DEADLINE)
    if text is not None:
        try:
            milliseconds = float(text)
        except ValueError:
            milliseconds = math.nan
        if not (milliseconds > 0 and math.isfinite(milliseconds)):
            raise RefusedError(400, f"X-Timeout-Ms is a number of milliseconds above 0, got {text[:40]!r}")
    return Ticket(None if milliseconds is None else time.perf_counter() + milliseconds / 1000)


def number(request: HTTPConnection, name: str, default: int) -> int:
    """Return a whole number, 1 or more, of the query; RefusedError for anything else."""
    text = request.query_params.get(name)
    if text is None:
        return default
    if not (text.isascii() and text.isdecimal() and 0 < len(text) < 10 and int(text) > 0):
        raise RefusedError(400, f"{name} is a whole number, 1 or more, got {text[:40]!r}")
    return int(text)
