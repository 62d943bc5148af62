"""Counted sizes agree with the papers, or the row says why not; docs/networks.md has them."""

from __future__ import annotations

import pytest

from streetseg.cli import main
from streetseg.models.networks import CLASSIFIERS, MODELS
from streetseg.papers.sizes import size_tables
from tests.support.paths import ROOT

AGREES = 1.0  # per cent of the paper's figure; beyond, the row gives the reason
# No table of a paper gives their sizes.
UNSIZED = {"stdc1_classifier", "stdc2_classifier", "fc_hardnet_70_classifier"}


@pytest.mark.slow
def test_the_papers_sizes(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "--table"]) == 0
    printed = capsys.readouterr().out
    assert printed.strip() in (ROOT / "docs" / "networks.md").read_text()

    rows = [line.split(" | ") for line in printed.splitlines() if "`" in line]
    assert len(rows) == sum(subject is not None for table in size_tables() for subject in table.subjects)
    assert {row[1].split("`")[1] for row in rows} == (MODELS | CLASSIFIERS).keys() - UNSIZED
    for row in rows:
        in_percent = [float(cell.strip(" %")) for cell in (row[5], row[9]) if "%" in cell]
        assert all(abs(part) <= AGREES for part in in_percent) or row[10].strip(" |"), row
        assert float(row[3]) >= float(row[2])
