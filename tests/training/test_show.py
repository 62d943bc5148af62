"""The sheet's batch is the one that a training's first step gets; without PyTorch the sheet goes without it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from torch import Tensor

from streetseg.data.datasets import open_dataset
from streetseg.errors import RecipeError, UsageError
from streetseg.training import run as run_module
from streetseg.training.augment import Batch, augment
from streetseg.training.preview import first_batch
from streetseg.training.show import show_dataset
from tests.support.own_data import own_data, street
from tests.support.runs import open_run
from tests.support.small_recipe import small


def test_the_batch_is_that_of_the_first_step(camvid: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = small("jitter=0.4", "flip=0.5")
    shown = first_batch(open_dataset(camvid), recipe)
    seen: list[tuple[Tensor, Tensor]] = []

    def spy(batch: Batch, crop: tuple[int, int]) -> tuple[Tensor, Tensor]:
        frames, labels = augment(batch, crop)
        seen.append((frames.clone(), labels.clone()))
        return frames, labels

    monkeypatch.setattr(run_module, "augment", spy)
    open_run(recipe, camvid).train_step()
    ((frames, labels),) = seen
    assert len(shown) == recipe.batch
    for sample, frame, label in zip(shown, frames, labels, strict=True):
        np.testing.assert_allclose(sample.frame, 255 * frame.permute(1, 2, 0).numpy(), atol=0.51)
        np.testing.assert_array_equal(sample.label, label.numpy())
        assert sample.title.startswith("train/")


@pytest.mark.slow
def test_a_sheet_is_written_as_a_page_or_a_picture(camvid: Path, tmp_path: Path) -> None:
    sheet = show_dataset(camvid, tmp_path / "sheet.html", frames=3)
    assert (sheet.frames, sheet.batch) == (3, 8)
    text = sheet.out.read_text(encoding="utf-8")
    assert "Split train, augmented by recipe finetune: crops of " in text
    assert text.count("data:image/jpeg") == 11
    show_dataset(camvid, tmp_path / "sheet.png", frames=1, recipe="ddrnet_23_slim_camvid")
    with Image.open(tmp_path / "sheet.png") as picture:
        assert picture.width == 1500


def test_what_cannot_be_shown_is_told(tmp_path: Path) -> None:
    root = own_data(tmp_path / "data", street(), frames=2)
    with pytest.raises(UsageError, match=r"a sheet is NAME\.html or NAME\.png, not 'sheet\.pdf'"):
        show_dataset(root, tmp_path / "sheet.pdf")
    with pytest.raises(UsageError, match="1 frame or more, got 0"):
        show_dataset(root, tmp_path / "sheet.html", frames=0)
    with pytest.raises(RecipeError, match="fine-tuning"):
        show_dataset(root, tmp_path / "sheet.html", recipe="fine-tuning")
    for path in ("images/drive_000.png", "masks/drive_000.png"):
        (root / path).unlink()
    (root / "val.txt").write_text("drive_001\n")
    sheet = show_dataset(root, tmp_path / "sheet.html")
    assert (sheet.frames, sheet.batch) == (1, 0)
    assert any("there is no augmented batch: " in note for note in sheet.notes)


@pytest.mark.slow
def test_a_sheet_needs_no_pytorch(tmp_path: Path) -> None:
    root = own_data(tmp_path / "data", street(), frames=4)
    out = tmp_path / "sheet.html"
    code = (
        "import sys; sys.modules['torch'] = None; sys.argv[0] = 'streetseg'; "
        "from streetseg.cli import main; "
        f"raise SystemExit(main(['data', 'show', {str(root)!r}, '--out', {str(out)!r}]))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert (
        "note: showing the augmented batch needs PyTorch, which is not installed; install it with: pip" in done.stdout
    )
    assert done.stdout.splitlines()[-1] == f"{out}: 4 frames"
    assert "needs PyTorch" in out.read_text(encoding="utf-8")
