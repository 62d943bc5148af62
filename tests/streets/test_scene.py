"""Rendered scenes: the same for a seed, plausible, labelled exactly."""

from __future__ import annotations

import hashlib
import subprocess
import sys

import numpy as np
import pytest

from streetseg.data.camvid import LABELS
from streetseg.data.pairs import IGNORE
from streetseg.errors import UsageError
from streetseg.streets.scene import Scene, render

pytestmark = pytest.mark.slow

SKY, BUILDING, POLE, ROAD, SIDEWALK, TREE, SIGN, FENCE, CAR, PEDESTRIAN, CYCLIST = range(len(LABELS.names))
SMALL = (90, 120)


@pytest.fixture(scope="module")
def scenes() -> list[Scene]:
    return [render(seed, SMALL) for seed in range(16)]


def digest(scene: Scene) -> str:
    return hashlib.sha256(scene.frame.tobytes() + scene.label.tobytes()).hexdigest()


@pytest.mark.slow
def test_a_seed_is_a_scene(scenes: list[Scene]) -> None:
    assert digest(render(3, SMALL)) == digest(scenes[3])
    assert len({digest(scene) for scene in scenes}) == len(scenes)
    assert len({scene.label.tobytes() for scene in scenes}) == len(scenes)


def test_a_seed_is_the_same_scene_in_another_process() -> None:
    code = (
        "import hashlib; from streetseg.streets.scene import render; scene = render(5, (48, 64));"
        "print(hashlib.sha256(scene.frame.tobytes() + scene.label.tobytes()).hexdigest())"
    )
    other = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert other.stdout.strip() == digest(render(5, (48, 64)))


@pytest.mark.slow
def test_a_seed_is_the_same_street_at_every_size() -> None:
    """But for borders, and the twigs of bare trees, which a small frame does not show."""
    small = [render(seed, (180, 240)).label for seed in range(4)]
    same = [np.mean(render(seed, (360, 480)).label[::2, ::2] == label) for seed, label in enumerate(small)]
    assert min(same) > 0.9
    assert np.mean(same) > 0.95
    assert np.mean(small[0] == small[1]) < 0.8


@pytest.mark.parametrize("size", [(16, 16), (61, 83), (31, 120)])
def test_any_size(size: tuple[int, int]) -> None:
    scene = render(1, size)
    assert scene.frame.shape == (*size, 3)
    assert scene.label.shape == size
    assert scene.frame.dtype == scene.label.dtype == np.uint8
    assert scene.frame.flags.c_contiguous
    assert scene.label.flags.c_contiguous


def test_labels_are_classes_or_void(scenes: list[Scene]) -> None:
    values = {int(value) for scene in scenes for value in np.unique(scene.label)}
    assert values == {*range(len(LABELS.names)), IGNORE}


def test_what_every_street_has(scenes: list[Scene]) -> None:
    for seed, scene in enumerate(scenes):
        missing = {SKY, BUILDING, ROAD, SIDEWALK, TREE} - set(np.unique(scene.label).tolist())
        assert not missing, f"seed {seed} lacks {[LABELS.names[index] for index in missing]}"


@pytest.mark.parametrize("index", [POLE, SIGN, FENCE, CAR, PEDESTRIAN, CYCLIST])
def test_what_many_streets_have(scenes: list[Scene], index: int) -> None:
    assert sum((scene.label == index).any() for scene in scenes) >= len(scenes) / 4


def test_the_ground_is_below_and_the_sky_above(scenes: list[Scene]) -> None:
    for scene in scenes:
        height = scene.label.shape[0]
        rows = [np.nonzero(scene.label == index)[0] for index in (SKY, ROAD, SIDEWALK)]
        assert rows[0].max() < 0.7 * height
        assert rows[1].min() > rows[0].mean()
        assert rows[2].min() > 0.25 * height
        assert (scene.label[-1] == ROAD).any() or (scene.label[-1] == IGNORE).any()
        assert not (scene.label[-1] == SKY).any()


def test_road_takes_the_share_it_has_in_real_streets(scenes: list[Scene]) -> None:
    shares = [np.mean([np.mean(scene.label == index) for scene in scenes]) for index in (SKY, BUILDING, ROAD)]
    for share, (least, most) in zip(shares, [(0.08, 0.4), (0.08, 0.4), (0.2, 0.45)], strict=True):
        assert least < share < most


def test_the_frame_shows_what_the_label_says(scenes: list[Scene]) -> None:
    """Each class has its own look: brightness against the sky's, greenness, an edge where the label has one."""
    for scene in scenes:
        frame = scene.frame.astype(float)
        grey = frame.mean(2)
        sky = np.median(grey[scene.label == SKY])
        for index in (BUILDING, ROAD, SIDEWALK, TREE):
            assert np.median(grey[scene.label == index]) < sky
        # Along the skyline the picture changes exactly where the label does.
        above, below = scene.label[:-4], scene.label[4:]
        skyline = (above == SKY) & (below == TREE)
        inside = (above == SKY) & (below == SKY)
        jump = np.abs(grey[:-4] - grey[4:])
        assert jump[skyline].mean() > 2 * jump[inside].mean()


def test_trees_are_greener_than_roads(scenes: list[Scene]) -> None:
    def greenness(index: int) -> float:
        pixels = np.concatenate([scene.frame[scene.label == index] for scene in scenes]).astype(float)
        return float(np.mean(pixels[:, 1] - (pixels[:, 0] + pixels[:, 2]) / 2))

    assert greenness(TREE) > greenness(ROAD) + 3


@pytest.mark.parametrize("index", [SIGN, CAR, PEDESTRIAN])
def test_borders_of_things_lie_on_edges_of_the_picture(scenes: list[Scene], index: int) -> None:
    """Across a thing's border brightness steps more than across the same line drawn a few pixels away."""
    on, beside = [], []
    for scene in scenes:
        step = np.abs(np.diff(scene.frame.astype(float).mean(2), axis=1))
        border = np.diff((scene.label == index).astype(int), axis=1) != 0
        on.append(step[border])
        beside += [step[np.roll(border, shift, 1)] for shift in (-5, 5)]
    assert np.concatenate(on).mean() > 1.3 * np.concatenate(beside).mean()


def test_seed_and_size_are_checked() -> None:
    with pytest.raises(UsageError, match="seed -1 is negative; give 0 or more"):
        render(-1)
    with pytest.raises(UsageError, match="size 8 x 480 is too small for a scene; give at least 16 x 16"):
        render(0, (8, 480))
    with pytest.raises(UsageError, match="size 20000 x 20000 is too large for a frame; give at most 100,000,000"):
        render(0, (20_000, 20_000))
