"""Drives: the same street frame after frame, in which the camera and the traffic move and all else stands still."""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from streetseg.cli import main
from streetseg.data.datasets import open_dataset
from streetseg.errors import UsageError
from streetseg.measure.flicker import FlickerMeter
from streetseg.runtime.motion import MotionFinder
from streetseg.runtime.video.reader import VideoReader
from streetseg.streets.camera import Camera
from streetseg.streets.datasets import render_streets
from streetseg.streets.scene import render, render_surfaces
from streetseg.streets.sequence import REACH, TRAFFIC, WALK, Drive, Moment
from streetseg.streets.world import SURFACE_CLASSES, Street


def test_single_frames_are_those_of_before() -> None:
    """Drives came later; the pictures of the seeds stayed, but for the last bit of another processor's arithmetic."""
    before = {  # seed -> pixels of each class, mean colour
        0: ([892, 139, 75, 1172, 179, 99, 270, 16, 148, 53, 12], [121.6, 120.3, 121.7]),
        1: ([300, 520, 75, 838, 28, 588, 80, 5, 379, 20, 16], [137.6, 143.5, 142.9]),
        2: ([530, 550, 43, 1037, 76, 521, 29, 23, 240, 0, 0], [125.9, 124.3, 123.6]),
    }  # fmt: skip
    for seed, (pixels, colour) in before.items():
        scene = render(seed, (48, 64))
        assert np.abs(np.bincount(scene.label.ravel(), minlength=11)[:11] - pixels).max() <= 2
        np.testing.assert_allclose(scene.frame.mean((0, 1)), colour, atol=0.3)


def drive_of(seed: int, moment: Moment) -> tuple[Street, Drive]:
    rng = np.random.default_rng(seed)
    street = Street.sample(rng)
    return street, Drive(seed, street, Camera.sample(rng, street, (48, 64)), moment)


@pytest.mark.parametrize("seed", range(6))
def test_the_camera_follows_the_street(seed: int) -> None:
    frames = 100
    spots = []
    for frame in (0, 50, 99):
        street, drive = drive_of(seed, Moment(frame, frames))
        s, d = street.locate(drive.camera.place.origin)
        spots.append((s, d))
        np.testing.assert_allclose(drive.camera.place.axes @ drive.camera.place.axes.T, np.eye(3), atol=1e-12)
        assert drive.heading == pytest.approx(street.bend * s)
    (start, aside), (middle, _), (end, same) = spots
    assert start == pytest.approx(0)
    assert middle == pytest.approx(end * 50 / 99)
    assert 15 < end <= REACH
    assert same == pytest.approx(aside)


def test_things_move_and_none_hits_the_camera() -> None:
    passed = left_out = 0
    for seed in range(6):
        street, first = drive_of(seed, Moment(0, 100))
        last = drive_of(seed, Moment(99, 100))[1]
        for own in range(40):
            s, d = 5.0 + own, (own % 9 - 4) * 0.9
            vehicle = own % 2 == 0
            place = street.place(s, d, np.pi * (d > 0) if vehicle else np.pi / 2)
            begin, end = (drive.moved(place, TRAFFIC if vehicle else WALK, own) for drive in (first, last))
            assert (begin is None) == (end is None)
            if begin is None or end is None:
                left_out += 1
                continue
            np.testing.assert_allclose(begin[0].origin, place.origin, atol=1e-6)
            there, aside = street.locate(end[0].origin)
            if vehicle:
                assert aside == pytest.approx(d, abs=1e-3)  # it keeps its lane
                assert (there < s) == (d > 0)
                passed += d > 0
            else:
                assert there == pytest.approx(s, abs=1e-3)
    assert passed > 10
    assert left_out > 10


@pytest.mark.slow
def test_labels_do_not_flicker() -> None:
    """Where optical flow can follow the pictures, the labels move with them: nothing boils."""
    find, meter, shown = MotionFinder(), FlickerMeter(), []
    for frame in range(5):
        picture, surfaces = render_surfaces(1, (180, 240), Moment(frame, 100))
        meter.add(find(picture), SURFACE_CLASSES[surfaces])
        shown.append(picture.astype(int))
    assert meter.followed > 0.8 * meter.pixels
    assert meter.share < 0.01
    assert all(np.abs(a - b).mean() > 1 for a, b in pairwise(shown))


@pytest.mark.slow
def test_the_command_writes_drives_and_films(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    root = tmp_path / "drives"
    arguments = ["--sequence", "3", "--train", "1", "--val", "2", "--size", "32x48", "--seed", "4", "--film"]
    assert main(["data", "render", str(root), *arguments]) == 0
    out, err = capfd.readouterr()
    assert (out.splitlines()[0], err) == (f"{root}: 1 drives in train, 2 in val; 3 frames each, 25 a second", "")
    dataset = open_dataset(root)
    assert [pair.name for pair in dataset.pairs("val")] == [
        f"val/drive_{drive:04d}_{frame:06d}" for drive in (1, 2) for frame in range(3)
    ]
    assert [pair.sequence for pair in dataset.pairs("val")] == ["drive_0001"] * 3 + ["drive_0002"] * 3
    for drive, seed in enumerate((4, 5, 6)):
        with VideoReader(str(root / f"drive_{drive:04d}.mp4")) as reader:
            frames = [frame.to_ndarray(format="rgb24") for frame in reader]
            assert len(frames) == 3
            assert float(reader.rate) == 25
        picture, _ = render_surfaces(seed, (32, 48), Moment(2, 3))
        assert np.abs(frames[2].astype(int) - picture).mean() < 12
    label = dataset.read_label(dataset.pairs("val")[5])
    np.testing.assert_array_equal(label, SURFACE_CLASSES[render_surfaces(6, (32, 48), Moment(2, 3))[1]])


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"sequence": 1}, "a drive of 1 frames cannot be rendered; give 2 to 100,000"),
        ({"sequence": 5, "layout": "cityscapes"}, "drives are written in layout folder, not cityscapes"),
        ({"film": True}, "a film needs a drive"),
        ({"sequence": 5, "val": 0}, "cannot render 0 in train and 0 in val"),
    ],
)
def test_mistakes(options: dict[str, int], told: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=re.escape(told)):
        render_streets(tmp_path / "drives", **options)  # type: ignore[arg-type]
