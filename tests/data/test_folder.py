"""A user's own data: every kind of mask and split, and one clear line for each mistake."""

from __future__ import annotations

import re
import shutil
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from streetseg.data.check import check_dataset
from streetseg.data.classes_yaml import read_classes
from streetseg.data.datasets import open_dataset
from streetseg.errors import DatasetError
from streetseg.streets.datasets import write_folder
from streetseg.streets.saving import Masks
from streetseg.streets.scene import render

SMALL = (48, 64)


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two scenes as they come out of the generators; a test works on copies."""
    root = tmp_path_factory.mktemp("own")
    write_folder(root / "split", {"train": 1, "val": 1}, size=SMALL)
    for folder in ("images", "masks"):  # the same, without folders for the splits
        (root / "flat" / folder).mkdir(parents=True)
        for number, path in enumerate(sorted((root / "split" / folder).glob("*/*"))):
            shutil.copy(path, root / "flat" / folder / f"drive_{number:04d}{path.suffix}")
    shutil.copy(root / "split" / "classes.yaml", root / "flat")
    return root


@pytest.fixture(scope="module")
def labels() -> list[np.ndarray]:
    return [render(seed, SMALL).label for seed in range(2)]


@pytest.fixture
def flat(written: Path, tmp_path: Path) -> Path:
    return shutil.copytree(written / "flat", tmp_path / "flat")


def strays(root: Path) -> list[str]:
    return [finding.message for finding in check_dataset(root).findings if "without a frame" in finding.message]


def multiply(root: Path, names: list[str]) -> None:
    """Copies of the first image and its mask under other names."""
    for source in (root / "images" / "drive_0000.jpg", root / "masks" / "drive_0000.png"):
        for name in names:
            shutil.copy(source, source.with_stem(name))


@pytest.mark.parametrize("masks", ["index", "palette", "colour"])
def test_every_kind_of_mask_is_read(masks: Masks, tmp_path: Path, labels: list[np.ndarray]) -> None:
    write_folder(tmp_path, {"train": 1, "val": 1}, masks=masks, size=SMALL)
    dataset = open_dataset(tmp_path)
    assert dataset.name == tmp_path.name
    for seed, split in enumerate(("train", "val")):
        np.testing.assert_array_equal(dataset.read_label(dataset.pairs(split)[0]), labels[seed])


def test_a_palette_of_the_classes_colours_may_have_any_order(tmp_path: Path, labels: list[np.ndarray]) -> None:
    """As where a tool reduced a picture to a palette; void is left as it is."""
    write_folder(tmp_path, {"train": 1}, masks="palette", size=SMALL)
    (path,) = (tmp_path / "masks" / "train").iterdir()
    image = Image.open(path)
    palette = image.getpalette()
    image.close()
    assert palette is not None
    colours = np.reshape(palette, (-1, 3))[:11]
    turned = Image.fromarray(np.where(labels[0] == 255, 255, 10 - labels[0]).astype(np.uint8))
    turned.putpalette(colours[::-1].astype(np.uint8).tobytes() + bytes(3 * (256 - 11)))  # void is 255
    turned.save(path)
    dataset = open_dataset(tmp_path)
    read = dataset.read_label(dataset.pairs("train")[0])
    np.testing.assert_array_equal(read, np.asarray(turned))  # the classes say their indices
    text = (tmp_path / "classes.yaml").read_text()
    (tmp_path / "classes.yaml").write_text(re.sub(r" index: \d+,", "", text))
    dataset = open_dataset(tmp_path)
    np.testing.assert_array_equal(dataset.read_label(dataset.pairs("train")[0]), labels[0])


@pytest.mark.parametrize("names", [("Train", "Validation"), ("train", "valid"), ("TRAIN", "VAL")])
@pytest.mark.parametrize("splits_first", [False, True])
def test_splits_by_other_names_and_before_images(
    names: tuple[str, str], splits_first: bool, written: Path, tmp_path: Path, labels: list[np.ndarray]
) -> None:
    for split, name in zip(("train", "val"), names, strict=True):
        for kind in ("images", "masks"):
            target = tmp_path / name / kind if splits_first else tmp_path / kind / name
            shutil.copytree(written / "split" / kind / split, target)
    shutil.copy(written / "split" / "classes.yaml", tmp_path)
    dataset = open_dataset(tmp_path)
    assert dataset.note == ""
    for seed, (split, name) in enumerate(zip(("train", "val"), names, strict=True)):
        (pair,) = dataset.pairs(split)
        assert pair.name.startswith(f"{name}/")
        assert pair.sequence == "drive"
        np.testing.assert_array_equal(dataset.read_label(pair), labels[seed])
    mask = dataset.pairs("val")[0].label
    assert mask is not None
    mask.unlink()
    with pytest.raises(DatasetError, match=f"{mask} is missing"):
        open_dataset(tmp_path)


def test_without_a_split_the_last_fifth_is_val_and_that_is_said(flat: Path) -> None:
    multiply(flat, [f"drive_{number}" for number in range(2, 11)])  # in natural order: drive_9 before drive_10
    dataset = open_dataset(flat)
    assert [pair.name for pair in dataset.pairs("val")] == ["val/drive_8", "val/drive_9", "val/drive_10"]
    assert len(dataset.pairs("train")) == 8
    assert dataset.note == "no split is given, so the last fifth of the images by their names is val"
    assert dataset.note in dataset.limits
    assert {pair.sequence for pair in dataset.pairs("trainval")} == {"drive"}


def test_lists_choose_the_split(flat: Path) -> None:
    multiply(flat, ["drive_0002", "drive_0003"])
    (flat / "train.txt").write_text("drive_0002.jpg\ndrive_0000\n\n")
    (flat / "val.txt").write_text("drive_0001\n")
    dataset = open_dataset(flat)
    assert [pair.name for pair in dataset.pairs("train")] == ["train/drive_0002", "train/drive_0000"]
    assert [pair.name for pair in dataset.pairs("val")] == ["val/drive_0001"]
    assert dataset.note == "1 of 4 images are in no list and are left out"
    (flat / "val.txt").write_text("\ufeffdrive_0001\ndrive_9999\n", encoding="utf-8")
    with pytest.raises(DatasetError, match=r"val\.txt, line 2: there is no image 'drive_9999'"):
        open_dataset(flat)
    (flat / "val.txt").write_text("drive_0001\ndrive_0001.jpg\n")
    with pytest.raises(DatasetError, match=r"val\.txt, line 2: 'drive_0001\.jpg' is there a second time"):
        open_dataset(flat)
    (flat / "val.txt").write_text(".")
    with pytest.raises(DatasetError, match=r"val\.txt, line 1: there is no image '\.'"):
        open_dataset(flat)
    shutil.rmtree(flat / "masks")
    with pytest.raises(DatasetError, match="holds no folders of images and of masks; looked for images/ and masks/"):
        open_dataset(flat, "images-masks")


def test_masks_of_images_in_no_list_are_no_strays(flat: Path) -> None:
    multiply(flat, ["drive_0002"])
    (flat / "train.txt").write_text("drive_0000\n")
    (flat / "val.txt").write_text("drive_0001\n")
    assert [path.name for path in open_dataset(flat).left_out] == ["drive_0002.png"]
    assert not strays(flat)
    (flat / "images" / "drive_0002.jpg").unlink()
    (stray,) = strays(flat)
    assert "drive_0002.png" in stray


def test_classes_without_a_colour_get_one_that_is_free(flat: Path) -> None:
    (flat / "classes.yaml").write_text("- road\n- {name: car, colour: [128, 0, 0]}\n")
    first, second = open_dataset(flat).labels.colours
    assert second == (128, 0, 0) != first


@pytest.mark.parametrize("text", ["- 2001-99-99", "- {name: a, index: 0x_}", '- !!int ""', "- !!bool x", "[" * 3000])
def test_what_yaml_stumbles_over_is_told(text: str, flat: Path) -> None:
    (flat / "classes.yaml").write_text(f"{text}\n")
    with pytest.raises(DatasetError, match=r"classes\.yaml cannot be read as YAML: "):
        open_dataset(flat)


def test_a_test_split_may_come_without_masks(written: Path, tmp_path: Path) -> None:
    root = shutil.copytree(written / "split", tmp_path / "split")
    shutil.copytree(root / "images" / "val", root / "images" / "test")
    assert open_dataset(root).pairs("test")[0].label is None
    (root / "masks" / "val" / "drive_0000.png").unlink()
    with pytest.raises(DatasetError, match=r"has no label: .*masks/val/drive_0000.png is missing \(1 missing in all\)"):
        open_dataset(root)


def test_an_unknown_split_is_told_with_ten_sequences_at_most(flat: Path) -> None:
    multiply(flat, [f"drive_{letter}" for letter in "abcdefghijklmnop"])
    with pytest.raises(DatasetError, match=r"no split 'dev'; there are train, val, .* drive_a, .*drive_i and 7 more$"):
        open_dataset(flat).pairs("dev")


def test_a_folder_of_its_own_makes_a_drive(written: Path, tmp_path: Path) -> None:
    for place, suffix in (("images", ".jpg"), ("masks", ".png")):
        for name in ("train/monday/cam_0000", "train/tuesday/cam_0000", "val/monday/cam_0001", "val/0001"):
            path = (tmp_path / place / name).with_suffix(suffix)
            path.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(written / "flat" / place / f"drive_0000{suffix}", path)
    shutil.copy(written / "flat" / "classes.yaml", tmp_path)
    dataset = open_dataset(tmp_path)
    assert {pair.sequence for pair in dataset.pairs("trainval")} == {"monday/cam", "tuesday/cam", "frames"}
    assert len(dataset.pairs("only:monday/cam")) == 2


@pytest.mark.parametrize("bits", [1, 2, 4])
def test_masks_of_few_bits_hold_their_values(bits: int, flat: Path) -> None:
    mask = np.arange(64, dtype=np.uint8).reshape(8, 8) % min(1 << bits, 11)
    rows = b"".join(b"\0" + np.packbits(np.unpackbits(row[:, None], axis=1)[:, 8 - bits :]).tobytes() for row in mask)
    chunks = [(b"IHDR", struct.pack(">2I5B", 8, 8, bits, 0, 0, 0, 0)), (b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    png = b"\x89PNG\r\n\x1a\n"
    for kind, data in chunks:
        png += struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    (flat / "masks" / "drive_0000.png").write_bytes(png)
    dataset = open_dataset(flat)
    np.testing.assert_array_equal(dataset.read_label(dataset.pairs("train")[0]), mask)


def test_images_of_one_name_are_refused(flat: Path) -> None:
    Image.new("RGB", (8, 8)).save(flat / "images" / "drive_0000.png")
    with pytest.raises(DatasetError, match=r"drive_0000.jpg and drive_0000.png have one name"):
        open_dataset(flat)


def test_colours_without_names_are_refused(flat: Path) -> None:
    Image.new("RGB", SMALL[::-1], (9, 8, 7)).save(flat / "masks" / "drive_0000.png")
    (flat / "classes.yaml").write_text("- road\n- car\n")
    dataset = open_dataset(flat)
    with pytest.raises(DatasetError, match="one channel of class indices, because the classes have no colours"):
        dataset.read_label(dataset.pairs("train")[0])
    (flat / "classes.yaml").write_text("- {name: road, colour: [1, 2, 3]}\n- car\n")
    dataset = open_dataset(flat)
    with pytest.raises(DatasetError, match=r"colour \(9, 8, 7\) stands for no class; name its class in classes\.yaml"):
        dataset.read_label(dataset.pairs("train")[0])


def test_a_class_may_have_several_values_and_the_rest(flat: Path) -> None:
    (flat / "classes.yaml").write_text(
        "- {name: road, index: [7, 8], colour: [[1, 1, 1], [2, 2, 2]]}\n- {name: car, index: 3, colour: [9, 0, 0]}\n"
        "- {name: void, index: 200, ignore: true, others: true}\n"
    )
    save(flat, np.array([[7, 8, 3, 99, 255]], np.uint8).repeat(4, 0))
    assert decoded(flat)[0].tolist() == [0, 0, 1, 255, 255]
    colours = np.array([[(1, 1, 1), (2, 2, 2), (9, 0, 0), (70, 80, 90)]], np.uint8)
    save(flat, colours.repeat(4, 0))
    assert decoded(flat)[0].tolist() == [0, 0, 1, 255]


def test_smoothed_borders_take_the_nearest_colour_on_request(flat: Path) -> None:
    classes = "- {name: road, colour: [128, 64, 128]}\n- {name: car, colour: [0, 0, 142]}\n"
    save(flat, np.array([[(128, 64, 128), (120, 60, 128), (10, 5, 140), (0, 0, 142)]], np.uint8).repeat(4, 0))
    (flat / "classes.yaml").write_text(classes)
    with pytest.raises(DatasetError, match=r"colour \(120, 60, 128\) stands for no class"):
        decoded(flat)
    (flat / "classes.yaml").write_text("nearest_colour: true\nclasses:\n" + classes)
    assert decoded(flat)[0].tolist() == [0, 0, 1, 1]


@pytest.mark.parametrize("kind", [np.uint16, np.int32, np.float32])
def test_wide_masks_hold_class_indices(kind: type[np.number], flat: Path) -> None:
    """16-bit PNG, and TIFF with 32 bits, as some labelling and map tools write them."""
    (flat / "classes.yaml").write_text("- road\n- car\n")
    (flat / "masks" / "drive_0000.png").unlink()
    path = flat / "masks" / ("drive_0000.png" if kind is np.uint16 else "drive_0000.tif")
    values = np.array([[0, 1, 255, 1]]).repeat(4, 0).astype(kind)
    Image.fromarray(values).save(path)
    assert decoded(flat)[0].tolist() == [0, 1, 255, 1]
    Image.fromarray(values * kind(300)).save(path)
    with pytest.raises(DatasetError, match="pixel value 300 is not a class index; allowed are 0 to 1, and 255 for"):
        decoded(flat)


def wide_png(pixels: np.ndarray) -> bytes:
    """A PNG with 16 bits in each of two, three or four channels."""
    kind = {2: 4, 3: 2, 4: 6}[pixels.shape[2]]
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in pixels)
    header = struct.pack(">2I5B", pixels.shape[1], pixels.shape[0], 16, kind, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    parts = [struct.pack(">I", len(data)) + k + data + struct.pack(">I", zlib.crc32(k + data)) for k, data in chunks]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


@pytest.mark.parametrize("scale", [1, 257])
@pytest.mark.parametrize("channels", [3, 4])
def test_colours_of_16_bits(scale: int, channels: int, flat: Path) -> None:
    """Pillow alone keeps the high byte, which makes small values 0."""
    (flat / "classes.yaml").write_text("- {name: road, colour: [9, 0, 0]}\n- {name: car, colour: [8, 0, 7]}\n")
    mask = np.array([[(9, 0, 0, 255), (8, 0, 7, 255), (9, 0, 0, 255)]])[..., :channels].repeat(3, 0)
    (flat / "masks" / "drive_0000.png").write_bytes(wide_png(mask * scale))
    assert decoded(flat)[0].tolist() == [0, 1, 0]
    (flat / "masks" / "drive_0000.png").write_bytes(wide_png(mask * 300))
    with pytest.raises(DatasetError, match="its channels have 16 bits that do not fit into 8; save masks with 8 bits"):
        decoded(flat)
    (flat / "masks" / "drive_0000.png").write_bytes(wide_png(mask[..., :2]))
    with pytest.raises(DatasetError, match="its channels have 16 bits"):
        decoded(flat)


def test_a_grey_mask_of_three_channels_holds_class_indices(flat: Path) -> None:
    (flat / "classes.yaml").write_text("- road\n- car\n")
    for channels in (2, 3, 4):
        mask = np.array([[0, 1, 1, 0]], np.uint8).repeat(4, 0)[..., None].repeat(channels, -1)
        if channels != 3:
            mask[..., -1] = 255
        save(flat, mask)
        assert decoded(flat)[0].tolist() == [0, 1, 1, 0]


def save(root: Path, mask: np.ndarray) -> None:
    """Replace the first mask."""
    Image.fromarray(mask).save(root / "masks" / "drive_0000.png")


def decoded(root: Path) -> np.ndarray:
    """The first label map."""
    dataset = open_dataset(root)
    return dataset.read_label(dataset.pairs("train")[0])


def test_classes_get_indices_and_colours_of_their_own(flat: Path) -> None:
    mask = np.array([[7, 1, 2, 255]], np.uint8).repeat(4, 0)
    Image.fromarray(mask).save(flat / "masks" / "drive_0000.png")
    (flat / "classes.yaml").write_text("- {name: road, index: 7}\n- {name: bonnet, ignore: true}\n- car\n")
    dataset = open_dataset(flat)
    assert dataset.labels.names == ("road", "car")
    assert len(set(dataset.labels.colours)) == 2
    assert dataset.read_label(dataset.pairs("train")[0])[0].tolist() == [0, 255, 1, 255]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "must be a list with a line '- NAME' for each class"),
        ("road: 1", "must be a list with a line '- NAME' for each class"),
        ("- {name: road", "cannot be read as YAML"),
        ("- \xff\xfe", "cannot be read as YAML"),
        ("- {name: road, color: [1, 2, 3]}", "class 1 has an unknown field 'color'; did you mean colour"),
        ("- {name: road, x: 1}", "class 1 has an unknown field 'x'; there are name, index, colour, ignore, others"),
        ("- road\n- no", "class 2 has the name False; give text"),
        ("- {name: road, index: 256}", r"class 1 \(road\) has the index 256; give a number from 0 to 255"),
        ("- {name: road, index: true}", r"class 1 \(road\) has the index True"),
        ("- {name: road, colour: [1, 2]}", r"class 1 \(road\) has the colour \[1, 2\]; give three numbers"),
        ("- {name: road, ignore: 255}", r"class 1 \(road\) has ignore: 255; give true or false"),
        ("- {name: road, index: [1, 300]}", r"class 1 \(road\) has the index \[1, 300\]"),
        ("- {name: road, others: 1}", r"class 1 \(road\) has others: 1; give true or false"),
        ("- {name: a, others: true}\n- {name: b, others: true}", "gives others: true to two classes"),
        ("{classes: [a, b], near: 1}", "unknown setting 'near'; there are classes, nearest_colour"),
        ("{classes: [a, b], nearest_colour: 1}", "has nearest_colour: 1; give true or false"),
        ("- road\n- road", "gives name 'road' to two classes"),
        ("- road\n- {name: car, index: 0}", "gives index 0 to two classes"),
    ],
)
def test_mistakes_in_classes_yaml_are_one_line(text: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "classes.yaml"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(DatasetError, match=message) as caught:
        read_classes(path)
    assert "\n" not in str(caught.value)


def test_classes_yaml_must_be_there_and_name_two_classes(flat: Path) -> None:
    (flat / "classes.yaml").write_text("- road\n- {name: sky, ignore: true}\n")
    with pytest.raises(DatasetError, match=r"has 1 classes that count; give 2 to 255"):
        open_dataset(flat)
    (flat / "classes.yaml").unlink()
    with pytest.raises(
        DatasetError,
        match=r"no file that names the classes; its masks hold .*; run streetseg data init",
    ):
        open_dataset(flat)


def test_splits_may_be_links_and_a_link_back_ends_nowhere(written: Path, tmp_path: Path) -> None:
    for place in ("images", "masks"):
        (tmp_path / place).mkdir()
        for split in ("train", "val"):
            (tmp_path / place / split).symlink_to(written / "split" / place / split, target_is_directory=True)
        (tmp_path / place / "back").symlink_to(tmp_path, target_is_directory=True)
    shutil.copy(written / "split" / "classes.yaml", tmp_path)
    dataset = open_dataset(tmp_path)
    assert {split: len(pairs) for split, pairs in dataset.splits.items()} == {"train": 1, "val": 1}
