"""The options of an export as one object. A target takes those that its line in `TARGETS` names."""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, get_args

from streetseg.errors import UsageError
from streetseg.runtime.card import ModelCard
from streetseg.runtime.frames import MAX_PIXELS

InputType = Literal["uint8", "float"]
Layout = Literal["nhwc", "nchw"]
Output = Literal["logits", "probabilities", "classmap"]
Precision = Literal["float32", "float16", "bfloat16", "int8"]


@dataclass(frozen=True)
class ExportOptions:
    """The options of an export; None is the target's default.

    Args:
        opset: Version of ONNX's operators, 13 or more.
        input: "uint8", or "float" for float32 values; both are 0 to 255, the normalisation stays inside.
        layout: "nhwc", or "nchw" for channels first, in input and output.
        size: H, W in pixels, the only size of frames that the result takes.
        output: "logits", "probabilities", or "classmap" for uint8 class indices at the frame's size.
        precision: "float32", "float16", "bfloat16" or "int8".
        plan: Write what another machine needs for the last step, instead of doing it here.

    Raises:
        UsageError: If a value is none of these.
    """

    opset: int | None = None
    input: InputType | None = None
    layout: Layout | None = None
    size: tuple[int, int] | None = None
    output: Output | None = None
    precision: Precision | None = None
    plan: bool = False

    def __post_init__(self) -> None:
        for name, kind in CHOICES.items():
            value = getattr(self, name)
            if value is not None and value not in get_args(kind):
                raise UsageError(
                    f"unknown {name} {value!r}; choose one of {', '.join(get_args(kind))}{near(value, get_args(kind))}"
                )
        if self.size is not None and (len(self.size) != 2 or min(self.size) < 1):
            raise UsageError(f"size must be height and width in pixels, got {self.size}")

    @property
    def given(self) -> tuple[str, ...]:
        """The names of the options that are not left to the target."""
        return tuple(one.name for one in dataclasses.fields(self) if getattr(self, one.name) not in (None, False))

    def check_size(self, card: ModelCard) -> None:
        """Raise UsageError if the network cannot take frames of the size."""
        if self.size is None:
            return
        height, width = self.size
        multiple = card.size_multiple
        if height % multiple or width % multiple:
            nearest = (max(1, round(side / multiple)) * multiple for side in self.size)
            raise UsageError(
                f"{card.network} cannot take frames of {height} x {width}: it takes multiples of {multiple}; "
                "the nearest are {} x {}".format(*nearest)
            )
        if height * width > MAX_PIXELS:
            raise UsageError(f"frames of {height} x {width} are too large; at most {MAX_PIXELS:,} pixels are allowed")


CHOICES: dict[str, object] = {"input": InputType, "layout": Layout, "output": Output, "precision": Precision}


def near(given: object, names: Iterable[str]) -> str:
    """Return the name that is nearest to a given one as a question; "" if none is near."""
    close = difflib.get_close_matches(str(given), list(names), n=1)
    return f"; did you mean {close[0]}?" if close else ""
