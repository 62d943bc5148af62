"""The result of a run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from streetseg.results import Facts, Printable, text_table


@dataclass(frozen=True, repr=False)
class TrainingResult(Printable):
    """The end of a training run.

    Attributes:
        weights: The averaged weights, unfolded, with their card: NAME.safetensors.
        best_weights: The weights of the best evaluation; None if the recipe never evaluates.
        best: The figure that decides ("miou", or a classifier's "accuracy") at the best evaluation, 0 to 1; empty
            without evaluation.
        best_step: Step of the best evaluation; None without evaluation.
        steps: Steps of the whole run.
        stopped_early: True if the recipe's patience ended the run before its last step.
        seconds: Wall time of this call's steps and evaluations; a resumed run's earlier part is not in it.
    """

    weights: Path
    steps: int
    seconds: float
    best_weights: Path | None = None
    best: Mapping[str, float] = field(default_factory=dict)
    best_step: int | None = None
    stopped_early: bool = False

    def __fspath__(self) -> str:
        """Return the weights' path, so that `streetseg.export(result)` and `open(result)` take a result itself."""
        return str(self.weights)

    def facts(self) -> Facts:
        """Convert the result to JSON's types.

        Returns:
            The attributes by name; paths as text, None where there is nothing.
        """
        return {
            "weights": str(self.weights),
            "best_weights": None if self.best_weights is None else str(self.best_weights),
            "best": dict(self.best),
            "best_step": self.best_step,
            "steps": self.steps,
            "stopped_early": self.stopped_early,
            "seconds": round(self.seconds, 3),
        }

    def table(self) -> str:
        """Lay the result out for a terminal.

        Returns:
            A row an attribute, and one for each figure.
        """
        rows = [
            ("weights", str(self.weights)),
            ("steps", f"{self.steps:,}{' (stopped early)' * self.stopped_early}"),
            ("seconds", f"{self.seconds:.1f}"),
        ]
        if self.best_weights is not None:
            rows.append(("best weights", f"{self.best_weights} (step {self.best_step:,})"))
        rows += [(f"best {name}", f"{value:.4g}") for name, value in self.best.items()]
        return text_table([("training", ""), *rows])
