"""Classes in a checkpoint become stand-ins that do nothing; functions do not."""

from __future__ import annotations

import argparse
import collections
import datetime
import enum
import io
import pathlib
import pickle
import types
import typing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from streetseg.errors import CheckpointError
from streetseg.models.checkpoint_contents import tensors_in
from streetseg.models.checkpoint_files import read_checkpoint
from streetseg.models.stand_ins import IgnoredList, IgnoredMapping, globals_in, is_plain
from tests.support.checkpoints import refusal, save

RAN: list[str] = []


class AttributeDict(dict[str, Any]):
    """A dictionary of another class, as trainers save their settings."""


class Settings:
    """An object whose methods would run when it is opened carelessly."""

    def __init__(self) -> None:
        self.weights = {"inner": torch.ones(3)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        RAN.append("ran")
        self.__dict__ = state


class Mode(enum.Enum):
    TRAIN = "train"


class Flags(enum.IntFlag):
    ONE = 1
    TWO = 2


class Slotted:
    __slots__ = ("a",)

    def __init__(self) -> None:
        self.a = 1


class Rows(list[int]):
    """A list of another class."""


HARMLESS: dict[str, Any] = {
    "namespace": argparse.Namespace(lr=0.1, path=pathlib.Path("x")),
    "attributes": AttributeDict(lr=0.1, betas=(0.9, 0.99)),
    "nested": AttributeDict(inner=AttributeDict(a=[AttributeDict()])),
    "object": Settings(),
    "enum": Mode.TRAIN,
    "flags": Flags.ONE | Flags.TWO,
    "slots": Slotted(),
    "list": Rows([1, 2]),
    "simple": types.SimpleNamespace(a=1),
    "ordered": collections.OrderedDict(a=1),
    "counter": collections.Counter("abc"),
    "default": collections.defaultdict(list, {"a": [1]}),
    "deque": collections.deque([1, 2], maxlen=5),
    "path": pathlib.PurePosixPath("a/b"),
    "windows": pathlib.PureWindowsPath("a/b"),
    "date": datetime.datetime(2024, 1, 1, tzinfo=datetime.UTC),
    "delta": datetime.timedelta(1),
    "type": typing.Any,
    "frozen": frozenset({1}),
    "class": AttributeDict,
    "number": np.float32(0.7),
    "array": np.arange(3.0),
    "words": np.array(["a", "b"]),
    "random": np.random.RandomState(0),
    "generator": np.random.default_rng(0),
    "size": torch.Size((1, 2)),
    "device": torch.device("cpu"),
    "dtype": torch.float32,
    "types": {np.float32: 1, int: 2, AttributeDict: 3},
    "bytes": b"abc",
    "complex": 1 + 2j,
    "big": 1 << 70,
    "schedule": torch.optim.lr_scheduler.LRScheduler,
}


@pytest.mark.parametrize("kind", HARMLESS)
def test_classes_beside_the_tensors_do_no_harm(tmp_path: Path, kind: str) -> None:
    content = {"args": HARMLESS[kind], "state_dict": {"a": torch.ones(3)}, ("key", 1): {"epoch": 1}}
    path = save(tmp_path / "x.pth", content, _use_new_zipfile_serialization=len(kind) % 2 == 0)
    found = tensors_in(read_checkpoint(path), path)
    assert torch.equal(found["state_dict.a"], torch.ones(3))
    assert not RAN


def test_omegaconf(tmp_path: Path) -> None:
    omegaconf = pytest.importorskip("omegaconf", reason="checkpoints hold its configurations; nothing else needs it")
    config = omegaconf.OmegaConf.create({"a": {"b": [1, 2, "${a.c}"], "c": None}, "p": pathlib.Path("x")})
    path = save(tmp_path / "x.ckpt", {"hyper_parameters": config, "state_dict": {"a": torch.ones(3)}})
    assert tensors_in(read_checkpoint(path), path).keys() == {"state_dict.a"}


class Calls:
    """A pickle that calls a function where it is opened carelessly."""

    def __init__(self, name: str, *arguments: object) -> None:
        self.name, self.arguments = name, arguments

    def __reduce__(self) -> tuple[Any, ...]:
        module, _, name = self.name.rpartition(".")
        __import__(module)
        return getattr(__import__(module, fromlist=[name]), name), self.arguments


@pytest.mark.parametrize(
    "function",
    [
        "os.system", "os.popen", "subprocess.Popen", "subprocess.call", "builtins.eval", "builtins.exec",
        "builtins.__import__", "builtins.compile", "builtins.open", "shutil.rmtree", "runpy.run_path", "pty.spawn",
        "importlib.import_module", "webbrowser.open", "socket.create_connection", "ctypes.CDLL", "pickle.loads",
        "timeit.timeit", "timeit.Timer", "code.InteractiveConsole", "operator.attrgetter",
        "urllib.request.urlopen", "torch.load", "torch.hub.load", "numpy.load", "pydoc.locate", "pdb.run",
        "tests.models.test_stand_ins.save",
    ],
)  # fmt: skip
@pytest.mark.parametrize("archive", [True, False], ids=["zip", "legacy"])
def test_functions_are_refused(tmp_path: Path, function: str, archive: bool) -> None:
    """None of these arguments does harm, should a test fail."""
    content = {"state_dict": {"a": torch.ones(3)}, "x": [AttributeDict(y=Calls(function, "", ""))]}
    path = save(tmp_path / "x.pth", content, _use_new_zipfile_serialization=archive)
    message = refusal(CheckpointError, read_checkpoint, path)
    assert "is refused: it holds more than tensors (" in message


def test_a_plain_name_says_no_more_than_a_name_can() -> None:
    for name in ("__main__.Config", "easydict.EasyDict", "yacs.config.CfgNode", "pathlib._local.PosixPath"):
        assert is_plain(name)
    for name in ("os.system", "nt.system", "subprocess.Popen", "builtins.eval", "__main__.run", "sh.rm", "torch.load"):
        assert not is_plain(name)


def test_the_scan_follows_the_stack() -> None:
    content = [{"a": AttributeDict(b=collections.deque([AttributeDict()]))}, [AttributeDict(c=1)], {"d": Settings()}]
    kinds = globals_in(io.BytesIO(pickle.dumps(content, protocol=2)))
    name = f"{__name__}.AttributeDict"
    assert kinds[name] is IgnoredMapping
    assert kinds["collections.deque"] is IgnoredList
