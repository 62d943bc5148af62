"""Checkpoint files are opened without running what they hold; what is no checkpoint is refused."""

from __future__ import annotations

import os
import pickle
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch
from torch import Tensor

from streetseg.errors import ArtefactError, CheckpointError
from streetseg.models.checkpoint_contents import tensors_in
from streetseg.models.checkpoint_files import read_checkpoint
from streetseg.models.conversion import recognise_checkpoint
from streetseg.models.networks import build
from streetseg.models.weights import open_weights, save_weights
from streetseg.training.checkpoint import STATE, save_checkpoint, save_classifier
from tests.support.checkpoints import converted, refusal, save


def read_tensors(path: Path) -> dict[str, Tensor]:
    return tensors_in(read_checkpoint(path), path)


class Command:
    """A pickle that runs a shell command where it is opened carelessly."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (f"touch {self.marker}",)


@pytest.mark.parametrize("archive", [True, False], ids=["zip", "legacy"])
def test_a_hostile_pickle_is_refused_and_not_run(tmp_path: Path, archive: bool) -> None:
    marker = tmp_path / "ran"
    content = {"state_dict": {"a": torch.zeros(3)}, "epoch": Command(marker)}
    path = save(tmp_path / "x.pth", content, _use_new_zipfile_serialization=archive)
    message = refusal(CheckpointError, read_tensors, path)
    assert "refused: it holds more than tensors (posix.system)" in message
    assert not marker.exists()
    torch.load(path, weights_only=False)
    assert marker.exists()  # it would have run


def test_a_file_that_holds_itself_is_read_once(tmp_path: Path) -> None:
    content: dict[str, Any] = {"a": torch.zeros(3)}
    content["model"] = content
    assert list(read_tensors(save(tmp_path / "x.pth", content))) == ["a"]


@pytest.mark.parametrize("archive", [True, False], ids=["zip", "legacy"])
def test_scores_in_numpys_numbers_do_no_harm(tmp_path: Path, archive: bool) -> None:
    content = {"model_state": {"module.a": torch.ones(3)}, "best_iou": np.float64(0.7), "curve": np.arange(3.0)}
    path = save(tmp_path / "x.pkl", content, _use_new_zipfile_serialization=archive)
    assert torch.equal(read_tensors(path)["model_state.module.a"], torch.ones(3))


def test_safetensors(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    safetensors.torch.save_file({"module.a": torch.ones(3)}, path)
    assert read_tensors(path).keys() == {"module.a"}
    path.write_bytes(path.read_bytes()[:-4])
    assert "damaged safetensors" in refusal(CheckpointError, read_tensors, path)


def test_weights_of_ours_are_not_converted(tmp_path: Path) -> None:
    """FASSD-Net's tensors are named as their authors', whose frames are BGR: the first layer would be turned round."""
    _, net, card, _ = converted("fassd-net", network="fassd_net")
    path = tmp_path / "x.safetensors"
    save_weights(path, net.state_dict(), card)
    message = refusal(CheckpointError, read_tensors, path)
    assert (
        message == f"{path} holds weights of streetseg already; next: streetseg export {path}, or train --init {path}"
    )
    assert "without a card; take the NAME.safetensors" in refusal(
        CheckpointError, recognise_checkpoint, net.state_dict(), "x.pth"
    )


def test_a_run_s_checkpoint_is_not_converted(tmp_path: Path) -> None:
    network = build("fassd_net_l2", 11, aux=True).state_dict()
    state = dict.fromkeys(STATE) | {"step": 1, "network": network, "average": network}
    save_checkpoint(tmp_path / "checkpoint.pt", state)
    message = refusal(CheckpointError, read_tensors, tmp_path / "checkpoint.pt")
    assert "is the checkpoint of a streetseg run; streetseg train --resume goes on from it" in message


def test_a_backbone_of_ours_is_only_a_start(tmp_path: Path) -> None:
    path = tmp_path / "backbone.safetensors"
    save_classifier(path, build("stdc1", 2).state_dict(), {"network": "stdc1_classifier"})
    assert refusal(CheckpointError, read_tensors, path).endswith(f"; next: streetseg train --init {path}")
    assert "is a backbone, for streetseg train --init" in refusal(ArtefactError, open_weights, path)


def test_a_hole_in_a_download_is_found(tmp_path: Path) -> None:
    """As a downloader of pieces leaves it: all sizes are right."""
    path = save(tmp_path / "x.pth", {"a": torch.randn(100_000)})
    content = bytearray(path.read_bytes())
    content[200_000:300_000] = bytes(100_000)
    path.write_bytes(content)
    assert "truncated, damaged" in refusal(CheckpointError, read_tensors, path)
    torch.serialization.set_crc32_options(False)  # such files have no checksums
    try:
        assert read_tensors(save(path, {"a": torch.ones(3)})).keys() == {"a"}
    finally:
        torch.serialization.set_crc32_options(True)


def test_a_byte_that_zipfile_stumbles_over_is_damage(tmp_path: Path) -> None:
    path = save(tmp_path / "x.pth", {"a": torch.ones(3)})
    content = bytearray(path.read_bytes())
    content[content.rindex(b"PK\1\2") + 6] = 90  # the version that it takes to unpack an entry
    path.write_bytes(content)
    assert "truncated, damaged" in refusal(CheckpointError, read_tensors, path)


def test_damage_and_attacks(tmp_path: Path) -> None:
    good = save(tmp_path / "good.pth", {"state_dict": {"a": torch.randn(999)}})
    legacy = save(tmp_path / "legacy.pth", {"a": torch.randn(999)}, _use_new_zipfile_serialization=False)
    bomb, tar, script = tmp_path / "bomb.pth", tmp_path / "a.tar", tmp_path / "script.pt"
    with zipfile.ZipFile(good) as source, zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as target:
        for entry in source.infolist():
            target.writestr(entry.filename, source.read(entry))
    with tarfile.open(tar, "w") as tarball:
        tarball.add(good)
    with zipfile.ZipFile(script, "w") as archive:
        archive.writestr("script/constants.pkl", b"")
    huge = save(tmp_path / "huge.pth", {"a": torch.zeros(1).expand(1000, 1000)})
    for content, expected in (
        (b"", "is empty"),
        (b"<!DOCTYPE html><html>Quota exceeded</html>", "is a web page"),
        (b"\x89PNG\r\n" * 9, "neither torch.save nor safetensors"),
        (good.read_bytes()[:-100], "truncated"),
        (legacy.read_bytes()[:-100], "truncated"),
        (pickle.dumps({"a": 1}), "truncated, damaged or not a checkpoint"),
        (bomb.read_bytes(), "compressed archive"),
        (tar.read_bytes(), "tar archive"),
        (script.read_bytes(), "TorchScript"),
        (huge.read_bytes(), "larger than the file"),
        (save(tmp_path / "none.pth", {"epoch": 1}).read_bytes(), "holds no tensors by name"),
        (save(tmp_path / "b.pth", {"a": torch.ones(2), "_orig_mod.a": torch.ones(2)}).read_bytes(), "holds a twice"),
    ):
        path = tmp_path / "x.pth"
        path.write_bytes(content)
        assert expected in refusal(CheckpointError, read_tensors, path)
    assert "cannot be read" in refusal(CheckpointError, read_tensors, tmp_path / "missing.pth")
