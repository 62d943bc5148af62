"""Say how much of the labels an evaluation counts: classes that the weights do not know are left out."""

from __future__ import annotations

from dataclasses import dataclass

MOST_LEFT_OUT = 0.1  # of the labelled pixels; above it, an evaluation says so first and is no answer by itself
SHOWN = 10  # names of classes in a sentence, at most


@dataclass(frozen=True)
class Coverage:
    """The part of the labels that counts.

    Attributes:
        classes: Number of the labels' classes that count.
        left_out: The labels' classes that the weights do not know.
        left_out_share: Share of the labelled pixels that belong to them, 0 to 1.
    """

    classes: int
    left_out: tuple[str, ...]
    left_out_share: float

    @property
    def partial(self) -> bool:
        """True if so many pixels are left out that the figures are no answer by themselves."""
        return self.left_out_share > MOST_LEFT_OUT

    @property
    def counted(self) -> str:
        """The part that counts in words, as in "1 of 4 classes, 2.2 % of the labelled pixels"."""
        share = share_in_words(1 - self.left_out_share)
        return f"{self.classes} of {self.classes + len(self.left_out)} classes, {share} of the labelled pixels"

    @property
    def beside(self) -> str:
        """The part that counts, in brackets to stand beside a figure; "" if all labelled pixels count."""
        return f" ({self.counted})" if self.left_out_share else ""

    @property
    def headline(self) -> str:
        """The sentence that comes before partial figures."""
        return (
            f"PARTIAL: {share_in_words(self.left_out_share)} of the labelled pixels are left out, because the weights "
            f"do not know {listed(self.left_out)}; the figures are of {self.counted}"
        )

    @property
    def advice(self) -> str:
        """One line about partial figures, with what to do next."""
        return (
            f"{share_in_words(self.left_out_share)} of the labelled pixels are left out, allowed are "
            f"{share_in_words(MOST_LEFT_OUT)}: the weights do not know {listed(self.left_out)}; say what they are by "
            "--map LABEL=WEIGHTS, take weights with these classes, or accept the figures by --partial"
        )


EVERYTHING = Coverage(0, (), 0.0)  # nothing is left out


def share_in_words(share: float) -> str:
    """Return a share from 0 to 1 in per cent with one decimal; what is neither none nor all does not become so."""
    percent = f"{100 * share:.1f} %"
    if percent == "0.0 %" and share > 0:
        return "under 0.1 %"
    return "over 99.9 %" if percent == "100.0 %" and share < 1 else percent.replace(".0 %", " %")


def listed(names: tuple[str, ...]) -> str:
    """Return names as text, not more than `SHOWN` of them."""
    more = len(names) - SHOWN
    return ", ".join(names[:SHOWN]) + (f" and {more} more" if more > 0 else "")
