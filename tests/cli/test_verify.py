"""streetseg verify: its exit codes, its JSON, and one line for every mistake."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from streetseg.runtime.segmenter import DEFAULT_WEIGHTS
from tests.support.command_line import ONNXRUNTIME, Refused, Run
from tests.support.paths import ROOT

AGAINST = ["--against", DEFAULT_WEIGHTS]


def test_an_artefact_against_itself(run: Run, drive: Path) -> None:
    code, output, errors = run("verify", DEFAULT_WEIGHTS, *AGAINST, drive / "1.png", drive / "b", *ONNXRUNTIME)
    assert (code, errors) == (0, [])
    assert output[0].split() == ["verdict", "the", "same", "function"]
    assert "2, given frames" in " ".join(output)


def test_frames_may_stand_before_the_options(run: Run, drive: Path) -> None:
    code, output, _ = run("verify", DEFAULT_WEIGHTS, drive / "1.png", *AGAINST, *ONNXRUNTIME, "--json")
    assert code == 0
    facts = json.loads("\n".join(output))
    assert (facts["passed"], facts["frames"], facts["differing_beyond_ties"]) == (True, 1, 0)


@pytest.mark.slow
def test_another_network_ends_with_1(run: Run, drive: Path) -> None:
    other = ROOT / "weights" / "bisenetv2_camvid.onnx"
    code, output, errors = run("verify", other, *AGAINST, drive / "1.png", *ONNXRUNTIME)
    assert (code, errors) == (1, [])
    assert "NOT the same function" in output[0]
    assert "other weights" in " ".join(output)


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("verify", "none.onnx", "--against", "{weights}"), "none.onnx does not exist"),
        (
            ("verify", "{drive}/1.png", "--against", "{weights}"),
            "is nothing that verify opens; it opens NAME.onnx",
        ),
        (("verify", "{weights}"), "verify needs --against ARTEFACT, or --all for every target"),
        (("verify", "{weights}", "--all"), "--all verifies the weights of the shelf; leave out EXPORTED and --against"),
        (("verify", "--all", "--to", "onxx"), "no target 'onxx'; there are onnx"),
        (("verify", "{weights}", "--against", "{weights}", "--output", "argmax"), "unknown output 'argmax'"),
        (("verify", "{weights}", "--against", "{weights}", "none.png"), "none.png is not there"),
        (("verify", "{weights}", "--against", "{weights}", "--card", "none.json"), "card none.json cannot be read"),
        (
            ("verify", "{weights}", "{drive}", "--against", "{weights}", "--data", "{drive}"),
            "give either data or frames",
        ),
    ],
)
def test_mistakes(arguments: tuple[str, ...], complaint: str, refused: Refused) -> None:
    assert complaint in refused(*arguments)
