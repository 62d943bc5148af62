"""The files of a run: the checkpoint, which a run resumes from, and a trained backbone."""

from __future__ import annotations

import hashlib
import io
import json
import platform
from contextlib import AbstractContextManager
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save
from torch import Tensor

from streetseg.errors import OutputError, TrainingError
from streetseg.runtime.artefact import CLASSIFIER_KEY, safetensors_content_hash
from streetseg.runtime.files import locked, write_file

# The keys of every checkpoint.
STATE = {"step", "best", "recipe", "classes", "network", "average", "optimiser", "scaler"}


def save_checkpoint(path: Path, state: dict[str, Any]) -> None:
    """Write a run's state; the file before stays until the new one is whole on disk."""
    content = io.BytesIO()
    torch.save(state, content)
    try:
        write_file(path, content.getvalue(), durable=True)
    except OutputError as error:
        stands = "the one before it stands, and --resume goes on from it; " if path.exists() else ""
        raise OutputError(f"{str(error).partition(';')[0]}; {stands}make room") from None


def load_checkpoint(path: Path) -> dict[str, Any]:
    """Return a run's state; TrainingError if it is missing or damaged."""
    try:
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise TrainingError(f"{path} does not exist: there is no run to resume; leave out --resume") from None
    except Exception as error:  # torch.load raises whatever the damaged bytes lead it to
        raise TrainingError(
            f"{path} is not a checkpoint of a run, or is damaged ({type(error).__name__}); start anew in another --out"
        ) from None
    if not isinstance(state, dict) or not state.keys() >= STATE:
        raise TrainingError(f"{path} is not a checkpoint of a run; name a folder that `streetseg train` has made")
    state["recipe"] = with_current_names(state["recipe"])
    return state


def with_current_names(recipe: dict[str, Any]) -> dict[str, Any]:
    """Return the fields of a checkpoint's recipe under their current names."""
    if recipe.get("task") == "classification" and "crop_area" not in recipe:  # up to version 0.1.0
        area, aspect = {"crop_area": recipe["scale"]}, {"crop_aspect": recipe["aspect"]}
        return {name: value for name, value in recipe.items() if name not in ("scale", "aspect")} | area | aspect
    return recipe


def only_run(folder: Path) -> AbstractContextManager[None]:
    """Return a context in which no other process may train into the folder; OutputError if one does already."""
    busy = f"another process is training into {folder}; wait for its end, or choose another"
    return locked(folder / ".lock", folder, "choose another folder", busy)


def clear_unfinished(folder: Path) -> None:
    """Remove the files that a kill left half written."""
    for path in folder.glob(".*.part.*"):
        path.unlink(missing_ok=True)


def versions() -> dict[str, str]:
    """Return the versions that a result depends on: ours, the packages', Python's, and a hash of our source."""
    root = Path(__file__).parents[1]
    source = hashlib.sha256()
    for path in sorted(root.rglob("*.py")):
        source.update(path.relative_to(root).as_posix().encode() + path.read_bytes())
    packages = {name: version(name) for name in ("streetseg", "torch", "numpy", "pillow", "safetensors")}
    return packages | {"source": source.hexdigest(), "python": platform.python_version()}


def save_classifier(path: Path, weights: dict[str, Tensor], facts: dict[str, Any]) -> None:
    """Write a trained backbone, for `Recipe.init`; facts: its network and origin."""
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in weights.items()}
    facts = facts | {"content_hash": safetensors_content_hash(save(tensors), path)}
    write_file(path, save(tensors, {CLASSIFIER_KEY: json.dumps(facts)}), durable=True)
