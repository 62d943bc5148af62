"""The losses are what they say: the official code's numbers, the exact interpolation, the batch over two processes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, get_args, get_type_hints

import numpy as np
import pytest
import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor
from torch.multiprocessing.spawn import spawn

from streetseg.data.pairs import IGNORE
from streetseg.errors import RecipeError
from streetseg.models.outputs import Outputs
from streetseg.training.losses.bootstrapped import bootstrapped_cross_entropy
from streetseg.training.losses.cross_entropy import cross_entropy
from streetseg.training.losses.detail import detail_losses, detail_target
from streetseg.training.losses.heads import check_heads
from streetseg.training.losses.losses import LOSSES, SegmentationLoss
from streetseg.training.losses.ohem import kth_smallest, ohem_cross_entropy
from streetseg.training.losses.upsampled_cross_entropy import BAND_VALUES, upsampled_cross_entropy
from streetseg.training.losses.upsampling import interpolation_matrix
from streetseg.training.recipe import Recipe

REFERENCE = Path(__file__).parent / "reference"
CASES = json.loads((REFERENCE / "ohem.json").read_text())["cases"]
# PIDNet's boundary loss is in the fixture; no paper of ours uses it.
OURS = [case for case in CASES if case["loss"] != "pidnet_boundary"]


def normal(seed: int, *shape: int) -> Tensor:
    """The fixtures' random numbers: numpy's legacy generator, float64."""
    return torch.from_numpy(np.random.RandomState(seed).standard_normal(shape))


def reference_label(name: str) -> Tensor:
    label = torch.from_numpy(np.load(REFERENCE / "ohem.npz")[name])
    return label.where(label < 19, IGNORE)


def reference_logits(case: dict[str, Any], label: Tensor) -> Tensor:
    if "scale" not in case:  # the bootstrapped case at low resolution
        low = (3 * normal(79, 2, 19, 32, 64)).float()
        return F.interpolate(low, label.shape[1:], mode="bilinear", align_corners=True)
    true = F.one_hot(label.where(label != IGNORE, 0).long(), 19).permute(0, 3, 1, 2)
    noise = normal(case["seed"] + 100, len(label), 19, *label.shape[1:])
    return (case["scale"] * (noise + case["margin"] * true)).float()


def pixels(logits: Tensor, label: Tensor) -> Tensor:
    """Each pixel's cross entropy, of logits at full size."""
    return F.cross_entropy(logits, label.long(), ignore_index=IGNORE, reduction="none")


def two_outputs(label: Tensor, parameters: dict[str, Any]) -> Tensor:
    """HRNet's form with an auxiliary output: plain cross entropy, averaged over void pixels, too, and mined."""
    first, last = (
        F.interpolate((scale * normal(seed, 2, 19, 16, 32)).float(), label.shape[1:], mode="bilinear")
        for scale, seed in ((1, 77), (3, 78))
    )
    plain = cross_entropy(pixels(first, label), label) * (label != IGNORE).float().mean()
    mined = ohem_cross_entropy(
        pixels(last, label), label, threshold=parameters["thres"], min_kept=parameters["min_kept"]
    )
    weights = parameters["balance_weights"]
    return weights[0] * plain + weights[1] * mined


@pytest.mark.parametrize("case", OURS, ids=lambda case: f"{case['loss']}-{case['value']:.4f}")
def test_hard_example_losses_are_the_official_codes(case: dict[str, Any]) -> None:
    label, parameters = reference_label(case["labels"]), case["params"]
    if case["loss"] == "hrnet_ohem_two_outputs":
        assert two_outputs(label, parameters).item() == pytest.approx(case["value"], rel=1e-5)
        return
    logits = reference_logits(case, label)
    if case["loss"] == "stdc_ohem":
        loss = ohem_cross_entropy(
            pixels(logits, label), label, threshold=parameters["thresh"], min_kept=parameters["n_min"]
        )
    elif case["loss"] == "coincheung_ohem":
        min_kept = int((label != IGNORE).sum()) // 16
        assert min_kept == case["n_min_used"]
        loss = ohem_cross_entropy(pixels(logits, label), label, threshold=parameters["thresh"], min_kept=min_kept)
    elif case["loss"] == "hrnet_ohem":
        weights = parameters["class_weight"] and torch.tensor(parameters["class_weight"])
        loss = ohem_cross_entropy(
            pixels(logits, label),
            label,
            threshold=parameters["thres"],
            min_kept=parameters["min_kept"],
            class_weights=weights,
        )
    else:
        assert case["loss"] == "fassd_bootstrapped"
        losses = pixels(logits, label)
        loss = bootstrapped_cross_entropy(losses, threshold=parameters["loss_th"], min_kept=parameters["min_K"])
    assert loss.item() == pytest.approx(case["value"], rel=1e-5)


def test_detail_aggregation_is_the_official_codes() -> None:
    facts = json.loads((REFERENCE / "stdc_detail.json").read_text())
    arrays = np.load(REFERENCE / "stdc_detail.npz")
    label = torch.from_numpy(arrays["labels"])
    expected = np.unpackbits(arrays["target_packed"])[: label.numel()].reshape(2, 1, 128, 256)
    target = detail_target(label)
    assert (target.numpy() == expected).all()
    low, full = (2 * normal(2, 2, 1, 16, 32)).float(), (2 * normal(3, 2, 1, 128, 256)).float()
    low = F.interpolate(low, (128, 256), mode="bilinear", align_corners=True)
    for logits, name in ((low, "low_resolution_logits"), (full, "full_resolution_logits")):
        bce, dice = detail_losses(logits, target)
        assert bce.item() == pytest.approx(facts["losses"][name]["bce"], rel=1e-5)
        assert dice.item() == pytest.approx(facts["losses"][name]["dice"], rel=1e-5)


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
    down = interpolation_matrix(rows, size[0], source[0], align_corners).double()
    sampled = down @ logits @ interpolation_matrix(columns, size[1], source[1], align_corners).double().mT
    torch.testing.assert_close(sampled, full[..., rows, :][..., columns], rtol=0, atol=1e-6)


@pytest.mark.parametrize("band", [1, 1000, 1 << 17])
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("align_corners", [False, True])
def test_the_cross_entropy_in_bands_is_the_plain_one(
    align_corners: bool, smoothing: float, band: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Values and gradient, with class weights, void, and one gradient a pixel as OHEM's; bands that are one row, that
    do not divide the height, and of everything."""
    monkeypatch.setitem(BAND_VALUES, "cpu", band)
    g = torch.Generator().manual_seed(0)
    logits = (4 * torch.randn(2, 5, 6, 9, generator=g)).contiguous(memory_format=torch.channels_last).requires_grad_()
    label = torch.randint(0, 5, (2, 45, 70), generator=g, dtype=torch.uint8)
    label[:, 5:13] = IGNORE
    of_pixel = torch.rand(2, 45, 70, generator=g) * (torch.rand(2, 45, 70, generator=g) > 0.5)
    weights = torch.linspace(0.5, 1.5, 5)
    full = F.interpolate(logits, label.shape[1:], mode="bilinear", align_corners=align_corners)
    plain = F.cross_entropy(
        full, label.long(), weights, ignore_index=IGNORE, reduction="none", label_smoothing=smoothing
    )
    down, across = (
        interpolation_matrix(torch.arange(size), size, source, align_corners) for size, source in ((45, 6), (70, 9))
    )
    banded = upsampled_cross_entropy(logits, label, down, across, weights, smoothing)
    torch.testing.assert_close(banded, plain)
    expected, ours = (torch.autograd.grad(losses, logits, of_pixel)[0] for losses in (plain, banded))
    torch.testing.assert_close(ours, expected)


def test_the_cross_entropy_of_sure_and_of_huge_logits() -> None:
    """Nothing overflows, and a small loss keeps its digits."""
    logits = torch.tensor([[50.0, 40.0], [1e30, 0.0], [torch.inf, 0.0]]).view(3, 2, 1, 1)
    label = torch.zeros(3, 1, 1, dtype=torch.uint8)
    losses = upsampled_cross_entropy(logits, label, torch.ones(1, 1), torch.ones(1, 1)).flatten()
    assert losses[:2].tolist() == pytest.approx([np.log1p(np.exp(-10)), 0], rel=1e-3)
    assert losses[2].isnan()


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
    probabilities = [
        (logits[n, :, y, x].softmax(0)[label[n, y, x]].item(), weights[label[n, y, x]].item())
        for n in range(2) for y in range(16) for x in range(24) if label[n, y, x] != IGNORE
    ]  # fmt: skip
    probabilities.sort()
    bound = max(0.7, probabilities[100][0])
    kept = [-torch.tensor(p).log().item() * w for p, w in probabilities if p < bound]
    loss = ohem_cross_entropy(pixels(logits, label), label, threshold=0.7, min_kept=100, class_weights=weights)
    assert loss.item() == pytest.approx(sum(kept) / len(kept), rel=1e-5)


def test_ohem_keeping_everything_is_cross_entropy() -> None:
    logits, label = hard_case(1.0, 1.0)
    loss = ohem_cross_entropy(pixels(logits, label), label, threshold=1.1, min_kept=0)
    assert loss.item() == pytest.approx(F.cross_entropy(logits, label, ignore_index=IGNORE).item(), rel=1e-6)


def test_only_void_gives_zero_and_no_nan_gradient() -> None:
    logits = torch.randn(1, 3, 4, 4, requires_grad=True)
    void = torch.full((1, 4, 4), IGNORE)
    loss = ohem_cross_entropy(pixels(logits, void), void, threshold=0.7, min_kept=4)
    torch.autograd.backward(loss)
    assert loss.item() == 0
    assert logits.grad is not None
    assert not logits.grad.isnan().any()


def test_the_kth_smallest() -> None:
    values = torch.rand(1000, generator=torch.Generator().manual_seed(0))
    values[:3] = torch.tensor([0.0, 1.0, 0.5])
    assert [kth_smallest(values, k) for k in (1, 2, 500, 1000)] == [
        values.kthvalue(k).values.item() for k in (1, 2, 500, 1000)
    ]


@pytest.mark.parametrize("loss", ["ohem", "cross_entropy", "bootstrapped"])
def test_a_nan_stays_visible(loss: str) -> None:
    logits = torch.zeros(1, 3, 4, 4)
    logits[0, :, 0, 0] = torch.nan
    terms = loss_of(torch.ones(3), False, loss=loss)(
        Outputs(logits, {}), torch.zeros(1, 4, 4, dtype=torch.uint8), torch.Generator()
    )
    assert terms["main"].isnan()


def recipe(**fields: Any) -> Recipe:
    needed: dict[str, Any] = {"native_short_side": 64, "crop": (64, 96), "iterations": 1, "batch": 4}
    return Recipe(name="some", network="some", learning_rate=0.1, weight_decay=0.0, **needed | fields)


def loss_of(weights: Tensor, align_corners: bool, **fields: Any) -> SegmentationLoss:
    """Return the loss of a recipe with these fields."""
    settings = recipe(**fields)
    return SegmentationLoss(
        pixel_loss=LOSSES[settings.loss](settings),
        class_weights=weights,
        align_corners=align_corners,
        aux_weights=settings.aux_weights,
        detail_weights=settings.detail_weights,
        stride=settings.loss_stride,
        aux_stride=settings.aux_loss_stride,
    )


def heads() -> tuple[Outputs, Tensor]:
    """Outputs of a network with a class head and a detail head beside the main one, and labels."""
    g = torch.Generator().manual_seed(5)
    labels = torch.randint(0, 5, (4, 8, 12), generator=g).repeat_interleave(8, 1).repeat_interleave(8, 2)
    labels[:, 20:30], labels[0, :40] = IGNORE, IGNORE
    logits, aux, detail = (torch.randn(4, c, 8, 12, generator=g) for c in (5, 5, 1))
    return Outputs(logits, {"arm16": aux, "detail8": detail}), labels.to(torch.uint8)


def test_all_heads_are_weighed_by_name() -> None:
    outputs, labels = heads()
    weighed = {"aux_weights": {"arm16": 0.4}, "detail_weights": {"detail8": 2.0}, "loss": "cross_entropy"}
    terms = loss_of(torch.ones(5), True, **weighed)(outputs, labels, torch.Generator())
    full = F.interpolate(outputs.aux["arm16"], labels.shape[1:], mode="bilinear", align_corners=True)
    assert terms["arm16"].item() == pytest.approx(
        F.cross_entropy(full, labels.long(), ignore_index=IGNORE).item(), rel=1e-5
    )
    assert list(terms) == ["main", "arm16", "detail8_bce", "detail8_dice", "total"]
    total = terms["main"] + 0.4 * terms["arm16"] + 2 * (terms["detail8_bce"] + terms["detail8_dice"])
    assert terms["total"].item() == pytest.approx(total.item(), rel=1e-6)


def test_heads_and_weights_belong_together() -> None:
    outputs, _ = heads()
    assert not check_heads("stdc1", outputs, ["arm16"], ["detail8"])
    assert check_heads("stdc1", outputs, ["arm16"], [])
    with pytest.raises(RecipeError, match="stdc1 has no auxiliary head arm8; there are arm16, detail8"):
        check_heads("stdc1", outputs, ["arm8"], [])
    with pytest.raises(
        RecipeError, match="head detail8 of stdc1 belongs in detail_weights, because it predicts outlines"
    ):
        check_heads("stdc1", outputs, ["detail8"], [])
    with pytest.raises(RecipeError, match="head arm16 of stdc1 belongs in aux_weights"):
        check_heads("stdc1", outputs, [], ["arm16"])


def test_a_recipe_can_name_every_loss_of_the_table() -> None:
    assert set(LOSSES) == set(get_args(get_type_hints(Recipe)["loss"]))


def test_the_sampled_losses_have_the_full_ones_as_their_mean() -> None:
    """Over the four grids of stride 2, every one of which counts as many pixels, for each term that is a mean."""
    outputs, labels = heads()
    labels = labels.where(labels != IGNORE, 0)
    fields: dict[str, Any] = {"aux_weights": {"arm16": 1.0}, "detail_weights": {"detail8": 1.0}}
    full = loss_of(torch.ones(5), True, loss="cross_entropy", **fields)(outputs, labels, torch.Generator())
    sampled = loss_of(torch.ones(5), True, loss="cross_entropy", loss_stride=2, aux_loss_stride=2, **fields)
    draws = [sampled(outputs, labels, torch.Generator().manual_seed(seed)) for seed in range(60)]
    for name in ("main", "arm16", "detail8_bce"):
        values = {round(draw[name].item(), 7) for draw in draws}
        assert len(values) == 4
        assert sum(values) / 4 == pytest.approx(full[name].item(), rel=1e-5)


def one_of_two(rank: int, folder: Path) -> None:
    """A process with half the batch: its loss terms and gradient go to a file."""
    dist.init_process_group("gloo", init_method=f"file://{folder}/meeting", rank=rank, world_size=2)
    outputs, labels = heads()
    half = slice(2 * rank, 2 * rank + 2)
    part = Outputs(outputs.logits[half], {name: logits[half] for name, logits in outputs.aux.items()})
    torch.save([terms_and_gradient(fields, part, labels[half]) for fields in SPREAD], folder / f"{rank}.pt")
    dist.destroy_process_group()


def terms_and_gradient(fields: dict[str, Any], outputs: Outputs, labels: Tensor) -> tuple[dict[str, float], Tensor]:
    logits = outputs.logits.clone().requires_grad_()
    terms = loss_of(torch.linspace(0.5, 1.5, 5), True, **fields)(
        Outputs(logits, outputs.aux), labels, torch.Generator()
    )
    torch.autograd.backward(terms["total"])
    assert logits.grad is not None
    return {name: term.item() for name, term in terms.items()}, logits.grad


# What the minimum decides and what the threshold decides, with frame 0 mostly void: the halves count differently.
SPREAD: list[dict[str, Any]] = [
    {"ohem_threshold": 0.01, "ohem_min_kept": 0.1, "ohem_min_kept_of": "counted", "aux_weights": {"arm16": 0.4}},
    {"ohem_threshold": 0.3, "detail_weights": {"detail8": 1.0}},
    {"loss": "cross_entropy", "aux_weights": {"arm16": 1.0}},
    {"loss": "bootstrapped"},
]


@pytest.mark.slow
def test_a_batch_over_two_processes_has_the_whole_batchs_loss(tmp_path: Path) -> None:
    spawn(one_of_two, (tmp_path,), nprocs=2)
    parts = [torch.load(tmp_path / f"{rank}.pt") for rank in range(2)]
    for n, fields in enumerate(SPREAD):
        terms, gradient = terms_and_gradient(fields, *heads())
        (first, first_gradient), (second, second_gradient) = (part[n] for part in parts)
        for name, value in terms.items():
            assert (first[name] + second[name]) / 2 == pytest.approx(value, rel=1e-5)
        torch.testing.assert_close(torch.cat([first_gradient, second_gradient]) / 2, gradient)
