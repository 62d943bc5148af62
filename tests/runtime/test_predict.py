"""`streetseg.predict`: the command's work from Python. tests/cli/test_predict.py has what the command prints."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import streetseg
from streetseg.errors import ImageError, UsageError
from streetseg.runtime.engines.options import EngineOptions
from streetseg.runtime.films import FailedVideo, PredictedVideo
from streetseg.runtime.frames import read_frame
from streetseg.runtime.images import FailedImage, PredictedImage
from streetseg.runtime.predict import predict
from streetseg.runtime.segmenter import Segmenter
from streetseg.runtime.video_options import VideoOptions
from streetseg.streets.scene import render

ONE = EngineOptions("onnxruntime", threads=1)


@pytest.fixture(scope="module")
def segmenter() -> Segmenter:
    return Segmenter.open(options=ONE)


@pytest.fixture
def drive(tmp_path: Path) -> Path:
    """Two images, and between them one that is cut short."""
    folder = tmp_path / "drive"
    folder.mkdir()
    for name, size in (("1.png", (48, 64)), ("3.png", (56, 72))):
        Image.fromarray(render(3, size).frame).save(folder / name)
    (folder / "2.png").write_bytes((folder / "1.png").read_bytes()[:200])
    return folder


def test_images_come_back_as_they_are_done(drive: Path, segmenter: Segmenter, tmp_path: Path) -> None:
    out = tmp_path / "out"
    reported: list[PredictedImage | FailedImage | PredictedVideo | FailedVideo] = []
    done = predict(drive, out, weights=segmenter, each=reported.append)
    assert [one.image.name for one in reported if isinstance(one, PredictedImage | FailedImage)] == [
        "1.png",
        "2.png",
        "3.png",
    ]
    assert done.images == (reported[0], reported[2])
    assert done.failed == (reported[1],)
    assert done.videos == ()
    assert isinstance(done.failed[0].error, ImageError)

    first = done.images[0]
    expected = segmenter(read_frame(drive / "1.png"))
    assert (first.height, first.width, first.share) == (48, 64, expected.share())
    assert first.milliseconds.keys() == {"decode", "network", "class map", "write"}
    assert (first.classes, first.overlay) == (out / "1_classes.png", out / "1_overlay.jpg")
    np.testing.assert_array_equal(np.asarray(Image.open(first.classes)), expected.classmap)
    assert first.overlay.is_file()

    facts = json.loads(done.to_json())
    assert facts["images"] == [one.facts() for one in done.images]
    assert facts["failed"] == {str(drive / "2.png"): str(done.failed[0].error)}
    assert facts["videos"] == []
    assert done.table().splitlines()[0] == first.table()
    assert first.table().startswith(f"{drive / '1.png'}: 64 x 48; ms: decode ")
    with pytest.raises(dataclasses.FrozenInstanceError):
        first.width = 1  # type: ignore[misc]


def test_one_image_into_a_file(drive: Path, tmp_path: Path) -> None:
    (one,) = streetseg.predict(str(drive / "1.png"), tmp_path / "new" / "seen.png", size=24, options=ONE).images
    assert (one.classes.name, one.overlay) == ("seen_classes.png", tmp_path / "new" / "seen.png")
    assert read_frame(one.overlay).shape == (48, 64, 3)


def test_what_cannot_be_is_refused_before_anything_is_written(drive: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    with pytest.raises(UsageError, match="--every is for a video"):
        predict(drive, out, every=2)
    with pytest.raises(UsageError, match="--absolute-times is for a video"):
        predict(drive, out, video=VideoOptions(absolute_times=True))
    with pytest.raises(UsageError, match="names a file, but there is more than one film or image"):
        predict([drive, "ride.mp4"], tmp_path / "o.mp4")
    with pytest.raises(UsageError, match="missing is not there"):
        predict("missing", out)
    with pytest.raises(UsageError, match="names a file, but there are 3 images"):
        predict(drive, tmp_path / "out.png")
    assert not out.exists()


def test_a_video_comes_back_with_its_figures(tmp_path: Path, segmenter: Segmenter) -> None:
    av = pytest.importorskip("av")
    source = tmp_path / "ride.mkv"
    with av.open(str(source), "w") as container:
        stream = container.add_stream("ffv1", rate=25)
        stream.height, stream.width, stream.pix_fmt = 48, 64, "gray"
        for _ in range(4):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(render(3, (48, 64)).frame[..., 0], "gray")))
        container.mux(stream.encode())
    done = predict([source], tmp_path / "out", weights=segmenter, classmap=str(tmp_path / "maps"), every=2)
    assert (done.images, done.failed) == ((), ())
    (video,) = done.videos
    assert (video.video, video.overlay) == (str(source), tmp_path / "out" / "ride_overlay.mp4")
    assert (video.report.frames, video.report.decoded, video.report.interrupted) == (2, 4, False)
    assert len(list((tmp_path / "maps").iterdir())) == 2
    (facts,) = json.loads(done.to_json())["videos"]
    assert facts["frames"] == 2
    assert facts["frames_per_second"] == pytest.approx(2 / video.report.seconds, abs=0.01)
    assert done.table() == video.table()
