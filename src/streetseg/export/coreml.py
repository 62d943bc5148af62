"""Target "coreml": an ML program of Core ML for iPhone, iPad and Mac (NAME.mlpackage).

It takes an image, and normalises it itself. Frames have one size. The card is in the model's metadata. Only macOS runs
it: here it is converted, and what was written is read back and inspected.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np

from streetseg.errors import ArtefactError, EngineError, UsageError, VerificationError
from streetseg.export.fixed_size import check_output, fixed_size
from streetseg.export.opened import Opened
from streetseg.export.options import ExportOptions
from streetseg.export.source import Source
from streetseg.export.written import Written
from streetseg.runtime.artefact import METADATA_KEY, protobuf_fields
from streetseg.runtime.card import ModelCard
from streetseg.runtime.engines.options import EngineOptions
from streetseg.runtime.interface import Interface
from streetseg.runtime.quiet import quiet

PRECISIONS = ("float16", "float32")
INPUT = "image"
# Inside the package.
GRAPH, WEIGHTS = "Data/com.apple.CoreML/model.mlmodel", "Data/com.apple.CoreML/weights/weight.bin"
DESCRIPTION = 2  # field number of the description, with the metadata, in Core ML's Model
NOT_RUN = "only macOS runs a Core ML model; it was converted, read back and inspected, not run"


def write(source: Source, options: ExportOptions, place: Path) -> Written:
    """Write the source as the package `place`."""
    precision = options.precision or PRECISIONS[0]
    if precision not in PRECISIONS:
        raise UsageError(f"target coreml has no precision {precision}; choose one of {', '.join(PRECISIONS)}")
    if source.card.precision == "int8":
        raise UsageError(f"{source.path} is int8; give the float artefact")
    check_output("coreml", options)
    form = Interface("uint8", "nchw", fixed_size(options, source.card), options.output or "logits")
    card = source.card.with_interface(form).written(place.stem)
    card = dataclasses.replace(card, precision="float16 arithmetic" if precision == "float16" else "float32")
    model = converted(source, form, precision)
    save(model, place)
    card = dataclasses.replace(card, content_hash=package_content_hash(place))
    describe(model, card)
    save(model, place)
    check(place, card)
    return Written(card, None, (NOT_RUN,))


def converted(source: Source, form: Interface, precision: str) -> Any:
    """Return the source as an MLModel of coremltools."""
    import torch

    from streetseg.export.torch_form import module_in_form

    with quiet():
        import coremltools as ct

        assert form.size is not None
        shape = (1, 3, *form.size)
        with torch.no_grad():
            traced = torch.jit.trace(  # type: ignore[no-untyped-call]
                module_in_form(source, form, torch.int32), torch.zeros(shape)
            )
        return ct.convert(
            traced,
            inputs=[ct.ImageType(INPUT, shape=shape, color_layout=ct.colorlayout.RGB)],
            outputs=[ct.TensorType(form.output)],
            convert_to="mlprogram",
            compute_precision=ct.precision.FLOAT16 if precision == "float16" else ct.precision.FLOAT32,
            minimum_deployment_target=ct.target.iOS16,
            skip_model_load=True,
        )


def save(model: Any, place: Path) -> None:
    """Write the package."""
    with quiet():
        model.save(str(place))


def describe(model: Any, card: ModelCard) -> None:
    """Give the model its card, and what Xcode shows of a model."""
    model.short_description = f"{card.network}: semantic segmentation of road scenes, {len(card.classes)} classes"
    model.license, model.version = card.terms, card.package_version
    metadata = model.user_defined_metadata
    metadata[METADATA_KEY] = card.to_json()
    metadata["classes"] = ",".join(card.classes)
    if card.form.output == "classmap":
        colours = ["#{:02x}{:02x}{:02x}".format(*colour) for colour in card.colours]
        metadata["com.apple.coreml.model.preview.type"] = "imageSegmenter"
        metadata["com.apple.coreml.model.preview.parameters"] = json.dumps(
            {"labels": list(card.classes), "colors": colours}
        )


@dataclasses.dataclass(frozen=True)
class Inspected:
    """What a package says of itself.

    Attributes:
        card: Its card.
        image: H, W in pixels and the order of the channels of the image that it takes.
        output: Name, type and shape of what it gives.
        operations: Number of operations of its program.
    """

    card: ModelCard
    image: tuple[int, int, str]
    output: tuple[str, str, tuple[int, ...]]
    operations: int

    def in_words(self) -> str:
        """Return it in one line."""
        height, width, order = self.image
        name, kind, shape = self.output
        axes = " x ".join(map(str, shape))
        return (
            f"it takes an image of {height} x {width}, {order}, and gives {name}, {axes} {kind}; "
            f"{self.operations} operations; {self.card.network}, {len(self.card.classes)} classes, "
            f"{self.card.precision}"
        )


def inspect(path: Path) -> Inspected:
    """Return what a package says of itself; ArtefactError if it is not one of this target."""
    with quiet():
        import coremltools as ct

        spec = ct.utils.load_spec(str(path))
    metadata = spec.description.metadata.userDefined
    if METADATA_KEY not in metadata or len(spec.description.input) != 1 or len(spec.description.output) != 1:
        raise ArtefactError(f"{path} is no Core ML package of streetseg; make one with: streetseg export --to coreml")
    card = ModelCard.from_json(metadata[METADATA_KEY], str(path))
    image, output = spec.description.input[0].type.imageType, spec.description.output[0]
    array = output.type.multiArrayType
    (main,) = spec.mlProgram.functions.values()
    (block,) = main.block_specializations.values()
    return Inspected(
        card,
        (image.height, image.width, image.ColorSpace.Name(image.colorSpace)),
        (output.name, array.ArrayDataType.Name(array.dataType).lower(), tuple(array.shape)),
        sum(one.type != "const" for one in block.operations),
    )


def check(path: Path, card: ModelCard) -> None:
    """Read a written package back; VerificationError if it is not what its card says."""
    found = inspect(path)
    assert card.form.size is not None
    height, width = card.form.size
    stride, classes = card.output_stride, len(card.classes)
    shape = (
        (1, height, width)
        if card.form.output == "classmap"
        else (1, classes, -(-height // stride), -(-width // stride))
    )
    if found.card != card or package_content_hash(path) != card.content_hash:
        raise VerificationError(f"{path.name} was not written: it does not hold its card; coremltools changed it")
    if found.image != (height, width, "RGB") or found.output[::2] != (card.form.output, shape):
        raise VerificationError(f"{path.name} was not written: {found.in_words()}, and its card says {card.form}")


def package_content_hash(path: Path) -> str:
    """Return the SHA-256 over the model's fields without the description, and over its weights."""
    digest = hashlib.sha256()
    graph = path / GRAPH
    for number, value in protobuf_fields(graph.read_bytes(), graph):
        if number != DESCRIPTION:
            digest.update(np.array([number, len(value)], "<u8").tobytes())
            digest.update(value)
    weights = (path / WEIGHTS).read_bytes()
    digest.update(np.array([len(weights)], "<u8").tobytes())
    digest.update(weights)
    return digest.hexdigest()


def open_exported(path: Path, options: EngineOptions) -> Opened:
    """Raise EngineError with what the package says of itself: it cannot be run here."""
    raise EngineError(f"{path} runs on macOS only, which streetseg does not do; inspected: {inspect(path).in_words()}")
