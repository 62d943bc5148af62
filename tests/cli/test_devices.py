"""`--device` of every verb that runs a network: what it takes, and one line for what it does not."""

from __future__ import annotations

import pytest

from tests.support.command_line import Refused

COMMANDS = {
    "predict": ["predict", "missing.png", "--out", "out"],
    "evaluate": ["evaluate", "ddrnet_23_slim-camvid", "--data", "missing"],
    "bench frames": ["bench", "frames"],
    "tables": ["tables", "ddrnet-V", "--bench"],
}


@pytest.mark.parametrize("verb", COMMANDS)
def test_every_verb_that_runs_a_network_takes_a_device(verb: str, refused: Refused) -> None:
    there = "cpu, gpu, npu, auto, cuda, tensorrt, mps, cuda:N"
    assert refused(*COMMANDS[verb], "--device", "tpu") == f"streetseg: unknown device 'tpu'; choose one of {there}"
