"""Target "torch": a torch.export program with its card (NAME.pt2).

It has the same graph and weights as the ONNX artefact and runs without the code of our networks. It is for PyTorch's
own runtimes, and to compare other engines with.
"""

from __future__ import annotations

import dataclasses
import zipfile
from io import BytesIO
from pathlib import Path

import torch

from streetseg.export.folding import fold_norms
from streetseg.export.graph import SMALLEST_HALVED
from streetseg.export.onnx import FrameToLogits
from streetseg.export.options import ExportOptions
from streetseg.export.source import Source
from streetseg.export.verify import verify_artefact
from streetseg.export.written import Written
from streetseg.models.outputs import Network
from streetseg.runtime.artefact import PROGRAM_CARD, program_content_hash
from streetseg.runtime.card import ModelCard


def write(source: Source, options: ExportOptions, place: Path) -> Written:
    """Write the source's network as the program `place`."""
    content, card = program_with_card(to_program(source.network, source.card), source.card.written(place.stem))
    place.write_bytes(content)
    return Written(card, verify_artefact(place, source.reference, card, "torch"))


def to_program(network: Network, card: ModelCard) -> torch.export.ExportedProgram:
    """Return the network's program, norms folded, weights rounded to half precision as in the ONNX artefact."""
    module = FrameToLogits(fold_norms(network), card).eval()
    for tensor in module.state_dict().values():
        if tensor.is_floating_point() and tensor.numel() >= SMALLEST_HALVED:
            tensor.copy_(tensor.half())
    multiple = card.size_multiple
    height, width = torch.export.Dim("height", min=1, max=4096), torch.export.Dim("width", min=1, max=4096)
    program = torch.export.export(
        module,
        (torch.zeros(2, multiple * 16, multiple * 24, 3, dtype=torch.uint8),),
        dynamic_shapes={"frame": {0: torch.export.Dim("batch"), 1: multiple * height, 2: multiple * width}},
    )
    program.example_inputs = None  # else the file would hold them
    for node in program.graph.nodes:
        node.meta.pop("stack_trace", None)  # holds this machine's paths
    return program


def program_with_card(program: torch.export.ExportedProgram, card: ModelCard) -> tuple[bytes, ModelCard]:
    """Return the saved program with the card inside, and that card with the program's own hash."""
    buffer = BytesIO()
    torch.export.save(program, buffer)
    content_hash = program_content_hash(buffer.getvalue(), Path("the exported program"))
    card = dataclasses.replace(card.written(), content_hash=content_hash, precision="float32")
    with zipfile.ZipFile(buffer, "a") as archive:
        folder = archive.namelist()[0].partition("/")[0]
        archive.writestr(f"{folder}/{PROGRAM_CARD}", card.to_json())
    return buffer.getvalue(), card
