"""Run an exported page's engine in node, without a browser."""

from __future__ import annotations

import base64
import contextlib
import json
import shutil
import subprocess
import weakref
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from streetseg.errors import EngineError, VerificationError

CHECK = Path(__file__).parent / "web" / "node" / "check.mjs"


def find_node() -> str | None:
    """Return the path of node; None if it is not installed."""
    return shutil.which("node")


class NodeEngine:
    """A page's own engine: a function from a frame, H x W x 3 uint8 as the network takes it, to its logits.

    node runs until `close` is called, or nobody holds the engine any longer.

    Args:
        folder: The page's folder.

    Raises:
        EngineError: node is not installed.
    """

    def __init__(self, folder: Path) -> None:
        node = find_node()
        if node is None:
            raise EngineError(f"{folder} is a web page; node runs it here, which is not installed: install Node.js")
        command = [node, "--no-warnings", str(CHECK), str(folder.absolute())]
        pipe = subprocess.PIPE
        self.child = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True)
        self.close = weakref.finalize(self, end, self.child)

    def __call__(self, frame: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return the logits of a frame; VerificationError if the engine does not run the artefact."""
        asking, answering, complaining = self.child.stdin, self.child.stdout, self.child.stderr
        assert asking is not None
        assert answering is not None
        assert complaining is not None
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


def end(child: subprocess.Popen[str]) -> None:
    """End node, which ends by itself when its standard input is closed."""
    for pipe in (child.stdin, child.stdout, child.stderr):
        assert pipe is not None
        with contextlib.suppress(BrokenPipeError):
            pipe.close()
    child.wait()
