"""Pass on the headers of OpenTelemetry, if its package is there."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Mapping, MutableMapping

TRACEPARENT = re.compile(r"[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}")


def trace_id(headers: Mapping[str, str]) -> str | None:
    """Return the trace that a request belongs to, by W3C's header traceparent; None if it says none."""
    found = TRACEPARENT.fullmatch(headers.get("traceparent", ""))
    return None if found is None else found[1]


@contextlib.contextmanager
def span(name: str, headers: Mapping[str, str], answer: MutableMapping[str, str]) -> Iterator[None]:
    """Inside, the request is a span of its client's trace; its headers are put into `answer`.

    Without OpenTelemetry, or without a trace, nothing happens.
    """
    try:
        from opentelemetry import propagate, trace
    except ImportError:
        yield
        return
    context = propagate.extract(dict(headers))
    with trace.get_tracer("streetseg").start_as_current_span(name, context=context, kind=trace.SpanKind.SERVER):
        propagate.inject(answer)
        yield
