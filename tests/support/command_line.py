"""Helpers for tests of the command line: run a command, read its complaint, list its files."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

STREETSEG: list[str | Path] = [sys.executable, "-m", "streetseg"]
ONNXRUNTIME = ["--engine", "onnxruntime"]  # opens at once, where OpenVINO compiles for each size of frame

Ran = tuple[int, list[str], list[str]]  # exit code, lines of output, lines of complaint
Run = Callable[..., Ran]  # the fixture `run`
Refused = Callable[..., str]  # the fixture `refused`


def files_below(folder: Path) -> set[str]:
    """Return every file below a folder, hidden ones too, as a path relative to it."""
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def outputs(*names: str) -> set[str]:
    """Return the files that `predict` writes for images of these names."""
    return {f"{name}{suffix}" for name in names for suffix in ("_classes.png", "_overlay.jpg")}


def refusal(result: Ran) -> str:
    """Return the one line of a command that ends with the user's mistake."""
    code, output, errors = result
    assert code == 2
    assert output == []
    assert len(errors) == 1
    assert errors[0].startswith("streetseg: ")
    return errors[0]


def without(module: str, *arguments: object) -> str:
    """Return the one line of a command that needs a module which is not installed."""
    code = (
        f"import sys; sys.modules['{module}'] = None; sys.argv[0] = 'streetseg'; "
        "from streetseg.cli import main; raise SystemExit(main())"
    )
    command = [sys.executable, "-c", code, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True)
    return refusal((done.returncode, done.stdout.splitlines(), done.stderr.splitlines()))
