"""Engines in forked processes: their threads stay in the parent, and whatever waits for them waits for ever."""

from __future__ import annotations

import ctypes
import os
import weakref
from typing import Any

from streetseg.errors import EngineError

STARTED: dict[str, int] = {}  # engine -> the process that started its threads
KEPT: weakref.WeakSet[Any] = weakref.WeakSet()


def refuse_after_fork(engine: str) -> None:
    """Note that this process starts an engine's threads; EngineError if the process it was forked from did."""
    process = STARTED.setdefault(engine, os.getpid())
    if process != os.getpid():
        raise EngineError(
            f"{engine} was in use when this process was forked, and its threads stayed behind; open the Segmenter only "
            "after the fork, start processes by 'spawn' (multiprocessing), or choose engine='onnxruntime'"
        )


def keep_in_forked_processes(holder: Any) -> None:
    """Never destroy an object, and what its attributes hold, in a forked process: destructors wait for threads, too."""
    KEPT.add(holder)


def keep() -> None:
    """Take one more reference to each kept object, which nobody gives back."""
    for holder in KEPT:
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(holder))


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=keep)
