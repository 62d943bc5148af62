"""Rendering in several processes."""

from __future__ import annotations

import multiprocessing

import pytest

from streetseg.errors import OutputError
from streetseg.streets.parallel import render_many


@pytest.mark.slow
def test_a_killed_process_is_told_in_one_line() -> None:
    scenes = render_many([(seed, None) for seed in range(200)], (90, 120), 2)
    next(scenes)
    multiprocessing.active_children()[0].kill()
    with pytest.raises(OutputError, match="one of 2 rendering processes was killed, perhaps because memory") as told:
        list(scenes)
    assert "\n" not in str(told.value)
