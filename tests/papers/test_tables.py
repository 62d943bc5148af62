"""The papers' tables: their facts, what stands beside them, and what stays empty."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

from streetseg.cli import main
from streetseg.data import camvid, cityscapes
from streetseg.export.graph import with_card
from streetseg.export.onnx import to_onnx
from streetseg.measure.markdown import markdown_table
from streetseg.models.networks import build
from streetseg.papers.tables import Ours, PaperTable, joined, paper_tables, table_named, table_text
from streetseg.runtime.card import ModelCard
from streetseg.runtime.segmenter import DEFAULT_WEIGHTS
from streetseg.streets.datasets import write_camvid_tutorial, write_cityscapes, write_folder

TABLES = paper_tables()
WANTED = {
    "ddrnet": ["III", "V", "VI", "VII", "VIII", "IX", "X", "fig1"],
    "fassd_net": ["I", "III", "IV", "fig1"],
    "bisenetv2": ["2", "3", "4", "5", "6", "7", "8", "9", "fig1"],
    "stdc": ["operating-points", "fig1"],
}


def test_every_table_is_there() -> None:
    assert set(TABLES) == {f"{paper}-{key}" for paper, keys in WANTED.items() for key in keys}


@pytest.mark.parametrize("name", TABLES)
def test_every_table_prints_its_facts_and_ours(name: str) -> None:
    table = TABLES[name]
    counts = {subject: (number, 2.5 * number) for number, subject in enumerate(filter(None, table.subjects()), 1)}
    rows = joined(table, Ours(counts))
    lines = table_text(table, rows).splitlines()[-len(rows) :]
    for row, facts, subject, line in zip(rows, table.rows, table.subjects(), lines, strict=True):
        assert all(f" {facts[key]} " in line for key in table.columns if key in facts)
        assert all(f" {value:.2f} " in line for value in counts.get(subject, ()))
        assert (row["ours"]["parameters"], row["ours"]["gmacs"]) == counts.get(subject, (None, None))
        assert (row["ours"]["fps"], row["ours"]["miou"], row["fps_ratio"]["ours"]) == (None, None, None)


@pytest.mark.parametrize(
    "table", [table for table in TABLES.values() if not table.figure], ids=lambda table: table.name
)
def test_no_fact_has_a_name_that_nobody_reads(table: PaperTable) -> None:
    read = {"network", "arguments", "size", "operating_scale", "trained_otherwise", "searched", "why"}
    assert all(set(row) <= read | set(table.columns) for row in table.rows)
    assert ("fps" in table.columns) == any(row["model"] == table.facts.get("reference") for row in table.rows)


def test_a_command_counts_what_the_paper_counted(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["tables", "ddrnet-III", "ddrnet-X", "--json"]) == 0
    imagenet, context = (json.loads(line)["rows"] for line in capsys.readouterr().out.splitlines())
    for row in imagenet:
        assert row["ours"]["parameters"] == pytest.approx(row["paper"]["parameters"], abs=0.005)
        assert row["ours"]["gmacs"] == pytest.approx(row["paper"]["gmacs"], rel=0.01)
    assert [round(row["fps_ratio"]["paper"], 3) for row in context] == [1.06, 1.024, 1.0]


def test_ratios_are_of_one_gpu_and_round_by_round() -> None:
    table = TABLES["ddrnet-V"]
    counts = dict.fromkeys(filter(None, table.subjects()), (0.0, 0.0))
    subject = {row["model"]: subject for row, subject in zip(table.rows, table.subjects(), strict=True)}
    times = {
        subject["DDRNet-23-slim"]: np.array([10.0, 20.0, 40.0]),
        subject["DDRNet-23"]: np.array([30.0, 60.0, 200.0]),
        subject["BiSeNetV2†"]: np.array([5.0, 5.0, 5.0]),
    }
    rows = {row["paper"]["model"]: row for row in joined(table, Ours(counts, times))}  # type: ignore[arg-type]
    assert rows["DDRNet-23"]["fps_ratio"] == {"paper": 38.5 / 108.8, "ours": 1 / 3}
    assert rows["DDRNet-23"]["ours"]["fps"] == pytest.approx(1000 / 60)
    assert rows["DDRNet-39"]["fps_ratio"] == {"paper": 22.7 / 108.8, "ours": None}
    assert rows["BiSeNetV2†"]["fps_ratio"] == {"paper": None, "ours": None}
    assert rows["BiSeNetV2†"]["ours"]["fps"] == 200


def test_accuracy_fills_the_row_of_the_network_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_camvid_tutorial(tmp_path, {"train": 1, "test": 2}, size=(72, 96), seed=3)
    data = ["--data", str(tmp_path), "--engine", "onnxruntime"]
    assert main(["tables", "ddrnet-vi", *data, "--json", "--out", str(tmp_path / "out")]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert json.loads((tmp_path / "out" / "ddrnet-VI.json").read_text()) == printed
    filled = {row["paper"]["model"]: row["ours"]["miou"] for row in printed["rows"] if row["ours"]["miou"] is not None}

    assert main(["evaluate", str(DEFAULT_WEIGHTS), "--split", "test", *data, "--json"]) == 0
    assert filled == {"DDRNet-23-slim": pytest.approx(json.loads(capsys.readouterr().out)["miou"], abs=1e-6)}

    given = ["--weights", str(DEFAULT_WEIGHTS)]
    for arguments, complaint in (
        (["ddrnet-V"], "is camvid, on which ddrnet-V is not; leave --data out"),
        (["ddrnet-VI", *given, *given], f"and so is {DEFAULT_WEIGHTS}: a row takes one; leave one of them out"),
        (["bisenetv2-8"], "at operating scale 1.5, for which bisenetv2-8 has no row; take other --weights, or another"),
    ):
        assert main(["tables", *arguments, *data]) == 2
        errors = capsys.readouterr().err
        assert complaint in errors
        assert len(errors.splitlines()) == 1


def test_an_operating_point_takes_its_own_scale(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_cityscapes(tmp_path, {"val": 1}, size=(128, 256))
    network = build("stdc1", len(cityscapes.LABELS.names)).eval()
    card = ModelCard(
        network="stdc1", classes=cityscapes.LABELS.names, colours=cityscapes.LABELS.colours, mean=(120.0,) * 3,
        std=(60.0,) * 3, output_stride=network.output_stride, size_multiple=network.size_multiple,
        align_corners=network.align_corners, native_short_side=1024,
    )  # fmt: skip
    model = to_onnx(network, card)
    for scale in (0.5, 0.75, 1.0):
        scaled = dataclasses.replace(card, operating_scale=scale)
        (tmp_path / f"{scale}.onnx").write_bytes(with_card(model, scaled, "float16")[0])
    command = ["tables", "stdc-operating-points", "--data", str(tmp_path), "--engine", "onnxruntime", "--json"]
    for scales, filled in (([0.5], ["STDC1-Seg50"]), ([0.75, 0.5], ["STDC1-Seg50", "STDC1-Seg75"])):
        weights = [part for scale in scales for part in ("--weights", str(tmp_path / f"{scale}.onnx"))]
        assert main([*command, *weights]) == 0
        rows = json.loads(capsys.readouterr().out)["rows"]
        assert [row["paper"]["model"] for row in rows if row["ours"]["miou"] is not None] == filled
    assert main([*command, "--weights", str(tmp_path / "1.0.onnx")]) == 2
    assert "is stdc1 at operating scale 1, for which stdc-operating-points has no row" in capsys.readouterr().err


def test_own_data_called_like_a_benchmark_is_none(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_folder(tmp_path / "cityscapes", {"val": 1}, size=(72, 96))
    assert main(["tables", "ddrnet-V", "--data", str(tmp_path / "cityscapes")]) == 2
    assert "is images-masks, on which ddrnet-V is not; leave --data out" in capsys.readouterr().err


def test_ablations_have_no_accuracy(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_camvid_tutorial(tmp_path, {"train": 1, "test": 1}, size=(72, 96))
    network = build("bisenetv2", len(camvid.LABELS.names), branches="semantic").eval()
    card = ModelCard(
        network="bisenetv2", classes=camvid.LABELS.names, colours=camvid.LABELS.colours, mean=(120.0,) * 3,
        std=(60.0,) * 3, output_stride=network.output_stride, size_multiple=network.size_multiple,
        align_corners=network.align_corners, native_short_side=360, network_arguments={"branches": "semantic"},
    )  # fmt: skip
    artefact = tmp_path / "ablation.onnx"
    artefact.write_bytes(with_card(to_onnx(network, card), card, "float16")[0])
    assert main(["tables", "bisenetv2-8", "--data", str(tmp_path), "--weights", str(artefact)]) == 2
    assert "is bisenetv2 built with {'branches': 'semantic'}, an ablation" in capsys.readouterr().err


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
        (["--weights", "x.onnx"], "--weights is for --data DIR, on which weights are judged; add it"),
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


def test_names(capsys: pytest.CaptureFixture[str]) -> None:
    assert table_named("DDRNET-v").name == "ddrnet-V"
    assert main(["tables", "ddrnet-XI"]) == 2
    assert "no table 'ddrnet-XI'; there are bisenetv2-2, " in capsys.readouterr().err
    assert main(["tables"]) == 0
    assert [line.split(":")[0] for line in capsys.readouterr().out.splitlines()] == list(TABLES)


def test_markdown_is_aligned() -> None:
    assert markdown_table([["a", "b"], ["long name", "1.5"], ["c", "-"]]).splitlines() == [
        "| a         |   b |",
        "| --------- | --: |",
        "| long name | 1.5 |",
        "| c         |   - |",
    ]
