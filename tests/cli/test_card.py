"""streetseg card: data, terms and ancestors of weights, from a file or a name."""

from __future__ import annotations

import json
from pathlib import Path

from streetseg.runtime.artefact import read_card
from streetseg.runtime.segmenter import DEFAULT_WEIGHTS
from tests.support.command_line import Run, refusal


def test_a_card_is_printed(run: Run) -> None:
    card = read_card(DEFAULT_WEIGHTS)
    code, lines, errors = run("card", "ddrnet_23_slim-camvid")
    assert (code, errors) == (0, [])
    words = " ".join(" ".join(lines).split())
    for text in (card.terms, card.training_data, *card.limits, *card.classes, card.content_hash):
        assert text in words
    code, lines, errors = run("card", DEFAULT_WEIGHTS, "--json")
    assert (code, errors) == (0, [])
    assert json.loads("\n".join(lines)) == json.loads(card.to_json())


def test_what_has_no_card_is_refused(run: Run, tmp_path: Path) -> None:
    assert "does not exist" in refusal(run("card", tmp_path / "gone.onnx"))
    (tmp_path / "a.png").write_bytes(b"a")
    assert "is not a weights file of streetseg" in refusal(run("card", tmp_path / "a.png"))
