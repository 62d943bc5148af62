"""The report as one HTML file that needs nothing beside it, readable on a phone."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from html import escape
from typing import Any

from PIL import Image

from streetseg.measure.report.pictures import jpeg
from streetseg.runtime.overlay import Colour

STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; color: #222; background: #fff; }
body { max-width: 70rem; margin: 0 auto; padding: 1rem; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.2rem; margin-top: 2rem; } h3 { font-size: 1rem; margin: 1.5rem 0 .3rem; }
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


def page(
    facts: dict[str, Any],
    colours: Sequence[Colour],
    remarks: Sequence[str],
    heat_map: bytes,
    worst: Sequence[tuple[str, float, dict[str, Image.Image]]],
) -> str:
    """The page. heat_map: PNG. worst: name, mIoU and tiles of the worst frames, the worst first."""
    parts = [
        "<!doctype html><html lang=en><head><meta charset=utf-8>",
        "<meta name=viewport content='width=device-width, initial-scale=1'>",
        f"<title>Evaluation: {percent(facts['miou'])} mIoU</title><style>{STYLE}</style></head><body>",
        "<h1>Evaluation</h1>",
        f"<p>{escape(facts['measured_on'])}<br>{escape(facts['engine'])}; {escape(facts['views'])}<br>",
        f"<code>{escape(facts['command'])}</code></p>",
        key_figures(facts),
        *(f"<p>{escape(remark)}.</p>" for remark in remarks),
        "<h2>Classes</h2>",
        class_table(facts, colours),
    ]
    if "trimap_miou" in facts:
        parts += ["<h2>Near borders</h2>", border_table(facts)]
    parts += [
        "<h2>What is taken for what</h2>",
        "<p>Per cent of each true class's pixels (rows) by the class predicted (columns).</p>",
        f"<div class=wide>{picture(heat_map, 'png', 'confusion matrix')}</div>",
    ]
    if worst:
        parts.append("<h2>The worst frames</h2>")
    for name, miou, tiles in worst:
        parts.append(f"<h3>{escape(name)}: mIoU {percent(miou)}</h3><div class=tiles>")
        parts += [
            f"<figure><figcaption>{escape(title)}</figcaption>{picture(jpeg(tile), 'jpeg', title)}</figure>"
            for title, tile in tiles.items()
        ]
        parts.append("</div>")
    return "\n".join([*parts, "</body></html>\n"])


def key_figures(facts: dict[str, Any]) -> str:
    figures = {
        "mIoU": "miou", "pixel accuracy": "pixel_accuracy", "class accuracy": "class_accuracy",
        "frequency-weighted IoU": "fwiou", "mean F1": "mean_f1", "boundary mIoU": "boundary_miou",
    }  # fmt: skip
    boxes = (f"<div><b>{percent(facts[key])}</b>{title}</div>" for title, key in figures.items() if key in facts)
    return f"<div class=key>{''.join(boxes)}</div>"


def class_table(facts: dict[str, Any], colours: Sequence[Colour]) -> str:
    columns = {"IoU": "iou", "F1": "f1", "accuracy": "accuracy", "boundary IoU": "boundary_iou"}
    columns = {title: key for title, key in columns.items() if key in facts}
    rows = []
    for index, name in enumerate(facts["classes"]):
        red, green, blue = colours[index]
        cells = [
            f"<td class=bar style='--share:{facts[key][name] or 0:.2%}'>{percent(facts[key][name])}"
            for key in columns.values()
        ]
        pixels = sum(facts["confusion"][index])
        share = percent(pixels / facts["pixels"])
        swatch = f"<span class=swatch style='background:rgb({red} {green} {blue})'></span>"
        rows.append(f"<tr><td>{swatch}{escape(name)}{''.join(cells)}<td>{share}")
    head = "".join(f"<th>{title}" for title in ["class", *columns, "of the pixels"])
    return f"<div class=wide><table><tr>{head}{''.join(rows)}</table></div>"


def border_table(facts: dict[str, Any]) -> str:
    widths = "".join(f"<th>{width} px" for width in facts["trimap_miou"])
    values = "".join(f"<td>{percent(value)}" for value in facts["trimap_miou"].values())
    return (
        "<p>mIoU of only the pixels in a band along the borders between classes, so many pixels wide on either side. "
        f"Boundary IoU's band is {facts['boundary_share_of_diagonal']:.1%} of the frame's diagonal.</p>"
        f"<div class=wide><table><tr><th>band{widths}<tr><td>mIoU{values}</table></div>"
    )


def picture(content: bytes, kind: str, name: str) -> str:
    """An image that the page holds itself."""
    return f"<img alt='{escape(name)}' src='data:image/{kind};base64,{b64encode(content).decode()}'>"


def percent(value: float | None) -> str:
    return "-" if value is None else f"{value:.2%}"
