"""Files of other kinds are refused by their true names, each with what to do next."""

from __future__ import annotations

import io
import pickle
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch

from streetseg.errors import CheckpointError
from streetseg.models.checkpoint_files import read_checkpoint
from tests.support.checkpoints import refusal

ARRAYS = {"conv1.weight": np.zeros((8, 3, 3, 3), np.float32), "StructuredToParameterName@@": {"conv1.weight": "conv"}}
NEXT = ("save", "get", "unpack", "give", "take", "make", "download")


def zipped(*names: str) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name in names:
            archive.writestr(name, b"x")
    return file.getvalue()


def tarred(*names: str) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        for name in names:
            archive.addfile(tarfile.TarInfo(name))
    return file.getvalue()


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("a.pdparams", pickle.dumps(ARRAYS, 4), "PaddlePaddle, whose weights are numpy arrays"),
        ("a.pdparams", pickle.dumps(ARRAYS, 2), "PaddlePaddle, whose weights are numpy arrays"),
        ("a.pth", pickle.dumps(ARRAYS, 4), "a pickle of numpy arrays, as PaddlePaddle, Detectron2"),
        ("a.pkl", pickle.dumps(ARRAYS, 2), "a pickle of numpy arrays, as PaddlePaddle, Detectron2"),
        ("a.pdmodel", b"\x08\x01abc", "PaddlePaddle"),
        ("a.h5", b"\x89HDF\r\n\x1a\n" + bytes(99), "a file of Keras"),
        ("a.pth", b"\x89HDF\r\n\x1a\n" + bytes(99), "a file of Keras"),
        ("a.keras", zipped("config.json", "metadata.json", "model.weights.h5"), "a file of Keras"),
        ("a.pb", b"\n\x10abc" * 9, "a TensorFlow graph"),
        ("a.tflite", b"\x1c\0\0\0TFL3" + bytes(99), "a TensorFlow Lite model"),
        ("model.ckpt.index", bytes(99), "a part of a TensorFlow checkpoint"),
        ("a.onnx", b"\x08\x08\x12\x07pytorch" + bytes(99), "an ONNX model"),
        ("a.engine", b"ptrt" + bytes(99), "a TensorRT engine"),
        ("a.plan", bytes(99), "a TensorRT engine"),
        ("a.pt", zipped("a/data.pkl", "a/constants.pkl", "a/code/x.py"), "a TorchScript program"),
        ("a.pt2", zipped("a/archive_format", "a/models/model.json"), "a torch.export program"),
        ("a.pt2", zipped("serialized_exported_program.json"), "a torch.export program"),
        ("a.npz", zipped("a.npy", "b.npy"), "a file of numpy arrays"),
        ("a.npy", b"\x93NUMPY" + bytes(99), "a file of numpy arrays"),
        ("a.zip", zipped("best.pth"), "a zip archive that holds 'best.pth'"),
        ("a.pth.tar", tarred("best.pth"), "a tar archive that holds 'best.pth'"),
        ("a.pth", tarred("sys_info", "pickle", "storages", "tensors"), "a tar archive as PyTorch wrote it before 2018"),
        ("a.pth", b"\x1f\x8b\x08" + bytes(99), "a gzip archive"),
        ("a.xml", b'<?xml version="1.0"?>\n<net name="x">' + bytes(99), "an OpenVINO model"),
        ("a.pth", b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a2146", "a pointer of Git LFS"),
        ("a.pth", b"\n<!DOCTYPE html><html>Quota exceeded</html>", "a web page"),
        ("a.pth", b"just a text", "neither torch.save nor safetensors wrote it"),
        ("a.pth", pickle.dumps({"a": 1}), "a plain pickle"),
        ("a.mlmodel", bytes(99), "a Core ML model"),
        ("a.params", bytes(99), "a file of MXNet"),
    ],
)
def test_other_kinds_of_files(tmp_path: Path, name: str, content: bytes, expected: str) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    message = refusal(CheckpointError, read_checkpoint, path)
    assert expected in message
    assert any(f"; {word}" in message or f" {word} it" in message for word in NEXT), message


def test_folders(tmp_path: Path) -> None:
    assert "is a folder; give the checkpoint's file" in refusal(CheckpointError, read_checkpoint, tmp_path)
    (tmp_path / "best.pth").touch()
    assert f"such as {tmp_path / 'best.pth'}" in refusal(CheckpointError, read_checkpoint, tmp_path)
    (tmp_path / "__0_0.distcp").touch()
    assert "dcp_to_torch" in refusal(CheckpointError, read_checkpoint, tmp_path)
    (tmp_path / "saved_model.pb").touch()
    assert "a SavedModel of TensorFlow" in refusal(CheckpointError, read_checkpoint, tmp_path)


def test_another_suffix_of_a_real_checkpoint_does_not_matter(tmp_path: Path) -> None:
    for name in ("a.pb", "a.engine", "a.weird", "a"):
        torch.save({"a": torch.ones(3)}, tmp_path / name)
        content = read_checkpoint(tmp_path / name)
        assert isinstance(content, dict)
        assert content.keys() == {"a"}
