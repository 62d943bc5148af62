"""tools/same_artefacts.py: freshly exported weights give the artefact that ships."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.paths import ROOT
from tools import same_artefacts

WEIGHTS = ROOT / "weights" / "fassd_net_l2_camvid_pretrained.safetensors"


@pytest.mark.slow
def test_an_export_is_the_shipped_artefact(capsys: pytest.CaptureFixture[str]) -> None:
    assert same_artefacts.main([str(WEIGHTS)]) == 0
    line = capsys.readouterr().out
    assert line.startswith(f"{WEIGHTS.name}: 429c54e007aaa59041baf1b8f34c3520e5bba33546e95a03a2921b764a2dac03, ")
    assert line.endswith("as shipped: fassd_net_l2_camvid.onnx\n")


def test_another_artefact_fails(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def other_hash(weights: Path) -> str:
        return "0f"

    monkeypatch.setattr(same_artefacts, "exported_hash", other_hash)
    assert same_artefacts.main([]) == 1
    assert f"{WEIGHTS.name}: 0f, NOT as shipped\n" in capsys.readouterr().out
