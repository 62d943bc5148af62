"""Augmentation moves image and label as one."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch

from streetseg.data.pairs import IGNORE
from streetseg.training.augment import (
    SHADES,
    Appearance,
    Batch,
    ClassifierViews,
    SegmentationViews,
    View,
    augment,
    cut_out,
    largest_share,
    window,
)

LABEL = np.zeros((360, 480), np.uint8)


FRAME = np.zeros((360, 480, 3), np.uint8)


def draw(seed: int, *, blur: float = 0.0, noise: float = 0.0, shade: float = 0.0, **changes: Any) -> View:
    """Return a view of a sample of void, as ddrnet_23_slim_camvid draws it but for these changes."""
    appearance = Appearance(flip=0.5, jitter=0.4, blur=blur, noise=noise, shade=shade)
    settings: dict[str, Any] = {"crop": (256, 352), "scale": (0.5, 2.0), "aspect": 1.1, "appearance": appearance}
    return SegmentationViews(**(settings | changes)).draw(seed, FRAME, LABEL)


def plain(**changes: object) -> View:
    view = {
        "left": 0.0, "top": 0.0, "scale_x": 1.0, "scale_y": 1.0, "flip": False,
        "colour": torch.eye(3), "offset": torch.zeros(3), "gamma": 1.0,
    }  # fmt: skip
    return View(**(view | changes))  # type: ignore[arg-type]


def picture() -> tuple[torch.Tensor, torch.Tensor]:
    """A frame, H x W x 3 uint8, whose channels are its label times 20."""
    label = torch.randint(0, 11, (20, 30), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    label[4, 4] = IGNORE
    frame = (label * 20).where(label != IGNORE, 255)
    return frame.unsqueeze(2).expand(20, 30, 3).contiguous(), label


def seen(view: View, crop: tuple[int, int]) -> tuple[torch.Tensor, torch.Tensor]:
    """The picture by a view: 3 x h x w and h x w, in units of the picture."""
    frame, label = picture()
    frames, labels = augment(Batch(frame.unsqueeze(0), label.unsqueeze(0), [(20, 30)], [view]), crop)
    return frames[0] * 255, labels[0]


def test_identity_crop_flip_and_shift() -> None:
    frame, label = picture()
    planes = frame.permute(2, 0, 1).float()
    out, out_label = seen(plain(), (20, 30))
    torch.testing.assert_close(out, planes, atol=1e-2, rtol=0)
    assert torch.equal(out_label, label)

    out, out_label = seen(plain(flip=True), (20, 30))
    torch.testing.assert_close(out, planes.flip(2), atol=1e-2, rtol=0)
    assert torch.equal(out_label, label.flip(1))

    out, out_label = seen(plain(left=3.0, top=2.0), (10, 10))
    torch.testing.assert_close(out, planes[:, 2:12, 3:13], atol=1e-2, rtol=0)
    assert torch.equal(out_label, label[2:12, 3:13])


def test_outside_the_source_is_void_and_grey() -> None:
    _, label = picture()
    out, out_label = seen(plain(left=-5.0, top=-1.0), (22, 40))
    assert (out_label[0] == IGNORE).all()
    assert (out_label[:, :5] == IGNORE).all()
    assert torch.equal(out_label[1:21, 5:35], label)
    torch.testing.assert_close(out[:, 0], torch.full((3, 40), 127.5))


def test_scale_two_repeats_each_label_twice() -> None:
    _, label = picture()
    _, out = seen(plain(scale_x=2.0, scale_y=2.0), (40, 60))
    assert torch.equal(out, label.repeat_interleave(2, 0).repeat_interleave(2, 1))


@pytest.mark.parametrize("view", [
    plain(left=21.3, top=13.2, scale_x=1.7, scale_y=1.9),
    plain(left=-6.13, top=4.41, scale_x=0.83, scale_y=1.31, flip=True),
])  # fmt: skip
def test_what_is_cut_out_is_all_that_a_view_shows(view: View) -> None:
    """The needed part of a sample, in a batch beside a larger one, gives what the whole sample gives alone."""
    frame, label = picture()
    rows, columns, cut_view = cut_out(view, frame.numpy(), (12, 18))
    part, part_label = frame[rows, columns], label[rows, columns]
    frames = torch.full((2, 25, 40, 3), 77, dtype=torch.uint8)
    labels = torch.full((2, 25, 40), IGNORE, dtype=torch.uint8)
    frames[0, : part.shape[0], : part.shape[1]], labels[0, : part.shape[0], : part.shape[1]] = part, part_label
    sizes = [(part.shape[0], part.shape[1]), (25, 40)]
    seen_part, seen_label = augment(Batch(frames, labels, sizes, [cut_view, plain()]), (12, 18))
    whole, whole_label = seen(view, (12, 18))
    torch.testing.assert_close(seen_part[0] * 255, whole, atol=1e-2, rtol=0)
    assert torch.equal(seen_label[0], whole_label)
    assert view.left < 0 or part.shape[1] < 30


def test_a_view_follows_from_its_seed_alone() -> None:
    drawn = [draw(seed) for seed in (7, 8, 7)]
    same = [drawn[0].left, drawn[0].scale_x, drawn[0].flip, drawn[0].gamma]
    assert same == [drawn[2].left, drawn[2].scale_x, drawn[2].flip, drawn[2].gamma]
    assert drawn[0].left != drawn[1].left
    for seed in range(200):
        view = draw(seed)
        assert 0.5 <= (view.scale_x * view.scale_y) ** 0.5 <= 2.0
        assert 1 / 1.1 - 1e-9 <= view.scale_x / view.scale_y <= 1.1 + 1e-9


def test_blur_noise_and_neither_come_from_the_recipe() -> None:
    assert {(v.blur, v.noise) for v in (draw(seed) for seed in range(20))} == {(0.0, 0.0)}
    views = [draw(seed, blur=0.8, noise=0.5) for seed in range(400)]
    assert -0.4 <= min(v.blur for v in views) < -0.35 < 0.75 < max(v.blur for v in views) <= 0.8
    assert 0.045 < max(v.noise for v in views) <= 0.05
    assert 150 < sum(v.noise == 0 for v in views) < 250
    assert draw(3).gamma == draw(3, blur=0.8, noise=0.5).gamma


def test_blur_spreads_and_sharpening_undoes() -> None:
    frame = torch.full((1, 11, 11, 3), 100, dtype=torch.uint8)
    frame[0, 5, 5] = 200
    label = torch.zeros(1, 11, 11, dtype=torch.uint8)

    def point(blur: float) -> torch.Tensor:
        return augment(Batch(frame, label, [(11, 11)], [plain(blur=blur)]), (11, 11))[0][0] * 255 - 100

    torch.testing.assert_close(point(1.0).sum((1, 2)), torch.full((3,), 100.0), atol=0.1, rtol=0)
    row = torch.tensor([0.0, 1.0, 4.0, 6.0, 4.0, 1.0, 0.0]) / 16 * 6 / 16 * 100
    torch.testing.assert_close(point(1.0)[:, 5, 2:9], row.expand(3, 7), atol=1e-2, rtol=0)
    torch.testing.assert_close(point(0.5), point(1.0) / 2 + point(0.0) / 2, atol=1e-2, rtol=0)
    assert point(-0.5)[0, 5, 5] > 130
    assert point(-0.5)[0, 5, 4] < -2


def test_noise_is_the_samples_own_and_stays_inside_it() -> None:
    frames = torch.full((2, 60, 80, 3), 128, dtype=torch.uint8)
    labels = torch.zeros(2, 60, 80, dtype=torch.uint8)
    views = [plain(noise=0.05, noise_seed=seed) for seed in (1, 2)]
    noisy, seen_labels = augment(Batch(frames, labels, [(60, 80), (40, 80)], views), (60, 80))
    assert 0.048 < noisy[0].std() < 0.052
    assert abs(torch.corrcoef(torch.stack([noisy[0, :, :40].flatten(), noisy[1, :, :40].flatten()]))[0, 1]) < 0.1
    torch.testing.assert_close(noisy[1, :, 40:], torch.full((3, 20, 80), 0.5))
    assert (seen_labels[0] == 0).all()
    again, _ = augment(Batch(frames[:1], labels[:1], [(60, 80)], views[:1]), (60, 80))
    assert torch.equal(again[0], noisy[0])


def test_shade_comes_from_the_recipe_and_leaves_all_else() -> None:
    assert draw(3).shade is None
    views = [draw(seed, shade=0.5) for seed in range(200)]
    most = torch.stack([view.shade.abs().max() for view in views if view.shade is not None])
    assert len(most) == 200
    assert 0.9 * math.log(2.5) / 2 < most.max() <= math.log(2.5) / 2
    assert (most < 0.1).sum() > 10  # some samples stay nearly even
    assert (views[3].left, views[3].gamma) == (draw(3).left, draw(3).gamma)


def test_shade_darkens_and_brightens_places_of_its_own_sample() -> None:
    frames = torch.full((2, 40, 60, 3), 51, dtype=torch.uint8)
    labels = torch.ones(2, 40, 60, dtype=torch.uint8)
    shade = torch.zeros(SHADES)
    shade[0] = math.log(2)  # the top
    shade[2, 2] = -math.log(2)  # the lower right corner
    shaded, seen_labels = augment(Batch(frames, labels, [(40, 60)] * 2, [plain(shade=shade), plain()]), (40, 60))
    corners = shaded[0, 0, [0, 0, -1, -1], [0, -1, 0, -1]]
    torch.testing.assert_close(corners, torch.tensor([0.4, 0.4, 0.2, 0.1]), atol=1e-3, rtol=0)
    assert (shaded[0, 0, 1:, 30] <= shaded[0, 0, :-1, 30]).all()  # smoothly from the top down
    torch.testing.assert_close(shaded[1], torch.full((3, 40, 60), 0.2))
    assert (seen_labels == 1).all()


def test_scales_are_the_papers_list_times_the_operating_scale() -> None:
    drawn = [draw(seed, scale_list=(0.5, 1.0, 1.5), operating_scale=0.5, aspect=1.0).scale_x for seed in range(60)]
    assert set(drawn) == {0.25, 0.5, 0.75}


def test_a_crop_of_mostly_one_class_is_drawn_again() -> None:
    """Up to ten times: a third of these crops is fine at once, so two in a hundred are still none after ten."""
    label = np.zeros((100, 100), np.uint8)
    label[:, 50:] = 1
    label[:10] = IGNORE

    def fine(ratio: float) -> int:
        still = SegmentationViews(crop=(40, 40), max_category_ratio=ratio)
        views = [still.draw(seed, FRAME[:100, :100], label) for seed in range(40)]
        return sum(largest_share(label[window(v.top, 1.0, 40), window(v.left, 1.0, 40)]) <= 0.75 for v in views)

    assert fine(1.0) < 20
    assert fine(0.75) >= 38


def test_a_classifiers_view_shows_a_part_of_the_area() -> None:
    frame, label = np.zeros((100, 150, 3), np.uint8), np.array(0)
    part = ClassifierViews(crop=(64, 64), crop_area=(0.25, 0.5), crop_aspect=4 / 3)
    shapes = []
    for seed in range(50):
        view = part.draw(seed, frame, label)
        height, width = 64 / view.scale_y, 64 / view.scale_x
        assert 0.25 - 1e-9 <= height * width / 15000 <= 0.5 + 1e-9
        shapes.append(width / height)
        assert view.left >= 0
        assert view.left / view.scale_x + width <= 150 + 1e-6
    assert 3 / 4 <= min(shapes) < 0.8
    assert 1.25 < max(shapes) <= 4 / 3
    square = ClassifierViews(crop=(64, 64), crop_area=(0.25, 0.5)).draw(0, frame, label)
    assert square.scale_x == pytest.approx(square.scale_y)
