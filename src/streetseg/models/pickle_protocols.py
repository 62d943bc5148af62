"""Rewrite pickles of other protocols in protocol 2, the one that torch's weights_only unpickler knows.

Nothing is opened here: opcodes are replaced by others of the same meaning. The unpickler then checks the rewritten
pickle as it checks any other, so a hostile pickle of protocol 5 gets no further than one of protocol 2.
"""

from __future__ import annotations

import pickle
import pickletools
import re
import struct
from io import BytesIO
from pickletools import OpcodeInfo
from typing import BinaryIO

# Opcodes that torch's unpickler takes.
TAKEN = {
    "APPEND", "APPENDS", "BINFLOAT", "BINGET", "BININT", "BININT1", "BININT2", "BINPERSID", "BINPUT", "BINUNICODE",
    "BUILD", "EMPTY_DICT", "EMPTY_LIST", "EMPTY_SET", "EMPTY_TUPLE", "GLOBAL", "LONG1", "LONG_BINGET", "LONG_BINPUT",
    "MARK", "NEWFALSE", "NEWOBJ", "NEWTRUE", "NONE", "PROTO", "REDUCE", "SETITEM", "SETITEMS", "SHORT_BINSTRING",
    "STOP", "TUPLE", "TUPLE1", "TUPLE2", "TUPLE3",
}  # fmt: skip
TEXTS = {"SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8", "UNICODE"}
OLD_TEXTS = {"STRING", "BINSTRING"}  # of Python 2
BYTES = {"SHORT_BINBYTES", "BINBYTES", "BINBYTES8", "BYTEARRAY8"}
NUMBERS = {"INT", "LONG", "LONG4"}
PUTS = {"PUT", "BINPUT", "LONG_BINPUT", "MEMOIZE"}
GETS = {"GET", "BINGET", "LONG_BINGET"}
NAME = re.compile(r"[\w.<>]+")  # of a module, a class or a function
END_OF_SET = pickle.TUPLE1 + pickle.REDUCE


def in_protocol_2(file: BinaryIO, pickles: int = 1) -> bytes | None:
    """Return pickles with opcodes that torch's unpickler takes.

    Args:
        file: The pickles in a row; it is read to their end.
        pickles: Their number.

    Returns:
        The rewritten pickles; None if the unpickler takes them as they are.

    Raises:
        Exception: Any, if the bytes are no pickle.
    """
    begin = file.tell()
    names = {opcode.name for _ in range(pickles) for opcode, _, _ in pickletools.genops(file)}
    if names <= TAKEN:
        return None
    end = file.tell()
    file.seek(begin)
    content = file.read(end - begin)
    source = BytesIO(content)
    rewritten = b""
    for _ in range(pickles):
        rewriter = Rewriter()
        for opcode, argument, position in pickletools.genops(source):
            rewriter.step(opcode, argument, content[position : source.tell()])
        rewritten += b"".join(rewriter.chunks)
    return rewritten


class Text:
    """A text of a pickle, with the number of the chunk that writes it; None if none does."""

    def __init__(self, value: str) -> None:
        self.value = value
        self.chunk: int | None = None


class Rewriter:
    """Follows the machine of one pickle and writes the pickle anew, in chunks of bytes.

    The stack has each object's first chunk and, if the object is a text, that text. The chunks stand in the order of
    the objects on the stack.
    """

    def __init__(self) -> None:
        self.chunks: list[bytes | bytearray] = [pickle.PROTO + b"\x02"]
        self.stack: list[tuple[int, Text | None]] = []
        self.marks: list[tuple[int, int]] = []  # height of the stack, chunk
        self.memo: dict[int, Text | None] = {}
        self.sets: dict[int, int] = {}  # a set's first chunk -> the chunk that ends it

    def step(self, opcode: OpcodeInfo, argument: object, code: bytes) -> None:
        """Write one opcode, which is `code` in the pickle."""
        name = opcode.name
        if name in TEXTS:
            self.push_text(Text(str(argument)))
        elif name in OLD_TEXTS:
            self.push_text(Text(str(argument).encode("latin-1").decode("utf-8", "replace")))
        elif isinstance(argument, bytes | bytearray) and name in BYTES:
            self.push(bytes_code(bytes(argument), changeable=name == "BYTEARRAY8"))
        elif isinstance(argument, int) and name in NUMBERS:
            self.push(number_code(argument))
        elif isinstance(argument, float) and name == "FLOAT":
            self.push(pickle.BINFLOAT + struct.pack(">d", argument))
        elif isinstance(argument, int) and name in GETS:
            self.get(argument)
        elif name in PUTS:
            self.put(argument if isinstance(argument, int) else len(self.memo))
        elif name == "MARK":
            self.marks.append((len(self.stack), len(self.chunks)))
            self.chunks.append(code)
        elif name == "STACK_GLOBAL":
            self.name_global()
        elif name == "EMPTY_SET":
            self.push(global_code("__builtin__", "set") + pickle.EMPTY_LIST)
            self.end_set()
        elif name == "ADDITEMS":
            self.add_items()
        elif name not in ("FRAME", "PROTO"):
            self.combine(opcode, code)

    def push(self, code: bytes) -> None:
        self.stack.append((len(self.chunks), None))
        self.chunks.append(code)

    def push_text(self, text: Text) -> None:
        text.chunk = len(self.chunks)
        self.stack.append((text.chunk, text))
        content = text.value.encode("utf-8", "surrogatepass")
        self.chunks.append(pickle.BINUNICODE + struct.pack("<I", len(content)) + content)

    def pop(self, count: int) -> list[tuple[int, Text | None]]:
        """Take objects from the stack, none from below a mark."""
        height = len(self.stack) - count
        if height < (self.marks[-1][0] if self.marks else 0):
            raise ValueError("an opcode takes more than there is")
        taken = self.stack[height:]
        del self.stack[height:]
        return taken

    def put(self, index: int) -> None:
        """Keep the last object in the memo."""
        first, text = self.stack[-1]
        self.memo[index] = text
        code = pickle.LONG_BINPUT + struct.pack("<I", index)
        if first in self.sets:  # what comes next may still be of the set
            self.chunks[self.sets[first]] += code
        else:
            self.chunks.append(code)

    def get(self, index: int) -> None:
        """Push an object of the memo; a text that no chunk writes any more is written again."""
        text = self.memo[index]
        if text is not None and text.chunk is None:
            self.push_text(text)
            self.chunks.append(pickle.LONG_BINPUT + struct.pack("<I", index))
            return
        self.stack.append((len(self.chunks), text))
        self.chunks.append(pickle.LONG_BINGET + struct.pack("<I", index))

    def name_global(self) -> None:
        """Replace the last two texts by the class or function that they name."""
        taken = self.pop(2)
        first = taken[0][0]
        names = [text.value if text else "" for _, text in taken]
        if not all(map(NAME.fullmatch, names)):
            raise ValueError(f"{names!r:.80} names no class")
        for _, text in taken:
            if text is not None and text.chunk is not None and text.chunk >= first:
                text.chunk = None
        del self.chunks[first:]
        module, name = (re.sub(r"[^\x00-\x7f]", "_", name) for name in names)
        self.push(global_code(module, name))

    def end_set(self) -> None:
        """End the last object, a set, with the next chunk."""
        self.sets[self.stack[-1][0]] = len(self.chunks)
        self.chunks.append(bytearray(END_OF_SET))

    def add_items(self) -> None:
        """Add the objects above the mark to the set below it, whose end moves behind them."""
        height, _ = self.marks.pop()
        del self.stack[height:]
        end = self.sets[self.stack[-1][0]]
        self.chunks.append(pickle.APPENDS)
        self.end_set()
        self.chunks[-1], self.chunks[end] = self.chunks[end], b""

    def combine(self, opcode: OpcodeInfo, code: bytes) -> None:
        """Write an opcode that makes at most one object, of those that it takes from the stack."""
        name = opcode.name
        taken = [kind.name for kind in opcode.stack_before]
        first = len(self.chunks)
        if "mark" in taken:
            height, first = self.marks.pop()
            del self.stack[height:]
            taken = taken[: taken.index("mark")]
        if name == "FROZENSET":
            self.chunks[first] = global_code("__builtin__", "frozenset") + pickle.EMPTY_LIST + pickle.MARK
            code = pickle.APPENDS + END_OF_SET
        elif name == "NEWOBJ_EX":  # arguments by place and by name; stand-ins take any
            code = pickle.TUPLE2 + pickle.NEWOBJ
        elif name not in TAKEN:
            raise ValueError(f"Unsupported operand {name}")
        if taken:
            first = self.pop(len(taken))[0][0]
        self.sets.pop(first, None)  # it is no set any more
        self.chunks.append(code)
        self.stack += [(first, None)] * len(opcode.stack_after)


def global_code(module: str, name: str) -> bytes:
    return pickle.GLOBAL + f"{module}\n{name}\n".encode("ascii")


def bytes_code(content: bytes, *, changeable: bool) -> bytes:
    """Return opcodes that make bytes, or a bytearray, as protocol 2 does: of a text."""
    maker = global_code("__builtin__", "bytearray") if changeable else global_code("_codecs", "encode")
    text = content.decode("latin-1").encode()
    texts = b"".join(pickle.BINUNICODE + struct.pack("<I", len(part)) + part for part in (text, b"latin1"))
    return maker + texts + pickle.TUPLE2 + pickle.REDUCE


def number_code(number: int) -> bytes:
    if isinstance(number, bool):
        return pickle.NEWTRUE if number else pickle.NEWFALSE
    content = pickle.encode_long(number)
    return pickle.LONG1 + bytes([len(content)]) + content  # a ValueError for numbers of more than 255 bytes
