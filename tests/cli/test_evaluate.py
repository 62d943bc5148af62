"""streetseg evaluate: its figures, its views, and one clear line for spoilt data."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from streetseg.measure.evaluation_json import read_accuracy
from streetseg.runtime.frames import read_frame
from streetseg.runtime.segmenter import DEFAULT_WEIGHTS, Segmenter
from tests.support.command_line import ONNXRUNTIME, Refused, Run, refusal

UNFOLDED = Path(__file__).parents[2] / "weights" / "ddrnet_23_slim_camvid_pretrained_restart.safetensors"


@pytest.mark.slow
def test_evaluate_agrees_with_scikit_learn(camvid: Path, run: Run) -> None:
    from sklearn.metrics import confusion_matrix  # here, for it takes seconds

    command = ["evaluate", DEFAULT_WEIGHTS, "--data", camvid, *ONNXRUNTIME]
    code, lines, errors = run(*command, "--json")
    assert (code, errors) == (0, [])
    facts = json.loads("\n".join(lines))

    segmenter = Segmenter.open(engine="onnxruntime")
    true, predicted = [], []
    for image in sorted((camvid / "val").glob("*.png")):
        label = np.asarray(Image.open(camvid / "valannot" / image.name))
        counted = label < 11
        true.append(label[counted])
        predicted.append(segmenter(read_frame(image)).classmap[counted])
    classes = len(segmenter.card.classes)
    matrix = confusion_matrix(np.concatenate(true), np.concatenate(predicted), labels=range(classes))
    right, union = np.diag(matrix), matrix.sum(0) + matrix.sum(1) - np.diag(matrix)
    iou = {
        name: round(r / u, 6) if u else None for name, r, u in zip(segmenter.card.classes, right, union, strict=True)
    }
    assert facts["frames"] == len(true) == 4
    assert facts["iou"] == iou
    assert facts["miou"] == pytest.approx(np.mean(right[union > 0] / union[union > 0]), abs=1e-6)
    assert facts["pixel_accuracy"] == pytest.approx(right.sum() / matrix.sum(), abs=1e-6)
    assert facts["weights"] == segmenter.card.content_hash
    assert facts["engine"] == "onnxruntime, float32"
    assert facts["command"].endswith("--split val --engine onnxruntime")

    code, lines, errors = run(*command)
    assert (code, errors) == (0, [])
    assert lines[0].startswith("camvid, split val, 4 frames")
    table = {name: values for name, *values in (re.split(r"  +", line) for line in lines[2:-3])}
    assert list(table) == [*iou, "mean"]
    assert table["mean"][0] == f"{facts['miou']:.2%}"
    assert table["road"] == [f"{facts[key]['road']:.2%}" for key in ("iou", "f1", "accuracy", "boundary_iou")]
    assert lines[-3].startswith(f"mIoU {facts['miou']:.2%}, pixel accuracy {facts['pixel_accuracy']:.2%}")
    assert lines[-2].startswith(f"mIoU near borders (trimap): 1 px {facts['trimap_miou']['1']:.2%}")


@pytest.mark.slow
def test_evaluate_exports_unfolded_weights_and_compare_finds_no_difference(
    camvid: Path, tmp_path: Path, run: Run
) -> None:
    """The safetensors of the weights that ship, through PyTorch, against the artefact that ships."""
    results = []
    for artefact, engine in ((UNFOLDED, "torch"), (DEFAULT_WEIGHTS, "onnxruntime")):
        code, lines, errors = run("evaluate", artefact, "--data", camvid, "--engine", engine, "--threads", 1, "--json")
        assert (code, errors) == (0, [])
        results.append(tmp_path / f"{engine}.json")
        results[-1].write_text("\n".join(lines))
    facts = [json.loads(path.read_text()) for path in results]
    assert facts[0]["engine"] == "torch, float32"
    # A pixel whose two best classes are equal in float32 may fall either way: at most a few of 4 x 96 x 128.
    moved = np.abs(np.subtract(facts[0]["confusion"], facts[1]["confusion"])).sum() / 2
    assert moved <= 5
    assert read_accuracy(results[0]).iou == facts[0]["iou"]  # what export --accuracy reads
    code, lines, errors = run("compare", *results, "--json")
    assert (code, errors) == (0, [])
    compared = json.loads("\n".join(lines))
    assert list(compared) == ["mIoU", *facts[0]["classes"]]
    assert not any(entry["real"] for entry in compared.values())
    code, lines, _ = run("compare", *results)
    assert (code, len(lines)) == (0, 1 + len(compared))


def test_evaluate_through_several_views(camvid: Path, run: Run) -> None:
    options = ["--scale", "0.5", "1", "--flip", "--window", "64", "96", "--overlap", "0.25"]
    command = ["evaluate", DEFAULT_WEIGHTS, "--data", camvid, *ONNXRUNTIME, "--json"]
    code, lines, errors = run(*command, *options)
    assert (code, errors) == (0, [])
    facts = json.loads("\n".join(lines))
    assert facts["views"] == "scale 0.5, 1, mirrored too, windows of 64 x 96 overlapping by 0.25"
    said = "--engine onnxruntime --scale 0.5 1.0 --window 64 96 --flip --overlap 0.25"
    assert facts["command"].endswith(said)
    assert facts["confusion"] != json.loads("\n".join(run(*command)[1]))["confusion"]


@pytest.fixture
def val(camvid: Path, tmp_path: Path) -> Path:
    """A copy of the dataset's val split, to be spoilt."""
    for folder in ("val", "valannot"):
        shutil.copytree(camvid / folder, tmp_path / folder)
    return tmp_path


def spoilt_label(label: Path, frame: Path) -> str:
    Image.fromarray(np.full((96, 128), 40, np.uint8)).save(label)
    return f"{label}: pixel value 40 is not a class index; allowed are 0 to 10, and 11, 255 for void"


def smaller_label(label: Path, frame: Path) -> str:
    Image.fromarray(np.zeros((48, 64), np.uint8)).save(label)
    return f"{label} is 64 x 48, its image {frame.name} is 128 x 96; both must have one size"


def missing_label(label: Path, frame: Path) -> str:
    label.unlink()
    return f"{frame} has no label: {label} is missing"


def unreadable_label(label: Path, frame: Path) -> str:
    label.write_text("hello")
    return f"{label} cannot be read as a label image"


def coloured_label(label: Path, frame: Path) -> str:
    Image.fromarray(np.full((96, 128, 3), 7, np.uint8)).save(label)
    return f"{label}: colour (7, 7, 7) stands for no class"


def unreadable_frame(label: Path, frame: Path) -> str:
    frame.write_bytes(frame.read_bytes()[:-40])
    return f"{frame} cannot be decoded"


@pytest.mark.parametrize(
    "spoil", [spoilt_label, smaller_label, missing_label, unreadable_label, coloured_label, unreadable_frame]
)
def test_evaluate_refuses_bad_data(val: Path, run: Run, spoil: Callable[[Path, Path], str]) -> None:
    frame = sorted((val / "val").glob("*.png"))[2]
    complaint = spoil(val / "valannot" / frame.name, frame)
    assert complaint in refusal(run("evaluate", DEFAULT_WEIGHTS, "--data", val, *ONNXRUNTIME))


def test_evaluate_names_the_splits(val: Path, run: Run) -> None:
    for split in ("test", "only:Seq05VD", "night"):
        message = refusal(run("evaluate", DEFAULT_WEIGHTS, "--data", val, "--split", split, *ONNXRUNTIME))
        assert f"has no split '{split}'; there are val, trainval, and only:SEQUENCE or without:SEQUENCE" in message
        assert "0016E5" in message


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["evaluate", "{weights}", "--data", "{empty}"], "empty is not a known dataset: it holds nothing"),
        (["evaluate", "{weights}", "--data", "{empty}/missing"], "missing does not exist or is not a folder"),
        (["evaluate", "{weights}", "--data", "{empty}", "--dataset", "nuscenes"], "unknown dataset 'nuscenes'"),
        (["evaluate", "{weights}", "--data", "{empty}", "--dataset", "camvid"], "holds no camvid frames; looked"),
        (["evaluate", "{weights}", "--data", "{empty}", "--scale", "0"], "above 0 and at most 4, got 0.0"),
        (["evaluate", "{weights}", "--data", "{empty}", "--trimap", "3", "0"], "widths of 1 to 150 pixels, got 3, 0"),
        (["evaluate", "{weights}", "--data", "{empty}", "--worst", "-1"], "0 or more, got -1"),
        (["evaluate", "{weights}", "--data", "{empty}", "--worst", "3"], "--worst needs --report DIR; add it"),
        (["evaluate", "{weights}", "--data", "{empty}", "--overlap", "0.5"], "--overlap needs --window H W; add it"),
        (["evaluate", "{weights}", "--data", "{empty}", "--submission", "{out}", "--json"], "so it takes no --json"),
    ],
)
def test_a_mistake_is_told_in_one_line(refused: Refused, arguments: list[str], complaint: str) -> None:
    assert complaint in refused(*arguments)
