"""Options that several verbs share: engine, dataset, size, path, JSON; and the check for PyTorch."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from streetseg.errors import MissingExtraError, UsageError

if TYPE_CHECKING:
    from streetseg.runtime.engines.options import EngineOptions

    Verbs = argparse._SubParsersAction[argparse.ArgumentParser]


def add_verb(
    verbs: Verbs, name: str, run: Callable[[argparse.Namespace], int], summary: str
) -> argparse.ArgumentParser:
    """Add a verb; `summary`, an imperative without a full stop, stands in the list of verbs and above its own help."""
    verb = verbs.add_parser(name, help=summary, description=sentence(summary))
    verb.set_defaults(verb=run)
    return verb


def sentence(summary: str) -> str:
    """Return a summary as a sentence."""
    return f"{summary[0].upper()}{summary[1:]}."


def add_engine_options(verb: argparse.ArgumentParser, *, several: bool = False) -> None:
    """Add --engine, --device, --threads, --precision; several: --engine can be repeated."""
    several_times = "; can be repeated" if several else ""
    engine = verb.add_argument(
        "--engine",
        action="append" if several else "store",
        help=f"%(engines)s (default: the first that fits){several_times}",
    )
    device = verb.add_argument(
        "--device",
        help="%(devices)s; cuda:N is GPU number N (default: cpu; torch: the first of cuda, mps, cpu)",
    )
    fill_in(engine, engines=engines_by_file)
    fill_in(device, devices=devices_by_engine)
    add_threads(verb)
    verb.add_argument("--precision", help="float32, bfloat16, or float16 on a GPU (default: the fastest)")


def engines_by_file() -> str:
    """Return which engines run which artefacts."""
    from streetseg.runtime.engines.engines import ENGINES

    able: dict[str, list[str]] = {}
    for name, kind in ENGINES.items():
        for suffix in kind.suffixes:
            able.setdefault(suffix, []).append(name)
    return "; ".join(f"{' or '.join(names)} for NAME{suffix}" for suffix, names in able.items())


def devices_by_engine() -> str:
    """Return the devices that each engine knows."""
    from streetseg.runtime.engines.engines import ENGINES

    return "; ".join(f"{name}: {', '.join(kind.devices)}" for name, kind in ENGINES.items())


class LateText:
    """A text that is made when a help shows it: its imports would delay every command."""

    def __init__(self, make: Callable[[], str]) -> None:
        self.make = make

    def __str__(self) -> str:
        return self.make()


def fill_in(action: argparse.Action, **texts: Callable[[], str]) -> None:
    """Fill in what an option's help has as %(NAME)s, when the help is shown."""
    vars(action).update({name: LateText(make) for name, make in texts.items()})


def add_threads(verb: argparse.ArgumentParser) -> None:
    """Add --threads."""
    verb.add_argument("--threads", type=int, metavar="N", help="number of CPU threads (default: all cores)")


def engine_options(options: argparse.Namespace, *, engine: str | None = None) -> EngineOptions:
    """Return what `add_engine_options` parsed, and --cache if the verb has it.

    engine: In place of --engine if that can be repeated.
    """
    from streetseg.runtime.engines.options import EngineOptions

    if not isinstance(options.engine, list):
        engine = engine or options.engine
    cache = getattr(options, "cache", None)
    return EngineOptions(engine, options.device, options.threads, options.precision, cache=cache)


def add_data_options(verb: argparse.ArgumentParser, *, required: bool = True) -> None:
    """Add --data and --dataset."""
    verb.add_argument("--data", required=required, type=path, metavar="DIR", help="folder of the dataset")
    add_dataset(verb)


def add_dataset(verb: argparse.ArgumentParser) -> None:
    """Add --dataset."""
    verb.add_argument("--dataset", metavar="NAME", help="name of the dataset (default: by the folder's layout)")


def add_map(verb: argparse.ArgumentParser) -> None:
    """Add --map."""
    verb.add_argument(
        "--map", action="append", default=[], metavar="LABEL=WEIGHTS",
        help="class of the labels and the class of the weights that it is, as in person=pedestrian,rider=cyclist; "
        "LABEL= leaves it out; can be repeated (default: by name, spelling and synonym)",
    )  # fmt: skip


def class_mapping(options: argparse.Namespace, form: str = "LABEL=WEIGHTS") -> dict[str, str]:
    """Return what --map says: class of the labels -> class of the weights, "" for none; form: names the two sides."""
    mapping: dict[str, str] = {}
    for entry in (entry for text in options.map for entry in text.split(",") if entry.strip()):
        label, equals, name = (part.strip() for part in entry.partition("="))
        if not label or not equals:
            raise UsageError(f"--map {entry.strip()!r} is not {form}; give, for example, person=pedestrian")
        if mapping.setdefault(label, name) != name:
            raise UsageError(f"--map gives {label!r} two classes, {mapping[label]!r} and {name!r}; give one")
    return mapping


def add_json(verb: argparse.ArgumentParser, output: str = "one JSON object instead of the table") -> None:
    """Add --json; output: What it prints, for the help."""
    verb.add_argument("--json", action="store_true", help=f"print {output}")


def size(text: str) -> tuple[int, int]:
    """Return height and width of "HxW"."""
    height, cross, width = text.lower().partition("x")
    if not (cross and height.isdecimal() and width.isdecimal() and int(height) and int(width)):
        raise argparse.ArgumentTypeError(f"{text!r} is not a size; give height and width, for example 1024x2048")
    from streetseg.runtime.frames import MAX_PIXELS

    if int(height) * int(width) > MAX_PIXELS:
        raise argparse.ArgumentTypeError(f"{text} has more pixels than a frame may have; give at most {MAX_PIXELS:,}")
    return int(height), int(width)


def path(text: str) -> Path:
    """Return a path; refuse an empty text: it comes from an unset shell variable and would mean the current folder."""
    if not text:
        raise argparse.ArgumentTypeError("a path is empty; give a file or folder, . for the current one")
    return Path(text)


def need_torch(purpose: str) -> None:
    """Raise MissingExtraError if PyTorch is not installed."""
    from importlib.util import find_spec

    if find_spec("torch") is None:
        raise MissingExtraError("PyTorch", purpose, "train")
