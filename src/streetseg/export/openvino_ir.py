"""Target "openvino": OpenVINO's own format, NAME.xml and NAME.bin.

The card lies in the XML's `rt_info`, at streetseg/card. Beside it, at model_info, is what OpenVINO's Model API reads:
kind of model, classes, order of the channels. It wants logits with the classes first: that layout is the default here.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path

from streetseg.errors import UsageError
from streetseg.export.graph import halve_weights
from streetseg.export.onnx_forms import form_of, formed
from streetseg.export.opened import answer_in_form
from streetseg.export.options import ExportOptions
from streetseg.export.source import Source
from streetseg.export.verify import compare_answers
from streetseg.export.written import Written
from streetseg.runtime.artefact import IR_CARD, ir_content_hash, read_card
from streetseg.runtime.card import ModelCard
from streetseg.runtime.engines.opening import open_engine
from streetseg.runtime.engines.options import EngineOptions

PRECISIONS = ("float32", "float16", "int8")


def write(source: Source, options: ExportOptions, place: Path) -> Written:
    """Write the source as `place`, NAME.xml, and NAME.bin."""
    int8 = source.card.precision == "int8"
    if options.precision not in (None, *PRECISIONS):
        raise UsageError(f"target openvino has no precision {options.precision}; choose one of {', '.join(PRECISIONS)}")
    if int8 != (options.precision == "int8") and options.precision is not None:
        remedy = "leave out --precision" if int8 else "first: streetseg quantize"
        raise UsageError(f"{source.path} is {'' if int8 else 'not '}int8; {remedy}")
    options = dataclasses.replace(options, layout=options.layout or "nchw")
    form = form_of(options)
    wide = options.precision == "float32"
    model = formed(source, dataclasses.replace(options, precision="float32" if wide else None), form)
    if options.precision == "float16":
        halve_weights(model.graph)
    card = source.card.with_interface(form).written(place.stem)
    card = dataclasses.replace(card, precision=options.precision or ("float16" if source.trained else card.precision))
    card = save(model.SerializeToString(), card, place)
    settings = EngineOptions("openvino", threads=1, precision="float32")
    engine = open_engine(place, read_card(place), settings)
    expected = source.reference if wide and source.trained else open_engine(source.artefact, source.card, settings)
    precision = "float16" if options.precision == "float16" else "float32"
    return Written(card, compare_answers(lambda frame: answer_in_form(engine(frame), form), expected, card, precision))


def save(graph: bytes, card: ModelCard, place: Path) -> ModelCard:
    """Write an ONNX graph as OpenVINO's format with its card; return the card with the content hash."""
    from streetseg.runtime.engines.openvino import core  # it keeps OpenVINO's converter and its telemetry out

    import openvino as ov  # isort: skip

    model = core().read_model(graph)
    model.set_friendly_name(card.title)
    # Compressing would round biases, too: then it would be another function than the artefact's.
    ov.save_model(model, place, compress_to_fp16=False)
    card = dataclasses.replace(card, content_hash=ir_content_hash(place.read_bytes(), place))
    model.set_rt_info(card.to_json(), list(IR_CARD))
    for name, value in model_info(card).items():
        model.set_rt_info(value, ["model_info", name])
    ov.save_model(model, place, compress_to_fp16=False)
    return card


def model_info(card: ModelCard) -> dict[str, str]:
    """Return what OpenVINO's Model API reads of a model. It takes pictures as OpenCV reads them, blue first."""
    return {
        "model_type": "Segmentation",
        "labels": " ".join("_".join(name.split()) for name in card.classes),
        "label_colors": " ".join("#{:02x}{:02x}{:02x}".format(*colour) for colour in card.colours),
        "layout": card.form.layout.upper(),
        "reverse_input_channels": "True",
        "resize_type": "standard",
        "return_soft_prediction": "True",
    }
