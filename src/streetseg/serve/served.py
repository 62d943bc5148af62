"""The models of a server by name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from streetseg.errors import UsageError
from streetseg.results import JSON
from streetseg.runtime.engines.options import EngineOptions
from streetseg.runtime.segmenter import DEFAULT_WEIGHTS, Segmenter
from streetseg.serve.queue import WorkQueue


@dataclass(frozen=True)
class ServedModel:
    """A model that the server answers with.

    Attributes:
        name: Its name in addresses.
        segmenter: The segmenter.
        queue: Its queue.
    """

    name: str
    segmenter: Segmenter
    queue: WorkQueue

    def facts(self) -> dict[str, JSON]:
        """Return what clients must know of it, as JSON's types."""
        card, segmenter = self.segmenter.card, self.segmenter
        return {
            "name": self.name,
            "network": card.network,
            "engine": segmenter.engine.name,
            "precision": segmenter.engine.precision,
            "classes": list(card.classes),
            "colours": [list(colour) for colour in card.colours],
            "ignore": card.ignore,
            "short_side": segmenter.short_side,
            "operating_scale": card.operating_scale,
            "output_stride": card.output_stride,
            "size_multiple": card.size_multiple,
            "training_data": card.training_data,
            "terms": card.terms,
            "limits": list(card.limits),
            "content_hash": card.content_hash,
        }


def name_of(artefact: str | Path) -> str:
    """Return a model's name in addresses: the name of weights, or the file's name without its suffix."""
    path = Path(artefact)
    return path.stem if path.suffix in (".onnx", ".xml", ".pt2") or path.parent != Path() else path.name


def open_models(
    artefacts: Sequence[str | Path],
    *,
    size: int | None = None,
    options: EngineOptions | None = None,
    waiting: int = 16,
) -> dict[str, ServedModel]:
    """Open the models of a server, and run each once.

    Args:
        artefacts: Files or names of weights; none: the package's weights.
        size: Pixels. Frames are reduced to this short side; None: each card's.
        options: Engine, device and so on; None: the defaults.
        waiting: Pictures that may wait for a model.

    Returns:
        The models by name, in the order given.

    Raises:
        UsageError: If two have one name.
        ArtefactError: If one cannot be opened.
        EngineError: If no engine runs one as the options say.
    """
    models: dict[str, ServedModel] = {}
    options = options or EngineOptions()
    for artefact in artefacts or [DEFAULT_WEIGHTS]:
        name = name_of(artefact)
        if name in models:
            raise UsageError(f"two artefacts have the name {name!r}; rename one file")
        segmenter = Segmenter.open(artefact, size=size, options=replace(options))
        segmenter(np.zeros((480, 640, 3), np.uint8))  # compiles, so that the first client need not wait
        models[name] = ServedModel(name, segmenter, WorkQueue(name, segmenter.workers, waiting))
    return models
