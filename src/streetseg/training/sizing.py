"""Size a run to its data: steps by the number of frames, crop by their size."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from streetseg.data.pairs import reduced_size
from streetseg.runtime.frames import QuietPillow, orientation_of, read_frame
from streetseg.training.recipe import Recipe

EPOCHS = 30
FEWEST, MOST = 300, 6000  # steps
EVALUATIONS, CLOSEST = 10, 10  # of a run; steps between two, unless the run is shorter
WARMUP_SHARE, LONGEST_WARMUP = 0.1, 200  # of the steps; steps
CROP_AREA = 256 * 384  # pixels: at batch 8 a few minutes for 300 steps on two CPU cores
CROP_MULTIPLE = 64  # pixels
LEAST_CROP = 128  # pixels; below, norms see too few positions at the lowest resolution
HEADERS = 16  # files whose size is read
TURNED = range(5, 9)  # EXIF orientations that exchange height and width


@dataclass(frozen=True)
class Frames:
    """The frames that a run trains on.

    Attributes:
        number: Their number.
        size: Height and width of the middle one by area, in pixels, before it is reduced.
    """

    number: int
    size: tuple[int, int]


def measure_frames(paths: Sequence[Path]) -> Frames:
    """Return number and size of frames; a few files' headers are read."""
    step = -(-len(paths) // HEADERS)
    sizes = sorted(map(frame_size, paths[::step]), key=lambda size: size[0] * size[1])
    return Frames(len(paths), sizes[len(sizes) // 2])


def frame_size(path: Path) -> tuple[int, int]:
    """Return height and width of an image file; ImageError if it cannot be read."""
    try:
        with QuietPillow(), Image.open(path) as image:
            width, height = image.size
            return (width, height) if orientation_of(image) in TURNED else (height, width)
    except (
        OSError,
        ValueError,
        SyntaxError,
        Image.DecompressionBombError,
    ):  # read_frame says why
        frame = read_frame(path)
        return frame.shape[0], frame.shape[1]


def fit(recipe: Recipe, frames: Frames, multiple: int = 1) -> Recipe:
    """Return the recipe with the fields that it leaves to the data.

    Args:
        recipe: A recipe whose other fields are resolved.
        frames: The frames that it trains on.
        multiple: A crop's sides are multiples of it.
    """
    left = recipe.left_to_data
    if not left:
        return recipe
    fitted = dataclasses.replace(recipe, left_to_data=())
    if "iterations" in left:
        steps = steps_of(EPOCHS, frames.number, recipe.batch)
        fitted = dataclasses.replace(fitted, iterations=min(max(-(-steps // 10) * 10, FEWEST), MOST))
    if "crop" in left:
        fitted = dataclasses.replace(fitted, crop=crop_of(frames.size, recipe, max(multiple, CROP_MULTIPLE)))
    if "warmup_iterations" in left:
        warmup = min(round(WARMUP_SHARE * fitted.iterations), LONGEST_WARMUP)
        fitted = dataclasses.replace(fitted, warmup_iterations=warmup)
    if "evaluate_every" in left:
        every = min(max(CLOSEST, fitted.iterations // EVALUATIONS), fitted.iterations)
        fitted = dataclasses.replace(fitted, evaluate_every=every)
    return fitted


def steps_of(epochs: float, frames: int, batch: int) -> int:
    """Return the number of steps in which a run sees `frames` frames `epochs` times, rounded up."""
    return max(1, math.ceil(round(epochs * frames / batch, 6)))


def crop_of(size: tuple[int, int], recipe: Recipe, multiple: int) -> tuple[int, int]:
    """Return a crop of the frame's shape, of at most about CROP_AREA pixels of the frame as the network sees it."""
    seen = [side * recipe.operating_scale for side in reduced_size(size, recipe.native_short_side)]
    ratio = min(1.0, math.sqrt(CROP_AREA / (seen[0] * seen[1])))
    least = -(-LEAST_CROP // multiple) * multiple
    height, width = (max(least, round(side * ratio / multiple) * multiple) for side in seen)
    return height, width


def describe(recipe: Recipe, fitted: Recipe, frames: Frames) -> str:
    """Return a line on what `fit` has filled in, and the options that replace it; "" for the warm-up alone."""
    epochs = fitted.iterations * fitted.batch / frames.number
    texts = {
        "iterations": (f"{fitted.iterations:,} steps of {fitted.batch} frames ({epochs:.0f} epochs)", "--epochs"),
        "crop": (f"crop {fitted.crop[0]} x {fitted.crop[1]}", "--crop HxW"),
        "evaluate_every": (f"an evaluation every {fitted.evaluate_every} steps", "--set evaluate_every=N"),
    }
    told = [texts[name] for name in texts if name in recipe.left_to_data]
    if not told:
        return ""
    size = f"{frames.size[0]} x {frames.size[1]}"
    return (
        f"{fitted.name}: {frames.number:,} frames of {size} give {', '.join(text for text, _ in told)}; to choose "
        f"otherwise: {', '.join(option for _, option in told)}"
    )
