"""The training loop on a real dataset folder: it learns, judges itself rightly, and says what is wrong."""

from __future__ import annotations

import dataclasses
import json
import math
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from streetseg.cli import main
from streetseg.data.datasets import open_dataset
from streetseg.errors import DatasetError, ImageError, NetworkError, OutputError, RecipeError, TrainingError
from streetseg.measure.frames import evaluate_frames
from streetseg.models.weights import open_weights
from streetseg.runtime.segmenter import DEFAULT_WEIGHTS, Segmenter
from streetseg.streets.datasets import LAYOUTS, write_folder
from streetseg.training.checkpoint import load_checkpoint
from streetseg.training.recipe import resolve
from streetseg.training.recipe_fields import override
from streetseg.training.recipes.recipes import RECIPES, recipe_named
from streetseg.training.run import Run
from streetseg.training.tasks.segmentation import TrainingEngine, count_pixels, open_samples
from streetseg.training.tasks.tasks import open_task
from streetseg.training.train import train
from tests.support.own_data import own_data, street
from tests.support.runs import CPU
from tests.support.small_recipe import FLOAT32, SMALL, small


@pytest.mark.slow
def test_training_learns_and_writes_weights_with_their_card(camvid: Path, tmp_path: Path) -> None:
    recipe = small("iterations=80", "crop=64,96", "checkpoint_every=80", "evaluate_every=40", "jitter=0")
    weights = train(recipe, camvid, tmp_path, progress=False).weights
    log = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert [entry["step"] for entry in log] == [10, 20, 30, 40, 50, 60, 70, 80]
    assert log[7]["miou"] > log[3]["miou"]
    counts = count_pixels(open_samples(open_dataset(camvid), "train", 360, None), 11)
    assert log[7]["pixel_accuracy"] > counts.max() / counts.sum(), "no better than the most frequent class everywhere"

    network, card = open_weights(weights)
    assert card.network == recipe.network
    assert card.classes == open_dataset(camvid).labels.names
    assert (card.seed, card.package_version) == (0, version("streetseg"))
    assert card.recipe["iterations"] == 80
    assert "Cambridge" in card.terms
    assert not any(name.startswith("aux_head") for name in network.state_dict())
    assert open_weights(tmp_path / f"{recipe.name}_best.safetensors")[1].content_hash == card.content_hash

    state = load_checkpoint(tmp_path / "checkpoint.pt")
    assert state["recipe"] == dataclasses.asdict(recipe)
    assert {"streetseg", "source", "torch", "numpy", "python"} <= state["versions"].keys()
    assert list((tmp_path / "tensorboard").iterdir())


def test_a_run_returns_its_files_and_best_figures(camvid: Path, tmp_path: Path) -> None:
    result = train(small("iterations=2", "evaluate_every=1"), camvid, str(tmp_path), progress=False)
    assert result.weights == Path(result) == tmp_path / "ddrnet_23_slim_camvid.safetensors"
    assert result.best_weights == tmp_path / "ddrnet_23_slim_camvid_best.safetensors"
    assert result.weights.is_file()
    assert result.best_weights.is_file()
    logged = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    best = max(logged, key=lambda entry: entry["miou"])
    assert (result.best, result.best_step, result.steps) == ({"miou": best["miou"]}, best["step"], 2)
    assert result.seconds > 0
    assert json.loads(result.to_json())["weights"] == str(result.weights)
    assert "best miou" in result.table()


def test_what_was_decided_about_the_data_is_said(
    camvid: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    dataset = dataclasses.replace(open_dataset(camvid), note="unlabelled frames are left out")
    train(small("iterations=1"), dataset, tmp_path)
    assert "streetseg: note: unlabelled frames are left out" in capsys.readouterr().err.splitlines()


def test_fields_are_replaced_by_name_from_python_too(camvid: Path, tmp_path: Path) -> None:
    settings = {"crop": [64, 64], "batch": "4", "iterations": 1}
    result = train("ddrnet_23_slim_camvid", camvid, tmp_path, init="", settings=settings, progress=False)
    assert (result.best_weights, result.best, result.best_step) == (None, {}, None)
    assert load_checkpoint(tmp_path / "checkpoint.pt")["recipe"]["crop"] == (64, 64)
    with pytest.raises(RecipeError, match="did you mean iterations"):
        train("ddrnet_23_slim_camvid", camvid, tmp_path / "other", settings={"iteration": 5}, progress=False)


@pytest.mark.slow
def test_an_evaluation_is_what_a_user_of_these_weights_gets(camvid: Path, tmp_path: Path) -> None:
    recipe = small("iterations=3", "evaluate_every=3", "native_short_side=80", "operating_scale=0.75", *FLOAT32)
    weights = train(recipe, camvid, tmp_path, progress=False).weights
    logged = json.loads((tmp_path / "log.jsonl").read_text())
    network, card = open_weights(weights)
    assert card.operating_scale == 0.75
    mean, std = torch.tensor(card.mean).view(3, 1, 1), torch.tensor(card.std).view(3, 1, 1)

    def logits(frames: torch.Tensor) -> torch.Tensor:
        with torch.inference_mode():
            return network((frames * 255 - mean) / std).logits

    segmenter = Segmenter(card, TrainingEngine(logits, CPU))
    result = evaluate_frames(lambda frame: segmenter(frame).classmap, card.classes, open_dataset(camvid), "val")
    # Not to the last digit: the file's weights are in half precision.
    assert logged["pixel_accuracy"] == pytest.approx(result.scores.pixel_accuracy, abs=2e-3)
    assert logged["miou"] == pytest.approx(result.scores.miou, abs=2e-3)


# A network that compiles in seconds, at a rate that does not magnify rounding.
COMPILED = ["network=bisenetv2", "network_arguments=branches:detail", "aux_weights=", "learning_rate=1e-5"]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning")
def test_without_a_compiler_a_line_says_what_to_do(
    camvid: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path / "compiled"))
    message = r"PyTorch cannot compile bisenetv2 here \(.*C\+\+.*no-compiler.*--set compile=false"
    with (
        torch._inductor.config.patch({"cpp.cxx": (None, str(tmp_path / "no-compiler"))}),
        pytest.raises(TrainingError, match=message) as caught,
    ):
        train(small(*COMPILED, "compile=true"), camvid, tmp_path / "run", progress=False)
    torch._dynamo.reset()
    assert "\n" not in str(caught.value)


@pytest.mark.slow
def test_a_run_goes_on_without_the_weights_it_started_from(camvid: Path, tmp_path: Path) -> None:
    weights = tmp_path / "weights.safetensors"
    shutil.copy(Path(__file__).parents[2] / "weights" / "ddrnet_23_slim_camvid_pretrained_restart.safetensors", weights)
    recipe = small("iterations=1", "network=", f"init={weights}")
    whole = train(recipe, camvid, tmp_path / "run", progress=False).weights.read_bytes()
    weights.unlink()
    resumed = train(recipe, camvid, tmp_path / "run", resume=True, progress=False)
    assert resumed.weights.read_bytes() == whole


@pytest.mark.slow
def test_a_run_is_not_overwritten_nor_resumed_as_another(camvid: Path, tmp_path: Path) -> None:
    train(small("iterations=1"), camvid, tmp_path, progress=False)
    whole = (tmp_path / "checkpoint.pt").read_bytes()
    with pytest.raises(OutputError, match="--resume"):
        train(small(), camvid, tmp_path, progress=False)
    with pytest.raises(TrainingError, match="other settings of iterations, seed"):
        train(small("seed=4"), camvid, tmp_path, resume=True, progress=False)
    other = small("iterations=1", "network=stdc1", "aux_weights=")
    with pytest.raises(TrainingError, match="other settings of network, aux_weights"):
        train(other, camvid, tmp_path, resume=True, progress=False)
    fewer = tmp_path / "fewer"
    shutil.copytree(camvid, fewer)
    for part in ("train", "trainannot"):
        sorted((fewer / part).iterdir())[0].unlink()
    with pytest.raises(TrainingError, match="is of a run on other frames; resume with the same data"):
        train(small("iterations=1"), fewer, tmp_path, resume=True, progress=False)
    torch.save({"model": torch.zeros(3)}, tmp_path / "checkpoint.pt")
    with pytest.raises(TrainingError, match="is not a checkpoint of a run; name a folder"):
        train(small(), camvid, tmp_path, resume=True, progress=False)
    (tmp_path / "checkpoint.pt").write_bytes(whole[:1000])
    with pytest.raises(TrainingError, match="damaged"):
        train(small(), camvid, tmp_path, resume=True, progress=False)
    with pytest.raises(TrainingError, match="no run to resume"):
        train(small(), camvid, tmp_path / "new", resume=True, progress=False)


@pytest.mark.slow
def test_two_runs_do_not_share_a_folder(camvid: Path, tmp_path: Path) -> None:
    settings = [part for setting in (*SMALL, "iterations=1000", "checkpoint_every=1000") for part in ("--set", setting)]
    command = ["train", "--recipe", "ddrnet_23_slim_camvid", *settings, "--data", str(camvid), "--out", str(tmp_path)]
    with subprocess.Popen([sys.executable, "-m", "streetseg", *command], stderr=subprocess.DEVNULL) as first:
        try:
            until(lambda: (tmp_path / "log.jsonl").exists() or first.poll() is not None)
            with pytest.raises(OutputError, match=r"another process is training into .*; wait for its end, or choose"):
                train(small(), camvid, tmp_path, progress=False)
        finally:
            first.kill()
    (tmp_path / "run" / ".lock").mkdir(parents=True)  # another user's may not be opened either
    with pytest.raises(OutputError, match=r"run cannot be locked: .*; choose another folder"):
        train(small(), camvid, tmp_path / "run", progress=False)


def until(happened: Callable[[], bool]) -> None:
    """Wait for it, two minutes at most."""
    for _ in range(1200):
        if happened():
            return
        time.sleep(0.1)
    raise TimeoutError


def test_a_loss_that_is_no_number_stops_the_run(camvid: Path, tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match=r"step \d+: loss term '\w+' is (nan|inf); the batch was train/") as caught:
        train(small("learning_rate=1e30", "iterations=20"), camvid, tmp_path, progress=False)
    assert "\n" not in str(caught.value)


@pytest.mark.slow
def test_weights_that_are_no_numbers_are_not_saved(
    camvid: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A finite loss may have a gradient that is not."""
    step = Run.train_step

    def spoiled(run: Run) -> dict[str, float]:
        if run.step == 3:
            next(run.network.parameters()).register_hook(lambda gradient: gradient * math.nan)
        return step(run)

    monkeypatch.setattr(Run, "train_step", spoiled)
    message = r"step 4: \S+ holds NaN or infinity; files saved before are intact; start anew"
    with pytest.raises(TrainingError, match=message) as caught:
        train(small("iterations=4", "checkpoint_every=3"), camvid, tmp_path, progress=False)
    assert "\n" not in str(caught.value)
    assert load_checkpoint(tmp_path / "checkpoint.pt")["step"] == 3
    assert not list(tmp_path.glob("*.safetensors"))
    with pytest.raises(TrainingError, match="step 4: "):
        train(small("iterations=4", "evaluate_every=4"), camvid, tmp_path / "judged", progress=False)
    assert not list((tmp_path / "judged").glob("*.safetensors"))


@pytest.mark.slow
def test_names_that_are_no_utf_8(camvid: Path, tmp_path: Path) -> None:
    root = tmp_path / os.fsdecode(b"stra\xdfe")
    write_folder(root, {"train": 2, "val": 1}, size=(96, 128))
    for path in [path for path in root.rglob("drive*") if path.is_file()]:
        path.rename(path.with_name(path.name.replace("drive", os.fsdecode(b"stra\xdfe"))))
    recipe = small("iterations=1", "evaluate_every=1", "batch=2")
    weights = train(recipe, root, tmp_path / "run", cache=tmp_path / "cache", progress=False).weights
    assert open_weights(weights)[1].training_data == "stra?e, split train"
    train(recipe, root, tmp_path / "run", resume=True, progress=False)


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        (["aux_weights=high5:1"], RecipeError, "ddrnet_23_slim has no auxiliary head high5; there are high4"),
        (["learning_rate_factors=hed:10"], RecipeError, "has no module 'hed'; there are aux_head, "),
        (["precision=float16"], TrainingError, "float16 needs a GPU"),
        (["detail_weights=high4:1"], RecipeError, "head high4 of ddrnet_23_slim belongs in aux_weights"),
        (
            ["network=stdc1", "aux_weights=detail8:1"],
            RecipeError,
            "head detail8 of stdc1 belongs in detail_weights",
        ),
        (["network_arguments=x:1"], NetworkError, "ddrnet_23_slim got an unexpected .* 'x'; it takes num_classes, "),
        (["network_arguments=context:foo"], NetworkError, "DDRNet has no context 'foo'; choose of dappm, ppm, none"),
        (["network_arguments=aux:true"], RecipeError, "network_arguments cannot hold aux, which training sets itself"),
        (["network=stdc1", "network_arguments=head_bias:no"], NetworkError, "true or false for head_bias, got 'no'"),
        (["network=stdc1", "network_arguments=detail:8"], NetworkError, "stdc1 cannot be built with detail 8: "),
        (["network=bisenetv2", "network_arguments=depth:2.5"], NetworkError, "a whole number for depth, got 2.5"),
        (["network=bisenetv2", "network_arguments=context:1"], NetworkError, "true or false for context, got 1"),
        ([f"init={DEFAULT_WEIGHTS}"], RecipeError, "from unfolded weights, NAME.safetensors, not from .*onnx"),
        (["crop=1048576,1048576"], TrainingError, "out of memory with batch 4 .* crop 1048576 x 1048576; lower batch"),
    ],
)
def test_what_cannot_run_is_said_in_a_line(
    camvid: Path, tmp_path: Path, settings: list[str], error: type[Exception], message: str
) -> None:
    if torch.cuda.is_available() and "float16" in message:
        pytest.skip("a GPU can")
    with pytest.raises(error, match=message) as caught:
        train(small(*settings), camvid, tmp_path, progress=False)
    assert "\n" not in str(caught.value)


def test_mistakes_on_the_command_line_are_a_line_and_exit_code_2(
    camvid: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def said(data: Path, *settings: str) -> str:
        options = [f"--set={setting}" if setting[0] != "-" else setting for setting in settings]
        recipe = ["--recipe", "ddrnet_23_slim_camvid", *options]
        assert main(["train", *recipe, "--data", str(data), "--out", str(tmp_path / "run")]) == 2
        errors = capsys.readouterr().err.splitlines()
        assert len(errors) == 1
        return errors[0]

    assert "no split 'night'; there are train, val" in said(camvid, "split=night")
    assert "no split 'day'; there are train, val" in said(camvid, "evaluate_split=day", "evaluate_every=1000")
    wrong = tmp_path / "camvid"
    for part in ("train", "trainannot"):
        (wrong / part).mkdir(parents=True)
        for path in sorted((camvid / part).iterdir())[:2]:
            (wrong / part / path.name).write_bytes(path.read_bytes())
    labels = sorted((wrong / "trainannot").iterdir())
    labels[0].write_bytes((camvid / "train" / labels[0].name).read_bytes())
    assert f"{labels[0]}: colour (" in said(wrong)
    for label in labels:
        Image.fromarray(np.full((96, 128), 11, np.uint8)).save(label)
    assert "split train: no pixel has a class that counts" in said(wrong)
    assert "workers must be 0 or more, got -1" in said(camvid, "--workers=-1")


def test_frames_that_cannot_be_judged_are_said_before_the_first_step(camvid: Path, tmp_path: Path) -> None:
    root = tmp_path / "camvid"
    shutil.copytree(camvid, root)
    frame = sorted((root / "val").iterdir())[-1]
    frame.write_bytes(frame.read_bytes()[:1000])
    with pytest.raises(ImageError, match=f"{frame.name} cannot be decoded"):
        train(small("evaluate_every=6"), root, tmp_path / "run", progress=False)
    for label in (root / "valannot").iterdir():
        Image.fromarray(np.full((96, 128), 11, np.uint8)).save(label)
    shutil.copy(camvid / "val" / frame.name, frame)
    with pytest.raises(DatasetError, match=r"no labelled pixel in split 'val'; label some, or choose another split"):
        train(small("evaluate_every=6"), root, tmp_path / "run", progress=False)
    assert not (tmp_path / "run" / "log.jsonl").exists()


@pytest.fixture(scope="module")
def layouts(camvid: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A folder of each layout, under the word in the recipes' names; streets are laid out as CamVid is."""
    root = tmp_path_factory.mktemp("layouts")
    for name, layout in LAYOUTS.items():
        layout.write(root / name, {"train": 1 if name == "imagenet" else 2}, size=(96, 128))
    written = {path.name: path for path in root.iterdir()}
    return written | {"camvid": camvid, "streets": camvid, "finetune": written["folder"]}


@pytest.mark.slow
@pytest.mark.parametrize("name", RECIPES)
def test_every_recipe_trains_on_its_data(name: str, layouts: dict[str, Path]) -> None:
    """Two steps, batch and crop made small."""
    (root,) = (path for word, path in layouts.items() if word in name.split("_from_")[0])
    weights = Path(__file__).parents[2] / "weights" / "ddrnet_23_slim_camvid_pretrained_restart.safetensors"
    recipe = override(recipe_named(name), ["batch=2", "crop=64,64", "accumulate=1"])
    if not recipe.network:
        recipe = resolve(dataclasses.replace(recipe, init=str(weights)))
    task = open_task(recipe, root)
    run = Run.open(task, CPU, samples=task.open_samples())
    before = [p.detach().clone() for p in run.network.parameters()]
    terms = [run.train_step() for _ in range(2)]
    assert all(math.isfinite(value) for entry in terms for value in entry.values())
    moved = [not torch.equal(p, b) for p, b in zip(run.network.parameters(), before, strict=True)]
    assert sum(moved) > 0.9 * len(moved)


def test_labels_that_teach_nothing_are_refused_before_the_first_step(tmp_path: Path) -> None:
    """The same words as a check's; what is only doubtful is a warning on stderr, and the run goes on."""
    root = own_data(tmp_path / "data", (street() > 0).astype(np.uint8) * np.uint8(255), "- background\n- road\n")
    with pytest.raises(DatasetError, match=r"split train: masks hold 255 .* write - \{name: road, index: 255\} in"):
        train(small(), root, tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_doubts_about_labels_are_warnings_of_a_training(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = own_data(tmp_path / "data", street(), "- car\n- sky\n- road\n")
    train(small("iterations=1", "evaluate_every=0"), root, tmp_path / "run")
    assert f"streetseg: warning: {root}, split train: 'sky' lies low" in capsys.readouterr().err
