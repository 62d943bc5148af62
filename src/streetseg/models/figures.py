"""Parameters and multiply-adds of the networks, counted, beside what the papers give."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch.utils.flop_counter import FlopCounterMode

from streetseg.models.table import MODELS


class Figures(NamedTuple):
    """A paper's figures: parameters in millions, multiply-adds in billions at `size` (H, W); None where it gives none.

    remark: why ours differ, where they do.
    """

    parameters: float | None
    gmacs: float | None
    size: tuple[int, int]
    source: str
    remark: str = ""


FULL, HALF = (1024, 2048), (512, 1024)
NORMS = "the paper adds norms, activations and pooling"

PAPERS: dict[str, Figures] = {
    "bisenetv2": Figures(
        None, 21.15, HALF, "BiSeNetV2, Table 7", "its head's width is not given; public code's is 1024, 9.82 G alone"
    ),
    "bisenetv2_large": Figures(None, 118.51, HALF, "BiSeNetV2, Table 7", "as bisenetv2; see the head of bisenetv2.py"),
    "ddrnet_23": Figures(20.1, 143.1, FULL, "DDRNet, Table V"),
    "ddrnet_23_slim": Figures(5.7, 36.3, FULL, "DDRNet, Table V"),
    "ddrnet_39": Figures(32.3, 281.2, FULL, "DDRNet, Table V"),
    "ddrnet_39_1_5x": Figures(70.2, 303.0, (1024, 1024), "DDRNet, Table VII", "widths of head and DAPPM not given"),
    "fassd_net": Figures(2.85, 45.1, FULL, "FASSD-Net, Table IV", NORMS),
    "fassd_net_l1": Figures(2.85, 20.0, FULL, "FASSD-Net, Table IV", NORMS),
    "fassd_net_l2": Figures(2.3, 8.7, FULL, "FASSD-Net, Table IV", NORMS),
    "fc_hardnet_70": Figures(4.1, 35.4, FULL, "FASSD-Net, Table IV", NORMS),
    "fc_hardnet_70_l1": Figures(4.1, 15.7, FULL, "FASSD-Net, Table IV", NORMS),
    "fc_hardnet_70_l2": Figures(2.86, 6.6, FULL, "FASSD-Net, Table IV", NORMS),
    "stdc1": Figures(None, None, FULL, "STDC-Seg gives none"),
    "stdc2": Figures(None, None, FULL, "STDC-Seg gives none"),
}


class Counted(NamedTuple):
    """Parameters in millions, with and without what only training needs; multiply-adds of convolutions and matrix
    products in billions."""

    parameters: float
    training_parameters: float
    gmacs: float


def count(name: str, num_classes: int = 19) -> Counted:
    """The figures of a network at the paper's size; nothing is computed or allocated."""
    with torch.device("meta"):
        network, training = (MODELS[name](num_classes, aux=aux).eval() for aux in (False, True))
        height, width = (-side // network.size_multiple * -network.size_multiple for side in PAPERS[name].size)
        with FlopCounterMode(display=False) as counter:
            network(torch.empty(1, 3, height, width))
    parameters, training_parameters = (sum(p.numel() for p in net.parameters()) / 1e6 for net in (network, training))
    return Counted(parameters, training_parameters, counter.get_total_flops() / 2e9)


def table() -> str:
    """Every network as a row of a Markdown table."""
    rows = ["| network | M parameters (in training) | paper | GMACs | at | paper | source |", "|---" * 7 + "|"]
    for name, paper in PAPERS.items():
        ours = count(name)
        source = f"{paper.source}; {paper.remark}" if paper.remark else paper.source
        size = f"{paper.size[0]} x {paper.size[1]}"
        rows.append(
            f"| `{name}` | {ours.parameters:.2f} ({ours.training_parameters:.2f}) | {paper.parameters or '-'} "
            f"| {ours.gmacs:.2f} | {size} | {paper.gmacs or '-'} | {source} |"
        )
    return "\n".join(rows)
