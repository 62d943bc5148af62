"""Helpers for tests of figures: where their labels lie."""

from __future__ import annotations

from itertools import combinations

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.transforms import Bbox


def label_boxes(axes: Axes) -> list[Bbox]:
    """Return the boxes of the axes' texts in pixels, a pixel smaller on each side."""
    figure = axes.figure
    assert isinstance(figure, Figure)
    renderer = FigureCanvasAgg(figure).get_renderer()
    figure.draw(renderer)
    # Of an annotation this leaves out the line to its point.
    return [Text.get_window_extent(text, renderer).padded(-1) for text in axes.texts]


def overlapping(axes: Axes) -> list[tuple[str, str]]:
    """Return the pairs of labels that overlap."""
    texts = [text.get_text() for text in axes.texts]
    boxes = zip(texts, label_boxes(axes), strict=True)
    return [(one, other) for (one, a), (other, b) in combinations(boxes, 2) if a.overlaps(b)]
