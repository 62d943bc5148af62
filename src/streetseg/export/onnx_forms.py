"""Target "onnx": the artefact (NAME.onnx)."""

from __future__ import annotations

from pathlib import Path

from streetseg.export.options import ExportOptions
from streetseg.export.source import Source
from streetseg.export.verify import verify_artefact
from streetseg.export.written import Written


def write(source: Source, options: ExportOptions, place: Path) -> Written:
    """Write the source as the artefact `place`."""
    from streetseg.export.onnx import write_onnx

    card = write_onnx(source.network, source.card, place)
    return Written(card, verify_artefact(place, source.reference, card, "onnxruntime"))
