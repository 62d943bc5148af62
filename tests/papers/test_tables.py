"""The papers' tables: their facts, what stands beside them, and what stays empty."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from streetseg.cli import main
from streetseg.errors import UsageError
from streetseg.models.counting import network_cost
from streetseg.papers.printed import PaperRow, PaperTable, read_tables
from streetseg.papers.sizes import PaperSizes, count_sizes, size_tables
from streetseg.papers.tables import Measurements, compare_table, paper_tables, save_tables
from tests.support.figures import overlapping

pytestmark = pytest.mark.slow

TABLES = read_tables()
FIGURES = [name for name, table in TABLES.items() if table.axes]


@pytest.mark.parametrize("name", TABLES)
def test_every_table_prints_its_facts_and_ours(name: str) -> None:
    table = TABLES[name]
    counts = {subject: (number, 2.5 * number) for number, subject in enumerate(filter(None, table.subjects), 1)}
    compared = compare_table(table, Measurements(counts))
    lines = compared.table().splitlines()[-len(table.rows) :]
    for row, printed, subject, line in zip(compared.rows, table.rows, table.subjects, lines, strict=True):
        assert all(f" {printed.figures[key]} " in line for key in table.columns if key in printed.figures)
        ours = counts[subject] if subject else (None, None)
        assert all(f" {value:.2f} " in line for value in ours if value is not None)
        assert (row.parameters, row.gmacs) == ours
        assert (row.fps, row.miou, row.our_ratio) == (None, None, None)


def test_a_command_counts_what_the_paper_counted(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["tables", "ddrnet-III", "ddrnet-X", "--json"]) == 0
    imagenet, context = (json.loads(line)["rows"] for line in capsys.readouterr().out.splitlines())
    for row in imagenet:
        assert row["ours"]["parameters"] == pytest.approx(row["paper"]["parameters"], abs=0.005)
        assert row["ours"]["gmacs"] == pytest.approx(row["paper"]["gmacs"], rel=0.01)
    assert [round(row["fps_ratio"]["paper"], 3) for row in context] == [1.06, 1.024, 1.0]


def test_ratios_are_of_one_gpu_and_round_by_round() -> None:
    table = TABLES["ddrnet-V"]
    counts = dict.fromkeys(filter(None, table.subjects), (0.0, 0.0))
    subjects = {row.model: row.subject for row in table.rows if row.subject}
    times = {
        subjects["DDRNet-23-slim"]: np.array([10.0, 20.0, 40.0]),
        subjects["DDRNet-23"]: np.array([30.0, 60.0, 200.0]),
        subjects["BiSeNetV2†"]: np.array([5.0, 5.0, 5.0]),
    }
    compared = compare_table(table, Measurements(counts, times))
    rows = {row.printed.model: row for row in compared.rows}
    assert (rows["DDRNet-23"].paper_ratio, rows["DDRNet-23"].our_ratio) == (38.5 / 108.8, 1 / 3)
    assert rows["DDRNet-23"].fps == pytest.approx(1000 / 60)
    assert (rows["DDRNet-39"].paper_ratio, rows["DDRNet-39"].our_ratio) == (22.7 / 108.8, None)
    assert (rows["BiSeNetV2†"].paper_ratio, rows["BiSeNetV2†"].our_ratio) == (None, None)
    assert rows["BiSeNetV2†"].fps == 200
    facts = {row["paper"]["model"]: row for row in json.loads(compared.to_json())["rows"]}
    assert list(facts["DDRNet-23"]) == ["paper", "ours", "fps_ratio"]
    assert facts["DDRNet-23"]["fps_ratio"] == {"paper": 38.5 / 108.8, "ours": 1 / 3}
    assert list(facts["DDRNet-23"]["ours"]) == ["parameters", "gmacs", "fps", "miou"]


def test_the_command_has_a_function() -> None:
    subject = next(subject for subject in TABLES["ddrnet-X"].subjects if subject)
    (compared,) = paper_tables(["DDRNET-x"])
    assert compared.printed == TABLES["ddrnet-X"]
    assert compared.rows[0].parameters == pytest.approx(network_cost(*subject).parameters)
    with pytest.raises(UsageError, match="--weights is for --data DIR"):
        paper_tables(["ddrnet-X"], weights=["x.onnx"])


def test_sizes_are_data_too() -> None:
    table = TABLES["ddrnet-III"]
    sizes = PaperSizes(table, count_sizes(table))
    first = json.loads(sizes.to_json())["rows"][0]
    assert first["paper"] == {"parameters": 7.57, "gmacs": 0.98}
    assert first["parameters"] == pytest.approx(7.57, abs=0.005)
    assert table in size_tables()


@pytest.mark.parametrize("name", FIGURES)
def test_labels_of_a_papers_figure_do_not_overlap(name: str, tmp_path: Path) -> None:
    table = TABLES[name]
    compared = compare_table(table, Measurements(dict.fromkeys(filter(None, table.subjects), (0.0, 0.0))))
    figure = compared.plot()
    assert figure is not None
    (axes,) = figure.axes
    assert [text.get_text() for text in axes.texts] == [row.model.rstrip("†") for row in by_group(table)]
    assert overlapping(axes) == []
    save_tables([compared], tmp_path)
    with Image.open(tmp_path / f"{name}.png") as image:
        assert image.size == (2000, 1400)
    assert {path.name for path in tmp_path.iterdir()} == {f"{name}.{form}" for form in ("md", "json", "svg", "png")}


def test_rings_stand_at_our_ratio() -> None:
    table = TABLES["ddrnet-fig1"]
    subjects = [subject for subject in table.subjects if subject]
    times = dict.fromkeys(subjects, np.array([10.0, 20.0, 40.0]))  # all as fast as the reference
    figure = compare_table(table, Measurements(dict.fromkeys(subjects, (0.0, 0.0)), times)).plot()
    assert figure is not None
    reference = table.reference_row
    assert reference is not None
    rings = figure.axes[0].lines[-1].get_xdata()
    assert np.asarray(rings) == pytest.approx(reference.number("fps"))
    assert figure.legends[0].get_texts()[-1].get_text() == "measured here, DDRNet-23-slim laid on its point"


def by_group(table: PaperTable) -> list[PaperRow]:
    """Return a figure's rows as its legend groups them."""
    return sorted(table.rows, key=lambda row: 2 if row.searched else 0 if row.subject else 1)


@pytest.mark.slow
def test_what_was_measured_is_printed_where_it_cannot_be_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "ddrnet-VI.md").mkdir()
    assert main(["tables", "ddrnet-VI", "--out", str(tmp_path)]) == 2
    output = capsys.readouterr()
    assert "DDRNet-23-slim" in output.out
    assert "ddrnet-VI.md cannot be written" in output.err


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (["--weights", "x.onnx"], "--weights is for --data DIR, on which weights are evaluated; add it"),
        (["--dataset", "camvid"], "--dataset is for --data DIR"),
        (["--threads", "1"], "--threads is for --bench or --data DIR, which run networks; add one of them"),
        (["--weights", "x.onnx", "--bench"], "--weights is for --data DIR"),
    ],
)
def test_options_without_effect_are_refused(
    options: list[str], complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["tables", "ddrnet-VI", *options]) == 2
    output = capsys.readouterr()
    assert output.out == ""
    assert complaint in output.err
