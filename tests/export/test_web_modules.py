"""The exported page's arithmetic is this package's: class map, sizes and resized pixels, in node."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

import streetseg
from streetseg.runtime.classmap import class_map
from streetseg.runtime.segmenter import Segmenter
from tests.support.cards import CARD
from tests.support.javascript import module, needs_node, run_javascript

WEB = Path(streetseg.__file__).parent / "export" / "web"


def size(pair: tuple[int, int]) -> dict[str, int]:
    return {"height": pair[0], "width": pair[1]}


@needs_node
def test_the_class_map_is_the_same() -> None:
    """On random logits and on few different values, which tie; both conventions; padding, and sizes of every kind."""
    rng = np.random.default_rng(0)
    frames = [(37, 53), (64, 96), (1, 1), (120, 7), (90, 160)]
    cases: list[Any] = []
    expected = []
    for number in range(60):
        frame = frames[number % len(frames)]
        reduced = rng.uniform(0.3, 1.5) if number % 3 else 1.0
        content = max(1, round(frame[0] * reduced)), max(1, round(frame[1] * reduced))
        padded = -(-content[0] // 16) * 16, -(-content[1] // 16) * 16
        stride = (4, 8, 16)[number % 3]
        shape = (padded[0] // stride, padded[1] // stride, int(rng.integers(1, 20)))
        logits = rng.normal(size=shape).astype(np.float32)
        if number % 2:
            logits = np.round(logits)
        align = bool(number // 2 % 2)
        cases.append(
            {
                "logits": {"data": logits, "height": shape[0], "width": shape[1], "classes": shape[2]},
                "frame": size(frame), "content": size(content), "padded": size(padded), "align": align,
            }
        )  # fmt: skip
        expected.append(class_map(logits, frame, content_size=content, padded_size=padded, align_corners=align))
    code = (
        f"import {{ classMap }} from {module(WEB / 'classmap.js')};"
        "const call = ({logits, frame, content, padded, align}) => classMap(logits, frame, content, padded, align);"
    )
    for got, want, case in zip(run_javascript(code, cases), expected, cases, strict=True):
        np.testing.assert_array_equal(got.reshape(want.shape), want, err_msg=str(case["frame"]))


@needs_node
def test_a_frame_is_prepared_as_the_segmenter_does_it() -> None:
    """Byte for byte: reduced, enlarged, padded, or left as it is, and sides whose half goes to the even number."""
    rng = np.random.default_rng(0)
    cases: list[Any] = []
    expected = []
    for frame_size in [(120, 160), (121, 167), (17, 500), (90, 160), (5, 3), (1, 1), (223, 381)]:
        for short, scale in [(120, 1.0), (96, 0.75), (45, 2.0), (1, 0.5)]:
            values = {"native_short_side": short, "operating_scale": scale, "size_multiple": 32}
            card = CARD.__class__(**{**CARD.__dict__, **values})
            frame = rng.integers(0, 256, (*frame_size, 4), np.uint8)
            cases.append({"rgba": frame, "frame": size(frame_size), "card": values})
            expected.append(Segmenter(card, lambda frame: frame).prepare(np.ascontiguousarray(frame[..., :3])))  # type: ignore[arg-type]
    code = (
        f"import {{ prepare, sizesOf }} from {module(WEB / 'resize.js')};"
        "const call = ({rgba, frame, card}) => { const {content, padded} = sizesOf(frame, card);"
        "return {content, padded, input: prepare(rgba, frame, content, padded)} };"
    )
    for got, want in zip(run_javascript(code, cases), expected, strict=True):
        assert (got["content"], got["padded"]) == (size(want.content_size), size(want.padded_size))
        np.testing.assert_array_equal(got["input"].reshape(want.input.shape), want.input)
