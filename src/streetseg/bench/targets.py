"""The targets of frame to class map, and the verdict on a measured speed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from streetseg.results import Facts


@dataclass(frozen=True)
class Target:
    """A limit for a figure of a row.

    Attributes:
        key: The figure's name.
        words: The figure in words.
        limit: The figure is at least, or at most, this.
        at_least: True if larger is better.
        network: The only network that it holds for; None: all.
    """

    key: str
    words: str
    limit: float
    at_least: bool
    network: str | None = None

    def met_by(self, value: float) -> bool:
        """Return True if a figure meets the target."""
        return value >= self.limit if self.at_least else value <= self.limit


TARGETS = (
    Target("ratio", "times as fast as PyTorch", 20, True),
    Target("frames_per_second", "frames/s", 30, True),
    Target("ours_ms", "latency, ms", 40, False, "ddrnet_23_slim"),
    Target("cpu_ratio", "CPU time to its convolutions'", 1.5, False, "ddrnet_23_slim"),
)


@dataclass(frozen=True)
class Verdict:
    """A figure beside its target. at_ceiling: the figure if only the multiply-adds took time, None if not known."""

    target: Target
    reached: float
    at_ceiling: float | None

    @property
    def met(self) -> bool:
        """True if the figure meets the target."""
        return self.target.met_by(self.reached)

    def facts(self) -> Facts:
        """Return the target, the verdict and the figure at the ceiling as JSON's types."""
        return {"target": self.target.limit, "met": self.met, "at_ceiling": self.at_ceiling}

    def cells(self) -> list[str]:
        """Return the cells of a table: figure, reached, target, verdict, figure at the ceiling."""
        bound = self.at_ceiling
        beyond = "" if bound is None or self.met or self.target.met_by(bound) else ": out of reach here"
        return [
            self.target.words,
            f"{self.reached:.1f}",
            f"{'at least' if self.target.at_least else 'at most'} {self.target.limit:g}",
            "met" if self.met else f"missed by {abs(self.reached - self.target.limit):.1f}",
            "-" if bound is None else f"{bound:.1f}{beyond}",
        ]


def network_verdicts(
    network: str, reached: Mapping[str, float], at_ceiling: Mapping[str, float]
) -> tuple[Verdict, ...]:
    """Return the verdicts on a network's figures, by the targets' keys."""
    return tuple(
        Verdict(target, reached[target.key], at_ceiling.get(target.key))
        for target in TARGETS
        if target.network in (None, network) and target.key in reached
    )
