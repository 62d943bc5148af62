"""export: targets, suffixes, and measured figures, which go on the card if they are sound."""

from __future__ import annotations

import dataclasses
import importlib
import inspect
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from streetseg.cli import main
from streetseg.cli.weights import TARGET_OPTIONS
from streetseg.errors import UsageError, VerificationError
from streetseg.export.options import ExportOptions
from streetseg.export.source import Source
from streetseg.export.targets import TARGETS, export
from streetseg.export.written import Written
from streetseg.measure.evaluation import Evaluation, FrameScore
from streetseg.measure.evaluation_json import read_accuracy, read_evaluation
from streetseg.measure.setup import Setup
from streetseg.runtime.artefact import read_card
from tests.support.paths import ROOT


def test_targets_and_suffixes(weights: Path) -> None:
    with pytest.raises(UsageError, match=f"no target 'paddle'; there are {', '.join(TARGETS)}$"):
        export(weights, target="paddle")
    with pytest.raises(UsageError, match=r"no target 'onxx'; there are .*; did you mean onnx\?"):
        export(weights, to="onxx")
    with pytest.raises(UsageError, match="--to onnx and --target torch are two words for one thing"):
        export(weights, to="onnx", target="torch")
    with pytest.raises(UsageError, match=r"a\.onnx must be named NAME\.pt2"):
        export(weights, target="torch", out=weights.with_name("a.onnx"))
    with pytest.raises(UsageError, match=r"a\.xyz must be named NAME\.onnx"):
        export(weights, out=weights.with_name("a.xyz"))


@pytest.mark.parametrize("name", TARGETS)
def test_the_suffix_chooses_the_target(
    name: str, weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[str] = []
    for target, kind in TARGETS.items():

        def write(source: Source, options: ExportOptions, place: Path, target: str = target) -> Written:
            written.append(target)
            if not place.is_dir():
                place.touch()
            return Written(source.card, 0.0)

        monkeypatch.setattr(importlib.import_module(kind.module), "write", write)
    out, to = tmp_path / f"a{TARGETS[name].suffix}", None if TARGETS[name].suffix else name
    assert export(weights, out=out, to=to).path == out
    assert written == [name]


def test_the_help_names_every_target(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["export", "--help"])
    of_targets, _, of_files = capsys.readouterr().out.rpartition("--to TARGET")[2].partition("--out PLACE")
    for name, kind in TARGETS.items():
        assert name in of_targets
        assert f"{kind.file} for {name}" in " ".join(of_files.split())


def evaluated(present: str, absent: str) -> dict[str, Any]:
    """What `streetseg evaluate --json` says of a frame of one class, half of it taken for nothing that is judged."""
    matrix = np.array([[5, 5], [0, 0]])
    frame = FrameScore("f0", np.array([[0, 0, 5], [0, 1, 5]]), 0.5, 0.5)
    setup = Setup(measured_on="x", weights="0f", engine="e", command="c")
    result = Evaluation((present, absent), np.array([True, False]), (), matrix, 0, (frame,), setup=setup)
    facts: dict[str, Any] = json.loads(result.to_json())
    return facts


def test_figures_of_other_classes_are_refused(weights: Path, tmp_path: Path) -> None:
    (tmp_path / "cats.json").write_text(json.dumps(evaluated("road", "cat")))
    with pytest.raises(UsageError, match="figures of 'cat', which is not a class of "):
        export(weights, out=tmp_path / "a.onnx", accuracy=[tmp_path / "cats.json"])
    assert not (tmp_path / "a.onnx").exists()


@pytest.mark.slow
def test_an_evaluation_goes_on_the_card(weights: Path, tmp_path: Path) -> None:
    (tmp_path / "val.json").write_text(json.dumps(evaluated("road", "sky")))
    evaluation = read_evaluation(tmp_path / "val.json")
    exported = export(str(weights), out=str(tmp_path / "a.onnx"), accuracy=[evaluation])
    assert exported.card.accuracy == (evaluation.card_entry(),)
    note = f"a result is of other weights than {tmp_path / 'a.onnx'}: x; not judged: sky"
    assert exported.notes == (note,)
    assert json.loads(exported.to_json()) == {
        "path": str(tmp_path / "a.onnx"),
        "network": "ddrnet_23_slim",
        "classes": 11,
        "content_hash": read_card(tmp_path / "a.onnx").content_hash,
        "logit_difference": pytest.approx(exported.difference, rel=1e-2),
        "notes": [note],
    }


@pytest.mark.slow
def test_what_was_measured_goes_on_the_card(weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "val.json"
    good_facts = evaluated("road", "sky")
    path.write_text(json.dumps(good_facts))
    out, took = tmp_path / "a.onnx", "1.2 hours on one core"
    assert main(["export", str(weights), "--out", str(out), "--accuracy", str(path), "--training-time", took]) == 0
    card = read_card(out)
    on = "x; not judged: sky"
    assert [(entry.measured_on, entry.iou) for entry in card.accuracy] == [(on, {"road": 0.5, "sky": None})]
    assert card.training_time == took
    errors = capsys.readouterr().err
    assert errors == f"streetseg: note: {path} is of other weights than {out}: {on}\n"
    path.write_text(json.dumps({**good_facts, "weights": card.content_hash}))
    took = os.fsdecode(b"1 h, \xff")  # no UTF-8
    assert main(["export", str(weights), "--out", str(out), "--accuracy", str(path), "--training-time", took]) == 0
    assert capsys.readouterr().err == ""
    assert read_card(out).training_time == "1 h, ?"
    good = out.read_bytes()
    for wrong, complaint in (
        ({"miou": 74.5}, "of 74.5, allowed are 0 to 1"),
        ({"miou": None}, "miou is not of its type"),
        ({"iou": [0.5]}, "iou is not of its type"),
        ({"iou": {"road": -0.1}}, "of -0.1, allowed"),
        ({"engine": 1}, "engine is not of its type"),
        ({"confusion": [[1, 2], [0, 0]]}, "do not add up to the confusion matrix"),
    ):
        path.write_text(json.dumps({**good_facts, **wrong}))
        with pytest.raises(UsageError, match=f"not a result of streetseg evaluate.*{complaint}"):
            read_accuracy(path)
    path.write_text(json.dumps({**good_facts, "miou": 0.99}))
    with pytest.raises(UsageError, match="scores that contradict its confusion matrix; evaluate anew"):
        read_accuracy(path)
    path.write_text(json.dumps({**good_facts, "views": "scale 1, 1.5, mirrored too"}))
    assert read_accuracy(path).measured_on == "x; scale 1, 1.5, mirrored too; not judged: sky"
    path.write_text("{}")
    with pytest.raises(UsageError, match="not a result of streetseg evaluate"):
        read_accuracy(path)
    unfit = dataclasses.replace(card.accuracy[0], miou=74.5)
    with pytest.raises(VerificationError, match=r"a\.onnx was not written, .* an accuracy beyond 0 to 1") as caught:
        export(weights, out=out, accuracy=[unfit])
    assert "\n" not in str(caught.value)
    assert out.read_bytes() == good


def test_the_pages_list_every_target() -> None:
    readme, deploy = ((ROOT / page).read_text() for page in ("README.md", "docs/deploy.md"))
    for name, kind in TARGETS.items():
        row = f"| `{name}` | {kind.file} | {kind.made_for} | {f'`{kind.extra}`' if kind.extra else 'none'} |"
        options = ", ".join(f"`--{option.replace('_', '-')}`" for option in kind.options) or "none"
        assert row in readme
        assert row in deploy
        assert f"| `{name}` | {options} |" in deploy
        assert f"\n## {name}\n" in deploy


def test_every_option_is_a_field_and_on_the_command_line() -> None:
    fields = [field.name for field in dataclasses.fields(ExportOptions)]
    assert fields == list(TARGET_OPTIONS)
    assert {option for kind in TARGETS.values() for option in kind.options} <= set(fields)
    assert set(fields) <= set(inspect.signature(export).parameters)
