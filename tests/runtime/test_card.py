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
from streetseg.runtime.card import CARD_VERSION, Accuracy, ModelCard
from streetseg.runtime.segmenter import DEFAULT_WEIGHTS
from tests.support.cards import CARD, one_line

SCHEMA = json.loads(files("streetseg.runtime").joinpath("card.schema.json").read_text("utf-8"))
VALIDATOR = Draft202012Validator(SCHEMA)

ACCURACY = dataclasses.asdict(CARD.accuracy[0])


# The schema


def test_the_schema_is_one_and_describes_every_field() -> None:
    Draft202012Validator.check_schema(SCHEMA)
    accuracy = SCHEMA["properties"]["accuracy"]["items"]
    later = {"network_arguments", "training_time"}  # cards of 0.1.0's first artefacts lack them
    for schema, kind in ((SCHEMA, ModelCard), (accuracy, Accuracy)):
        fields = {field.name for field in dataclasses.fields(kind)}
        assert set(schema["properties"]) == fields
        assert set(schema["required"]) == fields - later
        assert all(entry["description"] for entry in schema["properties"].values())
    assert SCHEMA["properties"]["card_version"]["const"] == CARD_VERSION


@pytest.mark.parametrize("card", [CARD, read_card(DEFAULT_WEIGHTS)], ids=["constructed", "shipped"])
def test_a_card_is_valid_and_comes_back_from_json(card: ModelCard) -> None:
    text = card.to_json()
    VALIDATOR.validate(json.loads(text))
    assert ModelCard.from_json(text, "here") == card


@pytest.mark.parametrize(
    "changes",
    [
        {"card_version": 2}, {"classes": []}, {"classes": ["road", "road", "sky"]}, {"colours": [[0, 0, 256]] * 3},
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


def refused_card(changes: dict[str, Any]) -> str:
    return refused_text(json.dumps(json.loads(CARD.to_json()) | changes))


def refused_text(text: str) -> str:
    with pytest.raises(ArtefactError) as caught:
        ModelCard.from_json(text, "here.onnx")
    return one_line(caught.value, "here.onnx")


@pytest.mark.parametrize("version", [CARD_VERSION + 1, 999, 0, None, "1"])
def test_another_version_is_refused(version: object) -> None:
    assert f"version {version}; this streetseg reads 1 to {CARD_VERSION}" in refused_card({"card_version": version})


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
        ({"size_multiple": 0}, "size multiple 0"),
        ({"size_multiple": 3}, "size multiple 3 at output stride 4"),
        ({"operating_scale": 4.25}, "operating scale 4.25"),
        ({"native_short_side": -1}, "native short side -1"),
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
