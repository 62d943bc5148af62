"""A contact sheet as one picture."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from PIL import Image, ImageDraw

from streetseg.data.findings import told
from streetseg.data.sheet.page import split_lines
from streetseg.data.sheet.sheet import Sheet
from streetseg.data.sheet.tiles import ascii_text, seen, tile
from streetseg.runtime.overlay import default_font, percent

WIDTH, GAP, TEXT, TITLE = 1500, 12, 15, 24  # pixels
COLUMNS = 3
INK, PAPER, SOFT, WARN = "#222222", "#ffffff", "#666666", "#8a4b00"


def poster(sheet: Sheet) -> Image.Image:
    """Return the picture, WIDTH pixels wide."""
    lines = [(sheet.title, INK, TITLE), (sheet.place, SOFT, TEXT)]
    lines += [(line, WARN, TEXT) for line in told(sheet.findings, sum(sheet.counted.values()))]
    lines += [(line, SOFT, TEXT) for line in (*sheet.notes, *split_lines(sheet))]
    parts = [text_block(lines), class_block(sheet)]
    parts.append(grid([(shown.title, tile(shown, sheet.names, sheet.colours)) for shown in sheet.frames]))
    if sheet.batch:
        parts.append(text_block([("The first batch", INK, TITLE), (sheet.batch_title, INK, TEXT)]))
        parts.append(grid([(shown.title, seen(shown, sheet.names, sheet.colours)) for shown in sheet.batch]))
    height = sum(part.height for part in parts) + GAP * (len(parts) + 1)
    picture = Image.new("RGB", (WIDTH, height), PAPER)
    top = GAP
    for part in parts:
        picture.paste(part, (0, top))
        top += part.height + GAP
    return picture


def text_block(lines: Sequence[tuple[str, str, int]]) -> Image.Image:
    """Return lines of text, ink and size of letters, folded at the width."""
    folded = [
        (part, ink, size)
        for text, ink, size in lines
        for part in textwrap.wrap(ascii_text(text), round(1.7 * (WIDTH - 2 * GAP) / size)) or [""]
    ]
    block = Image.new("RGB", (WIDTH, sum(round(1.5 * size) for _, _, size in folded)), PAPER)
    draw, top = ImageDraw.Draw(block), 0
    for part, ink, size in folded:
        draw.text((GAP, top), part, ink, default_font(size))
        top += round(1.5 * size)
    return block


def class_block(sheet: Sheet) -> Image.Image:
    """Return the classes with a square in their colours and their shares in each split."""
    font, line = default_font(TEXT), round(1.6 * TEXT)
    texts = [
        f"{ascii_text(name)}  "
        + "  ".join(
            f"{split} {'-' if figures.shares[name] is None else percent(figures.shares[name] or 0)}"
            for split, figures in sheet.figures.items()
        )
        for name in sheet.names
    ]
    column = round(max(map(font.getlength, texts))) + 3 * TEXT
    columns = max(1, (WIDTH - 2 * GAP) // column)
    rows = -(-len(texts) // columns)
    block = Image.new("RGB", (WIDTH, rows * line), PAPER)
    draw = ImageDraw.Draw(block)
    for place, (text, colour) in enumerate(zip(texts, sheet.colours, strict=True)):
        left, top = GAP + place // rows * column, place % rows * line
        draw.rectangle((left, top + 2, left + TEXT, top + 2 + TEXT), colour, SOFT)
        draw.text((left + 1.5 * TEXT, top), text, INK, font)
    return block


def grid(tiles: Sequence[tuple[str, Image.Image]]) -> Image.Image:
    """Return pictures with their titles in COLUMNS columns."""
    width, caption = (WIDTH - GAP * (COLUMNS + 1)) // COLUMNS, round(1.6 * TEXT)
    fitted = [
        (title, picture.resize((width, max(1, round(picture.height * width / picture.width)))))
        for title, picture in tiles
    ]
    rows = [fitted[i : i + COLUMNS] for i in range(0, len(fitted), COLUMNS)]
    heights = [max(picture.height for _, picture in row) + caption + GAP for row in rows]
    block = Image.new("RGB", (WIDTH, sum(heights)), PAPER)
    draw, top = ImageDraw.Draw(block), 0
    for row, height in zip(rows, heights, strict=True):
        for place, (title, picture) in enumerate(row):
            left = GAP + place * (width + GAP)
            draw.text((left, top), ascii_text(title)[: width // 8], INK, default_font(TEXT))
            block.paste(picture, (left, top + caption))
        top += height
    return block
