"""Each drive is left out in turn, and judged by weights that never saw it."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from streetseg.cli import main
from streetseg.data.datasets import open_dataset
from streetseg.errors import DatasetError, OutputError, TrainingError, UsageError
from streetseg.measure.evaluation_json import read_evaluation
from streetseg.measure.pool import pool
from streetseg.streets.datasets import write_folder, write_imagenet
from streetseg.training import folds as folds_module
from streetseg.training.checkpoint import load_checkpoint
from streetseg.training.folds import train_folds
from streetseg.training.train import train

SHIPPED = Path(__file__).parents[2] / "weights" / "fassd_net_l2_camvid_pretrained.safetensors"
QUICK: dict[str, Any] = {"crop": (64, 64), "batch": 2, "epochs": 1, "init": SHIPPED, "progress": False}


@pytest.fixture(scope="module")
def drives(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A user's own data of two drives, one with a space in its name: 2 and 3 frames."""
    root = tmp_path_factory.mktemp("own")
    write_folder(root / "rendered", {"train": 5, "val": 1}, size=(48, 64))
    data = root / "data"
    for part in ("images", "masks"):
        (data / part).mkdir(parents=True)
        for number, path in enumerate(sorted((root / "rendered" / part / "train").iterdir())):
            name = f"by night {number}" if number < 2 else f"city_{number}"
            shutil.copy(path, data / part / f"{name}{path.suffix}")
    shutil.copy(root / "rendered" / "classes.yaml", data)
    return data


@pytest.mark.slow
def test_folds_go_on_and_pool_what_was_never_seen(
    drives: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(recipe: Any, data: Any, folder: Path, **options: Any) -> Any:
        if folder.name == "02_city":
            raise KeyboardInterrupt
        return train(recipe, data, folder, **options)

    monkeypatch.setattr(folds_module, "train", interrupted)
    with pytest.raises(KeyboardInterrupt):
        train_folds("finetune", drives, tmp_path, **QUICK)
    monkeypatch.undo()
    first = (tmp_path / "01_by_night" / "evaluation.json").stat().st_mtime_ns
    assert main(["train", "--folds", "drive", "--resume", "--out", str(tmp_path)]) == 0
    assert (tmp_path / "01_by_night" / "evaluation.json").stat().st_mtime_ns == first
    output, errors = capsys.readouterr()
    assert "2 drives, so 2 runs, each without one of them: by night (2 frames), city (3 frames)" in errors
    assert "fold 2 of 2: city is left out" in errors

    parts = [read_evaluation(tmp_path / folder / "evaluation.json") for folder in ("01_by_night", "02_city")]
    pooled = read_evaluation(tmp_path / "pooled.json")
    np.testing.assert_array_equal(pooled.matrix, pool(parts).matrix)
    assert [part.frames for part in parts] == [2, 3]
    assert pooled.frames == 5
    assert output.count("city") >= 1
    assert f"mIoU {pooled.scores.miou:.2%}" in output
    trained = [load_checkpoint(path / "checkpoint.pt") for path in sorted(tmp_path.glob("0*"))]
    assert [state["recipe"]["split"] for state in trained] == ["without:by night", "without:city"]
    assert [state["recipe"]["iterations"] for state in trained] == [2, 1]
    assert {state["recipe"]["evaluate_every"] for state in trained} == {0}, "nothing is chosen on what is left out"
    seen = {pair.name for pair in open_dataset(drives).pairs("without:city")}
    assert not seen & {frame.name for frame in parts[1].frame_scores}

    with pytest.raises(OutputError, match="already holds folds; go on with --resume"):
        train_folds("finetune", drives, tmp_path, **QUICK)
    with pytest.raises(TrainingError, match="folds with other settings of seed"):
        train_folds(None, None, tmp_path, settings={"seed": 4}, resume=True, progress=False)
    with pytest.raises(TrainingError, match="folds with other settings of epochs"):
        train_folds(None, None, tmp_path, epochs=3, resume=True, progress=False)
    with pytest.raises(TrainingError, match=r"folds with other settings of .*network"):
        train_folds("stdc1_camvid", None, tmp_path, resume=True, progress=False)
    result = train_folds("finetune", None, tmp_path, resume=True, progress=False)
    assert [fold.drive for fold in result.folds] == ["by night", "city"]
    assert '"drive": "by night"' in result.to_json()


@pytest.mark.slow
def test_what_cannot_be_left_out_is_said_before_training(drives: Path, tmp_path: Path) -> None:
    write_folder(tmp_path / "one", {"train": 2, "val": 1}, size=(48, 64))
    with pytest.raises(DatasetError, match=r"one has one drive, 'drive'; folds need two or more: the frames"):
        train_folds("finetune", tmp_path / "one", tmp_path / "run", **QUICK)
    with pytest.raises(UsageError, match="folds set split themselves"):
        train_folds("finetune", drives, tmp_path / "run", **QUICK, settings={"split": "train"})
    with pytest.raises(TrainingError, match="holds no folds to go on with; leave out --resume"):
        train_folds("finetune", drives, tmp_path / "run", **QUICK, resume=True)
    write_imagenet(tmp_path / "sorted", {"train": 1}, size=(48, 64))
    with pytest.raises(DatasetError, match="holds images sorted by class, not class maps of drives"):
        train_folds("stdc1_imagenet", tmp_path / "sorted", tmp_path / "run", progress=False)
    unlabelled = Path(shutil.copytree(drives, tmp_path / "unlabelled"))
    for path in (unlabelled / "masks").glob("by night*"):
        Image.fromarray(np.full((48, 64), 255, np.uint8)).save(path)
    with pytest.raises(DatasetError, match="has no labelled pixel in split 'only:by night'"):
        train_folds("finetune", unlabelled, tmp_path / "run", **QUICK)
    single = Path(shutil.copytree(drives, tmp_path / "single"))
    for number, path in enumerate(sorted((single / "images").iterdir())):
        for part in (path, *(single / "masks").glob(f"{path.stem}.*")):
            part.rename(part.with_name(f"{'abcde'[number]}_street{part.suffix}"))
    with pytest.raises(DatasetError, match="has 5 drives for 5 frames by their names; a drive needs two"):
        train_folds("finetune", single, tmp_path / "run", **QUICK)
    assert not (tmp_path / "run").exists()
