"""The server's page in a real browser, on a real server: what a person sees is what the server computes."""

from __future__ import annotations

import json
import re
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from streetseg.runtime.segmenter import Segmenter
from streetseg.streets.scene import render
from tests.support.browser import Browser, needs_chromium, open_browser
from tests.support.command_line import STREETSEG
from tests.support.films import write_y4m
from tests.support.tiny import write_tiny

pytest.importorskip("streetseg.serve.app", reason="needs the extra `serve`", exc_type=ImportError)
pytestmark = [needs_chromium, pytest.mark.slow]

TOKEN = "word-for-the-door"


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two models; the second sees a quarter of the frame's size."""
    place = tmp_path_factory.mktemp("models")
    return [
        write_tiny(place / f"{name}.onnx", operating_scale=scale) for name, scale in (("whole", 1.0), ("small", 0.25))
    ]


@pytest.fixture(scope="module")
def address(models: list[Path]) -> Iterator[str]:
    """A server of two models that asks for a token."""
    options = ["--port", "0", "--engine", "onnxruntime", "--threads", "1", "--token", TOKEN]
    command = [*map(str, STREETSEG), "serve", *map(str, models), *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as server:
        assert server.stdout is not None
        lines: list[str] = []
        for line in server.stdout:
            lines.append(line)
            if found := re.search(r"http://[\w.]+:\d+", line):
                # Nobody reads the log, which would fill its pipe.
                threading.Thread(target=server.stdout.read, daemon=True).start()
                yield found[0]
                break
        else:
            pytest.fail(f"the server does not start: {lines}")
        server.terminate()
        assert server.wait(60) == 0


@pytest.fixture(scope="module")
def street(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("frames") / "street.png"
    Image.fromarray(render(0, (96, 128)).frame).save(path)
    return path


@pytest.fixture(scope="module")
def browser(address: str, street: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """The page, in a browser whose camera shows a street."""
    film = tmp_path_factory.mktemp("camera") / "street.y4m"
    write_y4m(film, np.asarray(Image.open(street)))
    camera = ["--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"]
    with open_browser(*camera, f"--use-file-for-fake-video-capture={film}") as browser:
        browser.resize(1280, 800)
        browser.go(address)
        yield browser


def enter(browser: Browser, token: str) -> None:
    browser.wait("!document.getElementById('entry').hidden")
    browser.run(f"document.getElementById('token').value = {json.dumps(token)}")
    browser.click("#entry button")


def test_the_page_from_the_door_to_the_camera(browser: Browser, street: Path, models: list[Path]) -> None:
    """A token, a picture, another model, a broken file, and the camera, one after the other."""
    enter(browser, "wrong")
    browser.wait("document.getElementById('message').textContent === 'The server does not take this token.'")
    enter(browser, TOKEN)
    browser.wait("document.documentElement.dataset.state === 'ready'")
    assert browser.run("[...document.getElementById('model').options].map(o => o.value)") == [
        model.stem for model in models
    ]

    frame = np.asarray(Image.open(street))
    browser.choose_file("#file", street)
    browser.wait("document.getElementById('message').textContent === 'street.png: done.'")
    expected = [Segmenter.open(model, engine="onnxruntime", threads=1)(frame).classmap for model in models]
    assert (expected[0] != expected[1]).any()
    np.testing.assert_array_equal(classmap(browser), expected[0])
    assert "network on the server" in browser.run("document.getElementById('time').title")

    browser.run("document.getElementById('message').textContent = ''")
    browser.run(f"document.getElementById('model').value = {json.dumps(models[1].stem)}")
    browser.run("document.getElementById('model').dispatchEvent(new Event('change'))")
    browser.wait("document.getElementById('message').textContent === 'street.png: done.'")
    np.testing.assert_array_equal(classmap(browser), expected[1])

    browser.click("#camera")
    browser.wait("document.getElementById('rate').textContent.includes('/ s')")
    browser.click("#camera")
    browser.wait("document.getElementById('camera').getAttribute('aria-pressed') === 'false'")
    assert np.mean(classmap(browser) == expected[1]) > 0.8  # the same street, by way of a film and a JPEG
    for width in (1280, 390):
        browser.resize(width, 800)
        assert browser.run("document.documentElement.scrollWidth") <= width
    refused = [one for one in browser.complaints if "401" not in one]  # the browser notes the refused token
    assert refused == []


def classmap(browser: Browser) -> NDArray[np.uint8]:
    """Return the class map that the page shows."""
    height, width = browser.run("[streetseg.viewer.classmap.height, streetseg.viewer.classmap.width]")
    data = browser.bytes_of("streetseg.viewer.classmap.data")
    return np.frombuffer(data, np.uint8).reshape(height, width)
