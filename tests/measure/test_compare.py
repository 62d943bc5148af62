"""Comparing evaluations: pairing by name, the bootstrap against a plain one, and clear refusals."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from streetseg.errors import UsageError
from streetseg.measure import compare as compare_module
from streetseg.measure.compare import compare
from streetseg.measure.evaluation import Evaluation, FrameScore
from streetseg.measure.metrics import scores

Matrices = NDArray[np.int64]
CLASSES = ["road", "sky", "car"]


def matrices(seed: int, right: float, frames: int = 30) -> Matrices:
    """Per-frame confusion matrices of the same labels, of which about that share is right."""
    labels = np.random.default_rng(9).integers(0, 600, (frames, 3))
    rng = np.random.default_rng(seed)
    found = labels[..., None] * np.eye(3, dtype=np.int64)
    for shift in (1, 2):
        wrong = rng.integers(0, np.round((1 - right) * labels) + 1) // 2
        for true in range(3):
            found[:, true, true] -= wrong[:, true]
            found[:, true, (true + shift) % 3] += wrong[:, true]
    return found


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    def write(name: str, per_frame: Matrices, classes: list[str] = CLASSES, not_judged: tuple[str, ...] = ()) -> Path:
        frames = tuple(
            FrameScore(f"f{i}", np.array([[t, p, m[t, p]] for t, p in np.argwhere(m)]), 0.5, 0.5)
            for i, m in enumerate(per_frame)
        )
        judged = np.array([name not in not_judged for name in classes])
        result = Evaluation(tuple(classes), judged, (), per_frame.sum(0), 0, frames)
        (tmp_path / name).write_text(result.to_json())
        return tmp_path / name

    return write


def test_the_interval_is_that_of_a_plain_bootstrap_of_runs(
    write: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compare_module, "RESAMPLES", 300)
    a, b = matrices(0, 0.6), matrices(1, 0.62)
    found = compare(write("a.json", a), write("b.json", b))
    whole = scores(a.sum(0)), scores(b.sum(0))
    assert found["mIoU"].a == pytest.approx(whole[0].miou, abs=1e-12)
    assert found["sky"].b == pytest.approx(whole[1].iou[1], abs=1e-12)

    rng = np.random.default_rng(0)
    differences = []
    for starts in rng.multinomial(10, np.full(30, 1 / 30), 300):
        drawn = [(start + next) % 30 for start in np.repeat(np.arange(30), starts) for next in range(3)]
        one, other = scores(a[drawn].sum(0)), scores(b[drawn].sum(0))
        differences.append([other.miou - one.miou, *(other.iou - one.iou)])
    for name, values in zip(["mIoU", *CLASSES], np.array(differences).T, strict=True):
        assert [found[name].low, found[name].high] == pytest.approx(np.percentile(values, [2.5, 97.5]), abs=1e-12)


def test_a_real_difference_and_none(write: Callable[..., Path]) -> None:
    a, b = write("a.json", matrices(0, 0.5)), write("b.json", matrices(0, 0.9))
    assert all(d.real and d.b > d.a for d in compare(a, b))
    assert not any(d.real for d in compare(a, a))
    chance = compare(write("c.json", matrices(2, 0.6)), write("d.json", matrices(3, 0.6)))
    assert not chance["mIoU"].real
    assert "could be chance" in chance.table()
    assert json.loads(chance.to_json())["mIoU"]["real"] is False


def test_frames_that_resemble_their_neighbours_say_less(write: Callable[..., Path]) -> None:
    a, b = (np.repeat(matrices(seed, 0.6, frames=12), 5, axis=0) for seed in (2, 3))
    apart = np.random.default_rng(0).permutation(60)
    drive, photos = (compare(write("a.json", a[o]), write("b.json", b[o]))["mIoU"] for o in (np.arange(60), apart))
    assert drive.a == pytest.approx(photos.a)
    assert drive.high - drive.low > 1.4 * (photos.high - photos.low)


def test_few_frames_are_no_evidence(write: Callable[..., Path]) -> None:
    a, b = matrices(0, 0.5), matrices(0, 0.9)
    for rows in (1, 9):
        few = compare(write("a.json", a[:rows]), write("b.json", b[:rows]))
        assert not any(d.real for d in few)
        assert json.loads(few.to_json())["mIoU"]["low"] is None
        assert few.table().count("in too few frames") == 4
    for matrix in (a, b):
        matrix[9:, 2] = 0
    found = compare(write("a.json", a), write("b.json", b))
    assert found["mIoU"].real
    assert found["road"].real
    assert not found["car"].real
    assert found["car"].b > found["car"].a


def test_frames_and_classes_are_matched_by_name(write: Callable[..., Path]) -> None:
    per_frame = matrices(0, 0.6)
    a, turned = write("a.json", per_frame), write("b.json", per_frame[:, ::-1, ::-1], CLASSES[::-1])
    found = json.loads(turned.read_text())
    turned.write_text(json.dumps({**found, "images": found["images"][::-1]}))
    assert [(d.name, d.low, d.high) for d in compare(a, turned)] == [(n, 0, 0) for n in ("mIoU", *CLASSES)]
    other = write("other.json", matrices(1, 0.6))
    listed = compare(a, other)
    for path in (a, other):  # frames may be listed in any order
        found = json.loads(path.read_text())
        shuffled = [found["images"][i] for i in np.random.default_rng(0).permutation(30)]
        path.write_text(json.dumps({**found, "images": shuffled}))
    assert compare(a, other) == listed
    fewer = write("c.json", per_frame, ["road", "sky", "bus"])
    assert [d.name for d in compare(a, fewer)] == ["mIoU", "road", "sky"]
    unjudged = write("d.json", per_frame, not_judged=("car",))
    assert [d.name for d in compare(a, unjudged)] == ["mIoU", "road", "sky"]


def test_other_pixels_are_no_difference_of_artefacts(write: Callable[..., Path]) -> None:
    a = matrices(0, 0.6)
    unlabelled, relabelled = a.copy(), a.copy()
    unlabelled[3:5, 2] = 0
    relabelled[7, 0, 0] += 5
    relabelled[7, 1, 1] -= 5
    for name, other, complaint in (
        ("unlabelled", unlabelled, "in 2 of the frames, such as f3; evaluate both on the same labels and classes"),
        ("relabelled", relabelled, "in 1 of the frames, such as f7;"),
    ):
        with pytest.raises(UsageError, match=f"do not count the same pixels {complaint}"):
            compare(write("a.json", a), write(f"{name}.json", other))
    # To an artefact without cars, their pixels are left out.
    with pytest.raises(UsageError, match="do not count the same pixels in 30 of the frames, such as f0;"):
        compare(write("a.json", a), write("two.json", a[:, :2, :2], CLASSES[:2]))


def test_a_class_that_is_nowhere_has_no_difference(write: Callable[..., Path]) -> None:
    per_frame = matrices(0, 0.6)
    per_frame[:, 2] = per_frame[:, :, 2] = 0
    comparison = compare(write("a.json", per_frame), write("b.json", per_frame))
    found = comparison["car"]
    assert np.isnan([found.a, found.b, found.low]).all()
    assert json.loads(comparison.to_json())["car"]["low"] is None
    assert not found.real


def test_what_cannot_be_compared(write: Callable[..., Path], tmp_path: Path) -> None:
    a = write("a.json", matrices(0, 0.6))
    with pytest.raises(UsageError, match="not of the same frames: 1 are in one only, such as f29"):
        compare(a, write("b.json", matrices(0, 0.6, frames=29)))
    with pytest.raises(UsageError, match="no class in common"):
        compare(a, write("c.json", matrices(0, 0.6), ["bus", "train", "tram"]))
    for text in ("", "[]", "{}", "[" * 100_000):
        (tmp_path / "bad.json").write_text(text)
        with pytest.raises(UsageError, match="is not a result of streetseg evaluate") as caught:
            compare(a, tmp_path / "bad.json")
        assert "\n" not in str(caught.value)
    with pytest.raises(UsageError, match=r"missing\.json cannot be read: No such file"):
        compare(tmp_path / "missing.json", a)
