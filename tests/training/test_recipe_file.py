"""Recipes in TOML files: whole ones and changes of another recipe."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from streetseg.cli import main
from streetseg.errors import RecipeError
from streetseg.training.recipes.recipes import RECIPES, recipe_named


def test_a_toml_file_changes_its_base(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(
        'base = "stdc1_camvid"\niterations = 5\nlearning_rate = 1\ncrop = [64, 96]\nscale_list = [0.5, 1]\n'
        "nesterov = true\naux_weights = {arm16 = 0.4}\nnetwork_arguments = {detail = [4, 8]}\n"
    )
    expected = dataclasses.replace(
        recipe_named("stdc1_camvid"),
        name="mine", iterations=5, learning_rate=1.0, crop=(64, 96), scale_list=(0.5, 1.0), nesterov=True,
        aux_weights={"arm16": 0.4}, network_arguments={"detail": [4, 8]},
    )  # fmt: skip
    assert recipe_named(str(path)) == expected
    path.write_text(path.read_text(), encoding="utf-8-sig")  # as some editors save it
    assert recipe_named(str(path)) == expected


@pytest.mark.parametrize("name", RECIPES)
def test_a_printed_recipe_is_taken_back(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["recipes", name]) == 0
    path = tmp_path / "printed.toml"
    path.write_text(capsys.readouterr().out)
    assert recipe_named(str(path)) == recipe_named(name)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("iterations = 5", "must name the recipe that it changes.*it lacks network, native_short_side, crop, "),
        ('base = "stdc1_camvd"', "did you mean stdc1_camvid"),
        ('base = "stdc1_camvid"\niterations = 5.5', "takes int, got 5.5"),
        ('base = "stdc1_camvid"\niterations = true', "takes int, got True"),
        ('base = "stdc1_camvid"\ncrop = 5', r"takes tuple\[int, int\], written 1,2, got 5"),
        ('base = "stdc1_camvid"\naux_weights = [1]', r"takes dict\[str, float\]"),
        ('base = "stdc1_camvid"\n[crop', "is not a TOML file"),
        (None, "cannot be read"),
    ],
)
def test_a_toml_file_that_cannot_be_used(tmp_path: Path, text: str | None, message: str) -> None:
    path = tmp_path / "mine.toml"
    if text is not None:
        path.write_text(text)
    with pytest.raises(RecipeError, match=message) as caught:
        recipe_named(str(path))
    assert "\n" not in str(caught.value)
