"""tools/other_cameras.py: its table has a row a camera and a column an artefact."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from streetseg.runtime.segmenter import DEFAULT_WEIGHTS
from tools.other_cameras import CAMERAS, main


@pytest.mark.slow
def test_the_table(camvid: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main([str(DEFAULT_WEIGHTS), "ddrnet_23_slim-camvid", "--data", str(camvid), "--every", "3"])
    header, rule, *rows = capsys.readouterr().out.splitlines()
    assert header == f"| Frames | {DEFAULT_WEIGHTS} | ddrnet_23_slim-camvid |"
    assert rule == "|---|---|---|"
    cells = [[cell.strip() for cell in row.strip("|").split("|")] for row in rows]
    assert [name for name, *_ in cells] == list(CAMERAS)
    assert all(first == second and 0 < float(first) < 100 for _, first, second in cells)


def test_cameras_keep_the_shape() -> None:
    frame = np.random.default_rng(1).random((5, 7, 3))
    for name, camera in CAMERAS.items():
        seen = camera(frame)
        assert seen.shape == frame.shape, name
        assert (name == "as they are") == np.array_equal(seen, frame)
