"""Send a run's log to an experiment tracker: Weights & Biases, MLflow or Trackio.

A resumed run goes on in the tracker's same run. Steps that the tracker has already are not sent again: the run repeats
them to the bit.
"""

from __future__ import annotations

import contextlib
import json
import math
import re
import secrets
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol

from streetseg.errors import MissingExtraError, UsageError
from streetseg.runtime.files import write_file
from streetseg.training.progress import tell

PROJECT = "streetseg"
RECORD = "trackers.json"  # in the run's folder: tracker -> the run's name there, and the last step sent


class Tracker(Protocol):
    """A run in a tracker; `id` finds it again."""

    id: str

    def add(self, step: int, values: Mapping[str, float]) -> None:
        """Send the figures of a step."""

    def close(self) -> None:
        """Send what is left."""


# Opens a tracker's run: the run's folder, the recipe's fields, the `id` of a run to go on with, or None.
Opener = Callable[[Path, Mapping[str, Any], str | None], Tracker]


class Wandb:
    """A run in Weights & Biases; WANDB_MODE=offline keeps it in the run's folder."""

    def __init__(self, out: Path, fields: Mapping[str, Any], known: str | None) -> None:
        import wandb

        self.id = known or secrets.token_hex(4)
        self.run = wandb.init(
            project=PROJECT, id=self.id, name=out.name, dir=str(out), config=dict(fields), resume="allow"
        )

    def add(self, step: int, values: Mapping[str, float]) -> None:
        """Send the figures of a step."""
        self.run.log(dict(values), step=step)

    def close(self) -> None:
        """Send what is left."""
        self.run.finish()


class Mlflow:
    """A run in MLflow, where MLFLOW_TRACKING_URI says."""

    def __init__(self, out: Path, fields: Mapping[str, Any], known: str | None) -> None:
        from mlflow import MlflowClient
        from mlflow.entities import Param

        self.client = MlflowClient()
        if known:
            self.id = known
            self.client.update_run(known, status="RUNNING")
            return
        experiment = self.client.get_experiment_by_name(PROJECT)
        place = experiment.experiment_id if experiment else self.client.create_experiment(PROJECT)
        self.id = self.client.create_run(place, run_name=out.name).info.run_id
        self.client.log_batch(self.id, params=[Param(name, str(value)) for name, value in fields.items()])

    def add(self, step: int, values: Mapping[str, float]) -> None:
        """Send the figures of a step; MLflow allows fewer characters in names."""
        from mlflow.entities import Metric

        now = round(1000 * time.time())
        figures = [Metric(re.sub(r"[^\w./: -]", "_", name), value, now, step) for name, value in values.items()]
        self.client.log_batch(self.id, metrics=figures)

    def close(self) -> None:
        """Say that the run has ended."""
        self.client.set_terminated(self.id)


class Trackio:
    """A run in Trackio, on this machine."""

    def __init__(self, out: Path, fields: Mapping[str, Any], known: str | None) -> None:
        import trackio

        self.id = known or f"{out.name}-{secrets.token_hex(4)}"  # a run is found by its name
        self.run = trackio.init(project=PROJECT, name=self.id, config=dict(fields), resume="allow", embed=False)

    def add(self, step: int, values: Mapping[str, float]) -> None:
        """Send the figures of a step."""
        self.run.log(dict(values), step=step)

    def close(self) -> None:
        """Send what is left."""
        self.run.finish()


TRACKERS: dict[str, Opener] = {"wandb": Wandb, "mlflow": Mlflow, "trackio": Trackio}


def check_trackers(names: Sequence[str], out: Path) -> tuple[str, ...]:
    """Return the trackers of a run: those that are named, and those that it has had before.

    Raises:
        UsageError: There is no such tracker.
        MissingExtraError: Its package is not installed.
    """
    chosen = tuple(dict.fromkeys([*names, *read_record(out)]))
    for name in chosen:
        if name not in TRACKERS:
            raise UsageError(f"no tracker {name!r}; choose of {', '.join(TRACKERS)}")
        spec = find_spec(name)
        if spec is None or spec.origin is None:  # a folder of logs has the package's name, but no origin
            raise MissingExtraError(name, f"--log {name}", name)
    return chosen


def read_record(out: Path) -> dict[str, dict[str, Any]]:
    """Return what a run's folder says of its trackers; nothing if it has none, or the file is damaged."""
    try:
        record: dict[str, dict[str, Any]] = json.loads((out / RECORD).read_text())
        return {name: {"id": str(entry["id"]), "step": int(entry["step"])} for name, entry in record.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}


@dataclass
class Sent:
    """A tracker's run and the last step that it has."""

    tracker: Tracker
    step: int


class Trackers:
    """The trackers of a run.

    Args:
        names: As `check_trackers` returned them.
        out: The run's folder.
        fields: The recipe's fields, for the trackers' own pages.

    Raises:
        UsageError: A tracker cannot be opened.
    """

    def __init__(self, names: Sequence[str], out: Path, fields: Mapping[str, Any]) -> None:
        self.out, self.open = out, dict[str, Sent]()
        record = read_record(out)
        for name in names:
            known = record.get(name, {"id": None, "step": 0})
            try:
                with printing_to_stderr():
                    self.open[name] = Sent(TRACKERS[name](out.resolve(), fields, known["id"]), known["step"])
            except Exception as error:  # each package has errors of its own
                self.close()
                raise UsageError(
                    f"{name} cannot log the run: {in_a_line(error)}; mend it, or leave out --log"
                ) from None
        self.write_record()

    def add(self, step: int, values: Mapping[str, float]) -> None:
        """Send the figures of a step; a tracker that fails is left out from then on, and the run goes on."""
        figures = {name: value for name, value in values.items() if math.isfinite(value)}
        for name, sent in list(self.open.items()):
            if step <= sent.step:
                continue
            try:
                sent.tracker.add(step, figures)
                sent.step = step
            except Exception as error:
                del self.open[name]
                tell(f"note: {name} no longer logs the run: {in_a_line(error)}")
        self.write_record()

    def write_record(self) -> None:
        """Remember the runs and the steps that they have."""
        if self.open:
            ours = {name: {"id": sent.tracker.id, "step": sent.step} for name, sent in self.open.items()}
            write_file(self.out / RECORD, json.dumps(read_record(self.out) | ours).encode())

    def close(self) -> None:
        """Close the trackers."""
        for name, sent in self.open.items():
            try:
                with printing_to_stderr():
                    sent.tracker.close()
            except Exception as error:
                tell(f"note: {name} did not end as it should: {in_a_line(error)}")


def in_a_line(error: Exception) -> str:
    """Return an error's text in one line."""
    return " ".join(str(error).split())


@contextlib.contextmanager
def printing_to_stderr() -> Iterator[None]:
    """Send what a package prints to stderr: stdout is for results."""
    with contextlib.redirect_stdout(sys.stderr):
        yield
