"""Several films in one call: what is segmented, and how the results are called."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from streetseg.errors import UsageError, VideoError
from streetseg.runtime.engines.options import EngineOptions
from streetseg.runtime.films import FailedVideo, PredictedVideo, live_name, plan_films, split_films
from streetseg.runtime.images import FailedImage, PredictedImage
from streetseg.runtime.predict import predict
from streetseg.runtime.segmenter import Segmenter
from streetseg.runtime.video_options import VideoOptions
from tests.support.videos import street, write_film


@pytest.fixture(scope="module")
def segmenter() -> Segmenter:
    return Segmenter.open(options=EngineOptions("onnxruntime", threads=1))


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of films, and one with a picture too, from where the test runs."""
    monkeypatch.chdir(tmp_path)
    for name in ("films/2.mp4", "films/10.mkv", "more/2.mp4", "mixed/3.avi"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        write_film(path, range(2), codec="mpeg4")
    Image.fromarray(street()[:48, :64]).save(tmp_path / "mixed" / "a.png")
    return tmp_path


def test_what_is_a_film(here: Path) -> None:
    films = ["films/2.mp4", "films/10.mkv"]
    assert split_films(["films"]) == (films, [])
    assert split_films(["films/*"]) == (films, [])
    assert split_films(["films/*.mp4", "films/2.mp4", "gone*"]) == (films[:1], ["gone*"])
    assert split_films(["mixed", "mixed/3.avi"]) == (["mixed/3.avi"], ["mixed"])
    assert split_films(["mixed/*"]) == (["mixed/3.avi"], ["mixed/*"])
    (here / "films" / "2_overlay.mkv").write_bytes((here / "films" / "10.mkv").read_bytes())
    (here / "films" / "list.m3u8").touch()
    assert split_films(["films"]) == (films, [])
    assert split_films(["films/*.m*"]) == (films, ["films/*.m*"])
    assert split_films(["films/2_overlay.mkv"]) == (["films/2_overlay.mkv"], [])
    assert split_films([""]) == ([], [""])


@pytest.mark.usefixtures("here")
def test_names_of_results() -> None:
    (one,) = plan_films(["films/2.mp4"], "out", "maps", VideoOptions(), alone=True)
    assert (one.overlay, one.classmap) == (Path("out/2_overlay.mp4"), Path("maps"))
    (one,) = plan_films(["films/2.mp4"], "out/x.mkv", "maps/{name}.mkv", VideoOptions(), alone=True)
    assert (one.overlay, one.classmap) == (Path("out/x.mkv"), Path("maps/x.mkv"))
    films = plan_films(["films/2.mp4", "more/2.mp4", "films/10.mkv"], "out", "maps", VideoOptions(), alone=False)
    names = ["films/2", "more/2", "10"]
    assert [film.overlay for film in films] == [Path(f"out/{name}_overlay.mp4") for name in names]
    assert [film.classmap for film in films] == [Path("maps", name) for name in names]
    films = plan_films(["films/2.mp4", "films/10.mkv"], "out", "maps/{name}.mkv", VideoOptions(), alone=False)
    assert [film.classmap for film in films] == [Path("maps/2.mkv"), Path("maps/10.mkv")]
    with pytest.raises(UsageError, match=r"--out o\.mp4 names a file, but there is more than one"):
        plan_films(["films/2.mp4", "films/10.mkv"], "o.mp4", None, VideoOptions(), alone=False)
    with pytest.raises(UsageError, match=r"--classmap c\.mkv is one file for several films; write \{name\}"):
        plan_films(["films/2.mp4", "films/10.mkv"], "out", "c.mkv", VideoOptions(), alone=False)
    Path("films/2_overlay.mp4").touch()
    with pytest.raises(UsageError, match=r"2_overlay\.mp4 is to be segmented, and a result would replace it"):
        plan_films(["films/2.mp4", "films/2_overlay.mp4"], "films", None, VideoOptions(), alone=False)


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("/dev/video0", "video0"),
        ("3", "video3"),
        ("/dev/v4l/by-id/usb-A_B-video-index0", "v4l_by-id_usb-A_B-video-index0"),
        ("rtsp://me:secret@cam.local:554/a/b?key=secret", "cam.local_554_a_b"),
        ("http://me:secret@cam/video.mjpg", "cam_video.mjpg"),
    ],
)
def test_a_recordings_name_is_its_cameras_and_its_times(source: str, name: str) -> None:
    assert re.fullmatch(rf"{name}_\d{{8}}-\d{{6}}", live_name(source))


@pytest.mark.usefixtures("here")
def test_several_films_and_pictures_in_one_call(segmenter: Segmenter) -> None:
    Path("films/5.mp4").write_bytes(b"\0\0\0\x18ftypmp42, and no more")
    seen: list[PredictedImage | FailedImage | PredictedVideo | FailedVideo] = []
    done = predict(["films", "mixed"], "out", weights=segmenter, classmap="maps", every=2, each=seen.append)
    assert [one.image.name for one in done.images] == ["a.png"]
    assert [(one.video, one.report.frames) for one in done.videos] == [("films/2.mp4", 1), ("films/10.mkv", 1)]
    (failed,) = done.failed
    assert isinstance(failed, FailedVideo)
    assert (failed.video, type(failed.error)) == ("films/5.mp4", VideoError)
    assert set(map(id, seen)) == {id(one) for one in (*done.images, *done.videos, *done.failed)}
    assert {path.as_posix() for path in Path("out").iterdir()} == {
        "out/a_classes.png", "out/a_overlay.jpg", "out/2_overlay.mp4", "out/10_overlay.mp4",
    }  # fmt: skip
    assert np.asarray(Image.open("maps/2/000000.png")).shape == (48, 64)
    assert done.to_json().count("cannot be opened as a video") == 1
    assert len(done.table().splitlines()) == 4
