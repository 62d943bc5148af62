"""Folders and names of every kind that people give images and masks, and what is ambiguous is refused."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import numpy as np
import pytest

from streetseg.data.check import check_dataset
from streetseg.data.datasets import find_dataset, open_dataset
from streetseg.data.folder_names import meaning_of, split_of
from streetseg.data.mask_names import match
from streetseg.errors import DatasetError
from tests.support.mask_data import (
    COLOURS,
    NAMES,
    SPLITS,
    classes,
    compare,
    frame,
    label,
    pairs_of_files,
    reads,
    save,
    write,
)

FOLDERS = [
    ("images/{split}", "labels/{split}"),
    ("images/{split}", "annotations/{split}"),
    ("image/{split}", "gt/{split}"),
    ("img_dir/{split}", "ann_dir/{split}"),
    ("imgs/{split}", "ground_truth/{split}"),
    ("Images/{split}", "GroundTruth/{split}"),
    ("rgb/{split}", "semantic/{split}"),
    ("frames/{split}", "segmentations/{split}"),
    ("leftImg8bit/{split}/town", "gt/{split}/town"),
    ("{split}/images", "{split}/labels"),
    ("{split}/img", "{split}/mask"),
    ("img/{split}", "lbl/{split}"),
    ("{split}", "{split}_labels"),
    ("{split}", "{split}_masks"),
    ("{split}_images", "{split}_masks"),
    ("images_{split}", "masks_{split}"),
    ("images/{split}2017", "annotations/{split}2017"),
    ("data/images/{split}", "data/masks/{split}"),
    ("images/{split}", "masks"),
    ("images/night/{split}", "masks/night/{split}"),
    ("original_images/{split}", "label_images_semantic/{split}"),
]


@pytest.mark.parametrize(("images", "masks"), FOLDERS)
def test_folders_by_any_name(images: str, masks: str, tmp_path: Path) -> None:
    pairs_of_files(tmp_path, f"{images}/f{{i}}.jpg", f"{masks}/f{{i}}.png")
    classes(tmp_path)
    dataset = reads(tmp_path)
    assert check_dataset(dataset).count("error") == 0


@pytest.mark.parametrize(
    ("train", "val"),
    [("training", "validation"), ("Train", "Val"), ("TRAIN", "valid"), ("trn", "dev"), ("train2014", "val2014")],
)
@pytest.mark.parametrize("first", [False, True])
def test_splits_by_any_name(train: str, val: str, first: bool, tmp_path: Path) -> None:
    for split, numbers in zip((train, val), SPLITS.values(), strict=True):
        for i in numbers:
            save(frame(i), tmp_path / (f"{split}/images" if first else f"images/{split}") / f"f{i}.jpg")
            save(label(), tmp_path / (f"{split}/masks" if first else f"masks/{split}") / f"f{i}.png")
    classes(tmp_path)
    assert reads(tmp_path, "images-masks").note == ""


def test_nnunets_folders(tmp_path: Path) -> None:
    for i in range(4):
        save(frame(i), tmp_path / f"imagesTr/f{i}.png")
        save(label(), tmp_path / f"labelsTr/f{i}.png")
    save(frame(9), tmp_path / "imagesTs/f9.png")
    classes(tmp_path)
    dataset = open_dataset(tmp_path)
    assert {split: len(pairs) for split, pairs in dataset.splits.items()} == {"train": 4, "test": 1}
    assert dataset.pairs("test")[0].label is None


@pytest.mark.parametrize(
    ("image", "mask"),
    [
        ("f{i}.jpg", "f{i}_mask.png"),
        ("f{i}.jpg", "f{i}_label.png"),
        ("f{i}.jpg", "f{i}_labels.png"),
        ("f{i}.jpg", "f{i}_gt.png"),
        ("f{i}.jpg", "f{i}_L.png"),
        ("f{i}.jpg", "f{i}-mask.png"),
        ("f{i}.jpg", "f{i} mask.png"),
        ("f{i}.jpg", "f{i}.mask.png"),
        ("f{i}.jpg", "f{i}_seg.png"),
        ("f{i}.jpg", "f{i}_labelIds_mine.png"),
        ("f{i}.jpg", "f{i}_whatever.png"),
        ("f{i}.jpg", "mask_f{i}.png"),
        ("f{i}.jpg", "f{i}.jpg.png"),
        ("image_{i}.jpg", "label_{i}.png"),
        ("IMG_{i}.JPG", "img_{i}.png"),
        ("f{i}_leftImg8bit.png", "f{i}_gtFine_labelIds.png"),
        ("f{i}_rgb.png", "f{i}_gt.png"),
        ("f{i}_sat.jpg", "f{i}_mask.png"),
        ("f {i} (1).jpeg", "f {i} (1).PNG"),
        ("f{i}.tif", "f{i}.bmp"),
    ],
)
def test_masks_by_any_name(image: str, mask: str, tmp_path: Path) -> None:
    pairs_of_files(tmp_path, f"images/{{split}}/{image}", f"labels/{{split}}/{mask}")
    classes(tmp_path)
    reads(tmp_path, "mask-folders")


@pytest.mark.parametrize("folder", ["", "images/", "data/"])
def test_masks_beside_their_images(folder: str, tmp_path: Path) -> None:
    for i in range(6):
        save(frame(i), tmp_path / f"{folder}f{i}.jpg")
        save(label(), tmp_path / f"{folder}f{i}_mask.png")
    classes(tmp_path)
    dataset = open_dataset(tmp_path)
    assert dataset.kind == "mask-folders"
    assert {split: len(pairs) for split, pairs in dataset.splits.items()} == {"train": 4, "val": 2}
    compare(dataset)


def test_jpegs_and_pngs_of_the_same_names_in_a_folder(tmp_path: Path) -> None:
    for i in range(6):
        save(frame(i), tmp_path / f"f{i}.jpg")
        save(label(), tmp_path / f"f{i}.png")
    classes(tmp_path)
    reads(tmp_path, "mask-folders")
    (tmp_path / "f3.png").unlink()  # then the PNGs may as well be frames
    with pytest.raises(DatasetError, match="is not a known dataset"):
        open_dataset(tmp_path)


@pytest.mark.parametrize("ending", ["labelTrainIds", "trainIds", "train_id"])
def test_names_of_train_ids_tell_their_values(ending: str, tmp_path: Path) -> None:
    values = np.array([10, 0, 13], np.uint8)
    pairs_of_files(tmp_path, "images/{split}/f{i}.jpg", f"labels/{{split}}/f{{i}}_{ending}.png", values)
    assert "the masks are called *trainIds" in reads(tmp_path, "mask-folders").note


def test_letters_and_accents_stored_apart(tmp_path: Path) -> None:
    """A Mac stores them apart (NFD), other systems as they come (NFC)."""
    for i in range(6):
        name = f"größe é {i}"
        save(frame(i), tmp_path / "images" / (unicodedata.normalize("NFD", name) + ".jpg"))
        save(label(), tmp_path / "masks" / (unicodedata.normalize("NFC", name) + ".png"))
    classes(tmp_path)
    for split, numbers in SPLITS.items():
        write("".join(unicodedata.normalize("NFD", f"größe é {i}\n") for i in numbers), tmp_path / f"{split}.txt")
    reads(tmp_path, "images-masks")
    assert check_dataset(tmp_path).count("error") == 0
    save(frame(0), tmp_path / "images" / (unicodedata.normalize("NFC", "größe é 0") + ".jpg"))
    with pytest.raises(DatasetError, match="have one name, which is ambiguous; rename one"):
        open_dataset(tmp_path)


def test_masks_for_the_eye_are_left_alone(tmp_path: Path) -> None:
    pairs_of_files(tmp_path, "images/{split}/f{i}.jpg", "labels/{split}/f{i}.png")
    pairs_of_files(
        tmp_path, "images/{split}/f{i}.jpg", "labels_color/{split}/f{i}.png", np.arange(3, 6, dtype=np.uint8)
    )
    for i in range(4):
        save(frame(i), tmp_path / f"instances/train/f{i}.png")
    classes(tmp_path)
    reads(tmp_path, "mask-folders")


def test_cityscapes_kinds_of_masks_tell_their_values(tmp_path: Path) -> None:
    """As in ACDC: rgb_anon/ and gt/ with several masks of a frame, of which labelIds count."""
    for ending, values in (("labelIds", (23, 7, 26)), ("labelTrainIds", (10, 0, 13)), ("labelColor", (1, 2, 3))):
        image, mask = "rgb_anon/fog/{split}/G1/f{i}_rgb_anon.png", f"gt/fog/{{split}}/G1/f{{i}}_gt_{ending}.png"
        pairs_of_files(tmp_path, image, mask, np.array(values, np.uint8))
    dataset = reads(tmp_path, "mask-folders")
    assert len(dataset.labels.names) == 19
    assert "the masks are called *labelIds, so their values are read as Cityscapes' 19 classes" in dataset.note
    assert "Cityscapes" not in dataset.terms
    classes(tmp_path)
    with pytest.raises(DatasetError, match="pixel value 23 is not a class index"):
        compare(open_dataset(tmp_path))


def test_several_drives_and_a_copy_further_down(tmp_path: Path) -> None:
    for i in range(3):
        for drive in ("a", "b"):
            save(frame(i), tmp_path / f"{drive}/images/f{i}.jpg")
            save(label(), tmp_path / f"{drive}/labels/f{i}.png")
            save(label(), tmp_path / f"{drive}/old/labels/f{i}.png")
            save(frame(i), tmp_path / f"{drive}/old/images/f{i}.jpg")
    classes(tmp_path)
    dataset = reads(tmp_path, "mask-folders")
    assert {pair.sequence for pair in dataset.pairs("trainval")} == {"a/f", "b/f"}


def test_what_is_ambiguous_is_refused(tmp_path: Path) -> None:
    pairs_of_files(tmp_path, "images/{split}/f{i}.jpg", "labels/{split}/f{i}.png")
    pairs_of_files(tmp_path, "images/{split}/f{i}.jpg", "gt/{split}/f{i}.png")
    classes(tmp_path)
    with pytest.raises(DatasetError, match=r"/gt and .*/labels could both hold the masks; call the one that counts"):
        open_dataset(tmp_path)
    (tmp_path / "labels").rename(tmp_path / "masks")
    reads(tmp_path)
    frames = {"a": Path("a.jpg")}
    with pytest.raises(DatasetError, match=r"a\.jpg has two masks, a_gt\.png and a_mask\.png; take one of them away"):
        match(frames, {"a_gt": Path("a_gt.png"), "a_mask": Path("a_mask.png")})


def test_masks_of_single_objects_are_no_masks_of_frames() -> None:
    frames = {name: Path(f"{name}.jpg") for name in ("a", "b")}
    masks = {name: Path(f"{name}.png") for name in ("a_1", "a_2", "b_1", "a_instanceIds", "b_instanceIds")}
    assert match(frames, masks) == {}


def test_a_split_that_lost_its_masks_is_told(tmp_path: Path) -> None:
    pairs_of_files(tmp_path, "{split}/images/f{i}.jpg", "{split}/labels/f{i}.png")
    classes(tmp_path)
    for i in (4, 5):
        (tmp_path / f"val/labels/f{i}.png").unlink()
    with pytest.raises(DatasetError, match=r"val/images/f4\.jpg has no label: .* is missing \(2 missing in all\)"):
        open_dataset(tmp_path)
    (tmp_path / "val/labels").rmdir()
    with pytest.raises(DatasetError, match=r"val/images/f4\.jpg has no label"):
        open_dataset(tmp_path)


def test_a_missing_mask_is_looked_for_by_the_others_ending(tmp_path: Path) -> None:
    pairs_of_files(tmp_path, "images/{split}/f{i}.jpg", "labels/{split}/f{i}_gt.png")
    classes(tmp_path)
    missing = tmp_path / "labels/train/f1_gt.png"
    missing.unlink()
    assert find_dataset(tmp_path).pairs("train")[1].label == missing


def test_no_masks_at_all_are_told(tmp_path: Path) -> None:
    for i in range(5):
        save(frame(i), tmp_path / f"images/f{i}.jpg")
    (tmp_path / "masks").mkdir()
    classes(tmp_path)
    with pytest.raises(DatasetError, match=r"5 missing in all"):
        open_dataset(tmp_path)


def test_colours_without_a_class_file_are_named_with_the_remedy(tmp_path: Path) -> None:
    for i in range(5):
        save(frame(i), tmp_path / f"my data/images/f{i}.jpg")
        save(COLOURS[label()], tmp_path / f"my data/masks/f{i}.png")
    with pytest.raises(DatasetError) as caught:
        open_dataset(tmp_path / "my data")
    message = str(caught.value)
    for part in ("[70, 130, 180]", "[128, 64, 128]", "[0, 0, 142]", f"streetseg data init '{tmp_path / 'my data'}'"):
        assert part in message
    assert "\n" not in message


@pytest.mark.parametrize(
    ("name", "role", "split"),
    [
        ("images", "images", None),
        ("trainannot", "masks", "train"),
        ("validation_labels", "masks", "val"),
        ("imagesTr", "images", "train"),
        ("train_list", None, "train"),
        ("train2014", None, "train"),
        ("trainval", None, None),
        ("test_drive", None, None),
        ("monday", None, None),
        ("JPEGImages", "images", None),
        ("SegmentationClass", "masks", None),
        ("SegmentationObject", None, None),
        ("leftImg8bit", "images", None),
        ("2024", None, None),
    ],
)
def test_what_a_name_says(name: str, role: str | None, split: str | None) -> None:
    assert (meaning_of(name).role, meaning_of(name).split) == (role, split)


def test_a_split_may_be_any_folder_of_a_name() -> None:
    assert split_of("night/train/f0") == "train"
    assert split_of("train") is None
    assert NAMES[0] == "sky"
