"""Pascal VOC's folders: its own data, and what labelme and others write into them."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np

from streetseg.data import voc
from streetseg.data.datasets import open_dataset
from streetseg.data.pairs import distinct_colours
from tests.support.mask_data import COLOURS, SPLITS, compare, frame, label, reads, save, write

PALETTE = bytes(value for colour in ((0, 0, 0), *distinct_colours(255)) for value in colour)
VALUES = np.array([0, 255, 7], np.uint8)  # background, border, car


def layout(root: Path, mask: np.ndarray, masks: str = "SegmentationClass", name: str = "2007_{i:06}") -> Path:
    """VOC's folders with lists of train, val and both."""
    for split, numbers in SPLITS.items():
        for i in numbers:
            save(frame(i), root / f"JPEGImages/{name.format(i=i)}.jpg")
            save(mask, root / f"{masks}/{name.format(i=i)}.png", PALETTE if mask.ndim == 2 else None)
        write("".join(f"{name.format(i=i)}\n" for i in numbers), root / f"ImageSets/Segmentation/{split}.txt")
    write("".join(f"{name.format(i=i)}\n" for i in range(6)), root / "ImageSets/Segmentation/trainval.txt")
    return root


def test_palette_masks_have_vocs_classes_and_a_border(tmp_path: Path) -> None:
    dataset = open_dataset(layout(tmp_path, VALUES[label()]))
    assert dataset.kind == dataset.name == "voc"
    assert len(dataset.labels.names) == 21
    assert dataset.terms == voc.TERMS
    assert {split: len(pairs) for split, pairs in dataset.splits.items()} == {"train": 4, "val": 2}
    found = dataset.read_label(dataset.pairs("train")[0])
    np.testing.assert_array_equal(found, VALUES[label()])
    assert dataset.note == ""


def test_masks_in_vocs_colours(tmp_path: Path) -> None:
    colours = np.array([(0, 0, 0), voc.BORDER, (128, 128, 128)], np.uint8)
    dataset = open_dataset(layout(tmp_path / "VOCdevkit" / "VOC2012", colours[label()]).parents[1])
    np.testing.assert_array_equal(dataset.read_label(dataset.pairs("train")[0]), VALUES[label()])


def test_other_frames_without_a_class_file_are_noted(tmp_path: Path) -> None:
    dataset = open_dataset(layout(tmp_path, VALUES[label()], name="drive_{i}"))
    assert "they are read as its 21, although the frames are not called as VOC's are" in dataset.note
    assert dataset.note in dataset.limits


def test_without_lists_images_that_have_a_mask_count(tmp_path: Path) -> None:
    layout(tmp_path, VALUES[label()])
    shutil.rmtree(tmp_path / "ImageSets")
    save(frame(9), tmp_path / "JPEGImages/2007_000009.jpg")
    dataset = open_dataset(tmp_path)
    assert {split: len(pairs) for split, pairs in dataset.splits.items()} == {"train": 4, "val": 2}
    assert "1 of 7 frames have no mask" in dataset.note


def test_labelmes_script_writes_names_and_masks_elsewhere(tmp_path: Path) -> None:
    """labelme2voc: class_names.txt, masks as .npy in SegmentationClass/ and as PNG in SegmentationClassPNG/."""
    layout(tmp_path, label() + np.uint8(1), "SegmentationClassPNG", "d {i}")
    (tmp_path / "SegmentationClass").mkdir()
    np.save(tmp_path / "SegmentationClass/d 0.npy", label())
    write("_background_\nsky\nroad\ncar\n", tmp_path / "class_names.txt")
    dataset = reads(tmp_path, "voc")
    assert dataset.labels.names == ("_background_", "sky", "road", "car")
    assert "VOC" not in dataset.terms


def test_datumaros_labels_may_lack_colours(tmp_path: Path) -> None:
    """datumaro 1.13 writes `sky:::` then, and masks in VOC's palette."""
    masks = np.array([(128, 0, 0), (0, 128, 0), (128, 128, 0)], np.uint8)[label()]
    layout(tmp_path, masks)
    write("# label:color_rgb:parts:actions\nbackground:::\nsky:::\nroad:::\ncar:::\n", tmp_path / "labelmap.txt")
    assert reads(tmp_path, "cvat").labels.names == ("sky", "road", "car")


def test_background_counts_beside_a_single_label(tmp_path: Path) -> None:
    """An export of CVAT with one label: without background there would be nothing to tell apart."""
    layout(tmp_path, np.array([(0, 0, 0), COLOURS[1], (0, 0, 0)], np.uint8)[label()])
    write("background:0,0,0::\nroad:128,64,128::\n", tmp_path / "labelmap.txt")
    dataset = open_dataset(tmp_path)
    assert dataset.labels.names == ("background", "road")
    compare(dataset, ("background", "road", "background"))
