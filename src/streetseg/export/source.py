"""What is exported: unfolded weights, an artefact, or weights by name, opened as far as a target needs it."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Callable, Iterator
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from streetseg.errors import ArtefactError, MissingExtraError
from streetseg.runtime.artefact import CHECKPOINT_SUFFIXES, convert_first, read_card
from streetseg.runtime.card import ModelCard
from streetseg.runtime.engines.opening import open_engine
from streetseg.runtime.engines.options import EngineOptions
from streetseg.runtime.shelf.shelf import find_weights

if TYPE_CHECKING:
    from streetseg.models.outputs import Network

Run = Callable[[NDArray[np.uint8]], NDArray[np.float32]]


class Source:
    """Weights to export. `open_source` makes one; each part is made when it is first asked for.

    Attributes:
        given: What the user gave: a path, or a name of weights.
        path: The file, NAME.safetensors or NAME.onnx.
        card: Its card, with the figures that the user gave for the export.
        trained: True for unfolded weights, False for an artefact.
    """

    def __init__(self, given: str | Path, path: Path, card: ModelCard, room: Path) -> None:
        self.given, self.path, self.card, self.room = given, path, card, room
        self.trained = path.suffix == ".safetensors"

    @cached_property
    def artefact(self) -> Path:
        """The artefact, NAME.onnx.

        From an artefact or a name it is that file as it is, and PyTorch is not imported. Unfolded weights are exported
        to a temporary file first, which takes seconds and PyTorch; it lasts as long as the export.
        """
        if not self.trained:
            return self.path
        network = self.network
        from streetseg.export.onnx import write_onnx

        path = self.room / f"{self.path.stem}.onnx"
        write_onnx(network, self.card, path)
        return path

    @cached_property
    def network(self) -> Network:
        """The PyTorch network, in evaluation mode, without auxiliary heads; MissingExtraError without PyTorch.

        Of unfolded weights it is the trained network. Of an artefact it is built by the card's network name and filled
        with the artefact's tensors. These were rounded to half precision when the artefact was written, and norms are
        folded into the convolutions before them (`nn.Identity` stands in their place): in evaluation mode that is the
        artefact's function. Where the graph holds the tensors in another form (FASSD-Net, BiSeNetV2), the network is
        exported once more to find them: about ten seconds. An int8 artefact has no such network: ArtefactError.
        """
        need_torch(f"streetseg export {self.given}" if self.trained else f"the network of {self.given}")
        if self.trained:
            from streetseg.models.weights import open_weights

            return open_weights(self.path)[0]
        from streetseg.export.rebuild import rebuild_network

        return rebuild_network(self.path, self.card)

    @cached_property
    def reference(self) -> Run:
        """The function to compare an export with: frame, H x W x 3 uint8 RGB -> logits, h x w x C float32.

        H and W are multiples of the card's size_multiple. Of unfolded weights the network in PyTorch computes them, of
        an artefact OpenVINO in float32.
        """
        if not self.trained:
            # On frames this small, several threads only wait for each other.
            return open_engine(self.path, self.card, EngineOptions("openvino", threads=1, precision="float32"))
        network = self.network
        from streetseg.export.onnx import logits_of_frame

        return lambda frame: logits_of_frame(network, self.card, frame)


@contextlib.contextmanager
def open_source(given: str | Path) -> Iterator[Source]:
    """Open weights for an export, and remove what was made of them when the block ends.

    Args:
        given: NAME.safetensors, NAME.onnx, or a name of weights.

    Raises:
        ArtefactError: The file is damaged, has no card, or is of another kind.
        UsageError: There is no such name.
    """
    path = find_weights(given)
    if path.suffix in CHECKPOINT_SUFFIXES:
        raise ArtefactError(f"{path} is not a weights file of streetseg; {convert_first(path)}")
    if path.suffix not in (".safetensors", ".onnx"):
        raise ArtefactError(f"{path} cannot be exported; give NAME.safetensors, NAME.onnx or a name of weights")
    card = read_card(path)
    with tempfile.TemporaryDirectory(prefix="streetseg-") as room:
        yield Source(given, path, card, Path(room))


def need_torch(purpose: str) -> None:
    """Raise MissingExtraError if PyTorch is not installed."""
    if find_spec("torch") is None:
        raise MissingExtraError("PyTorch", purpose, "train")
