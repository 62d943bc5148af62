"""`streetseg predict` of a video: what it prints and how it ends."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from streetseg.cli import main
from streetseg.errors import StreetsegError, VideoError
from tests.support.videos import frames_of, steady, street, write_ride, write_video


@pytest.fixture(scope="module")
def ride(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of a ride."""
    return write_ride(tmp_path_factory.mktemp("ride"))


def test_a_video_cut_short_is_told_by_the_exit_code(
    ride: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = write_video(tmp_path / "whole.mkv", steady(40)).read_bytes()
    cut = tmp_path / "cut.mkv"
    cut.write_bytes(whole[: len(whole) // 2])
    arguments = [str(cut), "--out", str(tmp_path / "o.mp4"), "--engine", "onnxruntime", "--json"]
    assert main(["predict", *arguments]) == 1
    output, errors = capsys.readouterr()
    report = json.loads(output)
    assert report["frames"] == len(frames_of(tmp_path / "o.mp4")) < 40
    assert report["missing"] >= 40 - report["frames"]
    assert errors.startswith(f"streetseg: {cut} is damaged: ")
    assert errors.count("\n") == 1
    # Where one stops early by wish, nothing is missing.
    assert main(["predict", *arguments, "--max-frames", "3"]) == 0


@pytest.mark.usefixtures("usual_signals")
@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_an_interruption_keeps_what_is_done(number: signal.Signals, tmp_path: Path) -> None:
    source = write_video(tmp_path / "long.mp4", steady(3000))
    out = tmp_path / "out"
    command: list[str | Path] = [
        sys.executable,
        "-m",
        "streetseg",
        "predict",
        source,
        "--out",
        out / "o.mp4",
        "--engine",
        "onnxruntime",
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        while process.poll() is None and not list(out.glob(".o*")):
            time.sleep(0.02)
        time.sleep(1)
        process.send_signal(number)
        output, errors = process.communicate(timeout=60)
    assert process.returncode == 130, errors
    assert [path.name for path in out.iterdir()] == ["o.mp4"]
    frames = len(frames_of(out / "o.mp4"))
    assert 0 < frames < 3000
    assert errors == f"streetseg: interrupted; {out / 'o.mp4'} holds the {frames} frames done so far\n"
    assert f"{frames} frames in" in output


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["{ride}", "--out", "{out}.gif"], "not a name for a video"),
        (["{ride}", "{picture}", "--out", "{out}.mp4"], "names a file, but there is more than one film or image"),
        (["{ride}", "--out", "{out}", "--stream", "5"], "has no video stream 5; give one of: 0 (h264, 64 x 48)"),
        (["{ride}", "--out", "{out}", "--stream", "-1"], "stream must be at least 0, got -1"),
        (["{ride}", "--out", "{out}.mp4", "--absolute-times"], "--absolute-times needs Matroska"),
        (["{picture}", "--out", "{out}", "--stream", "0"], "--stream is for a video"),
        (["{ride}", "--out", "{ride}"], "is the video to segment; choose"),
        (["{ride}", "--out", "{out}.mp4", "--classmap", "{out}.mp4"], "must be NAME.mkv, NAME.npz"),
        (["{ride}", "--out", "{out}.mkv", "--classmap", "{out}.mkv"], "at once"),
        (
            ["{ride}", "--out", "{out}", "--every", "0"],
            "--every takes 1 to 1,000,000 and --max-frames at least 1, got 0",
        ),
        (["{ride}", "--out", "{out}", "--max-frames", "0"], "--max-frames at least 1, got 1 and 0"),
        (["{ride}", "--out", "{out}", "--every", "2147483648"], "--every takes 1 to 1,000,000"),
        (["{ride}", "--out", "{out}.mkv", "--classmap", "{out}/../o.mkv"], "at once"),
        (["{ride}.mp4", "--out", "{out}"], "is not there; give a video file"),
        (["{picture}", "--out", "{out}", "--every", "2"], "--every is for a video"),
        (["{sound}", "--out", "{out}"], "holds no video of a kind"),
    ],
)
def test_mistakes_are_told_in_one_line(
    arguments: list[str], complaint: str, ride: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    places = {"ride": ride, "out": tmp_path / "o", "picture": tmp_path / "p.png", "sound": tmp_path / "s.mp4"}
    Image.fromarray(street()).save(places["picture"])
    with av.open(places["sound"], "w") as container:
        stream = container.add_stream("aac", rate=8000, layout="mono")
        sound = av.AudioFrame.from_ndarray(np.zeros((1, 4096), np.float32), "fltp", "mono")
        sound.sample_rate = 8000
        container.mux(stream.encode(sound))
        container.mux(stream.encode())
    engine = ["--engine", "onnxruntime"]
    assert main(["predict", *(argument.format(**places) for argument in arguments), *engine]) == 2
    output, errors = capsys.readouterr()
    assert output == ""
    assert complaint in errors
    assert errors.count("\n") == 1
    assert {path.name for path in tmp_path.iterdir()} <= {"p.png", "s.mp4", "o"}


def test_a_folder_that_is_called_like_a_video(tmp_path: Path) -> None:
    (tmp_path / "drive.mp4").mkdir()
    Image.fromarray(street()).save(tmp_path / "drive.mp4" / "a.png")
    command = ["predict", str(tmp_path / "drive.mp4"), "--out", str(tmp_path / "out"), "--engine", "onnxruntime"]
    assert main(command) == 0
    assert (tmp_path / "out" / "a_classes.png").is_file()


def test_without_pyav(ride: Path) -> None:
    code = "import sys; sys.modules['av'] = None; import streetseg.cli; raise SystemExit(streetseg.cli.main())"
    command: list[str | Path] = [
        sys.executable,
        "-c",
        code,
        "predict",
        ride,
        "--out",
        "o.mp4",
        "--engine",
        "onnxruntime",
    ]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 2
    assert "pip install 'streetseg[video]'" in done.stderr
    assert issubclass(VideoError, StreetsegError)
