"""Other code bases' checkpoints: recognised, opened without running anything, converted strictly, the same function."""

from __future__ import annotations

import dataclasses
import os
import pickle
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch
from PIL import Image
from torch import Tensor

from streetseg.cli import main
from streetseg.data.labels import label_space, likely_labels
from streetseg.errors import ArtefactError, CheckpointError, NetworkError, StreetsegError, UsageError
from streetseg.models import conversion
from streetseg.models.checkpoint_files import read_tensors, state_dict_in
from streetseg.models.conversion import Conversion, build_converted, open_weights, recognise, save_weights
from streetseg.models.networks import build
from streetseg.models.origins import bisenetv2
from streetseg.models.semantic_backbones import ResNet18
from streetseg.streets.scene import render
from streetseg.training.checkpoint import STATE, save_checkpoint, save_classifier
from tests.support.reference_rules import FOLDER, Reference

OFFICIAL = {
    "bisenetv2": "CoinCheung/BiSeNet",
    "ddrnet": "ydhongHIT/DDRNet",
    "fassd": "GibranBenitez/FASSD-Net",
    "fc": "PingoLH/FCHarDNet",
    "mmseg": "open-mmlab/mmsegmentation",
    "stdc1": "MichaelFan01/STDC-Seg",
    "stdc2": "MichaelFan01/STDC-Seg",
}
# Networks that differ in strides only: their tensors cannot tell them apart.
ALIKE = {"fassd_net", "fassd_net_l1"}

HERE = Path("checkpoint.pth")


def shapes(fixture: str) -> dict[str, Tensor]:
    """The official state dict's names and shapes, without values."""
    return {name: torch.zeros(shape) for name, shape in Reference(fixture).facts["keys"].items()}


def refusal(error: type[StreetsegError], call: Callable[..., object], *arguments: object) -> str:
    with pytest.raises(error) as caught:
        call(*arguments)
    message = str(caught.value)
    assert "\n" not in message
    return message


def save(path: Path, content: object, **options: Any) -> Path:
    torch.save(content, path, **options)
    return path


# Recognising


@pytest.mark.parametrize("fixture", sorted(path.stem for path in FOLDER.glob("*.json")))
def test_every_fixture_is_recognised_whatever_is_around_it(fixture: str) -> None:
    theirs = shapes(fixture)
    for prefix, wrapper in (("", None), ("module.", "state_dict"), ("model.module.", "model_state"), ("model.", "ema")):
        wrapped = {f"{prefix}{name}": tensor for name, tensor in theirs.items()}
        content = wrapped if wrapper is None else {"epoch": 3, wrapper: wrapped, "optimizer": {"state": theirs}}
        assert state_dict_in(content, HERE, 1 << 40).keys() == theirs.keys()

    name = fixture.removeprefix("mmseg-").removesuffix("-cls").removesuffix("-seg").replace("-", "_")
    found = recognise(theirs, fixture, name if name in ALIKE else None)
    assert found.network == name
    assert found.origin.name == OFFICIAL[fixture.split("-")[0]]
    assert found.num_classes == (None if fixture.endswith("-cls") else 19)
    if not fixture.endswith("-cls"):
        training_only = [
            beginning.removesuffix(".") for beginning in Reference(fixture).facts["training_only_prefixes"]
        ]
        assert all(any(left.startswith(beginning) for left in found.left_out) for beginning in training_only)


def test_networks_that_are_alike_are_asked_for() -> None:
    message = refusal(CheckpointError, recognise, shapes("fassd-net"), "x.pth")
    assert "fassd_net and fassd_net_l1" in message
    assert "--network" in message


def test_origins_that_are_alike_are_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    twin = dataclasses.replace(bisenetv2.COINCHEUNG, name="a/fork", arguments={"interpolation": "bilinear"})
    monkeypatch.setattr(conversion, "ORIGINS", (bisenetv2.COINCHEUNG, twin))
    theirs = shapes("bisenetv2")
    message = refusal(CheckpointError, recognise, theirs, "x.pth", "bisenetv2")
    assert "CoinCheung/BiSeNet and a/fork" in message
    assert "--origin" in message
    assert recognise(theirs, "x.pth", None, "a/fork").origin is twin


def test_another_network_is_told_with_both_sides() -> None:
    message = refusal(CheckpointError, recognise, shapes("ddrnet-23-slim"), "x.pth", "ddrnet_23")
    assert "theirs conv1.0.weight (32, 3, 3, 3), ours trunk.stem.0.weight (64, 3, 3, 3)" in message
    assert "it fits ddrnet_23_slim (ydhongHIT/DDRNet)" in message
    assert "it fits ddrnet_23_slim" in refusal(CheckpointError, recognise, shapes("ddrnet-23-slim"), "x.pth", "stdc1")
    assert "there are bisenetv2" in refusal(NetworkError, recognise, {}, "x.pth", "pidnet_s")
    assert "CoinCheung/BiSeNet" in refusal(CheckpointError, recognise, {}, "x.pth", None, "CoinCheung")


def test_every_tensor_counts() -> None:
    theirs = shapes("bisenetv2")
    theirs["detail.S4.conv.weight"] = theirs.pop("detail.S1.0.conv.weight")
    message = refusal(CheckpointError, recognise, theirs, "x.pth")
    assert "1 of ours missing (detail.stage1.0.0.weight); 1 of theirs left over (detail.S4.conv.weight)" in message
    assert "of no code base that is known" in refusal(CheckpointError, recognise, {"a.b": torch.zeros(1)}, "x.pth")


def test_training_wrappers_of_ddrnet_pytorch() -> None:
    inner = shapes("ddrnet-23-slim")
    wrapped = {f"model.{name}": tensor for name, tensor in inner.items()} | {"loss.criterion.weight": torch.ones(19)}
    theirs = state_dict_in({"state_dict": wrapped}, HERE, 1 << 40)
    found = recognise(theirs, "x.pth", origin="chenjun2hao/DDRNet.pytorch")
    assert found.network == "ddrnet_23_slim"
    assert found.left_out == {"seghead_extra": 13, "loss": 1}


def test_imagenet_starts() -> None:
    """Backbones without a segmentation head: HarDNet's, for networks that share it, and torchvision's."""
    hardnet = {
        name.removeprefix("base."): tensor
        for name, tensor in shapes("fc-hardnet-70").items()
        if name.startswith("base.")
    }
    assert recognise(hardnet, "x.pth", "fc_hardnet_70").left_out == {}
    assert recognise(hardnet, "x.pth", "fassd_net_l2").left_out == {"16": 48, "17": 6}
    resnet = ResNet18().state_dict() | {"fc.weight": torch.zeros(1000, 512), "fc.bias": torch.zeros(1000)}
    found = recognise(resnet, "x.pth")
    assert (found.network, found.origin.arguments) == ("bisenetv2", {"semantic": "resnet18"})
    assert found.left_out == {"fc": 2}


# Opening


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
    assert torch.equal(read_tensors(path)["a"], torch.ones(3))


def test_safetensors(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    safetensors.torch.save_file({"module.a": torch.ones(3)}, path)
    assert read_tensors(path).keys() == {"a"}
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
    assert "without a card; take the NAME.safetensors" in refusal(CheckpointError, recognise, net.state_dict(), "x.pth")


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


def test_averaged_weights_are_taken_wherever_they_are(tmp_path: Path) -> None:
    averaged, last = {"a.weight": torch.ones(3)}, {"a.weight": torch.zeros(3)}
    wrapped = {"module.a.weight": torch.ones(3), "steps": torch.tensor(9)}
    for content in (
        {"state_dict": last, "ema_state_dict": averaged},
        # mmengine changes them over, its average counts its steps.
        {"state_dict": averaged, "ema_state_dict": {"module.a.weight": torch.zeros(3), "steps": torch.tensor(9)}},
        {"ema_state_dict": wrapped},
        {"model": last, "model_ema": {"n_averaged": torch.tensor(3), "module.a.weight": torch.ones(3)}},
        # An average that was never begun.
        {"ema": {}, "model": averaged},
        {"ema": {"decay": 0.99}, "state_dict": averaged},
    ):
        found = read_tensors(save(tmp_path / "x.pth", content))
        assert found.keys() == {"a.weight"}
        assert torch.equal(found["a.weight"], torch.ones(3)), content


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


def test_what_is_no_checkpoint(tmp_path: Path) -> None:
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
        (pickle.dumps({"a": 1}), "truncated, damaged or no checkpoint"),
        (bomb.read_bytes(), "compressed archive"),
        (tar.read_bytes(), "tar archive"),
        (script.read_bytes(), "TorchScript"),
        (huge.read_bytes(), "larger than the file"),
        (save(tmp_path / "none.pth", {"epoch": 1}).read_bytes(), "holds no tensors by name"),
        (save(tmp_path / "twice.pth", {"a": torch.ones(2), "module.a": torch.ones(2)}).read_bytes(), "holds a twice"),
    ):
        path = tmp_path / "x.pth"
        path.write_bytes(content)
        assert expected in refusal(CheckpointError, read_tensors, path)
    assert "cannot be read" in refusal(CheckpointError, read_tensors, tmp_path / "missing.pth")
    assert "cannot be read" in refusal(CheckpointError, read_tensors, tmp_path)


# Converting


def converted(fixture: str, classes: str | None = None, network: str | None = None) -> tuple[Conversion, Any, Any, Any]:
    found = recognise(Reference(fixture).state_dict(), f"{fixture}.pth", network)
    labels = label_space(classes) if classes else likely_labels(found.num_classes or 0)
    return found, *build_converted(found, labels.names, labels.colours)


@pytest.mark.parametrize(
    ("fixture", "network", "bgr"),
    [
        ("ddrnet-23-slim", None, False),
        ("stdc1-seg", None, False),
        ("mmseg-stdc1", None, False),
        ("bisenetv2", None, False),
        ("mmseg-bisenetv2", None, False),
        ("fassd-net", "fassd_net", True),
        ("fc-hardnet-70", None, True),
    ],
)
def test_weights_of_ours_are_the_same_function(fixture: str, network: str | None, bgr: bool, tmp_path: Path) -> None:
    """By way of the file, whose card says how the network is built. Frames are RGB, whatever the code base was fed."""
    reference = Reference(fixture)
    _, before, card, untrained = converted(fixture, network=network)
    assert untrained == {}
    path = tmp_path / "x.safetensors"
    save_weights(path, before.state_dict(), card, precision="float32")
    net, card = open_weights(path)
    frame = reference.input()
    with torch.inference_mode():
        reference.check("main", net(frame.flip(1) if bgr else frame).logits)
    assert card.classes == label_space("cityscapes").names
    assert (card.mean[0] < 100) == (fixture == "bisenetv2")
    assert (card.align_corners, card.precision) == (net.align_corners, "float32")


def test_forks_of_stdc_with_ordinary_norms_keep_their_scales() -> None:
    theirs = Reference("stdc1-seg").state_dict()
    norms = [name.removesuffix("running_var") for name in theirs if name.endswith("running_var")]
    fork = theirs | {f"{norm}num_batches_tracked": torch.tensor(0) for norm in norms}
    for state, expected in ((theirs, 1e-5), (fork, 0.0)):
        scale = recognise(state, "x.pth").tensors["ffm.conv.1.weight"]
        assert (scale - theirs["ffm.convblk.bn.weight"]).max().item() == pytest.approx(expected, rel=0.1)


def test_another_class_count_keeps_all_but_the_head() -> None:
    found, net, card, untrained = converted("stdc1-seg", "camvid")
    assert untrained == {"head.classifier": 1}
    assert card.classes == label_space("camvid").names
    assert "head.classifier" in card.limits[0]
    state = net.state_dict()
    assert all(torch.equal(state[key], found.tensors[key]) for key in state if key != "head.classifier.weight")
    again = converted("stdc1-seg", "camvid")[1].state_dict()
    assert all(torch.equal(tensor, again[key]) for key, tensor in state.items())


def test_a_classifier_starts_a_segmentation_network() -> None:
    _, net, card, untrained = converted("ddrnet-23-slim-cls", "camvid")
    assert untrained.keys() == {"context", "head"}
    assert torch.equal(net.trunk.stem[0].weight, Reference("ddrnet-23-slim-cls").state_dict()["conv1.0.weight"])
    assert "Untrained: context, head" in card.limits[0]


def test_a_card_that_the_network_does_not_take(tmp_path: Path) -> None:
    _, net, card, _ = converted("mmseg-bisenetv2")
    assert card.network_arguments == {"interpolation": "bilinear", "aggregation_bias": True}
    path = tmp_path / "x.safetensors"
    for arguments, error in (
        ({"depht": 2}, ArtefactError),
        ({"aux": 1}, ArtefactError),
        ({"context": 5}, ArtefactError),
    ):
        save_weights(path, net.state_dict(), dataclasses.replace(card, network_arguments=arguments))
        refusal(error, open_weights, path)
    for wrong, complaint in (
        ({"output_stride": 4}, "a card of output_stride 4, where bisenetv2 has 8"),
        ({"align_corners": not card.align_corners}, "a card of align_corners "),
        ({"size_multiple": 12}, "a card of size_multiple 12, where "),
        ({"network_arguments": card.network_arguments | {"in_channels": 1}}, "for 1 channels; artefacts take RGB"),
    ):
        save_weights(path, net.state_dict(), dataclasses.replace(card, **wrong))  # type: ignore[arg-type]
        assert complaint in refusal(ArtefactError, open_weights, path)


# Classes


def test_label_spaces(tmp_path: Path) -> None:
    assert likely_labels(19) == label_space("cityscapes")
    assert likely_labels(3).names == label_space("3").names == ("class_0", "class_1", "class_2")
    names = tmp_path / "names.txt"
    names.write_text("road\n\n sky \n")
    assert label_space(str(names)) == label_space("road, sky")
    assert len(set(label_space("road,sky").colours)) == 2
    for wrong in ("camvit", "a,a", "0", "300", ",", str(tmp_path)):
        assert repr(wrong) in refusal(UsageError, label_space, wrong)


# The whole way


def test_from_a_checkpoint_to_pictures(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    theirs = Reference("mmseg-bisenetv2").state_dict()
    checkpoint = save(tmp_path / "x.pth", {"meta": {"epoch": 160000}, "state_dict": theirs})
    weights, photo = tmp_path / "x.safetensors", tmp_path / "photo.png"
    Image.fromarray(render(0, (64, 96)).frame).save(photo)
    assert main(["convert", str(checkpoint), "--out", str(weights)]) == 0
    output = capsys.readouterr().out
    assert "bisenetv2 as open-mmlab/mmsegmentation has it" in output
    assert "auxiliary_head (56)" in output
    assert main(["export", str(weights)]) == 0
    arguments = ["--weights", str(tmp_path / "x.onnx"), "--out", str(tmp_path / "out"), "--engine", "onnxruntime"]
    assert main(["predict", str(photo), *arguments]) == 0
    with Image.open(tmp_path / "out" / "photo_classes.png") as image:
        assert image.size == (96, 64)


def one_logit(fixture: str) -> dict[str, torch.Tensor]:
    """A checkpoint with the first row of its last layers alone, as a sigmoid's is."""
    tensors = Reference(fixture).state_dict()
    return {key: tensor[:1] if ".conv_seg." in key else tensor for key, tensor in tensors.items()}


def test_mistakes_on_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    checkpoint = save(tmp_path / "x.pth", Reference("stdc1-cls").state_dict())
    out = ["--out", str(tmp_path / "x.safetensors")]
    for arguments, expected in (
        ([], "--classes"),
        (["--operating-scale", "5"], "at most 4"),
        (["--classes", "camvit"], "no dataset"),
        (["--network", "stdc2"], "it fits stdc1"),
    ):
        assert main(["convert", str(checkpoint), *out, *arguments]) == 2
        assert expected in capsys.readouterr().err
    one = save(tmp_path / "one.pth", one_logit("mmseg-ddrnet-23-slim"))
    for options in ([], ["--classes", "1"]):
        assert main(["convert", str(one), *out, *options]) == 2
        assert "one logit a pixel, which takes a threshold" in capsys.readouterr().err
    one.unlink()
    assert main(["convert", str(checkpoint), "--out", str(tmp_path / "x.onnx")]) == 2
    assert sorted(path.name for path in tmp_path.iterdir()) == ["x.pth"]
    itself = tmp_path / "x.safetensors"
    checkpoint.rename(itself)
    content = itself.read_bytes()
    assert main(["convert", str(itself), "--out", str(itself), "--classes", "camvid"]) == 2
    assert "is what is to be converted; choose another name" in capsys.readouterr().err
    assert itself.read_bytes() == content
