"""The log of a run: log.jsonl, and TensorBoard's files if TensorBoard is installed."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from streetseg.data.pairs import readable
from streetseg.errors import OutputError
from streetseg.runtime.files import write_file
from streetseg.training.csv_log import CsvLog
from streetseg.training.tasks.task import Validation
from streetseg.training.trackers import Trackers


class Log:
    """The log of a run, in its folder: log.jsonl, one JSON object a line; log.csv, the same; and tensorboard/.

    Args:
        out: The run's folder.
        step: Step from which the run goes on. Later lines of an interrupted run are removed: they come again.
        trackers: Experiment trackers that get the same figures.
    """

    def __init__(self, out: Path, step: int, trackers: Trackers | None = None) -> None:
        self.trackers = trackers
        self.path = out / "log.jsonl"
        kept = [line for line in read_lines(self.path) if step_of(line) <= step]
        write_file(self.path, b"".join(kept))
        self.board: Any = None
        with self.writing():
            self.file = self.path.open("ab")
            self.csv = CsvLog(out / "log.csv", lambda: [json.loads(line) for line in read_lines(self.path)])
            if find_spec("tensorboard"):
                from torch.utils.tensorboard import SummaryWriter

                self.board = SummaryWriter(out / "tensorboard", purge_step=step + 1)

    def __enter__(self) -> Log:
        return self

    def __exit__(self, *error: object) -> None:
        with self.writing():
            self.file.close()
            if self.board:
                self.board.close()
        if self.trackers:
            self.trackers.close()

    def add(self, step: int, values: Mapping[str, float], judged: Validation | None = None) -> None:
        """Add a line; an evaluation's figures of the classes are added to it, its pictures go to TensorBoard only."""
        row = {"step": step, **values}
        if judged:
            row |= {f"iou/{readable(name)}": iou for name, iou in judged.classes.items()}
        with self.writing():
            self.file.write(json.dumps(row).encode() + b"\n")
            self.file.flush()
            self.csv.add(row)
            if self.board:
                for name, value in row.items():
                    if name != "step":
                        self.board.add_scalar(name, value, step)
                for name, picture in judged.pictures.items() if judged else ():
                    self.board.add_image(readable(name), picture, step, dataformats="HWC")
        if self.trackers:
            self.trackers.add(step, {name: value for name, value in row.items() if name != "step"})

    def sync(self) -> None:
        """Write everything to disk, so that a checkpoint written next never knows more than the log."""
        with self.writing():
            os.fsync(self.file.fileno())
            if self.board:
                self.board.flush()

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Turn an error of the system into one of ours."""
        try:
            yield
        except OSError as error:
            raise OutputError(
                f"{self.path.parent} cannot be written to: {error.strerror}; make room, then go on with --resume"
            ) from None


def step_of(line: bytes) -> float:
    """Return the step of a line of the log; infinity if the line is damaged."""
    try:
        return float(json.loads(line)["step"])
    except (ValueError, TypeError, KeyError):
        return math.inf


def read_lines(path: Path) -> list[bytes]:
    """Return the whole lines of a log; a kill may have left a part of one at its end."""
    if not path.exists():
        return []
    return [line for line in path.read_bytes().splitlines(keepends=True) if line.endswith(b"\n")]
