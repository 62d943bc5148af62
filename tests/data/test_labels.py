"""Classes without a folder of data: by a dataset's name, from a list, from a file, from a count."""

from __future__ import annotations

from pathlib import Path

import pytest

from streetseg.data.labels import label_space, likely_labels
from streetseg.errors import UsageError


def test_label_spaces(tmp_path: Path) -> None:
    assert likely_labels(19) == label_space("cityscapes")
    assert likely_labels(3).names == label_space("3").names == ("class_0", "class_1", "class_2")
    names = tmp_path / "names.txt"
    names.write_text("road\n\n sky \n")
    assert label_space(str(names)) == label_space("road, sky")
    assert len(set(label_space("road,sky").colours)) == 2
    for wrong in ("camvit", "a,a", "0", "300", ",", str(tmp_path)):
        with pytest.raises(UsageError) as caught:
            label_space(wrong)
        assert repr(wrong) in str(caught.value)
        assert "\n" not in str(caught.value)
