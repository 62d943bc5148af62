"""streetseg evaluate --flicker: a figure of a film or a folder of frames, without labels."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from streetseg.measure.flicker import frames_of
from streetseg.runtime.segmenter import DEFAULT_WEIGHTS, Segmenter
from streetseg.runtime.steady import Steady
from streetseg.streets.datasets import render_streets
from tests.support.command_line import ONNXRUNTIME, Run, refusal
from tests.support.videos import TICK, street, write_video

EVALUATE = ("evaluate", DEFAULT_WEIGHTS, "--flicker", "--data")


@pytest.mark.slow
def test_the_flicker_of_a_film_and_of_its_frames(tmp_path: Path, run: Run) -> None:
    step = int(1 / 25 / TICK)
    film = write_video(tmp_path / "drive.mp4", [step * i for i in range(6)])
    code, (line,), errors = run(*EVALUATE, film, *ONNXRUNTIME)
    assert (code, errors) == (0, [])
    assert re.match(rf"{re.escape(str(film))}: [\d.]+% of the pixels flicker \(.*; 6 frames, \d+% of the pixels", line)

    folder = tmp_path / "frames"
    folder.mkdir()
    for i in range(6):
        Image.fromarray(np.ascontiguousarray(street()[:48, 2 * i : 2 * i + 64])).save(folder / f"{i}.png")
    shares = []
    for steady in ((), ("--steady",)):
        code, lines, errors = run(*EVALUATE, folder, *steady, "--json", *ONNXRUNTIME)
        assert (code, errors) == (0, [])
        facts = json.loads("\n".join(lines))
        assert facts["frames"] == 6
        assert facts["steady"] is bool(steady)
        assert 0.5 < facts["followed"] <= 1
        shares.append(facts["share"])
    assert shares[1] <= shares[0]


def test_mistakes_with_flicker(drive: Path, tmp_path: Path, run: Run) -> None:
    one = tmp_path / "one"
    one.mkdir()
    Image.fromarray(street()[:48, :64]).save(one / "a.png")
    assert "1 frames; flicker needs two or more" in refusal(run(*EVALUATE, one, *ONNXRUNTIME))
    message = refusal(run(*EVALUATE, drive, "--report", tmp_path / "report"))
    assert "has no labels, so --flicker takes no --report here" in message
    message = refusal(run("evaluate", DEFAULT_WEIGHTS, "--data", drive, "--steady"))
    assert "--steady needs --flicker" in message


@pytest.mark.slow
def test_predict_smooths_a_film(tmp_path: Path, run: Run) -> None:
    """The class maps of --steady are those of smoothing frame by frame, in order."""
    step = int(1 / 25 / TICK)
    film = write_video(tmp_path / "drive.mp4", [step * i for i in range(9)])
    maps = {}
    for name, steady in (("plain", ()), ("steady", ("--steady",))):
        place = tmp_path / f"{name}.npz"
        code, _, errors = run(
            "predict", film, "--out", tmp_path / f"{name}.mp4", "--classmap", place, *steady, *ONNXRUNTIME
        )
        assert (code, errors) == (0, [])
        with np.load(place) as arrays:
            maps[name] = [arrays[each] for each in sorted(arrays.files) if arrays[each].ndim == 2]
    segmenter = Segmenter.open(engine="onnxruntime")
    smooth = Steady(segmenter)
    expected = [smooth(segmenter(frame, logits=True)).classmap for frame in frames_of(film)]
    assert len(maps["steady"]) == 9
    for got, wanted in zip(maps["steady"], expected, strict=True):
        assert (got == wanted).mean() > 0.999  # another number of threads may round otherwise
    np.testing.assert_array_equal(maps["steady"][0], maps["plain"][0])
    assert any((a != b).any() for a, b in zip(maps["steady"], maps["plain"], strict=True))


@pytest.mark.slow
def test_a_labelled_drive_gives_flicker_beside_its_scores(tmp_path: Path, run: Run) -> None:
    drives, report = tmp_path / "drives", tmp_path / "report"
    render_streets(drives, sequence=4, val=2, size=(96, 128), seed=1)
    evaluate = (*EVALUATE, drives, *ONNXRUNTIME)
    code, lines, errors = run(*evaluate, "--report", report)
    assert (code, errors) == (0, [])
    pattern = r"flicker [\d.]+% of the pixels that can be followed \(\d+%\), ([\d.]+)% in the labels; [\d.]+ ms a frame"
    (said,) = (found for line in lines if (found := re.fullmatch(pattern, line)))
    assert float(said[1]) < 1
    page = (report / "report.html").read_text()
    assert f"Over time: {said[0]}." in page
    assert "--flicker" in page

    code, lines, errors = run(*evaluate, "--steady", "--json")
    assert (code, errors) == (0, [])
    facts = json.loads("\n".join(lines))
    assert facts["steady"] is True
    assert facts["frames"] == 8
    assert facts["flicker_of_labels"] == pytest.approx(float(said[1]) / 100, abs=1e-4)
    assert 0.3 < facts["flicker_followed"] <= 1
    assert facts["milliseconds"] > 0

    message = refusal(run(*evaluate, "--flip"))
    assert "--flicker looks at whole frames, so it takes no --flip" in message
