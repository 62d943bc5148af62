"""Read the tensors in other code bases' checkpoint files, without running any code in a file.

A .pth file is a pickle, which can call functions when it is opened. torch's weights_only unpickler allows a short list
of functions; its known holes are closed from OLDEST_TORCH on. This module adds three things. It refuses files that
torch need not open. It checks the sizes of tensors against the file's size. And it reads the other objects in people's
checkpoints as `Ignored`.
"""

from __future__ import annotations

import re
import warnings
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NoReturn

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file
from torch import Tensor

from streetseg.errors import CheckpointError
from streetseg.runtime.artefact import CLASSIFIER_KEY

# With older versions, a file could make weights_only run code (CVE-2025-32434, CVE-2026-24747).
OLDEST_TORCH = (2, 10)

READ_AT_A_TIME = 1 << 20
DAMAGED = (zipfile.BadZipFile, OSError, ValueError, EOFError, RuntimeError)  # zipfile raises these for damaged archives
MAX_WRAPPERS = 16  # around a state dict
# Where code bases put the state dict, in the order of search: they evaluate averaged weights, so these come first.
WRAPPERS = (
    "state_dict_ema", "ema_state_dict", "model_ema", "ema",
    "state_dict", "model_state_dict", "model_state", "model", "module", "network", "net", "weights",
)  # fmt: skip
OF_A_RUN = {"step", "recipe", "network", "average"}  # keys in the checkpoint of our own training
COUNTERS = {"steps", "n_averaged"}  # of averages, not of networks: mmengine's and torch.optim.swa_utils'
# Prefixes that wrappers of modules put before each name: DataParallel, training wrappers, torch.compile.
PREFIXES = re.compile(r"^(?:(?:module|model|ema_model|network|net|_orig_mod)\.)+")


class Ignored:
    """An object in a checkpoint that is not needed; it accepts any arguments and keeps nothing."""

    def __new__(cls, *_: object) -> Ignored:
        return super().__new__(cls)

    def __init__(self, *_: object) -> None:
        pass

    def __setstate__(self, state: object) -> None:
        pass


# Best scores are often numpy numbers; mmengine saves its log.
IGNORED = (
    *(f"numpy.{core}.multiarray.{name}" for core in ("core", "_core") for name in ("scalar", "_reconstruct")),
    "numpy.dtype",
    "numpy.ndarray",
    "mmengine.logging.history_buffer.HistoryBuffer",
)


def read_tensors(path: Path) -> dict[str, Tensor]:
    """Return the state dict in another code base's file.

    Args:
        path: A .pth, .pt, .tar, .pkl, .bin, .ckpt or .safetensors file.

    Returns:
        Tensors by name, without the wrappers around the state dict and without their prefixes in the names.

    Raises:
        CheckpointError: The file is refused, damaged, one of our own, or holds no state dict.
    """
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            start = file.read(512)
    except OSError as error:
        raise CheckpointError(f"checkpoint {path} cannot be read: {error.strerror}") from None
    if not start:
        raise CheckpointError(f"checkpoint {path} is empty; get it again")
    if start.lstrip()[:1] == b"<":
        raise CheckpointError(f"{path} is a web page, not a checkpoint; download the file itself")

    content = read_safetensors(path) if start[8:9] == b"{" else read_torch(path, start, size)
    return state_dict_in(content, path, size)


def state_dict_in(content: object, path: Path, size: int) -> dict[str, Tensor]:
    """Return the state dict in the content of a file of `size` bytes, without its wrappers."""
    if isinstance(content, Mapping) and content.keys() >= OF_A_RUN:
        raise CheckpointError(
            f"{path} is the checkpoint of a streetseg run; streetseg train --resume goes on from it and writes "
            "NAME.safetensors, which streetseg export takes"
        )
    seen: set[int] = set()

    def search(content: object, depth: int) -> dict[str, Tensor]:
        # A file may contain itself.
        if not isinstance(content, Mapping) or depth == MAX_WRAPPERS or id(content) in seen:
            return {}
        seen.add(id(content))
        for name in wrappers_in(content):
            if tensors := search(content[name], depth + 1):
                return tensors
        return dict(tensors_in(content, path, size))

    tensors = search(content, 0)
    if not tensors:
        raise CheckpointError(f"{path} holds no tensors by name; save the network's state_dict()")
    return tensors


def wrappers_in(content: Mapping[object, object]) -> Iterator[str]:
    """Yield the keys under which a state dict may be, the likeliest first."""
    for name in WRAPPERS:
        inner = content.get(name)
        if not isinstance(inner, Mapping):
            continue
        # mmengine swaps the two when it saves: its averaged weights are the state_dict.
        if name != "ema_state_dict" or "steps" not in inner or "state_dict" not in content:
            yield name


def read_safetensors(path: Path) -> object:
    try:
        with safe_open(path, "pt") as file:
            metadata = file.metadata() or {}
        tensors = load_file(path)
    except (SafetensorError, OSError, ValueError) as error:
        raise CheckpointError(f"{path} is a damaged safetensors file ({error}); get it again") from None
    if CLASSIFIER_KEY in metadata:
        raise CheckpointError(f"{path} is a backbone that streetseg trained; next: streetseg train --init {path}")
    # Some of our tensors have the same names as in another code base, whose frames are BGR.
    if any(key.startswith("streetseg.") for key in metadata):
        raise CheckpointError(
            f"{path} holds weights of streetseg already; next: streetseg export {path}, or train --init {path}"
        )
    return tensors


def read_torch(path: Path, start: bytes, size: int) -> object:
    """Return what torch.save wrote: a zip archive or, before torch 1.6, a row of pickles."""
    if tuple(map(int, torch.__version__.split(".")[:2])) < OLDEST_TORCH:
        raise CheckpointError(
            f"{path} can only be opened safely by PyTorch 2.10 or newer, here is {torch.__version__}; upgrade it"
        )
    if start.startswith(b"PK"):
        check_archive(path, size)
    elif start[257:262] == b"ustar":
        raise CheckpointError(
            f"{path} is a tar archive, which is refused; unpack it, or save again with torch 1.6 or newer"
        )
    elif not start.startswith(b"\x80"):
        raise CheckpointError(f"{path} is not a checkpoint: neither torch.save nor safetensors wrote it; get it again")
    try:
        with (
            warnings.catch_warnings(action="ignore"),
            torch.serialization.safe_globals([(Ignored, name) for name in IGNORED]),
        ):
            return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # damaged bytes make torch.load raise any exception
        wanted = re.search(r"GLOBAL ([\w.]+)", str(error))
        if wanted is None:
            damaged(path)
        raise CheckpointError(
            f"{path} is refused: it holds more than tensors ({wanted[1]}), and opening that can run any code; save the "
            "network's state_dict() alone, with the code that wrote the file"
        ) from None


def check_archive(path: Path, size: int) -> None:
    """Refuse archives that torch.save does not write or whose checksums are wrong; torch.load does not check them.

    torch.save compresses nothing, so an archive that unpacks to more than its size is an attack.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
            if any(Path(entry.filename).name == "constants.pkl" for entry in entries):
                raise CheckpointError(f"{path} is a TorchScript program; save the network's state_dict() instead")
            stored = all(entry.compress_type == zipfile.ZIP_STORED for entry in entries)
            if not stored or sum(entry.file_size for entry in entries) > size:
                raise CheckpointError(
                    f"{path} is refused: a compressed archive, which torch.save does not write; unpack it first"
                )
            for entry in entries:
                if not entry.CRC:  # torch.serialization.set_crc32_options(False) leaves them out
                    continue
                with archive.open(entry) as file:
                    while file.read(READ_AT_A_TIME):
                        pass
    except DAMAGED:
        damaged(path)


def tensors_in(content: Mapping[object, object], path: Path, size: int) -> Iterator[tuple[str, Tensor]]:
    """Yield a state dict's tensors by their names without prefixes, and skip the rest (an epoch, a score)."""
    seen = set()
    for key, tensor in content.items():
        if not isinstance(tensor, Tensor):
            continue
        name = PREFIXES.sub("", str(key))
        if name in COUNTERS:
            continue
        if name in seen:
            raise CheckpointError(f"{path} holds {name} twice, once as {key}; save the network's state_dict() alone")
        seen.add(name)
        if tensor.layout != torch.strided or tensor.is_quantized or tensor.device.type != "cpu":
            raise CheckpointError(f"{path} holds {key}, which is sparse, quantised or empty; convert the float weights")
        if tensor.numel() * tensor.element_size() > size:
            raise CheckpointError(f"{path} is refused: {key} claims to be larger than the file")
        yield name, tensor.detach()


def damaged(path: Path) -> NoReturn:
    raise CheckpointError(f"{path} is truncated, damaged or not a checkpoint of torch; get it again")
