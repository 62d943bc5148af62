"""Target "litert": a model of LiteRT, formerly TensorFlow Lite, for Android and small boards (NAME.tflite).

LiteRT's own converter makes it from PyTorch. Frames have one size. The card and the list of classes lie in an archive
at the file's end, as LiteRT's metadata does: `unzip -p NAME.tflite card.json`.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path

from streetseg.errors import UsageError
from streetseg.export.fixed_size import check_output, fixed_size
from streetseg.export.opened import Opened, opened_in_form
from streetseg.export.options import ExportOptions
from streetseg.export.source import Source
from streetseg.export.verify import compare_answers
from streetseg.export.written import Written
from streetseg.runtime.appended import content_hash_of, with_archive
from streetseg.runtime.artefact import read_card
from streetseg.runtime.engines.opening import open_engine
from streetseg.runtime.engines.options import EngineOptions
from streetseg.runtime.interface import Interface
from streetseg.runtime.quiet import quiet

INPUT = "frame"


def write(source: Source, options: ExportOptions, place: Path) -> Written:
    """Write the source as the model `place`."""
    check_output("litert", options)
    if source.card.precision == "int8":
        raise UsageError(f"{source.path} is int8, and target litert writes float32; give the float artefact")
    form = Interface(
        "float32" if options.input == "float" else "uint8",
        size=fixed_size(options, source.card),
        output=options.output or "logits",
    )
    model = converted(source, form)
    card = source.card.with_interface(form).written(place.stem)
    card = dataclasses.replace(card, precision="float32", content_hash=content_hash_of(model))
    place.write_bytes(with_archive(model, card))
    opened = open_exported(place, EngineOptions(threads=1))
    return Written(card, compare_answers(opened.run, source.reference, card, opened.precision))


def converted(source: Source, form: Interface) -> bytes:
    """Return the source as a float32 model."""
    with quiet():
        import litert_torch

        from streetseg.export.torch_form import example_frame, module_in_form

        model = litert_torch.convert(module_in_form(source, form), sample_kwargs={INPUT: example_frame(form)})
        return bytes(model.model_content())


def open_exported(path: Path, options: EngineOptions) -> Opened:
    """Open a model for a comparison."""
    card = read_card(path)
    engine = open_engine(path, card, dataclasses.replace(options, engine="litert"))
    return opened_in_form(engine, engine.name, card)
