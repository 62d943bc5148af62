"""A converted dataset opens with our own readers, has the same class maps, and says what was left out."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from streetseg.data.check import check_dataset
from streetseg.data.convert import convert_dataset
from streetseg.data.datasets import open_dataset
from streetseg.data.pairs import IGNORE, Dataset
from streetseg.data.targets.targets import TARGETS
from streetseg.errors import DatasetError, OutputError, UsageError
from streetseg.runtime.frames import read_frame
from streetseg.streets.datasets import write_cityscapes
from tests.support.command_line import files_below
from tests.support.own_data import own_data, photo, save, street


def named_maps(dataset: Dataset, renamed: dict[str, str]) -> dict[bytes, np.ndarray]:
    """Frames, by their pixels -> class maps of names."""
    names = np.array([*(renamed.get(name, name) for name in dataset.labels.names), "void"])
    return {
        read_frame(pair.image).tobytes(): names[np.minimum(dataset.read_label(pair), len(names) - 1)]
        for pairs in dataset.splits.values()
        for pair in pairs
        if pair.label is not None
    }


@pytest.mark.parametrize("to", TARGETS)
def test_a_round_trip_keeps_frames_class_maps_and_splits(camvid: Path, tmp_path: Path, to: str) -> None:
    source = open_dataset(camvid)
    names = {"cyclist": "rider"} if to == "cityscapes" else {}
    converted = convert_dataset(source, tmp_path / "out", to=to, names=names)
    assert (converted.splits, converted.left_out) == ({"train": 12, "val": 4}, ())
    result = open_dataset(tmp_path / "out")
    assert {split: len(pairs) for split, pairs in result.splits.items()} == converted.splits
    before, after = named_maps(source, converted.renamed), named_maps(result, {})
    assert before.keys() == after.keys()
    for frame, label in before.items():
        np.testing.assert_array_equal(label, after[frame])
    assert (result.name, result.terms, result.limits) == ("camvid (converted)", source.terms, source.limits)
    assert check_dataset(result).count("error") == 0
    again = convert_dataset(result, tmp_path / "again", to="folder")
    assert len(open_dataset(again.out).name) == len("camvid (converted)")


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # of pycocotools
def test_coco_is_read_back_by_its_own_tools(camvid: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    coco = pytest.importorskip("pycocotools.coco", reason="pycocotools is the oracle of COCO's format")
    source = open_dataset(camvid)
    convert_dataset(source, tmp_path / "out", to="coco")
    for split, pairs in source.splits.items():
        written = coco.COCO(str(tmp_path / "out" / "annotations" / f"instances_{split}.json"))
        assert [category["name"] for category in written.loadCats(written.getCatIds())] == list(source.labels.names)
        by_name = {image["file_name"]: image for image in written.loadImgs(written.getImgIds())}
        assert by_name.keys() == {pair.image.name for pair in pairs}
        for pair in pairs:
            image = by_name[pair.image.name]
            label = np.full((image["height"], image["width"]), IGNORE, np.uint8)
            for annotation in written.loadAnns(written.getAnnIds(imgIds=[image["id"]])):
                mask = written.annToMask(annotation).astype(bool)
                label[mask] = annotation["category_id"] - 1
                rows, columns = np.nonzero(mask)
                left, top, width, height = annotation["bbox"]
                assert (left, top) == (columns.min(), rows.min())
                assert (left + width, top + height) == (columns.max() + 1, rows.max() + 1)
                assert annotation["area"] == mask.sum()
            np.testing.assert_array_equal(label, source.read_label(pair))


def test_void_stays_void_in_coco_beside_a_class_background(tmp_path: Path) -> None:
    mask = np.where(street() == 2, np.uint8(IGNORE), street())
    root = own_data(tmp_path / "data", mask, "- background\n- road\n")
    convert_dataset(root, tmp_path / "out", to="coco")
    result = open_dataset(tmp_path / "out")
    assert result.labels.names == ("background", "road")
    np.testing.assert_array_equal(result.read_label(result.splits["val"][0]), mask)


def test_a_class_that_cityscapes_does_not_have_is_refused_with_the_remedy(camvid: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"'cyclist': not among .* for example --map 'cyclist='; there are road, side"):
        convert_dataset(camvid, tmp_path / "out", to="cityscapes")
    assert not (tmp_path / "out").exists()
    converted = convert_dataset(camvid, tmp_path / "out", to="cityscapes", names={"Cyclist": "", "sign": "Pole"})
    assert converted.renamed == {
        "cyclist": "void", "sign": "pole", "tree": "vegetation", "pedestrian": "person",
    }  # fmt: skip
    frame = next((tmp_path / "out").glob("leftImg8bit/val/0016e5/*.png"))
    assert frame.name.startswith("0016e5_000000_00000")
    assert "\n0016e5_000000_000007,0016E5_07965\n" in (tmp_path / "out" / "names.csv").read_text()


def test_classes_are_renamed_merged_and_left_out(tmp_path: Path) -> None:
    root = own_data(tmp_path / "data", street())
    converted = convert_dataset(root, tmp_path / "out", names={"CAR": "vehicle", "sky": "void", "road": "Straße"})
    assert converted.classes == ("Straße", "vehicle")
    assert open_dataset(tmp_path / "out").labels.names == ("Straße", "vehicle")
    with pytest.raises(UsageError, match="--map cr=vehicle: the labels have no class 'cr'; did you mean 'car'"):
        convert_dataset(root, tmp_path / "no", names={"cr": "vehicle"})
    with pytest.raises(UsageError, match="the map leaves 1 classes"):
        convert_dataset(root, tmp_path / "no", names={"sky": "road", "car": "road"})


def test_what_cannot_be_used_is_left_out_and_told(tmp_path: Path) -> None:
    root = own_data(tmp_path / "data", street(), frames=12)
    for number in range(5):
        (root / "masks" / f"drive_{number:03d}.png").unlink()
    save(street()[:40], root / "masks" / "drive_006.png")
    (root / "images" / "drive_007.png").write_bytes(b"no image")
    converted = convert_dataset(root, tmp_path / "out")
    assert sum(converted.splits.values()) == 5
    assert [finding.kind for finding in converted.left_out] == ["no label"] * 5 + ["size", "image"]
    lines = converted.table().splitlines()
    assert lines[0] == "left out: 5 of 12 images have no mask; copy the masks to their places, or take the images out"
    assert lines[-1] == f"{tmp_path / 'out'}: 5 frames (2 in train, 3 in val), 3 classes; 7 left out"
    assert check_dataset(tmp_path / "out").count("error") == 0
    assert json.loads(converted.to_json())["splits"] == {"train": 2, "val": 3}


def test_nothing_is_left_behind_by_a_failure(tmp_path: Path) -> None:
    root = own_data(tmp_path / "data", street() + np.uint8(9))
    before = files_below(tmp_path)
    with pytest.raises(DatasetError, match=r"no frame of .* can be used: .*pixel value 9 is not a class index"):
        convert_dataset(root, tmp_path / "out")
    assert files_below(tmp_path) == before
    assert not (tmp_path / "out").exists()
    (tmp_path / "full").mkdir()
    save(street(), tmp_path / "full" / "theirs.png")
    for out, says in (
        (tmp_path / "full", "not an empty folder"),
        (root / "clean", "lies in .*; give a folder outside"),
    ):
        with pytest.raises(OutputError, match=says):
            convert_dataset(root, out)


def test_an_image_that_others_read_differently_becomes_a_png(tmp_path: Path) -> None:
    root = own_data(tmp_path / "data", street())
    turned = Image.fromarray(np.rot90(photo(9)))
    exif = Image.Exif()
    exif[0x0112] = 6  # turn clockwise to show
    turned.save(root / "images" / "drive_000.png", exif=exif)
    expected = read_frame(root / "images" / "drive_000.png")
    assert expected.shape == (48, 64, 3)
    convert_dataset(root, tmp_path / "out", to="coco")
    with Image.open(tmp_path / "out" / "train" / "drive_000.png") as image:
        np.testing.assert_array_equal(np.asarray(image), expected)


def test_odd_names_are_kept_and_never_collide(tmp_path: Path) -> None:
    for split in ("train", "val"):
        for name in ("Straße 1", "straße 1", "a/b", "a_b"):
            save(photo(len(name)), tmp_path / "data" / "images" / split / f"{name}.png")
            save(street(), tmp_path / "data" / "masks" / split / f"{name}.png")
    (tmp_path / "data" / "classes.yaml").write_text("- Himmel\n- 'no'\n- {name: 'Fußgänger, groß'}\n", encoding="utf-8")
    convert_dataset(tmp_path / "data", tmp_path / "out")
    result = open_dataset(tmp_path / "out")
    assert result.labels.names == ("Himmel", "no", "Fußgänger, groß")
    assert sum(len(pairs) for pairs in result.splits.values()) == 8


def test_published_names_of_cityscapes_are_kept(tmp_path: Path) -> None:
    write_cityscapes(tmp_path / "data", {"train": 1, "val": 1}, size=(32, 64))
    convert_dataset(tmp_path / "data", tmp_path / "out", to="cityscapes")
    before, after = (files_below(tmp_path / folder / "leftImg8bit") for folder in ("data", "out"))
    assert before == after == {f"{split}/aachen/aachen_000000_000019_leftImg8bit.png" for split in ("train", "val")}
    (ids,) = (tmp_path / "out").glob("gtFine/val/aachen/*_labelIds.png")
    ids.unlink()
    for path in (tmp_path / "out").glob("gtFine/train/aachen/*_labelIds.png"):
        path.unlink()
    as_ids, as_train_ids = open_dataset(tmp_path / "data"), open_dataset(tmp_path / "out")
    label = as_train_ids.read_label(as_train_ids.splits["val"][0])
    np.testing.assert_array_equal(label, as_ids.read_label(as_ids.splits["val"][0]))
    convert_dataset(tmp_path / "data", tmp_path / "split", val=0.5)  # two frames of one name, of two splits
    assert files_below(tmp_path / "split" / "images") == {
        "train/aachen_000000_000019.png", "val/aachen_000000_000019.png",
    }  # fmt: skip
