"""The command line: what it writes and says, its exit codes, and one clear line for every mistake."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
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
from sklearn.metrics import confusion_matrix  # type: ignore[import-untyped]

import streetseg
from streetseg.cli import main
from streetseg.export.onnx import read_accuracy
from streetseg.runtime.frames import read_frame
from streetseg.runtime.segmenter import DEFAULT_WEIGHTS, Segmenter
from streetseg.streets.scene import render

STREETSEG = [sys.executable, "-m", "streetseg"]
UNFOLDED = Path(__file__).parents[2] / "weights" / "ddrnet_23_slim_camvid_pretrained_restart.safetensors"
ONNXRUNTIME = ["--engine", "onnxruntime"]  # opens at once, where OpenVINO compiles for each size of frame

Run = Callable[..., tuple[int, list[str], list[str]]]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs a command in this process: exit code, lines of output, lines of complaint."""

    def run(*arguments: object) -> tuple[int, list[str], list[str]]:
        code = main([str(argument) for argument in arguments])
        output, errors = capsys.readouterr()
        return code, output.splitlines(), errors.splitlines()

    return run


@pytest.fixture(scope="module")
def drive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of four photos: 1.png, a/1.png, a/2.jpg and b/1.png."""
    root = tmp_path_factory.mktemp("drive")
    for seed, name in enumerate(["1.png", "a/1.png", "a/2.jpg", "b/1.png"]):
        path = root / name
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(render(seed, (48, 64)).frame).save(path)
    return root


def files_below(folder: Path) -> set[str]:
    """Every file, hidden ones too, as a path relative to the folder."""
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def outputs(*names: str) -> set[str]:
    return {f"{name}{suffix}" for name in names for suffix in ("_classes.png", "_overlay.jpg")}


def refusal(result: tuple[int, list[str], list[str]]) -> str:
    """The one line of a command that ends with the user's mistake."""
    code, output, errors = result
    assert code == 2
    assert output == []
    assert len(errors) == 1
    assert errors[0].startswith("streetseg: ")
    return errors[0]


# predict


def test_predict_in_a_process_of_its_own(drive: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    paths = [drive / "a", drive / "b" / "*.png", drive / "1.png"]
    done = subprocess.run([*STREETSEG, "predict", *paths, "--out", out], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
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
    assert (code, len(lines), errors) == (0, 4, [])
    assert files_below(tmp_path / "tree") == outputs("1", "a/1", "a/2", "b/1")

    code, lines, errors = run("predict", drive / "a/1.png", drive / "b/1.png", "--out", tmp_path / "two", *ONNXRUNTIME)
    assert (code, len(lines), errors) == (0, 2, [])
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
    assert "several.png names a file, but there are 4 images; name a folder" in message
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
    assert (code, len(lines), len(errors)) == (2, 2, 2)
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
            assert len(run("predict", ".", "--out", out, *ONNXRUNTIME)[1]) == 4


@pytest.mark.skipif(sys.platform in ("win32", "darwin"), reason="file names are text there")
def test_a_name_that_is_no_text(drive: Path, tmp_path: Path) -> None:
    path = tmp_path / os.fsdecode(b"caf\xe9.png")
    shutil.copy(drive / "1.png", path)
    command: list[str | Path] = [*STREETSEG, "predict", path, "--out", tmp_path / "out", "--json", *ONNXRUNTIME]
    strict = {**os.environ, "PYTHONIOENCODING": "utf-8:strict"}
    done = subprocess.run(command, capture_output=True, text=True, env=strict)
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)["image"] == str(path)


# The user's mistakes


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ([], "the following arguments are required: VERB; see streetseg --help"),
        (["segment"], "invalid choice: 'segment'"),
        (["predict"], "the following arguments are required: PATH, --out; see streetseg predict --help"),
        (["predict", "{drive}", "--out", "{out}", "--fast"], "unrecognized arguments: --fast"),
        (["predict", "{drive}", "--out", "{out}", "--threads", "two"], "invalid int value: 'two'"),
        (["predict", "{drive}", "--out", "{out}", "--threads", "0"], "threads must be at least 1, got 0"),
        (["predict", "{drive}", "--out", "{out}", "--size", "0"], "size must be at least 1 pixel, got 0"),
        (["predict", "{drive}", "--out", "{out}", "--engine", "tensorflow"], "there are openvino, onnxruntime"),
        (["predict", "{drive}", "--out", "{out}", "--precision", "int8"], "there are float32, bfloat16"),
        (["predict", "{drive}/missing.png", "--out", "{out}"], "missing.png is not there"),
        (["predict", "", "--out", "{out}"], "a path is empty"),
        (["predict", "{drive}", "--out", ""], "argument --out: a path is empty; name a file or folder, . for the"),
        (["bench", "--size", "20000x20000"], "20000x20000 has more pixels than a frame may have; give at most 100,000"),
        (["data", "render", "{out}", "--size", "100000x100000"], "more pixels than a frame may have"),
        (["predict", "{drive}", "{drive}/c/*.png", "--out", "{out}"], "c/*.png is not there"),
        (["predict", "{empty}", "--out", "{out}"], "empty holds no image"),
        (["predict", "{drive}", "--out", "{out}", "--weights", "net"], "'net' is neither a file nor a name of weights"),
        (["bench", "net"], "'net' is neither a file nor a name of weights"),
        (["evaluate", "{weights}", "--data", "{empty}"], "empty is no dataset that is known; looked for camvid: "),
        (["evaluate", "{weights}", "--data", "{empty}/missing"], "missing does not exist or is no folder"),
        (["evaluate", "{weights}", "--data", "{empty}", "--dataset", "kitti"], "unknown dataset 'kitti'"),
        (["evaluate", "{weights}", "--data", "{empty}", "--dataset", "camvid"], "holds no camvid frames; looked"),
        (["evaluate", "{weights}", "--data", "{empty}", "--scale", "0"], "above 0 and at most 4, got 0.0"),
        (["evaluate", "{weights}", "--data", "{empty}", "--trimap", "3", "0"], "bands of 1 to 150 pixels, got 3, 0"),
        (["evaluate", "{weights}", "--data", "{empty}", "--worst", "-1"], "0 or more, got -1"),
        (["evaluate", "{weights}", "--data", "{empty}", "--worst", "3"], "--worst is for the report; add --report DIR"),
        (["evaluate", "{weights}", "--data", "{empty}", "--overlap", "0.5"], "--overlap is that of windows; add"),
        (["evaluate", "{weights}", "--data", "{empty}", "--submission", "{out}", "--json"], "so there is no --json"),
        (["compare", "{empty}/a.json", "{weights}"], "a.json cannot be read: No such file or directory"),
        (["train", "--recipe", "none", "--data", "{empty}", "--out", "{out}"], "none"),
    ],
)
def test_a_mistake_is_told_in_one_line(
    drive: Path, tmp_path: Path, run: Run, arguments: list[str], complaint: str
) -> None:
    places = {"drive": drive, "out": tmp_path / "out", "empty": tmp_path / "empty", "weights": DEFAULT_WEIGHTS}
    places["empty"].mkdir()
    assert complaint in refusal(run(*(argument.format(**places) for argument in arguments)))
    assert files_below(tmp_path) == set()


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
        ("text.onnx", lambda: b"hello\n", "is no weights file of streetseg, or is damaged"),
        ("empty.onnx", lambda: b"", "is empty"),
        ("weights.safetensors", lambda: b"\x02" + bytes(7) + b"{}", "without a card"),
        ("weights.pt", lambda: b"PK", "it takes NAME.onnx, NAME.pt2 and NAME.safetensors"),
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


# Stopped early


@pytest.fixture
def many(drive: Path, tmp_path: Path) -> list[str | Path]:
    """A command that works on 300 images."""
    photos = tmp_path / "photos"
    photos.mkdir()
    for index in range(300):
        shutil.copy(drive / "1.png", photos / f"{index}.png")
    return ["predict", photos, "--out", tmp_path / "out", *ONNXRUNTIME]


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


@pytest.mark.skipif(not Path("/dev/stdin").exists(), reason="needs /dev/stdin")
@pytest.mark.parametrize("name", ["a/2.jpg", "1.png"])
def test_an_image_from_a_pipe(name: str, drive: Path, tmp_path: Path) -> None:
    command = [*STREETSEG, "predict", "/dev/stdin", "--out", tmp_path / "out"]
    done = subprocess.run(command, input=(drive / name).read_bytes(), capture_output=True)
    assert (done.returncode, done.stderr) == (0, b"")
    expected = Segmenter.open()(read_frame(drive / name))
    with Image.open(tmp_path / "out" / "stdin_classes.png") as image:
        np.testing.assert_array_equal(np.asarray(image), expected.classmap)


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


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_without_anywhere_to_print(stream: str, drive: Path, tmp_path: Path) -> None:
    closed = f"import sys; sys.{stream} = None; import streetseg.cli; raise SystemExit(streetseg.cli.main())"
    command = [sys.executable, "-c", closed, "predict", drive, "--out", tmp_path / "out", *ONNXRUNTIME]
    done = subprocess.run(command, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.count("\n") == (4 if stream == "stderr" else 0)
    assert files_below(tmp_path / "out") == outputs("1", "a/1", "a/2", "b/1")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_full_disks_behind_what_is_printed(drive: Path, tmp_path: Path) -> None:
    command = [*STREETSEG, "predict", drive / "1.png", "--out", tmp_path, *ONNXRUNTIME]
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True)
        message = "streetseg: results cannot be printed: No space left on device; send them elsewhere\n"
        assert (done.returncode, done.stderr) == (2, message)
        done = subprocess.run([*STREETSEG, "predict", "missing.png", "--out", tmp_path], stderr=full)
        assert done.returncode == 2


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_what_is_written_to_files_is_not_lost_with_what_is_printed(camvid: Path, tmp_path: Path) -> None:
    evaluate = ["evaluate", DEFAULT_WEIGHTS, "--data", camvid, "--engine", "onnxruntime", "--report", tmp_path / "r"]
    tables = ["tables", "ddrnet-III", "bisenetv2-8", "--out", tmp_path / "t"]
    with Path("/dev/full").open("w") as full:
        for command in (evaluate, tables):
            done = subprocess.run([*STREETSEG, *command], stdout=full, stderr=subprocess.DEVNULL)
            assert done.returncode == 2
    assert (tmp_path / "r" / "report.html").exists()
    assert {path.name for path in (tmp_path / "t").iterdir()} == {
        "ddrnet-III.md", "ddrnet-III.json", "bisenetv2-8.md", "bisenetv2-8.json",
    }  # fmt: skip


# evaluate


def test_evaluate_agrees_with_scikit_learn(camvid: Path, run: Run) -> None:
    command = ["evaluate", DEFAULT_WEIGHTS, "--data", camvid, *ONNXRUNTIME]
    code, lines, errors = run(*command, "--json")
    assert (code, errors) == (0, [])
    facts = json.loads("\n".join(lines))

    segmenter = Segmenter.open(engine="onnxruntime")
    true, predicted = [], []
    for image in sorted((camvid / "val").glob("*.png")):
        label = np.asarray(Image.open(camvid / "valannot" / image.name))
        counted = label < 11
        true.append(label[counted])
        predicted.append(segmenter(read_frame(image)).classmap[counted])
    classes = len(segmenter.card.classes)
    matrix = confusion_matrix(np.concatenate(true), np.concatenate(predicted), labels=range(classes))
    right, union = np.diag(matrix), matrix.sum(0) + matrix.sum(1) - np.diag(matrix)
    iou = {
        name: round(r / u, 6) if u else None for name, r, u in zip(segmenter.card.classes, right, union, strict=True)
    }
    assert facts["frames"] == len(true) == 4
    assert facts["iou"] == iou
    assert facts["miou"] == pytest.approx(np.mean(right[union > 0] / union[union > 0]), abs=1e-6)
    assert facts["pixel_accuracy"] == pytest.approx(right.sum() / matrix.sum(), abs=1e-6)
    assert facts["weights"] == segmenter.card.content_hash
    assert facts["engine"] == "onnxruntime, float32"
    assert facts["command"].endswith("--split val --engine onnxruntime")

    code, lines, errors = run(*command)
    assert (code, errors) == (0, [])
    assert lines[0].startswith("camvid, split val, 4 frames")
    table = {name: values for name, *values in (re.split(r"  +", line) for line in lines[2:-3])}
    assert list(table) == [*iou, "mean"]
    assert table["mean"][0] == f"{facts['miou']:.2%}"
    assert table["road"] == [f"{facts[key]['road']:.2%}" for key in ("iou", "f1", "accuracy", "boundary_iou")]
    assert lines[-3].startswith(f"mIoU {facts['miou']:.2%}, pixel accuracy {facts['pixel_accuracy']:.2%}")
    assert lines[-2].startswith(f"mIoU near borders (trimap): 1 px {facts['trimap_miou']['1']:.2%}")


def test_evaluate_exports_unfolded_weights_and_compare_finds_no_difference(
    camvid: Path, tmp_path: Path, run: Run
) -> None:
    """The safetensors of the weights that ship, through PyTorch, against the artefact that ships."""
    results = []
    for artefact, engine in ((UNFOLDED, "torch"), (DEFAULT_WEIGHTS, "onnxruntime")):
        code, lines, errors = run("evaluate", artefact, "--data", camvid, "--engine", engine, "--threads", 1, "--json")
        assert (code, errors) == (0, [])
        results.append(tmp_path / f"{engine}.json")
        results[-1].write_text("\n".join(lines))
    facts = [json.loads(path.read_text()) for path in results]
    assert facts[0]["engine"] == "torch, float32"
    # A pixel whose two best classes are equal in float32 may fall either way: at most a few of 4 x 96 x 128.
    moved = np.abs(np.subtract(facts[0]["confusion"], facts[1]["confusion"])).sum() / 2
    assert moved <= 5
    assert read_accuracy(results[0]).iou == facts[0]["iou"]  # what export --accuracy reads
    code, lines, errors = run("compare", *results, "--json")
    assert (code, errors) == (0, [])
    compared = json.loads("\n".join(lines))
    assert list(compared) == ["mIoU", *facts[0]["classes"]]
    assert not any(entry["real"] for entry in compared.values())
    code, lines, _ = run("compare", *results)
    assert (code, len(lines)) == (0, 1 + len(compared))


def test_evaluate_through_several_views(camvid: Path, run: Run) -> None:
    options = ["--scale", "0.5", "1", "--flip", "--window", "64", "96", "--overlap", "0.25"]
    command = ["evaluate", DEFAULT_WEIGHTS, "--data", camvid, *ONNXRUNTIME, "--json"]
    code, lines, errors = run(*command, *options)
    assert (code, errors) == (0, [])
    facts = json.loads("\n".join(lines))
    assert facts["views"] == "scale 0.5, 1, mirrored too, windows of 64 x 96 overlapping by 0.25"
    said = "--engine onnxruntime --scale 0.5 1.0 --window 64 96 --flip --overlap 0.25"
    assert facts["command"].endswith(said)
    assert facts["confusion"] != json.loads("\n".join(run(*command)[1]))["confusion"]


@pytest.fixture
def val(camvid: Path, tmp_path: Path) -> Path:
    """A copy of the dataset's val split, to be spoilt."""
    for folder in ("val", "valannot"):
        shutil.copytree(camvid / folder, tmp_path / folder)
    return tmp_path


def spoilt_label(label: Path, frame: Path) -> str:
    Image.fromarray(np.full((96, 128), 40, np.uint8)).save(label)
    return f"{label}: pixel value 40 is no class index; allowed are 0 to 10, and 11, 255 for void"


def smaller_label(label: Path, frame: Path) -> str:
    Image.fromarray(np.zeros((48, 64), np.uint8)).save(label)
    return f"{label} is 64 x 48, its image {frame.name} is 128 x 96; both must have one size"


def missing_label(label: Path, frame: Path) -> str:
    label.unlink()
    return f"{frame} has no label: {label} is missing"


def unreadable_label(label: Path, frame: Path) -> str:
    label.write_text("hello")
    return f"{label} cannot be read as a label image"


def coloured_label(label: Path, frame: Path) -> str:
    Image.fromarray(np.zeros((96, 128, 3), np.uint8)).save(label)
    return f"{label}: expected one channel of class indices"


def unreadable_frame(label: Path, frame: Path) -> str:
    frame.write_bytes(frame.read_bytes()[:-40])
    return f"{frame} cannot be decoded"


@pytest.mark.parametrize(
    "spoil", [spoilt_label, smaller_label, missing_label, unreadable_label, coloured_label, unreadable_frame]
)
def test_evaluate_refuses_bad_data(val: Path, run: Run, spoil: Callable[[Path, Path], str]) -> None:
    frame = sorted((val / "val").glob("*.png"))[2]
    complaint = spoil(val / "valannot" / frame.name, frame)
    assert complaint in refusal(run("evaluate", DEFAULT_WEIGHTS, "--data", val, *ONNXRUNTIME))


def test_evaluate_names_the_splits(val: Path, run: Run) -> None:
    for split in ("test", "only:Seq05VD", "night"):
        message = refusal(run("evaluate", DEFAULT_WEIGHTS, "--data", val, "--split", split, *ONNXRUNTIME))
        assert f"has no split '{split}'; there are val, trainval, and only:SEQUENCE or without:SEQUENCE" in message
        assert "0016E5" in message


# Without the extras


def without(module: str, *arguments: object) -> str:
    """The one line of a command where a module is not installed."""
    code = (
        f"import sys; sys.modules['{module}'] = None; sys.argv[0] = 'streetseg'; "
        "from streetseg.cli import main; raise SystemExit(main())"
    )
    command = [sys.executable, "-c", code, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True)
    return refusal((done.returncode, done.stdout.splitlines(), done.stderr.splitlines()))


def test_without_pytorch(camvid: Path, tmp_path: Path) -> None:
    train = ["train", "--recipe", "ddrnet_23_slim_camvid", "--data", camvid, "--out", tmp_path / "run"]
    for command in (train, ["export", tmp_path / "weights.safetensors"]):
        message = without("torch", *command)
        assert f"streetseg {command[0]} needs PyTorch, which is not installed" in message
        assert "pip install 'streetseg[train]'" in message
    assert files_below(tmp_path) == set()


def test_without_onnxruntime(drive: Path, tmp_path: Path) -> None:
    message = without("onnxruntime", "predict", drive, "--out", tmp_path, *ONNXRUNTIME)
    assert "pip install 'streetseg[onnxruntime]'" in message


def test_without_nncf(camvid: Path, tmp_path: Path) -> None:
    message = without("nncf", "quantize", DEFAULT_WEIGHTS, "--data", camvid, "--out", tmp_path / "a.onnx")
    assert "streetseg quantize needs nncf, which is not installed" in message
    assert "pip install 'streetseg[quantize]'" in message


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
