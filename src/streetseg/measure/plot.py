"""Figures as SVG and PNG: a scatter of speed and accuracy, and bars of times.

A `Drawing` takes each shape for both formats at once; text is measured by Pillow's own font.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from html import escape
from io import BytesIO
from itertools import cycle
from math import ceil, floor, log10
from pathlib import Path
from typing import Literal

from PIL import Image, ImageDraw, ImageFont

from streetseg.runtime.files import write_file

Box = tuple[float, float, float, float]  # left, top, right, bottom
Anchor = Literal["start", "middle", "end"]

INK, PALE = "#222222", "#d9d9d9"
COLOURS = ("#c0392b", "#2b6cb0", "#2e7d32", "#6b3fa0", "#5f5f5f", "#00838f", "#ad1457", "#6d4c41")
RING = "#c77700"
SHARPNESS = 2  # pixels of the PNG per unit of the SVG
SIZE, TITLE_SIZE = 13, 16  # of text


class Drawing:
    """A picture of `width` x `height` units; y grows downwards, (x, y) of a text is the middle of its end `anchor`."""

    def __init__(self, width: int, height: int) -> None:
        self.width, self.height = width, height
        self.shapes: list[str] = []
        self.image = Image.new("RGB", (width * SHARPNESS, height * SHARPNESS), "white")
        self.pen = ImageDraw.Draw(self.image)

    def line(self, x1: float, y1: float, x2: float, y2: float, colour: str = INK) -> None:
        self.shapes.append(f'<path d="M{x1:.1f} {y1:.1f}L{x2:.1f} {y2:.1f}" stroke="{colour}"/>')
        self.pen.line(scaled(x1, y1, x2, y2), colour, SHARPNESS)

    def bar(self, box: Box, colour: str) -> None:
        x, y, right, bottom = box
        self.shapes.append(
            f'<rect x="{x:.1f}" y="{y:.1f}" width="{right - x:.1f}" height="{bottom - y:.1f}" fill="{colour}"/>'
        )
        self.pen.rectangle(scaled(*box), colour)

    def dot(self, x: float, y: float, colour: str, *, hollow: bool = False) -> None:
        radius, fill = 5, "none" if hollow else colour
        self.shapes.append(
            f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius}" fill="{fill}" stroke="{colour}" stroke-width="2"/>'
        )
        box = scaled(x - radius, y - radius, x + radius, y + radius)
        self.pen.ellipse(box, None if hollow else colour, colour, 2 * SHARPNESS)

    def text(self, x: float, y: float, words: str, anchor: Anchor = "start", size: int = SIZE) -> None:
        attributes = f'x="{x:.1f}" y="{y + 0.35 * size:.1f}" text-anchor="{anchor}" font-size="{size}"'
        self.shapes.append(f"<text {attributes}>{escape(words)}</text>")
        place = {"start": "lm", "middle": "mm", "end": "rm"}[anchor]
        self.pen.text((x * SHARPNESS, y * SHARPNESS), words, INK, font(size * SHARPNESS), place)

    def save(self, path: Path) -> None:
        """Write NAME.svg and NAME.png for a path NAME; OutputError where that cannot be."""
        body = "\n".join(self.shapes)
        svg = (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {self.width} {self.height}" '
            f'font-family="Helvetica, Arial, sans-serif" fill="{INK}">\n'
            f'<rect width="100%" height="100%" fill="white"/>\n{body}\n</svg>\n'
        )
        write_file(path.with_name(f"{path.name}.svg"), svg.encode())
        png = BytesIO()
        self.image.save(png, "PNG", optimize=True)
        write_file(path.with_name(f"{path.name}.png"), png.getvalue())


@cache
def font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)


def text_width(words: str, size: int = SIZE) -> float:
    """Units; a little more than Pillow's, for a viewer of the SVG has another font."""
    return 1.08 * font(size * SHARPNESS).getbbox(words)[2] / SHARPNESS


def scaled(*values: float) -> list[float]:
    return [value * SHARPNESS for value in values]


@dataclass(frozen=True)
class Point:
    """A labelled mark in a scatter. group: its place in the legend. ring: where a second mark at its height stands."""

    x: float
    y: float
    label: str
    group: str
    ring: float | None = None


def scatter(title: str, x_label: str, y_label: str, points: Sequence[Point], ring_label: str = "") -> Drawing:
    """Points of one group share a colour; each is labelled beside itself, where there is room."""
    drawing = Drawing(1000, 700)
    left, top, right, bottom = 80, 60, 970, 590
    groups = list(dict.fromkeys(point.group for point in points))
    rings = [point.ring for point in points if point.ring is not None]
    x_ticks = nice_ticks([*(point.x for point in points), *rings])
    y_ticks = nice_ticks([point.y for point in points])

    def place(x: float, y: float) -> tuple[float, float]:
        return (
            left + (x - x_ticks[0]) / (x_ticks[-1] - x_ticks[0]) * (right - left),
            bottom - (y - y_ticks[0]) / (y_ticks[-1] - y_ticks[0]) * (bottom - top),
        )

    drawing.text((left + right) / 2, 30, title, "middle", TITLE_SIZE)
    for value in x_ticks:
        x, _ = place(value, y_ticks[0])
        drawing.line(x, top, x, bottom, PALE)
        drawing.text(x, bottom + 16, f"{value:g}", "middle")
    for value in y_ticks:
        _, y = place(x_ticks[0], value)
        drawing.line(left, y, right, y, PALE)
        drawing.text(left - 10, y, f"{value:g}", "end")
    drawing.text((left + right) / 2, bottom + 42, x_label, "middle")
    drawing.text(left - 60, top - 22, y_label)

    places = [place(point.x, point.y) for point in points]
    taken = [(x - 7, y - 7, x + 7, y + 7) for x, y in places]
    for point, (x, y) in zip(points, places, strict=True):
        if point.ring is not None:
            ring_x, _ = place(point.ring, point.y)
            drawing.line(x, y, ring_x, y, RING)
            drawing.dot(ring_x, y, RING, hollow=True)
            taken.append((min(x, ring_x) - 7, y - 3, max(x, ring_x) + 7, y + 3))
    for point, (x, y) in zip(points, places, strict=True):
        drawing.dot(x, y, COLOURS[groups.index(point.group) % len(COLOURS)])
        box = free_place(x, y, text_width(point.label), taken, (left, top, right, bottom))
        taken.append(box)
        drawing.text(box[0], (box[1] + box[3]) / 2, point.label)

    x, y = float(left), 655.0
    for name, colour in [*zip(groups, cycle(COLOURS), strict=False), *([(ring_label, RING)] if rings else [])]:
        width = 18 + text_width(name)
        if x > left and x + width > right:
            x, y = left, y + 20
        drawing.dot(x + 6, y, colour, hollow=colour == RING)
        drawing.text(x + 18, y, name)
        x += width + 30
    return drawing


def free_place(x: float, y: float, width: float, taken: Sequence[Box], frame: Box) -> Box:
    """The box of a label near (x, y) that covers least of what is taken and stays inside the frame."""
    height = SIZE + 3
    candidates = []
    for distance in (10.0, 20.0, 32.0):
        for dx, dy in ((1, 0), (-1, 0), (0, -1), (0, 1), (1, -1), (-1, -1), (1, 1), (-1, 1)):
            middle_x = x + dx * (distance + width / 2) * (1 if dy == 0 else 0.8)
            middle_y = y + dy * (distance + 2)
            candidates.append(
                (middle_x - width / 2, middle_y - height / 2, middle_x + width / 2, middle_y + height / 2)
            )

    def cost(box: Box) -> float:
        outside = max(frame[0] - box[0], frame[1] - box[1], box[2] - frame[2], box[3] - frame[3], 0)
        return sum(overlap(box, other) for other in taken) + outside * height

    return min(candidates, key=cost)  # the nearest of equals


def overlap(a: Box, b: Box) -> float:
    width, height = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    return width * height if width > 0 and height > 0 else 0.0


def bars(title: str, unit: str, rows: Sequence[tuple[str, dict[str, float]]]) -> Drawing:
    """Groups of bars from left to right, a group a row; a bar's colour says which of the row's values it is."""
    kinds = list(rows[0][1])
    thickness, gap = 18, 16
    left, top = 40 + max(text_width(name) for name, _ in rows), 90
    width = round(left + 520)
    ticks = nice_ticks([0.0, *(value for _, values in rows for value in values.values())])
    drawing = Drawing(width, round(top + len(rows) * (len(kinds) * thickness + gap) + 50))
    drawing.text(width / 2, 28, title, "middle", TITLE_SIZE)
    x = 20.0
    for index, kind in enumerate(kinds):
        drawing.bar((x, 52, x + 12, 64), COLOURS[index])
        drawing.text(x + 18, 58, kind)
        x += 18 + text_width(kind) + 24
    unit_width = 440 / ticks[-1]
    bottom = drawing.height - 45
    for value in ticks:
        drawing.line(left + value * unit_width, top, left + value * unit_width, bottom, PALE)
        drawing.text(left + value * unit_width, bottom + 14, f"{value:g}", "middle")
    drawing.text(left + 220, bottom + 34, unit, "middle")
    y = float(top)
    for name, values in rows:
        drawing.text(left - 10, y + gap / 2 + len(kinds) * thickness / 2, name, "end")
        y += gap / 2
        for index, value in enumerate(values.values()):
            drawing.bar((left, y + 1, left + value * unit_width, y + thickness - 1), COLOURS[index])
            drawing.text(left + value * unit_width + 6, y + thickness / 2, f"{value:.1f}")
            y += thickness
        y += gap / 2
    return drawing


def nice_ticks(values: Sequence[float]) -> list[float]:
    """A few round values, evenly spaced, from at or below the smallest to at or above the largest."""
    low, high = min(values), max(values)
    span = (high - low) or abs(high) or 1.0
    power = 10 ** floor(log10(span / 5))
    step = next(power * factor for factor in (1, 2, 2.5, 5, 10) if span / (power * factor) <= 8)
    first = floor(low / step)
    return [index * step for index in range(first, max(ceil(high / step), first + 1) + 1)]
