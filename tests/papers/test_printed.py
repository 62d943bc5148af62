"""What the papers print: every table is there, and every fact is read."""

from __future__ import annotations

import pytest

from streetseg.cli import main
from streetseg.papers.printed import PaperTable, read_tables, table_named

TABLES = read_tables()
WANTED = {
    "ddrnet": ["III", "V", "VI", "VII", "VIII", "IX", "X", "fig1"],
    "fassd_net": ["I", "III", "IV", "fig1"],
    "bisenetv2": ["2", "3", "4", "5", "6", "7", "8", "9", "fig1"],
    "stdc": ["operating-points", "fig1"],
}


def test_every_table_is_there() -> None:
    assert set(TABLES) == {f"{paper}-{key}" for paper, keys in WANTED.items() for key in keys}


@pytest.mark.parametrize("table", [table for table in TABLES.values() if not table.axes], ids=lambda table: table.name)
def test_no_fact_has_a_name_that_nobody_reads(table: PaperTable) -> None:
    assert all(row.figures.keys() <= table.columns.keys() for row in table.rows)
    assert ("fps" in table.columns) == (table.reference_row is not None)
    assert (table.reference is None) == (table.reference_row is None)


def test_names(capsys: pytest.CaptureFixture[str]) -> None:
    assert table_named("DDRNET-v").name == "ddrnet-V"
    assert main(["tables", "ddrnet-XI"]) == 2
    assert "no table 'ddrnet-XI'; there are bisenetv2-2, " in capsys.readouterr().err
    assert main(["tables"]) == 0
    assert [line.split(":")[0] for line in capsys.readouterr().out.splitlines()] == list(TABLES)
