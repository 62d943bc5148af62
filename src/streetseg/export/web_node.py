"""Run an exported page's engine in node, without a browser."""

from __future__ import annotations

import base64
import contextlib
import json
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from streetseg.errors import EngineError, VerificationError

CHECK = Path(__file__).parent / "web" / "node" / "check.mjs"


def find_node() -> str | None:
    """Return the path of node; None if it is not installed."""
    return shutil.which("node")


@contextlib.contextmanager
def node_engine(folder: Path) -> Iterator[Callable[[NDArray[np.uint8]], NDArray[np.float32]]]:
    """Yield a function from a frame, H x W x 3 uint8 as the network takes it, to its logits, by a page's own engine.

    Raises:
        EngineError: node is not installed.
        VerificationError: The engine does not run the artefact.
    """
    node = find_node()
    if node is None:
        raise EngineError(f"{folder} is a web page; node runs it here, which is not installed: install Node.js")
    command = [node, "--no-warnings", str(CHECK), str(folder.absolute())]
    # The child ends by itself when its standard input is closed.
    child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert child.stdin is not None
    assert child.stdout is not None
    assert child.stderr is not None
    asking, answering, complaining = child.stdin, child.stdout, child.stderr

    def run(frame: NDArray[np.uint8]) -> NDArray[np.float32]:
        height, width = frame.shape[:2]
        pixels = base64.b64encode(np.ascontiguousarray(frame).tobytes()).decode()
        with contextlib.suppress(BrokenPipeError):
            asking.write(json.dumps({"height": height, "width": width, "pixels": pixels}) + "\n")
            asking.flush()
        answer = answering.readline()
        if not answer:
            lines = [line for line in complaining.read().splitlines() if "Error" in line] or ["it says nothing"]
            raise VerificationError(f"the page's engine does not run the artefact in node: {lines[0].strip()}")
        facts = json.loads(answer)
        logits = np.frombuffer(base64.b64decode(facts["logits"]), np.float32)
        return logits.reshape(facts["height"], facts["width"], facts["classes"])

    try:
        yield run
    finally:
        with contextlib.suppress(BrokenPipeError):
            asking.close()
        child.wait()
        answering.close()
        complaining.close()
