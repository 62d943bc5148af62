"""The metrics agree with scikit-learn to 1e-12 on random maps."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, jaccard_score
from sklearn.metrics import confusion_matrix as oracle

from streetseg.data.pairs import IGNORE
from streetseg.measure.metrics import confusion_matrix, scores


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("classes", [2, 11, 255])
def test_agrees_with_scikit_learn(seed: int, classes: int) -> None:
    rng = np.random.default_rng((seed, classes))
    label = rng.integers(0, classes, (41, 57), np.uint8)
    prediction = np.where(rng.random(label.shape) < 0.6, label, rng.integers(0, classes, label.shape, np.uint8))
    label[rng.random(label.shape) < 0.1] = IGNORE
    counted = label != IGNORE
    matrix = confusion_matrix(label, prediction, classes)
    found = scores(matrix)

    true, predicted = label[counted], prediction[counted]
    np.testing.assert_array_equal(matrix, oracle(true, predicted, labels=range(classes)))
    present = np.union1d(true, predicted)
    expected = jaccard_score(true, predicted, labels=present, average=None)
    np.testing.assert_allclose(found.iou[present], expected, rtol=0, atol=1e-12)
    assert found.miou == pytest.approx(expected.mean(), abs=1e-12)
    assert found.pixel_accuracy == pytest.approx(accuracy_score(true, predicted), abs=1e-12)
    assert np.isnan(np.delete(found.iou, present)).all()


def test_a_class_only_predicted_counts_as_zero() -> None:
    matrix = confusion_matrix(np.zeros((2, 2), np.uint8), np.array([[0, 0], [0, 1]], np.uint8), 3)
    found = scores(matrix)
    np.testing.assert_array_equal(found.iou[:2], [0.75, 0])
    assert found.miou == 0.375


def test_nothing_labelled_is_nan_not_an_error() -> None:
    found = scores(confusion_matrix(np.full((2, 2), IGNORE, np.uint8), np.zeros((2, 2), np.uint8), 2))
    assert np.isnan(found.miou)
    assert np.isnan(found.pixel_accuracy)


def test_refuses_what_cannot_be_compared() -> None:
    with pytest.raises(ValueError, match="one shape"):
        confusion_matrix(np.zeros((2, 2), np.uint8), np.zeros((2, 3), np.uint8), 2)
    with pytest.raises(ValueError, match="below 2"):
        confusion_matrix(np.full((2, 2), 2, np.uint8), np.zeros((2, 2), np.uint8), 2)
