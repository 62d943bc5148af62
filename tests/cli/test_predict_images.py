"""streetseg predict: the options of images."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from streetseg.errors import UsageError
from streetseg.runtime.inputs import list_images
from streetseg.runtime.segmenter import Segmenter
from streetseg.streets.scene import render
from tests.support.command_line import ONNXRUNTIME, Run, refusal


def test_tolerated_faults_stand_in_the_line(tmp_path: Path, run: Run) -> None:
    path = tmp_path / "cut.jpg"
    Image.fromarray(render(1, (64, 96)).frame).save(path)
    path.write_bytes(path.read_bytes()[:-2])
    code, (line,), errors = run("predict", path, "--out", tmp_path / "out", *ONNXRUNTIME)
    assert (code, errors) == (0, [])
    assert line.endswith("; tolerated: no end marker (EOI)")
    code, (line,), _ = run("predict", path, "--out", tmp_path / "out", "--json", *ONNXRUNTIME)
    facts = json.loads(line)
    assert facts["tolerated"] == ["no end marker (EOI)"]
    assert facts["first_of_size"] is True


def test_a_large_picture_in_windows(tmp_path: Path, run: Run) -> None:
    path = tmp_path / "wide.png"
    Image.fromarray(render(1, (160, 400)).frame).save(path)
    out = tmp_path / "out"
    code, lines, errors = run("predict", path, "--out", out, "--window", 160, "--max-pixels", 64_000, *ONNXRUNTIME)
    assert (code, len(lines), errors) == (0, 1, [])
    assert np.asarray(Image.open(out / "wide_classes.png")).shape == (160, 400)
    message = refusal(run("predict", path, "--out", out, "--max-pixels", 63_999, *ONNXRUNTIME))
    assert "400 x 160 pixels; at most 63,999 are allowed" in message


def test_confidence_as_a_grey_picture(drive: Path, tmp_path: Path, run: Run) -> None:
    out = tmp_path / "out"
    code, lines, errors = run("predict", drive / "1.png", "--out", out, "--confidence", "--json", *ONNXRUNTIME)
    assert (code, errors) == (0, [])
    written = out / "1_confidence.png"
    assert json.loads(lines[0])["confidence"] == str(written)
    grey = Image.open(written)
    assert (grey.mode, grey.size) == ("L", (64, 48))
    expected = Segmenter.open(engine="onnxruntime")(drive / "1.png").confidence() * 255
    np.testing.assert_allclose(np.asarray(grey), expected, atol=0.51)
    # It is a result: neither is it segmented itself, nor is the image done without it.
    with pytest.raises(UsageError, match="holds no image"):
        list_images([out])
    written.unlink()
    run("predict", drive / "1.png", "--out", out, "--confidence", "--skip-existing", *ONNXRUNTIME)
    assert written.exists()


@pytest.mark.parametrize(
    ("option", "words"),
    [
        (
            ("--levels", "x"),
            "give the number of bits, 8 to 16, or black and white such as 64:4095",
        ),
        (("--window", 100), "window must be at least 128 pixels, got 100"),
        (("--max-pixels", 0), "max-pixels must be at least 1, got 0"),
    ],
)
def test_wrong_options_are_refused(
    option: tuple[object, ...], words: str, drive: Path, tmp_path: Path, run: Run
) -> None:
    assert words in refusal(run("predict", drive, "--out", tmp_path / "out", *option, *ONNXRUNTIME))
    assert not (tmp_path / "out").exists()
