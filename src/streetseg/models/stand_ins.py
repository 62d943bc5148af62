"""Stand-ins for the classes that a checkpoint names beside its tensors: inert, so that nothing of a file runs.

A pickle names classes and functions, and calls them when it is opened. `stand_ins` reads the names without opening the
pickle. For plain classes (a Namespace, a configuration, a path, an enum) it returns stand-ins of the same name. They
take any arguments and do nothing. Functions are not replaced: torch's weights_only unpickler refuses those that it does
not know.
"""

from __future__ import annotations

import pickletools
import re
import sys
from _compat_pickle import IMPORT_MAPPING, NAME_MAPPING
from collections import OrderedDict
from collections.abc import Callable
from typing import Any, BinaryIO


class Ignored:
    """An object that a checkpoint holds; it accepts any arguments and keeps only its attributes.

    Attributes:
        attributes: The object's own attributes by name, which may hold tensors, as those of a saved module do.
    """

    attributes: dict[str, object]

    def __new__(cls, *_: object) -> Ignored:
        made = super().__new__(cls)
        made.attributes = {}
        return made

    def __init__(self, *_: object) -> None:
        pass

    def __setstate__(self, state: object) -> None:
        if isinstance(state, tuple) and len(state) == 2:  # of a class with slots
            state = state[1] or state[0]
        if isinstance(state, dict):
            self.attributes = {str(name): value for name, value in state.items()}


class IgnoredMapping:
    """Makes an ordered dictionary in place of a dictionary of another class, such as AttributeDict or defaultdict."""

    def __new__(cls, *_: object) -> OrderedDict[str, object]:  # type: ignore[misc]
        return OrderedDict()


class IgnoredAttribute:
    """Gives a class in place of an attribute of another: classes inside classes are named so before protocol 4."""

    def __new__(cls, *_: object) -> type[Ignored]:  # type: ignore[misc]
        return Ignored


class IgnoredList:
    """Makes a list in place of a list of another class, such as deque."""

    def __new__(cls, *_: object) -> list[object]:  # type: ignore[misc]
        return []


# Of the standard library and numpy, whose names do not tell a class from a function: what holds values only.
PLAIN = {
    "argparse.Namespace", "types.SimpleNamespace", "functools.partial", "copyreg._reconstructor",
    "collections.defaultdict", "collections.deque", "collections.ChainMap", "collections.UserDict",
    "builtins.object", "builtins.getattr", "builtins.frozenset", "builtins.slice", "builtins.range",
    "builtins.int", "builtins.float", "builtins.bool", "builtins.str", "builtins.bytes", "builtins.list",
    "builtins.dict", "builtins.tuple", "builtins.type", "builtins.NoneType", "builtins.Ellipsis",
    "datetime.datetime", "datetime.date", "datetime.time", "datetime.timedelta", "datetime.timezone",
    "decimal.Decimal", "fractions.Fraction", "uuid.UUID", "uuid.SafeUUID", "zoneinfo.ZoneInfo._unpickle",
    "re._compile", "signal.Signals", "logging.Logger", "logging.getLogger", "string.Template",
    "numpy.dtype", "numpy.ndarray",
    *(f"numpy.{core}.multiarray.{name}" for core in ("core", "_core") for name in ("scalar", "_reconstruct")),
    *(f"numpy.{core}.numeric._frombuffer" for core in ("core", "_core")),
    *(f"numpy.random._pickle.{name}" for name in ("__randomstate_ctor", "__generator_ctor", "__bit_generator_ctor")),
    "numpy.random.bit_generator.__pyx_unpickle_SeedSequence",
}  # fmt: skip
# numpy's number types, as in a dictionary of types.
NUMBERS = re.compile(r"numpy\.(?:u?int|float|complex|bool|str|bytes|void|object|datetime|timedelta)\w*")
PLAIN_MODULES = ("pathlib", "typing", "enum", "torch.nn.functional")

# Opcodes that change an object or make one of a class; the result bears that label on.
SETTING, APPENDING = {"SETITEM", "SETITEMS"}, {"APPEND", "APPENDS"}
LABELLED = {"REDUCE", "NEWOBJ", "NEWOBJ_EX", "BUILD", "ADDITEMS"} | SETTING | APPENDING


def stand_ins(file: BinaryIO, pickles: int = 1) -> list[Callable[..., Any] | tuple[Callable[..., Any], str]]:
    """Return the stand-ins that a pickle needs, as torch.serialization.safe_globals takes them.

    Args:
        file: The pickle, at its start.
        pickles: Number of pickles in a row.

    Raises:
        Exception: Any, if the bytes are no pickle.
    """
    kinds: dict[str, type] = {}
    for _ in range(pickles):
        kinds |= globals_in(file)
    if kinds.get("builtins.getattr") is Ignored:
        kinds["builtins.getattr"] = IgnoredAttribute
    return [(kind, name) for name, kind in kinds.items() if is_plain(name)]


def is_plain(name: str) -> bool:
    """Return True if a dotted name is of a class that only holds values, as far as a name can tell.

    A wrong answer harms nothing, because its stand-in runs nothing.
    """
    module, _, own = name.rpartition(".")
    if name in PLAIN or NUMBERS.fullmatch(name) or module.startswith(PLAIN_MODULES):
        return True
    return module.partition(".")[0] not in sys.stdlib_module_names and own.lstrip("_")[:1].isupper()


def globals_in(file: BinaryIO) -> dict[str, type]:
    """Return the names of classes and functions in a pickle, each with the stand-in that its objects need.

    It follows the stack of the pickle's machine with labels in place of objects.
    """
    kinds: dict[str, type] = {}
    memo: dict[int, str | None] = {}
    stack: list[str | None] = []
    marks: list[int] = []
    for opcode, argument, _ in pickletools.genops(file):
        name = opcode.name
        if name == "MARK":
            marks.append(len(stack))
        elif name == "GLOBAL":
            stack.append(modern_name(*str(argument).split(" ", 1)))
            kinds.setdefault(str(stack[-1]), Ignored)
        elif name in ("PUT", "BINPUT", "LONG_BINPUT"):
            memo[int(argument or 0)] = stack[-1]
        elif name in ("GET", "BINGET", "LONG_BINGET"):
            stack.append(memo.get(int(argument or 0)))
        else:
            taken = [kind.name for kind in opcode.stack_before]
            if "mark" in taken:
                del stack[marks.pop() :]
                taken = taken[: taken.index("mark")]
            label = stack[-len(taken)] if name in LABELLED else None
            if label in kinds and name in SETTING | APPENDING:
                kinds[str(label)] = IgnoredMapping if name in SETTING else IgnoredList
            del stack[len(stack) - len(taken) :]
            stack.extend([label] * len(opcode.stack_after))
    return kinds


def modern_name(module: str, name: str) -> str:
    """Return a dotted name of Python 2 or 3 as torch's unpickler looks it up."""
    if (module, name) in NAME_MAPPING:
        module, name = NAME_MAPPING[(module, name)]
    return f"{IMPORT_MAPPING.get(module, module)}.{name}"
