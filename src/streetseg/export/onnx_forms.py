"""Target "onnx": the artefact (NAME.onnx), in its usual form or in the one that a device wants.

The options edit the artefact's graph, so that from an artefact nothing here needs PyTorch. What comes out is opened as
users open it, by ONNX Runtime, and compared with its source.
"""

from __future__ import annotations

from pathlib import Path

import onnx

from streetseg.errors import ArtefactError, UsageError
from streetseg.export.graph import widen_weights, with_card
from streetseg.export.graph_forms import compute_in_half, give_form
from streetseg.export.opened import answer_in_form
from streetseg.export.opsets import give_opset
from streetseg.export.options import ExportOptions
from streetseg.export.source import Source
from streetseg.export.verify import compare_answers, verify_artefact
from streetseg.export.written import Written
from streetseg.runtime.artefact import read_card
from streetseg.runtime.card import ModelCard
from streetseg.runtime.engines.opening import open_engine
from streetseg.runtime.engines.options import EngineOptions
from streetseg.runtime.interface import USUAL, Interface

PRECISIONS = ("float32", "float16")
HALF_ARITHMETIC = "float16 arithmetic"  # on the card: not only the stored weights are in half precision


def write(source: Source, options: ExportOptions, place: Path) -> Written:
    """Write the source as an artefact of the form that the options name."""
    if options.precision not in (None, *PRECISIONS):
        raise UsageError(f"target onnx has no precision {options.precision}; choose one of {', '.join(PRECISIONS)}")
    if source.trained and not options.given:
        from streetseg.export.onnx import write_onnx

        card = write_onnx(source.network, source.card, place)
        return Written(card, verify_artefact(place, source.reference, card, "onnxruntime"))
    form = form_of(options)
    stored = "float16" if source.trained else source.card.precision
    precision = {None: stored, "float16": HALF_ARITHMETIC, "float32": "float32"}[options.precision]
    model = formed(source, options, form)
    content, card = with_card(model, source.card.with_interface(form), precision, place.stem)
    place.write_bytes(content)
    return Written(card, compared(source, options, place, card))


def form_of(options: ExportOptions) -> Interface:
    """Return what an artefact of these options takes and gives."""
    return Interface(
        "float32" if options.input == "float" else "uint8",
        options.layout or USUAL.layout,
        options.size,
        options.output or USUAL.output,
    )


def formed(source: Source, options: ExportOptions, form: Interface) -> onnx.ModelProto:
    """Return the source's graph in another form."""
    if source.card.form != USUAL:
        raise ArtefactError(f"{source.path} was exported in another form; give the artefact that it was made of")
    int8 = source.card.precision == "int8"
    if int8 and options.precision is not None:
        raise UsageError(f"{source.path} is int8 and stays so; leave out --precision, or give the float artefact")
    if options.precision == "float32" and source.trained:
        from streetseg.export.onnx import to_onnx

        model = to_onnx(source.network, source.card, halved=False)
    else:
        model = onnx.load(source.artefact)
        if options.precision == "float32":
            widen_weights(model.graph)
    if options.precision == "float16":
        compute_in_half(model.graph)
    give_form(model, form, len(source.card.classes), align_corners=source.card.align_corners)
    if options.opset is not None:
        give_opset(model, options.opset)
    onnx.checker.check_model(model, full_check=True)
    return model


def compared(source: Source, options: ExportOptions, place: Path, card: ModelCard) -> float:
    """Run what was written beside the artefact; return the largest difference. VerificationError beyond the limits."""
    read_card(place)
    settings = EngineOptions("onnxruntime", threads=1)
    engine = open_engine(place, card, settings)
    wide = options.precision == "float32" and source.trained
    expected = source.reference if wide else open_engine(source.artefact, source.card.with_interface(USUAL), settings)
    precision = "float16" if options.precision == "float16" else "float32"
    return compare_answers(lambda frame: answer_in_form(engine(frame), card.form), expected, card, precision)
