"""docs/card.md, the contract for programs that are not ours: its fields, its key, its worked example."""

from __future__ import annotations

import dataclasses
import json
import re
import types
import typing
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import openvino as ov
import pytest

from streetseg.runtime.artefact import METADATA_KEY, PROGRAM_CARD
from streetseg.runtime.card import INTERFACE_VERSION, MAX_OPERATING_SCALE, SINCE_VERSION_2, ModelCard
from streetseg.runtime.classmap import cells_along, class_map
from streetseg.runtime.frames import resize
from streetseg.runtime.segmenter import DEFAULT_WEIGHTS, Segmenter
from tests.support import pages
from tests.support.cards import CARD
from tests.support.paths import ROOT

PAGE = ROOT / "docs" / "card.md"
TEXT = PAGE.read_text()
ROWS = re.findall(r"^\| `(\w+)` \| ([a-z][^|]*) \| ([^|]*)\| ([^|]*) \|$", TEXT, re.MULTILINE)
SCALARS = {str: "text", int: "integer", float: "number", bool: "true or false"}


def in_words(kind: Any) -> str:
    """Return the page's words for a field's type."""
    if kind in SCALARS:
        return SCALARS[kind]
    if typing.get_origin(kind) is dict or dataclasses.is_dataclass(kind):
        return "object"
    (inner,) = {in_words(item) for item in typing.get_args(kind) if item not in (..., type(None))}
    if typing.get_origin(kind) is types.UnionType:
        return inner
    return f"list of {inner.replace('list of', 'lists of').replace('object', 'objects')}"


def test_every_field_stands_on_the_page_with_its_type() -> None:
    assert {name: kind for name, kind, _, _ in ROWS} == {
        name: in_words(kind) for name, kind in typing.get_type_hints(ModelCard).items()
    }
    assert all(meaning.strip() for *_, meaning in ROWS)
    bounds = {name: bound.strip() for name, _, bound, _ in ROWS}
    assert {name for name, bound in bounds.items() if bound == "since version 2"} == set(SINCE_VERSION_2)
    assert bounds["card_version"] == f"1 to {INTERFACE_VERSION}"
    assert bounds["operating_scale"] == f"above 0, at most {MAX_OPERATING_SCALE}"
    assert bounds["channel_order"] == f"`{CARD.channel_order}`"
    assert bounds["value_range"] == f"`{list(CARD.value_range)}`"
    assert bounds["logits_layout"].startswith(f"`{CARD.logits_layout}`;")
    assert bounds["logits_dtype"] == f"`{CARD.logits_dtype}`"


def test_the_card_lies_where_the_page_says() -> None:
    assert f"key `{METADATA_KEY}`" in TEXT
    assert f"`{PROGRAM_CARD}`" in TEXT
    model = ov.Core().read_model(DEFAULT_WEIGHTS)
    text = model.get_rt_info(["framework", METADATA_KEY]).astype(str)
    assert ModelCard.from_json(text, "the model").network == "ddrnet_23_slim"
    (frame,), (logits,) = model.inputs, model.outputs
    assert (frame.any_name, logits.any_name) == ("frame", "logits")
    assert frame.element_type == ov.Type.u8
    assert logits.element_type == ov.Type.f32


def test_characters_beyond_ascii_stand_as_they_are() -> None:
    assert '"Gebüsch"' in CARD.to_json()


@pytest.mark.parametrize("align_corners", [False, True])
def test_the_worked_example(align_corners: bool) -> None:
    (example,) = [json.loads(block.text) for block in pages.blocks(PAGE) if block.language == "json"]
    row = np.array(example["row"], np.uint8)
    reduced = resize(np.stack([row] * 3, axis=1)[None], (1, len(example["row_reduced"])))
    assert reduced[0, :, 0].tolist() == example["row_reduced"]

    card = dataclasses.replace(CARD, align_corners=align_corners, **example["card"])
    segmenter = Segmenter(card, cast(Any, SimpleNamespace()))
    height, width = size = tuple(example["frame"])
    content = segmenter.content_size_of(size)
    padded = segmenter.padded_size_of(content)
    assert [*content] == example["content"]
    assert [*padded] == example["padded"]
    logits = np.array(example["logits"], np.float32)
    assert logits.shape[:2] == tuple(-(-side // card.output_stride) for side in padded)
    convention = f"align_corners {str(align_corners).lower()}"
    place = cells_along(logits.shape[1], width, content[1], padded[1], align_corners).weight[4]
    assert round(float(place), 4) == value(example, "place_of_x_4", convention)
    classes = class_map(logits, size, content_size=content, padded_size=padded, align_corners=align_corners)
    expected = value(example, "row_of_classes", convention)
    assert ["".join(map(str, line)) for line in classes.tolist()] == [expected] * height


def value(example: Mapping[str, Any], name: str, convention: str) -> Any:
    return example[name][convention]
