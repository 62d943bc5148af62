"""A run's size follows from its data."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from streetseg.models.networks import MODELS
from streetseg.training.recipe import Recipe
from streetseg.training.recipe_fields import override
from streetseg.training.recipes.recipes import recipe_named
from streetseg.training.sizing import Frames, describe, fit, frame_size, measure_frames, steps_of
from streetseg.training.tasks.tasks import size_multiple


def sized(number: int, size: tuple[int, int], *settings: str) -> Recipe:
    """Return finetune, its card's fields set, on so many frames of a size."""
    recipe = override(recipe_named("finetune"), ["network=ddrnet_23_slim", "native_short_side=1024", *settings])
    return fit(recipe, Frames(number, size))


@pytest.mark.parametrize(("frames", "steps"), [(1, 300), (80, 300), (367, 1380), (100_000, 6000)])
def test_steps_by_the_number_of_frames(frames: int, steps: int) -> None:
    recipe = sized(frames, (360, 480))
    assert recipe.iterations == steps
    assert recipe.evaluate_every == steps // 10
    assert recipe.warmup_iterations == min(steps // 10, 200)
    assert recipe.left_to_data == ()


@pytest.mark.parametrize(
    ("size", "crop"),
    [
        ((360, 480), (256, 384)),
        ((1024, 2048), (192, 448)),
        ((4000, 3000), (384, 256)),  # a phone held upright
        ((96, 128), (128, 128)),  # as large as the frame; no less than norms need
        ((512, 512), (320, 320)),
    ],
)
def test_the_crop_has_the_frames_shape(size: tuple[int, int], crop: tuple[int, int]) -> None:
    assert sized(80, size).crop == crop


def test_the_crop_follows_the_operating_scale() -> None:
    assert sized(80, (128, 192)).crop == (128, 192)
    assert sized(80, (128, 192), "operating_scale=1.5").crop == (192, 256)


def test_what_is_set_stays_and_the_rest_follows_it() -> None:
    recipe = sized(80, (360, 480), "iterations=1000", "crop=64,64")
    assert (recipe.iterations, recipe.crop, recipe.evaluate_every, recipe.warmup_iterations) == (
        1000,
        (64, 64),
        100,
        100,
    )
    assert sized(80, (360, 480), "batch=4").iterations == 600
    assert sized(80, (360, 480), "iterations=5").evaluate_every == 5


@pytest.mark.slow
@pytest.mark.parametrize("network", MODELS)
def test_every_network_takes_the_crop(network: str) -> None:
    recipe = override(recipe_named("finetune"), [f"network={network}", "native_short_side=1024"])
    for size in ((360, 480), (500, 300)):
        assert not any(
            side % MODELS[network](2).size_multiple for side in fit(recipe, Frames(9, size), size_multiple(recipe)).crop
        )


def test_sizes_are_of_upright_frames(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[274] = 6  # turned by 90 degrees
    Image.new("RGB", (64, 48)).save(tmp_path / "turned.jpg", exif=exif)
    Image.new("RGB", (64, 48)).save(tmp_path / "upright.png")
    assert frame_size(tmp_path / "turned.jpg") == (64, 48)
    assert measure_frames([tmp_path / "upright.png"] * 40) == Frames(40, (48, 64))


def test_a_line_says_what_was_worked_out() -> None:
    recipe = override(recipe_named("finetune"), ["network=stdc1", "native_short_side=1024"])
    frames = Frames(80, (360, 480))
    assert describe(recipe, fit(recipe, frames), frames) == (
        "finetune: 80 frames of 360 x 480 give 300 steps of 8 frames (30 epochs), crop 256 x 384, an evaluation every "
        "30 steps; to choose otherwise: --epochs, --crop HxW, --set evaluate_every=N"
    )


def test_steps_of_epochs_are_rounded_up() -> None:
    assert [steps_of(1, 9, 8), steps_of(0.1, 10, 8), steps_of(2, 8, 8), steps_of(0.1, 30, 3)] == [2, 1, 2, 1]
