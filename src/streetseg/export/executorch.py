"""Target "executorch": a program of ExecuTorch for phones, with XNNPACK (NAME.pte).

Frames have one size. The card and the list of classes lie in an archive at the file's end: `unzip -p
NAME.pte card.json`.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from streetseg.errors import ArtefactError, UsageError
from streetseg.export.fixed_size import check_output, fixed_size
from streetseg.export.opened import Opened, opened_in_form
from streetseg.export.options import ExportOptions
from streetseg.export.source import Source
from streetseg.export.verify import compare_answers
from streetseg.export.written import Written
from streetseg.runtime.appended import content_hash_of, with_archive
from streetseg.runtime.artefact import read_card
from streetseg.runtime.card import ModelCard
from streetseg.runtime.engines.options import EngineOptions
from streetseg.runtime.interface import Interface
from streetseg.runtime.quiet import quiet

METHOD = "forward"


def write(source: Source, options: ExportOptions, place: Path) -> Written:
    """Write the source as the program `place`."""
    check_output("executorch", options)
    form = Interface(
        "float32" if options.input == "float" else "uint8",
        options.layout or "nhwc",
        fixed_size(options, source.card),
        options.output or "logits",
    )
    if source.card.precision == "int8":
        raise UsageError(f"{source.path} is int8, and target executorch writes float32; give the float artefact")
    program = converted(source, form)
    card = source.card.with_interface(form).written(place.stem)
    card = dataclasses.replace(card, precision="float32", content_hash=content_hash_of(program))
    place.write_bytes(with_archive(program, card))
    opened = open_exported(place, EngineOptions(threads=1))
    return Written(card, compare_answers(opened.run, source.reference, card, opened.precision))


def converted(source: Source, form: Interface) -> bytes:
    """Return the source as a program."""
    import torch

    with quiet():
        from executorch.backends.xnnpack.partition.xnnpack_partitioner import XnnpackPartitioner
        from executorch.exir import to_edge_transform_and_lower

        from streetseg.export.torch_form import example_frame, module_in_form

        with torch.no_grad():
            exported = torch.export.export(module_in_form(source, form), (example_frame(form),))
            lowered = to_edge_transform_and_lower(exported, partitioner=[XnnpackPartitioner()])
        return bytes(lowered.to_executorch().buffer)


class ExecuTorchProgram:
    """A program in ExecuTorch's own runtime: frame -> logits."""

    def __init__(self, path: Path, card: ModelCard) -> None:
        with quiet():
            from executorch.runtime import Runtime, Verification

            self.path, self.card = path, card
            try:
                self.program = Runtime.get().load_program(path, verification=Verification.InternalConsistency)
                self.method = self.program.load_method(METHOD)
            except RuntimeError as error:
                raise ArtefactError(f"{path} cannot be read by ExecuTorch: {str(error).splitlines()[0]}") from None

    def __call__(self, frame: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return the logits of a frame, H x W x 3, of the size that the program takes."""
        import torch

        given = torch.from_numpy(self.card.form.taken(frame))
        # A leading axis of numpy has no stride where it was added; ExecuTorch wants one.
        (output,) = self.method.execute([given.clone(memory_format=torch.contiguous_format)])
        return self.card.form.logits(output.numpy()[0].copy(), len(self.card.classes))


def open_exported(path: Path, options: EngineOptions) -> Opened:
    """Open a program for a comparison."""
    card = read_card(path)
    return opened_in_form(ExecuTorchProgram(path, card), "executorch", card)
