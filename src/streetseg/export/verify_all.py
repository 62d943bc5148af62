"""Export the weights on the shelf to every target, and verify each: `streetseg.verify_all`."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streetseg.errors import MissingExtraError, StreetsegError, UsageError, VerificationError
from streetseg.export.equivalence import Verification, finite, verify
from streetseg.export.options import near
from streetseg.export.targets import TARGETS, export
from streetseg.progress import Progress, silent
from streetseg.results import Facts, Printable, text_table
from streetseg.runtime.shelf.shelf import known_weights
from streetseg.streets.scene import render

NETWORKS = ("ddrnet_23_slim-camvid", "stdc1-camvid", "bisenetv2-camvid", "fassd_net_l2-camvid")
SIZES = ((192, 256), (256, 192))  # H, W of the rendered frames
SAME, NOT_SAME, NOT_RUN = "same", "NOT THE SAME", "not run"


@dataclass(frozen=True)
class Case:
    """A form to verify.

    Attributes:
        target: The target, a name of `TARGETS`.
        words: How the table calls it.
        options: Options of the export.
        how: Options of the verification.
        weights: What comes after the name of the weights that are exported.
    """

    target: str
    words: str
    options: dict[str, Any] = field(default_factory=dict)
    how: dict[str, Any] = field(default_factory=dict)
    weights: str = ""


OPENVINO, ONNXRUNTIME = ({"engine": engine, "precision": "float32"} for engine in ("openvino", "onnxruntime"))
# More than one form of these; each other target once, with its defaults.
CASES = {
    "onnx": (
        Case("onnx", "onnx", {}, OPENVINO),
        Case("onnx", "onnx", {}, ONNXRUNTIME),
        Case("onnx", "onnx", {}, {"engine": "openvino", "precision": "bfloat16"}),
        Case("onnx", "onnx float16", {"precision": "float16"}, {"engine": "onnxruntime"}),
        Case("onnx", "onnx classmap", {"output": "classmap", "opset": 13}, {"engine": "onnxruntime"}),
        Case("onnx", "onnx int8", {}, {"engine": "openvino", "precision": "int8"}, "_int8"),
        Case("onnx", "onnx int8", {}, {"engine": "onnxruntime", "precision": "int8"}, "_int8"),
    ),
    "openvino": (Case("openvino", "openvino", {}, OPENVINO),),
}


@dataclass(frozen=True)
class VerifiedCase:
    """A form of a network, and whether it computes the same.

    Attributes:
        target: The target, and what is not its default.
        weights: The name of the weights.
        engine: What ran it, with the precision whose limits count; "" if nothing ran it.
        verdict: "same", "NOT THE SAME" or "not run".
        reason: Why it was not run, or what is wrong; "" if it is the same.
        largest: Largest difference of a value in standard deviations; None for class maps, and if it was not run.
        mean: Mean difference in the same unit.
        differing: Share of the pixels whose class differs, 0 to 1; None if it was not run.
    """

    target: str
    weights: str
    engine: str
    verdict: str
    reason: str = ""
    largest: float | None = None
    mean: float | None = None
    differing: float | None = None


@dataclass(frozen=True, repr=False)
class Verifications(Printable):
    """Every target with every network.

    Attributes:
        cases: In the order of the targets, then of the networks.
        frames: Number of frames of each.
    """

    cases: tuple[VerifiedCase, ...]
    frames: int

    @property
    def passed(self) -> bool:
        """True if all that ran is the same function, and something ran."""
        verdicts = {case.verdict for case in self.cases}
        return NOT_SAME not in verdicts and SAME in verdicts

    def facts(self) -> Facts:
        """Return the cases as JSON's types.

        Returns:
            Differences in standard deviations, shares from 0 to 1; None for a missing figure.
        """
        return {"passed": self.passed, "frames": self.frames, "cases": [asdict(case) for case in self.cases]}

    def table(self) -> str:
        """Return the cases for a terminal.

        Returns:
            A row for each that ran, then a line for each target that did not, with the reason.
        """
        rows = [["target", "run by", "weights", "largest", "mean", "pixels %", "same"]]
        rows += [
            [
                case.target,
                case.engine.replace(", ", " "),
                case.weights.partition("-")[0],
                "none" if case.largest is None else f"{case.largest:.0e}",
                "none" if case.mean is None else f"{case.mean:.0e}",
                "none" if case.differing is None else f"{100 * case.differing:.2f}",
                "yes" if case.verdict == SAME else "NO",
            ]
            for case in self.cases
            if case.verdict != NOT_RUN
        ]
        lines = [
            text_table(rows),
            "",
            "largest, mean: difference of the output in its standard deviations; pixels %: whose class differs",
        ]
        wrong = [case for case in self.cases if case.reason and case.verdict == NOT_SAME]
        lines += [f"{case.target}, {case.weights}: {case.reason}" for case in wrong]
        reasons: dict[tuple[str, str], list[str]] = {}
        for case in self.cases:
            if case.verdict == NOT_RUN:
                reasons.setdefault((case.target, case.reason), []).append(case.weights)
        for (target, reason), names in reasons.items():
            of = f" ({', '.join(names)})" if len(names) < len(NETWORKS) else ""
            lines.append(f"not run: {target}{of}: {reason}")
        return "\n".join(lines)


def verify_all(
    *,
    weights: Sequence[str] = NETWORKS,
    targets: Sequence[str] | None = None,
    threads: int | None = None,
    progress: Progress = silent,
) -> Verifications:
    """Export weights to every target that can run on this machine, and verify each against its artefact.

    Args:
        weights: Names of weights, or artefacts.
        targets: Names of targets; None: all.
        threads: CPU threads, 1 or more; None: all cores.
        progress: Shows the progress over targets and weights.

    Returns:
        A case for each; one whose library is missing, or that cannot run here, has the reason.

    Raises:
        UsageError: There is no such target.
    """
    for name in targets or ():
        if name not in TARGETS:
            raise UsageError(f"no target {name!r}; there are {', '.join(TARGETS)}{near(name, TARGETS)}")
    frames = [render(seed, size).frame for seed, size in enumerate(SIZES)]
    cases = [
        (case, name)
        for target in targets or TARGETS
        for case in CASES.get(target, (Case(target, target),))
        for name in weights
        if not case.weights or f"{name}{case.weights}" in known_weights()
    ]
    with tempfile.TemporaryDirectory(prefix="streetseg-") as room:
        results = [
            verified(case, name, frames, Path(room) / f"{at}", threads)
            for at, (case, name) in enumerate(progress(cases, "form"))
        ]
    return Verifications(tuple(results), len(frames))


def verified(case: Case, name: str, frames: list[NDArray[np.uint8]], folder: Path, threads: int | None) -> VerifiedCase:
    """Export one form of weights and verify it."""
    kind = TARGETS[case.target]
    source = f"{name}{case.weights}"
    out = folder / f"exported{kind.suffix}"
    try:
        exported = export(source, to=case.target, out=out, **case.options)
        if exported.difference is None and not kind.reader:
            return VerifiedCase(case.words, name, "", NOT_RUN, "; ".join(exported.notes) or "nothing here runs it")
        found = verify(exported.path, against=name, frames=frames, threads=threads, **case.how)
    except VerificationError as error:
        return VerifiedCase(case.words, name, "", NOT_SAME, str(error))
    except MissingExtraError as error:
        return VerifiedCase(case.words, name, "", NOT_RUN, str(error))
    except StreetsegError as error:
        return VerifiedCase(case.words, name, "", NOT_RUN, str(error).replace(str(folder), ""))
    return case_of(case.words, name, found)


def case_of(words: str, name: str, found: Verification) -> VerifiedCase:
    """Return a verification as a case."""
    difference = found.difference
    deviation = difference.deviation or np.nan
    return VerifiedCase(
        words,
        name,
        found.engine,
        SAME if found.passed else NOT_SAME,
        "" if found.passed else "; ".join(mistake.name for mistake in found.mistakes) or "beyond the limits",
        finite(difference.largest / deviation) if difference.values else None,
        finite(difference.mean / deviation) if difference.values else None,
        difference.differing / difference.pixels,
    )
