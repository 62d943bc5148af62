"""The command line of every verb: exit codes, help, signals, closed pipes and full disks."""

from __future__ import annotations

import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import streetseg
from streetseg.cli import main
from streetseg.runtime.frames import read_frame
from streetseg.runtime.segmenter import DEFAULT_WEIGHTS
from tests.support.command_line import ONNXRUNTIME, STREETSEG, Refused, Run, files_below, outputs


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ([], "the following arguments are required: VERB; see streetseg --help"),
        (["segment"], "invalid choice: 'segment'"),
    ],
)
def test_a_mistake_is_told_in_one_line(refused: Refused, arguments: list[str], complaint: str) -> None:
    assert complaint in refused(*arguments)


def test_help_is_no_mistake(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    for arguments in (["--help"], ["predict", "--help"], ["evaluate", "--help"]):
        with pytest.raises(SystemExit) as caught:
            main(arguments)
        assert caught.value.code == 0
        output, errors = capsys.readouterr()
        assert output.startswith("usage: streetseg")
        assert errors == ""
    with pytest.raises(SystemExit):
        main(["--version"])
    assert capsys.readouterr().out == f"streetseg {streetseg.__version__}\n"


@pytest.fixture
def many(drive: Path, tmp_path: Path) -> list[str | Path]:
    """A command that works on 300 images."""
    photos = tmp_path / "photos"
    photos.mkdir()
    for index in range(300):
        shutil.copy(drive / "1.png", photos / f"{index}.png")
    return ["predict", photos, "--out", tmp_path / "out", *ONNXRUNTIME]


@pytest.mark.slow
@pytest.mark.usefixtures("usual_signals")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_interrupted(number: signal.Signals, many: list[str | Path], tmp_path: Path) -> None:
    with subprocess.Popen([*STREETSEG, *many], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.send_signal(number)
        _, errors = process.communicate(timeout=60)
    assert (process.returncode, errors) == (130, "streetseg: interrupted\n")
    found = files_below(tmp_path / "out")
    assert 2 <= len(found) < 600
    assert all(re.fullmatch(r"\d+_(classes\.png|overlay\.jpg)", name) for name in found)
    for name in found:
        read_frame(tmp_path / "out" / name)


@pytest.mark.slow
def test_output_closed_early(many: list[str | Path], tmp_path: Path) -> None:
    with subprocess.Popen([*STREETSEG, *many], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        errors = process.stderr.read()
        process.wait(timeout=60)
    assert (process.returncode, errors) == (0, "")
    assert files_below(tmp_path / "out") == outputs(*map(str, range(300)))


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_without_anywhere_to_print(stream: str, drive: Path, tmp_path: Path) -> None:
    closed = f"import sys; sys.{stream} = None; import streetseg.cli; raise SystemExit(streetseg.cli.main())"
    command: list[str | Path] = [
        sys.executable,
        "-c",
        closed,
        "predict",
        drive,
        "--out",
        tmp_path / "out",
        *ONNXRUNTIME,
    ]
    done = subprocess.run(command, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.count("\n") == (4 + 1 if stream == "stderr" else 0)
    assert files_below(tmp_path / "out") == outputs("1", "a/1", "a/2", "b/1")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_full_disks_behind_what_is_printed(drive: Path, tmp_path: Path) -> None:
    command = [*STREETSEG, "predict", drive / "1.png", "--out", tmp_path, *ONNXRUNTIME]
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True)
        message = "streetseg: results cannot be printed: No space left on device; send them elsewhere\n"
        assert (done.returncode, done.stderr) == (2, message)
        unheard = subprocess.run([*STREETSEG, "predict", "missing.png", "--out", tmp_path], stderr=full)
        assert unheard.returncode == 2


@pytest.mark.slow
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_what_is_written_to_files_is_not_lost_with_what_is_printed(camvid: Path, tmp_path: Path) -> None:
    evaluate: list[str | Path] = [
        "evaluate",
        DEFAULT_WEIGHTS,
        "--data",
        camvid,
        "--engine",
        "onnxruntime",
        "--report",
        tmp_path / "r",
    ]
    tables: list[str | Path] = ["tables", "ddrnet-III", "bisenetv2-8", "--out", tmp_path / "t"]
    with Path("/dev/full").open("w") as full:
        for command in (evaluate, tables):
            done = subprocess.run([*STREETSEG, *command], stdout=full, stderr=subprocess.DEVNULL)
            assert done.returncode == 2
    assert (tmp_path / "r" / "report.html").exists()
    assert {path.name for path in (tmp_path / "t").iterdir()} == {
        "ddrnet-III.md", "ddrnet-III.json", "bisenetv2-8.md", "bisenetv2-8.json",
    }  # fmt: skip
