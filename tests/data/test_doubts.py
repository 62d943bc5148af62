"""Labels that decode, but do not mean what their maker meant: check names cause and remedy, and train repeats it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from streetseg.data.check import check_dataset
from streetseg.data.datasets import find_dataset
from streetseg.data.doubts import SAMPLE, quick_warnings
from streetseg.errors import DatasetError
from streetseg.streets.datasets import write_cityscapes
from tests.support.own_data import COLOURS, own_data, save, street

THREE = "- sky\n- road\n- car\n"
TWO = "- background\n- road\n"
ROAD = (street() > 0).astype(np.uint8)


def found(root: Path, severity: str) -> list[str]:
    return [finding.message for finding in check_dataset(root).findings if finding.severity == severity]


def test_masks_of_0_and_255_are_an_error_with_the_line_that_mends_it(tmp_path: Path) -> None:
    root = own_data(tmp_path, ROAD * np.uint8(255), TWO)
    train, val = found(root, "error")
    assert train.startswith(
        "train: masks hold 255 (58.3%), 0 (41.7%) alone, and 255 is read as void, so training would"
    )
    assert val.startswith("val: masks hold ")
    line = "- {name: road, index: 255}"
    assert line in train
    (root / "classes.yaml").write_text(f"- background\n{line}\n")
    assert found(root, "error") == found(root, "warning") == []
    assert check_dataset(root).splits["train"].shares["road"] == pytest.approx(0.583, abs=1e-3)


@pytest.mark.parametrize(
    ("classes", "says"),
    [
        (
            THREE,
            "would learn 'sky' alone; if 255 means a class, write - {name: NAME, index",
        ),
        ("- {name: rest, ignore: true}\n- road\n- car\n", "so there is nothing to learn"),
    ],
)
def test_masks_of_0_and_255_with_other_classes(tmp_path: Path, classes: str, says: str) -> None:
    assert says in found(own_data(tmp_path, ROAD * np.uint8(255), classes), "error")[0]


def test_masks_of_black_and_white_in_three_channels(tmp_path: Path) -> None:
    mask = np.stack([ROAD * np.uint8(255)] * 3, -1)
    assert "write - {name: road, index: 255}" in found(own_data(tmp_path, mask, TWO), "error")[0]


def test_void_beside_several_classes_is_no_error(tmp_path: Path) -> None:
    mask = np.where(street() == 2, np.uint8(255), street())
    assert found(own_data(tmp_path, mask, "- sky\n- road\n"), "error") == []


def test_a_class_that_has_every_pixel_is_an_error(tmp_path: Path) -> None:
    root = own_data(tmp_path, np.ones_like(ROAD))
    assert found(root, "error") == [
        "train: 'road' has every pixel that counts, and 2 other classes have none; the "
        f"masks hold 1 (100.0%): compare them with {root / 'classes.yaml'}"
    ]
    assert len(found(root, "warning")) == 1  # the same of val


def test_mostly_void_is_a_warning_with_what_the_masks_hold(tmp_path: Path) -> None:
    mask = np.where(np.arange(48)[:, None] > 16, np.uint8(255), street())
    mask[-1] = 1
    (warning, *_) = found(own_data(tmp_path, mask, "- sky\n- road\n"), "warning")
    assert warning.startswith(
        "train: 62.5% of the labelled pixels are void and not learned; the masks hold 255 (62.5%)"
    )


def test_train_ids_that_are_called_label_ids_are_named(tmp_path: Path) -> None:
    write_cityscapes(tmp_path, {"train": 2, "val": 1}, size=(32, 64))
    for path in tmp_path.glob("gtFine/*/*/*_labelIds.png"):
        save(np.kron(np.arange(16, dtype=np.uint8).reshape(4, 4), np.ones((8, 16), np.uint8)) % 8, path)
    messages = found(tmp_path, "error")
    assert [message.split(":")[0] for message in messages] == ["train", "val"]
    assert "hold train ids (values 0 to 7); rename the files to *_labelTrainIds.png" in messages[0]
    for path in tmp_path.glob("gtFine/*/*/*_labelIds.png"):
        path.rename(path.with_name(path.name.replace("labelIds", "labelTrainIds")))
    assert found(tmp_path, "error") == []


def test_label_ids_that_are_called_train_ids_are_named(tmp_path: Path) -> None:
    write_cityscapes(tmp_path, {"train": 2, "val": 1}, size=(32, 64))
    for path in tmp_path.glob("gtFine/*/*/*_labelIds.png"):
        path.rename(path.with_name(path.name.replace("labelIds", "labelTrainIds")))
    (warning,) = [message for message in found(tmp_path, "warning") if message.startswith("likely cause")]
    assert "read as train ids but hold label ids (values" in warning
    assert warning.endswith("call the files *_labelIds.png")


def test_masks_of_half_the_size_are_told_once(tmp_path: Path) -> None:
    root = own_data(tmp_path, street()[::2, ::2])
    assert len(found(root, "error")) == 6
    (warning,) = [message for message in found(root, "warning") if message.startswith("likely cause")]
    assert warning.endswith("masks have 0.5 of their images' height and 0.5 of their width; export them in one size")
    (warning,) = [
        message
        for message in found(own_data(tmp_path / "turned", street().T.copy()), "warning")
        if message.startswith("likely cause")
    ]
    assert "masks lie on their side" in warning


def test_a_shifted_order_of_classes_is_doubted(tmp_path: Path) -> None:
    root = own_data(tmp_path, street(), "- car\n- sky\n- road\n")
    (train, _) = found(root, "warning")
    assert train.startswith("train: 'sky' lies low (69% down)")
    assert f"shifted by one, or the masks inverted; look at streetseg data show {root}" in train
    assert found(own_data(tmp_path / "right", street()), "warning") == []


def test_misspelt_names_are_doubted(tmp_path: Path) -> None:
    misspelt, wrong = found(own_data(tmp_path, street(), "- raod\n- road\n- pedestrain\n"), "warning")
    assert misspelt.startswith("'raod' may be 'road' misspelt; to make them one, give 'road' the colours")
    assert wrong == "class 'pedestrain' may be 'pedestrian' misspelt; then correct its name in the class file"
    for names in ("- bus\n- bush\n- pole\n", "- person\n- vehicle\n- car\n", "- Fußgänger\n- Fahrbahn\n- Auto\n"):
        warnings = found(own_data(tmp_path / str(len(names)), street(), names), "warning")
        assert not [warning for warning in warnings if "misspelt" in warning]


def test_inverted_masks_are_doubted(tmp_path: Path) -> None:
    car = (street() != 2).astype(np.uint8)
    assert (
        "if the masks are inverted, swap the two"
        in found(own_data(tmp_path, car, "- background\n- car\n"), "warning")[0]
    )
    assert found(own_data(tmp_path / "right", 1 - car, "- background\n- car\n"), "warning") == []
    assert "'road' lies high" in found(own_data(tmp_path / "road", 1 - ROAD, TWO), "warning")[0]


@pytest.mark.parametrize(
    ("mask", "classes", "cause"),
    [
        (street() + np.uint8(1), THREE, "the masks count from 1 to 3; give the classes in {file} index: 1"),
        (street(), "- road\n- car\n", "hold 3 values for 2 classes; if 0 is background, put - {{name: background"),
        (street() * np.uint8(100), THREE, "the values are multiples of 100; give the classes in {file}"),
        (street() + np.uint8(7), THREE, "the masks hold 7 to 9; give the classes in {file} their index"),
        (
            np.add.outer(np.arange(48), 3 * np.arange(64)).astype(np.uint8),
            THREE,
            "hold 237 values, as photographs, smoothed borders or lossy compression make them",
        ),
        (
            COLOURS[street()],
            "- {name: sky, colour: [1, 2, 3]}\n- road\n- car\n",
            "[128, 64, 128] (49.2%), [70, 130, 180] (41.7%), [0, 0, 142] (9.1%); give the classes in {file} these",
        ),
    ],
)  # fmt: skip
def test_the_cause_of_values_that_are_no_class_is_named(
    tmp_path: Path, mask: np.ndarray, classes: str, cause: str
) -> None:
    root = own_data(tmp_path, mask, classes)
    (warning,) = [message for message in found(root, "warning") if message.startswith("likely cause: ")]
    assert cause.format(file=root / "classes.yaml") in warning


def test_a_rare_class_that_a_sample_misses_is_no_error(tmp_path: Path) -> None:
    root = own_data(tmp_path, np.zeros_like(ROAD), TWO, frames=120)
    assert len(find_dataset(root).pairs("train")) > SAMPLE
    with pytest.raises(DatasetError, match="'background' has every pixel that counts"):
        quick_warnings(find_dataset(root), "train")
    save(ROAD, root / "masks" / "drive_003.png")  # the sample takes every second label
    assert quick_warnings(find_dataset(root), "train") == []


def test_a_quick_look_gives_warnings_and_refuses_what_is_senseless(tmp_path: Path) -> None:
    assert quick_warnings(find_dataset(own_data(tmp_path / "sound", street())), "train") == []
    shifted = own_data(tmp_path / "shifted", street(), "- car\n- sky\n- road\n")
    (line,) = quick_warnings(find_dataset(shifted), "trainval")
    assert line.startswith(f"{shifted}, split trainval: 'sky' lies low")
    with pytest.raises(DatasetError, match="split train: masks hold 255"):
        quick_warnings(find_dataset(own_data(tmp_path / "binary", ROAD * np.uint8(255), TWO)), "train")
