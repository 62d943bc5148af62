"""The card: its published schema, its way through JSON, and every kind of file that is no artefact of ours."""

from __future__ import annotations

import dataclasses
import json
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import safetensors.numpy
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]
from onnx import TensorProto, helper, numpy_helper

from streetseg.errors import ArtefactError
from streetseg.runtime.card import (
    CARD_VERSION,
    METADATA_KEY,
    Accuracy,
    ModelCard,
    onnx_content_hash,
    read_card,
    safetensors_content_hash,
)
from streetseg.runtime.segmenter import DEFAULT_WEIGHTS

SCHEMA = json.loads(files("streetseg.runtime").joinpath("card.schema.json").read_text("utf-8"))
VALIDATOR = Draft202012Validator(SCHEMA)

CARD = ModelCard(
    network="two_convolutions",
    classes=("road", "Gebüsch", "sky"),
    colours=((128, 64, 128), (107, 142, 35), (70, 130, 180)),
    mean=(123.675, 116.28, 103.53),
    std=(58.395, 57.12, 57.375),
    output_stride=4,
    size_multiple=8,
    align_corners=True,
    native_short_side=360,
    operating_scale=0.75,
    training_data="camvid, split train",
    terms="research",
    recipe={"name": "short", "crop": [256, 352], "aux_weights": {"high4": 0.4}, "seed": 1},
    seed=1,
    package_version="0.1.0",
    training_time="1.2 hours, one core",
    accuracy=(
        Accuracy(
            "camvid, val", "0f" * 32, "openvino, float32", 0.5, {"road": 0.75, "Gebüsch": None, "sky": 0.25}, "cmd"
        ),
    ),
    limits=("Never saw night.", "Never saw snow."),
    content_hash="0" * 64,
)
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


def one_line(error: Exception, source: object) -> str:
    message = str(error)
    assert message.startswith((f"{source} ", f"weights file {source} "))
    assert "\n" not in message
    return message


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


# From files


def model() -> onnx.ModelProto:
    """A graph that runs, without a card: frames to logits of three classes at stride 4, by one convolution."""
    weights = np.random.default_rng(0).normal(size=(3, 3, 4, 4)).astype(np.float32)
    nodes = [
        helper.make_node("Cast", ["frame"], ["float"], to=TensorProto.FLOAT),
        helper.make_node("Transpose", ["float"], ["x"], perm=[0, 3, 1, 2]),
        helper.make_node("Conv", ["x", "weights"], ["y"], strides=[4, 4]),
        helper.make_node("Transpose", ["y"], ["logits"], perm=[0, 2, 3, 1]),
    ]
    inputs = [helper.make_tensor_value_info("frame", TensorProto.UINT8, ["n", "H", "W", 3])]
    outputs = [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["n", "h", "w", 3])]
    graph = helper.make_graph(nodes, "graph", inputs, outputs, [numpy_helper.from_array(weights, "weights")])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)


TENSORS = {"conv.weight": np.arange(54, dtype=np.float32).reshape(2, 3, 3, 3), "conv.bias": np.ones(2, np.float32)}


def onnx_file() -> tuple[bytes, str]:
    """An artefact's bytes, and the card's text within them."""
    artefact = model()
    content_hash = onnx_content_hash(artefact.SerializeToString(), Path("a.onnx"))
    text = dataclasses.replace(CARD, content_hash=content_hash).to_json()
    artefact.metadata_props.append(onnx.StringStringEntryProto(key=METADATA_KEY, value=text))
    return artefact.SerializeToString(), text


def safetensors_file() -> tuple[bytes, str]:
    """Unfolded weights' bytes, and the card's text within them, escaped as it lies there."""
    content_hash = safetensors_content_hash(safetensors.numpy.save(TENSORS), Path("a.safetensors"))
    text = dataclasses.replace(CARD, content_hash=content_hash).to_json()
    return safetensors.numpy.save(TENSORS, {METADATA_KEY: text}), json.dumps(text, ensure_ascii=False)[1:-1]


FORMATS = {".onnx": onnx_file, ".safetensors": safetensors_file}


def refused_file(path: Path, content: bytes | None = None) -> str:
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ArtefactError) as caught:
        read_card(path)
    return one_line(caught.value, path)


@pytest.mark.parametrize("suffix", FORMATS)
def test_a_file_keeps_its_card(tmp_path: Path, suffix: str) -> None:
    content, _ = FORMATS[suffix]()
    path = tmp_path / f"weights{suffix}"
    path.write_bytes(content)
    card = read_card(str(path))
    assert card == read_card(path)
    assert dataclasses.replace(card, content_hash=CARD.content_hash) == CARD


@pytest.mark.parametrize("suffix", FORMATS)
def test_a_file_cut_anywhere_is_refused(tmp_path: Path, suffix: str) -> None:
    content, _ = FORMATS[suffix]()
    for length in range(0, len(content), 7):
        refused_file(tmp_path / f"cut{suffix}", content[:length])


@pytest.mark.parametrize("suffix", FORMATS)
@pytest.mark.parametrize(("first", "mask"), [(0, 0x01), (3, 0x80)])
def test_a_byte_flipped_anywhere_is_noticed(tmp_path: Path, suffix: str, first: int, mask: int) -> None:
    """But within the card's own text, which no hash covers: there it may change what the card says."""
    content, text = FORMATS[suffix]()
    path = tmp_path / f"flipped{suffix}"
    card = content.index(text.encode())
    for at in range(first, len(content), 7):
        flipped = bytearray(content)
        flipped[at] ^= mask
        path.write_bytes(flipped)
        if at not in range(card, card + len(text.encode())):
            refused_file(path)
            continue
        try:
            read_card(path)
        except ArtefactError as error:
            one_line(error, path)


def test_the_shipped_artefact_cut_or_flipped_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "shipped.onnx"
    content = bytearray(DEFAULT_WEIGHTS.read_bytes())
    for at in (0, 20, len(content) // 3, len(content) * 2 // 3, content.rindex(METADATA_KEY.encode())):
        content[at] ^= 0x10
        refused_file(path, bytes(content))
        content[at] ^= 0x10
    for length in (1, 100, len(content) // 2, len(content) - 1):
        refused_file(path, bytes(content[:length]))
    path.write_bytes(content)
    assert read_card(path) == read_card(DEFAULT_WEIGHTS)


def test_a_field_that_no_message_has_is_damage(tmp_path: Path) -> None:
    beyond = DEFAULT_WEIGHTS.read_bytes() + b"\x82\x80\x80\x80\x80\x10\x00"
    refused_file(tmp_path / "damaged.onnx", beyond)


def test_foreign_models_are_told_so(tmp_path: Path) -> None:
    foreign = model()
    foreign.metadata_props.append(onnx.StringStringEntryProto(key="author", value="someone"))
    message = refused_file(tmp_path / "foreign.onnx", foreign.SerializeToString())
    assert "without a card" in message
    assert "streetseg export" in message

    for metadata in (None, {"format": "pt"}):
        content = safetensors.numpy.save(TENSORS, metadata)
        assert "without a card" in refused_file(tmp_path / "foreign.safetensors", content)


HEADERS = [
    [], "x", {"__metadata__": "x"}, {"__metadata__": None}, {"a": 1}, {"a": {}}, {"a": {"data_offsets": [0]}},
    {"a": {"data_offsets": ["0", "1"], "dtype": "F32", "shape": []}}, {"a": {"data_offsets": [0, 1]}},
    {"a": {"data_offsets": [0, 10**30], "dtype": "F32", "shape": []}},
]  # fmt: skip


@pytest.mark.parametrize("header", HEADERS, ids=json.dumps)
def test_a_strange_safetensors_header_is_refused(tmp_path: Path, header: Any) -> None:
    if isinstance(header, dict) and "__metadata__" not in header:
        header = header | {"__metadata__": {METADATA_KEY: CARD.to_json()}}
    text = json.dumps(header).encode()
    refused_file(tmp_path / "strange.safetensors", len(text).to_bytes(8, "little") + text + bytes(8))


@pytest.mark.parametrize("suffix", FORMATS)
def test_what_is_no_weights_file_is_refused(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"weights{suffix}"
    assert "does not exist" in refused_file(path)
    assert "is empty" in refused_file(path, b"")
    for content in (b"<!DOCTYPE html>\n<html><body>404</body></html>\n", b"hello\n", bytes(100), b"\xff" * 100):
        refused_file(path, content)
    path.unlink()
    path.mkdir()
    assert "cannot be read" in refused_file(path)


def test_another_suffix_is_refused(tmp_path: Path) -> None:
    content, _ = onnx_file()
    for name in ("weights.pt", "weights", "weights.onnx.bak"):
        assert "it takes NAME.onnx, NAME.pt2 and NAME.safetensors" in refused_file(tmp_path / name, content)
