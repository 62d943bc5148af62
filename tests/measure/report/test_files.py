"""The report: its files say what the evaluation found, its page needs nothing beside it and fits a phone."""

from __future__ import annotations

import csv
import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from streetseg.cli import main
from streetseg.data.camvid import VOID
from streetseg.data.datasets import open_dataset
from streetseg.data.pairs import IGNORE
from streetseg.measure.metrics import scores
from streetseg.measure.pool import pool
from streetseg.measure.report.files import write_report
from streetseg.measure.report.pictures import heat_map, tiles
from streetseg.runtime.provenance import package_version, today
from streetseg.runtime.segmenter import DEFAULT_WEIGHTS

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


@pytest.fixture(scope="module")
def report(camvid: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("report") / "new"
    arguments = [DEFAULT_WEIGHTS, "--data", camvid, "--engine", "onnxruntime", "--report", folder, "--worst", 2]
    assert main(["evaluate", *map(str, arguments)]) == 0
    return folder


def test_files_agree(report: Path, camvid: Path) -> None:
    facts = json.loads((report / "evaluation.json").read_text())
    matrix = np.array(facts["confusion"])
    assert facts["miou"] == pytest.approx(scores(matrix).miou, abs=1e-6)
    total = np.zeros_like(matrix)
    for image in facts["images"]:
        for true, predicted, pixels in image["confusion"]:
            total[true, predicted] += pixels
    np.testing.assert_array_equal(total, matrix)
    assert facts["pixels"] + facts["uncounted_pixels"] == 4 * 96 * 128

    names = open_dataset(camvid).labels.names
    with (report / "confusion.csv").open() as file:
        header, *rows = csv.reader(file)
    assert header[1:] == [row[0] for row in rows] == list(names)
    np.testing.assert_array_equal([[int(cell) for cell in row[1:]] for row in rows], matrix)
    with (report / "classes.csv").open() as file:
        for row in csv.DictReader(file):
            for key in ("iou", "f1", "accuracy", "boundary_iou"):
                assert row[key] == ("" if facts[key][row["class"]] is None else str(facts[key][row["class"]]))
    with (report / "images.csv").open() as file:
        mious = {row["image"]: float(row["miou"]) for row in csv.DictReader(file)}
    worst = sorted(mious, key=lambda name: mious[name])[:2]
    page = (report / "report.html").read_text()
    assert re.findall(r"<h3>(.*?):", page) == worst
    pictures = [f"{rank:02}_{name.rpartition('/')[2]}" for rank, name in enumerate(worst, 1)]
    assert sorted(path.stem for path in (report / "worst").iterdir()) == pictures
    assert {path.name for path in report.iterdir()} == {
        "evaluation.json", "classes.csv", "images.csv", "confusion.csv", "confusion.png", "worst", "report.html",
    }  # fmt: skip


def test_the_page_says_what_was_evaluated_when_and_how(report: Path, camvid: Path) -> None:
    facts = json.loads((report / "evaluation.json").read_text())
    page = (report / "report.html").read_text()
    assert (facts["date"], facts["package_version"]) == (today(), package_version())
    assert facts["command"] == (
        f"streetseg evaluate {DEFAULT_WEIGHTS.name} --data {camvid.name} --split val --engine onnxruntime"
    )
    assert facts["title"] == "ddrnet_23_slim, trained on camvid, split trainval"  # its card, of version 1, has none
    assert f"<h1>Evaluation of {facts['title']}</h1>" in page
    assert f"<title>Evaluation of {facts['title']}: {facts['miou']:.2%} mIoU</title>" in page
    for text in (f"{facts['date']}, streetseg {facts['package_version']}", facts["command"]):
        assert text in page


def test_a_second_report_leaves_no_picture_of_the_first(camvid: Path, tmp_path: Path) -> None:
    (tmp_path / "worst" / "03_folder.jpg").mkdir(parents=True)
    (tmp_path / "worst" / "mine.jpg").write_text("the user's own")
    for worst in (3, 1):
        arguments = [DEFAULT_WEIGHTS, "--data", camvid, "--engine", "onnxruntime", "--report", tmp_path]
        assert main(["evaluate", *map(str, arguments), "--worst", str(worst)]) == 0
    picture, *own = sorted(path.name for path in (tmp_path / "worst").iterdir())
    (worst,) = re.findall(r"<h3>(.*?):", (tmp_path / "report.html").read_text())
    assert picture == f"01_{worst.rpartition('/')[2]}.jpg"
    assert own == ["03_folder.jpg", "mine.jpg"]


def test_frames_may_have_any_name(camvid: Path, tmp_path: Path) -> None:
    """Long ones, ones alike but for their folders, and bytes that are no text."""
    names = ["a/b_c", "a_b/c", "/".join(["x" * 200] * 3), "y" * 240, os.fsdecode(b"caf\xe9")]
    frame, label = (next((camvid / folder).iterdir()) for folder in ("val", "valannot"))
    with Image.open(label) as opened:
        mask = np.asarray(opened)
    label = tmp_path / "mask.png"
    Image.fromarray(np.where(mask == VOID, np.uint8(IGNORE), mask)).save(label)
    for name in names:
        for folder, file in (("images", frame), ("masks", label)):
            path = tmp_path / "data" / folder / "val" / f"{name}{file.suffix}"
            path.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(file, path)
    (tmp_path / "data" / "classes.yaml").write_text(json.dumps(open_dataset(camvid).labels.names))
    report = tmp_path / "report"
    arguments = [DEFAULT_WEIGHTS, "--data", tmp_path / "data", "--engine", "onnxruntime", "--report", report]
    assert main(["evaluate", *map(str, arguments)]) == 0
    assert len(list((report / "worst").iterdir())) == len(names)
    page, table = ((report / name).read_text() for name in ("report.html", "images.csv"))
    assert "caf\\udce9" in page
    assert "caf\\udce9" in table


def test_figures_are_printed_where_the_report_cannot_be_written(
    camvid: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "images.csv").mkdir()
    arguments = [DEFAULT_WEIGHTS, "--data", camvid, "--engine", "onnxruntime", "--report", tmp_path]
    assert main(["evaluate", *map(str, arguments)]) == 2
    output = capsys.readouterr()
    assert "mIoU " in output.out
    assert "images.csv cannot be written: Is a directory" in output.err
    assert "report:" not in output.out


def test_the_page_needs_nothing_beside_it(report: Path) -> None:
    page = (report / "report.html").read_text()
    sources = re.findall(r"(?:src|href)=['\"]?([^'\" >]+)", page)
    assert len(sources) == 1 + 2 * 4
    assert all(source.startswith("data:image/") for source in sources)
    assert "url(" not in page


def test_a_pooled_evaluation_has_a_report_without_pictures(report: Path, tmp_path: Path) -> None:
    written = pool([report / "evaluation.json"])
    page = write_report(tmp_path / "pooled", written).read_text()
    assert (tmp_path / "pooled" / "confusion.csv").read_bytes() == (report / "confusion.csv").read_bytes()
    assert "The worst frames" not in page
    assert page.count("class=swatch") == len(written.names)


@pytest.mark.skipif(CHROMIUM is None, reason="needs chromium")
@pytest.mark.parametrize("width", [1280, 390])
def test_the_page_in_a_browser(report: Path, tmp_path: Path, width: int) -> None:
    """Nothing sticks out to the side, every picture shows, and text is of a size to read."""
    # In a frame, for the window of a browser without a screen is never narrower than 500 pixels.
    (tmp_path / "report.html").write_text((report / "report.html").read_text())
    (tmp_path / "frame.html").write_text(
        f"<iframe id=f src=report.html style='border:0;width:{width}px;height:3000px'></iframe><script>"
        "onload = () => { const d = document.getElementById('f').contentDocument, i = [...d.images];"
        "document.title = JSON.stringify({scroll: d.documentElement.scrollWidth,"
        "shown: i.filter(p => p.complete && p.naturalWidth > 0).length, images: i.length,"
        "tile: d.querySelector('.tiles img').width,"
        "font: Math.min(...[...d.querySelectorAll('p,td,h1,h3,figcaption')]"
        ".map(e => parseFloat(getComputedStyle(e).fontSize)))"
        "}) }</script>"
    )
    assert CHROMIUM is not None
    options = ["--headless", "--no-sandbox", "--disable-gpu", "--allow-file-access-from-files", "--dump-dom"]
    command = [CHROMIUM, *options, f"--user-data-dir={tmp_path / 'profile'}", str(tmp_path / "frame.html")]
    dom = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout
    title = re.search("<title>(.*?)</title>", dom)
    assert title is not None, dom[:500]
    found = json.loads(title[1])
    assert found["scroll"] <= width
    assert found["shown"] == found["images"] == 1 + 2 * 4
    assert found["font"] >= 14
    assert found["tile"] >= 120


def test_tiles_show_what_is_wrong() -> None:
    frame = np.full((4, 6, 3), 200, np.uint8)
    label = np.zeros((4, 6), np.uint8)
    label[:, 0] = 255
    prediction = np.zeros((4, 6), np.uint8)
    prediction[0] = 1
    pictures = tiles(frame, label, prediction, [(10, 20, 30), (40, 50, 60)])
    image, truth, predicted, errors = (np.asarray(picture) for picture in pictures.values())
    np.testing.assert_array_equal(image, frame)
    assert truth[1, 0].tolist() == [0, 0, 0]
    assert truth[1, 1].tolist() == [10, 20, 30]
    assert predicted[0, 0].tolist() == [40, 50, 60]
    red = errors[..., 0].astype(int) - errors[..., 1] > 100
    np.testing.assert_array_equal(red, (label != prediction) & (label != 255))
    assert "25.0%" in list(pictures)[3]


def test_a_large_frame_is_reduced_and_the_heat_map_colours_by_share() -> None:
    big = np.zeros((100, 1300), np.uint8)
    pictures = tiles(np.zeros((100, 1300, 3), np.uint8), big, big, [(0, 0, 0)])
    assert {picture.size for picture in pictures.values()} == {(640, 49)}
    picture = heat_map(np.array([[90, 10], [0, 0]]), ["road", "sky"])
    colours: set[Any] = {colour for _, colour in picture.getcolors(100_000) or []}
    assert isinstance(picture, Image.Image)
    blues = [c for c in colours if c[2] > c[0] + 50]
    reds = [c for c in colours if c[0] > c[2] + 30]
    assert blues
    assert reds
