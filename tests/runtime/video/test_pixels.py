"""Colours of frames: matrix, range and bit depth as the standards have them."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from streetseg.runtime.video.pixels import upright_rgb
from streetseg.runtime.video.reader import VideoReader
from tests.support.videos import street

# Matrix coefficients of ITU-T H.273 -> the weights of red and blue in luma.
MATRICES = {1: (0.2126, 0.0722), 5: (0.299, 0.114), 6: (0.299, 0.114), 7: (0.212, 0.087), 9: (0.2627, 0.0593)}
COLOURS = np.array([(255, 255, 255), (0, 0, 0), (200, 30, 40), (30, 200, 40), (30, 40, 200), (128, 64, 128)])
SIZE = (16, 32)


def yuv(colour: NDArray[np.int64], matrix: int, full: bool, bits: int) -> list[int]:
    """Return luma and chroma of an RGB colour by H.273's formulas."""
    red, green, blue = (colour / 255).tolist()
    kr, kb = MATRICES[matrix]
    y = kr * red + (1 - kr - kb) * green + kb * blue
    u, v = (blue - y) / (2 - 2 * kb), (red - y) / (2 - 2 * kr)
    top = (1 << bits) - 1
    if full:
        return [round(top * y), round(top * u + (top + 1) / 2), round(top * v + (top + 1) / 2)]
    scale = 1 << (bits - 8)
    return [round((219 * y + 16) * scale), round((224 * u + 128) * scale), round((224 * v + 128) * scale)]


@pytest.mark.parametrize("matrix", MATRICES)
@pytest.mark.parametrize("full", [False, True], ids=["limited range", "full range"])
@pytest.mark.parametrize(("form", "bits"), [("yuv444p", 8), ("yuv444p10le", 10), ("yuv420p", 8), ("yuv422p12le", 12)])
def test_matrix_range_and_depth(matrix: int, full: bool, form: str, bits: int) -> None:
    for colour in COLOURS:
        frame = av.VideoFrame(SIZE[1], SIZE[0], form)
        for plane, value in zip(frame.planes, yuv(colour, matrix, full, bits), strict=True):
            dtype = np.uint8 if bits == 8 else np.uint16
            plane.update(np.full(plane.buffer_size // dtype().itemsize, min(value, (1 << bits) - 1), dtype).tobytes())
        frame.colorspace, frame.color_range = matrix, 2 if full else 1
        assert np.abs(upright_rgb(frame, SIZE).astype(int) - colour).max() <= 3


@pytest.mark.parametrize("bits", [8, 10, 12, 14, 16])
@pytest.mark.parametrize("full", [None, True], ids=["unspecified", "full range"])
def test_grey_of_any_depth(bits: int, full: bool | None) -> None:
    form, dtype = ("gray", np.uint8) if bits == 8 else (f"gray{bits}le", np.uint16)
    ramp = np.linspace(0, (1 << bits) - 1, SIZE[1]).round().astype(dtype)
    frame = av.VideoFrame(SIZE[1], SIZE[0], form)
    plane = frame.planes[0]
    rows = np.zeros((SIZE[0], plane.line_size // dtype().itemsize), dtype)
    rows[:, : SIZE[1]] = ramp
    plane.update(rows.tobytes())
    if full:
        frame.color_range = 2
    expected = np.linspace(0, 255, SIZE[1])
    assert np.abs(upright_rgb(frame, SIZE)[0, :, 0] - expected).max() <= 1.5


@pytest.mark.parametrize(("bits", "told"), [(10, True), (12, True), (14, True), (16, False)])
def test_a_sensors_grey_in_sixteen_bits(bits: int, told: bool, tmp_path: Path) -> None:
    grey = street()[:48, :64].mean(-1)
    grey = (grey - grey.min()) / np.ptp(grey) * ((1 << bits) - 1)
    path = tmp_path / "thermal.mkv"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=25)
        assert isinstance(stream, av.VideoStream)
        stream.height, stream.width, stream.pix_fmt = 48, 64, "gray16le"
        for index in range(3):
            frame = av.VideoFrame.from_ndarray(grey.astype(np.uint16), "gray16le")
            frame.pts = index
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    remarks: list[str] = []
    with VideoReader(str(path), tell=remarks.append) as reader:
        frames = [upright_rgb(frame, reader.size) for frame in reader]
    assert len(frames) == 3
    for pixels in frames:
        assert np.abs(pixels[..., 1] - grey / (1 << bits) * 256).max() <= 2
    assert [f"at most {bits} bits in 16" in remark for remark in remarks] == [True] * told
