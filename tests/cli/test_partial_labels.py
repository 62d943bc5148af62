"""Labels of which the weights know a part: the figures say so first, and are no answer by themselves."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import streetseg
from streetseg.errors import DatasetError
from streetseg.export.quantize import quantize
from streetseg.export.targets import export
from streetseg.measure.coverage import Coverage, share_in_words
from streetseg.runtime.segmenter import DEFAULT_WEIGHTS
from streetseg.streets.scene import render
from tests.support.command_line import ONNXRUNTIME, Run
from tests.support.paths import ROOT

SIZE = (240, 320)
NAMES = ("sky", "facade", "asphalt", "vehicle")
MAP = "facade=building,asphalt=road,vehicle=car"
COUNTED = "1 of 4 classes, 2.2 % of the labelled pixels"
PARTIAL = (
    "PARTIAL: 97.8 % of the labelled pixels are left out, because the weights do not know facade, asphalt, vehicle; "
    f"the figures are of {COUNTED}"
)


def write_dataset(root: Path, names: tuple[str, ...], label: np.ndarray, frames: int = 5) -> Path:
    """Frames that all have one label map; the last one is val."""
    for folder in ("images", "masks"):
        for split in ("train", "val"):
            (root / folder / split).mkdir(parents=True)
    for number in range(frames):
        split = "val" if number == frames - 1 else "train"
        Image.fromarray(render(number, SIZE).frame).save(root / "images" / split / f"f{number}.jpg")
        Image.fromarray(label).save(root / "masks" / split / f"f{number}.png")
    (root / "classes.yaml").write_text("".join(f"- {name}\n" for name in names))
    return root


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four classes of which the shipped weights know one, sky, on 2.2 % of the pixels."""
    label = np.ones(SIZE, np.uint8)
    label[:9, 80:266] = 0
    label[150:] = 2
    label[180:220, 100:200] = 3
    return write_dataset(tmp_path_factory.mktemp("own") / "my streets", NAMES, label)


def test_the_headline_comes_first_and_the_exit_code_is_1(own: Path, tmp_path: Path, run: Run) -> None:
    command = ["evaluate", DEFAULT_WEIGHTS, "--data", own, *ONNXRUNTIME, "--report", tmp_path / "report"]
    code, lines, errors = run(*command)
    assert code == 1
    assert lines[0] == PARTIAL
    (miou,) = (line for line in lines if line.startswith("mIoU ") and "pixel accuracy" in line)
    assert re.match(rf"mIoU [\d.]+% \({re.escape(COUNTED)}\), pixel accuracy ", miou)
    assert lines[-1] == f"report: {tmp_path / 'report' / 'report.html'}"
    (complaint,) = errors
    assert "97.8 % of the labelled pixels are left out, allowed are 10 %" in complaint
    assert "--map LABEL=WEIGHTS" in complaint
    assert "--partial" in complaint
    page = (tmp_path / "report" / "report.html").read_text()
    assert page.index(PARTIAL) < page.index("mIoU</div>") < page.index(f"Of {COUNTED}.")
    assert COUNTED in page.partition("</title>")[0]
    assert run(*command, "--partial")[:2] == (0, lines)  # it says the same


def test_json_has_the_share(own: Path, run: Run) -> None:
    code, lines, _ = run("evaluate", DEFAULT_WEIGHTS, "--data", own, *ONNXRUNTIME, "--json")
    facts = json.loads("\n".join(lines))
    assert code == 1
    assert (facts["partial"], facts["counted"]) == (True, COUNTED)
    assert facts["left_out_share"] == pytest.approx(1 - 9 * 186 / (240 * 320), abs=1e-6)
    assert facts["left_out_pixels"] == 240 * 320 - 9 * 186 == facts["uncounted_pixels"]
    assert list(facts).index("left_out_share") < list(facts).index("miou")


def test_the_share_of_left_out_pixels_is_of_the_labelled_ones(tmp_path: Path, run: Run) -> None:
    """Void does not count: a tenth and less of what is labelled may be left out."""
    label = np.full(SIZE, 255, np.uint8)
    label[:100] = 0
    label[:10] = 1
    data = write_dataset(tmp_path / "own", ("sky", "facade"), label, frames=2)
    code, lines, errors = run("evaluate", DEFAULT_WEIGHTS, "--data", data, *ONNXRUNTIME)
    assert (code, errors) == (0, [])
    assert "PARTIAL" not in lines[0]
    assert any("(1 of 2 classes, 90 % of the labelled pixels)" in line for line in lines)
    assert "left out, their pixels do not count: facade (10 % of the labelled ones)" in lines


def test_a_map_makes_the_labels_count(own: Path, run: Run) -> None:
    code, lines, errors = run("evaluate", DEFAULT_WEIGHTS, "--data", own, *ONNXRUNTIME, "--map", MAP)
    assert (code, errors) == (0, [])
    said = "classes of the labels = of the weights: facade = building, asphalt = road, vehicle = car (by --map)"
    assert said in lines
    facts = json.loads(
        "\n".join(run("evaluate", DEFAULT_WEIGHTS, "--data", own, *ONNXRUNTIME, "--json", "--map", MAP)[1])
    )
    assert (facts["partial"], facts["left_out_share"], facts["left_out"]) == (False, 0, [])
    assert {"label": "facade", "known": "building", "by": "map"} in facts["matches"]
    assert "--data 'my streets'" in facts["command"]
    assert f"--map {MAP}" in facts["command"]
    assert facts["iou"]["building"] is not None


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        (["--map", "facad=building"], "the labels have no class 'facad'; did you mean 'facade'?"),
        (["--map", "facade=bilding"], "the weights have no class 'bilding'; did you mean 'building'?"),
        (["--map", "facade"], "--map 'facade' is not LABEL=WEIGHTS; give, for example, person=pedestrian"),
        (["--map", "facade=building", "--map", "facade=road"], "--map gives 'facade' two classes"),
    ],
)
def test_a_typo_in_a_map_is_refused(own: Path, run: Run, given: list[str], complaint: str) -> None:
    code, lines, errors = run("evaluate", DEFAULT_WEIGHTS, "--data", own, *ONNXRUNTIME, *given)
    assert (code, lines) == (2, [])
    assert complaint in errors[0]


def test_python_warns_unless_it_is_asked_for(own: Path) -> None:
    with pytest.warns(UserWarning, match=r"97\.8 % of the labelled pixels are left out"):
        result = streetseg.evaluate(data=own, engine="onnxruntime", trimap=())
    assert result.partial
    assert f"({COUNTED})" in repr(result)
    streetseg.evaluate(data=own, engine="onnxruntime", trimap=(), partial=True)
    assert not streetseg.evaluate(
        data=own, engine="onnxruntime", trimap=(), mapping={"facade": "building", "asphalt": "road", "vehicle": "car"}
    ).partial


def test_pool_compare_and_cards_do_not_hide_it(own: Path, tmp_path: Path, run: Run) -> None:
    result = streetseg.evaluate(data=own, engine="onnxruntime", trimap=(), partial=True)
    path = tmp_path / "val.json"
    path.write_text(result.to_json())
    for command in (["pool", path], ["compare", path, path]):
        code, lines, errors = run(*command)
        assert (code, lines[0]) == (1, PARTIAL)
        assert len(errors) == 1
        assert run(*command, "--partial")[0] == 0
    pooled = json.loads("\n".join(run("pool", path, "--json")[1]))
    assert pooled["left_out_share"] == result.facts()["left_out_share"]
    compared = json.loads("\n".join(run("compare", path, path, "--json")[1]))
    assert compared["mIoU"]["left_out_share"] == result.facts()["left_out_share"]
    entry = result.card_entry()
    assert entry.left_out_share == pytest.approx(0.978203)
    assert f"left out: facade, asphalt, vehicle ({COUNTED})" in entry.measured_on


@pytest.mark.slow
def test_export_notes_it(own: Path, tmp_path: Path) -> None:
    weights = ROOT / "weights" / "ddrnet_23_slim_camvid_pretrained_restart.safetensors"
    result = streetseg.evaluate(data=own, engine="onnxruntime", trimap=(), partial=True)
    exported = export(weights, out=tmp_path / "a.onnx", accuracy=[result])
    assert any("97.8 % of the labelled pixels are left out" in note for note in exported.notes)
    assert exported.card.accuracy[0].left_out_share == pytest.approx(0.978203)


@pytest.mark.slow
def test_quantize_does_not_judge_by_a_part_of_the_labels(own: Path, tmp_path: Path) -> None:
    with pytest.raises(
        DatasetError, match=r"split val, cannot judge int8: 97\.8 % of its labelled pixels are of facade"
    ):
        quantize(DEFAULT_WEIGHTS, data=own, out=tmp_path / "int8.onnx", frames=2)
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_quantize_takes_a_map(own: Path, tmp_path: Path, run: Run) -> None:
    command = ["quantize", DEFAULT_WEIGHTS, "--data", own, "--frames", 2, "--max-drop", 100, "--out"]
    code, lines, errors = run(*command, tmp_path / "int8.onnx", "--map", MAP)
    assert (code, errors) == (0, [])
    assert (
        "classes of the labels = of the weights: facade = building, asphalt = road, vehicle = car (by --map)" in lines
    )
    (entry,) = streetseg.read_card(tmp_path / "int8.onnx").accuracy
    assert entry.left_out_share == 0
    assert entry.command == (
        f"streetseg evaluate int8.onnx --data 'my streets' --split val --map {MAP} --precision float32"
    )
    code, _, errors = run(*command, tmp_path / "no.onnx", "--map", "facad=building")
    assert code == 2
    assert "did you mean 'facade'?" in errors[0]


def test_shares_do_not_become_none_or_all() -> None:
    shares = [share_in_words(share) for share in (0, 0.0004, 0.0218, 0.1, 0.9997, 1)]
    assert shares == ["0 %", "under 0.1 %", "2.2 %", "10 %", "over 99.9 %", "100 %"]
    assert not Coverage(9, ("wall",), 0.1).partial
    assert Coverage(9, ("wall",), 0.1001).partial
