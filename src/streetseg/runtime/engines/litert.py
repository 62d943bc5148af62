"""LiteRT: an engine for NAME.tflite, small enough for a Raspberry Pi. It takes frames of one size only."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streetseg.errors import ArtefactError, MissingExtraError
from streetseg.runtime.appended import model_of
from streetseg.runtime.card import ModelCard
from streetseg.runtime.engines.engine import check_logits, choose_precision
from streetseg.runtime.engines.forks import keep_in_forked_processes
from streetseg.runtime.engines.options import EngineOptions
from streetseg.runtime.quiet import quiet

try:
    from ai_edge_litert.interpreter import Interpreter
except ModuleNotFoundError:
    raise MissingExtraError("ai-edge-litert", "running NAME.tflite", "litert-runtime") from None


class LiteRTEngine:
    """A model with one interpreter for each frame in progress: an interpreter runs one frame at a time."""

    name = "litert"

    def __init__(self, path: Path, card: ModelCard, options: EngineOptions) -> None:
        self.device = options.device or "cpu"
        self.precision = choose_precision(self.name, "cpu", ("float32",), options.precision)
        self.path, self.card, self.threads = path, card, options.threads_per_stream
        self.model = model_of(path.read_bytes(), path)
        self.idle = [self.interpreter()]
        given, output = self.idle[0].get_input_details()[0], self.idle[0].get_output_details()[0]
        check_logits(tuple(map(int, output["shape"])), path, card)
        size = card.form.size or (0, 0)
        expected = (1, 3, *size) if card.form.layout == "nchw" else (1, *size, 3)
        if tuple(given["shape"]) != expected or given["dtype"] != np.dtype(card.form.input):
            raise ArtefactError(
                f"{path} disagrees with its card: it takes {np.dtype(given['dtype'])} of {tuple(given['shape'])}, the "
                f"card says {card.form.input} of {expected}; get the file again, or export it again"
            )
        self.input, self.output = given["index"], output["index"]
        keep_in_forked_processes(self)

    def interpreter(self) -> Any:
        """Return a new interpreter of the model."""
        try:
            with quiet():  # it prints that it has made a delegate
                interpreter = Interpreter(model_content=self.model, num_threads=self.threads)
                interpreter.allocate_tensors()
        except (ValueError, RuntimeError) as error:
            raise ArtefactError(f"{self.path} cannot be read by LiteRT: {str(error).splitlines()[0]}") from None
        return interpreter

    def __call__(self, frame: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return the logits of a frame; see `Engine`."""
        try:
            interpreter = self.idle.pop()
        except IndexError:
            interpreter = self.interpreter()
        given = self.card.form.taken(frame)
        try:
            interpreter.set_tensor(self.input, given)
        except ValueError:
            raise ArtefactError(
                f"{self.path} takes frames of {self.card.form.size} only, got {frame.shape[:2]}"
            ) from None
        interpreter.invoke()
        output = interpreter.get_tensor(self.output)[0]
        self.idle.append(interpreter)
        return self.card.form.logits(output, len(self.card.classes))


def open_artefact(path: Path, card: ModelCard, options: EngineOptions) -> LiteRTEngine:
    """Return the engine with the model loaded; see `open_engine`."""
    return LiteRTEngine(path, card, options)
