"""YOLO's polygons as ultralytics, CVAT, Roboflow, Label Studio and supervision lay them out."""

from __future__ import annotations

from pathlib import Path

import pytest

from streetseg.data.check import check_dataset
from streetseg.data.datasets import open_dataset
from streetseg.errors import DatasetError
from tests.support.own_data import HEIGHT, NAMES, WIDTH, photo, save
from tests.support.shapes import OUTLINES, assert_street, shares

LINES = [
    f"{k} " + " ".join(f"{x / WIDTH:.6f} {y / HEIGHT:.6f}" for x, y in OUTLINES[name]) for k, name in enumerate(NAMES)
]
NAMED = "names:\n  0: sky\n  1: road\n  2: car\n"


def frame(image: Path, label: Path, lines: list[str] = LINES, seed: int = 0) -> None:
    """Write an image and its labels."""
    save(photo(seed), image)
    label.parent.mkdir(parents=True, exist_ok=True)
    label.write_text("\n".join(lines) + "\n")


def write(
    root: Path, yaml: str = f"path: .\ntrain: images/train\nval: images/val\n{NAMED}", around: bool = False
) -> Path:
    """Write ultralytics' layout, images/train/; around: train/images/."""
    for split, numbers in (("train", range(4)), ("val", range(4, 6))):
        for i in numbers:
            images, labels = (
                (f"{split}/images", f"{split}/labels") if around else (f"images/{split}", f"labels/{split}")
            )
            frame(root / images / f"f{i}.jpg", root / labels / f"f{i}.txt", seed=i)
    (root / "data.yaml").write_text(yaml)
    return root


@pytest.mark.parametrize(
    "paths",
    [
        "path: .\ntrain: images/train\nval: images/val\n",
        "train: images/train\nval: images/val\ntest:\n",
        "path: /home/me/datasets/town\ntrain: images/train\nval: images/val\n",
        "path: ../datasets/town\ntrain: [images/train]\nval: ['images/val']\n",
        "train: /data/town/images/train\nval: /data/town/images/val\n",
        "path: C:\\data\\town\ntrain: images\\train\nval: images\\val\n",
        "train: ./images/train/\nval: ./images/val/\n",
        "",
    ],
)
@pytest.mark.parametrize("names", [NAMED, "nc: 3\nnames: [sky, road, car]\n", "names: ['sky', 'road', 'car']\n"])
def test_the_paths_of_data_yaml_are_found_below_the_folder(tmp_path: Path, paths: str, names: str) -> None:
    dataset = assert_street(write(tmp_path, paths + names), train=4, val=2)
    assert dataset.kind == "yolo"
    assert dataset.labels.names == NAMES
    assert check_dataset(dataset).count("error") + check_dataset(dataset).count("warning") == 0


def test_roboflow_puts_images_and_labels_into_each_split(tmp_path: Path) -> None:
    paths = "train: ../train/images\nval: ../valid/images\ntest: ../test/images\n"
    write(tmp_path, f"{paths}nc: 3\nnames: ['sky', 'road', 'car']\n", around=True)
    (tmp_path / "val").rename(tmp_path / "valid")
    assert_street(tmp_path, train=4, val=2)


def test_cvat_writes_lists(tmp_path: Path) -> None:
    write(tmp_path, f"path: ./\ntrain: train.txt\nval: val.txt\n{NAMED}")
    (tmp_path / "train.txt").write_text("".join(f"data/images/train/f{i}.jpg\n" for i in range(4)))
    (tmp_path / "val.txt").write_text("./images/val/f4.jpg\n./images/val/f5.jpg\n")
    assert_street(tmp_path, train=4, val=2)
    (tmp_path / "val.txt").write_text("images/val/f9.jpg\n")
    with pytest.raises(DatasetError, match=r"val\.txt, line 1: there is no image 'images/val/f9\.jpg'"):
        open_dataset(tmp_path)


def test_label_studio_writes_classes_txt_and_no_splits(tmp_path: Path) -> None:
    for i in range(5):
        frame(tmp_path / "images" / f"f{i}.jpg", tmp_path / "labels" / f"f{i}.txt", seed=i)
    (tmp_path / "notes.json").write_text('{"categories": [{"id": 0, "name": "sky"}], "info": {"version": "1.0"}}')
    with pytest.raises(DatasetError, match=r"has YOLO labels and no names of the classes; write .*data\.yaml"):
        open_dataset(tmp_path)
    (tmp_path / "classes.txt").write_text("sky\nroad\ncar\n")
    assert_street(tmp_path, train=4, val=1)


def test_labels_may_lie_beside_their_images(tmp_path: Path) -> None:
    for i in range(5):
        frame(tmp_path / "photos" / f"f{i}.jpg", tmp_path / "photos" / f"f{i}.txt", seed=i)
    (tmp_path / "data.yaml").write_text(f"train: photos\nval: photos\n{NAMED}")
    with pytest.raises(DatasetError, match=r"f0\.jpg is in train and in val; take it out of one of them"):
        open_dataset(tmp_path)
    (tmp_path / "data.yaml").write_text(f"train: photos\n{NAMED}")
    assert_street(tmp_path, train=5)


def test_names_may_have_gaps_and_numbers_a_point(tmp_path: Path) -> None:
    root = write(tmp_path, "train: images/train\nval: images/val\nnames: {0: sky, 4: road, 2.0: x, 7: car}\n")
    with pytest.raises(DatasetError, match="give a list of names, or numbers with names"):
        open_dataset(root)
    (root / "data.yaml").write_text("train: images/train\nval: images/val\nnames: {0: sky, 4: road, 7: car}\n")
    for path in root.glob("labels/*/*.txt"):
        lines = path.read_text().splitlines()
        path.write_text("\n".join(f"{n}.0 {line[2:]}" for n, line in zip((0, 4, 7), lines, strict=True)))
    assert_street(root, train=4, val=2)


def test_boxes_alone_are_refused_with_the_remedy(tmp_path: Path) -> None:
    root = write(tmp_path)
    for path in root.glob("labels/*/*.txt"):
        path.write_text("0 0.5 0.5 0.2 0.2\n1 0.1 0.1 0.2 0.2\n")
    with pytest.raises(DatasetError, match=r"are boxes \(CLASS x y width height\).*export them as YOLO segmentation"):
        open_dataset(root)
    for path in root.glob("labels/*/*.txt"):
        path.write_text("")
    with pytest.raises(DatasetError, match="and the other labels are empty; export polygons as YOLO segmentation"):
        open_dataset(root)


def test_images_without_objects_are_left_out_unless_background_counts(tmp_path: Path) -> None:
    root = write(tmp_path)
    (root / "labels" / "train" / "f1.txt").write_text("")
    (root / "labels" / "train" / "f2.txt").unlink()
    assert "2 of 6 frames have no shape and are left out" in assert_street(root, train=2, val=2).note
    (root / "classes.yaml").write_text("- Background\n- Car\n")
    dataset = open_dataset(root)
    assert [pair.name for pair in dataset.pairs("train")] == ["train/f0", "train/f1", "train/f3"]
    assert set(shares(dataset)) == {"Car", "void"}
    assert (dataset.read_label(dataset.pairs("train")[1]) == 0).all()


def test_a_split_without_any_label_is_told(tmp_path: Path) -> None:
    root = write(tmp_path)
    for path in (root / "labels" / "val").iterdir():
        path.unlink()
    with pytest.raises(DatasetError, match=r"f4\.jpg has no label: .*f4\.txt is missing \(2 missing in all\)"):
        open_dataset(root)


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("3 0 0 1 0 1 1", "line 4 has the class 3; data.yaml names 0 to 2"),
        ("-1 0 0 1 0 1 1", "line 4 has the class -1"),
        ("0.5 0 0 1 0 1 1", "line 4 has the class 0.5"),
        ("0 0 0 1 0", "line 4 is a box, no polygon"),
        ("0 0 0 1 0 1", "line 4 has 5 numbers after the class"),
        ("0 0 0 1 0 1 1 1", "line 4 has 7 numbers after the class"),
        ("0 0 0 64 0 64 48", "line 4 has a corner that is no share of the frame, 0 to 1"),
        ("0 0 0 nan 0 1 1", "line 4 has a corner that is no share"),
        ("road 0 0 1 0 1 1", "line 4 is 'road 0 0 1 0 1 1'; expected CLASS x y x y ..., all numbers"),
        ("0", "line 4 has 0 numbers after the class"),
    ],
)
def test_a_wrong_line_is_an_error_of_its_frame_alone(tmp_path: Path, line: str, problem: str) -> None:
    root = write(tmp_path)
    path = root / "labels" / "train" / "f1.txt"
    path.write_text("\n".join([*LINES, line]))
    dataset = open_dataset(root)
    with pytest.raises(DatasetError) as caught:
        dataset.read_label(dataset.pairs("train")[1])
    assert str(caught.value).startswith(f"{path}: {problem}")
    assert check_dataset(dataset).count("error") == 1


@pytest.mark.parametrize(
    ("yaml", "problem"),
    [
        ("names: [a", "cannot be read as YAML"),
        ("- a\n- b\n", "has YOLO labels and no names of the classes"),
        ("train: images/train\nnames: 5\n", "has names '5'; give a list of names"),
        ("train: images/train\nnc: 4\nnames: [sky, road, car]\n", "has nc: 4 and 3 names"),
        ("train: images/trian\nnames: [sky, road, car]\n", "has train: images/trian, which is not there"),
    ],
)
def test_a_wrong_data_yaml_is_one_line(tmp_path: Path, yaml: str, problem: str) -> None:
    root = write(tmp_path, yaml)
    with pytest.raises(DatasetError) as caught:
        open_dataset(root, "yolo")
    assert problem in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_changed_label_is_decoded_anew(tmp_path: Path) -> None:
    from streetseg.data.cache import open_cache

    root = write(tmp_path)
    before = open_cache(open_dataset(root), "train", HEIGHT).read(0)[1].copy()
    (root / "labels" / "train" / "f0.txt").write_text(LINES[0])
    after = open_cache(open_dataset(root), "train", HEIGHT).read(0)[1]
    assert (before != after).any()
