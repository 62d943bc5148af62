"""Interlaced and HDR video: the class map is that of the same scene in plain progressive video."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from av.video.reformatter import Colorspace
from numpy.typing import NDArray

from streetseg.runtime.segmenter import Segmenter
from streetseg.runtime.video.pixels import upright_rgb
from streetseg.runtime.video.reader import VideoReader
from streetseg.runtime.video.tone import (
    BT2020_TO_BT709,
    HLG,
    HLG_A,
    HLG_B,
    HLG_C,
    HLG_GAMMA,
    LUMA,
    PEAK,
    PQ,
    compressed,
    hlg_light,
    pq_code,
    pq_light,
    to_plain,
)
from streetseg.runtime.video_options import VideoOptions
from streetseg.streets.scene import render

pytestmark = pytest.mark.slow
BASE = Fraction(1, 25)


def agreement(segmenter: Segmenter, one: NDArray[np.uint8], other: NDArray[np.uint8]) -> float:
    """Return the share of pixels to which the segmenter gives the same class."""
    return float((segmenter(one).classmap == segmenter(other).classmap).mean())


def read(path: Path, deinterlace: str = "auto") -> list[NDArray[np.uint8]]:
    """Return a film's frames, RGB."""
    with VideoReader(str(path), VideoOptions(deinterlace=deinterlace)) as reader:
        return [upright_rgb(frame, reader.size) for frame in reader]


def write_fields(path: Path, mark: str, *, codec: str = "mpeg2video", weave: bool = True) -> Path:
    """Write four frames whose rows are of two moments, 16 pixels of movement apart; mark: what the film says of it."""
    wide = np.asarray(av.VideoFrame.from_ndarray(render(4, (360, 480)).frame, "rgb24").to_ndarray(
        format="rgb24", width=720, height=576
    ))  # fmt: skip
    graph = av.filter.Graph()
    chain = [graph.add_buffer(width=720, height=576, format=av.VideoFormat("yuv420p"), time_base=BASE)]
    graph.link_nodes(*chain, graph.add("setfield", mode=mark), graph.add("buffersink")).configure()
    flags = {} if mark == "prog" else {"flags": "+ildct+ilme"}
    if codec == "libx264" and flags:
        flags["x264-params"] = "interlaced=1" if mark == "tff" else "bff=1"
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=25, options=flags)
        assert isinstance(stream, av.VideoStream)
        stream.height, stream.width, stream.pix_fmt, stream.bit_rate = 576, 720, "yuv420p", 6_000_000
        for index in range(4):
            early, late = (np.roll(wide, -(2 * index + field) * 16, 1) for field in (0, 1))
            woven = early.copy()
            if weave:
                woven[1::2] = late[1::2]
                if mark == "bff":
                    woven[::2], woven[1::2] = late[::2], early[1::2]
            frame = av.VideoFrame.from_ndarray(woven, "rgb24").reformat(format="yuv420p", interpolation="POINT")
            frame.pts, frame.time_base = index, BASE
            graph.push(frame)
            container.mux(stream.encode(graph.vpull()))
        container.mux(stream.encode())
    return path


@pytest.mark.parametrize(
    ("mark", "codec", "name"),
    [
        ("tff", "mpeg2video", "a.mpg"),
        ("bff", "mpeg2video", "a.mpg"),
        ("tff", "libx264", "a.ts"),
        ("tff", "ffv1", "a.mkv"),
    ],
)
def test_fields_are_taken_apart(mark: str, codec: str, name: str, segmenter: Segmenter, tmp_path: Path) -> None:
    plain = read(write_fields(tmp_path / f"plain_{name}", "prog", codec=codec, weave=False))
    path = write_fields(tmp_path / name, mark, codec=codec)
    woven, apart = read(path, deinterlace="never"), read(path)
    assert len(plain) == len(woven) == len(apart) == 4
    before = np.mean([agreement(segmenter, *pair) for pair in zip(plain, woven, strict=True)])
    after = np.mean([agreement(segmenter, *pair) for pair in zip(plain, apart, strict=True)])
    assert after > 0.9
    assert after > before + 0.02


def test_fields_that_are_not_marked(segmenter: Segmenter, tmp_path: Path) -> None:
    plain = read(write_fields(tmp_path / "plain.mkv", "prog", codec="ffv1", weave=False))
    path = write_fields(tmp_path / "a.mkv", "prog", codec="ffv1")
    np.testing.assert_array_equal(read(path), read(path, deinterlace="never"))
    apart = read(path, deinterlace="always")
    assert np.mean([agreement(segmenter, *pair) for pair in zip(plain, apart, strict=True)]) > 0.9


def test_times_survive_the_filters(tmp_path: Path) -> None:
    path = write_fields(tmp_path / "a.mkv", "tff", codec="ffv1")
    with VideoReader(str(path)) as reader:
        assert [frame.pts for frame in reader] == [0, 40, 80, 120]


def hlg_code(light: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the HLG values of light on a display of PEAK, by BT.2100."""
    shown = np.clip(light / PEAK, 0, 1)
    scene = shown * np.maximum((shown @ LUMA)[..., None], 1e-9) ** ((1 - HLG_GAMMA) / HLG_GAMMA)
    return np.where(scene <= 1 / 12, np.sqrt(3 * scene), HLG_A * np.log(np.maximum(12 * scene - HLG_B, 1e-9)) + HLG_C)


def write_hdr(path: Path, picture: NDArray[np.uint8], transfer: int, codec: str, turn: int = 0) -> Path:
    """Write a plain picture as an HDR film, white at 203 cd/m2 as BT.2408 has it."""
    light = (picture / 255.0) ** 2.4 * 203 @ np.linalg.inv(BT2020_TO_BT709).T
    code = pq_code(light) if transfer == PQ else hlg_code(light)
    with av.open(str(path), "w") as container:
        stream = container.add_stream(
            codec, rate=25, options={"crf": "15", "x265-params": "log-level=none"} if codec == "libx265" else {}
        )
        assert isinstance(stream, av.VideoStream)
        (stream.height, stream.width), stream.pix_fmt = picture.shape[:2], "yuv420p10le"
        if turn:
            stream.set_display_rotation(turn)
        context = stream.codec_context
        context.color_trc, context.color_primaries, context.colorspace, context.color_range = transfer, 9, 9, 1
        frame = av.VideoFrame.from_ndarray(np.round(code * 65535).astype(np.uint16), "rgb48le")
        frame = frame.reformat(format="yuv420p10le", dst_colorspace=Colorspace.BT2020)
        for index in range(3):
            frame.pts = index
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


@pytest.mark.parametrize("transfer", [PQ, HLG], ids=["PQ", "HLG"])
@pytest.mark.parametrize("codec", ["libx265", "ffv1"])
def test_hdr_is_mapped_to_plain_brightness(transfer: int, codec: str, segmenter: Segmenter, tmp_path: Path) -> None:
    picture = render(5, (360, 480)).frame
    frames = read(write_hdr(tmp_path / "a.mkv", picture, transfer, codec))
    assert len(frames) == 3
    assert np.abs(frames[0].astype(int) - picture).mean() < 8
    assert abs(frames[0].mean() - picture.mean()) < 6
    assert agreement(segmenter, picture, frames[2]) > 0.96


def test_a_turned_hdr_film_comes_out_upright(tmp_path: Path) -> None:
    """As phones record it."""
    picture = render(5, (96, 128)).frame
    straight = read(write_hdr(tmp_path / "a.mov", picture, HLG, "libx265"))
    turned = read(write_hdr(tmp_path / "b.mov", picture, HLG, "libx265", turn=90))
    assert turned[0].shape == (128, 96, 3)
    np.testing.assert_array_equal(turned[0], np.rot90(straight[0], 1))


def test_the_curves_are_those_of_the_standards() -> None:
    values = np.linspace(0, 1, 50)
    np.testing.assert_allclose(pq_code(pq_light(values)), values, atol=1e-6)
    assert pq_light(np.array(0.5081)) == pytest.approx(100, rel=0.01)  # BT.2408: 58 % is 203, 51 % about 100
    assert pq_light(np.array(0.5807)) == pytest.approx(203, rel=0.01)
    grey = np.repeat(np.array([0.0, 0.38, 0.75, 1.0])[:, None], 3, axis=1)
    np.testing.assert_allclose(hlg_light(grey)[:, 0], [0, 26, 203, 1000], rtol=0.02, atol=1e-3)  # BT.2408, table 1
    light = np.linspace(0, 1000, 400)
    bent = compressed(light, 1000)
    assert (np.diff(bent) > -1e-9).all()
    np.testing.assert_allclose(bent[light < 80], light[light < 80], rtol=1e-6)
    assert bent.max() == pytest.approx(203, rel=1e-3)
    white = np.full((1, 3), float(pq_code(np.array(203.0))))
    assert to_plain(white, PQ, 203)[0] == pytest.approx([1, 1, 1], abs=0.01)
