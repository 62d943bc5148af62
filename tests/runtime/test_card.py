"""The card: its published schema, its way through JSON, and texts that are no card."""

from __future__ import annotations

import dataclasses
import json
from importlib.resources import files
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]

from streetseg.errors import ArtefactError
from streetseg.runtime.artefact import read_card
from streetseg.runtime.card import (
    ACCURACY_SINCE_VERSION_2,
    CARD_VERSION,
    INTERFACE_VERSION,
    SINCE_VERSION_2,
    Accuracy,
    ModelCard,
)
from streetseg.runtime.interface import Interface
from streetseg.runtime.provenance import Ancestor, today
from streetseg.runtime.segmenter import DEFAULT_WEIGHTS
from tests.support.cards import CARD, one_line

SCHEMA = json.loads(files("streetseg.runtime").joinpath("card.schema.json").read_text("utf-8"))
VALIDATOR = Draft202012Validator(SCHEMA)

ACCURACY = dataclasses.asdict(CARD.accuracy[0])
ANCESTOR = dataclasses.asdict(CARD.as_ancestors()[0])


# The schema


def test_the_schema_is_one_and_describes_every_field() -> None:
    Draft202012Validator.check_schema(SCHEMA)
    accuracy, ancestor = (SCHEMA["properties"][name]["items"] for name in ("accuracy", "ancestors"))
    later = {"network_arguments", "training_time", "temperature"}  # cards of 0.1.0's first artefacts lack them
    for schema, kind, optional in (
        (SCHEMA, ModelCard, {*later, *SINCE_VERSION_2, "interface"}),
        (accuracy, Accuracy, {*ACCURACY_SINCE_VERSION_2}),
        (ancestor, Ancestor, set()),
        (SCHEMA["properties"]["interface"], Interface, set()),
    ):
        fields = {field.name for field in dataclasses.fields(kind)}
        assert set(schema["properties"]) == fields
        assert set(schema["required"]) == fields - optional
        assert all(entry["description"] for entry in schema["properties"].values())
    assert SCHEMA["properties"]["card_version"]["enum"] == [*range(1, INTERFACE_VERSION + 1)]
    assert set(SCHEMA["else"]["required"]) == set(SCHEMA["then"]["properties"]) == set(SINCE_VERSION_2)


@pytest.mark.parametrize(
    "card",
    [
        CARD,
        CARD.started_from(CARD.as_ancestors()),
        read_card(DEFAULT_WEIGHTS),
        CARD.with_interface(Interface("float32", "nchw", (16, 24), "probabilities")).written(),
    ],
    ids=["constructed", "with ancestors", "shipped", "with an interface"],
)
def test_a_card_is_valid_and_comes_back_from_json(card: ModelCard) -> None:
    text = card.to_json()
    VALIDATOR.validate(json.loads(text))
    assert ModelCard.from_json(text, "here") == card


@pytest.mark.parametrize(
    "changes",
    [
        {"card_version": 4}, {"card_version": 1}, {"interface": dataclasses.asdict(Interface("float32"))},
        {"ancestors": [{"network": "a"}]},
        {"classes": []}, {"classes": ["road", "road", "sky"]}, {"colours": [[0, 0, 256]] * 3},
        {"native_short_side": 2**17}, {"output_stride": 128, "size_multiple": 128}, {"size_multiple": 2048},
        {"mean": [0, 0, 2e6]}, {"network": "n" * 5000}, {"classes": ["road", "sky", "c" * 5000]},
        {"mean": [1, 2]}, {"std": [1, 1, 0]}, {"operating_scale": 4.5}, {"value_range": [0, 1]}, {"ignore": 256},
        {"content_hash": "0" * 63}, {"content_hash": ""}, {"unheard_of": 1},
    ],
)  # fmt: skip
def test_the_schema_refuses_a_wrong_card(changes: dict[str, Any]) -> None:
    assert not VALIDATOR.is_valid(json.loads(CARD.to_json()) | changes)


# From JSON


def test_cards_without_network_arguments_are_read() -> None:
    values = json.loads(CARD.to_json())
    del values["network_arguments"]
    VALIDATOR.validate(values)
    assert ModelCard.from_json(json.dumps(values), "here") == CARD


def test_a_card_of_version_1_stays_one_until_it_is_written_anew() -> None:
    """The shipped artefacts have such cards."""
    old = read_card(DEFAULT_WEIGHTS)
    assert (old.card_version, old.title, old.date, old.ancestors) == (1, "", "", ())
    assert not json.loads(old.to_json()).keys() & {*SINCE_VERSION_2}
    assert not json.loads(old.to_json())["accuracy"][0].keys() & {*ACCURACY_SINCE_VERSION_2}
    new = old.written("anew")
    assert (new.card_version, new.title, new.date) == (CARD_VERSION, "anew", today())
    VALIDATOR.validate(json.loads(new.to_json()))
    assert ModelCard.from_json(new.to_json(), "here") == new


def test_a_card_of_version_1_has_no_fields_of_version_2() -> None:
    values = json.loads(CARD.to_json()) | {"card_version": 1, "title": "mine"}
    assert ModelCard.from_json(json.dumps(values), "here").title == ""


def refused_card(changes: dict[str, Any]) -> str:
    return refused_text(json.dumps(json.loads(CARD.to_json()) | changes))


def refused_text(text: str) -> str:
    with pytest.raises(ArtefactError) as caught:
        ModelCard.from_json(text, "here.onnx")
    return one_line(caught.value, "here.onnx")


@pytest.mark.parametrize("version", [INTERFACE_VERSION + 1, 999, 0, None, "1"])
def test_another_version_is_refused(version: object) -> None:
    assert f"version {version}; this streetseg reads 1 to {INTERFACE_VERSION}" in refused_card(
        {"card_version": version}
    )


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"colours": [[0, 0, 0]] * 2}, "3 classes but 2 colours"),
        ({"classes": [], "colours": []}, "0 classes, allowed are 1 to 255"),
        ({"classes": [str(i) for i in range(256)], "colours": [[0, 0, 0]] * 256}, "256 classes"),
        ({"classes": ["road", "sky", "road"]}, "two classes of one name"),
        ({"colours": [[0, 0, 0], [0, 0, 0], [0, 300, 0]]}, "a colour beyond 0 to 255"),
        ({"ignore": 2}, "ignore index 2 beside 3 classes"),
        ({"std": [50, 0, 50]}, "standard deviations (50, 0, 50)"),
        ({"output_stride": 0}, "output stride 0"),
        ({"temperature": 0}, "temperature 0"),
        ({"size_multiple": 0}, "size multiple 0"),
        ({"size_multiple": 3}, "size multiple 3 at output stride 4"),
        ({"operating_scale": 4.25}, "operating scale 4.25"),
        ({"native_short_side": -1}, "native short side -1"),
        ({"native_short_side": 2**17}, "native short side 131072"),
        ({"native_short_side": 10**40}, "41 digits"),
        ({"output_stride": 128, "size_multiple": 128}, "output stride 128"),
        ({"size_multiple": 2048}, "size multiple 2048"),
        ({"mean": [0, 0, 2e6]}, "mean (0, 0, 2000000.0)"),
        ({"network": "n" * 5000}, "a name that is too long"),
        ({"classes": ["road", "sky", "c" * 5000]}, "a name that is too long"),
        ({"seed": 2**63}, "19 digits"),
        ({"channel_order": "BGR"}, "an input other than RGB"),
        ({"value_range": [0, 1]}, "an input other than RGB, 0 to 255"),
        ({"logits_layout": "C x h x w"}, "logits C x h x w"),
        ({"logits_dtype": "float16"}, "of type float16"),
        ({"accuracy": [ACCURACY | {"miou": 68.1}]}, "an accuracy beyond 0 to 1"),
        ({"accuracy": [ACCURACY | {"iou": {"road": -0.1}}]}, "an accuracy beyond 0 to 1"),
        ({"mean": [1, 2]}, "mean is not of its type"),
        ({"mean": "123"}, "mean is not of its type"),
        ({"align_corners": 1}, "align_corners is not of its type"),
        ({"classes": "road"}, "classes is not of its type"),
        ({"recipe": "short"}, "recipe is not of its type"),
        ({"accuracy": [{"measured_on": ""}]}, "cannot be read"),
        ({"accuracy": [ACCURACY | {"miou": "a"}]}, "accuracy is not of its type"),
        ({"accuracy": [ACCURACY | {"left_out_share": 2}]}, "an accuracy beyond 0 to 1"),
        ({"ancestors": [{"network": "a"}]}, "cannot be read"),
        ({"ancestors": [ANCESTOR | {"terms": 7}]}, "ancestors is not of its type"),
        ({"date": 20261130}, "date is not of its type"),
    ],
)
def test_a_contradictory_card_is_refused(changes: dict[str, Any], complaint: str) -> None:
    assert complaint in refused_card(changes)


@pytest.mark.parametrize("text", ["", "{", "null", "[]", "7", '"card"', "{}", '{"card_version": 1}', "[" * 100_000])
def test_what_is_no_card_is_refused(text: str) -> None:
    refused_text(text)


def test_an_unknown_key_is_passed_over() -> None:
    text = json.dumps(json.loads(CARD.to_json()) | {"unheard_of": 1})
    assert ModelCard.from_json(text, "here") == CARD


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 300) | st.floats(allow_nan=False) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


@pytest.mark.slow
@settings(max_examples=60)
@given(st.sampled_from(dataclasses.fields(ModelCard)), JSON_VALUES)
def test_whatever_a_field_holds_it_is_refused_or_valid(field: dataclasses.Field[Any], value: Any) -> None:
    values = json.loads(CARD.to_json()) | {field.name: value}
    try:
        card = ModelCard.from_json(json.dumps(values), "here.onnx")
    except ArtefactError as error:
        one_line(error, "here.onnx")
    else:
        # What the hash is compared with, read_card knows; here any text will do.
        VALIDATOR.validate(json.loads(dataclasses.replace(card, content_hash="0" * 64).to_json()))


# Ancestors


def card_of(data: str, terms: str, *, limits: tuple[str, ...] = (), **changes: Any) -> ModelCard:
    return dataclasses.replace(CARD, training_data=data, terms=terms, limits=limits, **changes)


def test_data_terms_and_limits_of_all_ancestors_stand_on_the_card() -> None:
    first = card_of("camvid, split trainval", "Research only.", limits=("Never saw night.",), content_hash="1" * 64)
    second = card_of("streets, split train", "Ours.", content_hash="2" * 64).started_from(first.as_ancestors())
    third = card_of("own, split train", "Own terms.", limits=("One camera.",)).started_from(second.as_ancestors())
    assert third.training_data == (
        "own, split train; started from weights trained on streets, split train; started from weights trained on "
        "camvid, split trainval"
    )
    assert third.terms == (
        "Own terms. The weights that it started from were trained on streets, split train: Ours. The weights that it "
        "started from were trained on camvid, split trainval: Research only."
    )
    assert third.limits == ("One camera.", "Of the weights that it started from: Never saw night.")
    assert [(one.training_data, one.terms, one.limits, one.content_hash) for one in third.ancestors] == [
        ("streets, split train", "Ours.", (), "2" * 64),
        ("camvid, split trainval", "Research only.", ("Never saw night.",), "1" * 64),
    ]
    assert all(one.recipe == CARD.recipe for one in third.ancestors)


def test_stages_on_the_same_data_state_it_once() -> None:
    first = card_of("camvid, split train", "Research only.", limits=("Never saw night.",))
    restart = first.started_from(first.as_ancestors())
    again = first.started_from(restart.as_ancestors())
    for card, stages in ((restart, 1), (again, 2)):
        assert (card.training_data, card.terms, card.limits) == (first.training_data, first.terms, first.limits)
        assert len(card.ancestors) == stages


def test_the_table_names_ancestors_and_says_what_is_not_known() -> None:
    first = card_of("camvid, split train", "Research only.", recipe={"name": "short", "init": "gone.safetensors"})
    table = card_of("own, split train", "Own terms.").started_from(first.as_ancestors()).table()
    words = " ".join(table.split())
    assert "started from two_convolutions, content hash 0000" in words
    assert "terms Research only." in words
    assert words.endswith("started from gone.safetensors, of which this card does not say more")


def test_the_date_can_be_given_for_files_that_are_to_be_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "86400")
    assert CARD.written().date == "1970-01-02"
