"""The shelf: which weights there are by name (shelf.json), and where their files are."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path

from streetseg.errors import ArtefactError, UsageError

SHELF = Path(__file__).with_name("shelf.json")
PACKAGED = Path(__file__).parents[1] / "weights"
CHECKOUT = Path(__file__).parents[4] / "weights"  # beside src/; of an installed wheel there is no such folder


@dataclass(frozen=True)
class Weights:
    """An artefact on the shelf. name: NETWORK-DATA. size: bytes of the file, sha256: over all of them."""

    name: str
    network: str
    file: str
    size: int
    sha256: str


def find_weights(given: str | Path) -> Path:
    """The file of the weights that were given by name: from the package, the checkout, the cache, or fetched into it.

    Anything but a name, that is a path with a suffix or folder or an existing file, comes back as it is. Raises
    UsageError for an unknown name, ArtefactError where the file cannot be had, OutputError where it cannot be kept.
    """
    path = Path(given)
    if path.suffix or path.parent != Path() or path.is_file():
        return path
    known = known_weights()
    if str(given) not in known:
        raise UsageError(
            f"{str(given)!r} is neither a file nor a name of weights; there are: {', '.join(known)}; "
            "or give a file, NAME.onnx"
        )
    weights = known[str(given)]
    # By its hash, so that another version of the package, which knows another file by this name, has its own.
    cached = cache_folder() / weights.sha256[:16] / weights.file
    for place in (PACKAGED / weights.file, CHECKOUT / weights.file, cached):
        if os.access(place, os.R_OK):  # unlike is_file, no error in a folder that is closed to us
            return place
    base_url = os.environ.get("STREETSEG_WEIGHTS_URL") or json.loads(SHELF.read_text())["base_url"]
    if not base_url:
        raise ArtefactError(
            f"the weights {given} are neither in {CHECKOUT} nor in {cached.parent}, and no public address has them "
            f"yet; set STREETSEG_WEIGHTS_URL to the address of a folder with {weights.file}, or give a file"
        )
    from streetseg.runtime.shelf.fetch import fetch  # what it imports takes longer than finding a file

    fetch(f"{base_url.rstrip('/')}/{weights.file}", cached, weights.size, weights.sha256)
    return cached


def known_weights() -> dict[str, Weights]:
    """The weights on the shelf by name."""
    return {entry["name"]: Weights(**entry) for entry in json.loads(SHELF.read_text())["weights"]}


def cache_folder() -> Path:
    """STREETSEG_CACHE, else streetseg/ in XDG_CACHE_HOME, else in ~/.cache."""
    if given := os.environ.get("STREETSEG_CACHE"):
        return Path(given)
    try:
        return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "streetseg"
    except RuntimeError:
        raise UsageError(
            "there is no home folder to keep weights in; set STREETSEG_CACHE to a folder for them, or give a file"
        ) from None
