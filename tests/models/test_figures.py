"""Counted sizes agree with the papers, but for the rows that say why not."""

from __future__ import annotations

from pathlib import Path

import pytest

from streetseg.models.figures import PAPERS, count, table
from streetseg.models.table import MODELS


def test_every_network_has_its_row() -> None:
    assert PAPERS.keys() == MODELS.keys()


@pytest.mark.parametrize("name", PAPERS)
def test_agrees_with_the_paper_or_says_why(name: str) -> None:
    paper, ours = PAPERS[name], count(name)
    assert ours.training_parameters >= ours.parameters
    if paper.parameters is not None:
        assert ours.parameters == pytest.approx(paper.parameters, abs=0.07)
    if paper.gmacs is not None and not paper.remark:
        assert ours.gmacs == pytest.approx(paper.gmacs, rel=2e-3)
    elif paper.gmacs is not None and "head" not in paper.remark:
        assert paper.gmacs * 0.97 < ours.gmacs < paper.gmacs


def test_the_docs_show_the_table_as_it_is_printed() -> None:
    assert table() in (Path(__file__).parents[2] / "docs" / "networks.md").read_text()
