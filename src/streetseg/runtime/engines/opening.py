"""Open an artefact in an engine."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from pathlib import Path

from streetseg.errors import EngineError
from streetseg.runtime.card import ModelCard
from streetseg.runtime.engines.engine import Engine
from streetseg.runtime.engines.engines import ENGINES
from streetseg.runtime.engines.options import EngineOptions


def open_engine(path: Path, card: ModelCard, options: EngineOptions) -> Engine:
    """Load an artefact into an engine.

    Args:
        path: The artefact, NAME.onnx, NAME.xml, NAME.pt2 or NAME.param.
        card: Its card.
        options: Engine, device and so on.

    Returns:
        The engine with the artefact.

    Raises:
        EngineError: If the engine cannot run this file, or cannot run here as the options say.
        ArtefactError: If the engine cannot read the file.
        OutputError: If the cache cannot be written to.
    """
    fitting = [name for name, kind in ENGINES.items() if path.suffix in kind.suffixes]
    able = [name for name in fitting if options.device_kind in (None, *ENGINES[name].devices)]
    name = options.engine or next(iter(able), None)
    if name is None:
        formats = " or ".join(kind.files for kind in ENGINES.values() if options.device_kind in kind.devices)
        raise EngineError(f"no engine runs {path} on {options.device}, which runs {formats}; see streetseg export")
    kind = ENGINES[name]
    if name not in fitting:
        raise EngineError(f"{name} runs {kind.files}, not {path}; choose --engine {' or '.join(fitting)}")
    if options.device_kind not in (None, *kind.devices):
        raise EngineError(f"{name} runs on {', '.join(kind.devices)}, not on {options.device}")
    opener: Callable[[Path, ModelCard, EngineOptions], Engine] = importlib.import_module(kind.module).open_artefact
    return opener(path, card, options)
