"""FC-HarDNet: the harmonic dense block, the classifier; its cost is checked in test_fassdnet.py."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from streetseg.errors import NetworkError
from streetseg.models.hardnet import (
    HarDBlock,
    fc_hardnet_70,
    fc_hardnet_70_classifier,
    harmonic_links,
)


@pytest.mark.parametrize(("layer", "links"), [(1, [0]), (4, [3, 2, 0]), (6, [5, 4]), (8, [7, 6, 4, 0])])
def test_links(layer: int, links: list[int]) -> None:
    assert harmonic_links(layer) == links


def test_the_block_is_its_links_and_convolutions() -> None:
    """The same function without concatenation: each convolution is the sum of one convolution a link."""
    torch.manual_seed(0)
    block = HarDBlock(5, growth=4, layers=8).double().eval()
    x = torch.randn(1, 5, 6, 7, dtype=torch.float64)

    features = [x]
    for links, layer in zip(block.links, block.layers, strict=True):
        assert isinstance(layer, nn.Sequential)
        conv, norm, relu = layer
        assert isinstance(conv, nn.Conv2d)
        weights = torch.split(conv.weight, [features[j].shape[1] for j in links], dim=1)
        parts = [nn.functional.conv2d(features[j], w, padding=1) for j, w in zip(links, weights, strict=True)]
        features.append(relu(norm(torch.stack(parts).sum(0))))
    expected = torch.cat([features[i] for i in (1, 3, 5, 7, 8)], 1)

    torch.testing.assert_close(block(x), expected)
    assert block.width == expected.shape[1]


@pytest.mark.parametrize("size", [(64, 64), (224, 224), (100, 131)])
def test_the_classifier(size: tuple[int, int]) -> None:
    net = fc_hardnet_70_classifier(11, in_channels=1).eval()
    with torch.inference_mode():
        outputs = net(torch.randn(2, 1, *size))
    assert outputs.logits.shape == (2, 11)
    assert outputs.aux == {}


def test_the_classifier_refuses_small_images() -> None:
    with pytest.raises(NetworkError, match=r"from 64 up, got 63 x 224"):
        fc_hardnet_70_classifier()(torch.zeros(2, 3, 63, 224))


def test_the_classifier_holds_the_encoder() -> None:
    def encoder(net: nn.Module) -> dict[str, Tensor]:
        return {key: tensor for key, tensor in net.state_dict().items() if key.startswith("encoder.")}

    pretrained = encoder(fc_hardnet_70_classifier())
    network = fc_hardnet_70(4)
    assert pretrained.keys() == encoder(network).keys()
    assert not network.load_state_dict(pretrained, strict=False).unexpected_keys
