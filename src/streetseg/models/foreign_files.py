"""Name files that hold no checkpoint of PyTorch, and say what to do with each kind.

Nothing is opened here beyond a file's first bytes and an archive's list of names.
"""

from __future__ import annotations

import tarfile
import zipfile
from pathlib import Path
from typing import NoReturn

from streetseg.errors import CheckpointError

# What a network's owner can always do.
SAVE = "save the network's weights in PyTorch: torch.save(network.state_dict(), 'NAME.pth')"
PADDLE = "PaddlePaddle, whose weights are numpy arrays under names of another framework"
GRAPH = f"a graph that runs and no longer has the network's own tensors; {SAVE}"

# Suffixes that one framework alone uses -> what the file is, and what to do.
BY_SUFFIX = {
    **dict.fromkeys((".pdparams", ".pdopt", ".pdiparams", ".pdmodel"), f"a file of {PADDLE}; take the same network's "
        "checkpoint of PyTorch, or train it here: streetseg recipes"),
    **dict.fromkeys((".engine", ".plan", ".trt"), f"a TensorRT engine, {GRAPH}"),
    ".onnx": f"an ONNX model, {GRAPH}",
    ".pb": f"a TensorFlow graph, {GRAPH}",
    ".tflite": f"a TensorFlow Lite model, {GRAPH}",
    ".mlmodel": f"a Core ML model, {GRAPH}",
    ".pte": f"an ExecuTorch program, {GRAPH}",
    ".ptl": f"a mobile TorchScript program, {GRAPH}",
    **dict.fromkeys((".h5", ".hdf5", ".keras"), f"a file of Keras, whose networks are of another framework; {SAVE}"),
    **dict.fromkeys((".index", ".meta"), f"a part of a TensorFlow checkpoint; {SAVE}"),
    ".msgpack": f"a file of Flax (JAX), another framework; {SAVE}",
    ".params": f"a file of MXNet, another framework; {SAVE}",
    ".caffemodel": f"a file of Caffe, another framework; {SAVE}",
    **dict.fromkeys((".npy", ".npz"), f"a file of numpy arrays; {SAVE}"),
    ".distcp": "a part of a distributed checkpoint; make one file of its folder: python -m "
    "torch.distributed.checkpoint.format_utils dcp_to_torch FOLDER NAME.pth",
}  # fmt: skip

# The first bytes -> a suffix above, or what the file is.
BY_START = {
    b"\x89HDF\r\n\x1a\n": ".h5",
    b"\x93NUMPY": ".npy",
    b"ptrt": ".engine",
    b"ftrt": ".engine",
    b"version https://git-lfs": "a pointer of Git LFS to a file, not the file itself; get it: git lfs pull",
    b"\x1f\x8b": "a gzip archive; unpack it first: gunzip, or tar xzf",
    b"BZh": "a bzip2 archive; unpack it first: bunzip2, or tar xjf",
    b"\xfd7zXZ": "an xz archive; unpack it first: unxz, or tar xJf",
    b"(\xb5/\xfd": "a zstd archive; unpack it first: unzstd, or tar --zstd -xf",
    b"7z\xbc\xaf": "a 7z archive; unpack it first",
    b"Rar!": "a RAR archive; unpack it first",
    b"GGUF": f"a GGUF model, {GRAPH}",
    b"\x89PNG": "a picture, not a checkpoint: neither torch.save nor safetensors wrote it",
    b"\xff\xd8\xff": "a picture, not a checkpoint: neither torch.save nor safetensors wrote it",
    b"%PDF": "a PDF document, not a checkpoint: neither torch.save nor safetensors wrote it",
}
# The same for bytes 4 to 8.
BY_FIFTH = {b"TFL3": ".tflite", b"PTMF": ".ptl", b"ET12": ".pte"}

OLD_TAR = {"sys_info", "pickle", "storages", "tensors"}  # the members of PyTorch's own tar files, of 2016 and 2017


def refuse_folder(path: Path) -> NoReturn:
    """Raise the error about a folder in place of a checkpoint."""
    try:
        names = sorted(entry.name for entry in path.iterdir())
    except OSError as error:
        raise CheckpointError(f"checkpoint {path} cannot be read: {error.strerror}") from None
    if "saved_model.pb" in names:
        refuse(path, f"a SavedModel of TensorFlow, {GRAPH}")
    if any(name.endswith(".distcp") for name in names):
        refuse(path, BY_SUFFIX[".distcp"].replace("a part of a", "a").replace("its folder", "it"))
    if path.suffix == ".mlpackage":
        refuse(path, BY_SUFFIX[".mlmodel"])
    inside = [name for name in names if name.endswith((".pth", ".pt", ".ckpt", ".bin", ".safetensors", ".tar"))]
    refuse(path, f"a folder; give the checkpoint's file{f', such as {path / inside[0]}' if inside else ''}")


def refuse_foreign(path: Path, start: bytes) -> None:
    """Raise CheckpointError if a file is of another kind than torch.save's and safetensors'.

    Args:
        path: The file.
        start: Its first 512 bytes or more.
    """
    text = start.lstrip()
    if text[:1] == b"<":
        if b"<net " in text or path.suffix == ".xml":
            refuse(path, f"an OpenVINO model, {GRAPH}")
        refuse(path, "a web page, not a checkpoint; download the file itself")
    kind = next((kind for magic, kind in BY_START.items() if start.startswith(magic)), None) or BY_FIFTH.get(start[4:8])
    if kind is None and start[257:262] == b"ustar":
        refuse_tar(path)
    if kind is None and not start.startswith(b"PK") and start[8:9] != b"{":
        kind = path.suffix.lower()
    if kind is None and path.suffix.lower() in (".pdparams", ".pdopt"):
        kind = path.suffix.lower()
    kind = BY_SUFFIX.get(kind, kind if kind and " " in kind else None) if kind else None
    if kind is not None:
        refuse(path, kind)


def refuse_zip(path: Path) -> None:
    """Raise CheckpointError if a zip archive is no checkpoint; zipfile's errors if it is damaged."""
    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
    ends = {Path(name).name for name in names}
    if "model.weights.h5" in ends:
        refuse(path, BY_SUFFIX[".keras"])
    if "constants.pkl" in ends:
        refuse(path, f"a TorchScript program, {GRAPH}")
    programs = [name for name in names if "/models/" in name and name.endswith(".json")]
    if programs or "serialized_exported_program.json" in ends:
        refuse(path, f"a torch.export program, {GRAPH}; if streetseg exported it: streetseg predict --weights runs it")
    if ends and all(name.endswith(".npy") for name in names):
        refuse(path, BY_SUFFIX[".npz"])
    if "data.pkl" not in ends:
        held = f" that holds {names[0]!r:.80}" if names else ""
        refuse(path, f"a zip archive{held}, not a checkpoint; unpack it and give the file inside")


def refuse_tar(path: Path) -> NoReturn:
    """Raise the error about a tar archive, whose members' names tell who wrote it."""
    try:
        with tarfile.open(path) as archive:
            names = [member.name for member, _ in zip(archive, range(16), strict=False)]
    except (tarfile.TarError, OSError, ValueError, EOFError):
        names = []
    if set(names) >= OLD_TAR:
        refuse(
            path,
            "a tar archive as PyTorch wrote it before 2018, which newer PyTorch opens only by running its code; save "
            "it again with the PyTorch of its time, then with torch 1.6 or newer",
        )
    held = f" that holds {names[0]!r:.80}" if names else ""
    refuse(path, f"a tar archive{held}, not a checkpoint; unpack it (tar xf) and give the file inside")


def refuse(path: Path, kind: str) -> NoReturn:
    """Raise the error about a file of another kind."""
    raise CheckpointError(f"{path} is {kind}")
