"""Cards in files of every format, and every kind of file that is not an artefact of ours."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import safetensors.numpy

from streetseg.errors import ArtefactError
from streetseg.runtime.artefact import METADATA_KEY, onnx_content_hash, read_card, safetensors_content_hash
from streetseg.runtime.segmenter import DEFAULT_WEIGHTS
from tests.support.cards import CARD, one_line
from tests.support.tiny import tiny_graph

TENSORS = {"conv.weight": np.arange(54, dtype=np.float32).reshape(2, 3, 3, 3), "conv.bias": np.ones(2, np.float32)}


def onnx_file() -> tuple[bytes, str]:
    """An artefact's bytes, and the card's text within them."""
    artefact = tiny_graph()
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
    foreign = tiny_graph()
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
    taken = "NAME.onnx, NAME.xml, NAME.pt2, NAME.param, NAME.tflite, NAME.pte"
    for name in ("weights.txt", "weights", "weights.onnx.bak"):
        assert f"it takes {taken} and NAME.safetensors" in refused_file(tmp_path / name, content)
