"""streetseg bench: one clear line for every mistake."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.command_line import Refused, Run, refusal


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (
            ["bench", "frames", "--size", "20000x20000"],
            "20000x20000 has more pixels than a frame may have; give at most 100,000",
        ),
        (["bench", "frames", "train"], "'train' is neither a file nor a name of weights"),
        (["bench", "frames", "net"], "'net' is neither a file nor a name of weights"),
    ],
)
def test_a_mistake_is_told_in_one_line(refused: Refused, arguments: list[str], complaint: str) -> None:
    assert complaint in refused(*arguments)


@pytest.mark.parametrize(
    ("old", "today"),
    [
        ([], "frames"),
        (["a b.onnx", "--rounds", "3"], "frames 'a b.onnx' --rounds 3"),
        (["--engine", "openvino"], "frames --engine openvino"),
        (["--vs", "torch-eager", "--network", "stdc1"], "eager --network stdc1"),
        (["int8.onnx", "--vs=torch-eager"], "eager int8.onnx"),
    ],
)
def test_an_old_command_is_answered_with_todays(refused: Refused, old: list[str], today: str) -> None:
    assert refused("bench", *old) == f"streetseg: the command is now: streetseg bench {today}"


def test_an_artefact_may_be_called_like_a_form(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file `train` is opened, although it turns out to be no artefact."""
    monkeypatch.chdir(tmp_path)
    Path("train").write_text("nothing")
    complaint = refusal(run("bench", "frames", "train"))
    assert complaint.startswith("streetseg: train ")
