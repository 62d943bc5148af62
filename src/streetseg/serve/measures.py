"""What Prometheus reads from the server."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)  # seconds
SHARED_FOLDER = "PROMETHEUS_MULTIPROC_DIR"  # where several processes of one server keep their figures
STATM = Path("/proc/self/statm")


class Measures:
    """The figures of a server.

    Of several processes, whichever is asked answers for all.
    """

    def __init__(self) -> None:
        own = self.own = CollectorRegistry()
        self.requests = Counter(
            "streetseg_requests", "Requests by route and outcome.", ("route", "outcome"), registry=own
        )
        self.stages = Histogram(
            "streetseg_stage_seconds",
            "Seconds of a picture by stage.",
            ("model", "stage"),
            buckets=BUCKETS,
            registry=own,
        )
        self.frames = Counter("streetseg_frames", "Pictures segmented.", ("model",), registry=own)
        self.shares = Counter(
            "streetseg_class_share",
            "Sum of the classes' shares over the pictures; its rate over that of streetseg_frames is the mean share.",
            ("model", "class_name"),
            registry=own,
        )
        self.dropped = Counter(
            "streetseg_stream_dropped", "Frames of streams that a later one replaced.", ("model",), registry=own
        )
        self.waiting = Gauge(
            "streetseg_queue_places", "Places of the queue that are taken.", ("model",), multiprocess_mode="livesum",
            registry=own,
        )  # fmt: skip
        self.active = Gauge(
            "streetseg_active_requests", "Requests in progress.", multiprocess_mode="livesum", registry=own
        )
        self.memory = Gauge("streetseg_resident_bytes", "Resident memory.", multiprocess_mode="livesum", registry=own)

    def frame(
        self, model: str, seconds: Mapping[str, float], names: Sequence[str], shares: Mapping[str, float]
    ) -> None:
        """Count a segmented picture: seconds by stage, shares by class."""
        for stage, value in seconds.items():
            self.stages.labels(model, stage).observe(value)
        self.frames.labels(model).inc()
        for name in names:
            self.shares.labels(model, name).inc(shares.get(name, 0.0))

    def text(self, queues: Mapping[str, int], active: int) -> bytes:
        """Return all figures in Prometheus' text format; queues: model -> places taken."""
        self.active.set(active)
        for model, held in queues.items():
            self.waiting.labels(model).set(held)
        self.memory.set(resident())
        if SHARED_FOLDER not in os.environ:
            return generate_latest(self.own)
        shared = CollectorRegistry()
        MultiProcessCollector(shared)  # type: ignore[no-untyped-call]
        return generate_latest(shared)


def resident() -> int:
    """Return the resident bytes of this process; 0 where the system does not say."""
    try:
        return int(STATM.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0
