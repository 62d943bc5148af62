"""The metrics agree with scikit-learn to 1e-12 on random maps."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streetseg.data.pairs import IGNORE
from streetseg.measure.metrics import confusion_matrix, scores


@pytest.mark.slow
@settings(deadline=None)
@given(st.integers(0, 2**32), st.integers(2, 255), st.integers(2, 2000), st.floats(0, 1))
def test_agrees_with_scikit_learn(seed: int, classes: int, pixels: int, void: float) -> None:
    from sklearn import metrics as oracle  # here, for it takes seconds

    rng = np.random.default_rng(seed)
    label = rng.integers(0, rng.integers(1, classes + 1), pixels, np.uint8)
    prediction = np.where(rng.random(pixels) < 0.6, label, rng.integers(0, classes, pixels, np.uint8))
    label[rng.random(pixels) < void] = IGNORE
    label[0] = 0  # something is labelled
    counted = label != IGNORE
    matrix = confusion_matrix(label, prediction, classes)
    found = scores(matrix)

    true, predicted = label[counted], prediction[counted]
    np.testing.assert_array_equal(matrix, oracle.confusion_matrix(true, predicted, labels=range(classes)))
    present, labelled = np.union1d(true, predicted), np.unique(true)
    expected = {
        "iou": oracle.jaccard_score(true, predicted, labels=present, average=None, zero_division=0),
        "f1": oracle.f1_score(true, predicted, labels=present, average=None, zero_division=0),
    }
    for name, values in expected.items():
        np.testing.assert_allclose(getattr(found, name)[present], values, rtol=0, atol=1e-12)
        assert np.isnan(np.delete(getattr(found, name), present)).all()
    recall = oracle.recall_score(true, predicted, labels=labelled, average=None, zero_division=0)
    np.testing.assert_allclose(found.accuracy[labelled], recall, rtol=0, atol=1e-12)
    frequency = np.bincount(true, minlength=classes)[present] / len(true)
    assert [found.miou, found.mean_f1, found.class_accuracy, found.pixel_accuracy, found.fwiou] == pytest.approx(
        [
            expected["iou"].mean(),
            expected["f1"].mean(),
            recall.mean(),
            oracle.accuracy_score(true, predicted),
            frequency @ expected["iou"],
        ],
        rel=0,
        abs=1e-12,
    )


def test_a_class_only_predicted_counts_as_zero() -> None:
    matrix = confusion_matrix(np.zeros((2, 2), np.uint8), np.array([[0, 0], [0, 1]], np.uint8), 3)
    found = scores(matrix)
    np.testing.assert_array_equal(found.iou[:2], [0.75, 0])
    assert found.miou == 0.375


def test_a_class_that_the_labels_do_not_know_is_not_judged_but_its_pixels_are_wrong() -> None:
    matrix = confusion_matrix(np.zeros((2, 2), np.uint8), np.array([[0, 0], [0, 1]], np.uint8), 2)
    found = scores(matrix, np.array([True, False]))
    assert (found.miou, found.pixel_accuracy, found.fwiou) == (0.75, 0.75, 0.75)
    assert np.isnan(found.iou[1])


def test_nothing_labelled_is_nan_not_an_error() -> None:
    found = scores(confusion_matrix(np.full((2, 2), IGNORE, np.uint8), np.zeros((2, 2), np.uint8), 2))
    assert np.isnan([found.miou, found.pixel_accuracy, found.class_accuracy, found.fwiou, found.mean_f1]).all()


def test_refuses_what_cannot_be_compared() -> None:
    with pytest.raises(ValueError, match="one shape"):
        confusion_matrix(np.zeros((2, 2), np.uint8), np.zeros((2, 3), np.uint8), 2)
    with pytest.raises(ValueError, match="below 2"):
        confusion_matrix(np.full((2, 2), 2, np.uint8), np.zeros((2, 2), np.uint8), 2)
