"""streetseg predict: what it writes and says, and one clear line for every mistake."""

from __future__ import annotations

import json
import os
import re
import shutil
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from onnx import TensorProto, helper
from PIL import Image

from streetseg.runtime.frames import read_frame
from streetseg.runtime.segmenter import DEFAULT_WEIGHTS, Segmenter
from streetseg.streets.scene import render
from tests.support.command_line import ONNXRUNTIME, STREETSEG, Refused, Run, files_below, outputs, refusal, without


@pytest.mark.slow
def test_predict_in_a_process_of_its_own(drive: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    paths = [drive / "a", drive / "b" / "*.png", drive / "1.png"]
    done = subprocess.run([*STREETSEG, "predict", *paths, "--out", out], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    *lines, last = done.stdout.splitlines()
    assert re.fullmatch(
        r"4 images in [\d.]+ s; [\d.]+ a second; median ms: decode [\d.]+, network [\d.]+, class map [\d.]+, "
        r"write [\d.]+; 0 errors",
        last,
    )
    assert [re.match(r"(.*): 64 x 48; ms: decode ", line)[1] for line in lines] == [  # type: ignore[index]
        str(drive / name) for name in ("1.png", "a/1.png", "a/2.jpg", "b/1.png")
    ]
    found = files_below(out)
    assert len(found) == 8
    assert "2_classes.png" in found  # from the folder a, the only one of its name

    segmenter = Segmenter.open()
    expected = segmenter(read_frame(drive / "a" / "2.jpg"))
    with Image.open(out / "2_classes.png") as image:
        assert image.mode == "P"
        np.testing.assert_array_equal(np.asarray(image), expected.classmap)
        assert np.asarray(image).max() < len(expected.names)
        palette = image.getpalette()
    assert palette is not None
    assert palette[: 3 * len(expected.colours)] == [value for colour in expected.colours for value in colour]
    assert read_frame(out / "2_overlay.jpg").shape == (48, 64, 3)


def test_namesakes_keep_their_folders(drive: Path, tmp_path: Path, run: Run) -> None:
    code, lines, errors = run("predict", drive, "--out", tmp_path / "tree", *ONNXRUNTIME)
    assert (code, len(lines), errors) == (0, 5, [])  # the last line sums up
    assert files_below(tmp_path / "tree") == outputs("1", "a/1", "a/2", "b/1")

    code, lines, errors = run("predict", drive / "a/1.png", drive / "b/1.png", "--out", tmp_path / "two", *ONNXRUNTIME)
    assert (code, len(lines), errors) == (0, 3, [])
    assert files_below(tmp_path / "two") == outputs("a/1", "b/1")


def test_json_lines(drive: Path, tmp_path: Path, run: Run) -> None:
    code, lines, errors = run("predict", drive, "--out", tmp_path, "--json", "--size", 24, "--threads", 1, *ONNXRUNTIME)
    assert (code, errors) == (0, [])
    segmenter = Segmenter.open(engine="onnxruntime", size=24)
    names = ["1.png", "a/1.png", "a/2.jpg", "b/1.png"]
    for name, line in zip(names, lines, strict=True):
        report = json.loads(line)
        assert report["image"] == str(drive / name)
        assert (report["width"], report["height"]) == (64, 48)
        assert list(report["milliseconds"]) == ["decode", "network", "class map", "write"]
        assert min(report["milliseconds"].values()) >= 0
        result = segmenter(read_frame(drive / name))
        assert report["share"] == pytest.approx(result.share(), abs=1e-3)
        with Image.open(report["classes"]) as image:
            assert (np.asarray(image) != result.classmap).mean() < 1e-3
        assert read_frame(report["overlay"]).shape == (48, 64, 3)


def test_out_with_a_suffix_is_for_one_image(drive: Path, tmp_path: Path, run: Run) -> None:
    code, _, errors = run("predict", drive / "1.png", "--out", tmp_path / "new" / "street.png", *ONNXRUNTIME)
    assert (code, errors) == (0, [])
    assert files_below(tmp_path / "new") == {"street.png", "street_classes.png"}
    assert read_frame(tmp_path / "new" / "street.png").shape == (48, 64, 3)

    message = refusal(run("predict", drive, "--out", tmp_path / "several.png", *ONNXRUNTIME))
    assert "several.png names a file, but there are 4 images; give a folder" in message
    assert not (tmp_path / "several.png").exists()
    message = refusal(run("predict", drive / "1.png", "--out", tmp_path / "street.txt", *ONNXRUNTIME))
    assert "street.txt is neither a picture" in message

    dotted = tmp_path / "results.v2"
    assert "results.v2 names a file" in refusal(run("predict", drive, "--out", dotted, *ONNXRUNTIME))
    for out in (f"{dotted}/", dotted):  # by then a folder that is there
        assert run("predict", drive, "--out", out, *ONNXRUNTIME)[0] == 0
    assert files_below(dotted) == outputs("1", "a/1", "a/2", "b/1")


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    buffer = BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def png_header(width: int, height: int) -> bytes:
    """A PNG that announces a size and holds nothing."""
    chunks = [(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    )


def test_bad_images_among_good_ones(tmp_path: Path, run: Run) -> None:
    photo = Image.fromarray(render(0, (48, 64)).frame)
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by a quarter
    deep = Image.fromarray(np.linspace(0, 65535, 48 * 64).astype(np.uint16).reshape(48, 64))
    jpeg, png = encoded(photo, "JPEG"), encoded(photo, "PNG")
    good = {
        "one.png": (encoded(photo.crop((0, 0, 1, 1)), "PNG"), (1, 1)),
        "turned.jpg": (encoded(photo, "JPEG", exif=exif), (48, 64)),
        "deep.png": (encoded(deep, "PNG"), (64, 48)),
        "palette.png": (encoded(photo.quantize(16), "PNG"), (64, 48)),
        "alpha.png": (encoded(photo.convert("RGBA"), "PNG"), (64, 48)),
        "print.jpg": (encoded(photo.convert("CMYK"), "JPEG"), (64, 48)),
    }
    bad = {
        "empty.jpg": b"", "text.png": b"not an image\n", "cut.jpg": jpeg[: len(jpeg) // 2], "cut.png": png[:-40],
        "huge.png": png_header(60_000, 60_000),
    }  # fmt: skip
    photos, out = tmp_path / "photos", tmp_path / "out"
    photos.mkdir()
    for name, content in {**bad, **{name: content for name, (content, _) in good.items()}}.items():
        (photos / name).write_bytes(content)

    code, lines, errors = run("predict", photos, "--out", out, "--json", *ONNXRUNTIME)
    assert code == 2
    assert len(errors) == len(bad)
    for name, error in zip(sorted(bad), sorted(errors), strict=True):
        assert error.startswith(f"streetseg: {photos / name} ")
    reports = {Path(report["image"]).name: report for report in map(json.loads, lines)}
    assert reports.keys() == good.keys()
    for name, (_, size) in good.items():
        with Image.open(reports[name]["classes"]) as image:
            assert image.size == size
    assert files_below(out) == outputs(*(Path(name).stem for name in good))


def test_places_that_cannot_be_written_to(drive: Path, tmp_path: Path, run: Run) -> None:
    taken = tmp_path / "taken"
    taken.write_text("mine")
    assert f"folder {taken} cannot be written to" in refusal(run("predict", drive, "--out", taken, *ONNXRUNTIME))
    assert taken.read_text() == "mine"

    out = tmp_path / "out"
    out.mkdir()
    (out / "a").write_text("mine")
    code, lines, errors = run("predict", drive, "--out", out, *ONNXRUNTIME)
    assert (code, len(lines), len(errors)) == (2, 3, 2)
    assert all(re.match(r"streetseg: .*_classes\.png cannot be written: ", error) for error in errors)
    assert files_below(out) == {"a"} | outputs("1", "b/1")


def test_nothing_that_is_to_be_segmented_is_written_over(drive: Path, tmp_path: Path, run: Run) -> None:
    photos = tmp_path / "photos"
    shutil.copytree(drive, photos)
    shutil.copy(photos / "1.png", photos / "1_classes.png")
    before = {name: (photos / name).read_bytes() for name in files_below(photos)}
    for path, out in [(photos / "a/2.jpg", photos / "a/2.jpg"), (photos / "a" / ".." / "1.png", photos / "1.png")]:
        assert f"{out} is to be segmented, and a result would" in refusal(run("predict", path, "--out", out))
    assert "1_classes.png is to be segmented" in refusal(run("predict", photos, "--out", photos))
    assert {name: (photos / name).read_bytes() for name in files_below(photos)} == before


def test_results_are_not_segmented_the_next_time(
    drive: Path, tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(drive, tmp_path / "here")
    monkeypatch.chdir(tmp_path / "here")
    for _ in range(2):
        assert run("predict", ".", "--out", "results", *ONNXRUNTIME)[0] == 0
        assert files_below(Path("results")) == outputs("1", "a/1", "a/2", "b/1")
    for out in ("others", "."):
        for _ in range(2):
            assert len(run("predict", ".", "--out", out, *ONNXRUNTIME)[1]) == 4 + 1


@pytest.mark.skipif(sys.platform in ("win32", "darwin"), reason="file names are text there")
def test_a_name_that_is_no_text(drive: Path, tmp_path: Path) -> None:
    path = tmp_path / os.fsdecode(b"caf\xe9.png")
    shutil.copy(drive / "1.png", path)
    command: list[str | Path] = [*STREETSEG, "predict", path, "--out", tmp_path / "out", "--json", *ONNXRUNTIME]
    strict = {**os.environ, "PYTHONIOENCODING": "utf-8:strict"}
    done = subprocess.run(command, capture_output=True, text=True, env=strict)
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)["image"] == str(path)


@pytest.mark.slow
@pytest.mark.skipif(not Path("/dev/stdin").exists(), reason="needs /dev/stdin")
@pytest.mark.parametrize("name", ["a/2.jpg", "1.png"])
def test_an_image_from_a_pipe(name: str, drive: Path, tmp_path: Path) -> None:
    command = [*STREETSEG, "predict", "/dev/stdin", "--out", tmp_path / "out"]
    done = subprocess.run(command, input=(drive / name).read_bytes(), capture_output=True)
    assert (done.returncode, done.stderr) == (0, b"")
    expected = Segmenter.open()(read_frame(drive / name))
    with Image.open(tmp_path / "out" / "stdin_classes.png") as image:
        np.testing.assert_array_equal(np.asarray(image), expected.classmap)


@pytest.mark.slow
@pytest.mark.skipif(not Path("/dev/stdin").exists(), reason="needs /dev/stdin")
def test_what_is_no_image_from_a_pipe(tmp_path: Path) -> None:
    command = [*STREETSEG, "predict", "/dev/stdin", "--out", tmp_path / "out"]
    for sent, said in ((b"no image", "is not an image"), (b"", "is empty")):
        done = subprocess.run(command, input=sent, capture_output=True)
        assert done.returncode == 2
        (line,) = done.stderr.decode().splitlines()
        assert f"/dev/stdin {said}" in line

    with subprocess.Popen(["cat", "/dev/zero"], stdout=subprocess.PIPE) as endless:
        done = subprocess.run(command, stdin=endless.stdout, capture_output=True)
        assert endless.stdout
        endless.stdout.close()
    message = "streetseg: /dev/stdin has more than 800,000,000 bytes; give an image file\n"
    assert (done.returncode, done.stderr.decode()) == (2, message)
    assert not any((tmp_path / "out").iterdir())


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["predict"], "the following arguments are required: PATH; see streetseg predict --help"),
        (["predict", "{drive}", "--out", "{out}", "--fast"], "unrecognized arguments: --fast"),
        (["predict", "{drive}", "--out", "{out}", "--threads", "two"], "invalid int value: 'two'"),
        (["predict", "{drive}", "--out", "{out}", "--threads", "0"], "threads must be at least 1, got 0"),
        (["predict", "{drive}", "--out", "{out}", "--size", "0"], "size must be at least 1 pixel, got 0"),
        (["predict", "{drive}", "--out", "{out}", "--engine", "tensorflow"], "choose one of openvino, onnxruntime"),
        (["predict", "{drive}", "--out", "{out}", "--precision", "int8"], "choose one of float32, bfloat16"),
        (["predict", "{drive}/missing.png", "--out", "{out}"], "missing.png is not there"),
        (["predict", "", "--out", "{out}"], "a path is empty"),
        (["data", "check", "d" * 300], "ddd': File name too long; give another path"),
        (["predict", "{drive}", "--out", ""], "argument --out: a path is empty; give a file or folder, . for the"),
        (["predict", "{drive}", "{drive}/c/*.png", "--out", "{out}"], "c/*.png is not there"),
        (["predict", "{empty}", "--out", "{out}"], "empty holds no image"),
        (["predict", "{drive}", "--out", "{out}", "--weights", "/dev/zero"], "it is a device, a pipe or a socket"),
        (["predict", "{drive}", "--out", "{out}", "--weights", "net"], "'net' is neither a file nor a name of weights"),
    ],
)
def test_a_mistake_is_told_in_one_line(refused: Refused, arguments: list[str], complaint: str) -> None:
    assert complaint in refused(*arguments)


def test_a_pipe_in_a_folder_is_not_waited_for(tmp_path: Path, run: Run) -> None:
    os.mkfifo(tmp_path / "a.png")
    message = refusal(run("predict", tmp_path / "a.png", "--out", tmp_path / "out"))
    assert "a.png cannot be read: it is a device, a pipe or a socket, not a regular file" in message


def test_a_long_thin_picture_takes_no_gigabytes(tmp_path: Path, run: Run) -> None:
    """Its short side, one pixel, becomes a whole multiple of the network's stride."""
    Image.new("L", (6_000_000, 1)).save(tmp_path / "long.png")
    message = refusal(run("predict", tmp_path / "long.png", "--out", tmp_path / "out"))
    assert "long.png: a frame of 6000000 x 1 pixels becomes 9000000 x 8 for the network" in message


def foreign_model() -> bytes:
    node = helper.make_node("Identity", ["x"], ["y"])
    x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, [1]) for name in "xy")
    content: bytes = helper.make_model(helper.make_graph([node], "graph", [x], [y])).SerializeToString()
    return content


@pytest.mark.parametrize(
    ("name", "content", "complaint"),
    [
        ("cut.onnx", lambda: DEFAULT_WEIGHTS.read_bytes()[:-100_000], "get the file again"),
        ("foreign.onnx", foreign_model, "without a card"),
        ("text.onnx", lambda: b"hello\n", "is not a weights file of streetseg, or is damaged"),
        ("empty.onnx", lambda: b"", "is empty"),
        ("weights.safetensors", lambda: b"\x02" + bytes(7) + b"{}", "without a card"),
        ("weights.pt", lambda: b"PK", "first: streetseg convert"),
    ],
)
def test_weights_that_cannot_be_used(
    drive: Path, tmp_path: Path, run: Run, name: str, content: Callable[[], bytes], complaint: str
) -> None:
    weights = tmp_path / name
    weights.write_bytes(content())
    message = refusal(run("predict", drive, "--out", tmp_path / "out", "--weights", weights))
    assert str(weights) in message
    assert complaint in message
    assert files_below(tmp_path) == {name}


def test_without_onnxruntime(drive: Path, tmp_path: Path) -> None:
    message = without("onnxruntime", "predict", drive, "--out", tmp_path, *ONNXRUNTIME)
    assert "pip install 'streetseg[onnxruntime]'" in message


def test_predict_needs_no_pytorch(drive: Path, tmp_path: Path) -> None:
    code = "import sys; from streetseg.cli import main; main(); print('torch' in sys.modules)"
    command: list[str | Path] = [
        sys.executable,
        "-c",
        code,
        "predict",
        drive / "1.png",
        "--out",
        tmp_path,
        *ONNXRUNTIME,
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "False"
