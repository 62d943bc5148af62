"""The losses are what they say: the exact interpolation, and the numbers of HRNet's OHEM."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from streetseg.data.pairs import IGNORE
from streetseg.training.losses.ohem import ohem_cross_entropy
from streetseg.training.losses.upsampling import upsample_at


@pytest.mark.parametrize("align_corners", [False, True])
@pytest.mark.parametrize(
    ("source", "size"), [((5, 7), (40, 56)), ((4, 4), (31, 29)), ((1, 6), (8, 45)), ((9, 3), (9, 3))]
)
def test_upsampling_at_some_pixels_is_the_full_upsampling_there(
    source: tuple[int, int], size: tuple[int, int], align_corners: bool
) -> None:
    logits = torch.randn(2, 3, *source, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    full = F.interpolate(logits, size, mode="bilinear", align_corners=align_corners)
    rows, columns = torch.arange(1, size[0], 2), torch.arange(0, size[1], 3)
    sampled = upsample_at(logits, size, rows, columns, align_corners)
    torch.testing.assert_close(sampled, full[..., rows, :][..., columns], rtol=0, atol=1e-6)


def hard_case(scale: float, margin: float) -> tuple[torch.Tensor, torch.Tensor]:
    g = torch.Generator().manual_seed(3)
    label = torch.randint(0, 5, (2, 16, 24), generator=g)
    logits = scale * torch.randn(2, 5, 16, 24, generator=g) + scale * margin * F.one_hot(label, 5).permute(0, 3, 1, 2)
    label[:, 5:8] = IGNORE
    return logits, label


@pytest.mark.parametrize(("scale", "margin"), [(0.5, 2), (3.0, 2), (1.5, 5)])
def test_ohem_against_its_definition(scale: float, margin: float) -> None:
    logits, label = hard_case(scale, margin)
    weights = torch.linspace(0.5, 1.5, 5)
    pixels = [
        (logits[n, :, y, x].softmax(0)[label[n, y, x]].item(), weights[label[n, y, x]].item())
        for n in range(2) for y in range(16) for x in range(24) if label[n, y, x] != IGNORE
    ]  # fmt: skip
    pixels.sort()
    bound = max(0.7, pixels[100][0])
    kept = [-torch.tensor(p).log().item() * w for p, w in pixels if p < bound]
    loss = ohem_cross_entropy(logits, label, threshold=0.7, min_kept=100, class_weights=weights)
    assert loss.item() == pytest.approx(sum(kept) / len(kept), rel=1e-5)


def test_ohem_keeping_everything_is_cross_entropy() -> None:
    logits, label = hard_case(1.0, 1.0)
    loss = ohem_cross_entropy(logits, label, threshold=1.1, min_kept=0)
    assert loss.item() == pytest.approx(F.cross_entropy(logits, label, ignore_index=IGNORE).item(), rel=1e-6)


def test_only_void_gives_zero_and_no_nan_gradient() -> None:
    logits = torch.randn(1, 3, 4, 4, requires_grad=True)
    loss = ohem_cross_entropy(logits, torch.full((1, 4, 4), IGNORE), threshold=0.7, min_kept=4)
    loss.backward()
    assert loss.item() == 0
    assert logits.grad is not None
    assert not logits.grad.isnan().any()
