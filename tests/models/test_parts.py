"""A network is found wherever it stands in a checkpoint; averaged weights are preferred, whatever they are called."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from streetseg.errors import CheckpointError
from streetseg.models.checkpoint_contents import tensors_in
from streetseg.models.checkpoint_files import read_checkpoint
from streetseg.models.conversion import Conversion, recognise_checkpoint
from streetseg.models.parts import BUFFERS, is_averaged
from tests.support.checkpoints import filled, refusal, save, tensors_of

pytestmark = pytest.mark.slow

LAST, AVERAGED = 0.25, 0.5


def recognised(content: object, part: str | None = None, network: str | None = None) -> Conversion:
    return recognise_checkpoint(tensors_of(content), "x.pth", network, part=part)


def value(conversion: Conversion) -> float:
    return conversion.tensors["head.weight"].flatten()[0].item()


def parameters(state: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: tensor for name, tensor in state.items() if not name.endswith(BUFFERS)}


# Where the network stands


@pytest.mark.parametrize(
    "around",
    [
        "module.", "model.", "student.", "segmentor.", "netG.", "_orig_mod.", "module._orig_mod.", "model.module.",
        "_orig_mod.module.model.", "net.backbone_and_head.", "generator.0.", "my-net.", "NÄT.",
    ],
)  # fmt: skip
def test_any_prefix_is_taken_off(around: str) -> None:
    conversion = recognised({"epoch": 1, "x": filled(LAST, around)})
    assert conversion.network == "fassd_net_l2"
    assert value(conversion) == LAST
    assert not conversion.left_out


@pytest.mark.parametrize("depth", [3, 12])
def test_any_nesting_is_opened(depth: int) -> None:
    content: object = filled(LAST)
    for level in range(depth):
        content = {f"level {level}": content, "step": 7} if level % 2 else [{"lr": 0.1}, content]
    assert value(recognised(content)) == LAST


def test_a_network_saved_in_pieces_is_put_together() -> None:
    """One dictionary a module, as `{"encoder": ..., "decoder": ...}` keeps them."""
    pieces: dict[str, Any] = {}
    for name, tensor in filled(LAST).items():
        first, _, rest = name.partition(".")
        pieces.setdefault(first, {})[rest] = tensor
    assert value(recognised({"model": pieces})) == LAST


def test_modules_around_modules_are_taken_off_inside_names() -> None:
    inside = {name.replace("base.", "base._orig_mod.", 1): tensor for name, tensor in filled(LAST).items()}
    assert value(recognised(inside)) == LAST


@pytest.mark.parametrize("around", ["", "net.", "module."])
def test_a_network_that_is_wrapped_in_part_is_taken(around: str) -> None:
    """DataParallel around the encoder alone, around some layers' names, or inside the names."""
    whole = filled(LAST)
    first = {f"module.{name}" if name.startswith("base.") else name: one for name, one in whole.items()}
    mixed = {f"module.{name}" if at % 2 else name: one for at, (name, one) in enumerate(whole.items())}
    inside = {name.replace("base.", "base.module.", 1): one for name, one in whole.items()}
    last = {name if name.startswith("base.") else f"module.{name}": one for name, one in whole.items()}
    each = {".module.".join(name.split(".", 1)): one for name, one in whole.items()}
    for wrapped in (first, mixed, inside, last, each):
        conversion = recognised({"epoch": 1, "state_dict": {around + name: one for name, one in wrapped.items()}})
        assert conversion.network == "fassd_net_l2"
        assert value(conversion) == LAST
        assert not conversion.left_out


def test_averages_are_found_beside_and_in_part_wrapped_networks() -> None:
    def wrapped(value: float) -> dict[str, Tensor]:
        return {f"module.{name}" if name.startswith("base.") else name: one for name, one in filled(value).items()}

    for content in (
        {"model": filled(LAST), "ema": wrapped(AVERAGED)},
        {"model": wrapped(LAST), "ema": filled(AVERAGED)},
        {"model": wrapped(LAST), "ema": filled(AVERAGED, "module.") | {"n_averaged": torch.tensor(3)}},
    ):
        conversion = recognised(content)
        assert value(conversion) == AVERAGED
        assert conversion.part == "ema"
        assert conversion.not_taken == ("model",)


def test_two_tensors_of_one_name_are_not_put_together() -> None:
    whole = filled(LAST)
    name = "finalConv.weight" if "finalConv.weight" in whole else list(whole)[-1]
    message = refusal(CheckpointError, recognised, whole | {f"module.{name}": whole[name] + 1})
    assert f"1 of theirs left over (module.{name})" in message
    half = {f"module.{name}" if name.startswith("base.") else name: one for name, one in whole.items()}
    taken = next(name for name in half if name.startswith("module."))
    refusal(CheckpointError, recognised, half | {taken.removeprefix("module."): whole[name]})
    assert value(recognised({"module": whole, "model": whole})) == LAST


def test_an_optimiser_s_tensors_are_no_network() -> None:
    moments = {name: {"exp_avg": tensor, "step": torch.tensor(3)} for name, tensor in filled(9.0).items()}
    for optimiser in (filled(9.0), moments):
        content = {"model": filled(LAST), "optimizer": {"state": optimiser}, "optim_state_dict": filled(9.0)}
        assert value(recognised(content)) == LAST


def test_what_is_no_weight_is_left_out_by_name() -> None:
    counted = filled(LAST) | {
        f"{module}.{name}": torch.zeros(1)
        for module in ("base.0", "mda.0.conv1x1")
        for name in ("total_ops", "total_params")
    }  # fmt: skip
    assert recognised(counted | {"total_ops": torch.zeros(1)}).left_out == {"total_ops": 3, "total_params": 2}
    inside = {"criterion.weight": torch.ones(19), "loss_fn.ce.weight": torch.ones(19), "n_averaged": torch.tensor(3)}
    assert recognised(filled(LAST) | inside).left_out == {"criterion": 1, "loss_fn": 1, "n_averaged": 1}
    beside = {"criterion.weight": torch.ones(19), "discriminator.conv.weight": torch.ones(3, 3)}
    assert recognised({"state_dict": filled(LAST, "net.") | beside}).left_out == {"criterion": 1, "discriminator": 1}
    message = refusal(CheckpointError, recognised, filled(LAST) | {"extra.weight": torch.ones(3)})
    assert "1 of theirs left over (extra.weight)" in message


# Averaged weights


@pytest.mark.parametrize(
    ("last", "averaged"),
    [
        ("net", "ema_net"),
        ("model", "ema_model"),
        ("model_state_dict", "ema_model_state_dict"),
        ("state_dict", "state_dict_ema"),
        ("state_dict", "ema_state_dict"),
        ("model", "model_ema"),
        ("model", "modelEMA"),
        ("model", "EMA"),
        ("model", "averaged"),
        ("model", "swa_model"),
        ("model", "avg-model"),
        ("student", "teacher"),
        ("online", "shadow"),
        ("model", "moving_average"),
        ("module.model", "module.ema"),
        ("model", "polyak"),
        ("current_model_state", "average"),
    ],
)
def test_averaged_weights_are_taken(last: str, averaged: str) -> None:
    nested = {last: filled(LAST), averaged: filled(AVERAGED), "optimizer": {"state": {0: torch.ones(9)}}}
    deep = {last: filled(LAST), "extra": {averaged: {"module": filled(AVERAGED, "module."), "decay": 0.99}}}
    flat = {"state_dict": filled(LAST, f"{last}.") | filled(AVERAGED, f"{averaged}.")}
    inside = filled(LAST) | filled(AVERAGED, f"{averaged}.")
    contents = (nested, dict(reversed(nested.items())), deep, flat, inside)
    # All ways for one of the names, one of them for each of the others.
    for content in contents if averaged == "ema_net" else contents[len(averaged) % 5 :][:1]:
        conversion = recognised(content)
        assert value(conversion) == AVERAGED
        assert conversion.averaged
        assert averaged in conversion.part
        assert len(conversion.not_taken) == 1
        other = recognised(content, part=conversion.not_taken[0])
        assert value(other) == LAST
        assert not other.averaged


def test_names_of_averages() -> None:
    assert is_averaged("state_dict.model_ema.")
    assert is_averaged("modelEma")
    for other in ("state_dict.", "model.", "schema.", "model_non_ema.", "cinema.", "without_ema."):
        assert not is_averaged(other)


def test_mmengine_keeps_the_average_in_the_state_dict() -> None:
    last = filled(LAST, "module.") | {"steps": torch.tensor(9)}
    conversion = recognised({"state_dict": filled(AVERAGED), "ema_state_dict": last})
    assert value(conversion) == AVERAGED
    assert conversion.averaged
    assert "mmengine" in conversion.remark
    assert value(recognised({"ema_state_dict": filled(AVERAGED, "module.") | {"steps": torch.tensor(9)}})) == AVERAGED


def test_an_average_that_was_never_begun_counts_for_nothing() -> None:
    for empty in ({}, {"decay": 0.99}, {"decay": torch.tensor(0.9), "num_updates": torch.tensor(0)}, None):
        conversion = recognised({"ema": empty, "model": filled(LAST)})
        assert value(conversion) == LAST
        assert conversion.part == ""


def test_an_average_of_parameters_gets_the_norms_statistics() -> None:
    """Shadows hold parameters only; LitEma's names have no dots; torch_ema keeps a list without names."""
    last, average = filled(LAST), parameters(filled(AVERAGED))
    undotted = {name.replace(".", ""): tensor for name, tensor in average.items()}
    for content in (
        {"model": last, "ema": {"shadow": average, "decay": 0.99}},
        {"model": last, "ema": {"decay": 0.99, "shadow_params": list(average.values()), "collected_params": None}},
        {"state_dict": filled(LAST, "model.") | {f"model_ema.{name}": tensor for name, tensor in undotted.items()}
         | {"model_ema.decay": torch.tensor(0.9)}},
    ):  # fmt: skip
        conversion = recognised(content)
        assert value(conversion) == AVERAGED
        assert conversion.tensors["encoder.stem.0.1.running_mean"][0].item() == LAST
        assert "parameters only" in conversion.remark


def test_an_average_that_cannot_be_read_is_not_passed_over() -> None:
    content = {"model": filled(LAST), "ema": {"params": [torch.ones(3) for _ in range(9)]}}
    message = refusal(CheckpointError, recognised, content)
    assert "averaged weights under names that fit no network (ema)" in message
    assert "--part: model (fassd_net_l2)" in message
    assert value(recognised(content, part="model")) == LAST


# Choices


def test_several_candidates_are_named_for_a_choice() -> None:
    several: dict[str, Any] = {"ema": filled(AVERAGED), "swa": filled(0.75), "model": filled(LAST)}
    message = refusal(CheckpointError, recognised, several)
    assert "ema (fassd_net_l2), swa (fassd_net_l2)" in message
    assert "--part" in message
    assert value(recognised(several, part="swa")) == 0.75
    assert value(recognised({"best": filled(AVERAGED), "last": filled(LAST)}, part="best")) == AVERAGED
    assert "is not a part of x.pth; its parts are ema" in refusal(CheckpointError, recognised, several, "best")
    assert value(recognised({"model": filled(LAST), "copy": filled(LAST)})) == LAST
    assert value(recognised({"ema": filled(AVERAGED), "state_dict_ema": filled(AVERAGED)})) == AVERAGED


def test_a_teacher_of_another_network_is_a_question() -> None:
    content = {"student": filled(LAST, fixture="ddrnet-23-slim"), "teacher": filled(AVERAGED, fixture="ddrnet-39")}
    message = refusal(CheckpointError, recognised, content)
    assert "holds several networks; choose one by --part: student (ddrnet_23_slim), teacher (ddrnet_39)" in message
    assert recognised(content, part="student").network == "ddrnet_23_slim"
    assert recognised(content, network="ddrnet_39").network == "ddrnet_39"


# Faults with both sides


def test_two_networks_in_one_dictionary_are_named() -> None:
    message = refusal(CheckpointError, recognised, filled(LAST) | filled(LAST, fixture="bisenetv2"))
    assert "mixes the tensors of two networks, bisenetv2 (" in message
    assert "fassd_net_l2 (401)" in message


def test_a_missing_head_is_named() -> None:
    headless = {name: tensor for name, tensor in filled(LAST).items() if not name.startswith("finalConv")}
    message = refusal(CheckpointError, recognised, {"state_dict": headless})
    assert "does not fit fassd_net_l2 as GibranBenitez/FASSD-Net has it: 2 of ours missing (head.bias" in message


def test_networks_that_are_not_supported_are_named() -> None:
    pidnet = (
        "pag3.f_x.0.weight",
        "pag4.f_y.0.weight",
        "layer3_d.conv1.weight",
        "diff3.0.weight",
        "dfm.conv_p.0.weight",
    )
    bisenet = ("cp.resnet.conv1.weight", "cp.arm16.conv.conv.weight", "sp.conv1.conv.weight", "layer4.1.conv2.weight")
    fast = ("learning_to_downsample.conv.conv.0.weight", "global_feature_extractor.bottleneck1.0.block.0.weight")
    for names, network in ((pidnet, "PIDNet"), (bisenet, "BiSeNetV1"), (fast, "Fast-SCNN")):
        content = {"state_dict": {f"module.{name}": torch.ones(3) for name in names}}
        message = refusal(CheckpointError, recognised, content)
        assert f"x.pth is a checkpoint of {network}, which is not supported yet" in message


def test_a_backbone_inside_another_network_is_not_taken_for_its_network() -> None:
    features = {
        name: tensor for name, tensor in filled(LAST, fixture="stdc1-cls").items() if name.startswith("features")
    }
    own = {f"backbone.{name}": tensor for name, tensor in features.items()}
    message = refusal(CheckpointError, recognised, own | {"head.conv.weight": torch.ones(19, 3)}, None, "stdc1")
    assert "1 beside the backbone (head.conv.weight)" in message
    assert recognised(own | {"criterion.weight": torch.ones(19)}, network="stdc1").num_classes is None


# Files


class Net(nn.Module):
    """A module with the official names of a network, which is saved whole."""

    def __init__(self, state: dict[str, Tensor]) -> None:
        super().__init__()
        for name, tensor in state.items():
            module: nn.Module = self
            *path, last = name.split(".")
            for part in path:
                if part not in module._modules:
                    module.add_module(part, nn.Module())
                module = module.get_submodule(part)
            if name.endswith(BUFFERS):
                module.register_buffer(last, tensor.clone())
            else:
                module.register_parameter(last, nn.Parameter(tensor.clone()))
        self.register_buffer("unsaved", torch.zeros(3), persistent=False)


def test_a_module_saved_whole_gives_its_tensors(tmp_path: Path) -> None:
    path = save(tmp_path / "x.pth", {"epoch": 3, "ema": Net(filled(AVERAGED)), "model": Net(filled(LAST)).state_dict()})
    conversion = recognise_checkpoint(tensors_in(read_checkpoint(path), path), "x.pth")
    assert value(conversion) == AVERAGED
    assert conversion.part == "ema"
