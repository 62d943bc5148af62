"""Run a page's JavaScript modules in node, with arrays in and out."""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

NODE = shutil.which("node")
needs_node = pytest.mark.skipif(NODE is None, reason="needs node")

# Arrays travel as {"type", "shape", "bytes"}; a function gets typed arrays and may return one.
GLUE = """
const TYPES = {uint8: Uint8Array, float32: Float32Array};
const revive = (_, value) => value?.bytes === undefined ? value
  : new TYPES[value.type](new Uint8Array(Buffer.from(value.bytes, "base64")).buffer);
const pack = (_, value) => ArrayBuffer.isView(value)
  ? {type: value.constructor.name.replace("Array", "").toLowerCase(), shape: [value.length],
     bytes: Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString("base64")} : value;
let text = "";
for await (const chunk of process.stdin) text += chunk;
const results = [];
for (const given of JSON.parse(text, revive)) results.push(await call(given));
process.stdout.write(JSON.stringify(results, pack));
"""


def packed(value: object) -> object:
    """Return an array as JSON's types."""
    assert isinstance(value, np.ndarray)
    return {"type": str(value.dtype), "shape": value.shape, "bytes": base64.b64encode(value.tobytes()).decode()}


def unpacked(value: dict[str, Any]) -> object:
    """Return a packed array as an array; other objects as they are."""
    if "bytes" not in value:
        return value
    array: NDArray[Any] = np.frombuffer(base64.b64decode(value["bytes"]), value["type"])
    return array


def run_javascript(code: str, cases: list[Any]) -> list[Any]:
    """Return what `call`, a function that the code defines, returns for each case.

    code: A module; imports stand on top, with absolute paths (`module`).
    """
    assert NODE is not None
    command = [NODE, "--input-type=module", "--eval", code + GLUE]
    done = subprocess.run(
        command, input=json.dumps(cases, default=packed), capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    results: list[Any] = json.loads(done.stdout, object_hook=unpacked)
    return results


def module(path: Path) -> str:
    """Return a module's name for an import."""
    return json.dumps(path.as_uri())
