"""Layouts written by the generators are recognised, and read back as the scenes they show."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy.io import savemat

from streetseg.cli import main
from streetseg.data import cityscapes, cocostuff
from streetseg.data.camvid import COLOURS_OF_CLASS, LABELS, customary_split
from streetseg.data.datasets import DATASETS, open_dataset
from streetseg.data.imagenet import open_imagenet
from streetseg.data.pairs import IGNORE
from streetseg.errors import DatasetError, OutputError, UsageError
from streetseg.progress import Item
from streetseg.streets.datasets import (
    LAYOUTS,
    camvid_places,
    in_customary_split,
    render_streets,
    write_camvid_original,
    write_camvid_tutorial,
    write_cityscapes,
    write_cocostuff,
    write_cvat,
    write_folder,
    write_imagenet,
)
from streetseg.streets.scene import Scene, render, render_surfaces
from streetseg.streets.world import SURFACES

ROAD, CAR = LABELS.names.index("road"), LABELS.names.index("car")
SMALL = (90, 120)


@pytest.fixture(scope="module")
def scenes() -> list[Scene]:
    return [render(seed, SMALL) for seed in range(7)]


@pytest.fixture(scope="module")
def tutorial(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("tutorial")
    write_camvid_tutorial(root, {"train": 4, "val": 1, "test": 1}, size=SMALL, seed=1)
    return root


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("original")
    write_camvid_original(root, {"train": 4, "val": 1, "test": 1}, size=SMALL, seed=1)
    return root


NAMES = [
    *("train/0001TP_006690", "train/0006R0_f00930", "train/0016E5_00390", "train/0001TP_006720"),
    *("val/0016E5_07959", "test/Seq05VD_f00000"),
]


@pytest.mark.parametrize("layout", ["tutorial", "original"])
def test_layouts_are_read_back(layout: str, scenes: list[Scene], request: pytest.FixtureRequest) -> None:
    """Pairs are named as CamVid's, fall into its splits, and hold the scenes of seeds 1, 2, ... in this order."""
    dataset = open_dataset(request.getfixturevalue(layout))
    pairs = {pair.name: pair for pairs in dataset.splits.values() for pair in pairs}
    assert dataset.name == "camvid"
    assert sorted(pairs) == sorted(NAMES)
    for name, scene in zip(NAMES, scenes[1:], strict=True):
        np.testing.assert_array_equal(dataset.read_label(pairs[name]), scene.label)
        with Image.open(pairs[name].image) as image:
            np.testing.assert_array_equal(np.asarray(image), scene.frame)


def test_void_is_11_in_the_tutorial_layout(tutorial: Path, scenes: list[Scene]) -> None:
    """Seed 2 has the own car's bonnet in view."""
    with Image.open(tutorial / "trainannot" / "0006R0_f00930.png") as image:
        stored = np.asarray(image)
    np.testing.assert_array_equal(stored == 11, scenes[2].label == IGNORE)
    assert stored.max() == 11


def test_original_layout_uses_several_colours_of_a_class(original: Path) -> None:
    used: set[tuple[int, int, int]] = set()
    for path in (original / "LabeledApproved_full").glob("*_L.png"):
        with Image.open(path) as image:
            used |= set(map(tuple, np.asarray(image).reshape(-1, 3).tolist()))
    assert {COLOURS_OF_CLASS[ROAD]["Road"], COLOURS_OF_CLASS[ROAD]["LaneMkgsDriv"]} <= used
    assert len(used & set(COLOURS_OF_CLASS[CAR].values())) >= 2


def test_splits_and_places_are_checked(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="unknown split 'training'; CamVid has train, val, test"):
        write_camvid_tutorial(tmp_path, {"training": 1})
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(OutputError, match="give a folder that can be written to"):
        write_camvid_tutorial(tmp_path / "file", {"train": 1}, size=(16, 16))


# ---- The other datasets

WRITERS: dict[str, Callable[[Path], None]] = {
    "camvid": lambda root: write_camvid_tutorial(root, {"train": 1, "val": 1}, size=SMALL),
    "cityscapes": lambda root: write_cityscapes(root, {"train": 1, "val": 1}, size=SMALL),
    "cocostuff": lambda root: write_cocostuff(root, {"train": 1, "val": 1}, size=SMALL),
    "cvat": lambda root: write_cvat(root, {"Train": 1, "Validation": 1}, size=SMALL),
    "images-masks": lambda root: write_folder(root, {"train": 1, "val": 1}, size=SMALL),
}


@pytest.fixture(scope="module", params=DATASETS)
def written(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    root = tmp_path_factory.mktemp(request.param)
    WRITERS[request.param](root)
    return request.param, root


def test_every_layout_is_recognised_as_one_and_read(written: tuple[str, Path], scenes: list[Scene]) -> None:
    """Scene 0 is train, scene 1 is val; where the scene has road, so has the label, under its own index."""
    kind, root = written
    assert [key for key, one in DATASETS.items() if one.recognises(root)] == [kind]
    dataset = open_dataset(root)
    assert (len(dataset.pairs("train")), len(dataset.pairs("val"))) == (1, 1)
    assert len(dataset.labels.names) == len(dataset.labels.colours) == len(set(dataset.labels.names))
    road = dataset.labels.names.index("road")
    for seed, pair in enumerate(dataset.pairs("trainval")):
        frame, label = dataset.read(pair, 360)
        scene = scenes[seed]
        assert frame.shape == scene.frame.shape
        assert np.abs(frame.astype(int) - scene.frame).mean() < 12  # a JPEG may lie between
        np.testing.assert_array_equal(label == road, scene.label == ROAD)


def test_cityscapes_ids_become_the_19_classes(tmp_path: Path) -> None:
    write_cityscapes(tmp_path, {"train": 1, "test": 1}, size=SMALL)
    dataset = open_dataset(tmp_path)
    (pair,) = dataset.pairs("train")
    label, (_, surfaces) = dataset.read_label(pair), render_surfaces(0, SMALL)
    for surface, name in (("Car", "car"), ("TrafficLight", "traffic light"), ("Sky", "sky"), ("Sidewalk", "sidewalk")):
        index = cityscapes.LABELS.names.index(name)
        assert (label[surfaces == SURFACES.index(surface)] == index).all()
    assert pair.sequence == "aachen"
    with pytest.raises(DatasetError, match="has no label, as in published test splits; choose another"):
        dataset.read_label(dataset.pairs("test")[0])


def test_cityscapes_train_ids_are_read_where_there_are_no_label_ids(tmp_path: Path) -> None:
    write_cityscapes(tmp_path, {"train": 1}, size=SMALL)
    expected = open_dataset(tmp_path).read_label(open_dataset(tmp_path).pairs("train")[0])
    (path,) = tmp_path.glob("gtFine/*/*/*_labelIds.png")
    Image.fromarray(expected).save(path.with_name(path.name.replace("labelIds", "labelTrainIds")))
    path.unlink()
    dataset = open_dataset(tmp_path)
    np.testing.assert_array_equal(dataset.read_label(dataset.pairs("train")[0]), expected)


def test_cocostuff_has_171_classes_and_says_what_is_wrong_with_a_mat(tmp_path: Path) -> None:
    write_cocostuff(tmp_path, {"train": 1, "val": 1}, size=SMALL)
    assert len(cocostuff.LABELS.names) == 171
    assert (cocostuff.NUMBERS[0], cocostuff.NUMBERS[-1]) == (1, 182)
    assert cocostuff.LABELS.names[cocostuff.BY_NUMBER[149]] == "road"
    dataset = open_dataset(tmp_path)
    (pair,) = dataset.pairs("train")
    assert pair.label is not None
    for content, message in (
        ({"T": np.zeros((2, 2))}, "holds no matrix S; take the annotations of COCO-Stuff 10k v1.1"),
        ({"S": np.full((2, 2), 300.0)}, "holds labels from 300.0 to 300.0; v1.1 has 0 to 182"),
        ({"S": np.full((2, 2), 12)}, "pixel value 12 is no class index; allowed are 1 to 11, 13 to 25, 27 to 28"),
    ):
        savemat(pair.label, content)
        with pytest.raises(DatasetError, match=message):
            dataset.read_label(pair)
    pair.image.unlink()
    with pytest.raises(DatasetError, match=rf"train\.txt lists {pair.image.stem}, and images/.* is not there"):
        open_dataset(tmp_path)
    pair.label.write_bytes(b"no matrix")
    with pytest.raises(DatasetError, match="cannot be read as a label image"):
        dataset.read_label(pair)


def test_cocostuff_as_mmsegmentation_converts_it(tmp_path: Path) -> None:
    write_cocostuff(tmp_path / "published", {"train": 1, "val": 1}, size=SMALL)
    published, root = open_dataset(tmp_path / "published"), tmp_path / "converted"
    for split, folder in cocostuff.FOLDERS.items():
        (pair,) = published.pairs(split)
        for place in ("images", "annotations"):
            (root / place / folder).mkdir(parents=True)
        pair.image.rename(root / "images" / folder / pair.image.name)
        label = published.read_label(pair) + np.uint8(1)  # void wraps round to 0
        Image.fromarray(label).save(root / "annotations" / folder / f"{pair.image.stem}_labelTrainIds.png")
    converted = open_dataset(root)
    for split in cocostuff.FOLDERS:
        (theirs,), (ours,) = published.pairs(split), converted.pairs(split)
        np.testing.assert_array_equal(converted.read_label(ours), published.read_label(theirs))


@pytest.mark.parametrize("kind", DATASETS)
def test_a_folder_that_is_called_what_it_is_not_is_one_line(kind: str, tmp_path: Path) -> None:
    with pytest.raises(DatasetError) as caught:
        open_dataset(tmp_path, kind)
    assert str(tmp_path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_folders_that_are_no_dataset_are_told_so(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="is no known dataset; looked for camvid: train/ with trainannot/"):
        open_dataset(tmp_path)
    write_cityscapes(tmp_path / "both", {"train": 1}, size=(16, 32))
    write_folder(tmp_path / "both", {"": 2}, size=(16, 32))
    with pytest.raises(DatasetError, match="could be cityscapes or images-masks; choose one with --dataset"):
        open_dataset(tmp_path / "both")
    assert open_dataset(tmp_path / "both", "cityscapes").name == "cityscapes"
    write_imagenet(tmp_path / "sorted", {"train": 1}, classes=2, size=(16, 32))
    with pytest.raises(DatasetError, match="holds images sorted by class, without label maps"):
        open_dataset(tmp_path / "sorted")
    (tmp_path / "empty" / "leftImg8bit").mkdir(parents=True)
    (tmp_path / "empty" / "gtFine").mkdir()
    with pytest.raises(DatasetError, match="holds no cityscapes frames; looked for leftImg8bit/SPLIT/CITY"):
        open_dataset(tmp_path / "empty")


def test_names_in_the_original_layout_say_the_split(tmp_path: Path) -> None:
    """Also where a drive goes over into the next split."""
    places = camvid_places({"train": 800, "val": 101, "test": 100}, in_customary_split)
    assert len(set(places)) == 1001
    assert all(customary_split(name) == split for split, name in places)
    with pytest.raises(UsageError, match=r"102 frames of val do not fit .*; give at most 101, or choose layout camvid"):
        write_camvid_original(tmp_path, {"val": 102}, size=(16, 16))


# ---- The command and its function

KINDS = {"camvid-original": "camvid", "folder": "images-masks"}  # layout -> dataset, where they are called otherwise


def test_rendered_on_the_command_line(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    root = tmp_path / "streets"
    assert main(["data", "render", str(root), "--val", "2", "--train", "3", "--size", "48x64", "--seed", "5"]) == 0
    out, err = capfd.readouterr()
    assert out == f"{root}: 2 streets in val, 3 in train\n"
    assert not err
    dataset = open_dataset(root)
    pairs = dataset.pairs("val") + dataset.pairs("train")
    assert len(dataset.pairs("val")) == 2
    assert len(pairs) == 5
    for seed, pair in enumerate(pairs, 5):
        frame, label = dataset.read(pair, 48)
        scene = render(seed, (48, 64))
        np.testing.assert_array_equal(frame, scene.frame)
        np.testing.assert_array_equal(label, scene.label)


@pytest.mark.slow
@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_is_within_reach_of_the_command(
    layout: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    root = tmp_path / "rendered"
    arguments = ["--layout", layout, "--val", "1", "--train", "2", "--size", "16x32", "--seed", "4"]
    assert main(["data", "render", str(root), *arguments]) == 0
    out, err = capfd.readouterr()
    assert not err
    if layout == "imagenet":
        assert out == f"{root}: 2 images of each class in train, 1 in val\n"
        assert [len(open_imagenet(root).items(split)) for split in ("train", "val")] == [20, 10]
        return
    assert (
        out
        == f"{root}: "
        + ("1 streets in val, 2 in train" if layout == "camvid" else "2 streets in train, 1 in val")
        + "\n"
    )
    dataset = open_dataset(root)
    assert dataset.kind == KINDS.get(layout, layout)
    assert (len(dataset.pairs("train")), len(dataset.pairs("val"))) == (2, 1)
    assert dataset.read(dataset.pairs("val")[0], 32)[0].shape == (16, 32, 3)


def test_the_help_names_every_layout(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["data", "render", "--help"])
    assert " ".join(capsys.readouterr().out.split()).count(", ".join(sorted(LAYOUTS))) == 1


@pytest.mark.slow
def test_several_processes_write_the_same_files(tmp_path: Path) -> None:
    for processes in (1, 2):
        render_streets(
            tmp_path / str(processes), layout="cityscapes", train=1, val=1, size=(16, 32), processes=processes
        )
    files = [path for path in (tmp_path / "1").rglob("*") if path.is_file()]
    assert len(files) == 4
    for path in files:
        assert path.read_bytes() == (tmp_path / "2" / path.relative_to(tmp_path / "1")).read_bytes()


def test_what_was_rendered_is_a_result(tmp_path: Path) -> None:
    seen: list[tuple[int, str]] = []

    def progress(items: Iterable[Item], unit: str, total: int | None = None) -> Iterable[Item]:
        items = list(items)
        seen.append((len(items), unit))
        return items

    streets = render_streets(tmp_path / "a", layout="folder", train=1, val=0, size=(16, 32), seed=7, progress=progress)
    assert json.loads(streets.to_json()) == {
        "folder": str(tmp_path / "a"),
        "layout": "folder",
        "counts": {"train": 1, "val": 0},
        "size": [16, 32],
        "seed": 7,
        "unit": "streets",
    }
    assert seen == [(1, "street")]
    assert streets.table() in streets._repr_html_()


def test_sizes_and_numbers_have_each_layouts_defaults() -> None:
    assert {name: layout.size for name, layout in LAYOUTS.items()} == {
        "camvid": (360, 480),
        "camvid-original": (720, 960),
        "cityscapes": (1024, 2048),
        "cocostuff": (480, 640),
        "cvat": (360, 480),
        "folder": (360, 480),
        "imagenet": (256, 320),
    }
    assert list(LAYOUTS["camvid"].counts.items()) == [("val", 50), ("train", 800)]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ((), "is not empty; give a new or empty folder, so that no frame replaces another file"),
        (("--size", "8x64"), "size 8 x 64 is too small for a scene; give at least 16 x 16"),
        (("--seed", "-1"), "seed -1 is negative; give 0 or more"),
        (("--val", "-1"), "cannot render -1 in val and 800 in train; give each split 0 or more"),
        (("--val", "0", "--train", "0"), "cannot render 0 in val and 0 in train; give each split 0 or more"),
        (("--layout", "kitti"), "unknown layout 'kitti'; choose one of camvid, camvid-original, cityscapes"),
        (("--layout", "imagenet", "--seed", "-1"), "seed -1 is negative; give 0 or more"),
        (("--layout", "imagenet", "--size", "8x64"), "size 8 x 64 is too small for a scene; give at least 16 x 16"),
        (("--layout", "camvid-original", "--val", "200"), "200 frames of val do not fit CamVid's original layout"),
        *((("--layout", layout, "--seed", "-1"), "seed -1 is negative") for layout in ("folder", "cvat", "cocostuff")),
    ],
)
def test_what_is_not_rendered(
    arguments: tuple[str, ...], told: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    root = tmp_path / "streets"
    if not arguments:
        root.mkdir()
        (root / "mine.txt").write_text("mine")
    assert main(["data", "render", str(root), *arguments]) == 2
    out, err = capfd.readouterr()
    assert not out
    assert err.count("\n") == 1
    assert told in err
    assert [path.name for path in tmp_path.rglob("*")] == ([] if arguments else ["streets", "mine.txt"])


def test_hidden_files_are_no_frames(tutorial: Path, original: Path, tmp_path: Path) -> None:
    """macOS leaves a ._NAME beside each file that it copies to a foreign disk."""
    shutil.copytree(tutorial, tmp_path / "tutorial")
    shutil.copytree(original, tmp_path / "original")
    write_cityscapes(tmp_path / "cityscapes", {"train": 1}, size=(16, 32))
    for place, name in (("images", "a.jpg"), ("annotations", "a_labelTrainIds.png")):
        folder = tmp_path / "converted" / place / "train2014"
        folder.mkdir(parents=True)
        (folder / name).write_bytes(b"")
    before = {root: open_dataset(root).splits for root in tmp_path.iterdir()}
    for path in [path for path in tmp_path.rglob("*") if path.is_file()]:
        path.with_name(f"._{path.name}").write_bytes(b"no picture")
    assert {root: open_dataset(root).splits for root in tmp_path.iterdir()} == before
