"""A segmented frame and what can be made of it."""

from __future__ import annotations

import difflib
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from streetseg.errors import UsageError
from streetseg.figures import new_figure
from streetseg.results import Facts, text_table
from streetseg.runtime.confidence import Scores
from streetseg.runtime.frames import encode_png, write_classmap, write_picture
from streetseg.runtime.inputs import CLASSMAP_ENDING
from streetseg.runtime.motion import opencv
from streetseg.runtime.overlay import overlay, percent, share

if TYPE_CHECKING:
    from matplotlib.figure import Figure

VOID = 255  # in class maps: a pixel without a class


@dataclass(frozen=True)
class Polygon:
    """One connected region of a class.

    Attributes:
        outline: N x 2 int32, the pixels of its outer border as x, y; N is 1 or more.
        holes: The borders of the holes in it, as `outline`.
    """

    outline: NDArray[np.int32]
    holes: tuple[NDArray[np.int32], ...] = ()


@dataclass(frozen=True, repr=False)
class Result:
    """A segmented frame. A notebook shows its overlay.

    Attributes:
        classmap: H x W uint8, class indices; 255 where a transparent pixel was left out on request.
        names: Class names by index.
        colours: RGB of the classes by index, 0 to 255.
        frame: H x W x 3 uint8 RGB, the segmented frame.
        milliseconds: Stage -> milliseconds: "network" (with resizing and padding) and "class map".
        first_of_size: True if the network met this size of input for the first time: its time includes compilation.
        logits: h x w x C float32 at the network's output stride, padding included; None unless asked for.
        remarks: What was assumed about the frame or tolerated in its file, a phrase each.
        scores: What `confidence` is computed from; None for a result that no segmenter made.
    """

    classmap: NDArray[np.uint8]
    names: tuple[str, ...]
    colours: tuple[tuple[int, int, int], ...]
    frame: NDArray[np.uint8]
    milliseconds: dict[str, float]
    first_of_size: bool = False
    logits: NDArray[np.float32] | None = None
    remarks: tuple[str, ...] = ()
    scores: Scores | None = field(default=None, repr=False, compare=False)

    def share(self) -> dict[str, float]:
        """Return the share of each class in the frame's pixels.

        Returns:
            Class name -> share, 0 to 1; the classes present, largest first.
        """
        shares = dict(zip(self.names, share(self.classmap, len(self.names)).tolist(), strict=True))
        return dict(sorted(((name, part) for name, part in shares.items() if part), key=lambda item: -item[1]))

    def overlay(self) -> NDArray[np.uint8]:
        """Paint the classes over the frame, with a legend.

        Returns:
            H x W x 3 uint8 RGB.
        """
        return overlay(self.frame, self.classmap, self.names, self.colours)

    def confidence(self) -> NDArray[np.float32]:
        """Return how sure the network is of each pixel's class.

        It is the largest softmax value at the network's output stride, upsampled. The card's temperature applies if
        it has one; otherwise networks are mostly surer than they are right.

        Returns:
            H x W float32, 0 to 1.

        Raises:
            UsageError: If no segmenter made the result.
        """
        if self.scores is None:
            raise UsageError("this result has no scores; segment the frame with a Segmenter")
        return self.scores.confidence()

    def mask(self, name: str) -> NDArray[np.bool_]:
        """Return where a class is.

        Args:
            name: A class of `names`.

        Returns:
            H x W bool.

        Raises:
            UsageError: There is no such class.
        """
        if name not in self.names:
            near = difflib.get_close_matches(name, self.names, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(self.names)}"
            raise UsageError(f"there is no class {name!r}; {hint}")
        where: NDArray[np.bool_] = self.classmap == self.names.index(name)
        return where

    def polygons(self, smallest: int = 1) -> dict[str, list[Polygon]]:
        """Return the connected regions of each class as polygons.

        Args:
            smallest: Regions of fewer pixels are left out, 1 or more.

        Returns:
            Class name -> its polygons, the largest first; the classes present.

        Raises:
            MissingExtraError: If OpenCV is not installed.
        """
        cv2 = opencv("Result.polygons")
        found: dict[str, list[Polygon]] = {}
        for name in self.share():
            borders, tree = cv2.findContours(self.mask(name).view(np.uint8), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE)
            links = tree[0] if borders else []
            polygons = [
                Polygon(
                    points(border),
                    tuple(points(hole) for hole, link in zip(borders, links, strict=True) if link[3] == i),
                )
                for i, (border, link) in enumerate(zip(borders, links, strict=True))
                if link[3] == -1
            ]
            sized = [(filled_pixels(polygon), polygon) for polygon in polygons]
            kept = [(size, polygon) for size, polygon in sized if size >= smallest]
            if kept:
                found[name] = [polygon for _, polygon in sorted(kept, key=lambda each: -each[0])]
        return found

    def save(self, path: str | Path) -> tuple[Path, Path]:
        """Write the overlay, and the class map beside it.

        Args:
            path: NAME.jpg or NAME.png for the overlay.

        Returns:
            The overlay, and the class map, NAME_classes.png: a palette PNG whose values are the class indices.

        Raises:
            UsageError: If the name has another suffix.
            OutputError: If the place cannot be written to.
        """
        place = Path(path)
        written = write_picture(place, self.overlay())
        classes = written.with_name(written.stem + CLASSMAP_ENDING)
        write_classmap(classes, self.classmap, self.colours)
        return written, classes

    def facts(self) -> Facts:
        """Return height, width, milliseconds and shares, as JSON's types.

        Returns:
            "height" and "width" in pixels; "milliseconds" by stage, with 2 digits; "share" by class, 0 to 1, with 6.
        """
        height, width = self.classmap.shape
        return {
            "height": height,
            "width": width,
            "milliseconds": {stage: round(value, 2) for stage, value in self.milliseconds.items()},
            "share": {name: round(part, 6) for name, part in self.share().items()},
        }

    def to_json(self) -> str:
        """Return `facts` as one JSON object.

        Returns:
            The text.
        """
        return json.dumps(self.facts(), indent=2)

    def table(self) -> str:
        """Return the classes and their shares as text for a terminal.

        Returns:
            A row for each class present, largest first.
        """
        return text_table([["class", "share"], *([name, percent(part)] for name, part in self.share().items())])

    def plot(self) -> Figure:
        """Draw the overlay beside the shares of the classes, in their colours.

        Returns:
            A matplotlib figure; `figure.savefig("result.png")` writes it.

        Raises:
            MissingExtraError: If matplotlib is not installed.
        """
        figure = new_figure(10, 4)
        picture, bars = figure.subplots(1, 2, width_ratios=(3, 1))
        picture.imshow(overlay(self.frame, self.classmap, self.names, self.colours, legend=False))
        picture.set_axis_off()
        shares = self.share()
        colours = [[value / 255 for value in self.colours[self.names.index(name)]] for name in shares]
        bars.barh(list(shares), [100 * part for part in shares.values()], color=colours)
        bars.invert_yaxis()  # the largest at the top
        bars.set_xlabel("share of the pixels, %")
        return figure

    def __repr__(self) -> str:
        """Return size, shares and times in one line."""
        height, width = self.classmap.shape
        shares = ", ".join(f"{name} {percent(part)}" for name, part in self.share().items())
        times = ", ".join(f"{stage} {value:.1f} ms" for stage, value in self.milliseconds.items())
        return f"Result({width} x {height}: {shares}; {times})"

    def _repr_png_(self) -> bytes:
        """Return the overlay for a notebook."""
        return encode_png(Image.fromarray(self.overlay()))


def points(border: NDArray[np.generic]) -> NDArray[np.int32]:
    """Return OpenCV's N x 1 x 2 points as N x 2."""
    return np.asarray(border[:, 0], np.int32)


def filled_pixels(polygon: Polygon) -> int:
    """Return the number of pixels of a region, its border included, its holes not."""
    cv2 = opencv("Result.polygons")
    corner = polygon.outline.min(0)
    width, height = polygon.outline.max(0) - corner + 1
    canvas = np.zeros((int(height), int(width)), np.uint8)
    cv2.fillPoly(canvas, [polygon.outline - corner], (1,))
    pixels = int(canvas.sum())
    for hole in polygon.holes:  # a hole's border lies on the region, so only its inside is taken off
        inside = np.zeros_like(canvas)
        cv2.fillPoly(inside, [hole - corner], (1,))
        cv2.polylines(inside, [hole - corner], True, (0,))
        pixels -= int(inside.sum())
    return pixels
