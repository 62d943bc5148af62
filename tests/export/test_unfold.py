"""The package's artefact can be trained on: with its norms back it is the same network."""

from __future__ import annotations

from pathlib import Path

import onnxruntime
import pytest
import torch
from torch import Tensor, nn

from streetseg.errors import ArtefactError, TrainingError
from streetseg.export.unfold import unfold, write_norms
from streetseg.models.networks import build
from streetseg.models.weights import open_weights
from streetseg.runtime.artefact import read_card
from streetseg.runtime.shelf import shelf
from streetseg.training.initial import unfolded_weights

NAME = "ddrnet_23_slim-camvid"


def logits(network: nn.Module, frames: Tensor) -> Tensor:
    card = read_card(shelf.PACKAGED / shelf.known_weights()[NAME].file)
    x = (frames.permute(0, 3, 1, 2).float() - torch.tensor(card.mean).view(3, 1, 1)) / torch.tensor(card.std).view(
        3, 1, 1
    )
    with torch.inference_mode():
        result: Tensor = network(x).logits
    return result


def test_a_name_starts_the_artefact_s_own_function(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As after pip install: without a checkout's unfolded weights. The difference is in deviations of the logits."""
    true = shelf.known_weights()[NAME].unfolded()
    monkeypatch.setattr(shelf, "CHECKOUT", tmp_path / "none")
    monkeypatch.setenv("STREETSEG_CACHE", str(tmp_path / "cache"))
    path = Path(unfolded_weights(NAME))
    assert path.parent.parent == tmp_path / "cache"
    made = path.stat().st_mtime_ns
    assert unfolded_weights(NAME) == str(path)
    assert path.stat().st_mtime_ns == made  # made once

    artefact = shelf.PACKAGED / shelf.known_weights()[NAME].file
    network, card = open_weights(path)
    assert card.training_data == read_card(artefact).training_data
    frames = torch.randint(0, 256, (3, 128, 192, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    ours = logits(network, frames)
    theirs = torch.tensor(onnxruntime.InferenceSession(artefact).run(None, {"frame": frames.numpy()})[0])
    assert (ours - theirs.permute(0, 3, 1, 2)).abs().max() < 1e-4 * theirs.std()

    # In training, when norms take the batch's statistics, it is the network that the artefact was exported from.
    if true is None:
        pytest.skip("the unfolded weights are not in this checkout")
    original = open_weights(true)[0]
    for one in (network, original):
        one.train()
    ours, theirs = logits(network, frames), logits(original, frames)
    assert (ours - theirs).abs().max() < 1e-2 * theirs.std()


def test_what_cannot_be_started_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for given in ("", "no_name", "a.safetensors", str(tmp_path)):
        assert unfolded_weights(given) == given
    with pytest.raises(TrainingError, match=f"cannot be trained on here: they are int8; there are: .*{NAME}"):
        unfolded_weights(f"{NAME}_int8")
    monkeypatch.setattr(shelf, "CHECKOUT", tmp_path / "none")
    with pytest.raises(TrainingError, match=f"there are: {NAME}; or give NAME.safetensors"):
        unfolded_weights("stdc1-camvid")


def test_norms_of_another_network_are_refused(tmp_path: Path) -> None:
    norms = tmp_path / "other.norms.safetensors"
    write_norms(build("fassd_net_l2", 3), norms)
    with pytest.raises(ArtefactError, match="does not belong to"):
        unfold(shelf.PACKAGED / shelf.known_weights()[NAME].file, norms, tmp_path / "x.safetensors")
    assert not (tmp_path / "x.safetensors").exists()
