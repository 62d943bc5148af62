"""Each fault that ruins trainings is found, and told in one line that names the file."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from streetseg.cli import main
from streetseg.data.check import check_dataset
from streetseg.data.datasets import find_dataset
from streetseg.streets.datasets import write_cityscapes, write_folder


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("sound")
    write_folder(root, {"train": 4, "val": 2}, size=(48, 64))
    return root


@pytest.fixture
def root(sound: Path, tmp_path: Path) -> Path:
    return shutil.copytree(sound, tmp_path / "town")


def mask(root: Path, split: str, number: int) -> Path:
    return root / "masks" / split / f"drive_{number:04d}.png"


def image(root: Path, split: str, number: int) -> Path:
    return root / "images" / split / f"drive_{number:04d}.jpg"


def findings(root: Path, severity: str) -> list[str]:
    return [finding.message for finding in check_dataset(root).findings if finding.severity == severity]


def test_a_sound_dataset_has_no_errors(root: Path) -> None:
    assert findings(root, "error") == []
    assert all("no pixel of" in message for message in findings(root, "warning"))  # few scenes lack some class


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def flipped(png: bytes) -> bytes:
    """A PNG with one bit of its pixels' checksum changed."""
    end = png.rindex(b"IEND") - 5
    return png[:end] + bytes([png[end] ^ 1]) + png[end + 1 :]


def save_as(path: Path, pixels: np.ndarray, kind: str = "PNG") -> None:
    path.parent.mkdir(exist_ok=True)
    Image.fromarray(pixels).save(path, kind)


LABEL = np.zeros((48, 64), np.uint8)
FAULTS: dict[str, tuple[Callable[[Path], object], str]] = {
    "missing mask": (lambda root: mask(root, "train", 1).unlink(), r"0001\.jpg has no label: .*0001\.png is missing"),
    "cut image": (lambda root: cut(image(root, "train", 1)), r"train/drive_0001\.jpg cannot be decoded"),
    "cut mask": (lambda root: cut(mask(root, "train", 1)), r"0001\.png cannot be read as a label image"),
    "empty image": (lambda root: image(root, "val", 1).write_bytes(b""), r"val/drive_0001\.jpg is empty"),
    "another size": (
        lambda root: save_as(mask(root, "train", 1), LABEL[:40]),
        r"0001\.png is 64 x 40, its image drive_0001\.jpg is 64 x 48; both must have one size",
    ),
    "no class": (
        lambda root: save_as(mask(root, "train", 1), LABEL + np.uint8(11)),
        r"0001\.png: pixel value 11 is not a class index; allowed are 0 to 10, and 255 for void",
    ),
    "three channels": (
        lambda root: save_as(mask(root, "train", 1), np.stack([LABEL] * 3, -1) + np.uint8(3)),
        r"0001\.png: colour \(3, 3, 3\) stands for no class",
    ),
    "16 bits": (
        lambda root: save_as(mask(root, "train", 1), LABEL.astype(np.uint16) + np.uint16(300)),
        r"0001\.png: pixel value 300 is not a class index; allowed are 0 to 10, and 255 for void",
    ),
    "JPEG mask": (
        lambda root: save_as(mask(root, "train", 1), LABEL, "JPEG"),
        r"0001\.png cannot be read as a label image: it is a JPEG, whose compression may change the labels; save",
    ),
    "WebP mask": (
        lambda root: save_as(mask(root, "train", 1), LABEL, "WEBP"),
        r"0001\.png cannot be read as a label image: it is a WebP, whose compression may change the labels; save",
    ),
    "scaled grey": (
        lambda root: mask(root, "train", 1).write_bytes(b"P5 128 96 10\n" + LABEL.tobytes()),
        r"0001\.png cannot be read as a label image: its values are scaled by the largest that its header allows; save",
    ),
    "damaged mask": (
        lambda root: mask(root, "train", 1).write_bytes(flipped(mask(root, "train", 1).read_bytes())),
        r"0001\.png cannot be read as a label image: ",
    ),
    "in both splits": (
        lambda root: shutil.copy(image(root, "train", 1), image(root, "val", 1)),
        r"train/drive_0001\.jpg, .*val/drive_0001\.jpg have the same pixels, in train and val; keep each frame in one",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_each_error_is_found_and_nothing_else(fault: str, root: Path) -> None:
    breaks, message = FAULTS[fault]
    breaks(root)
    (told,) = findings(root, "error")
    assert "\n" not in told
    assert re.search(message, told)


def test_many_findings_of_a_kind_are_told_in_a_few_lines(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for number in range(40):
        save_as(own_image := tmp_path / "images" / f"f{number:03}.png", np.full((8, 8, 3), number, np.uint8))
    assert own_image.is_file()
    (tmp_path / "classes.yaml").write_text("- sky\n- road\n")
    (tmp_path / "masks").mkdir()
    assert main(["data", "check", str(tmp_path)]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "error: 40 of 40 images have no mask; copy the masks to their places, or take the images out"
    assert lines[1].startswith(f"  {tmp_path}/images/f000.png has no label: ")
    assert lines[4] == "  and 37 more (--json lists all)"
    assert lines[-1] == "40 errors, 0 warnings"
    assert len(lines) < 15
    assert main(["data", "check", str(tmp_path), "--json"]) == 1
    facts = json.loads(capsys.readouterr().out)
    assert sum("has no label" in finding["message"] for finding in facts["findings"]) == 40

    for number in range(40):  # each kind is grouped: values, then copies, strays and void
        save_as(tmp_path / "masks" / f"f{number:03}.png", np.full((8, 8), 7, np.uint8))
    assert "error: 40 of 40 masks hold what is no class" in check_dataset(tmp_path).table()
    for number in range(40):
        save_as(tmp_path / "images" / f"f{number:03}.png", np.full((8, 8, 3), number // 2, np.uint8))
        save_as(tmp_path / "masks" / f"f{number:03}.png", np.full((8, 8), 255, np.uint8))
        save_as(tmp_path / "masks" / f"g{number:03}.png", np.full((8, 8), 255, np.uint8))
    table = check_dataset(tmp_path).table()
    for heading in (
        "20 groups of frames have the same pixels",
        "40 labels have no frame",
        "40 of 40 masks hold nothing",
    ):
        assert f"warning: {heading}" in table.replace("16 groups", "20 groups")


def test_what_is_doubtful_is_a_warning(root: Path) -> None:
    shutil.copy(image(root, "train", 1), image(root, "train", 2))
    shutil.copy(mask(root, "train", 1), root / "masks" / "train" / "stray.png")
    save_as(mask(root, "train", 3), LABEL + np.uint8(255))
    shutil.rmtree(root / "images" / "val")
    assert findings(root, "error") == []
    warnings = "\n".join(findings(root, "warning"))
    for message in (
        "train/drive_0001.jpg, ",
        "train/drive_0002.jpg have the same pixels; keep one",
        "masks/train/stray.png: a label without a frame; add the image or take it out",
        "train/drive_0003.png: every pixel is void; take the pair out",
        "has no split 'val': there is nothing to evaluate on",
    ):
        assert message in warnings


def test_a_class_that_is_never_seen_is_named(root: Path) -> None:
    for path in (root / "masks" / "train").iterdir():
        with Image.open(path) as opened:
            pixels = np.asarray(opened)
        save_as(path, np.where(np.isin(pixels, (3, 8)), np.uint8(255), pixels))
    (message,) = [message for message in findings(root, "warning") if "in train" in message]
    assert message.endswith(" in train: cannot be learned")
    assert {"road", "car"} <= set(
        message.removeprefix("no pixel of ").removesuffix(" in train: cannot be learned").split(", ")
    )


def test_files_of_other_kinds_beside_labels_are_no_orphans(tmp_path: Path) -> None:
    write_cityscapes(tmp_path, {"train": 1, "test": 1}, size=(32, 64))
    (label,) = tmp_path.glob("gtFine/train/*/*_labelIds.png")
    for other in ("color.png", "instanceIds.png", "polygons.json"):
        label.with_name(label.name.replace("labelIds.png", other)).write_bytes(b"other")
    stray = label.with_name("aachen_000009_000019_gtFine_labelIds.png")
    stray.write_bytes(b"stray")
    assert findings(tmp_path, "error") == []
    assert [message for message in findings(tmp_path, "warning") if "without a frame" in message] == [
        f"{stray}: a label without a frame; add the image or take it out"
    ]


def test_the_command_prints_a_line_a_finding_and_exits_with_1(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "check", str(root)]) == 0
    assert capsys.readouterr().out.splitlines()[-1].startswith("0 errors, ")
    mask(root, "train", 1).unlink()
    assert main(["data", "check", str(root)]) == 1
    out = capsys.readouterr().out
    assert out.startswith(f"error: {image(root, 'train', 1)} has no label: ")
    assert "town, train: 4 frames, 64 x 48" in out
    assert out.splitlines()[-1].startswith("1 error, ")

    assert main(["data", "check", str(root), "--json"]) == 1
    facts = json.loads(capsys.readouterr().out)
    assert (facts["errors"], facts["splits"]["val"]["frames"]) == (1, 2)
    assert sum(facts["splits"]["val"]["shares"].values()) == pytest.approx(1, abs=1e-4)

    assert main(["data", "check", os.devnull]) == 2
    assert capsys.readouterr().err.startswith("streetseg: ")


def test_a_report_is_a_result(root: Path) -> None:
    """The function takes a folder or a dataset, and gives what the command prints."""
    report = check_dataset(root, dataset="images-masks")
    assert report == check_dataset(find_dataset(root))
    facts = json.loads(report.to_json())
    assert list(facts) == ["dataset", "root", "note", "splits", "findings", "errors", "warnings"]
    assert list(facts["splits"]["train"]) == ["frames", "sizes", "shares", "void"]
    assert facts["warnings"] == len(facts["findings"]) == report.count("warning")
    lines = report.table().splitlines()
    assert lines[-1] == f"0 errors, {report.count('warning')} warning{'s' * (report.count('warning') != 1)}"
    share = report.splits["val"].shares["road"]
    assert share is not None
    assert f"{share:.3%}" in next(line for line in lines if line.startswith("road"))
