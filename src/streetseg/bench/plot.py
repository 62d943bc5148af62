"""Figures by matplotlib (extra `plots`): bars of times, and a scatter of speed and accuracy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from streetseg.figures import new_figure
from streetseg.runtime.files import write_file

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.text import Annotation

Box = tuple[float, float, float, float]  # left, bottom, right, top, in pixels

COLOURS = ("#c0392b", "#2b6cb0", "#2e7d32", "#6b3fa0", "#5f5f5f", "#00838f", "#ad1457", "#6d4c41")
RING, PALE = "#c77700", "#d9d9d9"
PNG_DPI = 200
DISTANCES = (7, 14, 22, 32, 44)  # of a label from its point, in points
PASSES = 4
MARK = 7.0  # diameter of a dot, in points


@dataclass(frozen=True)
class Point:
    """A labelled dot of a scatter. group: its entry in the legend. ring: x of a second mark at the same y."""

    x: float
    y: float
    label: str
    group: str
    ring: float | None = None


def draw_bars(title: str, unit: str, rows: Sequence[tuple[str, Mapping[str, float]]]) -> Figure:
    """Return groups of horizontal bars, a group a row and a colour a kind of value. Raises MissingExtraError."""
    kinds = list(rows[0][1])
    longest = max(len(name) for name, _ in rows)
    figure, axes = new_axes(6.5 + 0.08 * longest, 1.6 + len(rows) * (0.22 * len(kinds) + 0.15))
    thickness = 0.8 / len(kinds)
    for index, kind in enumerate(kinds):
        places = [row + (index - (len(kinds) - 1) / 2) * thickness for row in range(len(rows))]
        bars = axes.barh(
            places, [values[kind] for _, values in rows], 0.9 * thickness, color=COLOURS[index], label=kind
        )
        axes.bar_label(bars, fmt="%.1f", padding=4)
    axes.set_yticks(range(len(rows)), [name for name, _ in rows])
    axes.invert_yaxis()  # the first row stands at the top
    axes.margins(x=0.12)
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="x", color=PALE)
    axes.set_xlabel(unit)
    axes.set_title(title)
    add_legend(figure, kinds)
    return figure


def draw_scatter(title: str, x_label: str, y_label: str, points: Sequence[Point], ring_label: str = "") -> Figure:
    """Return a scatter in which a colour is a group and each point has its label beside it. Raises MissingExtraError.

    ring_label: the legend's entry for the rings.
    """
    figure, axes = new_axes(10, 7)
    groups = list(dict.fromkeys(point.group for point in points))
    for index, group in enumerate(groups):
        members = [point for point in points if point.group == group]
        colour = COLOURS[index % len(COLOURS)]
        axes.plot(
            [point.x for point in members],
            [point.y for point in members],
            "o",
            color=colour,
            ms=MARK,
            label=group,
            zorder=3,
        )
    ringed = [(point.x, point.ring, point.y) for point in points if point.ring is not None]
    for x, ring, y in ringed:
        axes.plot([x, ring], [y, y], color=RING, lw=1, zorder=2)
    if ringed:
        rings, heights = [ring for _, ring, _ in ringed], [y for *_, y in ringed]
        axes.plot(rings, heights, "o", color=RING, mfc="none", mew=1.5, ms=MARK, label=ring_label, zorder=4)
    axes.grid(color=PALE)
    axes.margins(0.06)
    axes.set(title=title, xlabel=x_label, ylabel=y_label)
    add_legend(figure, [*groups, *([ring_label] if ringed else [])])
    place_labels(figure, axes, points)
    return figure


def new_axes(width: float, height: float) -> tuple[Figure, Axes]:
    """Return an empty figure of that many inches, and its axes; MissingExtraError where matplotlib is missing."""
    figure = new_figure(width, height)
    axes = figure.add_subplot()
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_axisbelow(True)
    return figure, axes


def add_legend(figure: Figure, names: Sequence[str]) -> None:
    """Add the legend below the axes, in as many columns as fit."""
    columns = int(figure.get_figwidth() * 11 // (max(map(len, names)) + 6))
    figure.legend(loc="outside lower left", ncols=min(max(1, columns), len(names)), frameon=False)


def place_labels(figure: Figure, axes: Axes, points: Sequence[Point]) -> None:
    """Write each point's label near it, where it covers no mark and no other label."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.text import Text

    renderer = FigureCanvasAgg(figure).get_renderer()  # type: ignore[no-untyped-call]
    figure.draw_without_rendering()  # lays out the axes
    figure.set_layout_engine("none")  # and keeps them there
    pixel = figure.dpi / 72  # pixels a point
    places = [tuple(axes.transData.transform((point.x, point.y))) for point in points]
    mark = 0.7 * MARK * pixel
    taken = [(x - mark, y - mark, x + mark, y + mark) for x, y in places]
    for point, (x, y) in zip(points, places, strict=True):
        if point.ring is not None:
            ring = axes.transData.transform((point.ring, point.y))[0]
            taken.append((min(x, ring) - mark, y - mark / 2, max(x, ring) + mark, y + mark / 2))
    box = axes.get_window_extent(renderer)
    texts: list[Annotation] = [
        axes.annotate(
            point.label,
            (point.x, point.y),
            (0, 0),
            textcoords="offset points",
            va="bottom",
            zorder=5,
            arrowprops={"arrowstyle": "-", "color": "#888888", "lw": 0.7, "shrinkA": 0, "shrinkB": MARK / 2},
        )
        for point in points
    ]
    sizes = [Text.get_window_extent(text, renderer) for text in texts]
    choices = [
        label_places(x, y, size.width + 4, size.height + 2, pixel) for (x, y), size in zip(places, sizes, strict=True)
    ]
    for text, (x, y), chosen in zip(
        texts, places, choose_places(choices, taken, (box.x0, box.y0, box.x1, box.y1)), strict=True
    ):
        text.set_position(((chosen.box[0] + 2 - x) / pixel, (chosen.box[1] + 1 - y) / pixel))
        if text.arrow_patch is not None:
            text.arrow_patch.set_visible(chosen.distance > DISTANCES[0])


class Place(NamedTuple):
    """A place for a label. distance: from its point, in points."""

    box: Box
    distance: float


def label_places(x: float, y: float, width: float, height: float, pixel: float) -> list[Place]:
    """Return the places for a label of that size around (x, y), the nearest first."""
    places = []
    for distance in DISTANCES:
        gap = distance * pixel
        for dx, dy in ((1, 0), (-1, 0), (0, 1), (0, -1), (1, 1), (-1, 1), (1, -1), (-1, -1)):
            middle_x = x + dx * (width / 2 + (gap if dy == 0 else 0.75 * gap))
            middle_y = y + dy * (height / 2 + (gap if dx == 0 else 0.75 * gap))
            box = (middle_x - width / 2, middle_y - height / 2, middle_x + width / 2, middle_y + height / 2)
            places.append(Place(box, distance))
    return places


def choose_places(choices: Sequence[Sequence[Place]], marks: Sequence[Box], frame: Box) -> list[Place]:
    """Return a place for each label that covers as little as possible and stays inside the frame.

    Labels choose in turn, several times, so that an early label can still give way to a later one.
    """
    chosen = [places[0] for places in choices]
    for _ in range(PASSES):
        for index, places in enumerate(choices):
            others = [*marks, *(place.box for place in (*chosen[:index], *chosen[index + 1 :]))]
            chosen[index] = min(places, key=partial(place_cost, others=others, frame=frame))
    return chosen


def place_cost(place: Place, others: Sequence[Box], frame: Box) -> float:
    """Return how bad a place is: pixels that it covers, pixels outside the frame, and its distance."""
    left, bottom, right, top = place.box
    outside = max(frame[0] - left, frame[1] - bottom, right - frame[2], top - frame[3], 0)
    return sum(overlap(place.box, other) for other in others) + 4 * outside * (top - bottom) + place.distance


def overlap(a: Box, b: Box) -> float:
    """Return the area that two boxes share."""
    width, height = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    return width * height if width > 0 and height > 0 else 0.0


def save_figure(figure: Figure, path: Path) -> None:
    """Write NAME.svg and NAME.png for a path NAME; OutputError where that fails."""
    import matplotlib

    for form in ("svg", "png"):
        content = BytesIO()
        undated = {"Date": None} if form == "svg" else {"Software": None}
        # A fixed salt gives an SVG the same ids every time. Text stays text, so that it can be searched.
        with matplotlib.rc_context({"svg.hashsalt": "streetseg", "svg.fonttype": "none"}):
            figure.savefig(content, format=form, dpi=PNG_DPI, metadata=undated)
        write_file(path.with_name(f"{path.name}.{form}"), content.getvalue())
