"""Read the card and the content hash of an artefact.

An artefact (NAME.onnx) carries its card in its metadata, OpenVINO's form of it (NAME.xml, NAME.bin) in its rt_info, a
torch.export program (NAME.pt2) in a file of its archive, unfolded weights (NAME.safetensors) in their header; ncnn's
form (NAME.param, NAME.bin) has NAME.card.json beside it. This file reads these formats itself, without their libraries:
opening weights must be quick, and errors must distinguish a damaged file from a foreign one.
"""

from __future__ import annotations

import hashlib
import json
import shlex
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path
from typing import Any, NoReturn

from streetseg.errors import ArtefactError
from streetseg.runtime.appended import appended_card, appended_content_hash
from streetseg.runtime.card import ModelCard
from streetseg.runtime.documents import parse_json, read_regular

METADATA_KEY = "streetseg.card"
CLASSIFIER_KEY = "streetseg.classifier"  # in the header of a trained backbone, whose thousand classes fit no card
IR_CARD = ("streetseg", "card")  # below rt_info in OpenVINO's format
CARD_BESIDE = ".card.json"  # suffix of the card of a format that has no room for it
PROGRAM_CARD = f"extra/{METADATA_KEY}"  # where torch.export.save puts extra files, below the archive's one folder

# Suffixes of other code bases' checkpoints, which `streetseg convert` reads.
CHECKPOINT_SUFFIXES = (".pth", ".pt", ".ckpt", ".tar", ".pkl", ".bin", ".pyth", ".th")

# Field numbers of ONNX's ModelProto and StringStringEntryProto (onnx.proto3).
ONNX_GRAPH, ONNX_METADATA = 7, 14
VARINT, FIXED64, LENGTH_DELIMITED, FIXED32 = 0, 1, 2, 5
PROTOBUF_FIELDS = 2**29 - 1  # the highest number that a field may have
LARGEST = 4 * 2**30  # bytes of a weights file


def read_card(path: Path | str) -> ModelCard:
    """Read the card of a file and check that the file is whole.

    Args:
        path: An artefact (NAME.onnx, NAME.xml, NAME.pt2, NAME.param) or unfolded weights (NAME.safetensors).

    Returns:
        The card.

    Raises:
        ArtefactError: If the file does not exist, is not of streetseg, or does not have the content hash on its card.
    """
    path = Path(path)
    content = read_bytes(path)
    if path.suffix not in FORMATS:
        if path.suffix in CHECKPOINT_SUFFIXES:
            raise ArtefactError(f"{path} is not a weights file of streetseg; {convert_first(path)}")
        raise ArtefactError(f"{path} is not a weights file of streetseg; {formats_taken()}")
    read_text, read_content_hash = FORMATS[path.suffix]
    text, content_hash = read_text(content, path), read_content_hash(content, path)
    card = ModelCard.from_json(text, str(path))
    if card.content_hash != content_hash:
        raise ArtefactError(
            f"{path} is damaged: its content does not have the hash on its card "
            f"({content_hash[:12]} instead of {card.content_hash[:12]}); get the file again"
        )
    return card


def read_bytes(path: Path) -> bytes:
    """Return the file's bytes; ArtefactError if there are none."""
    try:
        content = read_regular(path, LARGEST)
    except FileNotFoundError:
        raise ArtefactError(f"weights file {path} does not exist") from None
    except OSError as error:
        raise ArtefactError(f"weights file {path} cannot be read: {error.strerror}") from None
    if not content:
        raise ArtefactError(f"weights file {path} is empty; get it again")
    return content


def onnx_card(content: bytes, path: Path) -> str:
    """Return the card's text in an ONNX model's metadata."""
    for number, value in protobuf_fields(content, path):
        if number == ONNX_METADATA:
            entry = dict(protobuf_fields(value, path))
            if bytes(entry.get(1, b"")) == METADATA_KEY.encode():
                return bytes(entry.get(2, b"")).decode("utf-8", "replace")
    raise ArtefactError(
        f"{path} is an ONNX model without a card: no artefact of streetseg; make one with: streetseg export"
    )


def onnx_content_hash(content: bytes, path: Path) -> str:
    """Return the SHA-256 over the model's fields without the metadata."""
    digest = hashlib.sha256()
    graph = False
    for number, value in protobuf_fields(content, path):
        graph |= number == ONNX_GRAPH
        if number != ONNX_METADATA:
            digest.update(struct.pack("<IQ", number, len(value)))
            digest.update(value)
    if not graph:
        not_ours(path)
    return digest.hexdigest()


def protobuf_fields(content: bytes | memoryview, path: Path) -> Iterator[tuple[int, memoryview]]:
    """Yield the top-level fields of a protobuf message: field number and raw value, in file order."""
    view = memoryview(content)
    at = 0
    while at < len(view):
        tag, at = varint(view, at, path)
        number, kind = tag >> 3, tag & 7
        if not 0 < number <= PROTOBUF_FIELDS:
            not_ours(path)
        if kind == LENGTH_DELIMITED:
            length, at = varint(view, at, path)
        elif kind == VARINT:
            length = varint(view, at, path)[1] - at
        elif kind in (FIXED64, FIXED32):
            length = 8 if kind == FIXED64 else 4
        else:
            not_ours(path)
        if at + length > len(view):
            truncated(path)
        yield number, view[at : at + length]
        at += length


def varint(view: memoryview, at: int, path: Path) -> tuple[int, int]:
    """Return a protobuf variable-length integer and where it ends."""
    value = 0
    for shift in range(0, 64, 7):
        if at >= len(view):
            truncated(path)
        byte = view[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            break
    else:
        not_ours(path)
    return value, at


def truncated(path: Path) -> NoReturn:
    """Raise the error about a file that ends early."""
    raise ArtefactError(f"{path} is truncated, or is not an artefact of streetseg; get the file again")


def program_card(content: bytes, path: Path) -> str:
    """Return the card's text in the archive of a torch.export program."""
    card = program_files(content, path).get(PROGRAM_CARD)
    if card is None:
        raise ArtefactError(
            f"{path} is a torch.export program without a card: no artefact of streetseg; make one with: "
            "streetseg export --target torch"
        )
    return card.decode("utf-8", "replace")


def program_content_hash(content: bytes, path: Path) -> str:
    """Return the SHA-256 over names and bytes of the archive's files without the card, sorted by name."""
    digest = hashlib.sha256()
    for name, data in sorted(program_files(content, path).items()):
        if name != PROGRAM_CARD:
            digest.update(json.dumps([name, len(data)]).encode())
            digest.update(data)
    return digest.hexdigest()


def program_files(content: bytes, path: Path) -> dict[str, bytes]:
    """Return the files in the archive of a torch.export program, by their names below its one folder."""
    try:
        with zipfile.ZipFile(BytesIO(content)) as archive:
            # PyTorch stores its files uncompressed; an archive that unpacks to more than its size is not a program.
            if sum(member.file_size for member in archive.infolist()) > len(content):
                not_ours(path)
            return {name.partition("/")[2]: archive.read(name) for name in archive.namelist()}
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, OSError, ValueError):
        not_ours(path)


def safetensors_card(content: bytes, path: Path) -> str:
    """Return the card's text in a safetensors header."""
    header, _ = safetensors_parts(content, path)
    metadata = header.get("__metadata__", {})
    text = metadata.get(METADATA_KEY)
    if not isinstance(text, str):
        if CLASSIFIER_KEY in metadata:
            raise ArtefactError(f"{path} is a backbone, for streetseg train --init; it has no classes of street scenes")
        raise ArtefactError(
            f"{path} is a safetensors file without a card: no weights of streetseg; {convert_first(path)}"
        )
    return text


def safetensors_content_hash(content: bytes, path: Path) -> str:
    """Return the SHA-256 over the tensors' names, types, shapes and bytes, sorted by name."""
    header, tensors = safetensors_parts(content, path)
    digest = hashlib.sha256()
    try:
        for name in sorted(header.keys() - {"__metadata__"}):
            begin, end = header[name]["data_offsets"]
            if end > len(tensors):
                raise ArtefactError(f"{path} is truncated; get the file again")
            digest.update(json.dumps([name, header[name]["dtype"], header[name]["shape"]]).encode())
            digest.update(tensors[begin:end])
    except (TypeError, KeyError, ValueError):
        not_ours(path)
    return digest.hexdigest()


def safetensors_parts(content: bytes, path: Path) -> tuple[dict[str, Any], memoryview]:
    """Return the header and the tensors' bytes of a safetensors file."""
    try:
        (length,) = struct.unpack_from("<Q", content)
        header = parse_json(content[8 : 8 + length])
        if not isinstance(header, dict) or not isinstance(header.get("__metadata__", {}), dict):
            raise ValueError
    except (struct.error, ValueError, RecursionError):
        not_ours(path)
    return header, memoryview(content)[8 + length :]


def card_beside(content: bytes, path: Path) -> str:
    """Return the text of the card beside an artefact, NAME.card.json."""
    card = path.with_suffix(CARD_BESIDE)
    if not card.is_file():
        raise ArtefactError(f"{path} has no card beside it: {card.name} is missing; get it again, or export it again")
    return read_bytes(card).decode("utf-8", "replace")


def ncnn_content_hash(content: bytes, path: Path) -> str:
    """Return the SHA-256 over ncnn's two files, each with its length before it."""
    digest = hashlib.sha256()
    for part in (content, read_bytes(path.with_suffix(".bin"))):
        digest.update(struct.pack("<Q", len(part)))
        digest.update(part)
    return digest.hexdigest()


def not_ours(path: Path) -> NoReturn:
    """Raise the error about a file in none of our formats."""
    raise ArtefactError(f"{path} is not a weights file of streetseg, or is damaged; {formats_taken()}")


def ir_card(content: bytes, path: Path) -> str:
    """Return the card's text in the rt_info of OpenVINO's format."""
    from xml.etree import ElementTree  # its import takes as long as all others here

    try:
        _, info = ir_parts(content, path)
        card = ElementTree.fromstring(info).find("/".join(IR_CARD))
    except ElementTree.ParseError:
        not_ours(path)
    if card is None or "value" not in card.attrib:
        raise ArtefactError(
            f"{path} is of OpenVINO without a card: no artefact of streetseg; make one with: "
            "streetseg export --to openvino"
        )
    return card.attrib["value"]


def ir_content_hash(content: bytes, path: Path) -> str:
    """Return the SHA-256 over the XML up to the end of its edges, and over NAME.bin, each after its length."""
    graph, _ = ir_parts(content, path)
    digest = hashlib.sha256()
    for part in (graph, read_bytes(path.with_suffix(".bin"))):
        digest.update(struct.pack("<Q", len(part)))
        digest.update(part)
    return digest.hexdigest()


def ir_parts(content: bytes, path: Path) -> tuple[bytes, bytes]:
    """Return the graph and the rt_info of OpenVINO's XML."""
    graph, edges, after = content.rpartition(b"</edges>")
    end = after.rfind(b"</rt_info>")
    if not edges or not content.startswith(b"<?xml") or end < 0:
        not_ours(path)
    return graph + edges, after[: end + len(b"</rt_info>")].strip()


Reader = Callable[[bytes, Path], str]
# Suffix -> how the text of the card is read, and the content hash: from the file's bytes; the path is for errors.
FORMATS: dict[str, tuple[Reader, Reader]] = {
    ".onnx": (onnx_card, onnx_content_hash),
    ".xml": (ir_card, ir_content_hash),
    ".pt2": (program_card, program_content_hash),
    ".param": (card_beside, ncnn_content_hash),
    ".tflite": (appended_card, appended_content_hash),
    ".pte": (appended_card, appended_content_hash),
    ".safetensors": (safetensors_card, safetensors_content_hash),
}


def convert_first(path: Path) -> str:
    """Return what to do with another code base's checkpoint, for errors."""
    out = path.with_name(f"{path.name.partition('.')[0]}_converted.safetensors")
    command = shlex.join(["streetseg", "convert", str(path), "--out", str(out)])
    return f"if it is another code base's checkpoint, first: {command}"


def formats_taken() -> str:
    """Return which files `read_card` takes, for errors."""
    *others, last = (f"NAME{suffix}" for suffix in FORMATS)
    return f"it takes {', '.join(others)} and {last}"
