"""Export trained weights to artefacts that run: `export`, and the table of its targets."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from streetseg.errors import UsageError
from streetseg.export.onnx import write_onnx
from streetseg.export.torch import write_program
from streetseg.measure.coverage import MOST_LEFT_OUT, share_in_words
from streetseg.measure.evaluation import Evaluation
from streetseg.measure.evaluation_json import read_accuracy
from streetseg.models.outputs import Network
from streetseg.models.weights import open_weights
from streetseg.results import Facts, Printable
from streetseg.runtime.card import Accuracy, ModelCard


@dataclass(frozen=True)
class Target:
    """A kind of artefact.

    Attributes:
        suffix: Suffix of its files.
        write: Writes and verifies an artefact: network, card, path -> the card as written, largest logit difference.
    """

    suffix: str
    write: Callable[[Network, ModelCard, Path], tuple[ModelCard, float]]


TARGETS: dict[str, Target] = {
    "onnx": Target(".onnx", write_onnx),
    "torch": Target(".pt2", write_program),
}


@dataclass(frozen=True, repr=False)
class Export(Printable):
    """An artefact that has run and matched its network.

    Attributes:
        path: The artefact.
        card: Its card.
        difference: The largest difference between a logit of the artefact and of the network, in standard deviations
            of the network's logits.
        notes: Remarks on the card's figures, for instance that other weights reached them.
    """

    path: Path
    card: ModelCard
    difference: float
    notes: tuple[str, ...] = ()

    def facts(self) -> Facts:
        """Return the result as JSON's types.

        Returns:
            Path, network, number of classes, content hash, difference and notes.
        """
        return {
            "path": str(self.path),
            "network": self.card.network,
            "classes": len(self.card.classes),
            "content_hash": self.card.content_hash,
            "logit_difference": float(f"{self.difference:.3g}"),
            "notes": list(self.notes),
        }

    def table(self) -> str:
        """Return the result as text.

        Returns:
            One line: the artefact, its network, and how far their logits differ.
        """
        return (
            f"{self.path}: {self.card.network}, {len(self.card.classes)} classes; "
            f"logits differ by {self.difference:.1e} of their deviation"
        )


def export(
    weights: str | Path,
    *,
    target: str | None = None,
    out: str | Path | None = None,
    accuracy: Sequence[str | Path | Evaluation | Accuracy] = (),
    training_time: str = "",
) -> Export:
    """Export trained weights to an artefact that an engine runs.

    The artefact must run, and give the network's logits, before it takes its name.

    Args:
        weights: NAME.safetensors, as `streetseg train` or `streetseg convert` wrote it.
        target: "onnx", or "torch" for a torch.export program; None: by the suffix of `out`, "onnx" without one.
        out: NAME.onnx, or NAME.pt2 for "torch"; None: beside the weights.
        accuracy: Measured figures for the card: files that `streetseg evaluate --json` wrote, evaluations, or entries
            of a card. Without any, the artefact keeps the figures that the weights' card has.
        training_time: How long the training took and on which machine, for the card.

    Returns:
        The artefact's path, its card, and how far it differs from the network.

    Raises:
        ArtefactError: The weights are damaged or are not ours.
        OutputError: The artefact cannot be written.
        UsageError: An argument does not fit: an unknown target, a wrong suffix, figures of other classes.
        VerificationError: The artefact differs from the network; it is not written.
    """
    weights = Path(weights)
    if target is None:
        target = next((name for name, kind in TARGETS.items() if out and Path(out).suffix == kind.suffix), "onnx")
    if target not in TARGETS:
        raise UsageError(f"no target {target!r}; there are {', '.join(TARGETS)}")
    suffix = TARGETS[target].suffix
    out = Path(out) if out is not None else weights.with_suffix(suffix)
    if out.suffix != suffix:
        raise UsageError(f"--out {out} must be named NAME{suffix}")
    entries = [given_accuracy(given) for given in accuracy]
    network, card = open_weights(weights)
    card, difference = TARGETS[target].write(network, with_figures(card, entries, training_time, weights), out)
    notes = [
        # For instance figures of a left-out drive: only weights that never saw it can have them.
        f"{given if isinstance(given, str | Path) else 'a result'} is of other weights than {out}: {entry.measured_on}"
        for given, entry in zip(accuracy, entries, strict=True)
        if entry.weights != card.content_hash
    ]
    notes += [
        f"{share_in_words(entry.left_out_share)} of the labelled pixels are left out of a figure on {out}: "
        f"{entry.measured_on}"
        for entry in entries
        if entry.left_out_share is not None and entry.left_out_share > MOST_LEFT_OUT
    ]
    return Export(out, card, difference, tuple(notes))


def given_accuracy(given: str | Path | Evaluation | Accuracy) -> Accuracy:
    """Return a measured result as a card's entry."""
    if isinstance(given, Evaluation):
        return given.card_entry()
    return given if isinstance(given, Accuracy) else read_accuracy(Path(given))


def with_figures(card: ModelCard, accuracy: Sequence[Accuracy], training_time: str, weights: Path) -> ModelCard:
    """Return the card with these figures; an empty argument keeps the card's own."""
    for name in (name for entry in accuracy for name in entry.iou if name not in card.classes):
        raise UsageError(
            f"--accuracy has figures of {name!r}, which is not a class of {weights}; give evaluations of its classes"
        )
    return dataclasses.replace(
        card, accuracy=tuple(accuracy) or card.accuracy, training_time=training_time or card.training_time
    )
