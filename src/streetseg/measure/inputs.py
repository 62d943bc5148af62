"""Open the inputs of an evaluation: the artefact, which may have to be exported first, and the dataset."""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from streetseg.data.datasets import open_dataset
from streetseg.data.pairs import Dataset
from streetseg.errors import UsageError
from streetseg.runtime.engines.engines import ENGINES
from streetseg.runtime.engines.options import EngineOptions
from streetseg.runtime.segmenter import DEFAULT_WEIGHTS, Segmenter

Artefact = Path | str | Segmenter | None


class Exporter(Protocol):
    """Writes the artefact of unfolded weights; `streetseg.export` is one."""

    def __call__(self, weights: Path, *, out: Path) -> object:
        """Write the artefact `out`; its suffix says which kind."""


def engine_options(
    options: EngineOptions | None, engine: str | None, device: str | None, threads: int | None, precision: str | None
) -> EngineOptions:
    """Return the options, or the keywords as options; UsageError if there are both."""
    given = EngineOptions(engine, device, threads, precision)
    if options is not None and given != EngineOptions():
        raise UsageError("give either options, or engine, device, threads and precision")
    return options or given


@contextmanager
def opened_artefact(artefact: Artefact, options: EngineOptions, export: Exporter | None) -> Iterator[Segmenter]:
    """Open a Segmenter of the artefact. Unfolded weights are exported to a temporary file first."""
    if isinstance(artefact, Segmenter):
        if options != EngineOptions():
            raise UsageError("a Segmenter is open already; give its engine options to Segmenter.open")
        yield artefact
    elif artefact is None or Path(artefact).suffix != ".safetensors":
        yield Segmenter.open(artefact, options=options)
    else:
        suffix = ENGINES[options.engine].suffixes[0] if options.engine else ".onnx"
        with tempfile.TemporaryDirectory() as folder:
            out = Path(folder) / f"{Path(artefact).stem}{suffix}"
            (export or public_export())(Path(artefact), out=out)
            yield Segmenter.open(out, options=options)


def public_export() -> Exporter:
    """Return `streetseg.export`: this room does not know the export's, but the package's public names do."""
    import streetseg

    return streetseg.export


def artefact_name(artefact: Artefact) -> str:
    """Return the artefact's name as a command line has it; for an open Segmenter, a placeholder."""
    if isinstance(artefact, Segmenter):
        return "ARTEFACT"
    return DEFAULT_WEIGHTS.name if artefact is None else Path(artefact).name


def opened_dataset(data: Dataset | Path | str, name: str | None) -> Dataset:
    """Return the dataset in a folder, with its note as a warning; an open dataset is returned as it is."""
    if isinstance(data, Dataset):
        return data
    dataset = open_dataset(data, name)
    if dataset.note:
        warnings.warn(f"note: {dataset.note}", stacklevel=3)
    return dataset
