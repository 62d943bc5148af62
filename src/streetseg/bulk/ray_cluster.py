"""The same run on a Ray cluster: Ray Data hands units to actors, each with a Segmenter in a process of its own.

The process of its own keeps a file that kills its worker from killing the actor; what it means for the file is decided
as on one machine. Ray starts actors anew whose node has gone, and gives their units to others.
"""

from __future__ import annotations

import dataclasses
import logging
import os
import pickle
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

from streetseg.bulk.items import Unit
from streetseg.bulk.ledger import Ledger
from streetseg.bulk.places import is_remote, open_store
from streetseg.bulk.pool import Pool
from streetseg.bulk.report import Meter
from streetseg.bulk.results import keep
from streetseg.bulk.watch import Watch
from streetseg.bulk.worker import Setup
from streetseg.errors import EngineError, MissingExtraError, OutputError, StreetsegError, UsageError

WAVE = 4096  # units that Ray knows at a time, so that memory is bounded


class Actor:
    """Segments units on a node of the cluster.

    Args:
        setup: As for a worker; its weights are those of the machine that started the run.
        weights: The content of the weights' file.
        settings: As for the ledger.
    """

    def __init__(self, setup: Setup, weights: bytes, settings: Mapping[str, object]) -> None:
        self.folder = tempfile.TemporaryDirectory(prefix="streetseg-")
        here = Path(self.folder.name, Path(setup.weights).name)
        here.write_bytes(weights)
        self.setup = dataclasses.replace(setup, weights=str(here))
        self.settings = settings
        self.pool: Pool | None = None
        self.ledger: Ledger | None = None

    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        """Segment the units of a batch; return what came of each."""
        return {"done": [pickle.dumps(self.segment(pickle.loads(unit))) for unit in batch["unit"]]}

    def segment(self, unit: Unit) -> Mapping[str, Any]:
        """Segment a unit; return its numbers, or the error that ends the run."""
        try:
            if self.ledger is None:
                if not is_remote(self.setup.out) and not Path(self.setup.out).is_dir():
                    raise OutputError(
                        f"{self.setup.out} is not there on node {os.uname().nodename}; give an --out and sources that "
                        "all nodes share"
                    )
                self.ledger = Ledger(open_store(self.setup.out), self.settings)
            if self.pool is None:
                self.pool = Pool(self.setup, 1)
            ((_, rows),) = self.pool.run([unit])
            keep(self.ledger, unit, rows, self.setup.bulk.results)
        except StreetsegError as error:
            return {"fatal": error}
        return {
            "items": len(unit.items),
            "frames": sum(row.width is not None for row in rows),
            "errors": [row.error for row in rows if row.error is not None],
            "worker": f"{os.uname().nodename}-{os.getpid()}",
        }


def run_on_ray(
    units: Iterable[Unit],
    setup: Setup,
    settings: Mapping[str, object],
    address: str,
    workers: int | None,
    meter: Meter,
    watch: Watch,
) -> int:
    """Segment units on a Ray cluster; return the number of actors.

    Raises:
        MissingExtraError: If Ray is not installed.
        UsageError: If no cluster answers at the address.
        StreetsegError: What ends the run.
    """
    try:
        import ray
        import ray.data
    except ModuleNotFoundError:
        raise MissingExtraError("Ray", "streetseg bulk --ray", "ray") from None
    started = join_cluster(address)
    try:
        context = ray.data.DataContext.get_current()
        context.enable_progress_bars = False
        logging.getLogger("ray.data").setLevel(logging.ERROR)
        threads = setup.engine.threads or 1
        gpus = setup.engine.device_kind in ("cuda", "tensorrt")
        resources: Callable[[], dict[str, float]] = ray.cluster_resources
        there = resources()
        most = int(there.get("GPU", 0)) if gpus else int(there.get("CPU", 1)) // threads
        count = workers or max(1, most)
        if most < 1 or (workers is not None and workers > most):
            raise UsageError(
                f"the Ray cluster has room for {most} workers of {threads} threads, asked for {count}; give fewer "
                "--workers or --threads"
            )
        weights = ray.put(Path(setup.weights).read_bytes())
        waiting = iter(units)
        meter.begin()
        while wave := list(islice(waiting, WAVE)):
            for done in segment_wave(ray, wave, setup, weights, settings, count, threads, gpus):
                note(done, meter, watch)
        return count
    except ray.exceptions.RayError as error:
        raise EngineError(f"Ray gave up: {last_line(error)}; the same command goes on") from None
    finally:
        if started:
            ray.shutdown()


def segment_wave(
    ray: Any,
    wave: list[Unit],
    setup: Setup,
    weights: Any,
    settings: Mapping[str, object],
    count: int,
    threads: int,
    gpus: bool,
) -> Iterator[Mapping[str, Any]]:
    """Yield what came of each unit, as soon as it is done."""
    rows = [{"unit": pickle.dumps(unit)} for unit in wave]
    data = ray.data.from_items(rows, override_num_blocks=len(rows))
    done = data.map_batches(
        RayActor,
        fn_constructor_args=(setup, weights, settings),
        batch_size=1,
        compute=ray.data.ActorPoolStrategy(min_size=1, max_size=min(count, len(wave))),
        num_cpus=0 if gpus else threads,
        num_gpus=1 if gpus else 0,
    )
    for row in done.iter_rows():
        yield pickle.loads(row["done"])


class RayActor(Actor):
    """An actor whose weights come from Ray's object store."""

    def __init__(self, setup: Setup, weights: Any, settings: Mapping[str, object]) -> None:
        import ray

        super().__init__(setup, ray.get(weights), settings)


def note(done: Mapping[str, Any], meter: Meter, watch: Watch) -> None:
    """Count what came of a unit; raise the error that ends the run."""
    if "fatal" in done:
        raise done["fatal"]
    meter.add(done["worker"], done["frames"])
    meter.errors += len(done["errors"])
    meter.done += done["items"]
    for error in done["errors"]:
        watch.error(error)
    watch.look()


def join_cluster(address: str) -> bool:
    """Join a Ray cluster; "auto": the one that runs here, or else start one. Return True if it was joined here."""
    import ray

    if ray.is_initialized():
        return False
    quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": "ERROR"}
    try:
        ray.init(address=address, **quiet)
    except (ConnectionError, ValueError, RuntimeError) as error:
        if address != "auto":
            raise UsageError(
                f"no Ray cluster answers at {address}: {last_line(error)}; start one by `ray start`, or give auto"
            ) from None
        ray.init(**quiet)
    return True


def last_line(error: Exception) -> str:
    """Return the last line of an error that says something."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__
