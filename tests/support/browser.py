"""A headless Chromium, driven by its DevTools protocol over a pipe: no driver and no further library is needed."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import select
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="needs chromium")
STARTER = """
import os, sys
read, write = (os.dup(int(number)) for number in sys.argv[1:3])
for here, there in ((read, 3), (write, 4)):
    os.dup2(here, there)
    os.set_inheritable(there, True)
os.execvp(sys.argv[3], sys.argv[3:])
"""
PATIENCE = 120.0  # seconds; for a busy machine


class Browser:
    """A page in a browser. `open_browser` makes one."""

    def __init__(self, send: int, receive: int) -> None:
        self.send, self.receive = send, receive
        self.buffer = b""
        self.count = 0
        self.session: str | None = None
        self.complaints: list[str] = []
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "DOM"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **parameters: Any) -> Any:
        """Call a method of the protocol; return its result."""
        self.count += 1
        message: dict[str, Any] = {"id": self.count, "method": method, "params": parameters}
        if self.session is not None:
            message["sessionId"] = self.session
        os.write(self.send, json.dumps(message).encode() + b"\0")
        while True:
            answer = self.next_message()
            if answer.get("id") == self.count:
                assert "error" not in answer, f"{method}: {answer['error']}"
                return answer["result"]
            self.note(answer)

    def next_message(self) -> dict[str, Any]:
        """Return what the browser says next."""
        while b"\0" not in self.buffer:
            ready, _, _ = select.select([self.receive], [], [], PATIENCE)
            assert ready, "the browser says nothing"
            part = os.read(self.receive, 1 << 20)
            assert part, "the browser has ended"
            self.buffer += part
        message, _, self.buffer = self.buffer.partition(b"\0")
        facts: dict[str, Any] = json.loads(message)
        return facts

    def note(self, event: dict[str, Any]) -> None:
        """Keep errors of the page: exceptions, refused contents, missing files."""
        facts = event.get("params", {})
        if event.get("method") == "Runtime.exceptionThrown":
            self.complaints.append(str(facts["exceptionDetails"].get("exception", facts)))
        if event.get("method") == "Log.entryAdded" and facts["entry"]["level"] == "error":
            self.complaints.append(f"{facts['entry']['text']} {facts['entry'].get('url', '')}")

    def go(self, address: str) -> None:
        """Go to an address."""
        result = self.call("Page.navigate", url=address)
        assert "errorText" not in result, result["errorText"]
        self.wait("location.href !== 'about:blank' && document.readyState === 'complete'")

    def run(self, code: str) -> Any:
        """Return the value of JavaScript in the page; a promise is waited for."""
        result = self.call("Runtime.evaluate", expression=code, awaitPromise=True, returnByValue=True, userGesture=True)
        assert "exceptionDetails" not in result, result["exceptionDetails"]
        return result["result"].get("value")

    def wait(self, condition: str) -> None:
        """Wait until JavaScript is true in the page."""
        end = time.monotonic() + PATIENCE
        while not self.run(f"Boolean({condition})"):
            assert time.monotonic() < end, f"{condition} does not come: {self.text('body')}; {self.complaints}"
            time.sleep(0.05)

    def text(self, selector: str) -> str:
        """Return the text of an element."""
        return str(self.run(f"document.querySelector({json.dumps(selector)}).innerText"))

    def click(self, selector: str) -> None:
        """Click an element with the mouse."""
        self.run(f"document.querySelector({json.dumps(selector)}).scrollIntoView({{block: 'center'}})")
        left, top, width, height = self.box(selector)
        for kind in ("mousePressed", "mouseReleased"):
            self.mouse(kind, left + width / 2, top + height / 2)

    def box(self, selector: str) -> tuple[float, float, float, float]:
        """Return left, top, width and height of an element in the window."""
        place = f"document.querySelector({json.dumps(selector)}).getBoundingClientRect()"
        left, top, width, height = self.run(f"(b => [b.x, b.y, b.width, b.height])({place})")
        return left, top, width, height

    def mouse(self, kind: str, x: float, y: float) -> None:
        """Move the mouse or press its button."""
        button = "none" if kind == "mouseMoved" else "left"
        self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button=button, clickCount=1)

    def press(self, key: str) -> None:
        """Press a key by its name, as KeyboardEvent.key gives it."""
        code = {"Tab": 9, "Enter": 13, " ": 32, "ArrowLeft": 37, "ArrowUp": 38, "ArrowRight": 39, "ArrowDown": 40}[key]
        text = {"Enter": "\r", " ": " "}.get(key)
        letters = {"text": text} if text else {}
        self.call("Input.dispatchKeyEvent", type="keyDown", key=key, windowsVirtualKeyCode=code, **letters)
        self.call("Input.dispatchKeyEvent", type="keyUp", key=key, windowsVirtualKeyCode=code)

    def choose_file(self, selector: str, file: Path) -> None:
        """Give a file to an input of files."""
        node = self.call("Runtime.evaluate", expression=f"document.querySelector({json.dumps(selector)})")
        self.call("DOM.setFileInputFiles", files=[str(file)], objectId=node["result"]["objectId"])

    def resize(self, width: int, height: int, *, dark: bool = False, scale: float = 1) -> None:
        """Set the size of the window, in pixels of CSS, and the colours that the person prefers."""
        self.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=scale, mobile=False
        )
        self.prefer(dark=dark)

    def prefer(self, *, dark: bool) -> None:
        """Set the colours that the person prefers."""
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", features=[scheme])

    def screenshot(self, path: Path, *, whole: bool = False) -> None:
        """Write a picture of the window, or of the whole page, as PNG."""
        answer = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=whole)
        path.write_bytes(base64.b64decode(answer["data"]))

    def bytes_of(self, code: str) -> bytes:
        """Return the bytes of a typed array in the page."""
        return base64.b64decode(
            self.run(
                f"(async () => {{ const a = await ({code});"
                "const blob = new Blob([a]); const reader = new FileReader();"
                "await new Promise((done) => { reader.onload = done; reader.readAsDataURL(blob); });"
                "return reader.result.slice(reader.result.indexOf(',') + 1); })()"
            )
        )


@contextlib.contextmanager
def open_browser(*options: str) -> Iterator[Browser]:
    """Start Chromium with further options; yield a page in it; end it."""
    assert CHROMIUM is not None
    to_browser, send = os.pipe()
    receive, from_browser = os.pipe()
    with tempfile.TemporaryDirectory(prefix="streetseg-browser-", ignore_cleanup_errors=True) as profile:
        command = [
            CHROMIUM, "--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--disable-background-networking",
            "--disable-component-update", "--no-first-run", "--remote-debugging-pipe",
            f"--user-data-dir={profile}", *options,
        ]  # fmt: skip
        # The browser reads commands from file descriptor 3 and answers on 4; either may be in use here.
        start = [sys.executable, "-I", "-S", "-c", STARTER, str(to_browser), str(from_browser)]
        child = subprocess.Popen(
            [*start, *command],
            pass_fds=(to_browser, from_browser),
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        os.close(to_browser)
        os.close(from_browser)
        try:
            browser = Browser(send, receive)
            yield browser
            browser.session = None
            with contextlib.suppress(AssertionError, OSError):
                browser.call("Browser.close")
        finally:
            os.close(send)
            os.close(receive)
            try:
                child.wait(10)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()
