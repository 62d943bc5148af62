"""The shelf: the list of weights that have a name (shelf.json), and where their files are."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from streetseg.errors import ArtefactError, UsageError
from streetseg.results import Facts, Printable, text_table

SHELF = Path(__file__).with_name("shelf.json")
PACKAGED = Path(__file__).parents[1] / "weights"
CHECKOUT = Path(__file__).parents[4] / "weights"  # beside src/; an installed wheel has no such folder


@dataclass(frozen=True)
class Measured:
    """An accuracy on an artefact's card.

    Attributes:
        measured_on: Dataset, split and number of frames, and what the weights were trained on.
        miou: Mean IoU, 0 to 1.
    """

    measured_on: str
    miou: float


@dataclass(frozen=True)
class Weights:
    """An artefact on the shelf.

    Attributes:
        name: NETWORK-DATA.
        network: The network's name.
        file: The file's name.
        size: Bytes of the file.
        sha256: SHA-256 of the file.
        training_data: What the weights were trained on.
        accuracy: The accuracies on its card.
    """

    name: str
    network: str
    file: str
    size: int
    sha256: str
    training_data: str
    accuracy: tuple[Measured, ...]

    @classmethod
    def of(cls, entry: Mapping[str, Any]) -> Weights:
        """Return an entry of shelf.json."""
        return cls(**{**entry, "accuracy": tuple(Measured(**one) for one in entry["accuracy"])})

    def path(self) -> Path | None:
        """Return the file in the package, the checkout or the cache; None if it must be downloaded first."""
        for place in (PACKAGED / self.file, CHECKOUT / self.file, self.cached()):
            if os.access(place, os.R_OK):  # unlike is_file, raises no error in a folder that we may not enter
                return place
        return None

    def unfolded(self) -> Path | None:
        """Return the unfolded weights in the checkout that the artefact was exported from; None if there are none."""
        found = sorted(CHECKOUT.glob(f"{Path(self.file).stem}*.safetensors"))
        return found[0] if len(found) == 1 else None

    def norms(self) -> Path | None:
        """Return the norms of the artefact in the package, by which it can be unfolded; None if there are none."""
        return self.norms_path() if self.norms_path().is_file() else None

    def norms_path(self) -> Path:
        """Return the place of the norms of an artefact in the package."""
        return PACKAGED / f"{Path(self.file).stem}.norms.safetensors"

    def cached(self) -> Path:
        """Return the file's place in the cache; its hash is part of it, because versions may differ under one name."""
        return cache_folder() / self.sha256[:16] / self.file


@dataclass(frozen=True, repr=False)
class WeightList(Printable):
    """The weights by name that this package knows.

    Attributes:
        weights: Sorted by name.
        here: The names of those whose files are on this machine.
    """

    weights: tuple[Weights, ...]
    here: frozenset[str]

    def facts(self) -> Facts:
        """Return the shelf's entries.

        Returns:
            A list below "weights"; each entry's "here" is True if its file is on this machine.
        """
        return {"weights": [asdict(one) | {"here": one.name in self.here} for one in self.weights]}

    def table(self) -> str:
        """Return the shelf for a terminal.

        Returns:
            A row for each name, then a table of the accuracies.
        """
        rows = [["name", "network", "trained on", "MB", "here"]]
        rows += [
            [
                one.name,
                one.network,
                one.training_data,
                f"{one.size / 1e6:.1f}",
                ("no", "yes")[one.name in self.here],
            ]
            for one in self.weights
        ]
        accuracy = [["name", "mIoU %", "measured on"]]
        accuracy += [
            [one.name, f"{100 * measured.miou:.2f}", measured.measured_on]
            for one in self.weights
            for measured in one.accuracy
        ]
        return f"{text_table(rows)}\n\n{text_table(accuracy)}"


def list_weights() -> WeightList:
    """List the weights that have a name. Nothing is downloaded.

    Returns:
        Name, network, training data, accuracy and size of each, and which are on this machine.
    """
    known = known_weights()
    return WeightList(
        tuple(known[name] for name in sorted(known)),
        frozenset(name for name, weights in known.items() if weights.path() is not None),
    )


def find_weights(given: str | Path) -> Path:
    """Return the file of weights; download it if they are given by name and not on this machine.

    Args:
        given: A name on the shelf, or a path: it has a suffix or a folder, or is an existing file.

    Returns:
        The file in the package, the checkout or the cache; a path unchanged.

    Raises:
        UsageError: If the name is unknown.
        ArtefactError: If the file cannot be downloaded.
        OutputError: If the cache cannot be written to.
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
    here = weights.path()
    if here is not None:
        return here
    cached = weights.cached()
    base_url = os.environ.get("STREETSEG_WEIGHTS_URL") or json.loads(SHELF.read_text())["base_url"]
    if not base_url:
        raise ArtefactError(
            f"the weights {given} are neither in {CHECKOUT} nor in {cached.parent}, and no public address has "
            f"them; set STREETSEG_WEIGHTS_URL to the address of a folder with {weights.file}, or give a file"
        )
    from streetseg.runtime.shelf.fetch import fetch  # its imports take longer than looking for a file

    fetch(f"{base_url.rstrip('/')}/{weights.file}", cached, weights.size, weights.sha256)
    return cached


def known_weights() -> dict[str, Weights]:
    """Return the weights on the shelf by name."""
    return {entry["name"]: Weights.of(entry) for entry in json.loads(SHELF.read_text())["weights"]}


def shelf_entry(artefact: Path) -> Weights:
    """Return what shelf.json must say of an artefact.

    Args:
        artefact: NETWORK_DATA.onnx.

    Returns:
        The entry, whose `dataclasses.asdict` is written to shelf.json.

    Raises:
        ArtefactError: If it is not an artefact.
    """
    import hashlib  # here and below: listing the shelf needs neither

    from streetseg.runtime.artefact import read_card

    card, content = read_card(artefact), artefact.read_bytes()
    return Weights(
        name=f"{card.network}-{artefact.stem.removeprefix(f'{card.network}_')}",
        network=card.network,
        file=artefact.name,
        size=len(content),
        sha256=hashlib.sha256(content).hexdigest(),
        training_data=card.training_data,
        accuracy=tuple(Measured(one.measured_on, one.miou) for one in card.accuracy),
    )


def cache_folder() -> Path:
    """Return STREETSEG_CACHE, else streetseg/ in XDG_CACHE_HOME, else in ~/.cache; UsageError if there is no home."""
    if given := os.environ.get("STREETSEG_CACHE"):
        return Path(given)
    try:
        return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "streetseg"
    except RuntimeError:
        raise UsageError(
            "there is no home folder to keep weights in; set STREETSEG_CACHE to a folder for them, or give a file"
        ) from None
