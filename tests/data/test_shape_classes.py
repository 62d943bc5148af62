"""Classes of shapes: from the labels, or from a classes.yaml beside the data, which wins."""

from __future__ import annotations

from pathlib import Path

import pytest

from streetseg.data.own_classes import OwnClass
from streetseg.data.pairs import IGNORE
from streetseg.data.shape_classes import shape_classes
from streetseg.errors import DatasetError


def found(*names: str) -> list[OwnClass]:
    return [OwnClass(name, (0,), ((9, 9, 9),)) for name in names]


def test_namesakes_are_one_class_and_colours_are_distinct(tmp_path: Path) -> None:
    classes = shape_classes(tmp_path, found("road", "Straße", "STRASSE", "road "), None)
    assert classes.labels.names == ("road", "Straße")
    assert len(set(classes.labels.colours)) == 2
    assert classes.index("strasse") == 1
    with pytest.raises(ValueError, match="label 'raod' is not a class; did you mean road"):
        classes.index("raod")


def test_background_has_what_no_shape_covers(tmp_path: Path) -> None:
    assert shape_classes(tmp_path, found("road", "car"), None).uncovered == IGNORE
    classes = shape_classes(tmp_path, found("car", "Background"), None)
    assert classes.uncovered == 1
    assert classes.note == "pixels that no shape covers are Background"


def test_labels_that_tools_use_for_void_do_not_count(tmp_path: Path) -> None:
    classes = shape_classes(tmp_path, found("road", "__ignore__", "car"), None)
    assert classes.labels.names == ("road", "car")
    assert classes.index("__ignore__") == IGNORE


def test_classes_yaml_wins(tmp_path: Path) -> None:
    (tmp_path / "classes.yaml").write_text("- car\n- {name: Road, colour: [1, 2, 3]}\n- {name: bonnet, ignore: true}\n")
    classes = shape_classes(tmp_path, found("road", "car", "sky", "bonnet"), None)
    assert classes.labels.names == ("car", "Road")
    assert classes.labels.colours[1] == (1, 2, 3)
    assert [classes.index(name) for name in ("car", "ROAD", "bonnet", "sky")] == [0, 1, IGNORE, IGNORE]
    assert "labels that classes.yaml does not list do not count: sky" in classes.note
    assert classes.path == tmp_path / "classes.yaml"


def test_others_has_the_rest(tmp_path: Path) -> None:
    (tmp_path / "classes.yaml").write_text("- car\n- {name: rest, others: true}\n")
    classes = shape_classes(tmp_path, found("road", "car"), None)
    assert (classes.index("road"), classes.uncovered) == (1, 1)
    assert "labels that classes.yaml does not list are rest: road" in classes.note


@pytest.mark.parametrize(
    ("names", "problem"),
    [
        ((), "has no labels: no shape is drawn"),
        (("car",), r"has 1 class that counts, and at least 2 are needed; .* the lines '- background' and '- car'"),
        (("void",), r"has 0 classes that count"),
        (tuple(f"class {i}" for i in range(300)), "has 300 classes; list those that count, 255 at most, in"),
    ],
)
def test_too_few_and_too_many_classes_are_told(tmp_path: Path, names: tuple[str, ...], problem: str) -> None:
    with pytest.raises(DatasetError, match=problem):
        shape_classes(tmp_path, found(*names), None)
