"""Classes are matched by what the user says, by name, by spelling and by synonym, in this order."""

from __future__ import annotations

import unicodedata
from itertools import chain

import pytest

from streetseg.data import camvid, cityscapes_classes
from streetseg.data.class_names import NEEDED, SYNONYMS, described, match_classes, spelling
from streetseg.errors import UsageError

CAMVID, CITYSCAPES = camvid.LABELS.names, cityscapes_classes.LABELS.names
# As the SegNet tutorial calls them.
SEGNET = ("Sky", "Building", "Column_Pole", "Road", "Pavement", "Tree", "SignSymbol", "Fence", "Car", "Pedestrian",
          "Bicyclist")  # fmt: skip


def matched(labels: tuple[str, ...], known: tuple[str, ...], **mapping: str) -> dict[str, str]:
    return {one.label: one.known for one in match_classes(labels, known, mapping).matches}


def test_equal_names_match_and_nothing_else_is_said() -> None:
    matching = match_classes(CAMVID, CAMVID)
    assert matching.indices() == list(range(11))
    assert (matching.left_out, matching.unused, described(matching.matches)) == ((), (), "")


@pytest.mark.parametrize("label", ["Traffic Sign", "traffic_sign", "TRAFFIC-SIGN", "traffic  sign", "trafficsign"])
def test_spellings_are_equal(label: str) -> None:
    matching = match_classes((label,), CITYSCAPES)
    assert matching.indices() == [CITYSCAPES.index("traffic sign")]
    assert described(matching.matches) == f"{label} = traffic sign (spelt differently)"


def test_composed_and_decomposed_letters_are_equal() -> None:
    composed, decomposed = (unicodedata.normalize(form, "Gebüsch") for form in ("NFC", "NFD"))
    assert composed != decomposed
    assert matched((decomposed,), (composed,)) == {decomposed: composed}


def test_the_weights_of_camvid_know_these_classes_of_cityscapes() -> None:
    matching = match_classes(CITYSCAPES, CAMVID)
    assert described(matching.matches) == ("traffic sign = sign, vegetation = tree, person = pedestrian (synonyms)")
    assert matching.left_out == (
        "wall", "traffic light", "terrain", "rider", "truck", "bus", "train", "motorcycle", "bicycle",
    )  # fmt: skip
    assert matching.unused == ("cyclist",)


def test_segnets_names_are_camvids() -> None:
    assert match_classes(SEGNET, CAMVID).indices() == list(range(11))
    assert match_classes(CAMVID, SEGNET).indices() == list(range(11))


def test_the_table_has_each_name_once_and_what_needs_another_class_stands_in_it() -> None:
    spellings = [spelling(name) for name in chain(*SYNONYMS)]
    assert len(spellings) == len(set(spellings))
    assert NEEDED.keys() <= set(spellings)


@pytest.mark.parametrize(
    ("label", "known"),
    [
        ("bicycle", "cyclist"), ("bicycle", "bicyclist"), ("rider", "cyclist"), ("vehicle", "car"), ("bike", "bicycle"),
        ("terrain", "vegetation"), ("traffic light", "traffic sign"), ("motorcycle", "motorcyclist"),
        ("road marking", "road"), ("truck", "car"), ("van", "car"), ("person", "rider"),
    ],
)  # fmt: skip
def test_what_overlaps_is_no_synonym(label: str, known: str) -> None:
    assert matched((label, "road"), (known, "road")) == ({"road": "road"})
    assert matched((known, "road"), (label, "road")) == ({"road": "road"})


def test_an_exact_name_wins_over_a_synonym() -> None:
    """Labels that have both names mean two things."""
    assert matched(("vegetation", "tree"), ("tree",)) == {"tree": "tree"}
    assert matched(("vegetation",), ("tree", "vegetation")) == {"vegetation": "vegetation"}
    assert matched(("vegetation",), ("tree", "trees")) == {}  # which of them?
    assert matched(("Tree", "vegetation"), ("tree",)) == {"Tree": "tree"}


def test_a_pavement_is_a_sidewalk_only_beside_a_road() -> None:
    assert matched(("pavement", "road"), ("sidewalk", "road")) == {"pavement": "sidewalk", "road": "road"}
    assert matched(("pavement", "sky"), ("sidewalk", "road")) == {}


def test_a_spelling_of_two_classes_is_none() -> None:
    assert matched(("ROAD",), ("road", "Road")) == {}
    assert matched(("Road", "road"), ("road",)) == {"Road": "road", "road": "road"}


def test_the_user_decides_first() -> None:
    mapping = {"Person": "PEDESTRIAN", "rider": "cyclist", "truck": "car", "bus": "car", "vegetation": ""}
    matching = match_classes(CITYSCAPES, CAMVID, mapping)
    found = {one.label: one.known for one in matching.matches}
    assert {name: found[name] for name in ("person", "rider", "truck", "bus", "car")} == {
        "person": "pedestrian", "rider": "cyclist", "truck": "car", "bus": "car", "car": "car",
    }  # fmt: skip
    assert "vegetation" in matching.left_out
    assert described(matching.matches) == (
        "person = pedestrian, rider = cyclist, truck = car, bus = car (by --map); traffic sign = sign (synonyms)"
    )
    assert matched(("road", "car"), ("road", "car"), road="car") == {"road": "car", "car": "car"}


@pytest.mark.parametrize(
    ("mapping", "complaint"),
    [
        ({"persn": "pedestrian"}, "--map persn=pedestrian: the labels have no class 'persn'; did you mean 'person'?"),
        ({"person": "pedestrain"}, "the weights have no class 'pedestrain'; did you mean 'pedestrian'?"),
        ({"pedestrian": "person"}, "the labels have no class 'pedestrian'; write the class of the labels first"),
        ({"zebra": "sky"}, "the labels have no class 'zebra'; there are road, sidewalk, building, "),
        ({"person": "sky", "Person": "road"}, "--map gives 'person' two classes, 'sky' and 'road'; give one"),
    ],
)
def test_a_typo_is_refused_with_the_nearest_name(mapping: dict[str, str], complaint: str) -> None:
    with pytest.raises(UsageError) as caught:
        match_classes(CITYSCAPES, CAMVID, mapping)
    assert complaint in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_name_of_two_classes_must_be_spelt() -> None:
    with pytest.raises(UsageError, match="'ROAD' could be 'road' or 'Road' of the labels; spell it so"):
        match_classes(("road", "Road"), ("sky",), {"ROAD": "sky"})
