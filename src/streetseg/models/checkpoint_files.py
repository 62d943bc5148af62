"""Open other code bases' checkpoint files, without running any code in a file.

A .pth file is a pickle, which can call functions when it is opened. torch's weights_only unpickler allows a short list
of functions; its known holes are closed from OLDEST_TORCH on. This module adds three things. It refuses files that
torch need not open. It gives the unpickler inert stand-ins for the classes that people save beside their tensors. And
it says what is wrong with a file.
"""

from __future__ import annotations

import io
import re
import warnings
import zipfile
from pathlib import Path
from typing import BinaryIO, NoReturn

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file

from streetseg.errors import CheckpointError
from streetseg.models.foreign_files import SAVE, refuse_folder, refuse_foreign, refuse_zip
from streetseg.models.pickle_protocols import in_protocol_2
from streetseg.models.stand_ins import stand_ins
from streetseg.runtime.artefact import CLASSIFIER_KEY
from streetseg.runtime.documents import refuse_special

# With older versions, a file could make weights_only run code (CVE-2025-32434, CVE-2026-24747).
OLDEST_TORCH = (2, 10)

READ_AT_A_TIME = 1 << 20
DAMAGED = (zipfile.BadZipFile, OSError, ValueError, EOFError, RuntimeError)  # zipfile raises these for damaged archives
# The number in the first pickle of a file before torch 1.6; in protocol 1 as digits.
LEGACY_MAGIC, LEGACY_DIGITS = b"\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.", b"L119547037146038801333356L\n."
LEGACY_PICKLES = 5  # of such a file: magic number, protocol, machine, content, keys of the storages


def read_checkpoint(path: Path) -> object:
    """Return the content of another code base's file.

    Args:
        path: A .pth, .pt, .tar, .pkl, .bin, .ckpt or .safetensors file.

    Returns:
        What was saved: dictionaries, lists, tensors, numbers and texts; `Ignored` in place of all other objects.

    Raises:
        CheckpointError: The file is refused, damaged, one of our own, or not a checkpoint of PyTorch.
    """
    if path.is_dir():
        refuse_folder(path)
    try:
        refuse_special(path)
        with path.open("rb") as file:
            start = file.read(512)
    except OSError as error:
        raise CheckpointError(f"checkpoint {path} cannot be read: {error.strerror}") from None
    if not start:
        raise CheckpointError(f"checkpoint {path} is empty; get it again")
    refuse_foreign(path, start)
    return read_safetensors(path) if start[8:9] == b"{" else read_torch(path, start)


def read_safetensors(path: Path) -> object:
    """Return the tensors by name, and other people's notes in the header under "metadata"."""
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


def read_torch(path: Path, start: bytes) -> object:
    """Return what torch.save wrote: a zip archive or, before torch 1.6, a row of pickles."""
    if tuple(map(int, torch.__version__.split(".")[:2])) < OLDEST_TORCH:
        raise CheckpointError(
            f"{path} can only be opened safely by PyTorch 2.10 or newer, here is {torch.__version__}; upgrade it"
        )
    if not start.startswith((b"PK", b"\x80", LEGACY_DIGITS)):
        raise CheckpointError(f"{path} is not a checkpoint: neither torch.save nor safetensors wrote it; get it again")
    pickled: BinaryIO
    archive = start.startswith(b"PK")
    if archive:
        check_archive(path)
        pickled, pickles = archived_pickle(path), 1
    else:
        pickled, pickles = path.open("rb"), LEGACY_PICKLES
        if LEGACY_MAGIC not in start[:32] and not start.startswith(LEGACY_DIGITS):
            pickled.close()
            refuse_pickle(path)
    source: Path | BinaryIO = path
    try:
        with pickled, warnings.catch_warnings(action="ignore"):
            rewritten = in_protocol_2(pickled, pickles)
            if rewritten is not None:
                rest = pickled.read()
                pickled = io.BytesIO(rewritten)
                source = with_pickle(path, rewritten) if archive else io.BytesIO(rewritten + rest)
            pickled.seek(0)
            with torch.serialization.safe_globals(stand_ins(pickled, pickles)):
                return torch.load(source, map_location="cpu", weights_only=True)
    except Exception as error:  # damaged bytes make pickletools and torch.load raise any exception
        explain(path, str(error))


def archived_pickle(path: Path) -> BinaryIO:
    """Return the pickle in torch.save's archive; it holds no tensors."""
    try:
        with zipfile.ZipFile(path) as archive:
            entry = next(entry for entry in archive.infolist() if Path(entry.filename).name == "data.pkl")
            if not entry.CRC:  # then zipfile must not check it
                entry.CRC = None  # type: ignore[assignment]
            return io.BytesIO(archive.read(entry))
    except DAMAGED:
        damaged(path)


def with_pickle(path: Path, pickled: bytes) -> BinaryIO:
    """Return torch.save's archive with another pickle in it."""
    made = io.BytesIO()
    with zipfile.ZipFile(path) as source, zipfile.ZipFile(made, "w") as target:
        for entry in source.infolist():
            if not entry.CRC:
                entry.CRC = None  # type: ignore[assignment]
            content = pickled if Path(entry.filename).name == "data.pkl" else source.read(entry)
            target.writestr(entry.filename, content)
    made.seek(0)
    return made


def explain(path: Path, message: str) -> NoReturn:
    """Raise the error that says why torch's unpickler refused a file."""
    wanted = re.search(r"GLOBAL ([\w.]+)", message)
    if wanted is not None:
        raise CheckpointError(
            f"{path} is refused: it holds more than tensors ({wanted[1]}), and opening that can run any code; save the "
            "network's state_dict() alone, with the code that wrote the file"
        ) from None
    if "persistent_load" in message:
        raise CheckpointError(
            f"{path} is refused: it holds a whole module with its source code, as torch before 1.6 saved it; save the "
            "network's state_dict() alone, with the code that wrote the file"
        ) from None
    if "Unsupported operand" in message or "to import" in message:
        raise CheckpointError(
            f"{path} is truncated, damaged, or pickled as PyTorch's safe reader cannot read it; get it again, or save "
            "it again by torch.save without pickle_protocol"
        ) from None
    damaged(path)


def refuse_pickle(path: Path) -> NoReturn:
    """Raise the error about a pickle that torch.save did not write."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise CheckpointError(f"checkpoint {path} cannot be read: {error.strerror}") from None
    if b"numpy" in content and b"multiarray" in content:
        raise CheckpointError(
            f"{path} is a pickle of numpy arrays, as PaddlePaddle, Detectron2 and other frameworks save weights, not a "
            f"checkpoint of PyTorch; {SAVE}"
        )
    raise CheckpointError(f"{path} is truncated, damaged or not a checkpoint of torch: a plain pickle; get it again")


def check_archive(path: Path) -> None:
    """Refuse archives that torch.save does not write or whose checksums are wrong; torch.load does not check them.

    torch.save compresses nothing, so an archive that unpacks to more than its size is an attack.
    """
    try:
        refuse_zip(path)
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
            stored = all(entry.compress_type == zipfile.ZIP_STORED for entry in entries)
            if not stored or sum(entry.file_size for entry in entries) > path.stat().st_size:
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


def damaged(path: Path) -> NoReturn:
    raise CheckpointError(f"{path} is truncated, damaged or not a checkpoint of torch; get it again")
