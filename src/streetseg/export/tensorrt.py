"""Target "tensorrt": a folder with the ONNX graph that TensorRT wants, its command, and the engine if there is a GPU.

TensorRT takes uint8 only where a cast follows at once, takes types from the graph instead of from flags (always from
version 11 on), and knows only symmetric signed ranges in int8. The artefact's graph is edited to that; nothing here
needs PyTorch. ONNX Runtime runs the edited graph and compares it with its source.
"""

from __future__ import annotations

import dataclasses
import importlib
import shlex
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx.numpy_helper
from onnx import TensorProto, helper

from streetseg.errors import ArtefactError, EngineError, UsageError, VerificationError
from streetseg.export.difference import LIMITS
from streetseg.export.graph import with_card
from streetseg.export.graph_forms import FRAME, compute_in_half, give_form, leave_out_cast, rename_readers
from streetseg.export.onnx_forms import HALF_ARITHMETIC
from streetseg.export.opened import Opened, of_logits
from streetseg.export.options import ExportOptions
from streetseg.export.source import Source
from streetseg.export.verify import SIZES, Run
from streetseg.export.written import Written
from streetseg.runtime.artefact import read_card
from streetseg.runtime.card import ModelCard
from streetseg.runtime.engines.opening import open_engine
from streetseg.runtime.engines.options import EngineOptions
from streetseg.runtime.interface import USUAL, Interface

GRAPH, ENGINE, COMMAND = "network.onnx", "network.engine", "build.sh"
HEAD = "#!/bin/sh\n# On the machine with the GPU. With TensorRT 10 add --stronglyTyped.\n"
# TensorRT for RTX has the same parser, and its package holds all that the parser needs.
PARSERS = ("tensorrt", "tensorrt_rtx", "tensorrt_rtx_bindings")
Shape = tuple[int, int, int, int]


@dataclasses.dataclass(frozen=True)
class Profile:
    """The sizes of frames that an engine takes, N x H x W x 3 each: the smallest, the usual and the largest."""

    smallest: Shape
    usual: Shape
    largest: Shape


def write(source: Source, options: ExportOptions, place: Path) -> Written:
    """Write the source's graph for TensorRT, the command and, unless only a plan is wanted, the engine."""
    card = source.card
    form = Interface("float32" if options.input == "float" else "uint8", size=options.size)
    precision = precision_of(options, card)
    model = onnx.load(source.artefact)
    graph_for_tensorrt(model, card, form, precision)
    stored = {"float16": HALF_ARITHMETIC}.get(precision, precision)
    content, card = with_card(model, card.with_interface(form), stored, place.name)
    (place / GRAPH).write_bytes(content)
    profile = None if options.size else profile_of(card)
    command = trtexec(profile)
    (place / COMMAND).write_text(f'{HEAD}cd "$(dirname "$0")" && {command}\n')
    difference = compared(place / GRAPH, source, card, precision)
    notes = [f"the difference is that of {GRAPH} in ONNX Runtime"]
    if options.plan:
        notes += [parsed(content), f"not tried on hardware; on the machine with the GPU: {command}"]
    else:
        notes.append(build(content, profile, place / ENGINE))
    return Written(card, difference, tuple(notes))


def open_exported(path: Path, options: EngineOptions) -> Opened:
    """Open the graph that `write` wrote: TensorRT's input, run by ONNX Runtime."""
    card = read_card(path / GRAPH)
    engine = open_engine(path / GRAPH, card, dataclasses.replace(options, engine="onnxruntime"))
    precision = {HALF_ARITHMETIC: "float16"}.get(card.precision, card.precision)
    return Opened(card, "onnxruntime", precision, of_logits(engine), size=card.form.size or (None, None))


def precision_of(options: ExportOptions, card: ModelCard) -> str:
    """Return the precision of the arithmetic; UsageError if the source does not have it."""
    if card.form != USUAL:
        raise ArtefactError(f"{card.title} was exported in another form; give the artefact that it was made of")
    int8 = card.precision == "int8"
    precision = options.precision or ("int8" if int8 else "float16")
    if precision == "int8" and not int8:
        raise UsageError("int8 needs calibrated ranges; first streetseg quantize, then export its artefact")
    if int8 and precision != "int8":
        raise UsageError(f"{card.title} is int8 and stays so; leave out --precision, or give the float artefact")
    if precision not in ("float32", "float16", "int8"):
        raise UsageError(f"target tensorrt has no precision {precision}; choose one of float32, float16, int8")
    return precision


def graph_for_tensorrt(model: onnx.ModelProto, card: ModelCard, form: Interface, precision: str) -> None:
    """Edit an artefact's graph to what TensorRT takes, in place."""
    if precision == "float16":
        compute_in_half(model.graph)
    elif precision == "int8":
        sign_ranges(model.graph)
    give_form(model, form, len(card.classes), align_corners=card.align_corners)
    if form.input == "uint8":
        cast_first(model.graph)
    onnx.checker.check_model(model, full_check=True)


def cast_first(graph: onnx.GraphProto) -> None:
    """Cast the frame before anything else: TensorRT refuses to transpose uint8."""
    leave_out_cast(graph)
    rename_readers(graph, FRAME, "frame.float")
    graph.node.insert(0, helper.make_node("Cast", [FRAME], ["frame.float"], name="frame_float", to=TensorProto.FLOAT))


def sign_ranges(graph: onnx.GraphProto) -> None:
    """Turn ranges of 0 to 255 steps into -127 to 127: TensorRT would take them for signed and cut off their upper half.

    Negative values do not occur there, so the largest value stays and a step becomes 255 / 127 times as large.
    """
    stored = {tensor.name: tensor for tensor in graph.initializer}
    for node in graph.node:
        if node.op_type not in ("QuantizeLinear", "DequantizeLinear") or node.input[0] in stored:
            continue
        zero = stored.get(node.input[2]) if len(node.input) > 2 else None
        if zero is None or onnx.numpy_helper.to_array(zero).any():
            raise ArtefactError("the int8 artefact has ranges that are not symmetric, which TensorRT does not take")
        if zero.data_type != TensorProto.UINT8:
            continue
        name = f"{node.input[1]}.signed"
        if name not in stored:
            scale = onnx.numpy_helper.to_array(stored[node.input[1]])
            wide = (scale * 255 / 127).astype(scale.dtype)
            zeros = np.zeros(scale.shape, np.int8)
            for made in (
                onnx.numpy_helper.from_array(wide, name),
                onnx.numpy_helper.from_array(zeros, f"{name}.zero"),
            ):
                graph.initializer.append(made)
                stored[made.name] = made
        node.input[1], node.input[2] = name, f"{name}.zero"


def profile_of(card: ModelCard) -> Profile:
    """Return the sizes for a card: 4:3 at its native short side; from a quarter to twice the height and width."""
    short = card.native_short_side * card.operating_scale

    def shape(factor: float) -> Shape:
        height, width = (
            max(1, round(side * factor / card.size_multiple)) * card.size_multiple for side in (short, short * 4 / 3)
        )
        return 1, height, width, 3

    return Profile(shape(0.25), shape(1), shape(2))


def trtexec(profile: Profile | None) -> str:
    """Return the command that builds the engine, to be run inside the folder; None: the graph has one fixed size."""
    words = ["trtexec", f"--onnx={GRAPH}", f"--saveEngine={ENGINE}"]
    if profile is not None:
        for option, shape in zip(("min", "opt", "max"), dataclasses.astuple(profile), strict=True):
            words.append(f"--{option}Shapes={FRAME}:{'x'.join(map(str, shape))}")
    return shlex.join(words)


def compared(path: Path, source: Source, card: ModelCard, precision: str) -> float:
    """Run the graph in ONNX Runtime beside its source; return the largest difference, in deviations of the logits."""
    run = open_engine(path, read_card(path), EngineOptions("onnxruntime", threads=1))
    expected: Run = source.reference
    if source.trained and precision != "float32":  # what float16 adds to the artefact counts, not the stored weights
        expected = open_engine(source.artefact, source.card, EngineOptions("openvino", threads=1, precision="float32"))
    multiple, limit = card.size_multiple, LIMITS[precision].mean * 2 if precision != "float32" else 1e-2
    worst = 0.0
    for height, width in [card.form.size] if card.form.size else [(h * multiple, w * multiple) for h, w in SIZES]:
        frame = np.random.default_rng((height, width)).integers(0, 256, (height, width, 3), np.uint8)
        theirs, logits = expected(frame), run(frame)
        apart = np.abs(logits - theirs) / max(float(theirs.std()), float(np.finfo(np.float32).tiny))
        if logits.shape != theirs.shape or not np.isfinite(apart).all() or apart.mean() > limit:
            raise VerificationError(
                f"the graph for TensorRT differs from its source by {apart.mean():.1e} of the logits' deviation in the "
                f"mean, allowed is {limit:g}; nothing was written"
            )
        worst = max(worst, float(apart.max()))
    return worst


def parsed(content: bytes) -> str:
    """Return what TensorRT's parser says of the graph; VerificationError if it refuses it."""
    for name in PARSERS:
        try:
            trt = importlib.import_module(name)
        except ImportError:
            continue
        try:
            parse(trt, content)
        except EngineError as error:
            return f"not parsed by TensorRT: {error}"
        return f"TensorRT's parser takes {GRAPH} ({name} {trt.__version__})"
    return "not parsed by TensorRT, which is not installed"


def parse(trt: Any, content: bytes) -> tuple[Any, Any]:
    """Return TensorRT's builder and network of a graph."""
    logger = trt.Logger(trt.Logger.ERROR)
    try:
        builder = trt.Builder(logger)
    except Exception as error:  # TensorRT's bindings raise errors of several kinds where CUDA is missing
        raise EngineError(f"TensorRT finds no GPU here ({str(error).splitlines()[0]})") from None
    flags = trt.NetworkDefinitionCreationFlag
    typed = 1 << int(flags.STRONGLY_TYPED) if hasattr(flags, "STRONGLY_TYPED") else 0
    network = builder.create_network(typed)
    parser = trt.OnnxParser(network, logger)
    if not parser.parse(content):
        reasons = "; ".join(str(parser.get_error(at).desc()).splitlines()[0] for at in range(parser.num_errors))
        raise VerificationError(f"TensorRT's parser refuses {GRAPH}: {reasons}; nothing was written")
    return builder, network


def build(content: bytes, profile: Profile | None, out: Path) -> str:
    """Build the engine on this machine's GPU; return what was done."""
    try:
        trt = importlib.import_module("tensorrt")
    except ImportError:
        raise EngineError(
            "TensorRT is not installed here, and it builds engines only on the GPU that runs them; write the graph and "
            "the command by --plan, or: pip install tensorrt"
        ) from None
    builder, network = parse(trt, content)
    config = builder.create_builder_config()
    if profile is not None:
        sizes = builder.create_optimization_profile()
        sizes.set_shape(FRAME, profile.smallest, profile.usual, profile.largest)
        config.add_optimization_profile(sizes)
    engine = builder.build_serialized_network(network, config)
    if engine is None:
        raise EngineError(
            "TensorRT builds no engine here; its messages are above; --plan writes the graph and the command"
        )
    out.write_bytes(bytes(engine))
    return f"{ENGINE} is built by TensorRT {trt.__version__}, but was not run and compared"
