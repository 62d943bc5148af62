"""Augmentation moves image and label as one."""

from __future__ import annotations

import torch

from streetseg.data.pairs import IGNORE
from streetseg.training.augment import View, augment, draw_view


def plain(**changes: object) -> View:
    view = {
        "left": 0.0, "top": 0.0, "scale_x": 1.0, "scale_y": 1.0, "flip": False,
        "colour": torch.eye(3), "offset": torch.zeros(3), "gamma": 1.0,
    }  # fmt: skip
    return View(**(view | changes))  # type: ignore[arg-type]


def picture() -> tuple[torch.Tensor, torch.Tensor]:
    """A frame whose red channel is its label / 10."""
    label = torch.randint(0, 11, (1, 20, 30), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    label[0, 4, 4] = IGNORE
    frame = (label.float() / 10).clamp(max=1).unsqueeze(1).expand(1, 3, 20, 30).contiguous()
    return frame, label


def test_identity_crop_flip_and_shift() -> None:
    frame, label = picture()
    out, out_label = augment(frame, label, [plain()], (20, 30))
    torch.testing.assert_close(out, frame, atol=1e-5, rtol=0)
    assert torch.equal(out_label, label)

    out, out_label = augment(frame, label, [plain(flip=True)], (20, 30))
    torch.testing.assert_close(out, frame.flip(3), atol=1e-5, rtol=0)
    assert torch.equal(out_label, label.flip(2))

    out, out_label = augment(frame, label, [plain(left=3.0, top=2.0)], (10, 10))
    torch.testing.assert_close(out, frame[:, :, 2:12, 3:13], atol=1e-5, rtol=0)
    assert torch.equal(out_label, label[:, 2:12, 3:13])


def test_outside_the_source_is_void() -> None:
    frame, label = picture()
    _, out = augment(frame, label, [plain(left=-5.0, top=-1.0)], (22, 40))
    assert (out[0, 0] == IGNORE).all()
    assert (out[0, :, :5] == IGNORE).all()
    assert torch.equal(out[0, 1:21, 5:35], label[0])


def test_scale_two_repeats_each_label_twice() -> None:
    frame, label = picture()
    _, out = augment(frame, label, [plain(scale_x=2.0, scale_y=2.0)], (40, 60))
    assert torch.equal(out, label.repeat_interleave(2, 1).repeat_interleave(2, 2))


def test_a_view_follows_from_its_seed_alone() -> None:
    drawn = [draw_view(seed, (360, 480), (256, 352), (0.5, 2.0), 1.1, 0.4) for seed in (7, 8, 7)]
    same = [drawn[0].left, drawn[0].scale_x, drawn[0].flip, drawn[0].gamma]
    assert same == [drawn[2].left, drawn[2].scale_x, drawn[2].flip, drawn[2].gamma]
    assert drawn[0].left != drawn[1].left
    for seed in range(200):
        view = draw_view(seed, (360, 480), (256, 352), (0.5, 2.0), 1.1, 0.4)
        assert 0.5 <= (view.scale_x * view.scale_y) ** 0.5 <= 2.0
        assert 1 / 1.1 - 1e-9 <= view.scale_x / view.scale_y <= 1.1 + 1e-9
