"""Evaluate candidate graphs for NNCF's accuracy control, with the Segmenter that users run."""

from __future__ import annotations

import dataclasses
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
import onnx

from streetseg.data.pairs import Dataset, Pair
from streetseg.errors import DatasetError
from streetseg.export.graph import with_card
from streetseg.export.operations import int8_operations
from streetseg.measure.coverage import listed, share_in_words
from streetseg.measure.evaluation import Evaluation
from streetseg.measure.frames import evaluate_frames
from streetseg.progress import Progress
from streetseg.runtime.card import ModelCard
from streetseg.runtime.files import write_file
from streetseg.runtime.segmenter import Segmenter


class AccuracyControl:
    """The mIoU of graphs on a split.

    Attributes:
        pairs: The split.
        before: The evaluation of the float graph. DatasetError if it is of a part of the labels only.
        once_int8: Names of all operations that were in int8 in any graph so far.
    """

    def __init__(
        self,
        model: onnx.ModelProto,
        card: ModelCard,
        dataset: Dataset,
        split: str,
        mapping: Mapping[str, str] | None,
        progress: Progress,
    ) -> None:
        self.card, self.dataset, self.split, self.mapping, self.progress = card, dataset, split, mapping, progress
        self.pairs = dataset.pairs(split)
        self.before = self.evaluate_graph(model, self.pairs)
        coverage = self.before.coverage
        if coverage.partial:
            raise DatasetError(
                f"{dataset.root} ({dataset.name}), split {split}, cannot judge int8: "
                f"{share_in_words(coverage.left_out_share)} of its labelled pixels are of {listed(coverage.left_out)}, "
                "which the weights do not know; say what they are by --map LABEL=WEIGHTS, or give data with the "
                "weights' classes"
            )
        self.once_int8: set[str] = set()

    def __call__(self, model: onnx.ModelProto, pairs: Iterable[Pair]) -> tuple[float, list[float]]:
        """Return the mIoU over these pairs of the split, and the mIoU of each of them."""
        int8, subset = int8_operations(model.graph), tuple(pairs)
        self.once_int8 |= int8
        labelled = {frame.name for frame in self.before.frame_scores if len(frame.cells)}
        if not any(pair.name in labelled for pair in subset):  # NNCF also asks about a single frame, which may be void
            return 0.0, [0.0] * len(subset)
        evaluation = self.evaluate_graph(model, subset) if int8 or subset != self.pairs else self.before
        return evaluation.scores.miou, [float(np.nan_to_num(frame.miou)) for frame in evaluation.frame_scores]

    def evaluate_graph(self, model: onnx.ModelProto, pairs: Iterable[Pair]) -> Evaluation:
        """Evaluate a graph in the form of an artefact."""
        copy = onnx.ModelProto()
        copy.CopyFrom(model)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "candidate.onnx"
            write_file(path, with_card(copy, self.card, "int8")[0])
            return self.evaluate_file(path, pairs)

    def evaluate_file(self, path: Path, pairs: Iterable[Pair]) -> Evaluation:
        """Evaluate an artefact."""
        segmenter = Segmenter.open(path, precision="float32")
        subset = dataclasses.replace(self.dataset, splits={self.split: tuple(pairs)})
        return evaluate_frames(
            lambda frame: segmenter(frame).classmap,
            self.card.classes,
            subset,
            self.split,
            mapping=self.mapping,
            progress=self.progress,
        )
