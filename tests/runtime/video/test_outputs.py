"""Choices for a video's results: codec, quality, sound, class maps, window."""

from __future__ import annotations

import os
from pathlib import Path

import av
import numpy as np
import pytest

from streetseg.errors import UsageError, VideoError
from streetseg.runtime.drawing import Drawing
from streetseg.runtime.films import plan_films
from streetseg.runtime.predict import predict
from streetseg.runtime.segmenter import Segmenter
from streetseg.runtime.video.segment import segment_video
from streetseg.runtime.video.window import Window
from streetseg.runtime.video_options import VideoOptions
from tests.support.videos import frames_of, source_frames, steady, write_film, write_video

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(
    ("codec", "name", "decoder"),
    [
        ("h264", "o.mp4", "h264"),
        ("hevc", "o.mp4", "hevc"),
        ("hevc", "o.mkv", "hevc"),
        ("av1", "o.mp4", "libdav1d"),
        ("av1", "o.mkv", "libdav1d"),
        ("ffv1", "o.mkv", "ffv1"),
    ],
)
def test_codecs(codec: str, name: str, decoder: str, ride: Path, segmenter: Segmenter, tmp_path: Path) -> None:
    report = segment_video(segmenter, str(ride), tmp_path / name, options=VideoOptions(codec=codec))
    assert report.frames == 25
    with av.open(str(tmp_path / name)) as container:
        stream = container.streams.video[0]
        assert stream.codec_context.name == decoder
        if (codec, name) == ("hevc", "o.mp4"):
            assert stream.codec_context.codec_tag == "hvc1"
    frames = frames_of(tmp_path / name)
    assert len(frames) == 25
    expected = segmenter(source_frames(ride)[3][1]).overlay()
    assert np.abs(frames[3][1].astype(int) - expected).mean() < (1e-9 if codec == "ffv1" else 20)


def test_quality(ride: Path, segmenter: Segmenter, tmp_path: Path) -> None:
    sizes = []
    for quality in (10, 40):
        out = tmp_path / f"{quality}.mp4"
        segment_video(segmenter, str(ride), out, options=VideoOptions(quality=quality))
        sizes.append(out.stat().st_size)
    assert sizes[0] > 1.5 * sizes[1]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"codec": "vp8"}, "codec must be one of h264, hevc, av1, ffv1, got 'vp8'"),
        ({"quality": 52}, r"quality of h264 is from 0 \(best\) to 51, got 52"),
        ({"codec": "ffv1", "quality": 5}, "ffv1 is lossless and takes no quality, got 5"),
        ({"timeout": 0}, "timeout must be above 0"),
        ({"camera_fps": 0}, "camera-fps must be above 0"),
        ({"camera_size": (0, 5)}, "camera-size must be at least 1x1"),
        ({"transport": "ftp"}, "transport must be one of tcp, udp"),
        ({"deinterlace": "maybe"}, "deinterlace must be one of auto, always, never"),
    ],
)
def test_options_out_of_range(options: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        VideoOptions(**options)  # type: ignore[arg-type]


def test_what_cannot_be_written_is_told(ride: Path, segmenter: Segmenter, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--codec ffv1 needs Matroska"):
        segment_video(segmenter, str(ride), tmp_path / "o.mp4", options=VideoOptions(codec="ffv1"))
    with pytest.raises(UsageError, match="--audio is for files"):
        segment_video(segmenter, "0", tmp_path / "o.mkv", options=VideoOptions(audio=True))
    small = write_film(tmp_path / "small.mkv", range(3), size=(2, 250), codec="ffv1")
    with pytest.raises(VideoError, match=r"hevc of 250 x 2 pixels cannot be written to .*; choose another --codec"):
        segment_video(segmenter, str(small), tmp_path / "o.mp4", options=VideoOptions(codec="hevc"))
    assert [path.name for path in tmp_path.iterdir()] == ["small.mkv"]
    (film,) = plan_films(["a.mp4"], "out", None, VideoOptions(codec="ffv1"), alone=True)
    assert film.overlay == Path("out/a_overlay.mkv")


@pytest.mark.parametrize("name", ["o.mp4", "o.mkv"])
def test_sound_is_copied(name: str, ride: Path, segmenter: Segmenter, tmp_path: Path) -> None:
    segment_video(segmenter, str(ride), tmp_path / name, options=VideoOptions(audio=True))

    def packets(path: Path) -> list[bytes]:
        with av.open(str(path)) as container:
            return [bytes(packet) for packet in container.demux(audio=0) if packet.size]

    copied, original = packets(tmp_path / name), packets(ride)
    assert len(original) > 3
    assert copied == original[-len(copied) :]
    assert len(copied) >= len(original) - 1  # the encoder's start lies before 0
    with av.open(str(tmp_path / name)) as container:
        assert container.streams.audio[0].codec_context.name == "aac"
        assert len(list(container.decode(video=0))) == 25


def test_sound_of_a_late_clock_and_of_none(segmenter: Segmenter, tmp_path: Path) -> None:
    late = tmp_path / "late.ts"
    with av.open(str(write_video(tmp_path / "a.mp4", steady(25)))) as source, av.open(str(late), "w") as container:
        streams = {stream.index: container.add_stream_from_template(stream) for stream in source.streams}
        for packet in source.demux():
            if packet.dts is not None and packet.pts is not None and packet.time_base is not None:
                packet.pts += round(3600 / packet.time_base)
                packet.dts += round(3600 / packet.time_base)
                packet.stream = streams[packet.stream_index]
                container.mux(packet)
    told: list[str] = []
    segment_video(segmenter, str(late), tmp_path / "o.mkv", options=VideoOptions(audio=True), tell=told.append)
    with av.open(str(tmp_path / "o.mkv")) as container:
        packets = {packet.stream.type: packet for packet in container.demux() if packet.pts}
    starts = {kind: float((packet.pts or 0) * (packet.time_base or 0)) for kind, packet in packets.items()}
    assert starts.keys() == {"video", "audio"}
    assert all(0 <= at < 2 for at in starts.values())
    silent = write_film(tmp_path / "silent.mkv", range(3))
    segment_video(segmenter, str(silent), tmp_path / "s.mkv", options=VideoOptions(audio=True), tell=told.append)
    assert told == [f"note: {silent} has no sound"]


def test_class_maps_as_arrays(ride: Path, segmenter: Segmenter, tmp_path: Path) -> None:
    report = segment_video(segmenter, str(ride), None, tmp_path / "maps.npz", every=4)
    assert report.frames == 7
    assert [path.name for path in tmp_path.iterdir()] == ["maps.npz"]
    source = source_frames(ride)
    with np.load(tmp_path / "maps.npz") as maps:
        assert sorted(maps.files) == [*(f"{index:06d}" for index in range(0, 25, 4)), "seconds"]
        np.testing.assert_array_equal(maps["000008"], segmenter(source[8][1]).classmap)
        np.testing.assert_allclose(maps["seconds"], [float(at) for at, _ in source[::4]], atol=1e-6)


def test_side_by_side(ride: Path, segmenter: Segmenter, tmp_path: Path) -> None:
    drawing = Drawing(side_by_side=True, only=(segmenter.card.classes[0],))
    report = segment_video(segmenter, str(ride), tmp_path / "o.mp4", tmp_path / "c.mkv", drawing=drawing)
    assert (report.height, report.width) == (48, 64)
    assert frames_of(tmp_path / "o.mp4")[0][1].shape == (48, 128, 3)
    assert frames_of(tmp_path / "c.mkv", "gray")[0][1].shape == (48, 64)


def test_finished_films_are_skipped(segmenter: Segmenter, tmp_path: Path) -> None:
    (tmp_path / "films").mkdir()
    for name in ("a.mp4", "b.mp4"):
        write_film(tmp_path / "films" / name, range(2))
    told: list[str] = []

    def again() -> list[str]:
        done = predict(tmp_path / "films", tmp_path / "out", weights=segmenter, skip_existing=True, tell=told.append)
        return [Path(video.video).name for video in done.videos]

    assert again() == ["a.mp4", "b.mp4"]
    (tmp_path / "out" / "b_overlay.mp4").unlink()
    assert again() == ["b.mp4"]
    assert again() == []
    assert told == [f"note: {count} skipped, for their results are there" for count in (1, 2)]


def test_out_may_be_left_out_only_where_something_else_comes_of_it(ride: Path, segmenter: Segmenter) -> None:
    with pytest.raises(UsageError, match="--out is missing"):
        predict(ride, None, weights=segmenter)


@pytest.fixture
def screen(monkeypatch: pytest.MonkeyPatch) -> None:
    """SDL's driver that draws nowhere, unless there is a screen."""
    pytest.importorskip("pygame", reason="the extra show is not installed")
    if not os.environ.get("DISPLAY"):
        monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")


@pytest.mark.usefixtures("screen")
def test_a_window_shows_the_overlay_until_q(ride: Path, segmenter: Segmenter, monkeypatch: pytest.MonkeyPatch) -> None:
    import pygame

    shown: list[bytes] = []
    show = Window.show

    def press_q(window: Window, picture: np.ndarray[tuple[int, ...], np.dtype[np.uint8]]) -> bool:
        if len(shown) == 4:
            pygame.event.post(pygame.event.Event(pygame.KEYDOWN, key=pygame.K_q))
        goes_on = show(window, picture)
        assert window.screen is not None
        shown.append(pygame.image.tobytes(window.screen, "RGB"))
        return goes_on

    monkeypatch.setattr(Window, "show", press_q)
    report = segment_video(segmenter, str(ride), None, options=VideoOptions(show=True))
    assert (report.frames, report.interrupted, report.missing) == (5, False, 0)
    picture = np.frombuffer(shown[2], np.uint8).reshape(48, 64, 3)
    np.testing.assert_array_equal(picture, segmenter(source_frames(ride)[2][1]).overlay())
    assert not pygame.display.get_init()


def test_without_a_screen_a_line_says_so(
    ride: Path, segmenter: Segmenter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "SDL_VIDEODRIVER"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(UsageError, match="--show needs a screen, and this machine shows none"):
        segment_video(segmenter, str(ride), tmp_path / "o.mp4", options=VideoOptions(show=True))
    assert list(tmp_path.iterdir()) == []
