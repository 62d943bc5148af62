"""Verbs that take weights of ours say how another code base's checkpoint becomes such weights."""

from __future__ import annotations

from pathlib import Path

import pytest
import safetensors.torch
import torch

from streetseg.cli import main
from streetseg.streets.datasets import write_folder


@pytest.mark.parametrize("name", ["best.pth", "best.pt", "my best.ckpt", "best.pth.tar", "best.safetensors"])
def test_a_foreign_checkpoint_is_to_be_converted(tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str) -> None:
    path = tmp_path / name
    if path.suffix == ".safetensors":
        safetensors.torch.save_file({"conv1.weight": torch.ones(3)}, path)
    else:
        torch.save({"conv1.weight": torch.ones(3)}, path)
    data, out = tmp_path / "data", str(tmp_path / "out")
    write_folder(data, {"train": 1, "val": 1}, size=(64, 96))
    shown = f"'{path}'" if " " in name else str(path)
    for command in (
        ["export", str(path)],
        ["predict", str(data), "--weights", str(path), "--out", out],
        ["evaluate", str(path), "--data", str(data)],
        ["train", "--recipe", "finetune", "--init", str(path), "--data", str(data), "--out", out],
    ):
        assert main(command) == 2
        error = capsys.readouterr().err
        assert f"first: streetseg convert {shown} --out " in error
        assert error.count("\n") == 1
