"""streetseg export: one clear line for every mistake."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.command_line import Refused, Run, files_below, refusal, without
from tests.support.paths import ROOT

WEIGHTS = ROOT / "weights" / "ddrnet_23_slim_camvid_pretrained_restart.safetensors"


def test_without_pytorch(tmp_path: Path) -> None:
    message = without("torch", "export", WEIGHTS, "--out", tmp_path / "a.onnx")
    assert "streetseg export of NAME.onnx needs PyTorch, which is not installed" in message
    assert "pip install 'streetseg[train]'" in message
    assert files_below(tmp_path) == set()


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("--to", "onxx"), "no target 'onxx'; there are onnx, "),
        (("--to", "torch", "--opset", "13"), "target torch has no option --opset; targets that have it: "),
        (("--layout", "nhcw"), "unknown layout 'nhcw'; choose one of nhwc, nchw; did you mean nhwc?"),
        (("--out", "{empty}/a.xml2"), "must be named NAME.onnx"),
        (("--out", "{weights}"), "is the artefact itself; give another place by --out"),
        (("--out", "{drive}/1.onnx"), "is a folder; name a file"),
    ],
)
def test_mistakes(arguments: tuple[str, ...], complaint: str, refused: Refused, drive: Path) -> None:
    (drive / "1.onnx").mkdir(exist_ok=True)
    assert complaint in refused("export", "{weights}", *arguments)


def test_what_no_export_wrote_stays(run: Run, tmp_path: Path) -> None:
    mine = tmp_path / "mine.onnx"
    mine.write_bytes(b"my own network")
    message = refusal(run("export", WEIGHTS, "--out", mine))
    assert "mine.onnx is there and no export of streetseg; remove it, or choose another place" in message
    assert mine.read_bytes() == b"my own network"
    assert files_below(tmp_path) == {"mine.onnx"}
