"""Our networks are the same functions as the official code: converted weights, compared outputs."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from streetseg.models.matching import convert_tensors
from streetseg.models.networks import CLASSIFIERS, build
from streetseg.models.origins import bisenetv2, ddrnet, fassdnet, hardnet, stdc
from streetseg.models.origins.origin import Origin
from streetseg.models.weights import load_tensors
from tests.support.reference_rules import Reference, weight

STDC_HEADS: dict[str, str | None] = {
    "main": "main", "aux16": "arm16", "aux32": "arm32", "boundary_sp2": "detail2", "boundary_sp4": "detail4",
    "boundary_sp8": "detail8", "boundary_sp16": "detail16",
}  # fmt: skip
MMSEG_STDC_HEADS: dict[str, str | None] = {
    "main": "main",
    "aux_outs2": "arm16",
    "aux_outs1": "arm32",
    "boundary_outs0": None,
}

BISENETV2_HEADS: dict[str, str | None] = {
    "main": "main", "aux2": "stage2", "aux3": "stage3", "aux4": "stage4", "aux5_4": "stage5_4",
}  # fmt: skip
MMSEG_BISENETV2_HEADS: dict[str, str | None] = {"main": "main", **{f"aux_stage{stage}": None for stage in (1, 2, 3, 4)}}

# fixture, our network, origin, official output -> ours ("main", an auxiliary head's name, or None: a training-only head
# that is no function of ours)
CASES: list[tuple[str, str, Origin, dict[str, str | None]]] = [
    ("ddrnet-23-slim", "ddrnet_23_slim", ddrnet.OFFICIAL, {"main": "main", "extra": "high4"}),
    ("ddrnet-23", "ddrnet_23", ddrnet.OFFICIAL, {"main": "main", "extra": "high4"}),
    ("ddrnet-39", "ddrnet_39", ddrnet.OFFICIAL, {"main": "main", "extra": "high4"}),
    ("mmseg-ddrnet-23-slim", "ddrnet_23_slim", ddrnet.MMSEG, {"main": "main", "aux_spatial": "high4"}),
    ("mmseg-ddrnet-23", "ddrnet_23", ddrnet.MMSEG, {"main": "main", "aux_spatial": "high4"}),
    ("fassd-net", "fassd_net", fassdnet.OFFICIAL, {"main": "main"}),
    ("fassd-net-l1", "fassd_net_l1", fassdnet.OFFICIAL, {"main": "main"}),
    ("fassd-net-l2", "fassd_net_l2", fassdnet.OFFICIAL, {"main": "main"}),
    ("fc-hardnet-70", "fc_hardnet_70", hardnet.OFFICIAL, {"main": "main"}),
    ("stdc1-seg", "stdc1", stdc.SEGMENTATION["stdc1"], STDC_HEADS),
    ("stdc2-seg", "stdc2", stdc.SEGMENTATION["stdc2"], STDC_HEADS),
    ("mmseg-stdc1", "stdc1", stdc.MMSEGMENTATION, MMSEG_STDC_HEADS),
    ("mmseg-stdc2", "stdc2", stdc.MMSEGMENTATION, MMSEG_STDC_HEADS),
    ("bisenetv2", "bisenetv2", bisenetv2.COINCHEUNG, BISENETV2_HEADS),
    ("mmseg-bisenetv2", "bisenetv2", bisenetv2.MMSEGMENTATION, MMSEG_BISENETV2_HEADS),
]

# The fast lane compares two networks.
FAST = ("ddrnet-23-slim", "fassd-net-l2")
MARKED = [pytest.param(*case, marks=[pytest.mark.slow] * (case[0] not in FAST), id=case[0]) for case in CASES]

CLASSIFIER_CASES = [
    ("ddrnet-23-slim-cls", "ddrnet_23_slim_classifier", ddrnet.OFFICIAL_CLASSIFIER),
    ("ddrnet-23-cls", "ddrnet_23_classifier", ddrnet.OFFICIAL_CLASSIFIER),
    ("ddrnet-39-cls", "ddrnet_39_classifier", ddrnet.OFFICIAL_CLASSIFIER),
    ("stdc1-cls", "stdc1_classifier", stdc.CLASSIFIER["stdc1"]),
    ("stdc2-cls", "stdc2_classifier", stdc.CLASSIFIER["stdc2"]),
]

# Parameters of the official training network that ours does without: STDC's unused ImageNet tail (a convolution, two
# linear layers, two norms); mmsegmentation's two-class boundary head and its loss's fusion kernel.
STDC_TAIL = 2 * 1024 * 1024 + 1000 * 1024 + 4 * 1024
MMSEG_BOUNDARY_HEAD = (64 * 256 * 9 + 2 * 64) + (2 * 64 + 2) + 3
# mmsegmentation's boosters: two 3x3 convolutions with norms and the classifier, for each stage.
MMSEG_BOOSTERS = sum(
    9 * cin * width + 9 * width * width + 4 * width + 19 * width + 19
    for cin, width in ((16, 16), (32, 64), (64, 256), (128, 1024))
)
# Parameters that ours adds: mmsegmentation's DDRNet has no biases in its two stem convolutions.
ADDED = {"mmseg-ddrnet-23-slim": 2 * 32, "mmseg-ddrnet-23": 2 * 64}
LEFT_OUT = {
    "stdc1-seg": STDC_TAIL,
    "stdc2-seg": STDC_TAIL,
    "mmseg-stdc1": MMSEG_BOUNDARY_HEAD,
    "mmseg-stdc2": MMSEG_BOUNDARY_HEAD,
    "mmseg-bisenetv2": MMSEG_BOOSTERS,
}


@pytest.mark.parametrize(("fixture", "network", "origin", "heads"), MARKED)
def test_same_function(fixture: str, network: str, origin: Origin, heads: dict[str, str | None]) -> None:
    reference = Reference(fixture)
    ours = build(network, reference.facts["num_classes"], aux=True, **origin.arguments, **origin.aux_arguments).eval()
    load_tensors(ours, convert_tensors(reference.state_dict(), origin), fixture)
    with torch.inference_mode():
        outputs = ours(reference.input())
    for theirs, name in heads.items():
        if name is None:
            continue
        reference.check(theirs, outputs.logits if name == "main" else outputs.aux[name])
    assert {entry["name"] for entry in reference.facts["outputs"]} == set(heads)


@pytest.mark.slow
@pytest.mark.parametrize(("fixture", "network", "origin"), [case[:3] for case in CASES], ids=[c[0] for c in CASES])
def test_parameters(fixture: str, network: str, origin: Origin) -> None:
    facts = Reference(fixture).facts
    for aux, official in ((True, facts["params_total"] - LEFT_OUT.get(fixture, 0)), (False, facts["params_inference"])):
        net = build(network, facts["num_classes"], aux=aux, **origin.arguments, **origin.aux_arguments)
        assert sum(p.numel() for p in net.parameters()) == official + ADDED.get(fixture, 0)


@pytest.mark.slow
@pytest.mark.parametrize(("fixture", "network", "origin"), CLASSIFIER_CASES, ids=[c[0] for c in CLASSIFIER_CASES])
def test_same_classifier(fixture: str, network: str, origin: Origin) -> None:
    reference = Reference(fixture)
    ours = CLASSIFIERS[network]().eval()
    load_tensors(ours, convert_tensors(reference.state_dict(), origin), fixture)
    with torch.inference_mode():
        outputs = ours(reference.input())
    reference.check("logits", outputs.logits)
    assert outputs.aux == {}
    assert sum(p.numel() for p in ours.parameters()) == reference.facts["params_inference"]


def test_the_weights_rule_gives_the_published_check_values() -> None:
    first = weight("conv1.0.weight", (32, 3, 3, 3)).flatten()[:3].numpy()
    np.testing.assert_allclose(first, [-0.332808, -0.111746, 0.315678], atol=1e-6)


@pytest.mark.slow
def test_a_wrong_detail_is_caught() -> None:
    """The comparison can fail: batch norm's eps 1e-3 instead of 1e-5 is seen."""
    reference = Reference("ddrnet-23-slim")
    ours = build("ddrnet_23_slim", 19, aux=True).eval()
    load_tensors(ours, convert_tensors(reference.state_dict(), ddrnet.OFFICIAL), "ddrnet-23-slim")
    for module in ours.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.eps = 1e-3
    with torch.inference_mode(), pytest.raises(AssertionError):
        reference.check("main", ours(reference.input()).logits)
