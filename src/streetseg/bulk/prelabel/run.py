"""Segment images, and write the predictions as annotations for a label tool, as `streetseg prelabel` does."""

from __future__ import annotations

import contextlib
import csv
import tempfile
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from streetseg.bulk.prelabel.choice import Wish, choose_random, choose_uncertain
from streetseg.bulk.prelabel.outlined import Outlines, outliner_of
from streetseg.bulk.prelabel.regions import PURPOSE
from streetseg.bulk.prelabel.report import Prelabelled
from streetseg.bulk.prelabel.tools import TOOLS
from streetseg.data.pairs import LabelSpace
from streetseg.data.renaming import as_cityscapes, rename
from streetseg.data.targets.target import CleanFrame
from streetseg.errors import ImageError, OutputError, StreetsegError, UsageError
from streetseg.progress import Progress, silent
from streetseg.runtime.engines.options import EngineOptions
from streetseg.runtime.files import reason, whole_file, whole_folder
from streetseg.runtime.frames import read_picture
from streetseg.runtime.image_options import ImageOptions
from streetseg.runtime.inputs import ImageFile, as_sequence, list_images
from streetseg.runtime.motion import opencv
from streetseg.runtime.predict import open_segmenter
from streetseg.runtime.segmenter import Segmenter
from streetseg.runtime.stream import in_order
from streetseg.runtime.windows import segment_picture

SPLIT = "train"
CHOSEN = "selected.csv"


@dataclass(frozen=True)
class Segmented:
    """An image with its result; or an error.

    Attributes:
        file: The image.
        frame: H x W x 3 uint8.
        label: H x W uint8, class indices or 255.
        unsure: Mean of 1 - confidence over the pixels; 0 unless asked for.
        error: Why it could not be segmented; empty otherwise.
    """

    file: ImageFile
    frame: NDArray[np.uint8] | None = None
    label: NDArray[np.uint8] | None = None
    unsure: float = 0.0
    error: str = ""


def prelabel(
    sources: str | Path | Sequence[str | Path],
    out: str | Path,
    *,
    to: str,
    weights: str | Path | Segmenter | None = None,
    tolerance: float = 1.0,
    smallest: int = 1,
    brush: bool = False,
    names: Mapping[str, str] | None = None,
    select: str | None = None,
    seed: int = 0,
    images: ImageOptions | None = None,
    size: int | None = None,
    options: EngineOptions | None = None,
    tell: Callable[[str], object] = lambda line: None,
    progress: Progress = silent,
) -> Prelabelled:
    """Segment images, and write the predictions as annotations to be corrected in a label tool.

    Args:
        sources: Images, folders and patterns like "drive/*.png".
        out: A new or empty folder; for CVAT a new NAME.zip.
        to: A key of TOOLS: "cvat", "labelstudio", "coco", "yolo", "cityscapes" or "folder".
        weights: An artefact, a name of weights, or an open Segmenter; None: the package's weights.
        tolerance: Pixels by which a simplified outline may miss the true one; 0 keeps every corner.
        smallest: Regions of fewer pixels get no polygon, 1 or more.
        brush: For Label Studio: brush masks in place of polygons.
        names: Class -> its new name; classes of one name become one, "" leaves a class out.
        select: "uncertain:N", the N frames that the network is least sure of, spread over time; "random:N"; None: all.
        seed: Of "random:N".
        images: Options of images; None: the defaults.
        size: Pixels. Reduce frames to this short side; None: the card's.
        options: Engine, device and so on.
        tell: Gets a line for each pattern whose search passed over files, and for each image that fails.
        progress: Shows how many images have been segmented.

    Returns:
        What was written, and the IoU of the way there and back.

    Raises:
        UsageError: If a path or an option is wrong; then nothing is written.
        MissingExtraError: If polygons are asked for and OpenCV is not installed.
        ImageError: If no image can be segmented.
        OutputError: If `out` is there already or cannot be written to.
    """
    out = Path(out)
    outlines = checked(to, out, Outlines(tolerance, smallest, brush))
    wish = None if select is None else Wish.parse(select)
    reading = images or ImageOptions()
    listed = list_images(as_sequence(sources), out, tell, recursive=reading.recursive, progress=progress)
    segmenter = open_segmenter(weights, size, options or EngineOptions(), len(listed))
    labels = LabelSpace(segmenter.card.classes, segmenter.card.colours)
    renaming = (as_cityscapes if to == "cityscapes" else rename)(labels, names or {})
    failed: dict[Path, str] = {}

    def segmented(files: Sequence[ImageFile], *, scored: bool) -> Iterator[Segmented]:
        """Yield the images that can be segmented; keep the errors of the others."""
        work = in_order(partial(attempt, segmenter, reading, scored), files, segmenter.workers)
        for one in progress(work, "image", len(files)):
            if one.error:
                failed[one.file.path] = one.error
                tell(one.error)
            else:
                yield one

    chosen, scores = listed, dict[Path, float]()
    if wish is not None and wish.kind == "random":
        chosen = [listed[place] for place in choose_random(len(listed), wish.count, seed)]
    elif wish is not None:
        usable = [(one.file, one.unsure) for one in segmented(listed, scored=True)]
        scores = {file.path: unsure for file, unsure in usable}
        drives = [str(file.path.parent) for file, _ in usable]
        places = choose_uncertain([unsure for _, unsure in usable], drives, wish.count)
        chosen = [usable[place][0] for place in places]
    with placed(out, zipped=TOOLS[to].zipped) as folder:
        target, frames, taken = TOOLS[to].make(folder, renaming.labels, outlines), 0, set[str]()
        for one in segmented(chosen, scored=False):
            assert one.frame is not None
            assert one.label is not None
            name = one.file.name.as_posix() if TOOLS[to].folders else flat_name(one.file, taken)
            drive = one.file.path.absolute().parent.name
            label = renaming.table[one.label]
            try:
                target.add(CleanFrame(SPLIT, name, drive, one.file.path, one.frame, label))
            except OSError as error:
                raise OutputError(f"{out} cannot be written: {reason(error)}; choose another place") from None
            frames += 1
        if not frames:
            raise ImageError(next(iter(failed.values()), "no frame is left to write"))
        target.finish()
        if wish is not None and not TOOLS[to].zipped:
            write_chosen(folder / CHOSEN, chosen, scores)
    outliner = outliner_of(target)
    iou = None if outliner is None else outliner.agreement.iou()
    return Prelabelled(
        out=out,
        to=to,
        classes=renaming.labels.names,
        frames=frames,
        listed=len(listed),
        failed=failed,
        tolerance=tolerance if outliner is not None and not brush else None,
        iou=1.0 if iou is None else iou,
    )


def checked(to: str, out: Path, outlines: Outlines) -> Outlines:
    """Return how outlines are made; UsageError or OutputError for a wrong option or an occupied place."""
    if to not in TOOLS:
        raise UsageError(f"unknown label tool {to!r}; choose one of {', '.join(TOOLS)}")
    if not 0 <= outlines.tolerance < 1000:
        raise UsageError(f"tolerance must be from 0 to 1000 pixels, got {outlines.tolerance:g}")
    if outlines.smallest < 1:
        raise UsageError(f"smallest must be at least 1 pixel, got {outlines.smallest}")
    if outlines.brush and to != "labelstudio":
        raise UsageError(f"--brush is for labelstudio, but --to is {to}; leave it out")
    if TOOLS[to].zipped and out.suffix.lower() != ".zip":
        raise UsageError(f"--out {out} is no zip, which {to} takes; give NAME.zip")
    try:
        occupied = out.exists() and (not out.is_dir() or TOOLS[to].zipped or any(out.iterdir()))
    except OSError as error:
        raise OutputError(f"{out} cannot be read: {reason(error)}; give a new place") from None
    if occupied:
        raise OutputError(f"{out} is there already; give a new {'NAME.zip' if TOOLS[to].zipped else 'or empty folder'}")
    if TOOLS[to].outlines and not outlines.brush:
        opencv(PURPOSE)
    return outlines


def attempt(segmenter: Segmenter, options: ImageOptions, scored: bool, file: ImageFile) -> Segmented:
    """Return an image with its result; return a failure too, so that the other images are not lost."""
    try:
        picture = read_picture(file.path, levels=options.parsed_levels, max_pixels=options.max_pixels)
        result = segment_picture(segmenter, picture, options)
    except UsageError as error:  # of the network's input, which knows no file
        return Segmented(file, error=f"{file.path}: {error}")
    except StreetsegError as error:
        return Segmented(file, error=str(error))
    if scored:
        return Segmented(file, unsure=1 - float(result.confidence().mean(dtype=np.float64)))
    return Segmented(file, picture.frame, result.classmap)


def flat_name(file: ImageFile, taken: set[str]) -> str:
    """Return a name without folders that is not taken, whatever the case; then it is."""
    name = "_".join(file.name.parts).lstrip(".") or "frame"
    candidates = (name, *(f"{name}_{number}" for number in range(2, len(taken) + 3)))
    free = next(each for each in candidates if each.casefold() not in taken)
    taken.add(free.casefold())
    return free


@contextlib.contextmanager
def placed(out: Path, *, zipped: bool) -> Iterator[Path]:
    """Yield a folder to fill; it becomes `out`, or its content the zip `out`, if no error ends the block."""
    if not zipped:
        with whole_folder(out) as folder:
            yield folder
        return
    with whole_file(out) as temporary, tempfile.TemporaryDirectory(dir=out.parent, prefix=".prelabel.") as given:
        folder = Path(given)
        yield folder
        with zipfile.ZipFile(temporary, "w", zipfile.ZIP_STORED) as archive:  # pictures are packed already
            for path in sorted(folder.rglob("*")):
                if path.is_file():
                    archive.write(path, path.relative_to(folder).as_posix())


def write_chosen(path: Path, files: Sequence[ImageFile], scores: Mapping[Path, float]) -> None:
    """Write which frames were selected, with their uncertainty if it was measured."""
    with path.open("w", encoding="utf-8", newline="") as file:
        rows = [(one.path.absolute(), f"{scores[one.path]:.6f}" if one.path in scores else "") for one in files]
        csv.writer(file).writerows([("source", "uncertainty"), *rows])
