"""class_map against the plain way: interpolate every class at every pixel in float64, then take the argmax."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from streetseg.runtime.classmap import class_map
from streetseg.runtime.kernel import binding

pytestmark = pytest.mark.usefixtures("form")

CLOSER = 1e-5  # the tie rule: values closer than this part of the largest magnitude may swap


# The plain way.


def positions(logits: int, frame: int, content: int, padded: int, align_corners: bool) -> NDArray[np.float64]:
    """Where each frame pixel lies among the logits of one axis."""
    p = (np.arange(frame) + 0.5) * content / frame - 0.5
    if align_corners:
        s = p * (logits - 1) / (padded - 1) if padded > 1 else np.zeros(frame)
    else:
        s = (p + 0.5) * logits / padded - 0.5
    return np.clip(s, 0, logits - 1)


def interpolated(
    values: NDArray[np.float64], rows: NDArray[np.float64], columns: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Bilinear interpolation of h x w x C values at every pair of positions: H x W x C."""
    low, high, weight = np.floor(rows).astype(int), np.ceil(rows).astype(int), (rows % 1)[:, None, None]
    values = values[low] * (1 - weight) + values[high] * weight
    low, high, weight = np.floor(columns).astype(int), np.ceil(columns).astype(int), (columns % 1)[:, None]
    return values[:, low] * (1 - weight) + values[:, high] * weight


def magnitudes(
    values: NDArray[np.float64], rows: NDArray[np.float64], columns: NDArray[np.float64]
) -> NDArray[np.float64]:
    """The largest magnitude among the logits around every pixel: H x W."""
    largest: NDArray[np.float64] = np.abs(values).max(axis=2)
    largest = np.maximum(largest[np.floor(rows).astype(int)], largest[np.ceil(rows).astype(int)])
    return np.maximum(largest[:, np.floor(columns).astype(int)], largest[:, np.ceil(columns).astype(int)])


def assert_exact(
    logits: NDArray[np.float32],
    frame_size: tuple[int, int],
    content_size: tuple[int, int],
    padded_size: tuple[int, int],
    align_corners: bool,
) -> None:
    """class_map agrees with the plain way, but for the tie rule."""
    got = class_map(logits, frame_size, content_size=content_size, padded_size=padded_size, align_corners=align_corners)
    assert got.shape == frame_size
    assert got.dtype == np.uint8

    at = [positions(logits.shape[i], frame_size[i], content_size[i], padded_size[i], align_corners) for i in (0, 1)]
    exact = logits.astype(np.float64)
    plain = interpolated(exact, at[0], at[1])
    behind = plain.max(axis=2) - np.take_along_axis(plain, got[..., None].astype(int), axis=2)[..., 0]
    wrong = (got != plain.argmax(axis=2)) & (behind >= CLOSER * magnitudes(exact, at[0], at[1]))
    assert not wrong.any(), f"{wrong.sum()} of {wrong.size} pixels, the first at {np.argwhere(wrong)[0]}"


# Logits and sizes to try.


def noise(rng: np.random.Generator, h: int, w: int, classes: int) -> NDArray[np.float32]:
    scale = 10.0 ** float(rng.integers(-3, 4))
    return rng.normal(scale=scale, size=(h, w, classes)).astype(np.float32)


def quantised(rng: np.random.Generator, h: int, w: int, classes: int) -> NDArray[np.float32]:
    """Few values: ties at the logits, between classes along whole edges and cells, and in between."""
    return rng.integers(-1, 2, size=(h, w, classes)).astype(np.float32)


def scene(rng: np.random.Generator, h: int, w: int, classes: int) -> NDArray[np.float32]:
    """Large patches, as networks give them: each class prefers its own places, and borders are slanted and curved."""
    y = np.arange(h)[:, None, None] - rng.uniform(0, h, classes)
    x = np.arange(w)[:, None] - rng.uniform(0, w, classes)
    return (5 - np.sqrt(y**2 + x**2)).astype(np.float32)


def twins(rng: np.random.Generator, h: int, w: int, classes: int) -> NDArray[np.float32]:
    """A scene in which every class has another equal to it everywhere."""
    return np.ascontiguousarray(scene(rng, h, w, classes)[..., rng.integers(0, (classes + 1) // 2, classes)])


@st.composite
def axis_sizes(draw: st.DrawFn) -> tuple[int, int, int, int]:
    """Along one axis: logits, frame, content, padded."""
    logits = draw(st.integers(1, 8))
    stride = draw(st.integers(1, 32))
    padded = logits * stride - draw(st.integers(0, stride - 1))
    content = max(1, padded - draw(st.integers(0, 2 * stride)))
    frame = draw(st.one_of(st.just(content), st.integers(1, 200)))
    return logits, frame, content, padded


@settings(deadline=None, max_examples=150)
@given(
    rows=axis_sizes(),
    columns=axis_sizes(),
    classes=st.integers(1, 25),
    kind=st.sampled_from([noise, quantised, scene, twins]),
    align_corners=st.booleans(),
    seed=st.integers(0, 2**32 - 1),
)
def test_the_plain_way(
    rows: tuple[int, int, int, int],
    columns: tuple[int, int, int, int],
    classes: int,
    kind: Any,
    align_corners: bool,
    seed: int,
) -> None:
    (h, *high), (w, *wide) = rows, columns
    frame_size, content_size, padded_size = zip(high, wide, strict=True)
    logits = kind(np.random.default_rng(seed), h, w, classes)
    assert_exact(logits, frame_size, content_size, padded_size, align_corners)


@pytest.mark.parametrize("align_corners", [False, True])
@pytest.mark.parametrize(
    ("frame_size", "content_size", "padded_size"),
    [
        ((192, 384), (192, 384), (192, 384)),
        ((271, 499), (190, 371), (192, 384)),
        ((20, 37), (192, 384), (192, 384)),
    ],
    ids=["alike", "enlarged from padded", "fewer pixels than logits"],
)
def test_a_whole_scene(
    frame_size: tuple[int, int], content_size: tuple[int, int], padded_size: tuple[int, int], align_corners: bool
) -> None:
    logits = scene(np.random.default_rng(7), 24, 48, 19)
    low = logits.argmax(axis=2)
    uniform = (low[1:, 1:] == low[:-1, 1:]) & (low[1:, 1:] == low[1:, :-1]) & (low[1:, 1:] == low[:-1, :-1])
    assert 0.3 < uniform.mean() < 0.9
    assert_exact(logits, frame_size, content_size, padded_size, align_corners)


@pytest.mark.parametrize("align_corners", [False, True])
@pytest.mark.parametrize("kind", [noise, quantised, scene])
@pytest.mark.parametrize("frame_size", [(40, 72), (37, 61), (9, 5)])
def test_interpolate_of_torch(kind: Any, frame_size: tuple[int, int], align_corners: bool) -> None:
    torch = pytest.importorskip("torch")
    logits = kind(np.random.default_rng(3), 5, 9, 11)
    got = class_map(logits, frame_size, content_size=frame_size, padded_size=frame_size, align_corners=align_corners)
    planes = torch.from_numpy(logits).permute(2, 0, 1)[None].double()
    values = torch.nn.functional.interpolate(planes, frame_size, mode="bilinear", align_corners=align_corners)[0]
    best, second = values.topk(2, dim=0).values.numpy()
    differs = got != values.argmax(dim=0).numpy()
    assert not (differs & (best - second >= CLOSER * np.abs(logits).max())).any()
    if kind is not quantised:
        assert not differs.any()


# By hand.


def along(classes: list[list[float]], frame: int, content: int, padded: int, align_corners: bool) -> list[int]:
    """class_map of one row of logits, given class by class."""
    logits = np.ascontiguousarray(np.array(classes, np.float32).T[None])
    classes_along: list[int] = class_map(
        logits, (1, frame), content_size=(1, content), padded_size=(1, padded), align_corners=align_corners
    )[0].tolist()
    return classes_along


def test_a_border_runs_where_the_values_cross() -> None:
    assert along([[1, 0], [0, 1]], 8, 8, 8, align_corners=False) == [0, 0, 0, 0, 1, 1, 1, 1]
    assert along([[3, 0], [0, 1]], 8, 8, 8, align_corners=False) == [0, 0, 0, 0, 0, 1, 1, 1]


def test_equal_values_take_the_lowest_class() -> None:
    assert along([[1, 0], [0, 1]], 5, 5, 5, align_corners=True) == [0, 0, 0, 1, 1]
    assert along([[0, 1], [1, 0]], 5, 5, 5, align_corners=True) == [1, 1, 0, 0, 0]
    assert along([[0, 0], [2, 1], [2, 1]], 3, 3, 3, align_corners=True) == [1, 1, 1]


def test_a_class_can_win_between_logits_only() -> None:
    assert along([[1, 0], [0.8, 0.8], [0, 1]], 5, 5, 5, align_corners=True) == [0, 1, 1, 1, 2]


def test_the_padding_is_cropped() -> None:
    assert along([[1, 0], [0, 1]], 4, 4, 8, align_corners=False) == [0, 0, 0, 0]
    assert along([[1, 0], [0, 1]], 12, 6, 8, align_corners=False) == [0] * 8 + [1] * 4


def test_one_input_pixel_with_aligned_corners_is_the_first_logit() -> None:
    assert along([[0, 1], [1, 0]], 3, 1, 1, align_corners=True) == [1, 1, 1]


def test_a_frame_of_many_chunks() -> None:
    logits = noise(np.random.default_rng(5), 12, 12, 3)
    assert_exact(logits, (300, 500), (300, 500), (300, 500), align_corners=False)


def test_255_classes() -> None:
    logits = np.zeros((1, 2, 255), np.float32)
    logits[0, 0, 254] = logits[0, 1, 253] = 1
    got = class_map(logits, (1, 8), content_size=(1, 8), padded_size=(1, 8), align_corners=False)
    assert got.tolist() == [[254] * 4 + [253] * 4]


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 3e38])
def test_logits_that_are_not_finite_spoil_only_their_surroundings(value: float) -> None:
    logits = noise(np.random.default_rng(11), 9, 9, 4)
    spoilt = logits.copy()
    spoilt[4, 4] = value
    spoilt[4, 5, 1] = -value
    before, after = (
        class_map(a, (72, 72), content_size=(72, 72), padded_size=(72, 72), align_corners=False)
        for a in (logits, spoilt)
    )
    assert after.max() < 4
    touched = np.zeros((72, 72), bool)
    touched[28:44, 28:52] = True  # the cells that have logits (4, 4) or (4, 5) at a corner
    assert (before == after)[~touched].all()


def test_the_forms_agree_to_the_bit(form: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if form == "python":
        pytest.skip("compared with the compiled form")
    rng = np.random.default_rng(13)
    for kind, frame_size in [(noise, (97, 211)), (quantised, (97, 211)), (scene, (400, 403)), (twins, (30, 7))]:
        logits = kind(rng, 13, 27, 19)
        sizes: dict[str, Any] = {"content_size": (96, 210), "padded_size": (104, 216), "align_corners": False}
        fast = class_map(logits, frame_size, **sizes)
        with monkeypatch.context() as patch:
            patch.setattr(binding, "load", lambda: None)
            np.testing.assert_array_equal(class_map(logits, frame_size, **sizes), fast)


def test_negative_zero_ties_with_zero() -> None:
    assert along([[-0.0, -0.0], [0.0, 0.0]], 8, 8, 8, align_corners=False) == [0] * 8


@pytest.mark.parametrize("threads", [1, 2, 3, 200])
def test_threads_and_a_buffer_of_the_callers(threads: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(binding, "PIXELS_PER_THREAD", 1)
    logits = scene(np.random.default_rng(17), 24, 48, 19)
    sizes: dict[str, Any] = {"content_size": (192, 384), "padded_size": (192, 384), "align_corners": False}
    expected = class_map(logits, (192, 384), **sizes)
    buffer = np.full((194, 400), 99, np.uint8)  # rows further apart than they are wide, as in a video frame's plane
    out = buffer[1:-1, 8:392]
    assert class_map(logits, (192, 384), **sizes, out=out, threads=threads) is out
    np.testing.assert_array_equal(out, expected)
    assert (np.delete(buffer, np.s_[8:392], axis=1) == 99).all()
    assert (buffer[[0, -1]] == 99).all()


# What it refuses.

FINE = np.zeros((2, 3, 4), np.float32)


@pytest.mark.parametrize(
    ("logits", "message"),
    [
        (np.zeros((2, 3), np.float32), "shape"),
        (np.zeros((1, 2, 3, 4), np.float32), "shape"),
        (np.zeros((0, 3, 4), np.float32), "shape"),
        (np.zeros((2, 3, 0), np.float32), "shape"),
        (np.zeros((2, 3, 256), np.float32), "shape"),
        (np.zeros((2, 3, 4), np.float64), "float64"),
        (np.zeros((2, 3, 4), np.uint8), "uint8"),
        (FINE.transpose(2, 0, 1), "not C-contiguous"),
    ],
)
def test_wrong_logits_are_refused(logits: NDArray[Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        class_map(logits, (16, 24), content_size=(16, 24), padded_size=(16, 24), align_corners=False)


@pytest.mark.parametrize(
    ("frame_size", "content_size", "padded_size"),
    [((0, 24), (16, 24), (16, 24)), ((16, 24), (16, 0), (16, 24)), ((16, 24), (16, 25), (16, 24))],
)
def test_wrong_sizes_are_refused(
    frame_size: tuple[int, int], content_size: tuple[int, int], padded_size: tuple[int, int]
) -> None:
    with pytest.raises(ValueError, match="size"):
        class_map(FINE, frame_size, content_size=content_size, padded_size=padded_size, align_corners=False)


@pytest.mark.parametrize(
    "out",
    [
        np.zeros((16, 25), np.uint8), np.zeros((16, 24), np.int8), np.zeros((16, 48), np.uint8)[:, ::2],
        np.broadcast_to(np.uint8(0), (16, 24)),
    ],
    ids=["shape", "dtype", "pixels apart", "read-only"],
)  # fmt: skip
def test_wrong_buffers_are_refused(out: NDArray[Any]) -> None:
    with pytest.raises(ValueError, match="out must be writeable uint8 of shape"):
        class_map(FINE, (16, 24), content_size=(16, 24), padded_size=(16, 24), align_corners=False, out=out)
