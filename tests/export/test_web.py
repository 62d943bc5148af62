"""Target "web": the exported page in a real browser computes what Segmenter does."""

from __future__ import annotations

import dataclasses
import hashlib
import http.client
import json
import shutil
import threading
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from PIL import Image

from streetseg.cli import main
from streetseg.data.camvid import LABELS
from streetseg.errors import ArtefactError, MissingExtraError, OutputError, UsageError
from streetseg.export import web_runtime
from streetseg.export.targets import export
from streetseg.export.web_runtime import ARCHIVE, FILES
from streetseg.export.web_server import page_server
from streetseg.runtime.artefact import METADATA_KEY, read_card
from streetseg.runtime.card import ModelCard
from streetseg.runtime.interface import Interface
from streetseg.runtime.segmenter import DEFAULT_WEIGHTS, Segmenter
from streetseg.streets.scene import render
from tests.support.browser import Browser, needs_chromium, open_browser
from tests.support.films import write_y4m
from tests.support.paths import ROOT
from tests.support.ties import assert_same_but_for_ties
from tests.support.tiny import write_tiny

CLASSES = LABELS.names
SIZES = [(96, 128), (77, 150), (150, 200)]  # fits, needs padding, is reduced


@pytest.fixture(scope="module")
def artefact(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package's weights with a card of small frames."""
    card = dataclasses.replace(read_card(DEFAULT_WEIGHTS), native_short_side=96)
    return with_card(tmp_path_factory.mktemp("artefact") / "small.onnx", card)


def with_card(path: Path, card: ModelCard) -> Path:
    """Write the package's weights with another card."""
    model = onnx.load(DEFAULT_WEIGHTS)
    next(entry for entry in model.metadata_props if entry.key == METADATA_KEY).value = card.to_json()
    path.write_bytes(model.SerializeToString())
    return path


@pytest.fixture(scope="module")
def folder(artefact: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("web") / "page"
    try:
        exported = export(artefact, to="web", out=out)
    except (MissingExtraError, OutputError) as error:
        pytest.skip(f"needs ONNX Runtime Web from npm: {error}")
    if shutil.which("node"):
        assert exported.difference is not None
        assert exported.difference < 1e-4
    return out


@pytest.fixture(scope="module")
def frames(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    place = tmp_path_factory.mktemp("frames")
    paths = []
    for number, size in enumerate(SIZES):
        paths.append(place / f"street {number}.png")
        Image.fromarray(render(number, size).frame).save(paths[-1])
    return paths


@pytest.fixture(scope="module")
def address(folder: Path) -> Iterator[str]:
    with page_server(folder, 0) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://localhost:{server.server_port}/"
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def browser(address: str, frames: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """The page, open, in a browser whose camera shows a street."""
    film = tmp_path_factory.mktemp("camera") / "street.y4m"
    write_y4m(film, np.asarray(Image.open(frames[0])))
    camera = ["--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"]
    with open_browser(*camera, f"--use-file-for-fake-video-capture={film}") as browser:
        browser.resize(1280, 800)
        browser.go(address)
        browser.wait("document.documentElement.dataset.state === 'ready'")
        yield browser


@pytest.fixture(scope="module")
def segmenter(artefact: Path) -> Segmenter:
    return Segmenter.open(artefact, engine="onnxruntime", threads=1)


def shown(browser: Browser) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Return the frame and the class map that the page shows."""
    height, width = browser.run("[streetseg.viewer.classmap.height, streetseg.viewer.classmap.width]")
    pixels = browser.bytes_of(
        f"document.getElementById('frame').getContext('2d').getImageData(0, 0, {width}, {height}).data"
    )
    classmap = browser.bytes_of("streetseg.viewer.classmap.data")
    frame = np.frombuffer(pixels, np.uint8).reshape(height, width, 4)[..., :3]
    return np.ascontiguousarray(frame), np.frombuffer(classmap, np.uint8).reshape(height, width)


def open_picture(browser: Browser, path: Path) -> None:
    browser.choose_file("#file", path)
    browser.wait(f"document.getElementById('message').textContent === {json.dumps(f'{path.name}: done.')}")


@needs_chromium
@pytest.mark.slow
def test_pictures_are_segmented_as_by_the_package(browser: Browser, frames: list[Path], segmenter: Segmenter) -> None:
    assert browser.run("crossOriginIsolated")  # else there are no threads
    for path in frames:
        open_picture(browser, path)
        frame, classmap = shown(browser)
        np.testing.assert_array_equal(frame, np.asarray(Image.open(path)))
        assert_same_but_for_ties(classmap, frame, segmenter)
    assert browser.complaints == []


@needs_chromium
@pytest.mark.slow
def test_a_result_can_be_read_and_kept(browser: Browser, frames: list[Path]) -> None:
    """Shares in the legend, the class at a place by mouse and by keys, a class hidden, both downloads."""
    open_picture(browser, frames[0])
    frame, classmap = shown(browser)
    shares = np.bincount(classmap.ravel(), minlength=11) / classmap.size
    rows = browser.text("#legend").split("\n")
    assert rows[0::2] == list(CLASSES)
    assert rows[1::2] == ["–" if not one else "<0.1 %" if one < 5e-4 else f"{100 * one:.1f} %" for one in shares]

    box = browser.run(
        "(b => [b.x, b.y, b.width, b.height])(document.getElementById('picture').getBoundingClientRect())"
    )
    browser.mouse("mouseMoved", box[0] + box[2] * 0.5, box[1] + box[3] * 0.9)
    pointed = CLASSES[classmap[int(96 * 0.9), 64]]
    assert browser.text("#tip") == pointed
    browser.run("document.getElementById('picture').focus()")
    browser.press("ArrowUp")
    assert browser.run("streetseg.viewer.place") == [64, int(96 * 0.9) - 3]

    painted = "document.getElementById('overlay').getContext('2d').getImageData(64, 86, 1, 1).data[3]"
    assert browser.run(painted) > 0
    row = list(CLASSES).index(pointed) + 1
    browser.click(f"#legend li:nth-child({row}) button")
    assert browser.run(painted) == 0
    browser.click(f"#legend li:nth-child({row}) button")

    with Image.open(BytesIO(browser.bytes_of("streetseg.viewer.classmapFile()"))) as image:
        np.testing.assert_array_equal(np.asarray(image), classmap)
    with Image.open(BytesIO(browser.bytes_of("streetseg.viewer.overlayFile()"))) as image:
        assert (np.asarray(image.convert("RGB")) != frame).any()
    for width in (1280, 390):
        browser.resize(width, 800)
        assert browser.run("document.documentElement.scrollWidth") <= width


@needs_chromium
@pytest.mark.slow
def test_the_camera_is_segmented_until_it_is_stopped(browser: Browser, segmenter: Segmenter) -> None:
    browser.click("#camera")
    browser.wait("document.getElementById('rate').textContent.includes('/ s')")
    print(f"{browser.text('#rate')}, {browser.text('#time')} a frame, {browser.text('#engine')}")
    browser.click("#camera")
    browser.wait("document.getElementById('camera').getAttribute('aria-pressed') === 'false'")
    frame, classmap = shown(browser)
    assert len(np.unique(frame)) > 50  # the street, not a black picture
    assert_same_but_for_ties(classmap, frame, segmenter)
    assert browser.complaints == []


@needs_chromium
@pytest.mark.slow
def test_a_file_that_is_no_picture_is_refused(browser: Browser, tmp_path: Path) -> None:
    (tmp_path / "broken.png").write_bytes(b"no picture")
    browser.choose_file("#file", tmp_path / "broken.png")
    browser.wait("document.getElementById('message').classList.contains('bad')")
    assert browser.text("#message") == "broken.png cannot be shown by this browser. Open a JPEG or a PNG."


def test_the_server_gives_threads_and_nothing_else(address: str, folder: Path) -> None:
    connection = http.client.HTTPConnection(address.removeprefix("http://").rstrip("/"))

    def get(path: str) -> http.client.HTTPResponse:
        connection.request("GET", path)
        response = connection.getresponse()
        response.body = response.read()  # type: ignore[attr-defined]
        return response

    page = get("/")
    assert page.status == 200
    assert page.headers["Cross-Origin-Opener-Policy"] == "same-origin"
    assert page.headers["Cross-Origin-Embedder-Policy"] == "require-corp"
    assert get("/page/worker.js").headers["Content-Type"] == "text/javascript; charset=utf-8"
    assert get("/runtime/ort.wasm.bundle.min.mjs").headers["Content-Type"] == "text/javascript; charset=utf-8"
    for path in ("/model/", "/nothing", "/../../etc/passwd", "/%2e%2e/%2e%2e/etc/passwd"):
        assert get(path).status == 404
    connection.close()


def test_the_folder_is_whole_and_small(folder: Path, artefact: Path) -> None:
    files = {path.relative_to(folder).as_posix(): path.stat().st_size for path in folder.rglob("*") if path.is_file()}
    assert (folder / "model" / "model.onnx").read_bytes() == artefact.read_bytes()
    int8 = (ROOT / "weights" / "ddrnet_23_slim_camvid_int8.onnx").stat().st_size
    assert sum(files.values()) - files["model/model.onnx"] + int8 < 20e6
    assert "Permission is hereby granted" in (folder / "runtime" / "LICENCE.txt").read_text()


def test_the_runtime_is_the_known_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither npm nor a copy; a copy that is another file; a damaged file in the cache is fetched again."""
    monkeypatch.setenv("STREETSEG_CACHE", str(tmp_path))
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(MissingExtraError, match=f"install Node.js with npm, or put {ARCHIVE} into {tmp_path}"):
        export(DEFAULT_WEIGHTS, to="web", out=tmp_path / "page")
    (tmp_path / ARCHIVE).write_bytes(b"another file")
    with pytest.raises(ArtefactError, match="is not the file that streetseg knows"):
        export(DEFAULT_WEIGHTS, to="web", out=tmp_path / "page")
    assert not (tmp_path / "page").exists()
    content = b"export {};"
    (tmp_path / "a.mjs").write_bytes(content)
    assert web_runtime.is_sound(tmp_path / "a.mjs", hashlib.sha256(content).hexdigest())
    assert not web_runtime.is_sound(tmp_path / "a.mjs", FILES["ort.wasm.bundle.min.mjs"])


def test_npm_that_fails_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    npm = tmp_path / "npm"
    npm.write_text("#!/bin/sh\necho 'npm error network is down' >&2; exit 1\n")
    npm.chmod(0o755)
    monkeypatch.setenv("STREETSEG_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    with pytest.raises(OutputError, match=r"npm cannot download onnxruntime-web .*: network is down; try again"):
        export(DEFAULT_WEIGHTS, to="web", out=tmp_path / "page")


def test_mistakes_with_the_page(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(UsageError, match="is no page of streetseg; first: streetseg export WHAT --to web"):
        page_server(tmp_path)
    assert main(["export", str(DEFAULT_WEIGHTS), "--to", "onnx", "--serve", "--out", str(tmp_path / "a.onnx")]) == 2
    assert "--serve is for --to web" in capsys.readouterr().err
    assert not (tmp_path / "a.onnx").exists()


def test_an_artefact_of_another_form_is_refused(tmp_path: Path) -> None:
    other = with_card(tmp_path / "map.onnx", read_card(DEFAULT_WEIGHTS).with_interface(Interface(output="classmap")))
    with pytest.raises(UsageError, match=r"map\.onnx has an interface of its own, and the page runs the usual one"):
        export(other, to="web", out=tmp_path / "page")


@pytest.mark.skipif(shutil.which("node") is None, reason="needs node")
@pytest.mark.slow
def test_verify_runs_the_page(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tiny = write_tiny(tmp_path / "tiny.onnx")
    export(tiny, to="web", out=tmp_path / "page")
    Image.fromarray(render(0, (96, 128)).frame).save(tmp_path / "frame.png")
    assert main(["verify", str(tmp_path / "page"), "--against", str(tiny), str(tmp_path / "frame.png")]) == 0
    assert "onnxruntime-web" in capsys.readouterr().out


@needs_chromium
@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "event"),
    [
        ("dropped", "new DragEvent('drop', {dataTransfer: data})"),
        ("pasted", "new ClipboardEvent('paste', {clipboardData: data})"),
    ],
)
def test_a_picture_can_be_dropped_and_pasted(browser: Browser, name: str, event: str) -> None:
    browser.run(
        "(async () => { const canvas = new OffscreenCanvas(40, 30); canvas.getContext('2d').fillRect(0, 0, 9, 9);"
        f"const file = new File([await canvas.convertToBlob()], '{name}.png', {{type: 'image/png'}});"
        f"const data = new DataTransfer(); data.items.add(file); dispatchEvent({event}) }})()"
    )
    browser.wait(f"document.getElementById('message').textContent === '{name}.png: done.'")
    assert browser.text("#size") == "40 × 30"


@needs_chromium
@pytest.mark.slow
def test_everything_that_takes_the_focus_has_a_name(browser: Browser, frames: list[Path]) -> None:
    open_picture(browser, frames[0])
    nodes = browser.call("Accessibility.getFullAXTree")["nodes"]
    focusable = [node for node in nodes if any(one["name"] == "focusable" for one in node.get("properties", []))]
    named = [node["name"]["value"] for node in focusable if node["role"]["value"] != "RootWebArea"]
    assert len(named) >= 5 + len(CLASSES)  # picture, file, camera, slider, downloads, classes
    assert all(named)
    assert any(name.startswith("Segmented picture: ") and "%" in name for name in named)
