"""tools/shelf_entries.py: shelf.json says of each artefact what the tool prints."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from streetseg.runtime.shelf.shelf import SHELF
from tests.support.paths import ROOT
from tools import shelf_entries


def test_the_shelf_names_every_artefact() -> None:
    command = [sys.executable, "tools/shelf_entries.py"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == SHELF.read_text(), "run python tools/shelf_entries.py --write"


def test_a_new_artefact_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shipped = json.loads(SHELF.read_text())["weights"][0]
    monkeypatch.setattr(shelf_entries, "PACKAGED", tmp_path / "none")
    monkeypatch.setattr(shelf_entries, "CHECKOUT", tmp_path)
    monkeypatch.setattr(shelf_entries, "SHELF", tmp_path / "shelf.json")
    (tmp_path / "shelf.json").write_text('{"base_url": "https://example.org/", "weights": []}')
    artefact = next(path for path in (ROOT / "weights").glob("*.onnx") if path.name == shipped["file"])
    (tmp_path / artefact.name).write_bytes(artefact.read_bytes())
    shelf_entries.main(["--write"])
    assert json.loads((tmp_path / "shelf.json").read_text()) == {
        "base_url": "https://example.org/", "weights": [shipped],
    }  # fmt: skip
