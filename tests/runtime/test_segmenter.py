"""The way of a frame, whole: both engines, frames of every size, and what cannot be opened."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Any, cast

import numpy as np
import onnx
import openvino as ov
import pytest
import safetensors.numpy
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from streetseg.errors import ArtefactError, EngineError, MissingExtraError, StreetsegError, UsageError
from streetseg.runtime.artefact import METADATA_KEY, read_card, safetensors_content_hash
from streetseg.runtime.classmap import class_map
from streetseg.runtime.engines.engines import ENGINES
from streetseg.runtime.engines.options import EngineOptions
from streetseg.runtime.frames import decode_frame
from streetseg.runtime.segmenter import DEFAULT_WEIGHTS, Segmenter
from streetseg.streets.scene import render

# Few, and some of one padded size, for OpenVINO compiles the network once for each.
SIZES = [(1, 1), (3, 5000), (37, 53), (101, 131), (97, 129), (360, 480), (720, 960)]


ONNX_ENGINES = [name for name, kind in ENGINES.items() if ".onnx" in kind.suffixes]


def plain(**options: Any) -> Segmenter:
    """The package's weights on frames as they are, neither reduced nor enlarged by the card's scale."""
    segmenter = Segmenter.open(**options)
    return Segmenter(dataclasses.replace(segmenter.card, operating_scale=1.0), segmenter.engine)


@cache
def in_float32(engine: str) -> Segmenter:
    return plain(engine=engine, precision="float32")


@pytest.fixture(scope="module")
def openvino() -> Segmenter:
    return in_float32("openvino")


@pytest.fixture(scope="module")
def onnxruntime() -> Segmenter:
    return in_float32("onnxruntime")


@pytest.fixture(params=ONNX_ENGINES)
def segmenter(request: pytest.FixtureRequest) -> Segmenter:
    return in_float32(request.param)


@cache  # here, for at import it would delay every run of tests
def street() -> NDArray[np.uint8]:
    """Return a street, 720 x 960 x 3."""
    return render(7, (720, 960)).frame


def part(height: int, width: int) -> np.ndarray:
    """Height x width pixels of a street, which is repeated where it is not wide enough."""
    return np.ascontiguousarray(np.tile(street(), (1, width // 960 + 1, 1))[:height, :width])


def refusal(kind: type[StreetsegError], **options: Any) -> str:
    with pytest.raises(kind) as caught:
        Segmenter.open(**options)
    message = str(caught.value)
    assert "\n" not in message
    return message


# Frames of every size


@pytest.mark.parametrize("size", SIZES)
def test_the_class_map_has_the_frames_size(segmenter: Segmenter, size: tuple[int, int]) -> None:
    frame = part(*size)
    before = frame.copy()
    result = segmenter(frame)
    assert result.classmap.shape == size
    assert result.classmap.dtype == np.uint8
    assert result.classmap.max() < len(result.names)
    np.testing.assert_array_equal(frame, before)

    assert result.frame is frame
    assert result.names == segmenter.card.classes
    assert result.colours == segmenter.card.colours
    assert result.milliseconds.keys() == {"network", "class map"}
    overlay = result.overlay()
    assert overlay.shape == frame.shape
    assert overlay.dtype == np.uint8

    shares = result.share()
    assert list(shares.values()) == sorted(shares.values(), reverse=True)
    assert sum(shares.values()) == pytest.approx(1)
    counts = {name: int((result.classmap == index).sum()) for index, name in enumerate(result.names)}
    assert shares == {name: pytest.approx(n / result.classmap.size) for name, n in counts.items() if n}


def test_a_result_describes_and_shows_itself(onnxruntime: Segmenter, monkeypatch: pytest.MonkeyPatch) -> None:
    result = onnxruntime(part(96, 128))
    facts = json.loads(result.to_json())
    assert (facts["height"], facts["width"]) == (96, 128)
    assert facts["milliseconds"].keys() == {"network", "class map"}
    assert facts["share"] == {name: round(part, 6) for name, part in result.share().items()}
    assert repr(result).startswith(f"Result(128 x 96: {next(iter(result.share()))} ")
    assert len(repr(result).splitlines()) == 1
    lines = result.table().splitlines()
    assert [line.split()[0] for line in lines] == ["class", *result.share()]

    # A notebook prefers HTML to a picture; a Result must not offer it.
    assert not hasattr(result, "_repr_html_")
    shown = decode_frame(BytesIO(result._repr_png_()), "overlay")
    np.testing.assert_array_equal(shown, result.overlay())

    picture, bars = result.plot().axes
    assert np.asarray(picture.images[0].get_array()).shape == (96, 128, 3)
    assert [cast(Rectangle, bar).get_width() for bar in bars.patches] == [
        pytest.approx(100 * part) for part in result.share().values()
    ]
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(MissingExtraError, match="install 'streetseg\\[plots\\]'"):
        result.plot()


def test_engines_agree(openvino: Segmenter, onnxruntime: Segmenter) -> None:
    frame = part(360, 480)
    logits, theirs = openvino.logits(frame), onnxruntime.logits(frame)
    assert logits.shape == theirs.shape == (45, 60, 11)
    assert logits.dtype == theirs.dtype == np.float32
    assert np.abs(logits - theirs).max() < 1e-3 * theirs.std()
    assert (openvino(frame).classmap != onnxruntime(frame).classmap).mean() < 1e-3


def test_threads_do_not_change_the_logits(onnxruntime: Segmenter) -> None:
    frame = part(104, 136)
    one = plain(engine="onnxruntime", threads=1).logits(frame)
    assert np.abs(one - onnxruntime.logits(frame)).max() < 1e-3 * one.std()


@pytest.mark.slow
def test_more_sizes_than_are_kept_compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streetseg.runtime.engines.openvino.COMPILED_SIZES", 1)
    segmenter = plain(engine="openvino", precision="float32", threads=1)
    first = segmenter.logits(part(8, 8))
    assert segmenter.logits(part(8, 16)).shape == (1, 2, 11)
    np.testing.assert_array_equal(segmenter.logits(part(8, 8)), first)


def test_the_class_map_is_that_of_the_logits(onnxruntime: Segmenter) -> None:
    frame = part(101, 131)
    expected = class_map(
        onnxruntime.logits(frame), (101, 131), content_size=(101, 131), padded_size=(104, 136), align_corners=False
    )
    np.testing.assert_array_equal(onnxruntime(frame).classmap, expected)


def test_logits_are_a_copy(segmenter: Segmenter) -> None:
    first = segmenter.logits(part(104, 136))
    kept = first.copy()
    segmenter.logits(255 - part(104, 136))
    np.testing.assert_array_equal(first, kept)


# From frame to network input


def test_padding_repeats_the_edge(onnxruntime: Segmenter) -> None:
    frame = part(101, 131)
    padded = np.pad(frame, ((0, 3), (0, 5), (0, 0)), mode="edge")
    prepared = onnxruntime.prepare(frame)
    assert (prepared.content_size, prepared.padded_size) == ((101, 131), (104, 136))
    np.testing.assert_array_equal(prepared.input, padded)
    np.testing.assert_array_equal(onnxruntime.logits(frame), onnxruntime.logits(padded))


def test_a_multiple_is_not_padded(onnxruntime: Segmenter) -> None:
    frame = part(104, 136)
    prepared = onnxruntime.prepare(frame)
    assert prepared.content_size == prepared.padded_size == (104, 136)
    np.testing.assert_array_equal(prepared.input, frame)
    view = np.concatenate([frame, frame], axis=1)[:, :136]  # not contiguous, and none the worse for it
    np.testing.assert_array_equal(onnxruntime.logits(view), onnxruntime.logits(frame))


@pytest.mark.parametrize(
    ("frame", "size", "scale", "content"),
    [
        ((1, 1), None, 1.0, (1, 1)),
        ((37, 53), None, 1.0, (37, 53)),
        ((360, 480), None, 1.0, (360, 480)),
        ((720, 960), None, 1.0, (360, 480)),
        ((960, 720), None, 1.0, (480, 360)),
        ((1080, 1920), None, 1.0, (360, 640)),
        ((3, 5000), None, 1.0, (3, 5000)),
        ((720, 960), None, 0.5, (180, 240)),
        ((100, 200), None, 0.75, (75, 150)),
        ((1, 1), None, 0.5, (1, 1)),
        ((100, 200), None, 1.5, (150, 300)),
        ((1080, 1920), None, 1.5, (540, 960)),
        ((720, 960), 720, 1.0, (720, 960)),
        ((720, 960), 2000, 1.0, (720, 960)),
        ((720, 960), 180, 1.0, (180, 240)),
        ((100, 10_000), 1, 1.0, (1, 100)),
    ],
)
def test_larger_frames_are_reduced_and_only_the_cards_scale_enlarges(
    onnxruntime: Segmenter, frame: tuple[int, int], size: int | None, scale: float, content: tuple[int, int]
) -> None:
    card = dataclasses.replace(onnxruntime.card, native_short_side=360, operating_scale=scale)
    segmenter = Segmenter(card, onnxruntime.engine, size)
    assert segmenter.prepare(np.zeros((*frame, 3), np.uint8)).content_size == content


@pytest.mark.parametrize(
    "frame",
    [
        np.zeros((8, 8), np.uint8), np.zeros((8, 8, 4), np.uint8), np.zeros((8, 8, 1), np.uint8),
        np.zeros((8, 8, 3), np.float32), np.zeros((8, 8, 3), np.int64), np.zeros((1, 8, 8, 3), np.uint8),
        np.zeros((0, 8, 3), np.uint8), np.zeros((8, 0, 3), np.uint8),
    ],
    ids=lambda frame: f"{frame.dtype}{frame.shape}",
)  # fmt: skip
def test_what_is_no_frame_is_refused(onnxruntime: Segmenter, frame: np.ndarray) -> None:
    for method in (onnxruntime, onnxruntime.logits):
        with pytest.raises(UsageError, match="a frame is H x W x 3 uint8 RGB") as caught:
            method(frame)
        assert str(frame.shape) in str(caught.value)
    with pytest.raises(UsageError, match="H x W x 3 uint8 RGB, got None"):
        onnxruntime(None)  # what OpenCV gives for a file that is not there


# Opening


def test_engines_and_precisions() -> None:
    assert Segmenter.open().engine.name == "openvino"
    assert Segmenter.open(str(DEFAULT_WEIGHTS), engine="onnxruntime").engine.precision == "float32"
    assert "openvino, onnxruntime" in refusal(EngineError, engine="tensorflow")
    assert "float32, bfloat16" in refusal(EngineError, precision="int8")
    assert "at least 1, got 0" in refusal(EngineError, threads=0)
    assert "at least 1 pixel, got -5" in refusal(UsageError, size=-5)
    message = refusal(EngineError, engine="onnxruntime", precision="bfloat16")
    assert (
        "onnxruntime computes in float32 on this machine's cpu, not in bfloat16; choose one of these, or another"
        in message
    )
    assert "names in UTF-8 only" in refusal(EngineError, cache="caf\udce9")
    assert not Path("caf\udce9").exists()


def test_options_travel_as_one() -> None:
    options = EngineOptions("onnxruntime", threads=3, streams=2)
    segmenter = Segmenter.open(options=options)
    assert segmenter.engine.name == "onnxruntime"
    assert (segmenter.streams, segmenter.threads) == (2, 1)
    assert "give either options, or engine, device" in refusal(UsageError, options=options, engine="onnxruntime")
    with pytest.raises(dataclasses.FrozenInstanceError):
        options.threads = 1  # type: ignore[misc]


@pytest.mark.slow
def test_bfloat16_where_the_cpu_has_it() -> None:
    native = "BF16" in ov.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    assert Segmenter.open().engine.precision == ("bfloat16" if native else "float32")
    if not native:
        assert "in float32 on this machine's cpu, not in bfloat16" in refusal(EngineError, precision="bfloat16")
        return
    frame = part(104, 136)
    exact = Segmenter.open(precision="float32").logits(frame)
    logits = Segmenter.open(precision="bfloat16").logits(frame)
    assert 0 < np.abs(logits - exact).max() < 0.5 * exact.std()


CLOSED_IN_THE_ORDER_OPENED = """
import os, signal
from streetseg.bench.machine import describe_machine
from streetseg.runtime.segmenter import Segmenter

opened = [Segmenter.open(threads=1) for _ in range(3)]
describe_machine()
while opened:
    opened.pop(0)
signal.signal(signal.SIGINT, lambda *_: print("asked to stop"))
os.kill(os.getpid(), signal.SIGINT)
"""


@pytest.mark.slow
def test_signals_arrive_after_segmenters_have_gone() -> None:
    run = subprocess.run(
        [sys.executable, "-c", CLOSED_IN_THE_ORDER_OPENED], capture_output=True, text=True, check=False
    )
    assert (run.returncode, run.stdout) == (0, "asked to stop\n")


@pytest.mark.parametrize("engine", ONNX_ENGINES)
def test_a_card_that_disagrees_with_its_graph_is_refused(tmp_path: Path, engine: str) -> None:
    card = read_card(DEFAULT_WEIGHTS)
    fewer = dataclasses.replace(card, classes=card.classes[:-1], colours=card.colours[:-1])
    model = onnx.load(DEFAULT_WEIGHTS)
    next(entry for entry in model.metadata_props if entry.key == METADATA_KEY).value = fewer.to_json()
    path = tmp_path / "fewer.onnx"
    path.write_bytes(model.SerializeToString())
    assert read_card(path) == fewer
    assert "the card names 10 classes" in refusal(ArtefactError, artefact=path, engine=engine)


def test_logits_at_another_stride_than_the_cards_are_refused(onnxruntime: Segmenter) -> None:
    segmenter = Segmenter(dataclasses.replace(onnxruntime.card, output_stride=4), onnxruntime.engine)
    with pytest.raises(ArtefactError, match="the artefact disagrees with its card"):
        segmenter(part(104, 136))


def test_unfolded_weights_are_no_artefact(tmp_path: Path) -> None:
    tensors = {"weight": np.ones(3, np.float32)}
    path = tmp_path / "weights.safetensors"
    content_hash = safetensors_content_hash(safetensors.numpy.save(tensors), path)
    card = dataclasses.replace(read_card(DEFAULT_WEIGHTS), content_hash=content_hash)
    path.write_bytes(safetensors.numpy.save(tensors, {METADATA_KEY: card.to_json()}))
    assert f"first: streetseg export {path}" in refusal(ArtefactError, artefact=path)
    assert "does not exist" in refusal(ArtefactError, artefact=tmp_path / "missing.onnx")
