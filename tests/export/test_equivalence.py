"""streetseg.verify: equal files pass in every form; each classic mistake is called by its name."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

import streetseg
from streetseg.errors import UsageError
from streetseg.export.equivalence import Verification
from streetseg.runtime.segmenter import DEFAULT_WEIGHTS
from streetseg.streets.scene import render
from tests.support import planted
from tests.support.paths import ROOT
from tests.support.planted import CARD, node_of, put_after, put_before, store, write

Edit = Callable[[onnx.ModelProto], object]
STREET = render(3, (96, 128)).frame


@pytest.fixture(scope="module")
def graph() -> onnx.ModelProto:
    return planted.small_graph()


@pytest.fixture(scope="module")
def artefact(graph: onnx.ModelProto, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(planted.copied(graph), tmp_path_factory.mktemp("small") / "small.onnx")


def edited(graph: onnx.ModelProto, path: Path, *edits: Edit, ours: bool = True) -> Path:
    model = planted.copied(graph)
    for edit in edits:
        edit(model)
    return write(model, path, CARD if ours else None)


def swap(model: onnx.ModelProto) -> None:
    put_before(model, "Gather", store(model, "bgr", np.array([2, 1, 0])), axis=3)


def softmax(model: onnx.ModelProto) -> None:
    put_after(model, "Softmax", axis=-1)


def sideways(model: onnx.ModelProto) -> None:
    put_before(model, "Transpose", perm=[0, 2, 1, 3])


def standing(model: onnx.ModelProto) -> None:
    put_after(model, "Transpose", perm=[0, 2, 1, 3])


def channels_first(model: onnx.ModelProto) -> None:
    put_after(model, "Transpose", perm=[0, 3, 1, 2])


def reshaped(model: onnx.ModelProto) -> None:
    """Read the values of C x h x w as h x w x C."""
    put_after(model, "Shape")
    model.graph.node[-1].output[0] = "shape"
    inner = model.graph.node[-1].input[0]
    model.graph.node.append(helper.make_node("Transpose", [inner], ["first"], perm=[0, 3, 1, 2]))
    model.graph.node.append(helper.make_node("Reshape", ["first", "shape"], ["logits"]))


def inner_shift(model: onnx.ModelProto) -> None:
    for attribute in node_of(model, "Resize").attribute:
        if attribute.name == "coordinate_transformation_mode":
            attribute.s = b"align_corners"


def class_map(model: onnx.ModelProto) -> None:
    planted.with_whole_output(model, "half_pixel")
    put_after(model, "ArgMax", axis=1, keepdims=0)
    model.graph.output[0].CopyFrom(helper.make_tensor_value_info("logits", TensorProto.INT64, ["n", "h", "w"]))


def whole(model: onnx.ModelProto) -> None:
    planted.with_whole_output(model, "half_pixel")


def whole_by_corners(model: onnx.ModelProto) -> None:
    planted.with_whole_output(model, "align_corners")


def fixed_size(model: onnx.ModelProto) -> None:
    dims = model.graph.input[0].type.tensor_type.shape.dim
    places = (2, 3) if dims[1].dim_value == 3 else (1, 2)
    for place, size in zip(places, (64, 96), strict=True):
        dims[place].dim_value = size


def names(found: Verification) -> list[str]:
    return [mistake.name for mistake in found.mistakes]


def training_norm(model: onnx.ModelProto) -> None:
    planted.with_training_norm(model, training=True)


def settled_norm(model: onnx.ModelProto) -> None:
    planted.with_training_norm(model, training=False)


def auxiliary_alone(model: onnx.ModelProto) -> None:
    planted.with_auxiliary_head(model, alone=True)


def auxiliary_first(model: onnx.ModelProto) -> None:
    planted.with_auxiliary_head(model, alone=False)


@pytest.mark.slow
@pytest.mark.parametrize(
    "edits",
    [
        (), (channels_first,), (whole,), (class_map,), (planted.with_float_nchw_input,), (settled_norm,),
        (fixed_size,), (planted.with_float_nchw_input, fixed_size, whole),
    ],
)  # fmt: skip
def test_the_same_function_passes_in_every_form(
    edits: tuple[Edit, ...], graph: onnx.ModelProto, artefact: Path, tmp_path: Path
) -> None:
    found = streetseg.verify(edited(graph, tmp_path / "foreign.onnx", *edits, ours=False), against=artefact)
    assert found.passed, found.table()
    assert found.frames == 4
    assert found.difference.pixels >= 4 * 64 * 96
    assert "the same function" in found.table()
    assert json.loads(found.to_json())["passed"]


def test_promised_probabilities_pass(graph: onnx.ModelProto, artefact: Path, tmp_path: Path) -> None:
    path = edited(graph, tmp_path / "foreign.onnx", softmax, ours=False)
    assert streetseg.verify(path, against=artefact, frames=STREET, output="probabilities").passed
    twice = edited(graph, tmp_path / "twice.onnx", softmax, softmax, ours=False)
    assert names(streetseg.verify(twice, against=artefact, frames=STREET, output="probabilities")) == ["double softmax"]
    logits = edited(graph, tmp_path / "logits.onnx", ours=False)
    found = streetseg.verify(logits, against=artefact, frames=STREET, output="probabilities")
    assert names(found) == ["missing softmax"]


@pytest.mark.parametrize("ours", [True, False], ids=["ours", "foreign"])
@pytest.mark.parametrize(
    ("edits", "expected"),
    [
        ((swap,), ["swapped channels"]),
        ((planted.without_normalisation,), ["missing normalisation"]),
        ((planted.without_normalisation, swap), ["missing normalisation", "swapped channels"]),
        ((softmax,), ["probabilities for logits"]),
        ((softmax, softmax), ["double softmax"]),
        ((swap, softmax), ["swapped channels", "probabilities for logits"]),
        ((inner_shift,), ["shifted by half a pixel"]),
        ((training_norm,), ["training-mode norms"]),
        ((auxiliary_alone,), ["auxiliary head"]),
        ((reshaped,), ["transposed layout"]),
    ],
)
def test_a_planted_mistake_is_named(
    edits: tuple[Edit, ...], expected: list[str], ours: bool, graph: onnx.ModelProto, artefact: Path, tmp_path: Path
) -> None:
    found = streetseg.verify(
        edited(graph, tmp_path / "wrong.onnx", *edits, ours=ours), against=artefact, frames=STREET, engine="onnxruntime"
    )
    assert names(found) == expected, found.table()
    assert not found.passed
    assert "NOT the same function" in found.table()


@pytest.mark.parametrize(
    ("edits", "expected"),
    [
        ((whole_by_corners,), ["shifted by half a pixel"]),
        ((auxiliary_first,), ["auxiliary head"]),
        ((sideways,), ["transposed layout"]),
        ((standing,), ["transposed layout"]),
        ((class_map, swap), ["swapped channels"]),
        ((class_map, planted.without_normalisation), ["missing normalisation"]),
    ],
)
def test_a_planted_mistake_of_another_exporter_is_named(
    edits: tuple[Edit, ...], expected: list[str], graph: onnx.ModelProto, artefact: Path, tmp_path: Path
) -> None:
    found = streetseg.verify(
        edited(graph, tmp_path / "wrong.onnx", *edits, ours=False), against=artefact, frames=STREET
    )
    assert names(found) == expected, found.table()


def test_a_graph_that_normalises_itself_is_fed_frames(graph: onnx.ModelProto, artefact: Path, tmp_path: Path) -> None:
    path = edited(graph, tmp_path / "float.onnx", ours=False)
    model = onnx.load(path)
    model.graph.input[0].type.tensor_type.elem_type = TensorProto.FLOAT
    onnx.save(model, path)
    assert streetseg.verify(path, against=artefact, frames=STREET, values="0-255").passed
    assert names(streetseg.verify(path, against=artefact, frames=STREET)) == ["double normalisation"]


def test_logits_channels_first_break_the_promise_of_a_card(
    graph: onnx.ModelProto, artefact: Path, tmp_path: Path
) -> None:
    found = streetseg.verify(edited(graph, tmp_path / "first.onnx", channels_first), against=artefact, frames=STREET)
    assert names(found) == ["transposed layout"]


def test_a_card_with_the_other_convention(graph: onnx.ModelProto, artefact: Path, tmp_path: Path) -> None:
    path = write(planted.copied(graph), tmp_path / "other.onnx", replace(CARD, align_corners=True))
    found = streetseg.verify(path, against=artefact, frames=STREET, engine="onnxruntime")
    assert names(found) == ["shifted by half a pixel"]
    assert found.difference.beyond_ties


def test_a_card_beside_the_file(graph: onnx.ModelProto, artefact: Path, tmp_path: Path) -> None:
    path = edited(graph, tmp_path / "float.onnx", planted.with_float_nchw_input, ours=False)
    card = tmp_path / "card.json"
    card.write_text(replace(CARD, mean=(0.0, 0.0, 0.0)).to_json())
    found = streetseg.verify(path, against=artefact, frames=STREET, card=card)
    assert "wrong card" in names(found)
    card.write_text(CARD.to_json())
    assert streetseg.verify(path, against=artefact, frames=STREET, card=card).passed


def test_other_weights(graph: onnx.ModelProto, artefact: Path, tmp_path: Path) -> None:
    def reweigh(model: onnx.ModelProto) -> None:
        rng = np.random.default_rng(1)
        for node in model.graph.node:
            if node.op_type == "Conv":
                planted.replace_stored(model, node.input[1], lambda old: rng.normal(size=old.shape).astype(np.float32))

    path = edited(graph, tmp_path / "other.onnx", reweigh)
    assert names(streetseg.verify(path, against=artefact, frames=STREET, engine="onnxruntime")) == ["other weights"]


def test_labels_give_both_miou_and_the_interval(
    graph: onnx.ModelProto, artefact: Path, camvid: Path, tmp_path: Path
) -> None:
    path = edited(graph, tmp_path / "swapped.onnx", class_map, swap, ours=False)
    found = streetseg.verify(path, against=artefact, data=camvid, split="train")
    assert found.comparison is not None
    assert found.frames == 12
    difference = found.comparison["mIoU"]
    assert difference.a != difference.b
    assert difference.low <= difference.b - difference.a <= difference.high
    assert "95 % interval" in found.table()


def test_given_frames(artefact: Path) -> None:
    frame = np.random.default_rng(0).integers(0, 256, (70, 90, 3), np.uint8)
    assert streetseg.verify(artefact, against=artefact, frames=frame).frames == 1
    assert streetseg.verify(artefact, against=artefact, frames=[frame, frame]).frames == 2


def test_mistakes_of_the_user(graph: onnx.ModelProto, artefact: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="unknown layout 'chw'; choose one of nchw, nhwc"):
        streetseg.verify(artefact, against=artefact, layout="chw")  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="unknown precision 'int4'"):
        streetseg.verify(artefact, against=artefact, precision="int4")
    with pytest.raises(UsageError, match="leave out layout, values, output"):
        streetseg.verify(artefact, against=artefact, layout="nhwc")
    with pytest.raises(UsageError, match=r"has the classes road, .*; verify takes the artefact"):
        streetseg.verify(artefact, against=DEFAULT_WEIGHTS)
    odd = edited(graph, tmp_path / "odd.onnx", fixed_size, ours=False)
    model = onnx.load(odd)
    model.graph.input[0].type.tensor_type.shape.dim[1].dim_value = 65
    onnx.save(model, odd)
    with pytest.raises(UsageError, match="takes frames of 65 x 96, and the artefact multiples of 8"):
        streetseg.verify(odd, against=artefact)


@pytest.mark.slow
def test_the_shipped_int8_artefact_is_within_its_limits() -> None:
    int8 = ROOT / "weights" / "ddrnet_23_slim_camvid_int8.onnx"
    found = streetseg.verify(int8, against=DEFAULT_WEIGHTS, engine="onnxruntime", frames=ROOT / "docs" / "images")
    assert found.passed, found.table()
    assert found.precision == "int8"
    assert found.difference.beyond_ties
