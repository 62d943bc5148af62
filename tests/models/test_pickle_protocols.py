"""Checkpoints of any pickle protocol are read as those of protocol 2 are, and hostile ones refused as those are."""

from __future__ import annotations

import io
import os
import pickle
import pickletools
import struct
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from streetseg.errors import CheckpointError
from streetseg.models.checkpoint_contents import tensors_in
from streetseg.models.checkpoint_files import read_checkpoint
from streetseg.models.pickle_protocols import TAKEN, in_protocol_2
from streetseg.models.stand_ins import Ignored
from tests.models.test_stand_ins import HARMLESS, Calls
from tests.support.checkpoints import refusal, save

PROTOCOLS = [1, 3, 4, 5]


class Settings:
    """Nested classes have dotted names from protocol 4 on."""

    class Inner:
        def __init__(self) -> None:
            self.value = 1


class ByName(str):
    """Made by arguments with names: NEWOBJ_EX from protocol 4 on."""

    def __new__(cls, *, text: str) -> ByName:
        return super().__new__(cls, text)

    def __getnewargs_ex__(self) -> Any:
        return (), {"text": str(self)}


class Straße:
    """A class whose name is not ASCII."""


PLAIN: dict[str, Any] = {
    "flags": [True, False, None],
    "numbers": [0, -1, 255, 1 << 20, -(1 << 31), 1 << 40, 1 << 70, 0.5, -0.25],
    "texts": ["", "a", "ü" * 300, "x" * 70_000, "\ud800"],
    "same": ["twice"] * 3,
    "bytes": [b"", b"a\xff\n", b"x" * 300, b"x" * 70_000],
    "bytearray": bytearray(b"a\xff"),
    "sets": [set(), {1}, set(range(2500)), [{"a"}, (1, 2, 3, 4)]],
    "tuples": [(), (1,), (1, 2), (1, 2, 3), (1, 2, 3, 4), ({3},)],
    "complex": 1 + 2j,
}  # fmt: skip


def with_weights(content: object) -> dict[str, Any]:
    return {"args": content, "state_dict": {"a": torch.arange(3.0), "b": torch.ones(2, 3).half()}}


@pytest.mark.parametrize("archive", [True, False], ids=["zip", "legacy"])
@pytest.mark.parametrize("protocol", [2, *PROTOCOLS])
def test_values_and_tensors_are_the_same_in_each_protocol(tmp_path: Path, protocol: int, archive: bool) -> None:
    options = {"pickle_protocol": protocol, "_use_new_zipfile_serialization": archive}
    content: Any = read_checkpoint(save(tmp_path / "x.pth", with_weights(PLAIN), **options))
    if protocol > 2:  # older protocols make empty bytes by their class, which has a stand-in
        assert content["args"] == PLAIN
    assert torch.equal(content["state_dict"]["a"], torch.arange(3.0))
    assert torch.equal(content["state_dict"]["b"], torch.ones(2, 3).half())


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("kind", HARMLESS)
def test_classes_beside_the_tensors_do_no_harm(tmp_path: Path, kind: str, protocol: int) -> None:
    if (kind, protocol) == ("slots", 1):
        pytest.skip("Python does not write them")
    options = {"pickle_protocol": protocol, "_use_new_zipfile_serialization": len(kind) % 2 == 0}
    path = save(tmp_path / "x.pth", with_weights([HARMLESS[kind], ("key", 1)]), **options)
    assert torch.equal(tensors_in(read_checkpoint(path), path)["state_dict.a"], torch.arange(3.0))


@pytest.mark.parametrize("protocol", [2, *PROTOCOLS])
def test_names_and_arguments_of_newer_protocols(tmp_path: Path, protocol: int) -> None:
    odd = [Settings.Inner(), {frozenset({1, "a"}): 2}]
    odd += [Straße(), ByName(text="a")] if protocol > 3 else []
    path = save(tmp_path / "x.pth", with_weights(odd), pickle_protocol=protocol)
    content: Any = read_checkpoint(path)
    assert isinstance(content["args"][0], Ignored)
    assert content["args"][0].attributes == {"value": 1}
    assert tensors_in(content, path).keys() == {"state_dict.a", "state_dict.b"}


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_module_saved_whole_is_read(tmp_path: Path, protocol: int) -> None:
    net = nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4))
    net.register_buffer("unsaved", torch.zeros(3), persistent=False)
    path = save(tmp_path / "x.pth", {"model": net}, pickle_protocol=protocol)
    found = tensors_in(read_checkpoint(path), path)
    assert found.keys() == {f"model.{name}" for name in net.state_dict()}
    assert torch.equal(found["model.0.weight"], net.state_dict()["0.weight"])


class Command:
    """A pickle that runs a shell command where it is opened carelessly."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (f"touch {self.marker}",)


@pytest.mark.parametrize("archive", [True, False], ids=["zip", "legacy"])
@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_hostile_pickle_is_refused_and_not_run(tmp_path: Path, protocol: int, archive: bool) -> None:
    marker = tmp_path / "ran"
    options = {"pickle_protocol": protocol, "_use_new_zipfile_serialization": archive}
    path = save(tmp_path / "x.pth", with_weights(Command(marker)), **options)
    assert "refused: it holds more than tensors (posix.system)" in refusal(CheckpointError, read_checkpoint, path)
    assert not marker.exists()
    torch.load(path, weights_only=False)
    assert marker.exists()  # it would have run


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize(
    "function",
    [
        "subprocess.Popen", "subprocess.call", "builtins.eval", "builtins.exec", "builtins.__import__", "builtins.open",
        "shutil.rmtree", "runpy.run_path", "importlib.import_module", "ctypes.CDLL", "pickle.loads",
        "timeit.Timer", "operator.attrgetter", "torch.load", "torch.hub.load", "numpy.load",
    ],
)  # fmt: skip
def test_functions_are_refused(tmp_path: Path, function: str, protocol: int) -> None:
    path = save(tmp_path / "x.pth", with_weights([{"y": Calls(function, "", "")}]), pickle_protocol=protocol)
    assert "is refused: it holds more than tensors (" in refusal(CheckpointError, read_checkpoint, path)


def text(value: str) -> bytes:
    return pickle.SHORT_BINUNICODE + bytes([len(value)]) + value.encode()


@pytest.mark.parametrize(
    "code",
    [
        # Names that are put together, taken from the memo, or lead into a module by attributes.
        text("posix") + pickle.MEMOIZE + text("system") + pickle.MEMOIZE + pickle.STACK_GLOBAL + text("touch ran"),
        text("os") + pickle.MEMOIZE + b"0" + text("x") + pickle.BINGET + b"\0" + text("system") + pickle.STACK_GLOBAL,
        text("torch") + text("serialization.os.system") + pickle.STACK_GLOBAL + text("touch ran"),
        text("collections") + text("OrderedDict.fromkeys") + pickle.STACK_GLOBAL + text("touch ran"),
        # A line break would end the name in protocol 2, and what comes after it would be opcodes.
        text("torch\n_utils") + text("x\ncposix\nsystem\n") + pickle.STACK_GLOBAL + text("touch ran"),
        text("torch") + text("Size\ncposix\nsystem\n") + pickle.STACK_GLOBAL + text("touch ran"),
        text("") + text("eval") + pickle.STACK_GLOBAL + text("1"),
        pickle.BININT1 + b"\1" + text("eval") + pickle.STACK_GLOBAL + text("1"),
        text("posix") + pickle.MARK + text("system") + pickle.STACK_GLOBAL + text("touch ran"),
        # copyreg's extensions and buffers from outside.
        pickle.EXT1 + b"\1" + text("touch ran"),
        pickle.NEXT_BUFFER + text("touch ran"),
        # Opcodes that take more than there is.
        pickle.STACK_GLOBAL + text("touch ran"),
        pickle.ADDITEMS + text("touch ran"),
        pickle.MARK + pickle.ADDITEMS + text("touch ran"),
        pickle.BINGET + b"\7" + text("touch ran"),
        pickle.MEMOIZE + text("touch ran"),
        b"iposix\nsystem\n" + text("touch ran"),
    ],
)  # fmt: skip
def test_hostile_opcodes_are_refused(tmp_path: Path, code: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    body = b"\x80\x04}" + text("a") + code + pickle.TUPLE1 + pickle.REDUCE + pickle.SETITEM + pickle.STOP
    good = save(tmp_path / "good.pth", {"a": torch.ones(3)}, pickle_protocol=4, _use_new_zipfile_serialization=False)
    content = good.read_bytes()
    header = pickles_of(content)[2]
    path = tmp_path / "x.pth"
    path.write_bytes(content[:header] + body + content[pickles_of(content)[3] :])
    message = refusal(CheckpointError, read_checkpoint, path)
    assert "is refused: it holds more than tensors" in message or "truncated, damaged" in message
    assert not (tmp_path / "ran").exists()


def pickles_of(content: bytes) -> list[int]:
    """Return where the pickles of a file before torch 1.6 end."""
    file, ends = io.BytesIO(content), []
    for _ in range(5):
        list(pickletools.genops(file))
        ends.append(file.tell())
    return ends


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_damage_is_told(tmp_path: Path, protocol: int) -> None:
    legacy = {"pickle_protocol": protocol, "_use_new_zipfile_serialization": False}
    whole = save(tmp_path / "x.pth", with_weights(PLAIN), **legacy).read_bytes()
    for size in (60, len(whole) // 2, len(whole) - 10):
        path = tmp_path / f"{size}.pth"
        path.write_bytes(whole[:size])
        assert "truncated, damaged" in refusal(CheckpointError, read_checkpoint, path)


def test_only_what_torch_cannot_read_is_rewritten() -> None:
    assert in_protocol_2(io.BytesIO(pickle.dumps([1, "a", {"b": (2.0,)}], 2))) is None
    for protocol in PROTOCOLS:
        rewritten = in_protocol_2(io.BytesIO(pickle.dumps(PLAIN, protocol)))
        assert rewritten is not None
        assert {opcode.name for opcode, _, _ in pickletools.genops(rewritten)} <= TAKEN
        assert pickle.loads(rewritten) == PLAIN


def test_texts_that_name_a_class_can_be_used_again() -> None:
    """The memo keeps a class's name and module; a later text may be the same one."""
    code = text("collections") + pickle.MEMOIZE + text("OrderedDict") + pickle.MEMOIZE + pickle.STACK_GLOBAL
    again = pickle.BINGET + b"\0" + pickle.BINGET + b"\1" + pickle.BINGET + b"\0"
    rewritten = in_protocol_2(io.BytesIO(b"\x80\x04(" + code + again + pickle.TUPLE + pickle.STOP))
    assert rewritten is not None
    assert pickle.loads(rewritten)[1:] == ("collections", "OrderedDict", "collections")


def test_a_text_of_python_2_is_read() -> None:
    """Longer texts than 255 bytes have an opcode of their own in protocol 2, which torch's unpickler lacks."""
    long = "ä" * 200
    code = b"T" + struct.pack("<I", len(long.encode())) + long.encode()
    rewritten = in_protocol_2(io.BytesIO(b"\x80\x02" + code + pickle.STOP))
    assert rewritten is not None
    assert pickle.loads(rewritten) == long
