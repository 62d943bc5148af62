"""The forms of an answer: class map, overlay, run lengths, polygons, facts."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import simplejpeg
from PIL import Image

from streetseg.data.coco_runs import class_runs, compressed
from streetseg.results import JSON
from streetseg.runtime.frames import JPEG_MAX_SIDE, JPEG_QUALITY, encode_png
from streetseg.runtime.result import Polygon, Result
from streetseg.serve.errors import RefusedError

PNG, JPEG, TEXT, ZIP = "image/png", "image/jpeg", "application/json", "application/zip"


@dataclass(frozen=True)
class Form:
    """A form of an answer.

    Attributes:
        types: The media types in which it can be sent, the usual one first.
        encode: Returns the answer's bytes for a result in one of them; of JSON forms None.
        describe: Returns the answer of JSON forms; smallest: pixels of the smallest polygon.
    """

    types: tuple[str, ...]
    encode: Callable[[Result, str], bytes] | None = None
    describe: Callable[[Result, int], dict[str, JSON]] | None = None


def classmap_png(result: Result, _: str = PNG) -> bytes:
    """Return the class map as a palette PNG whose values are the class indices."""
    image = Image.fromarray(result.classmap)
    image.putpalette(np.array(result.colours, np.uint8).tobytes().ljust(3 * 256, b"\0"))
    return encode_png(image)


def overlay_picture(result: Result, media_type: str) -> bytes:
    """Return the overlay as JPEG or PNG."""
    picture = result.overlay()
    if media_type == PNG:
        return encode_png(Image.fromarray(picture))
    if max(picture.shape) > JPEG_MAX_SIDE:
        raise RefusedError(406, f"a JPEG has at most {JPEG_MAX_SIDE} pixels a side; accept {PNG}")
    return bytes(simplejpeg.encode_jpeg(np.ascontiguousarray(picture), quality=JPEG_QUALITY))


def facts(result: Result, _: int = 1) -> dict[str, JSON]:
    """Return size, milliseconds and shares."""
    return {**result.facts(), "remarks": list(result.remarks)}


def run_lengths(result: Result, _: int = 1) -> dict[str, JSON]:
    """Return a mask of each class present as COCO's run lengths."""
    size: list[JSON] = list(result.classmap.shape)
    runs = class_runs(result.classmap)
    masks: list[JSON] = [
        {
            "class": name,
            "index": result.names.index(name),
            "share": round(share, 6),
            "rle": {"size": size, "counts": compressed(runs[result.names.index(name)])},
        }
        for name, share in result.share().items()
    ]
    return {**facts(result), "masks": masks}


def outlines(result: Result, smallest: int) -> dict[str, JSON]:
    """Return the connected regions of each class as polygons."""

    def shape(polygon: Polygon) -> JSON:
        return {"outline": polygon.outline.tolist(), "holes": [hole.tolist() for hole in polygon.holes]}

    found: list[JSON] = [
        {"class": name, "index": result.names.index(name), "polygons": [shape(one) for one in polygons]}
        for name, polygons in result.polygons(smallest).items()
    ]
    return {**facts(result), "classes": found}


FORMS = {
    "classmap": Form((PNG,), encode=classmap_png),
    "overlay": Form((JPEG, PNG), encode=overlay_picture),
    "rle": Form((TEXT,), describe=run_lengths),
    "polygons": Form((TEXT,), describe=outlines),
    "json": Form((TEXT,), describe=facts),
}
# What an Accept header alone asks for.
BY_TYPE = {PNG: "classmap", JPEG: "overlay", TEXT: "json"}
DEFAULT = "classmap"


@dataclass(frozen=True)
class Wanted:
    """What a client wants. form: a name of `FORMS`; media_type: one of its types; smallest: pixels of a polygon."""

    form: str
    media_type: str
    smallest: int = 1

    def encode(self, result: Result) -> bytes | dict[str, JSON]:
        """Return a result in this form."""
        form = FORMS[self.form]
        if form.encode is not None:
            return form.encode(result, self.media_type)
        assert form.describe is not None
        return form.describe(result, self.smallest)

    def join(self, encoded: Sequence[bytes | dict[str, JSON]], together: bool) -> tuple[bytes, str]:
        """Return the body of an answer and its type.

        encoded: What `encode` returned for each picture. together: The client sent a list, and gets one: JSON with
        "results", or a ZIP with "0.png", "1.png" and so on.
        """
        if not together:
            (one,) = encoded
            return (one, self.media_type) if isinstance(one, bytes) else (json.dumps(one).encode(), TEXT)
        described = [one for one in encoded if not isinstance(one, bytes)]
        if described:
            return json.dumps({"results": described}).encode(), TEXT
        files = io.BytesIO()
        with zipfile.ZipFile(files, "w") as archive:
            for number, one in enumerate(encoded):
                assert isinstance(one, bytes)
                archive.writestr(f"{number}.{'png' if self.media_type == PNG else 'jpg'}", one)
        return files.getvalue(), ZIP


def wanted(output: str | None, accept: str, smallest: int, together: bool) -> Wanted:
    """Return what a client wants.

    Args:
        output: A name of `FORMS`; None: what `accept` says.
        accept: The header Accept; "" takes everything.
        smallest: Regions of fewer pixels are left out of polygons.
        together: The client sends several pictures.

    Returns:
        The form and its type.

    Raises:
        RefusedError: If there is no such form (400), or it has no type that the client accepts (406).
    """
    if output is not None and output not in FORMS:
        raise RefusedError(400, f"there is no output {output!r}; choose one of {', '.join(FORMS)}")
    ranges = accepted(accept)
    if output is None:
        best = max(BY_TYPE, key=lambda kind: (quality(ranges, kind), kind == PNG))
        if not quality(ranges, best) and not (together and quality(ranges, ZIP)):
            raise RefusedError(406, f"nothing of what is accepted can be sent; accept {', '.join(BY_TYPE)}")
        output = BY_TYPE[best]
    types = FORMS[output].types
    best = max(types, key=lambda kind: (quality(ranges, kind), kind == types[0]))
    if not quality(ranges, best) and not (together and quality(ranges, ZIP)):
        raise RefusedError(406, f"output {output} is sent as {' or '.join(types)}; accept one of them")
    return Wanted(output, best, smallest)


def accepted(accept: str) -> dict[str, float]:
    """Return an Accept header's ranges with their weights, 0 to 1; a weight that is no number counts as 1."""
    ranges: dict[str, float] = {}
    for entry in accept.lower().split(","):
        kind, *parameters = (part.strip() for part in entry.split(";"))
        weight = next((text[2:] for text in parameters if text.startswith("q=")), "1")
        try:
            ranges[kind] = min(1.0, max(0.0, float(weight)))
        except ValueError:
            ranges[kind] = 1.0
    ranges.pop("", None)
    return ranges or {"*/*": 1.0}


def quality(ranges: dict[str, float], kind: str) -> float:
    """Return the weight of a type, that of the closest range; 0: not accepted."""
    for range_ in (kind, f"{kind.partition('/')[0]}/*", "*/*"):
        if range_ in ranges:
            return ranges[range_]
    return 0.0
