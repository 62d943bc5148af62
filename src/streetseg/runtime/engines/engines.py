"""The table of engines, and how one is opened."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from streetseg.errors import EngineError
from streetseg.runtime.card import ModelCard
from streetseg.runtime.engines.engine import Engine

if TYPE_CHECKING:
    from streetseg.runtime.engines.options import EngineOptions


@dataclass(frozen=True)
class EngineKind:
    """An engine of the table.

    module: has `open_artefact(path, card, options) -> Engine`. suffix: of the artefacts that it runs. devices: that it
    knows; which of them are there is seen when it opens an artefact.
    """

    module: str
    suffix: str
    devices: tuple[str, ...]


# Of the engines that run a file on a device, the first is the default.
ENGINES = {
    "openvino": EngineKind("streetseg.runtime.engines.openvino", ".onnx", ("cpu", "gpu", "npu", "auto")),
    "onnxruntime": EngineKind("streetseg.runtime.engines.onnxruntime", ".onnx", ("cpu", "cuda", "tensorrt")),
    "torch": EngineKind("streetseg.runtime.engines.torch", ".pt2", ("cpu", "cuda", "mps")),
}
DEVICES = tuple(dict.fromkeys(device for kind in ENGINES.values() for device in kind.devices))


def open_engine(path: Path, card: ModelCard, options: EngineOptions) -> Engine:
    """Load an artefact into an engine.

    Args:
        path: The artefact, NAME.onnx or NAME.pt2.
        card: Its card.
        options: Which engine, and how it runs.

    Returns:
        The engine.

    Raises:
        EngineError: If the engine cannot run this file, or cannot run here as the options say.
        ArtefactError: If the engine cannot read the file.
        OutputError: If the cache cannot be written to.
    """
    fitting = [name for name, kind in ENGINES.items() if kind.suffix == path.suffix]
    able = [name for name in fitting if options.device_kind in (None, *ENGINES[name].devices)]
    name = options.engine or next(iter(able), None)
    if name is None:
        formats = " or ".join(f"NAME{kind.suffix}" for kind in ENGINES.values() if options.device_kind in kind.devices)
        raise EngineError(f"no engine runs {path} on {options.device}, which runs {formats}; see streetseg export")
    kind = ENGINES[name]
    if name not in fitting:
        raise EngineError(f"{name} runs NAME{kind.suffix}, not {path}; take --engine {' or '.join(fitting)}")
    if options.device_kind not in (None, *kind.devices):
        raise EngineError(f"{name} runs on {', '.join(kind.devices)}, not on {options.device}")
    opener: Callable[[Path, ModelCard, EngineOptions], Engine] = importlib.import_module(kind.module).open_artefact
    return opener(path, card, options)
