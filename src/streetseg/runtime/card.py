"""The card: what travels with the weights, so that nobody retypes it.

`ModelCard` is the schema in card.schema.json (published; `CARD_VERSION` counts its changes). The artefact
(NAME.onnx) carries it in its metadata, a torch.export program (NAME.pt2) in a file of its archive, the unfolded
weights (NAME.safetensors) in their header. All are read here without any library of their formats: opening weights
must be quick, and a damaged file must be told from a foreign one.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
import struct
import types
import typing
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any, NoReturn

from streetseg.errors import ArtefactError

CARD_VERSION = 1
METADATA_KEY = "streetseg.card"
CLASSIFIER_KEY = "streetseg.classifier"  # in the header of a trained backbone, whose thousand classes fit no card
MAX_OPERATING_SCALE = 4  # beyond it a frame is but blur, and a wrong card would ask for gigabytes
PROGRAM_CARD = f"extra/{METADATA_KEY}"  # where torch.export.save puts extra files, below the archive's one folder

# Field numbers of ONNX's ModelProto and StringStringEntryProto (onnx.proto3).
ONNX_GRAPH, ONNX_METADATA = 7, 14
VARINT, FIXED64, LENGTH_DELIMITED, FIXED32 = 0, 1, 2, 5
PROTOBUF_FIELDS = 2**29 - 1  # the highest number that a field may have


@dataclass(frozen=True)
class Accuracy:
    """A measured accuracy. measured_on says the data set, split and what the weights were trained on; IoUs are 0 to 1,
    `iou` by class name (None where the class does not occur). weights: the content hash of the artefact that was
    judged, which is another one where a left-out sequence was judged. engine: with its precision."""

    measured_on: str
    weights: str
    engine: str
    miou: float
    iou: dict[str, float | None]
    command: str

    @classmethod
    def of(cls, facts: Mapping[str, Any]) -> Accuracy:
        """What an entry needs of an evaluation's facts; KeyError where they lack it, ValueError where a card could not
        hold it."""
        entry = cls(**{field.name: facts[field.name] for field in dataclasses.fields(cls)})
        for name, kind in typing.get_type_hints(cls).items():
            if not fits(getattr(entry, name), kind):
                raise ValueError(f"{name} is not of its type")
        if beyond := [value for value in entry.figures() if not 0 <= value <= 1]:
            raise ValueError(f"an accuracy of {beyond[0]}, allowed are 0 to 1")
        return entry

    def figures(self) -> list[float]:
        """mIoU, and the IoUs of the classes that occur."""
        return [value for value in (self.miou, *self.iou.values()) if value is not None]


@dataclass(frozen=True)
class ModelCard:
    """What a user of the weights must know.

    network_arguments: what the network is built with where it is not its paper's form.
    classes, colours: in the order of their indices; colours are RGB, 0 to 255.
    mean, std: of the input's channels, in units of value_range.
    output_stride: input pixels per logit; logits are as many as the input's pixels over it, rounded up.
    size_multiple: what the network's input height and width are multiples of.
    operating_scale: what a frame's height and width are multiplied by before the network: 1, 0.75 or 0.5 as in the
        papers; above 1 small frames are enlarged, which shows the network thin things that its stride would swallow.
    native_short_side: frames with a longer short side are reduced to it; smaller ones are left alone.
    precision: of the stored weights.
    training_time: what the training by `recipe` took, and on which machine; "" where nobody wrote it down.
    content_hash: SHA-256 over graph and weights, metadata left out.
    """

    network: str
    classes: tuple[str, ...]
    colours: tuple[tuple[int, int, int], ...]
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    output_stride: int
    size_multiple: int
    align_corners: bool
    native_short_side: int
    operating_scale: float = 1.0
    ignore: int = 255
    channel_order: str = "RGB"
    value_range: tuple[int, int] = (0, 255)
    logits_layout: str = "h x w x C"
    logits_dtype: str = "float32"
    precision: str = "float32"
    training_data: str = ""
    terms: str = ""
    recipe: dict[str, Any] = field(default_factory=dict)
    seed: int = 0
    package_version: str = ""
    accuracy: tuple[Accuracy, ...] = ()
    limits: tuple[str, ...] = ()
    content_hash: str = ""
    network_arguments: dict[str, Any] = field(default_factory=dict)
    training_time: str = ""
    card_version: int = CARD_VERSION

    def to_json(self) -> str:
        """The card as one JSON object, keys as in the schema; what is no valid text in a file's name, as "?"."""
        return json.dumps(dataclasses.asdict(self), ensure_ascii=False).encode(errors="replace").decode()

    @classmethod
    def from_json(cls, text: str, source: str) -> ModelCard:
        """The card in a JSON text; ArtefactError naming `source` where it is none, or of a newer version."""
        try:
            values = json.loads(text)
            version = values.get("card_version")
            if not isinstance(version, int) or not 1 <= version <= CARD_VERSION:
                raise ArtefactError(
                    f"{source} has a card of version {version}; this streetseg reads 1 to {CARD_VERSION}: upgrade it, "
                    "or get the file again"
                )
            known = {f.name for f in dataclasses.fields(cls)}
            values = {key: freeze(value) for key, value in values.items() if key in known}
            values["accuracy"] = tuple(
                Accuracy(**{**entry, "iou": dict(entry["iou"])}) for entry in values.get("accuracy", ())
            )
            card = cls(**values)
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
            raise ArtefactError(f"{source} has a card that cannot be read ({error}); get the file again") from None
        card.check(source)
        return card

    def check(self, source: str) -> None:
        """Refuse a card with a value of another type than its field's, or one that contradicts itself."""
        for name, kind in typing.get_type_hints(type(self)).items():
            if not fits(getattr(self, name), kind):
                raise ArtefactError(f"{source} has a card whose {name} is not of its type; get the file again")
        classes = len(self.classes)
        measured = [value for entry in self.accuracy for value in entry.figures()]
        faults = [
            (classes != len(self.colours), f"{classes} classes but {len(self.colours)} colours"),
            (not 1 <= classes <= 255, f"{classes} classes, allowed are 1 to 255"),
            (classes != len(set(self.classes)), "two classes of one name"),
            (not all(0 <= value <= 255 for colour in self.colours for value in colour), "a colour beyond 0 to 255"),
            (not classes <= self.ignore <= 255, f"ignore index {self.ignore} beside {classes} classes"),
            (min(self.std) <= 0, f"standard deviations {self.std}"),
            (self.output_stride < 1, f"output stride {self.output_stride}"),
            (
                self.size_multiple < max(1, self.output_stride),
                f"size multiple {self.size_multiple} at output stride {self.output_stride}",
            ),
            (not 0 < self.operating_scale <= MAX_OPERATING_SCALE, f"operating scale {self.operating_scale}"),
            (self.native_short_side < 1, f"native short side {self.native_short_side}"),
            (self.channel_order != "RGB" or self.value_range != (0, 255), "an input other than RGB, 0 to 255"),
            (
                self.logits_layout != "h x w x C" or self.logits_dtype != "float32",
                f"logits {self.logits_layout} of type {self.logits_dtype}",
            ),
            (not all(0 <= value <= 1 for value in measured), "an accuracy beyond 0 to 1"),
        ]
        for wrong, what in faults:
            if wrong:
                raise ArtefactError(f"{source} has a card with {what}; get the file again")


def freeze(value: Any) -> Any:
    """JSON's lists as tuples, throughout."""
    if isinstance(value, list):
        return tuple(freeze(item) for item in value)
    return value


def fits(value: object, kind: Any) -> bool:
    """Whether a value is of a field's declared type; an int will do for a float, NaN and infinity will not."""
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is tuple:
        if not isinstance(value, tuple):
            return False
        kinds = arguments[:1] * len(value) if arguments[-1] is ... else arguments
        return len(value) == len(kinds) and all(map(fits, value, kinds))
    if origin is dict:
        return isinstance(value, dict) and all(fits(item, arguments[1]) for item in value.values())
    if origin is types.UnionType:
        return any(fits(value, argument) for argument in arguments)
    if kind is float:
        return type(value) is int or (type(value) is float and math.isfinite(value))
    if kind is Accuracy and type(value) is Accuracy:
        return all(fits(getattr(value, name), hint) for name, hint in typing.get_type_hints(Accuracy).items())
    return kind is Any or type(value) is kind


def read_card(path: Path | str) -> ModelCard:
    """The card of an artefact (.onnx, .pt2) or unfolded weights (.safetensors), once the content hash is confirmed."""
    path = Path(path)
    content = read_bytes(path)
    if path.suffix == ".onnx":
        text, found = onnx_card(content, path), onnx_content_hash(content, path)
    elif path.suffix == ".pt2":
        text, found = program_card(content, path), program_content_hash(content, path)
    elif path.suffix == ".safetensors":
        text, found = safetensors_card(content, path), safetensors_content_hash(content, path)
    else:
        raise ArtefactError(
            f"{path} is no weights file of streetseg; it takes NAME.onnx, NAME.pt2 and NAME.safetensors"
        )
    card = ModelCard.from_json(text, str(path))
    if card.content_hash != found:
        raise ArtefactError(
            f"{path} is damaged: its content does not have the hash on its card "
            f"({found[:12]} instead of {card.content_hash[:12]}); get the file again"
        )
    return card


def read_bytes(path: Path) -> bytes:
    """The file's bytes; ArtefactError where there are none."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise ArtefactError(f"weights file {path} does not exist") from None
    except OSError as error:
        raise ArtefactError(f"weights file {path} cannot be read: {error.strerror}") from None
    if not content:
        raise ArtefactError(f"weights file {path} is empty; get it again")
    return content


def onnx_card(content: bytes, path: Path) -> str:
    """The card's text in an ONNX model's metadata."""
    for number, value in protobuf_fields(content, path):
        if number == ONNX_METADATA:
            entry = dict(protobuf_fields(value, path))
            if bytes(entry.get(1, b"")) == METADATA_KEY.encode():
                return bytes(entry.get(2, b"")).decode("utf-8", "replace")
    raise ArtefactError(
        f"{path} is an ONNX model without a card: no artefact of streetseg; make one with: streetseg export"
    )


def onnx_content_hash(content: bytes, path: Path) -> str:
    """SHA-256 over the model's fields but the metadata."""
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
    """The top-level fields of a protobuf message: field number and raw value, in file order."""
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
    """A protobuf variable-length integer and where it ends."""
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
    raise ArtefactError(f"{path} is truncated, or is no artefact of streetseg; get the file again")


def program_card(content: bytes, path: Path) -> str:
    """The card's text in the archive of a torch.export program."""
    card = program_files(content, path).get(PROGRAM_CARD)
    if card is None:
        raise ArtefactError(
            f"{path} is a torch.export program without a card: no artefact of streetseg; make one with: "
            "streetseg export --target torch"
        )
    return card.decode("utf-8", "replace")


def program_content_hash(content: bytes, path: Path) -> str:
    """SHA-256 over the names and bytes of the archive's files but the card, sorted by name."""
    digest = hashlib.sha256()
    for name, data in sorted(program_files(content, path).items()):
        if name != PROGRAM_CARD:
            digest.update(json.dumps([name, len(data)]).encode())
            digest.update(data)
    return digest.hexdigest()


def program_files(content: bytes, path: Path) -> dict[str, bytes]:
    """The files in the archive of a torch.export program, by their names below its one folder."""
    try:
        with zipfile.ZipFile(BytesIO(content)) as archive:
            # PyTorch stores its files uncompressed; one that unpacks to more than the archive is no program.
            if sum(member.file_size for member in archive.infolist()) > len(content):
                not_ours(path)
            return {name.partition("/")[2]: archive.read(name) for name in archive.namelist()}
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, OSError, ValueError):
        not_ours(path)


def safetensors_card(content: bytes, path: Path) -> str:
    """The card's text in a safetensors header."""
    header, _ = safetensors_parts(content, path)
    metadata = header.get("__metadata__", {})
    text = metadata.get(METADATA_KEY)
    if not isinstance(text, str):
        if CLASSIFIER_KEY in metadata:
            raise ArtefactError(f"{path} is a backbone, for streetseg train --init; it has no classes of street scenes")
        raise ArtefactError(f"{path} is a safetensors file without a card: no weights of streetseg")
    return text


def safetensors_content_hash(content: bytes, path: Path) -> str:
    """SHA-256 over the tensors' names, types, shapes and bytes, sorted by name."""
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
    """The header and the tensors' bytes of a safetensors file."""
    try:
        (length,) = struct.unpack_from("<Q", content)
        header = json.loads(content[8 : 8 + length])
        if not isinstance(header, dict) or not isinstance(header.get("__metadata__", {}), dict):
            raise ValueError
    except (struct.error, ValueError, RecursionError):
        not_ours(path)
    return header, memoryview(content)[8 + length :]


def not_ours(path: Path) -> NoReturn:
    raise ArtefactError(
        f"{path} is no weights file of streetseg, or is damaged; it takes NAME.onnx, NAME.pt2 and NAME.safetensors"
    )
