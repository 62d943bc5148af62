"""A run's steps and evaluations, one by one."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch

from streetseg.data.datasets import open_dataset
from streetseg.training.dataset import Samples
from streetseg.training.tasks.segmentation import open_samples
from tests.support.runs import open_run
from tests.support.small_recipe import FLOAT32, small

# A network that compiles in seconds, at a rate that does not magnify rounding.
COMPILED = ["network=bisenetv2", "network_arguments=branches:detail", "aux_weights=", "learning_rate=1e-5"]


@pytest.fixture(scope="module")
def samples(camvid: Path) -> Samples:
    return open_samples(open_dataset(camvid), "train", 360, None)


def test_parts_of_a_batch_add_up_to_the_batch(camvid: Path, samples: Samples) -> None:
    gradients = []
    for parts in (1, 2):
        run = open_run(small(f"accumulate={parts}", *FLOAT32), camvid, samples)
        run.network.eval()  # a norm would look at its part only
        run.loss = lambda outputs, labels, generator: {"total": outputs.logits.square().mean()}
        run.train_step()
        gradients.append(torch.cat([p.grad.flatten() for p in run.network.parameters() if p.grad is not None]))
    torch.testing.assert_close(*gradients, rtol=1e-4, atol=1e-5 * gradients[0].abs().max().item())


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning")  # of the compiler's own, when it starts
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_a_compiled_network_trains_as_it_does_uncompiled(camvid: Path, samples: Samples, precision: str) -> None:
    losses, keys = [], []
    with torch._inductor.config.patch(fallback_random=True):  # the dropout of both is one
        for compiled in ("compile=true", "compile=false"):
            run = open_run(small(*COMPILED, compiled, f"precision={precision}"), camvid, samples)
            losses.append([run.train_step()["main"] for _ in range(3)])
            keys.append(list(run.state()["network"]))
    torch._dynamo.reset()
    assert losses[0] == pytest.approx(losses[1], rel=1e-4 if precision == "float32" else 2e-2)
    assert keys[0] == keys[1]


def test_a_second_evaluation_decodes_nothing(camvid: Path, samples: Samples, tmp_path: Path) -> None:
    root = tmp_path / "camvid"
    shutil.copytree(camvid, root)
    run = open_run(small("evaluate_every=1"), root, samples)
    first = run.evaluate()
    shutil.rmtree(root / "val")
    again = run.evaluate()
    assert (again.figures, again.classes) == (first.figures, first.classes)
    assert len(first.pictures) == 4


def test_clipping_bounds_the_gradient(camvid: Path, samples: Samples) -> None:
    norms = []
    for bound in (0, 1e-3):
        run = open_run(small(f"clip_norm={bound}", *FLOAT32), camvid, samples)
        run.train_step()
        gradients = [p.grad.norm() for p in run.network.parameters() if p.grad is not None]
        norms.append(torch.stack(gradients).norm().item())
    assert norms[0] > 0.1
    assert norms[1] == pytest.approx(1e-3, rel=1e-3)
