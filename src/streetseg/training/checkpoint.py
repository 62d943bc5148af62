"""What a run leaves on disk beside its weights: the checkpoint to go on from, and the log."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch

from streetseg.errors import OutputError, TrainingError
from streetseg.runtime.files import write_whole


def save_checkpoint(path: Path, state: dict[str, Any]) -> None:
    """Write a run's state; the last good file stays until the new one is whole on disk."""

    def write(temporary: Path) -> None:
        try:
            torch.save(state, temporary)
        except RuntimeError as error:  # how torch.save reports a full disk
            raise OutputError(f"{path} cannot be written: {error}; the checkpoint before it stands") from None

    write_whole(path, write, durable=True)


def load_checkpoint(path: Path) -> dict[str, Any]:
    """A run's state; TrainingError where it is missing or damaged."""
    try:
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise TrainingError(f"{path} does not exist: there is no run to resume; leave out --resume") from None
    except Exception as error:  # torch.load raises whatever the damaged bytes lead it to
        raise TrainingError(f"{path} is no checkpoint of a run, or is damaged ({type(error).__name__})") from None
    return state


def append_log(path: Path, entry: dict[str, Any]) -> None:
    """One more line of the run's log, JSON."""
    with path.open("a") as file:
        file.write(json.dumps(entry) + "\n")
