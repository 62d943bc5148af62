"""Two real processes on gloo: they follow one process with the whole batch, and none outlives the other."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
import torch

from streetseg.errors import TrainingError
from streetseg.training.distributed import check_shares
from streetseg.training.train import train
from tests.support.runs import open_run
from tests.support.small_recipe import FLOAT32, SMALL, small

SHIPPED = Path(__file__).parents[2] / "weights" / "ddrnet_23_slim_camvid_pretrained_restart.safetensors"
STEPS = 20
# Mined pixels, class weights and an auxiliary head: all that could look at a process's own share only. Otherwise what
# magnifies rounding least (in one process, a millionth of the weights becomes 5e-4 of a loss within these steps): a
# trained network, a small rate, no norms over the few globally pooled values of a batch, and a seed without pixels so
# close to the mining threshold that rounding moves them across.
SETTINGS = [
    *FLOAT32, f"iterations={STEPS}", "crop=128,128", "ohem_min_kept=0.5", "optimiser=sgd", "learning_rate=1e-4",
    "network_arguments=context:none", "seed=4",
]  # fmt: skip

# What each process does: the steps' losses, then an evaluation and the sum of the averaged weights.
STEPS_AND_EVALUATION = """
import json, sys
from pathlib import Path
from tests.training.test_distributed import steps_and_evaluation
from streetseg.training.device import choose_device
from streetseg.training.distributed import join, leave, rank

device = choose_device()
join(device)
figures = steps_and_evaluation(Path(sys.argv[1]), device)
if rank() == 0:
    print(json.dumps(figures))
leave()
"""


def steps_and_evaluation(camvid: Path, device: torch.device) -> dict[str, list[float]]:
    run = open_run(small(*SETTINGS), camvid, device=device)
    run.start_from(SHIPPED)
    terms = [run.train_step()]
    gradients = [p.grad.norm().item() for p in run.network.parameters() if p.grad is not None]
    terms += [run.train_step() for _ in range(STEPS - 1)]
    judged = run.evaluate().figures
    weights = [tensor.double().norm().item() for tensor in run.average.state_dict().values()]
    losses = {name: [entry[name] for entry in terms] for name in ("main", "high4", "total")}
    return {**losses, "gradients": gradients, "weights": weights, "judged": list(judged.values())}


@contextmanager
def job(count: int, *command: str) -> Iterator[list[subprocess.Popen[str]]]:
    """The processes of a job, as torchrun starts them; none is left in the end."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    path = os.pathsep.join([str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH", "")])
    shared = {"WORLD_SIZE": str(count), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "PYTHONPATH": path}
    processes = [
        subprocess.Popen(
            [sys.executable, *command],
            env={**os.environ, **shared, "RANK": str(rank), "LOCAL_RANK": str(rank), "CUDA_VISIBLE_DEVICES": ""},
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )
        for rank in range(count)
    ]  # fmt: skip
    try:
        yield processes
    finally:
        for process in processes:
            process.kill()
            process.communicate()


@contextmanager
def two_nodes(*command: str) -> Iterator[list[subprocess.Popen[str]]]:
    """A torchrun on each of two nodes, which meet at one address; docs/train.md has this command."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    meeting = ["--rdzv-backend", "c10d", "--rdzv-endpoint", f"127.0.0.1:{port}", "--rdzv-id", "run"]
    torchrun = ["-m", "torch.distributed.run", "--nnodes", "2", "--nproc-per-node", "1", *meeting]
    path = os.pathsep.join([str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH", "")])
    processes = [
        subprocess.Popen(
            [sys.executable, *torchrun, "--local-addr", "127.0.0.1", "--no-python", sys.executable, *command],
            env={**os.environ, "PYTHONPATH": path, "CUDA_VISIBLE_DEVICES": ""},
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
        )
        for _ in range(2)
    ]  # fmt: skip
    try:
        yield processes
    finally:
        for process in processes:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.communicate()


@pytest.mark.slow
def test_two_nodes_follow_one_process(camvid: Path) -> None:
    with two_nodes("-c", STEPS_AND_EVALUATION, str(camvid)) as processes:
        alone = steps_and_evaluation(camvid, torch.device("cpu"))
        said, errors = zip(*(process.communicate(timeout=300) for process in processes), strict=True)
        assert [process.returncode for process in processes] == [0, 0], errors
    together = json.loads("".join(said))  # one of them says it: that of rank 0
    assert together["total"][0] == pytest.approx(alone["total"][0], rel=1e-5)
    largest = max(alone["gradients"])
    assert together["gradients"] == pytest.approx(alone["gradients"], rel=2e-2, abs=1e-3 * largest)
    for name in ("main", "high4", "weights", "judged"):
        assert together[name] == pytest.approx(alone[name], rel=2e-3), name


@pytest.mark.slow
def test_where_one_is_killed_the_other_ends(camvid: Path, tmp_path: Path) -> None:
    settings = [part for setting in (*SMALL, "iterations=100000", "checkpoint_every=1") for part in ("--set", setting)]
    arguments = ["--recipe", "ddrnet_23_slim_camvid", *settings, "--data", str(camvid), "--out", str(tmp_path / "run")]
    with job(2, "-m", "streetseg", "train", *arguments) as processes:
        for _ in range(1200):
            if (tmp_path / "run" / "checkpoint.pt").exists():
                break
            time.sleep(0.1)
        processes[1].kill()
        _, errors = processes[0].communicate(timeout=30)
    assert processes[0].returncode == 2
    assert errors.splitlines()[-1] == (
        "streetseg: another process of the run has ended; mend its cause, then go on with --resume"
    )


def test_what_processes_cannot_share_is_refused(monkeypatch: pytest.MonkeyPatch, camvid: Path, tmp_path: Path) -> None:
    monkeypatch.setattr("streetseg.training.distributed.world", lambda: 13)
    with pytest.raises(TrainingError, match="13 processes for 12 samples; start at most 12"):
        train(small(), camvid, tmp_path, progress=False)
    monkeypatch.setattr("streetseg.training.distributed.world", lambda: 2)
    with pytest.raises(TrainingError, match=r"batch 6 cannot be shared equally by 2 processes .* a multiple of 4"):
        check_shares(12, batch=6, accumulate=2)


@pytest.mark.slow
def test_a_count_of_processes_alone_is_no_job(camvid: Path, tmp_path: Path) -> None:
    command = ["train", "--recipe", "ddrnet_23_slim_camvid", "--data", str(camvid), "--out", str(tmp_path / "run")]
    environment = {name: value for name, value in os.environ.items() if name not in ("RANK", "MASTER_ADDR")}
    done = subprocess.run(
        [sys.executable, "-m", "streetseg", *command],
        env={**environment, "WORLD_SIZE": "2"}, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert line.startswith("streetseg: WORLD_SIZE is 2, but ")
    assert line.endswith("start by torchrun, or unset WORLD_SIZE")
