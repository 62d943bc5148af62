"""What a run leaves on disk: the checkpoint to go on from, and the weights to use."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save
from torch import Tensor

from streetseg.errors import OutputError, TrainingError
from streetseg.runtime.card import METADATA_KEY, ModelCard, safetensors_content_hash
from streetseg.runtime.files import write_file, write_whole


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


def save_weights(path: Path, weights: dict[str, Tensor], card: ModelCard) -> ModelCard:
    """Write unfolded weights with their card; returns the card as written, with the content hash.

    Convolutions and matrices are stored in half precision, which moves the logits by less than bfloat16 arithmetic
    does; norms and biases in full.
    """
    tensors = {
        name: (tensor.half() if tensor.is_floating_point() and tensor.ndim > 1 else tensor).detach().cpu().contiguous()
        for name, tensor in weights.items()
    }
    card = dataclasses.replace(card, precision="float16")
    card = dataclasses.replace(card, content_hash=safetensors_content_hash(save(tensors), path))
    content = save(tensors, {METADATA_KEY: card.to_json()})
    write_file(path, content, durable=True)
    return card


def append_log(path: Path, entry: dict[str, Any]) -> None:
    """One more line of the run's log, JSON."""
    with path.open("a") as file:
        file.write(json.dumps(entry) + "\n")
