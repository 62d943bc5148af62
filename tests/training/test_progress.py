"""The lines about a run's progress."""

from __future__ import annotations

import pytest

from streetseg.training.progress import describe_evaluation, duration
from streetseg.training.tasks.task import Validation

CLASSES = {"road": 0.9, "car": 0.5, "pole": 0.1, "sky": 0.95, "sign": 0.2}
JUDGED = Validation({"miou": 0.53, "pixel_accuracy": 0.8}, CLASSES)


def test_an_evaluation_says_its_figure_the_worst_classes_and_the_time_left() -> None:
    assert describe_evaluation(100, 300, JUDGED, {"miou": 0.53, "step": 100}, 600) == (
        "step 100 of 300, about 10 min left: mIoU 53.00% (the best so far); worst: pole 10.00%, sign 20.00%, car 50.00%"
    )
    assert describe_evaluation(300, 300, JUDGED, {"miou": 0.61, "step": 200}, 0) == (
        "step 300 of 300: mIoU 53.00% (best 61.00% at step 200); worst: pole 10.00%, sign 20.00%, car 50.00%"
    )


def test_a_task_without_classes() -> None:
    line = describe_evaluation(1, 2, Validation({"accuracy": 0.5}), {"accuracy": 0.5, "step": 1}, 5)
    assert line == "step 1 of 2, about 5 s left: accuracy 50.00% (the best so far)"


@pytest.mark.parametrize(("seconds", "text"), [(40, "40 s"), (600, "10 min"), (9000, "2.5 h")])
def test_times_have_the_unit_that_suits_them(seconds: float, text: str) -> None:
    assert duration(seconds) == text
