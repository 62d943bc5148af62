"""Lists of image and mask: every separator, every place that paths may start at, and one line for each mistake."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import pytest

from streetseg.data.datasets import find_dataset, open_dataset
from streetseg.errors import DatasetError
from tests.support.mask_data import SPLITS, classes, compare, frame, pairs_of_files, reads, save, write


def data(root: Path, image: str = "rgb/f{i}.jpg", mask: str = "gt/f{i}_label.png") -> Path:
    pairs_of_files(root, image, mask)
    classes(root)
    return root


def lists(root: Path, line: str, name: str = "{split}.txt", header: str = "") -> None:
    for split, numbers in SPLITS.items():
        write(header + "".join(line.format(i=i, split=split) + "\n" for i in numbers), root / name.format(split=split))


@pytest.mark.parametrize("separator", [" ", "\t", ",", ", ", ";", "   "])
@pytest.mark.parametrize("name", ["{split}.txt", "{split}.lst", "{split}_list.txt", "lists/{split}.txt", "{split}.csv"])
def test_any_separator_and_any_list(separator: str, name: str, tmp_path: Path) -> None:
    lists(data(tmp_path), f"rgb/f{{i}}.jpg{separator}gt/f{{i}}_label.png", name)
    dataset = reads(tmp_path, "pair-lists")
    assert dataset.pairs("train")[0].name == "train/rgb/f0"
    assert {pair.sequence for pair in dataset.pairs("trainval")} == {"rgb/f"}


@pytest.mark.parametrize(
    "line",
    [
        "my frames/f {i}.jpg my masks/f {i}.png",
        "my frames/f {i}.jpg\tmy masks/f {i}.png",
        '"my frames/f {i}.jpg" "my masks/f {i}.png"',
        "/home/someone/data/my frames/f {i}.jpg,/home/someone/data/my masks/f {i}.png",
        "data\\my frames\\f {i}.jpg data\\my masks\\f {i}.png",
        "./my frames/f {i}.jpg ./my masks/f {i}.png",
    ],
)
def test_names_with_blanks_and_paths_of_another_machine(line: str, tmp_path: Path) -> None:
    lists(data(tmp_path, "my frames/f {i}.jpg", "my masks/f {i}.png"), line)
    reads(tmp_path, "pair-lists")


def test_paths_may_start_at_the_lists_folder(tmp_path: Path) -> None:
    lists(data(tmp_path), "../rgb/f{i}.jpg ../gt/f{i}_label.png", "lists/{split}.txt")
    reads(tmp_path, "pair-lists")


def test_lists_of_pidnet_lie_in_a_folder_for_each_dataset(tmp_path: Path) -> None:
    data(tmp_path, "town/images/f{i}.png", "town/labels/f{i}.png")
    lists(tmp_path, "images/f{i}.png\tlabels/f{i}.png", "list/town/{split}.lst")
    for split, numbers in SPLITS.items():
        write(
            "".join(f"town/images/f{i}.png\ttown/labels/f{i}.png\n" for i in numbers),
            tmp_path / f"list/town/{split}.lst",
        )
    reads(tmp_path, "pair-lists")


def test_paddlesegs_folders_have_the_classic_names(tmp_path: Path) -> None:
    """images/ and masks/ would be images-masks, if the lists did not name pairs."""
    lists(data(tmp_path, "images/f{i}.jpg", "masks/f{i}.png"), "images/f{i}.jpg masks/f{i}.png")
    (tmp_path / "classes.yaml").unlink()
    write("sky\nroad\ncar\n", tmp_path / "labels.txt")
    assert reads(tmp_path, "pair-lists").class_file == tmp_path / "labels.txt"


def test_a_header_comments_and_a_byte_order_mark(tmp_path: Path) -> None:
    lists(data(tmp_path), "rgb/f{i}.jpg,gt/f{i}_label.png", "{split}.csv", "\ufeffimage,mask\n# made by a script\n\n")
    reads(tmp_path, "pair-lists")


def test_one_list_without_a_split(tmp_path: Path) -> None:
    write("".join(f"rgb/f{i}.jpg gt/f{i}_label.png\n" for i in range(6)), data(tmp_path) / "images.txt")
    dataset = open_dataset(tmp_path)
    assert {split: len(pairs) for split, pairs in dataset.splits.items()} == {"train": 4, "val": 2}
    assert "the last fifth of the images" in dataset.note
    assert dataset.pairs("val")[0].name == "val/rgb/f4"
    compare(dataset)


def test_a_test_list_may_have_images_alone(tmp_path: Path) -> None:
    lists(data(tmp_path), "rgb/f{i}.jpg gt/f{i}_label.png")
    save(frame(9), tmp_path / "rgb/f9.jpg")
    write("rgb/f9.jpg\n", tmp_path / "test.txt")
    (pair,) = reads(tmp_path, "pair-lists").pairs("test")
    assert pair.label is None


def test_names_may_be_stored_composed_or_apart(tmp_path: Path) -> None:
    apart, composed = (unicodedata.normalize(form, "größe") for form in ("NFD", "NFC"))
    lists(
        data(tmp_path, f"rgb/{apart}{{i}}.jpg", f"gt/{composed}{{i}}.png"),
        f"rgb/{composed}{{i}}.jpg gt/{apart}{{i}}.png",
    )
    reads(tmp_path, "pair-lists")


def test_mistakes_are_one_line(tmp_path: Path) -> None:
    data(tmp_path)
    path = write("rgb/f0.jpg gt/f0_label.png\nrgb/f99.jpg gt/f99_label.png\n", tmp_path / "train.txt")
    with pytest.raises(DatasetError, match=r"train\.txt, line 2: there is no image 'rgb/f99\.jpg'; take the line out"):
        open_dataset(tmp_path)
    path.write_text("rgb/f0.jpg gt/f0_label.png\nrgb/f0.jpg gt/f0_label.png\n")
    with pytest.raises(DatasetError, match=r"line 2: 'f0\.jpg' is there a second time; take one line out"):
        open_dataset(tmp_path)
    path.write_text("rgb/f0.jpg gt/f0_label.png\nrgb/f1.jpg\n")
    with pytest.raises(DatasetError, match=r"line 2 is 'rgb/f1\.jpg'; expected an image and its mask, a space, tab or"):
        open_dataset(tmp_path)
    path.write_text("rgb/f0.jpg gt/f0_label.png\nrgb/f1.jpg gt/missing.png\n")
    assert [pair.label for pair in find_dataset(tmp_path).pairs("train")][1] == tmp_path / "gt/missing.png"
    with pytest.raises(DatasetError, match=r"f1\.jpg has no label: .*gt/missing\.png is missing"):
        open_dataset(tmp_path)
