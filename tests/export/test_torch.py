"""The torch.export program is the same function as the ONNX artefact, carries its card, and opens without risk."""

from __future__ import annotations

import pickle
import subprocess
import sys
import zipfile
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest

from streetseg.errors import ArtefactError, EngineError
from streetseg.export import verify
from streetseg.export.targets import export
from streetseg.models.outputs import Network
from streetseg.models.weights import save_weights
from streetseg.runtime.artefact import PROGRAM_CARD, program_content_hash, read_card
from streetseg.runtime.card import ModelCard
from streetseg.runtime.segmenter import DEFAULT_WEIGHTS, Segmenter
from streetseg.streets.scene import render

Untrained = Callable[[str], tuple[Network, ModelCard]]
WEIGHTS = Path(__file__).parents[2] / "weights" / "ddrnet_23_slim_camvid_pretrained_restart.safetensors"

pytestmark = pytest.mark.slow  # to make a program takes several seconds


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The program of the weights whose ONNX artefact ships."""
    out = tmp_path_factory.mktemp("program") / "street.pt2"
    exported = export(WEIGHTS, target="torch", out=out)
    assert exported.difference is not None
    assert 0 < exported.difference <= 2e-2
    assert exported.card == read_card(out)
    return out


def rewritten(program: Path, out: Path, changes: dict[str, bytes]) -> Path:
    """A copy with some files of the archive replaced or added, and a card whose hash fits it."""
    with zipfile.ZipFile(program) as archive:
        top = archive.namelist()[0].partition("/")[0]
        files = {name.partition("/")[2]: archive.read(name) for name in archive.namelist()} | changes
    card = ModelCard.from_json(files.pop(PROGRAM_CARD).decode(), "card")

    def packed(files: dict[str, bytes]) -> bytes:
        buffer = BytesIO()
        with zipfile.ZipFile(buffer, "w") as archive:
            for name, content in files.items():
                archive.writestr(f"{top}/{name}", content)
        return buffer.getvalue()

    text = card.to_json().replace(card.content_hash, program_content_hash(packed(files), out))
    out.write_bytes(packed(files | {PROGRAM_CARD: text.encode()}))
    return out


def test_the_hash_stays_that_of_earlier_versions(program: Path) -> None:
    """The program's file holds where its module is defined; elsewhere, the same weights get another content hash."""
    with zipfile.ZipFile(program) as archive:
        (graph,) = [archive.read(name) for name in archive.namelist() if name.endswith("models/model.json")]
    assert b"streetseg.export.onnx.FrameToLogits" in graph


@pytest.fixture(scope="module")
def ours(program: Path) -> Segmenter:
    return Segmenter.open(program, threads=1)


def test_engines_agree(ours: Segmenter) -> None:
    others = [Segmenter.open(DEFAULT_WEIGHTS, engine=name, precision="float32") for name in ("openvino", "onnxruntime")]
    for size in ((8, 8), (61, 97), (120, 160)):
        frame = render(0, (128, 160)).frame[: size[0], : size[1]].copy()
        logits = ours.logits(frame)
        for other in others:
            # All hold the same rounded weights, so only the order of float32 sums differs.
            theirs = other.logits(frame)
            np.testing.assert_allclose(logits, theirs, rtol=0, atol=1e-4 * np.abs(theirs).max())


@pytest.mark.parametrize("name", ["bisenetv2", "fassd_net_l2", "stdc1"])
def test_other_families_are_the_same_as_their_graphs(
    name: str, untrained: Untrained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    network, card = untrained(name)
    if network.size_multiple >= 32:  # else the export compares them on millions of pixels
        monkeypatch.setattr(verify, "SIZES", ((3, 3), (2, 5), (5, 2)))
    save_weights(tmp_path / "a.safetensors", network.state_dict(), card)
    frame = render(0, (128, 160)).frame[:97, :130].copy()
    logits = []
    for target in ("onnx", "torch"):
        out = export(tmp_path / "a.safetensors", target=target).path
        logits.append(Segmenter.open(out, threads=1, precision="float32").logits(frame))
    onnx, program = logits
    np.testing.assert_allclose(program, onnx, rtol=0, atol=1e-4 * np.abs(onnx).max())


def test_bfloat16_is_close(program: Path, ours: Segmenter) -> None:
    frame = render(0, (128, 160)).frame
    half = Segmenter.open(program, threads=1, precision="bfloat16")
    assert (ours.engine.precision, half.engine.precision) == ("float32", "bfloat16")
    logits = half.logits(frame)
    assert logits.dtype == np.float32
    assert 0 < np.abs(logits - ours.logits(frame)).max() < 0.5 * logits.std()


def test_the_program_is_bare_and_needs_no_networks_code(program: Path) -> None:
    content = program.read_bytes()
    assert not [place for place in (str(Path.cwd()), ".py", "site-packages") if place.encode() in content]
    code = (
        "import sys, numpy as np; from streetseg import Segmenter; s = Segmenter.open(sys.argv[1], threads=1);"
        "s(np.zeros((9, 9, 3), np.uint8)); print([m for m in sys.modules if m.startswith('streetseg.models')])"
    )
    done = subprocess.run([sys.executable, "-c", code, program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_damage_is_told(program: Path, tmp_path: Path) -> None:
    content = bytearray(program.read_bytes())
    path = tmp_path / "bad.pt2"
    for spoilt in (content[: len(content) // 2], b"PK\3\4", bytes(1000)):
        path.write_bytes(spoilt)
        with pytest.raises(ArtefactError, match="not a weights file of streetseg, or is damaged"):
            read_card(path)
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(ArtefactError, match="damaged"):
        read_card(path)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/models/model.json", "{}")
    with pytest.raises(ArtefactError, match="without a card"):
        read_card(path)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/bomb", bytes(10_000_000))
    with pytest.raises(ArtefactError, match="not a weights file"):
        read_card(path)


class Hostile:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, ...]:
        return Path.touch, (self.path,)


def test_a_program_runs_no_code_when_it_is_opened(program: Path, tmp_path: Path) -> None:
    """Objects are hidden where torch.export.load would unpickle them: in place of the example, and as a constant."""
    bait = pickle.dumps(Hostile(tmp_path / "owned"))
    for number, name in enumerate(("data/sample_inputs/model.pt", "data/constants/opaque_obj_0")):
        path = rewritten(program, tmp_path / f"{number}.pt2", {name: bait})
        with pytest.raises(ArtefactError, match=r"cannot be read by PyTorch|objects other than tensors") as caught:
            Segmenter.open(path)
        assert "\n" not in str(caught.value)
    assert not (tmp_path / "owned").exists()


def test_an_artefact_and_an_engine_that_do_not_fit(program: Path) -> None:
    with pytest.raises(EngineError, match=r"torch runs NAME\.pt2, not .*choose --engine openvino or onnxruntime"):
        Segmenter.open(DEFAULT_WEIGHTS, engine="torch")
    with pytest.raises(EngineError, match=r"openvino runs NAME\.onnx or NAME\.xml, not .*choose --engine torch"):
        Segmenter.open(program, engine="openvino")
    with pytest.raises(EngineError, match=r"torch computes in .*, not in float16"):
        Segmenter.open(program, precision="float16")
    with pytest.raises(EngineError, match="unknown engine 'tensorrt'"):
        Segmenter.open(program, engine="tensorrt")
