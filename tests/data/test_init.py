"""classes.yaml from what masks hold: the result reads the masks, and names come from files, palettes or numbers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from streetseg.cli import main
from streetseg.data.check import check_dataset
from streetseg.data.convert import convert_dataset
from streetseg.data.datasets import open_dataset
from streetseg.data.init import FoundClasses, init_classes
from streetseg.data.palettes import PALETTES
from streetseg.errors import DatasetError, OutputError
from streetseg.streets.datasets import write_camvid_original, write_cityscapes
from tests.support.own_data import COLOURS, Bytes, own_data, street

STREET_COLOURS = COLOURS[street()]
SHARES = {"sky": 0.4167, "road": 0.4922, "car": 0.0911}


def names(found: FoundClasses) -> list[str]:
    return [each.name for each in found.classes]


def shares(root: Path) -> dict[str, float | None]:
    report = check_dataset(root)
    assert report.count("error") == 0, report.table()
    return report.splits["train"].shares


def smoothed(colours: Bytes) -> Bytes:
    """Colours as a drawing program saves them: each pixel mixed with its neighbours above and to the left."""
    wide = np.pad(colours.astype(float), ((1, 0), (1, 0), (0, 0)), mode="edge")
    mixed: Bytes = (0.5 * wide[1:, 1:] + 0.3 * wide[:-1, 1:] + 0.2 * wide[1:, :-1]).round().astype(np.uint8)
    return mixed


def test_colours_of_a_published_palette_get_its_names(tmp_path: Path) -> None:
    root = own_data(tmp_path, STREET_COLOURS, "")
    with pytest.raises(DatasetError, match=r"colours \[128, 64, 128\] \(49.2%\), .*; run streetseg data init"):
        check_dataset(root)
    found = init_classes(root)
    assert names(found) == ["road", "sky", "car"]
    assert found.hints == ("the colours are those of Cityscapes",)
    assert shares(root) == pytest.approx(SHARES, abs=1e-3)
    assert {each.name: each.share for each in found.classes} == pytest.approx(SHARES, abs=1e-3)


def test_a_file_that_is_there_stays(tmp_path: Path) -> None:
    root = own_data(tmp_path, STREET_COLOURS, "- {name: Himmel, colour: [70, 130, 180]}\n- road\n")
    before = (root / "classes.yaml").read_bytes()
    with pytest.raises(OutputError, match=r"classes\.yaml is there already and stays as it is; add --force to replace"):
        init_classes(root)
    assert (root / "classes.yaml").read_bytes() == before
    found = init_classes(root, force=True)
    assert names(found) == ["Himmel", "road", "car"]
    assert shares(root) == pytest.approx({"Himmel": 0.4167, "road": 0.4922, "car": 0.0911}, abs=1e-3)


def test_unknown_colours_get_numbers_and_black_does_not_count(tmp_path: Path) -> None:
    colours = np.array([(0, 0, 0), (1, 200, 9), (250, 3, 77)], np.uint8)
    found = init_classes(own_data(tmp_path, colours[street()], ""))
    assert [(each.name, each.ignore) for each in found.classes] == [
        ("class_1", False),
        ("void", True),
        ("class_2", False),
    ]
    text = found.path.read_text()
    assert "- {name: class_1, colour: [1, 200, 9]}  # 49.2%, name it" in text
    assert "- {name: void, colour: [0, 0, 0], ignore: true}  # 41.7%, black; a class? then delete ignore" in text


def test_one_colour_beside_black_makes_two_classes(tmp_path: Path) -> None:
    white = np.array([(0, 0, 0), (255, 255, 255)], np.uint8)[(street() > 0).astype(int)]
    red = white * np.array([1, 0, 0], np.uint8)
    found = init_classes(own_data(tmp_path, red, ""))
    assert [(each.name, each.ignore) for each in found.classes] == [("class_1", False), ("background", False)]
    assert shares(tmp_path) == pytest.approx({"class_1": 0.5833, "background": 0.4167}, abs=1e-3)


@pytest.mark.parametrize(
    ("mask", "says"),
    [
        (np.full((48, 64), 255, np.uint8), r"fewer than two classes: 255 \(100.0%\)"),
        (street().astype(np.uint16) * 1000, r"1000 \(49.2%\), .* has room for values from 0 to 255"),
    ],
)
def test_masks_without_two_classes_are_refused(tmp_path: Path, mask: Bytes, says: str) -> None:
    with pytest.raises(DatasetError, match=says):
        init_classes(own_data(tmp_path, mask, ""))
    assert not (tmp_path / "classes.yaml").exists()


def test_the_reason_is_told_where_no_mask_can_be_read(tmp_path: Path) -> None:
    root = own_data(tmp_path, street(), "")
    for path in (root / "masks").iterdir():
        path.unlink()
        Image.fromarray(STREET_COLOURS).save(path.with_suffix(".jpg"))
    with pytest.raises(DatasetError, match=r"drive_000\.jpg: it is a JPEG, whose compression may change the labels"):
        init_classes(root)


def test_borders_that_are_smoothed_are_void_or_take_the_nearest_class(tmp_path: Path) -> None:
    mask = smoothed(STREET_COLOURS)
    assert len(np.unique(mask.reshape(-1, 3), axis=0)) > 6
    root = own_data(tmp_path, mask, "")
    found = init_classes(root)
    assert names(found) == ["road", "sky", "car", "void"]
    assert any("lie on borders" in hint and "do not count; with --nearest" in hint for hint in found.hints)
    assert 0 < (check_dataset(root).splits["train"].void or 0) < 0.12
    found = init_classes(root, nearest=True, force=True)
    assert "nearest_colour: true\nclasses:\n" in found.path.read_text()
    assert check_dataset(root).splits["train"].void == 0
    assert check_dataset(root).splits["train"].shares["road"] == pytest.approx(0.49, abs=0.03)


def test_photographs_are_refused(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (48, 64, 3), np.uint8)
    with pytest.raises(DatasetError, match="colours or more, as pictures or lossy compression have them"):
        init_classes(own_data(tmp_path, noise, ""))
    assert not (tmp_path / "classes.yaml").exists()


@pytest.mark.parametrize(
    ("mask", "expected"),
    [
        (street(), {"class_0": 0.4167, "class_1": 0.4922, "class_2": 0.0911}),
        (np.stack([street()] * 3, -1), {"class_0": 0.4167, "class_1": 0.4922, "class_2": 0.0911}),
        (street() * np.uint8(100), {"class_0": 0.4167, "class_100": 0.4922, "class_200": 0.0911}),
        ((street() > 0) * np.uint8(255), {"background": 0.4167, "class_255": 0.5833}),
        (np.where(street() == 2, 255, street()).astype(np.uint8), {"class_0": 0.4584, "class_1": 0.5416}),
    ],
)
def test_values_of_one_channel(tmp_path: Path, mask: Bytes, expected: dict[str, float]) -> None:
    root = own_data(tmp_path, mask, "")
    init_classes(root)
    assert shares(root) == pytest.approx(expected, abs=1e-3)


def test_palettes_name_values(tmp_path: Path) -> None:
    root = own_data(tmp_path, street(), "")
    for path in (root / "masks").iterdir():
        image = Image.fromarray(street())
        image.putpalette(COLOURS.tobytes())
        image.save(path)
    found = init_classes(root)
    assert [(each.name, each.indices, each.colours) for each in found.classes] == [
        ("sky", (0,), ((70, 130, 180),)), ("road", (1,), ((128, 64, 128),)), ("car", (2,), ((0, 0, 142),)),
    ]  # fmt: skip
    assert shares(root) == pytest.approx(SHARES, abs=1e-3)


def test_a_class_file_names_colours_and_its_misspelt_twins_are_hinted_at(tmp_path: Path) -> None:
    mask = STREET_COLOURS.copy()
    mask[40:44] = (128, 64, 130)
    root = own_data(tmp_path, mask, "")
    (root / "class_dict.csv").write_text(
        "name,r,g,b\nSky,70,130,180\nRoad,128,64,128\nRaod,128,64,130\nvehcile,0,0,142\n"
    )
    found = init_classes(root)
    assert names(found) == ["Sky", "Road", "Raod", "vehcile"]
    hints = "\n".join(found.hints)
    assert "'Raod' may be 'Road' misspelt" in hints
    assert "--map 'Raod=Road'" in hints
    assert "class 'vehcile' may be 'vehicle' misspelt; then correct its name in the class file" in hints
    assert "'Road' [128, 64, 128] and 'Raod' [128, 64, 130] have nearly one colour" in hints
    assert "# 'Raod' may be 'Road' misspelt" in found.path.read_text()
    assert shares(root)["Raod"] == pytest.approx(4 / 48, abs=1e-3)


def test_names_without_colours_get_those_that_are_known(tmp_path: Path) -> None:
    root = own_data(tmp_path / "known", STREET_COLOURS, "")
    (root / "classes.txt").write_text("sky\nroad\ncar\n")
    assert names(init_classes(root)) == ["sky", "road", "car"]
    assert shares(root) == pytest.approx(SHARES, abs=1e-3)
    root = own_data(tmp_path / "unknown", np.array([(1, 9, 9), (9, 250, 9), (250, 9, 9)], np.uint8)[street()], "")
    (root / "classes.txt").write_text("sky\nroad\ncar\n")
    found = init_classes(root)
    assert names(found) == ["sky", "road", "car", "class_1", "class_2", "class_3"]
    assert any("known to be sky, road, car; give these classes those of class_N" in hint for hint in found.hints)


def test_camvids_32_colours_are_known(tmp_path: Path) -> None:
    write_camvid_original(tmp_path / "camvid", {"train": 2}, size=(72, 96))
    (tmp_path / "own").mkdir()
    (tmp_path / "camvid" / "701_StillsRaw_full").rename(tmp_path / "own" / "images")
    (tmp_path / "camvid" / "LabeledApproved_full").rename(tmp_path / "own" / "masks")
    found = init_classes(tmp_path / "own")
    assert "the colours are those of CamVid" in found.hints
    assert {"Road", "Sky", "Building"} <= set(names(found)) <= {*PALETTES["CamVid"], "void"}
    assert open_dataset(tmp_path / "own").labels.names


def test_a_published_datasets_values_keep_its_names(tmp_path: Path) -> None:
    write_cityscapes(tmp_path, {"train": 2, "val": 1}, size=(64, 128))
    before = check_dataset(tmp_path)
    found = init_classes(tmp_path)
    values = {each.name: each.indices for each in found.classes}
    assert values["road"] == (7,)
    assert any("no longer state the terms of cityscapes" in hint for hint in found.hints)
    assert set(values["void"]) < {*range(34)}
    after = check_dataset(tmp_path)
    assert after.splits["train"].void == before.splits["train"].void
    for name, share in after.splits["train"].shares.items():
        assert share == pytest.approx(before.splits["train"].shares[name], abs=1e-6)


def test_shapes_need_no_class_file(tmp_path: Path) -> None:
    convert_dataset(own_data(tmp_path / "data", street()), tmp_path / "coco", to="coco")
    with pytest.raises(DatasetError, match=r"its labels name the classes themselves \(sky, road, car\); a classes"):
        init_classes(tmp_path / "coco")


def test_masks_that_are_missing_or_cut_are_told(tmp_path: Path) -> None:
    root = own_data(tmp_path, STREET_COLOURS, "")
    (root / "masks" / "drive_000.png").unlink()
    (root / "masks" / "drive_001.png").write_bytes(b"cut")
    found = init_classes(root)
    assert found.masks == 4
    assert f"1 masks cannot be read, first {root / 'masks' / 'drive_001.png'}" in found.hints
    assert "1 images have no mask; data convert leaves them out" in found.hints


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = own_data(tmp_path, STREET_COLOURS, "")
    assert main(["data", "init", str(root)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].split() == ["class", "share", "value", "colours"]
    assert lines[-1].startswith(f"{root / 'classes.yaml'}: 3 classes from 6 masks; look at the names, then run ")
    assert main(["data", "init", str(root)]) == 2
    assert capsys.readouterr().err.startswith(f"streetseg: {root / 'classes.yaml'} is there already")
    assert main(["data", "init", str(root), "--force", "--json"]) == 0
    assert '"masks": 6' in capsys.readouterr().out
