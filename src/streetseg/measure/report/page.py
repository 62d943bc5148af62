"""The page of a report: one HTML file that needs no other file and is readable on a phone."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from html import escape

from streetseg.measure.boundary import DIAGONAL_SHARE
from streetseg.measure.evaluation import Evaluation, Rounded
from streetseg.measure.metrics import percent
from streetseg.measure.report.pictures import jpeg
from streetseg.runtime.overlay import Colour

STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; color: #222; background: #fff; }
body { max-width: 70rem; margin: 0 auto; padding: 1rem; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.2rem; margin-top: 2rem; } h3 { font-size: 1rem; margin: 1.5rem 0 .3rem; }
.partial { font-weight: bold; background: #fe9; padding: .5rem; }
code { overflow-wrap: anywhere; }
.key { display: flex; flex-wrap: wrap; gap: .5rem 2rem; margin: 1rem 0; }
.key div { min-width: 8rem; } .key b { display: block; font-size: 1.6rem; line-height: 1.2; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: .25rem .6rem; text-align: right; border-bottom: 1px solid #ddd; white-space: nowrap; }
th:first-child, td:first-child { text-align: left; position: sticky; left: 0; background: #fff; }
.swatch { display: inline-block; width: .8em; height: .8em; margin-right: .5em; }
.bar { background: linear-gradient(to right, #cde 0 var(--share), transparent var(--share)); }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 30rem), 1fr)); gap: .5rem 1rem; }
figure { margin: 0; } img { max-width: 100%; height: auto; }
.wide img { max-width: none; }
"""


def page(evaluation: Evaluation, colours: Sequence[Colour], heat_map: bytes) -> str:
    """Return the page.

    Args:
        evaluation: What to show.
        colours: RGB colours of the classes, 0 to 255.
        heat_map: The confusion matrix as PNG.
    """
    means, setup = evaluation.means(), evaluation.setup
    title = f"Evaluation of {setup.title}" if setup.title else "Evaluation"
    parts = [
        "<!doctype html><html lang=en><head><meta charset=utf-8>",
        "<meta name=viewport content='width=device-width, initial-scale=1'>",
        f"<title>{escape(title)}: {percent(means['miou'])} mIoU{escape(evaluation.coverage.beside)}</title>",
        f"<style>{STYLE}</style></head><body>",
        f"<h1>{escape(title)}</h1>",
        *([f"<p class=partial>{escape(evaluation.coverage.headline)}.</p>"] if evaluation.partial else []),
        *([f"<p>{escape(setup.written)}</p>"] if setup.written else []),
        f"<p>{escape(setup.measured_on)}<br>{escape(setup.engine)}; {escape(setup.views)}<br>",
        f"<code>{escape(setup.command)}</code></p>",
        key_figures(means),
        *([f"<p>Of {escape(evaluation.coverage.counted)}.</p>"] if evaluation.coverage.beside else []),
        *([f"<p>Over time: {escape(evaluation.flicker.sentence())}.</p>"] if evaluation.flicker else []),
        *(f"<p>{escape(remark)}.</p>" for remark in evaluation.remarks()),
        "<h2>Classes</h2>",
        class_table(evaluation, colours),
    ]
    if evaluation.boundary is not None:
        parts += ["<h2>Near borders</h2>", border_table(evaluation.trimap_miou())]
    parts += [
        "<h2>Confusion matrix</h2>",
        "<p>Rows are true classes, columns are predicted classes, in per cent of the true class's pixels.</p>",
        f"<div class=wide>{picture(heat_map, 'png', 'confusion matrix')}</div>",
    ]
    if evaluation.worst:
        parts.append("<h2>The worst frames</h2>")
    for frame in evaluation.worst:
        parts.append(f"<h3>{escape(frame.name)}: mIoU {percent(frame.miou)}</h3><div class=tiles>")
        parts += [
            f"<figure><figcaption>{escape(title)}</figcaption>{picture(jpeg(tile), 'jpeg', title)}</figure>"
            for title, tile in frame.pictures.items()
        ]
        parts.append("</div>")
    return "\n".join([*parts, "</body></html>\n"])


def key_figures(means: Rounded) -> str:
    """Return the means over all classes as large figures."""
    titles = {
        "miou": "mIoU", "pixel_accuracy": "pixel accuracy", "class_accuracy": "class accuracy",
        "fwiou": "frequency-weighted IoU", "mean_f1": "mean F1", "boundary_miou": "boundary mIoU",
    }  # fmt: skip
    boxes = (f"<div><b>{percent(means[key])}</b>{title}</div>" for key, title in titles.items() if key in means)
    return f"<div class=key>{''.join(boxes)}</div>"


def class_table(evaluation: Evaluation, colours: Sequence[Colour]) -> str:
    """Return the scores of the classes as a table."""
    titles = {"iou": "IoU", "f1": "F1", "accuracy": "accuracy", "boundary_iou": "boundary IoU"}
    columns, rows = evaluation.class_scores(), []
    pixels = evaluation.matrix.sum(1)
    for name, (red, green, blue), count in zip(evaluation.names, colours, pixels, strict=True):
        cells = [
            f"<td class=bar style='--share:{column[name] or 0:.2%}'>{percent(column[name])}"
            for column in columns.values()
        ]
        share = percent(float(count / evaluation.pixels))
        swatch = f"<span class=swatch style='background:rgb({red} {green} {blue})'></span>"
        rows.append(f"<tr><td>{swatch}{escape(name)}{''.join(cells)}<td>{share}")
    head = "".join(f"<th>{title}" for title in ["class", *(titles[key] for key in columns), "of the pixels"])
    return f"<div class=wide><table><tr>{head}{''.join(rows)}</table></div>"


def border_table(trimap: Rounded) -> str:
    """Return the mIoU near borders as a table."""
    widths = "".join(f"<th>{width} px" for width in trimap)
    values = "".join(f"<td>{percent(value)}" for value in trimap.values())
    return (
        "<p>mIoU of the pixels near the borders between classes. A band of K px reaches K pixels to either side. "
        f"The band of boundary IoU is {DIAGONAL_SHARE:.1%} of the frame's diagonal.</p>"
        f"<div class=wide><table><tr><th>band{widths}<tr><td>mIoU{values}</table></div>"
    )


def picture(content: bytes, kind: str, name: str) -> str:
    """Return an image that is part of the page."""
    return f"<img alt='{escape(name)}' src='data:image/{kind};base64,{b64encode(content).decode()}'>"
