"""The command line: one verb a command. A verb imports its own room, and only when it runs."""

from __future__ import annotations

import argparse
import contextlib
import importlib
import signal
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from typing import Any, NoReturn

import streetseg
from streetseg.cli.output import DONE, INTERRUPTED, complain, discard_output, say
from streetseg.errors import StreetsegError, UsageError

# File of this folder -> the verbs that its `add_verbs` adds, in the order of the help.
VERBS = {
    "predict": ("predict",),
    "bulk": ("bulk",),
    "prelabel": ("prelabel",),
    "evaluate": ("evaluate", "pool", "compare"),
    "bench": ("bench",),
    "tables": ("tables", "models"),
    "train": ("train", "sweep", "recipes"),
    "card": ("card",),
    "weights": ("convert", "export", "quantize"),
    "verify": ("verify",),
    "serve": ("serve",),
    "data": ("data",),
}


def main(arguments: list[str] | None = None) -> int:
    """Run a command; return its exit code.

    0 done, 1 a check failed, 2 the user's mistake, 3 a camera stalled, 4 it broke off, 130 interrupted.
    """
    warnings.showwarning = lambda message, *_, **__: complain(message)
    try:
        options = parse(sys.argv[1:] if arguments is None else arguments)
        verb: Callable[[argparse.Namespace], int] = options.verb
        with ends_as_interrupts():
            return verb(options)
    except StreetsegError as error:
        complain(error)
        return error.exit_code
    except KeyboardInterrupt:
        complain("interrupted")
        return INTERRUPTED
    except BrokenPipeError:
        discard_output()  # the reader has gone (`| head`)
        return DONE
    except OSError as error:  # of a path that no reader expected, such as a name that is too long
        complain(f"{shortened(str(error.filename or 'a file'))}: {error.strerror or error}; give another path")
        return UsageError.exit_code
    except MemoryError:
        complain("the memory is not enough; give smaller frames (--size), or fewer at once")
        return UsageError.exit_code


def shortened(name: str) -> str:
    """Return a path as it can be told in a line."""
    return repr(name if len(name) <= 80 else f"{name[:40]}...{name[-37:]}")


@contextlib.contextmanager
def ends_as_interrupts() -> Iterator[None]:
    """Inside, SIGTERM and SIGHUP interrupt as Ctrl-C does; they end services and the commands of a closed terminal.

    A recording is then finished, and no half-written file is left. Signals that are ignored (nohup) stay ignored.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    numbers = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]  # Windows lacks one
    taken = [number for number in numbers if signal.getsignal(number) is signal.SIG_DFL]
    try:
        for number in taken:
            signal.signal(number, signal.default_int_handler)
        yield
    finally:
        for number in taken:
            signal.signal(number, signal.SIG_DFL)


def parse(arguments: list[str]) -> argparse.Namespace:
    """Return a command's verb and options; UsageError for a wrong one."""
    return parser(arguments[0] if arguments else None).parse_args(arguments)


class Parser(argparse.ArgumentParser):
    """An argparse parser that reports a wrong option in one line, without the whole usage.

    old_form: Returns today's command for arguments of a former command, None for all others.
    """

    def __init__(self, *, old_form: Callable[[list[str]], str | None] | None = None, **settings: Any) -> None:
        super().__init__(**settings)
        self.old_form = old_form

    def parse_known_args(self, args: Any = None, *rest: Any, **further: Any) -> Any:
        """Parse; UsageError with today's command if the arguments are those of a former one."""
        if self.old_form and args is not None and (command := self.old_form(args)):
            raise UsageError(f"the command is now: {command}")
        return super().parse_known_args(args, *rest, **further)

    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message}; see {self.prog} --help")


class Version(argparse.Action):
    """Print the version; looked up only when asked, because its imports would delay every command."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> NoReturn:
        say(f"streetseg {streetseg.__version__}")
        parser.exit()


def parser(first: str | None = None) -> argparse.ArgumentParser:
    """Return the parser of all verbs; of one file's verbs only if `first` is one of them, because imports take time."""
    top = Parser(prog="streetseg", description="Real-time semantic segmentation of road scenes.")
    top.add_argument("--version", action=Version, nargs=0, help="show the version and exit")
    verbs = top.add_subparsers(required=True, metavar="VERB")
    for file in [file for file, names in VERBS.items() if first in names] or VERBS:
        importlib.import_module(f"streetseg.cli.{file}").add_verbs(verbs)
    return top
