"""Layouts written by the generators are recognised, and read back as the scenes they show."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from streetseg.cli import main
from streetseg.data.camvid import COLOURS_OF_CLASS, LABELS, customary_split
from streetseg.data.datasets import open_dataset
from streetseg.data.imagenet import open_imagenet
from streetseg.data.pairs import IGNORE
from streetseg.errors import OutputError, UsageError
from streetseg.progress import Item
from streetseg.streets.datasets import (
    LAYOUTS,
    camvid_frames,
    in_customary_split,
    render_streets,
    write_camvid_original,
    write_camvid_tutorial,
)
from streetseg.streets.scene import Scene, render

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


@pytest.mark.slow
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


@pytest.mark.slow
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


def test_names_in_the_original_layout_say_the_split(tmp_path: Path) -> None:
    """Also where a drive goes over into the next split."""
    places = camvid_frames({"train": 800, "val": 101, "test": 100}, in_customary_split)
    assert len(set(places)) == 1001
    assert all(customary_split(name) == split for split, name in places)
    with pytest.raises(UsageError, match=r"102 frames of val do not fit .*; give at most 101, or choose layout camvid"):
        write_camvid_original(tmp_path, {"val": 102}, size=(16, 16))


# ---- The command and its function

KINDS = {"camvid-original": "camvid", "folder": "images-masks"}  # layout -> dataset, where they are called otherwise


@pytest.mark.slow
def test_rendered_on_the_command_line(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    root = tmp_path / "streets"
    assert main(["data", "render", str(root), "--val", "2", "--train", "3", "--size", "48x64", "--seed", "5"]) == 0
    out, err = capfd.readouterr()
    counts, rate = out.splitlines()
    assert counts == f"{root}: 2 streets in val, 3 in train"
    assert re.fullmatch(r"\d+\.\d\d frames/s a core, \d+\.\d s on (1 core|\d+ cores), writing included", rate)
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
    counts = "1 streets in val, 2 in train" if layout == "camvid" else "2 streets in train, 1 in val"
    assert out.splitlines()[0] == f"{root}: {counts}"
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
    assert streets.rate == pytest.approx(1 / streets.seconds)
    assert json.loads(streets.to_json()) == {
        "folder": str(tmp_path / "a"),
        "layout": "folder",
        "counts": {"train": 1, "val": 0},
        "size": [16, 32],
        "seed": 7,
        "unit": "streets",
        "processes": 1,
        "seconds": streets.seconds,
        "sequence": None,
    }
    assert seen == [(1, "street")]
    assert streets.table() in streets._repr_html_()


def test_sizes_and_numbers_have_each_layouts_defaults() -> None:
    sizes = {
        "camvid": (360, 480),
        "camvid-original": (720, 960),
        "cityscapes": (1024, 2048),
        "cocostuff": (480, 640),
        "cvat": (360, 480),
        "folder": (360, 480),
        "imagenet": (256, 320),
    }
    assert {name: LAYOUTS[name].size for name in sizes} == sizes
    assert list(LAYOUTS["camvid"].counts.items()) == [("val", 50), ("train", 800)]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ((), "is not empty; give a new or empty folder, so that no frame replaces another file"),
        (("--size", "8x64"), "size 8 x 64 is too small for a scene; give at least 16 x 16"),
        (("--seed", "-1"), "seed -1 is negative; give 0 or more"),
        (("--val", "-1"), "cannot render -1 in val and 800 in train; give each split 0 or more"),
        (("--val", "0", "--train", "0"), "cannot render 0 in val and 0 in train; give each split 0 or more"),
        (("--layout", "mine"), "unknown layout 'mine'; choose one of camvid, camvid-original, cityscapes"),
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
