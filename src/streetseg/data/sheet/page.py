"""A contact sheet as a page: one HTML file that needs no other file and is readable on a phone, light and dark."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable, Sequence
from html import escape

from PIL import Image

from streetseg.data.findings import told
from streetseg.data.sheet.sheet import Sheet, ShownFrame, shares_of
from streetseg.data.sheet.tiles import jpeg, seen, tile
from streetseg.data.survey import describe_sizes
from streetseg.runtime.overlay import percent

STYLE = """
:root { color-scheme: light dark; --line: #ddd; --soft: #666; --warn: #8a4b00; --bar: #cde; }
@media (prefers-color-scheme: dark) { :root { --line: #444; --soft: #aaa; --warn: #ffbe6b; --bar: #345; } }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 80rem; margin: 0 auto; padding: 1rem; }
h1 { font-size: 1.5rem; overflow-wrap: anywhere; } h2 { font-size: 1.2rem; margin-top: 2rem; }
p, li, figcaption { overflow-wrap: anywhere; } .soft { color: var(--soft); } .warn { color: var(--warn); }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: .2rem .6rem; text-align: right; border-bottom: 1px solid var(--line); }
th:first-child, td:first-child { text-align: left; }
.swatch { display: inline-block; width: .8em; height: .8em; margin-right: .4em; border: 1px solid var(--soft); }
.bar { background: linear-gradient(to right, var(--bar) 0 var(--share), transparent var(--share)); }
.tiles { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 22rem), 1fr)); gap: 1rem; }
figure { margin: 0; } img { display: block; width: 100%; height: auto; }
figcaption { font-size: .9rem; } figcaption span { display: inline-block; margin-right: .7em; }
"""


def page(sheet: Sheet) -> str:
    """Return the page."""
    parts = [
        "<!doctype html><html lang=en><head><meta charset=utf-8>",
        "<meta name=viewport content='width=device-width, initial-scale=1'>",
        f"<title>Data: {escape(sheet.title)}</title><style>{STYLE}</style></head><body>",
        f"<h1>{escape(sheet.title)}</h1><p class=soft>{escape(sheet.place)}</p>",
        *(f"<p class=warn>{escape(line.strip())}</p>" for line in told(sheet.findings, sum(sheet.counted.values()))),
        *(f"<p class=soft>{escape(note)}</p>" for note in sheet.notes),
        "<h2>Splits</h2><ul>",
        *(f"<li>{escape(line)}</li>" for line in split_lines(sheet)),
        "</ul><h2>Classes</h2>",
        class_table(sheet),
        "<h2>Frames</h2><p>Classes are drawn in their colours and named. Void is dark.</p><div class=tiles>",
        *(figure(tile(shown, sheet.names, sheet.colours), shown, sheet) for shown in sheet.frames),
        "</div>",
    ]
    if sheet.batch:
        parts += [f"<h2>The first batch</h2><p>{escape(sheet.batch_title)}</p><div class=tiles>"]
        parts += [figure(seen(shown, sheet.names, sheet.colours), shown, sheet) for shown in sheet.batch]
        parts.append("</div>")
    return "\n".join([*parts, "</body></html>\n"])


def split_lines(sheet: Sheet) -> list[str]:
    """Return a line for each split: its frames and their sizes."""
    lines = []
    for split, figures in sheet.figures.items():
        part = "" if sheet.counted[split] == sheet.counts[split] else f", {sheet.counted[split]} of them counted"
        void = "no labels" if figures.void is None else f"{figures.void:.1%} void"
        sizes = describe_sizes(figures.sizes) if figures.sizes else "no size"
        lines.append(f"{split}: {sheet.counts[split]} frames{part}; {sizes}; {void}")
    return lines


def class_table(sheet: Sheet) -> str:
    """Return the classes with their shares in each split."""
    head = "".join(f"<th>{escape(title)}" for title in ("class", *sheet.figures))
    rows = []
    for name, colour in zip(sheet.names, sheet.colours, strict=True):
        cells = "".join(share_cell(figures.shares[name]) for figures in sheet.figures.values())
        rows.append(f"<tr><td>{swatch(colour)}{escape(name)}{cells}")
    return f"<div class=wide><table><tr>{head}{''.join(rows)}</table></div>"


def share_cell(share: float | None) -> str:
    """Return a cell of a share."""
    text = "-" if share is None else percent(share) if share else "none"
    return f"<td class=bar style='--share:{share or 0:.2%}'>{text}"


def swatch(colour: Sequence[int]) -> str:
    """Return a square in a class's colour."""
    return f"<i class=swatch style='background:rgb({colour[0]} {colour[1]} {colour[2]})'></i>"


def figure(picture: Image.Image, shown: ShownFrame, sheet: Sheet) -> str:
    """Return a picture with its name and the classes in it."""
    source = f"data:image/jpeg;base64,{b64encode(jpeg(picture)).decode()}"
    size = f"{shown.frame.shape[1]} x {shown.frame.shape[0]}"
    return (
        f"<figure><img loading=lazy alt='{escape(shown.title)}' src='{source}'>"
        f"<figcaption>{escape(shown.title)} <span class=soft>{size}</span><br>{''.join(class_spans(shown, sheet))}"
        "</figcaption></figure>"
    )


def class_spans(shown: ShownFrame, sheet: Sheet) -> Iterable[str]:
    """Yield the classes of a frame with their shares."""
    for index, share in shares_of(shown, sheet.names):
        yield f"<span>{swatch(sheet.colours[index])}{escape(sheet.names[index])} {percent(share)}</span> "
