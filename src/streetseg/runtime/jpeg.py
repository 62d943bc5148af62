"""Decode a JPEG strictly: a warning counts as damage only when pixels are missing."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import simplejpeg
from numpy.typing import NDArray

END = b"\xff\xd9"
# Markers: start of frame, of a scan, of a scan with arithmetic coding; those without a length.
FRAMES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}
PROGRESSIVE = {0xC2, 0xCA}
SCAN = 0xDA
BARE = {0x01, *range(0xD0, 0xD9)}
MARKER = re.compile(rb"\xff+([\x01-\xfe])")  # fill bytes before it are allowed
# Zero bytes of padding at the end of entropy-coded data. A zero byte behind 0xFF belongs to it.
PADDING = re.compile(rb"(?<!\xff)(\x00+)(?=\xff+[\x01-\xfe])")
RESTART = re.compile(rb"(\xff+[\xd0-\xd7])")
INTERVAL = 0xDD
ZEROS_KEPT = 3  # zero bytes at the end of data that may belong to it, and one more


@dataclass
class Layout:
    """What a JPEG's markers say.

    Attributes:
        parts: The file in pieces: header segments with their markers, entropy-coded data, end marker.
        entropy: The places of entropy-coded data in `parts`.
        junk: Bytes between header segments, which are no pixels.
        ended: True if there is an end marker.
        seen: Component -> the coefficients that scans brought to their last bit; only for progressive JPEGs.
        components: Numbers of the frame's components.
        progressive: True if the scans refine each other.
        restart: Number of units (minimum coded units) between restart markers; 0: there are none.
        frame: Place of the frame's header in `parts`.
    """

    parts: list[bytes] = field(default_factory=list)
    entropy: list[int] = field(default_factory=list)
    junk: int = 0
    ended: bool = False
    seen: dict[int, set[int]] = field(default_factory=dict)
    components: list[int] = field(default_factory=list)
    progressive: bool = False
    restart: int = 0
    frame: int = 0

    @property
    def remarks(self) -> tuple[str, ...]:
        """Return what is to be tolerated, a phrase each."""
        junk = f"{self.junk} bytes between its header's segments" if self.junk else ""
        return tuple(filter(None, (junk, "" if self.ended else "no end marker (EOI)")))

    @property
    def sampling(self) -> tuple[int, int]:
        """Return the largest sampling factors, across and down."""
        factors = self.parts[self.frame][2:][9::3]
        return max((f >> 4 for f in factors), default=1) or 1, max((f & 15 for f in factors), default=1) or 1

    @property
    def units(self) -> int:
        """Return the number of minimum coded units of the frame."""
        height, width = (int.from_bytes(self.parts[self.frame][i : i + 2]) for i in (5, 7))
        across, down = self.sampling if len(self.components) > 1 else (1, 1)
        return -(-width // (8 * across)) * -(-height // (8 * down))

    def alone(self, interval: bytes, units: int) -> bytes:
        """Return a JPEG of one row of units with the entropy-coded data of one restart interval."""
        across, down = self.sampling if len(self.components) > 1 else (1, 1)
        header = self.parts[self.frame]
        size = (8 * down).to_bytes(2) + (8 * across * units).to_bytes(2)
        parts = [
            *self.parts[: self.frame],
            header[:5] + size + header[9:],
            *self.parts[self.frame + 1 : self.entropy[0]],
        ]
        return b"".join(parts) + interval + END


def decode(data: bytes) -> tuple[NDArray[np.uint8], tuple[str, ...]] | None:
    """Return a JPEG's pixels, H x W x 3 uint8 RGB, and what was tolerated, a phrase each.

    Tolerated are padding before markers, which some webcams write, bytes between header segments, and a missing end
    marker behind whole pixels.

    Args:
        data: The file.

    Returns:
        The pixels and the phrases; None if the strict decoder does not know the layout of its chroma sampling.

    Raises:
        ValueError: Pixels are missing or damaged.
    """
    layout = read_layout(data)
    refuse_missing_scans(layout)
    if layout.junk:
        data = b"".join(layout.parts)
    try:
        simplejpeg.decode_jpeg_header(data)
    except ValueError:
        return None
    try:
        return simplejpeg.decode_jpeg(data, strict=True), layout.remarks
    except ValueError as error:
        first = error
    for mended, remarks in without_harmless_faults(layout):
        try:
            return simplejpeg.decode_jpeg(mended, strict=True), remarks
        except ValueError:
            continue
    raise first


def without_harmless_faults(layout: Layout) -> Iterator[tuple[bytes, tuple[str, ...]]]:
    """Yield the JPEG with harmless faults taken out, each in another reading, and the phrases about them."""
    end = b"" if layout.ended else END
    yield b"".join(layout.parts) + end, layout.remarks
    padded = sum(len(PADDING.findall(layout.parts[place] + END)) for place in layout.entropy)
    if padded:
        told = (*layout.remarks, f"padding before {padded} markers")
        for keep in range(ZEROS_KEPT) if len(layout.entropy) > 1 or not layout.restart else [None]:
            parts = list(layout.parts)
            for place in layout.entropy:
                parts[place] = without_padding(layout, parts[place], keep)
            yield b"".join(parts) + end, told


def without_padding(layout: Layout, scan: bytes, keep: int | None) -> bytes:
    """Return entropy-coded data with only `keep` of the zero bytes before each marker.

    The last byte of the data may be zero itself. With keep None each restart interval is decoded alone to find out.
    """
    if keep is not None:
        return PADDING.sub(lambda run: b"\0" * min(keep, len(run[1])), scan + END).removesuffix(END)
    pieces = RESTART.split(scan)  # intervals and the markers between them
    intervals = -(-layout.units // layout.restart)
    for number in range(0, len(pieces), 2):
        zeros = PADDING.search(pieces[number] + END)
        if zeros is None:
            continue
        units = layout.units - layout.restart * (intervals - 1) if number // 2 == intervals - 1 else layout.restart
        for kept in range(min(ZEROS_KEPT, len(zeros[1]) + 1)):
            shorter = pieces[number][: zeros.start() + kept]
            try:
                simplejpeg.decode_jpeg(layout.alone(shorter, units), strict=True)
            except ValueError:
                continue
            pieces[number] = shorter
            break
    return b"".join(pieces)


def read_layout(data: bytes) -> Layout:
    """Return what a JPEG's markers say; a file that ends early gives what is there."""
    layout = Layout(parts=[data[:2]])
    place = 2
    while (found := MARKER.search(data, place)) is not None:
        layout.junk += found.start() - place
        marker = found[1][0]
        if marker == END[1]:
            layout.ended = True
            layout.parts.append(END)
            break
        if marker in BARE:
            layout.parts.append(data[found.end() - 2 : found.end()])
            place = found.end()
            continue
        size = int.from_bytes(data[found.end() : found.end() + 2])
        segment = data[found.end() : found.end() + max(2, size)]
        layout.parts.append(data[found.end() - 2 : found.end()] + segment)
        place = found.end() + max(2, size)
        if marker in FRAMES:
            layout.frame = len(layout.parts) - 1
            layout.progressive = marker in PROGRESSIVE
            layout.components = list(segment[8::3])
        elif marker == INTERVAL:
            layout.restart = int.from_bytes(segment[2:4])
        elif marker == SCAN:
            note_scan(layout, segment)
            place = end_of_scan(data, place, layout)
    return layout


def note_scan(layout: Layout, segment: bytes) -> None:
    """Note which coefficients of which components a scan brings to their last bit."""
    if len(segment) < 6:
        return
    components = segment[3 : 3 + 2 * segment[2] : 2]
    first, last, bits = segment[-3:]
    for component in components:
        seen = layout.seen.setdefault(component, set())
        if not layout.progressive:
            seen |= set(range(64))
        elif bits & 0xF == 0:
            seen |= set(range(first, min(last, 63) + 1))


def end_of_scan(data: bytes, place: int, layout: Layout) -> int:
    """Add the entropy-coded data at `place`, restart markers included, to the layout; return its end."""
    end = place
    while (found := MARKER.search(data, end)) is not None and 0xD0 <= found[1][0] <= 0xD7:
        end = found.end()
    end = len(data) if found is None else found.start()
    layout.entropy.append(len(layout.parts))
    layout.parts.append(data[place:end])
    return end


def refuse_missing_scans(layout: Layout) -> None:
    """Raise ValueError if a component has no scan, or a progressive one lacks its last bits."""
    for component in layout.components:
        seen = layout.seen.get(component, set())
        if not seen or (layout.progressive and 0 not in seen):
            raise ValueError("a part of its scans is missing")
    if layout.progressive and not layout.ended and any(len(layout.seen[c]) < 64 for c in layout.components):
        raise ValueError("a part of its scans is missing")
