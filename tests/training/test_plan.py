"""A run is put together from what is asked for; a run that goes on need not be told again."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

from streetseg.cli import main
from streetseg.errors import StreetsegError, TrainingError, UsageError
from streetseg.streets.datasets import write_folder
from streetseg.training.checkpoint import load_checkpoint
from streetseg.training.train import train

SHIPPED = Path(__file__).parents[2] / "weights" / "fassd_net_l2_camvid_pretrained.safetensors"
QUICK = {"crop": "64,64", "batch": "2", "iterations": "1", "evaluate_every": "1", "checkpoint_every": "1"}


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A user's own data, of 4 frames to train on."""
    root = tmp_path_factory.mktemp("own")
    write_folder(root, {"train": 4, "val": 1}, size=(48, 64))
    return root


@pytest.fixture(scope="module")
def begun(own: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run of finetune, begun with weights and settings."""
    out = tmp_path_factory.mktemp("begun")
    train("finetune", own, out, init=SHIPPED, settings=QUICK | {"seed": "3"}, progress=False)
    return out


@pytest.fixture
def copy(begun: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(begun, tmp_path / "run"))


def command(*arguments: object) -> list[str]:
    return ["train", *map(str, arguments)]


@pytest.mark.slow
@pytest.mark.parametrize("repeated", [[], ["--recipe", "finetune"], ["--set", "seed=3"], ["--init", str(SHIPPED)]])
def test_a_run_goes_on_without_being_told_again(copy: Path, repeated: list[str]) -> None:
    whole = (copy / "finetune.safetensors").read_bytes()
    (copy / "finetune.safetensors").unlink()
    assert main(command("--resume", "--out", copy, *repeated)) == 0
    assert (copy / "finetune.safetensors").read_bytes() == whole


@pytest.mark.slow
@pytest.mark.parametrize(
    ("contradiction", "message"),
    [
        (["--set", "seed=4"], "other settings of seed"),
        (["--batch", "4"], "other settings of batch"),
        (["--crop", "128x64"], "other settings of crop"),
        (["--epochs", "9"], "other settings of iterations"),
        (["--init", ""], "other settings of init"),
        (["--recipe", "stdc1_camvid"], "other settings of name, network"),
        (["--recipe", "finetune", "--set", "learning_rate=1"], "other settings of learning_rate"),
    ],
)
def test_what_contradicts_the_run_is_refused_in_a_line(
    copy: Path, contradiction: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(command("--resume", "--out", copy, *contradiction)) == 2
    line = capsys.readouterr().err.splitlines()[-1]
    assert message in line


@pytest.mark.slow
def test_other_data_are_refused_and_moved_data_are_taken(copy: Path, own: Path, tmp_path: Path) -> None:
    moved = Path(shutil.copytree(own, tmp_path / "moved"))
    train(None, moved, copy, resume=True, progress=False)
    assert load_checkpoint(copy / "checkpoint.pt")["request"]["data"] == str(own), (
        "a run at its end writes no checkpoint"
    )
    write_folder(tmp_path / "other", {"train": 5, "val": 1}, size=(48, 64))
    with pytest.raises(TrainingError, match="is of a run on other frames"):
        train(None, tmp_path / "other", copy, resume=True, progress=False)


@pytest.mark.slow
def test_data_that_are_gone_are_asked_for(copy: Path, own: Path, tmp_path: Path) -> None:
    change(copy, lambda state: state["request"].update(data=str(tmp_path / "gone")))
    with pytest.raises(UsageError, match=r"data are no longer in .*gone; give their place: --data DIR"):
        train(None, None, copy, resume=True, progress=False)
    train(None, own, copy, resume=True, progress=False)


@pytest.mark.slow
def test_a_checkpoint_of_an_earlier_version_goes_on(copy: Path, own: Path, begun: Path) -> None:
    """It knows neither patience nor what it was asked to do: the fields have their defaults, the rest is repeated."""

    def forget(state: dict[str, Any]) -> None:
        for key in ("request", "stale"):
            del state[key]
        for field in ("patience", "left_to_data"):
            del state["recipe"][field]

    change(copy, forget)
    with pytest.raises(UsageError, match="does not name its data; give --data DIR"):
        train(None, None, copy, resume=True, progress=False)
    result = train(None, own, copy, resume=True, progress=False)
    assert result.weights.read_bytes() != b""
    again = train("finetune", own, copy, init=SHIPPED, settings=QUICK | {"seed": 3}, resume=True, progress=False)
    assert torch.equal(weights(again.weights), weights(begun / "finetune.safetensors"))
    with pytest.raises(TrainingError, match="other settings of seed"):
        train("finetune", own, copy, init=SHIPPED, settings=QUICK, resume=True, progress=False)


def weights(path: Path) -> torch.Tensor:
    from safetensors.torch import load_file

    return torch.cat([tensor.flatten().double() for tensor in load_file(path).values()])


def change(folder: Path, edit: Any) -> None:
    """Change a run's checkpoint."""
    state = torch.load(folder / "checkpoint.pt", weights_only=True)
    edit(state)
    torch.save(state, folder / "checkpoint.pt")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--recipe", "finetune"], "a run needs data: --data DIR"),
        (["--data", "{own}"], "a run needs a recipe: --recipe NAME, or FILE.toml"),
        (["--recipe", "finetune", "--data", "{own}", "--epochs", "0"], "epochs must be above 0, got 0"),
        (["--recipe", "finetune", "--data", "{own}", "--epochs", "nan"], "epochs must be above 0, got nan"),
        (
            ["--recipe", "finetune", "--data", "{own}", "--epochs", "2", "--set", "iterations=5"],
            "epochs and iterations both set the length of the run",
        ),
        (
            ["--recipe", "finetune", "--data", "{own}", "--batch", "2", "--set", "batch=2"],
            "batch is given twice, as an option and as a setting",
        ),
        (["--recipe", "finetune", "--data", "{own}", "--threads", "0"], "threads must be 1 or more, got 0"),
        (["--recipe", "finetune", "--data", "{own}", "--batch", "0"], "batch is 0; it must be 1 or more"),
        (["--recipe", "finetune", "--data", "{own}", "--crop", "64"], "'64' is not a size"),
        (
            ["--recipe", "ddrnet_23_slim_camvid", "--data", "{own}", "--crop", "60x64"],
            "crop 60 x 64 does not fit ddrnet_23_slim, which takes multiples of 8; take 64 x 64",
        ),
        (["--resume"], "there is no run to resume"),
    ],
)
def test_what_is_missing_or_cannot_be_is_said_in_a_line(
    own: Path, tmp_path: Path, arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    filled = [argument.format(own=own) for argument in arguments]
    assert main(command(*filled, "--out", tmp_path / "run")) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert message in line


@pytest.mark.slow
def test_epochs_are_steps_and_a_line_says_so(own: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--epochs", "1", "--batch", "4", "--crop", "64x64", "--threads", "1"]
    assert main(command("--recipe", "finetune", "--init", SHIPPED, "--data", own, "--out", tmp_path, *options)) == 0
    output, errors = capsys.readouterr()
    assert "streetseg: --epochs 1: 4 frames in batches of 4 make 1 steps" in errors
    assert "finetune: 4 frames of 48 x 64 give an evaluation every 1 steps; to choose otherwise: " in errors
    assert "streetseg: step 1 of 1: mIoU " in errors
    best = tmp_path / "finetune_best.safetensors"
    assert output == f"{best}: next, streetseg export {best}\n"
    recipe = load_checkpoint(tmp_path / "checkpoint.pt")["recipe"]
    assert (recipe["iterations"], recipe["batch"], recipe["crop"]) == (1, 4, (64, 64))
    assert main(command("--resume", "--out", tmp_path, "--epochs", "1")) == 0


@pytest.mark.slow
def test_epochs_are_for_every_recipe(own: Path, tmp_path: Path) -> None:
    settings = {"evaluate_every": 0, "checkpoint_every": 1, "split": "train"}
    recipe = "ddrnet_23_slim_camvid"
    train(recipe, own, tmp_path, epochs=0.5, batch=2, crop=(64, 64), settings=settings, progress=False)
    assert load_checkpoint(tmp_path / "checkpoint.pt")["step"] == 1


def test_patience_without_evaluations_is_refused(own: Path, tmp_path: Path) -> None:
    with pytest.raises(StreetsegError, match="patience 2 counts evaluations, but evaluate_every is 0"):
        train("ddrnet_23_slim_camvid", own, tmp_path, settings={"patience": 2}, progress=False)


@pytest.mark.slow
def test_without_evaluations_a_recipe_needs_no_patience(own: Path, tmp_path: Path) -> None:
    """Neither at its start nor when it is resumed."""
    settings = {"iterations": 1, "batch": 2, "crop": (64, 64), "evaluate_every": 0, "checkpoint_every": 1}
    run = train("finetune", own, tmp_path, init=SHIPPED, settings=settings, progress=False)
    assert run.best == {}
    assert train("finetune", own, tmp_path, resume=True, progress=False).steps == 1
    assert train(None, None, tmp_path, resume=True, progress=False).steps == 1
