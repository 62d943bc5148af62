"""A card that is appended to a file in an archive: read without a library, and damage is noticed."""

from __future__ import annotations

import dataclasses
import io
import sys
import zipfile
from pathlib import Path

import pytest

from streetseg.errors import ArtefactError, MissingExtraError
from streetseg.runtime.appended import content_hash_of, model_of, with_archive
from streetseg.runtime.artefact import read_card
from streetseg.runtime.segmenter import Segmenter
from tests.support.cards import CARD, one_line

MODEL = bytes(range(256)) * 4
OURS = dataclasses.replace(CARD, content_hash=content_hash_of(MODEL))
CONTENT = with_archive(MODEL, OURS)


@pytest.mark.parametrize("suffix", [".tflite", ".pte"])
def test_a_file_keeps_its_card_and_its_beginning(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"a{suffix}"
    path.write_bytes(CONTENT)
    assert CONTENT.startswith(MODEL)
    assert model_of(CONTENT, path) == MODEL
    assert read_card(path) == OURS
    with zipfile.ZipFile(io.BytesIO(CONTENT)) as archive:
        assert archive.read("labels.txt").decode().split("\n") == [*CARD.classes, ""]
    assert with_archive(MODEL, OURS) == CONTENT


def test_damage_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "a.tflite"
    flipped = bytearray(CONTENT)
    flipped[100] ^= 1
    for content in (MODEL, CONTENT[:-1], CONTENT[: len(MODEL) + 9], bytes(flipped), b"PK\3\4", zipped(b"not a card")):
        path.write_bytes(content)
        with pytest.raises(ArtefactError) as caught:
            read_card(path)
        one_line(caught.value, path)
    path.write_bytes(MODEL)
    with pytest.raises(ArtefactError, match="make one with: streetseg export --to litert"):
        read_card(path)


def zipped(card: bytes) -> bytes:
    buffer = io.BytesIO(MODEL)
    with zipfile.ZipFile(buffer, "a") as archive:
        archive.writestr("card.json", card)
    return buffer.getvalue()


def test_what_is_missing_to_run_it_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ai_edge_litert", None)
    monkeypatch.setitem(sys.modules, "ai_edge_litert.interpreter", None)
    sys.modules.pop("streetseg.runtime.engines.litert", None)
    (tmp_path / "a.tflite").write_bytes(CONTENT)
    with pytest.raises(MissingExtraError, match=r"needs ai-edge-litert, .*streetseg\[litert-runtime\]"):
        Segmenter.open(tmp_path / "a.tflite")
