"""What every network of the table promises, and that every row of the papers' tables trains and exports."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any, cast

import numpy as np
import onnx
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from streetseg.errors import NetworkError
from streetseg.export import graph, verify
from streetseg.export.onnx import logits_of_frame, to_onnx
from streetseg.export.targets import export
from streetseg.export.verify import largest_difference
from streetseg.models.networks import CLASSIFIERS, MODELS, build
from streetseg.models.outputs import Network
from streetseg.models.weights import open_weights, save_weights
from streetseg.papers.printed import read_tables
from streetseg.runtime.card import ModelCard
from streetseg.runtime.engines.engine import Engine
from streetseg.runtime.engines.opening import open_engine
from streetseg.runtime.engines.options import EngineOptions
from streetseg.runtime.segmenter import Segmenter

# By family, the part of a name before the first digit or underscore: the auxiliary heads and their strides, and
# whether the network normalises globally pooled features, so that it cannot train on a single image.
AUX = {
    "bisenetv": {"stage2": 2, "stage3": 4, "stage4": 8, "stage5_4": 16},
    "ddrnet": {"high4": 8},
    "fassd": {},
    "fc": {},
    "stdc": {"arm16": 8, "arm32": 16, "detail8": 8},
}
POOLED = {"bisenetv", "ddrnet", "stdc"}
FAST = ["ddrnet_23_slim", "stdc1"]  # one of either convention of the upsampling
NETWORKS = [pytest.param(name, marks=[] if name in FAST else [pytest.mark.slow]) for name in MODELS]
SMALLEST = ["bisenetv2", "ddrnet_23_slim", "fassd_net_l2", "fc_hardnet_70_l2", "stdc1"]
# In units of size_multiple, for networks that take multiples of 32 and more: the export's own sizes have millions of
# pixels then. Here, too, a square, a wide and a tall frame, and none of the size that the graph was traced at.
SMALL_SIZES = ((3, 3), (2, 5), (5, 2))
# Arguments that concern only heads of the training, which an export leaves out.
OF_TRAINING = {"boosters", "detail"}


def family(name: str) -> str:
    return name.partition("_")[0].rstrip("0123456789")


def settle(network: Network) -> None:
    """Give the norms values of their own, so that folding them matters, and all weights such as half precision holds.

    Only so far from one and zero: deep random networks enlarge what half precision does to them."""
    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, nn.BatchNorm2d):
                assert module.running_mean is not None
                assert module.running_var is not None
                for tensor, centre in (
                    (module.weight, 1.0), (module.running_var, 1.0), (module.bias, 0.0), (module.running_mean, 0.0),
                ):  # fmt: skip
                    tensor.uniform_(centre - 0.1, centre + 0.1)
        for parameter in network.parameters():
            parameter.copy_(parameter.half())


def card_for(name: str, network: Network, classes: int) -> ModelCard:
    return ModelCard(
        network=name, classes=tuple(f"class {i}" for i in range(classes)), colours=((0, 0, 0),) * classes,
        mean=(120.0, 115.0, 100.0), std=(58.0, 57.0, 56.0), output_stride=network.output_stride,
        size_multiple=network.size_multiple, align_corners=network.align_corners, native_short_side=1024,
    )  # fmt: skip


def rounded_up(size: int, stride: int) -> int:
    return -(-size // stride)


# One export a network, for all that runs it.


# To export takes several seconds, so that only one is in the fast lane.
EXPORTED = [pytest.param(name, marks=[] if name == FAST[-1] else [pytest.mark.slow]) for name in MODELS]


@pytest.fixture(scope="module", params=EXPORTED)
def exported(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Network, Path]]:
    """A network of 3 classes, its weights saved, opened again and exported, which compares the two."""
    torch.manual_seed(0)
    network = build(request.param, 3)
    settle(network)
    path = tmp_path_factory.mktemp("network") / "network.safetensors"
    save_weights(path, network.state_dict(), card_for(request.param, network, 3))
    with pytest.MonkeyPatch.context() as patch:
        if network.size_multiple >= 32:
            patch.setattr(verify, "SIZES", SMALL_SIZES)
        export(path)
    yield network.eval(), path
    for file in path.parent.iterdir():
        file.unlink()


def test_save_and_load(exported: tuple[Network, Path]) -> None:
    network, path = exported
    loaded, card = open_weights(path)
    assert (card.output_stride, card.size_multiple) == (network.output_stride, network.size_multiple)
    theirs = loaded.state_dict()
    for key, tensor in network.state_dict().items():
        assert torch.equal(theirs[key], tensor), key


def test_the_graph_is_written_for_speed(exported: tuple[Network, Path]) -> None:
    """What export/rewrites.py writes differently is nowhere left."""
    graph = onnx.load(exported[1].with_suffix(".onnx")).graph
    maker = {value: node.op_type for node in graph.node for value in node.output}
    dims = {tensor.name.removesuffix(".half"): tensor.dims for tensor in graph.initializer}
    for node in graph.node:
        if node.op_type == "Concat":
            assert "Resize" not in [maker.get(value) for value in node.input]
        if node.op_type == "Conv":
            groups = next((attribute.i for attribute in node.attribute if attribute.name == "group"), 1)
            assert groups in (1, dims[node.input[1]][0])


@pytest.mark.parametrize("scale", [1.0, 0.75, 0.5])
def test_frames_of_any_size(exported: tuple[Network, Path], scale: float) -> None:
    """The class map is that of the logits, interpolated as the paper does, at every pixel of the frame."""
    _, path = exported
    opened = Segmenter.open(path.with_suffix(".onnx"), engine="onnxruntime", threads=1)

    def centred(frame: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Random networks prefer one class everywhere: with that taken away there are borders between classes."""
        logits = opened.engine(frame)
        return logits - logits.mean((0, 1))

    segmenter = Segmenter(dataclasses.replace(opened.card, operating_scale=scale), cast(Engine, centred))
    several = []
    for size in ((1, 1), (61, 97), (190, 67)):
        blocks = np.random.default_rng(0).integers(0, 256, (20, 20, 3), np.uint8)
        frame = blocks.repeat(16, axis=0).repeat(16, axis=1)[: size[0], : size[1]]
        classes = segmenter(frame).classmap
        assert classes.shape == size
        several.append(len(np.unique(classes)))
        values = interpolated(segmenter, frame)
        chosen = np.take_along_axis(values, classes[..., None].astype(int), axis=2)[..., 0]
        assert (values.max(axis=2) - chosen <= 1e-5 * np.abs(values).max()).all()
    assert max(several) > 1


def interpolated(segmenter: Segmenter, frame: NDArray[np.uint8]) -> NDArray[np.float64]:
    """The logits at every pixel of the frame, H x W x C, the plain way."""
    logits = segmenter.logits(frame).astype(np.float64)
    prepared = segmenter.prepare(frame)
    content, padded = prepared.content_size, prepared.padded_size
    matrices = []
    for pixels, inside, whole, n in zip(frame.shape[:2], content, padded, logits.shape[:2], strict=True):
        at = (np.arange(pixels) + 0.5) * inside / pixels - 0.5
        at = at * (n - 1) / (whole - 1) if segmenter.card.align_corners else (at + 0.5) * n / whole - 0.5
        matrices.append(np.stack([np.interp(at, np.arange(n), weight) for weight in np.eye(n)]))
    values: NDArray[np.float64] = np.einsum("hy,hwc,wx->yxc", matrices[0], logits, matrices[1])
    return values


# What `forward` returns and refuses.


@pytest.mark.parametrize("name", NETWORKS)
def test_outputs(name: str) -> None:
    """Any number of classes and channels; auxiliary heads whatever the mode where asked for, else none."""
    for aux in (False, True):
        network = build(name, 5, aux=aux, in_channels=2)
        multiple = network.size_multiple
        height, width = (multiple * rounded_up(size, multiple) for size in (64, 128))
        strides = AUX[family(name)] if aux else {}
        for training, batch in ((True, 2), (False, 1)):
            with torch.no_grad():
                outputs = network.train(training)(torch.randn(batch, 2, height, width))
            h, w = rounded_up(height, network.output_stride), rounded_up(width, network.output_stride)
            assert outputs.logits.shape == (batch, 5, h, w)
            assert outputs.logits.isfinite().all()
            assert {head: (*logits.shape[:1], *logits.shape[2:]) for head, logits in outputs.aux.items()} == {
                head: (batch, height // stride, width // stride) for head, stride in strides.items()
            }
            assert {head: logits.shape[1] for head, logits in outputs.aux.items()} == {
                head: 1 if head.startswith("detail") else 5 for head in strides
            }


@pytest.mark.parametrize("name", NETWORKS)
def test_other_sizes_and_single_images(name: str) -> None:
    network = build(name, 2).eval()
    multiple = network.size_multiple
    for height, width in ((2 * multiple + 1, multiple), (multiple, 3 * multiple // 2)):
        refused(network, (2, 3, height, width), f"multiples of {multiple}, got {height} x {width}")
    image = (1, 3, multiple, 2 * multiple)
    with torch.no_grad():
        assert network(torch.randn(image)).logits.isfinite().all()
        network.train()
        if family(name) in POOLED:
            refused(network, image, "batches of 2 images or more, got 1")
        else:
            assert network(torch.randn(image)).logits.isfinite().all()
            encoder = cast(Any, network).encoder
            if encoder.output_stride * 2 ** len(encoder.skip_widths) == multiple:
                refused(network, (1, 3, multiple, multiple), "1 x 1 map")


def refused(network: Network, shape: tuple[int, ...], message: str) -> None:
    with pytest.raises(NetworkError, match=message) as caught:
        network(torch.randn(shape))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "classes", "arguments", "message"),
    [
        ("stdc1", 0, {}, "stdc1 takes 1 class or more, got 0"),
        ("stdc1", "19", {}, "takes 1 class or more, got '19'"),
        ("stdc1", True, {}, "got True"),
        ("stdc1", 2, {"aux": True, "detail": ("8",)}, "no detail head at stride '8'; choose of 2, 4, 8, 16"),
        ("ddrnet_23_slim", 2, {"context": "psp"}, "no context 'psp'; choose of dappm, ppm, none"),
        ("ddrnet_23_slim", 2, {"in_channels": -1}, "cannot be built with in_channels -1: "),
        ("fassd_net", 2, {"in_channels": float("inf")}, "cannot be built with in_channels inf: "),
    ],
)
def test_what_a_network_cannot_be_built_with(name: str, classes: Any, arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(NetworkError, match=message) as caught:
        build(name, classes, **arguments)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", NETWORKS)
def test_another_number_of_classes_changes_the_heads_alone(name: str) -> None:
    with torch.device("meta"):
        one, other = (build(name, classes, aux=True).state_dict() for classes in (2, 5))
    assert one.keys() == other.keys()
    changed = {key for key in one if one[key].shape != other[key].shape}
    assert changed
    assert all(key.startswith(("head.", "aux_head", "boosters.")) for key in changed)
    assert {one[key].shape[0] for key in changed} == {2}


# What PyTorch's compilers make of it.


@pytest.mark.slow
@pytest.mark.parametrize("name", MODELS)
def test_compiles_without_a_break_and_exports(name: str) -> None:
    """Each compiles. The smallest of a family exports with its auxiliary heads; without, all are exported above."""
    network, image, expected = small(name)
    runs = [torch.compile(network, fullgraph=True, backend="eager")]
    if name in SMALLEST:
        runs.append(torch.export.export(network, (image,)).module())
    for run in runs:
        with torch.no_grad():
            outputs = run(image)
        torch.testing.assert_close(outputs.logits, expected.logits)
        torch.testing.assert_close(outputs.aux, expected.aux)
    torch._dynamo.reset()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning")  # of its own, when it starts
@pytest.mark.parametrize("name", [name for name in SMALLEST if not name.startswith("fc_hardnet")])
def test_the_real_compiler(name: str) -> None:
    """It takes a minute for HarDNet's blocks, which FASSD-Net-L2 has, too."""
    network, image, expected = small(name)
    with torch.no_grad():
        outputs = torch.compile(network, fullgraph=True)(image)
    torch.testing.assert_close(outputs.logits, expected.logits, rtol=1e-3, atol=1e-4)
    torch._dynamo.reset()


def small(name: str) -> tuple[Network, Tensor, Any]:
    """A network, the smallest image that leaves more than one pixel of its deepest map, and what it makes of it."""
    torch.manual_seed(0)
    network = build(name, 2, aux=True).eval()
    image = torch.randn(1, 3, network.size_multiple, 2 * network.size_multiple)
    with torch.no_grad():
        return network, image, network(image)


# The papers' ablations.

# Where the code bases part, and detail heads, of which the STDC paper's ablation gives no table of sizes.
FURTHER: list[tuple[str, dict[str, Any]]] = [
    ("bisenetv2", {"interpolation": "bilinear", "aggregation_bias": True}),
    ("bisenetv2", {"context": False, "boosters": ("stage3",)}),
    ("stdc1", {"head_bias": True}),
    *(("stdc1", {"detail": detail}) for detail in ((), (2,), (2, 4), (2, 4, 8), (16,))),
]
ROWS = {
    f"{name} {arguments}": (name, arguments)
    for name, arguments in [
        *((s.network, dict(s.arguments)) for table in read_tables().values() for s in table.subjects if s),
        *FURTHER,
    ]
    if name in MODELS
}


@pytest.mark.slow
@pytest.mark.parametrize(("name", "arguments"), ROWS.values(), ids=ROWS)
def test_every_row_of_the_papers_tables_trains_and_exports(
    name: str, arguments: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.manual_seed(0)
    narrow: dict[str, Any] = {}
    if name == "bisenetv2":  # half as wide, unless that is what the row is about: nothing here depends on it
        narrow = {"head_width": 16, "width": arguments.get("width", 0.5)}
    network = build(name, 3, aux=True, **arguments | narrow)
    multiple = network.size_multiple
    height, width = (multiple * rounded_up(size, multiple) for size in (48, 96))
    outputs = network.train()(torch.randn(2, 3, height, width))
    assert all(aux.requires_grad for aux in outputs.aux.values())
    sum((logits.square().mean() for logits in (outputs.logits, *outputs.aux.values())), torch.tensor(0.0)).backward()
    check_gradients(network)

    if arguments and arguments.keys() <= OF_TRAINING:  # what is exported is the network itself, which is exported above
        network, itself = build(name, 3, **arguments).eval(), build(name, 3).eval()
        itself.load_state_dict(network.state_dict())
        image = torch.randn(1, 3, height, width)
        with torch.no_grad():
            assert torch.equal(network(image).logits, itself(image).logits)
    elif arguments:
        # Half precision would hide small faults of the graph.
        monkeypatch.setattr(graph, "SMALLEST_HALVED", float("inf"))
        network = build(name, 3, **arguments | narrow).eval()
        card = card_for(name, network, 3)
        path = tmp_path / "row.onnx"
        path.write_bytes(to_onnx(network, card).SerializeToString())
        engine = open_engine(path, card, EngineOptions("onnxruntime", threads=1))
        sizes = [(rows * multiple, columns * multiple) for rows, columns in SMALL_SIZES] if multiple >= 32 else None
        expected = partial(logits_of_frame, network, card)
        assert largest_difference(engine, expected, card, sizes=sizes) <= 2e-4


@pytest.mark.slow
@pytest.mark.parametrize("name", CLASSIFIERS)
def test_every_classifier_trains_compiles_and_exports(name: str) -> None:
    torch.manual_seed(0)
    network = CLASSIFIERS[name](7, in_channels=2)
    images = torch.randn(2, 2, 64, 64)
    outputs = network(images)
    assert outputs.aux == {}
    assert outputs.logits.shape == (2, 7)
    nn.functional.cross_entropy(outputs.logits, torch.tensor([1, 3])).backward()
    check_gradients(network)

    network.eval()
    with torch.no_grad():
        expected = network(images).logits
        torch.testing.assert_close(torch.compile(network, fullgraph=True, backend="eager")(images).logits, expected)
        torch.testing.assert_close(torch.export.export(network, (images,)).module()(images).logits, expected)
    torch._dynamo.reset()


# A norm follows these, with nothing or a bare convolution between, and takes away again what they add.
TAKEN_AWAY = ("trunk.stem.0.bias", "trunk.stem.3.bias", "semantic.context.norm.bias")


def check_gradients(network: nn.Module) -> None:
    """Finite and not zero, of every parameter."""
    for name, parameter in network.named_parameters():
        if name not in TAKEN_AWAY:
            assert parameter.grad is not None, name
            assert parameter.grad.isfinite().all(), name
            assert parameter.grad.any(), name
