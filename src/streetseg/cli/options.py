"""Options that several verbs share: engine, dataset, size, path; and the check for PyTorch."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from streetseg.errors import MissingExtraError

if TYPE_CHECKING:
    from streetseg.runtime.engines.options import EngineOptions

    Verbs = argparse._SubParsersAction[argparse.ArgumentParser]


def add_engine_options(verb: argparse.ArgumentParser, *, several: bool = False) -> None:
    """Add --engine, --device, --threads, --precision; several: --engine can be repeated."""
    engines = "openvino (default) or onnxruntime; torch for NAME.pt2"
    if several:
        verb.add_argument("--engine", action="append", help=f"{engines}; can be repeated")
    else:
        verb.add_argument("--engine", help=engines)
    verb.add_argument(
        "--device",
        help="openvino: cpu, gpu, npu, auto; onnxruntime: cpu, cuda, tensorrt; torch: cpu, cuda, mps; cuda:1 is a "
        "second one (default: cpu; torch: the first of cuda, mps, cpu)",
    )
    verb.add_argument("--threads", type=int, metavar="N", help="CPU threads (default: all cores)")
    verb.add_argument("--precision", help="float32, bfloat16, or float16 on a GPU (default: the fastest)")


def engine_options(options: argparse.Namespace, *, engine: str | None = None, streams: int = 1) -> EngineOptions:
    """Return what `add_engine_options` parsed, and --cache where the verb has it.

    engine: In place of --engine, where that can be repeated. streams: Frames at once; not an option of any verb.
    """
    from streetseg.runtime.engines.options import EngineOptions

    if not isinstance(options.engine, list):
        engine = engine or options.engine
    cache = getattr(options, "cache", None)
    return EngineOptions(engine, options.device, options.threads, options.precision, streams, cache)


def add_data_options(verb: argparse.ArgumentParser, *, required: bool = True) -> None:
    """Add --data and --dataset."""
    verb.add_argument("--data", required=required, type=path, metavar="DIR", help="the dataset's folder")
    verb.add_argument("--dataset", help="which dataset it is (default: its layout decides)")


def size(text: str) -> tuple[int, int]:
    """Return height and width of "HxW"."""
    height, cross, width = text.lower().partition("x")
    if not (cross and height.isdecimal() and width.isdecimal() and int(height) and int(width)):
        raise argparse.ArgumentTypeError(f"{text!r} is no size; give height and width, as 1024x2048")
    from streetseg.runtime.frames import MAX_PIXELS

    if int(height) * int(width) > MAX_PIXELS:
        raise argparse.ArgumentTypeError(f"{text} has more pixels than a frame may have; give at most {MAX_PIXELS:,}")
    return int(height), int(width)


def path(text: str) -> Path:
    """Return a path; refuse an empty text, a shell's variable that is not set: it would be the current folder."""
    if not text:
        raise argparse.ArgumentTypeError("a path is empty; name a file or folder, . for the current one")
    return Path(text)


def need_torch(purpose: str) -> None:
    """Raise MissingExtraError if PyTorch is not installed."""
    from importlib.util import find_spec

    if find_spec("torch") is None:
        raise MissingExtraError("PyTorch", purpose, "train")
