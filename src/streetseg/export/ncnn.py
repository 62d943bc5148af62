"""Target "ncnn": NAME.param, NAME.bin and NAME.card.json for ncnn, made by pnnx from the artefact. Needs no PyTorch.

Blob "in0" takes a frame as RGB, 0 to 255, channels first, of any size that is a multiple of the card's size_multiple;
normalisation is inside. Blob "out0" has the logits, channels first. Weights are stored in half precision, as in the
artefact, unless --precision float32 says otherwise.
"""

from __future__ import annotations

import dataclasses
import subprocess
import tempfile
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import onnx

from streetseg.errors import ArtefactError, MissingExtraError, UsageError, VerificationError
from streetseg.export.graph import widen_weights
from streetseg.export.opened import Opened, of_logits
from streetseg.export.options import ExportOptions
from streetseg.export.source import Source
from streetseg.export.verify import largest_difference
from streetseg.export.written import Written
from streetseg.runtime.artefact import CARD_BESIDE, ncnn_content_hash, read_card
from streetseg.runtime.card import ModelCard
from streetseg.runtime.engines.ncnn import INPUT, OUTPUT, open_artefact
from streetseg.runtime.engines.options import EngineOptions
from streetseg.runtime.interface import USUAL

# In units of size_multiple. pnnx takes a side that differs between the two as dynamic.
TRACED = (4, 6), (8, 10)
WAY_IN = ("Transpose", "Cast", "Sub", "Mul")  # of the artefact; ncnn has a layer for it
MODES = {"nearest": 1, "bilinear": 2}  # as ncnn's layer Interp numbers them
PATIENCE = 600  # seconds; pnnx takes a few


def write(source: Source, options: ExportOptions, place: Path) -> Written:
    """Write the source as `place` (NAME.param) and its companions."""
    if options.precision not in (None, "float16", "float32"):
        raise UsageError(f"ncnn stores weights in float16 or float32, not in {options.precision}")
    if source.card.precision == "int8":
        raise ArtefactError(f"{source.path} is int8, which pnnx does not convert; give the float artefact")
    if source.card.form != USUAL:
        raise ArtefactError(f"{source.path} was exported in another form; give the artefact that it was made of")
    precision = options.precision or "float16"
    converter = pnnx()
    with tempfile.TemporaryDirectory(prefix="streetseg-") as room:
        onnx.save(network_of(source.artefact), Path(room) / "net.onnx")
        shapes = [
            f"{option}=[1,3,{rows * source.card.size_multiple},{columns * source.card.size_multiple}]"
            for option, (rows, columns) in zip(("inputshape", "inputshape2"), TRACED, strict=True)
        ]
        command = [converter, "net.onnx", *shapes, f"fp16={int(precision == 'float16')}"]
        run = subprocess.run(command, cwd=room, capture_output=True, text=True, timeout=PATIENCE, check=False)
        made = {name: Path(room) / f"net.{name}" for name in ("pnnx.param", "ncnn.param", "ncnn.bin")}
        if run.returncode or not all(path.exists() for path in made.values()):
            raise VerificationError(f"pnnx cannot convert {source.given}: {last_line(run.stdout + run.stderr)}")
        param = with_resizing(made["ncnn.param"].read_text(), resizing_in(made["pnnx.param"].read_text()))
        place.write_text(with_normalisation(param))
        place.with_suffix(".bin").write_bytes(normalisation(source.card) + made["ncnn.bin"].read_bytes())
    content_hash = ncnn_content_hash(place.read_bytes(), place)
    card = dataclasses.replace(source.card.written(place.stem), content_hash=content_hash, precision=precision)
    place.with_suffix(CARD_BESIDE).write_text(card.to_json(), encoding="utf-8")
    engine = open_artefact(place, card, EngineOptions("ncnn", threads=1, precision="float32"))
    return Written(card, largest_difference(engine, source.reference, card))


def open_exported(path: Path, options: EngineOptions) -> Opened:
    """Open what `write` wrote."""
    card = read_card(path)
    engine = open_artefact(path, card, options)
    precision = card.precision if engine.precision == "float32" else engine.precision
    return Opened(card, engine.name, precision, of_logits(engine))


def pnnx() -> str:
    """Return the path of pnnx's program. Its Python package would import PyTorch, which the program does not need."""
    found = find_spec("pnnx")
    if found is None or not found.submodule_search_locations:
        raise MissingExtraError("pnnx", "streetseg export --to ncnn", "ncnn-export")
    folder = Path(found.submodule_search_locations[0])
    return str(next(path for name in ("pnnx", "pnnx.exe") if (path := folder / name).is_file()))


def network_of(artefact: Path) -> onnx.ModelProto:
    """Return an artefact's graph from normalised values to logits, both with their channels first."""
    model = onnx.load(artefact)
    graph = model.graph
    widen_weights(graph)
    channels = graph.output[0].type.tensor_type.shape.dim[3].dim_value
    way_in, value = [], graph.input[0].name
    while len(readers := [node for node in graph.node if value in node.input]) == 1 and readers[0].op_type in WAY_IN:
        way_in += readers
        value = readers[0].output[0]
    way_out = next(node for node in graph.node if graph.output[0].name in node.output)
    names = {value: INPUT, way_out.input[0]: OUTPUT}
    if sorted(node.op_type for node in way_in) != sorted(WAY_IN) or way_out.op_type != "Transpose":
        raise ArtefactError(f"{artefact} does not begin and end as artefacts of this version do; export it again")
    for node in (*way_in, way_out):
        graph.node.remove(node)
    for node in graph.node:
        for texts in (node.input, node.output):
            for at, name in enumerate(texts):
                texts[at] = names.get(name, name)
    shapes = {INPUT: [1, 3, "height", "width"], OUTPUT: [1, channels, "h", "w"]}
    values = [onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, shape) for name, shape in shapes.items()]
    graph.input[0].CopyFrom(values[0])
    graph.output[0].CopyFrom(values[1])
    del model.metadata_props[:]
    return model


def resizing_in(text: str) -> dict[str, str]:
    """Return the parameters of ncnn's Interp for each F.interpolate in pnnx's own graph, by the layer's name."""
    found = {}
    for line in text.splitlines():
        kind, name, *values = line.split() if len(line.split()) > 3 else ["", ""]
        if kind == "F.interpolate":
            given = dict(value.split("=", 1) for value in values if "=" in value)
            # 5: the second input has the wanted size; 6: corners are aligned.
            aligned = " 6=1" if given.get("align_corners") == "True" else ""
            found[name] = f"0={MODES[given['mode']]} 5=1{aligned}"
    return found


def with_resizing(text: str, parameters: Mapping[str, str]) -> str:
    """Return ncnn's graph with each F.interpolate to another value's size as Interp: pnnx leaves these as they are."""
    lines = []
    for line in text.splitlines():
        words = line.split()
        if words[0] == "F.interpolate":
            blobs = words[2 : 4 + int(words[2]) + int(words[3])]
            line = f"{'Interp':<24} {words[1]:<24} {' '.join(blobs)} {parameters[words[1]]}"
        lines.append(line)
    return "\n".join(lines) + "\n"


def with_normalisation(text: str) -> str:
    """Return ncnn's graph with a layer of a factor and an offset for each channel before everything else."""
    magic, counts, first, *lines = text.splitlines()
    layers, blobs = map(int, counts.split())
    scale = f"{'Scale':<24} {'normalise':<24} 1 1 {INPUT} normalised 0=3 1=1"
    for at, line in enumerate(lines):
        words = line.split()
        until = 4 + int(words[2])
        if INPUT in words[4:until]:
            words[4:until] = ["normalised" if word == INPUT else word for word in words[4:until]]
            lines[at] = f"{words[0]:<24} {words[1]:<24} {' '.join(words[2:])}"
    return "\n".join([magic, f"{layers + 1} {blobs + 1}", first, scale, *lines]) + "\n"


def normalisation(card: ModelCard) -> bytes:
    """Return the weights of that layer, which ncnn reads first."""
    mean, std = np.array(card.mean), np.array(card.std)
    return np.concatenate([1 / std, -mean / std]).astype("<f4").tobytes()


def last_line(output: str) -> str:
    """Return the last line of a program's output."""
    return next((line for line in reversed(output.splitlines()) if line.strip()), "it says nothing")
