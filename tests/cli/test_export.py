"""streetseg export: one clear line for every mistake."""

from __future__ import annotations

from pathlib import Path

from tests.support.command_line import files_below, without


def test_without_pytorch(tmp_path: Path) -> None:
    message = without("torch", "export", tmp_path / "weights.safetensors")
    assert "streetseg export needs PyTorch, which is not installed" in message
    assert "pip install 'streetseg[train]'" in message
    assert files_below(tmp_path) == set()
