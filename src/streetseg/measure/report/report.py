"""What an evaluation leaves behind: the facts as JSON and CSV, a table for the terminal, and the page with pictures."""

from __future__ import annotations

import csv
import dataclasses
import heapq
import json
import math
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from io import StringIO
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from streetseg.errors import UsageError
from streetseg.measure.boundary import DIAGONAL_SHARE
from streetseg.measure.evaluate import Evaluation, FrameScore, JudgedFrame
from streetseg.measure.metrics import mean, scores
from streetseg.measure.report.page import page, percent
from streetseg.measure.report.pictures import heat_map, jpeg, png, sheet, tiles
from streetseg.measure.views import Views
from streetseg.runtime.card import Accuracy
from streetseg.runtime.files import make_folder, write_file
from streetseg.runtime.overlay import Colour

DIGITS = 6
HOW = ("measured_on", "weights", "engine", "views")  # of what is judged, beside the command
NAME_LENGTH = 50  # of a frame's name in a picture's: file systems take 255 bytes, and a letter may take four
MEANS = ("miou", "mean_f1", "class_accuracy", "pixel_accuracy", "fwiou")
VOID_RULE = "pixels whose label is void, or a class left out, do not count, whatever was predicted there"


def facts(result: Evaluation, how: dict[str, Any]) -> dict[str, Any]:
    """What an evaluation found, ready for JSON; shares are 0 to 1, null where there is nothing to judge.

    how: what was judged and by which command; it comes first.
    """
    all_over, boundary = result.scores, result.boundary
    found = {
        **how,
        "frames": result.frames,
        "void": VOID_RULE,
        "pixels": result.pixels,
        "uncounted_pixels": result.uncounted,
        "left_out": result.left_out,
        "not_judged": [name for name, judged in zip(result.names, result.judged, strict=True) if not judged],
        **{name: number(getattr(all_over, name)) for name in MEANS},
        "iou": by_class(result, all_over.iou),
        "f1": by_class(result, all_over.f1),
        "accuracy": by_class(result, all_over.accuracy),
    }
    if boundary is not None:
        iou = np.where(result.judged, boundary.boundary_iou(), np.nan)
        found["boundary_share_of_diagonal"] = DIAGONAL_SHARE
        found["boundary_miou"] = number(mean(iou))
        found["boundary_iou"] = by_class(result, iou)
        found["trimap_miou"] = {str(k): number(scores(band, result.judged).miou) for k, band in boundary.trimap.items()}
    found["classes"] = result.names
    found["confusion"] = result.matrix.tolist()
    found["images"] = [
        {
            "name": frame.name,
            "miou": number(frame.miou),
            "pixel_accuracy": number(frame.pixel_accuracy),
            "confusion": frame.cells.tolist(),
        }
        for frame in result.frame_scores
    ]
    return found


def card_entry(found: dict[str, Any]) -> Accuracy:
    """What a card takes of `facts`. What sets the figure apart is told in measured_on: views other than one look as the
    card says, and classes without a figure. Raises what `Accuracy.of` does."""
    accuracy, usual = Accuracy.of(found), Views().describe()
    notes = [
        accuracy.measured_on,
        found["views"] if found.get("views", usual) != usual else "",
        found["not_judged"] and f"not judged: {', '.join(found['not_judged'])}",
        found["left_out"] and f"left out: {', '.join(found['left_out'])}",
    ]
    return dataclasses.replace(accuracy, measured_on="; ".join(filter(None, notes)))


def number(value: float) -> float | None:
    """Rounded, for JSON."""
    return None if math.isnan(value) else round(float(value), DIGITS)


def by_class(result: Evaluation, values: NDArray[np.float64]) -> dict[str, float | None]:
    return {name: number(value) for name, value in zip(result.names, values, strict=True)}


def to_json(facts: dict[str, Any]) -> str:
    """The facts as one JSON object, a line a fact and a line an image."""
    lines = []
    for key, value in facts.items():
        if key == "images":
            images = ",\n".join(f"    {json.dumps(image)}" for image in value)
            lines.append(f'  "images": [\n{images}\n  ]')
        else:
            lines.append(f"  {json.dumps(key)}: {json.dumps(value)}")
    return "{\n" + ",\n".join(lines) + "\n}"


def table(facts: dict[str, Any]) -> str:
    """The scores for the terminal, in per cent."""
    columns = {"IoU": facts["iou"], "F1": facts["f1"], "accuracy": facts["accuracy"]}
    if "boundary_iou" in facts:
        columns["boundary IoU"] = facts["boundary_iou"]
    means = [facts["miou"], facts["mean_f1"], facts["class_accuracy"], facts.get("boundary_miou")]
    rows = [(name, [column[name] for column in columns.values()]) for name in facts["classes"]]
    rows.append(("mean", means[: len(columns)]))
    width = max(len(name) for name, _ in rows)
    lines = [f"{facts['measured_on']} ({facts['engine']}; {facts['views']})"]
    lines.append(" " * width + "".join(f"  {head:>12}" for head in columns))
    lines += [f"{name:<{width}}" + "".join(f"  {percent(value):>12}" for value in values) for name, values in rows]
    lines.append(
        f"mIoU {percent(facts['miou'])}, pixel accuracy {percent(facts['pixel_accuracy'])}, "
        f"frequency-weighted IoU {percent(facts['fwiou'])}"
    )
    if "trimap_miou" in facts:
        bands = ", ".join(f"{width} px {percent(value)}" for width, value in facts["trimap_miou"].items())
        lines.append(f"mIoU near borders (trimap): {bands}")
    return "\n".join([*lines, *remarks(facts)])


def remarks(facts: dict[str, Any]) -> list[str]:
    """What did not count, in words."""
    lines = []
    if facts["left_out"]:
        lines.append(f"left out, their pixels do not count: {', '.join(facts['left_out'])}")
    if facts["not_judged"]:
        lines.append(f"not in the labels, so not judged: {', '.join(facts['not_judged'])}")
    share = facts["uncounted_pixels"] / (facts["pixels"] + facts["uncounted_pixels"])
    return [*lines, f"{percent(share)} of the pixels are void or left out and do not count"]


@contextmanager
def evaluation_facts(path: Path) -> Iterator[dict[str, Any]]:
    """The facts that `streetseg evaluate` wrote into a file, to be taken apart inside; UsageError where it holds
    something else."""
    try:
        yield json.loads(path.read_text())
    except OSError as error:
        raise UsageError(
            f"{path} cannot be read: {error.strerror}; give what streetseg evaluate --json or --report wrote"
        ) from None
    except (ValueError, KeyError, TypeError, IndexError, RecursionError) as error:
        raise UsageError(f"{path} is no result of streetseg evaluate --json or --report ({error})") from None


def read_evaluation(path: Path) -> tuple[Evaluation, dict[str, str]]:
    """`evaluation_of` the facts in a file; UsageError where it holds something else."""
    with evaluation_facts(path) as found:
        return evaluation_of(found)


def evaluation_of(found: dict[str, Any]) -> tuple[Evaluation, dict[str, str]]:
    """What `facts` made of an evaluation: the evaluation without its borders, and what was judged and how, by HOW.
    ValueError, KeyError or TypeError for something else, or figures that contradict each other."""
    names, not_judged = strings(found["classes"]), strings(found["not_judged"])
    frames = tuple(read_frame_score(image) for image in found["images"])
    strings([frame.name for frame in frames])
    matrix = pixel_counts(found["confusion"], len(names))
    total = sum((frame.matrix(len(names)) for frame in frames), np.zeros((len(names), len(names)), np.int64))
    if not matrix.any() or not np.array_equal(total, matrix):
        raise ValueError("the images' counts do not add up to the confusion matrix, or there are none")
    uncounted = found["uncounted_pixels"]
    if type(uncounted) is not int or uncounted < 0:
        raise ValueError("uncounted_pixels is no number of pixels")
    evaluation = Evaluation(
        names=names,
        judged=np.array([name not in not_judged for name in names]),
        left_out=strings(found["left_out"]),
        matrix=matrix,
        uncounted=uncounted,
        frame_scores=frames,
        boundary=None,
    )
    how = [found[key] for key in HOW]
    if not all(isinstance(text, str) for text in how):
        raise ValueError(f"{', '.join(HOW)} are not all text")
    return evaluation, dict(zip(HOW, how, strict=True))


def read_frame_score(image: dict[str, Any]) -> FrameScore:
    return FrameScore(
        image["name"], pixel_counts(image["confusion"], 3), share(image["miou"]), share(image["pixel_accuracy"])
    )


def strings(value: object) -> tuple[str, ...]:
    """A list of names, none of them twice; ValueError for anything else."""
    if not isinstance(value, list) or not all(isinstance(name, str) for name in value):
        raise ValueError(f"{value!r:.40} is no list of names")
    if twice := [name for name, times in Counter(value).items() if times > 1]:
        raise ValueError(f"{twice[0]!r} is there twice")
    return tuple(value)


def pixel_counts(value: object, columns: int) -> NDArray[np.int64]:
    """A list of rows of whole numbers, none below 0, as an array n x columns; ValueError for anything else."""
    found = np.array(value) if value != [] else np.zeros((0, columns), np.int64)
    if found.dtype.kind != "i" or found.shape[1:] != (columns,) or found.min(initial=0) < 0:
        raise ValueError(f"{value!r:.40} are no counts of pixels in rows of {columns}")
    return found


def share(value: object) -> float:
    """What `number` wrote of a share, NaN where it is None; ValueError for anything else."""
    if value is None:
        return math.nan
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
        raise ValueError(f"{value!r:.40} is no share of 0 to 1")
    return value


class WorstFrames:
    """Watches an evaluation and keeps the pictures of the frames with the lowest mIoU."""

    def __init__(self, number: int, colours: tuple[Colour, ...]) -> None:
        self.number, self.colours = number, colours
        self.kept: list[tuple[float, int, str, dict[str, Image.Image]]] = []  # a heap, the best of the worst first
        self.order = count()  # settles ties, so that pictures are never compared

    def __call__(self, frame: JudgedFrame) -> None:
        miou = frame.scores.miou
        full = len(self.kept) == self.number
        if math.isnan(miou) or not self.number or (full and -miou <= self.kept[0][0]):
            return
        pictures = tiles(frame.frame, frame.label, frame.prediction, self.colours)
        heapq.heappush(self.kept, (-miou, next(self.order), frame.name, pictures))
        if len(self.kept) > self.number:
            heapq.heappop(self.kept)

    def frames(self) -> list[tuple[str, float, dict[str, Image.Image]]]:
        """Name, mIoU and tiles of each, the worst first."""
        return [(name, -worse, pictures) for worse, _, name, pictures in sorted(self.kept, reverse=True)]


def write_report(folder: Path, facts: dict[str, Any], worst: WorstFrames) -> Path:
    """Write evaluation.json, classes.csv, images.csv, confusion.csv, confusion.png, worst/01_NAME.jpg and so on, and
    report.html (which holds its pictures itself), and remove an earlier report's pictures of that kind; returns the
    last. OutputError where the folder cannot be written to."""
    make_folder(folder)
    names = facts["classes"]
    picture = png(heat_map(np.array(facts["confusion"]), names))
    columns = [key for key in ("iou", "f1", "accuracy", "boundary_iou") if key in facts]
    write_file(folder / "evaluation.json", to_json(facts).encode())
    per_class = ([name, *(facts[key][name] for key in columns)] for name in names)
    write_csv(folder / "classes.csv", ["class", *columns], per_class)
    per_image = ([image["name"], image["miou"], image["pixel_accuracy"]] for image in facts["images"])
    write_csv(folder / "images.csv", ["image", "miou", "pixel_accuracy"], per_image)
    counts = ([name, *row] for name, row in zip(names, facts["confusion"], strict=True))
    write_csv(folder / "confusion.csv", ["true \\ predicted", *names], counts)
    write_file(folder / "confusion.png", picture)
    sheets = {
        folder / "worst" / f"{rank:02}_{name.rpartition('/')[2][:NAME_LENGTH]}.jpg": jpeg(sheet(tiles))
        for rank, (name, _, tiles) in enumerate(worst.frames(), 1)
    }
    for path, content in sheets.items():
        write_file(path, content)
    for other in set((folder / "worst").glob("*.jpg")) - sheets.keys():
        if re.match(r"\d\d+_", other.name) and other.is_file():  # another evaluation's
            other.unlink()
    html = folder / "report.html"
    write_file(html, encoded(page(facts, worst.colours, remarks(facts), picture, worst.frames())))
    return html


def write_csv(path: Path, header: list[str], rows: Iterable[list[Any]]) -> None:
    text = StringIO()
    writer = csv.writer(text)
    writer.writerow(header)
    writer.writerows(rows)
    write_file(path, encoded(text.getvalue()))


def encoded(text: str) -> bytes:
    """As UTF-8; of a file's name that is none, escapes."""
    return text.encode(errors="backslashreplace")
