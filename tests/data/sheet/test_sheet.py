"""A contact sheet shows every class, on a frame that has much of it, and its pictures are those of the labels."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from streetseg.data.datasets import find_dataset
from streetseg.data.pairs import IGNORE
from streetseg.data.sheet.page import page
from streetseg.data.sheet.poster import WIDTH, poster
from streetseg.data.sheet.sheet import ShownFrame, make_sheet
from streetseg.data.sheet.tiles import LONGEST, ascii_text, deepest, seen, tile
from streetseg.errors import DatasetError
from tests.support.own_data import COLOURS, NAMES, own_data, photo, save, street

PALETTE = tuple(map(tuple, COLOURS.tolist()))


def test_each_class_is_shown_and_the_shares_are_those_of_the_labels(tmp_path: Path) -> None:
    root = own_data(tmp_path, np.where(street() == 2, 1, street()).astype(np.uint8), frames=30)
    save(street(), root / "masks" / "drive_017.png")  # the only frame with a car
    sheet = make_sheet(find_dataset(root), 4)
    assert "train/drive_017" in [shown.title for shown in sheet.frames]
    assert len(sheet.frames) == 4
    assert sheet.counts == sheet.counted == {"train": 24, "val": 6}
    assert sheet.figures["train"].shares["car"] == pytest.approx((street() == 2).mean() / 24, abs=1e-4)
    assert sheet.figures["val"].shares["car"] == 0


def test_faults_and_doubts_stand_above(tmp_path: Path) -> None:
    root = own_data(tmp_path, street(), "- car\n- sky\n- road\n")
    (root / "masks" / "drive_001.png").unlink()
    sheet = make_sheet(find_dataset(root), 2)
    text = page(sheet)
    assert "drive_001.png has no label" in text
    assert "&#x27;sky&#x27; lies low" in text
    for path in (root / "masks").iterdir():
        path.unlink()
    with pytest.raises(DatasetError, match=r"no frame of .* can be shown: .*has no label"):
        make_sheet(find_dataset(root), 2)


def test_a_tile_has_the_classes_colours_and_names(tmp_path: Path) -> None:
    label = street()
    label[:4] = IGNORE
    plain = np.full((48, 64, 3), 128, np.uint8)
    drawn = np.asarray(
        tile(
            ShownFrame("a", np.kron(plain, np.ones((6, 6, 1), np.uint8)), np.kron(label, np.ones((6, 6), np.uint8))),
            NAMES,
            PALETTE,
        )
    )
    for row, column, colour in ((60, 10, COLOURS[0]), (280, 300, COLOURS[1]), (3, 3, (0, 0, 0))):
        expected = 0.45 * 128 + 0.55 * np.array(colour)
        np.testing.assert_allclose(drawn[row, column], expected, atol=2)
    assert (drawn == 255).all(-1).any()  # letters
    large = ShownFrame("b", np.zeros((2000, 9000, 3), np.uint8), None)
    assert tile(large, NAMES, PALETTE).width <= LONGEST
    assert seen(large, NAMES, PALETTE).width <= 2 * LONGEST


def test_a_name_stands_in_the_middle_of_its_part() -> None:
    mask = np.zeros((20, 20), bool)
    mask[2:4, 2:18] = mask[10:19, 8:17] = True
    assert deepest(mask) == (14, 12)
    assert deepest(np.zeros((4, 6), bool)) == (2, 3)
    assert ascii_text("Fußgänger 道") == "Fussganger ?"


def test_the_page_is_one_file_and_names_are_escaped(tmp_path: Path) -> None:
    name = "<b>Fußgänger & 'Co'</b>"
    root = own_data(tmp_path / "<i>town</i>", street(), f'- sky\n- "{name}"\n- car\n', frames=3)
    text = page(make_sheet(find_dataset(root), 2))
    assert name not in text
    assert "&lt;b&gt;Fußgänger &amp; &#x27;Co&#x27;&lt;/b&gt;" in text
    assert "<i>town" not in text
    sources = re.findall(r"(?:src|href)=['\"]?([^'\" >]+)", text)
    assert sources
    assert all(source.startswith("data:image/") for source in sources)
    assert "url(" not in text
    assert "http" not in text
    assert "width=device-width" in text
    assert "color-scheme: light dark" in text
    assert text.count("data:image/jpeg;base64,") == 2


def test_the_poster_has_room_for_all(tmp_path: Path) -> None:
    sheet = make_sheet(find_dataset(own_data(tmp_path, street())), 5)
    picture = poster(sheet)
    assert picture.width == WIDTH
    assert picture.height > 2 * 48 * WIDTH / 3 / 64  # two rows of frames
    assert photo(0).shape == sheet.frames[0].frame.shape
