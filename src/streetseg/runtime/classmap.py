"""Exact lazy upsampling: from logits at the network's output stride to the class map at the frame's size.

The plain way interpolates all C classes bilinearly to the frame's size and takes the argmax. Little of that is needed.
Call the square between four neighbouring logits a cell. A pixel's values are a convex combination of its cell's four
corners. Let all four have their argmax, lowest index first, at class k. Then each corner's value of k is larger than
those of the classes below k and no smaller than those above, and so is every such combination. Every pixel of the cell
is of class k, ties included. So: take the argmax at low resolution, fill these uniform cells, and interpolate only in
the mixed ones, which a border between classes crosses (about a tenth of the cells on road scenes).

    logits h x w x C ── argmax h x w ── cells (h + 1) x (w + 1) ─┬─ uniform: filled ───────────────┬─ class map H x W
                                                                 └─ mixed: interpolated, argmax ───┘

The compiled kernel does this where the installation has it, numpy elsewhere. Both give the same result to the bit.
"""

from __future__ import annotations

from ctypes import POINTER, c_float, c_int64
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
from numpy.typing import NDArray

from streetseg.runtime.kernel import binding

# Pixels interpolated at a time. One class of them is 128 KiB of float32: it stays in a core's cache, and the work still
# outweighs the calls.
CHUNK = 32768


def class_map(
    logits: NDArray[np.float32],
    frame_size: tuple[int, int],
    *,
    content_size: tuple[int, int],
    padded_size: tuple[int, int],
    align_corners: bool,
    out: NDArray[np.uint8] | None = None,
    threads: int = 1,
) -> NDArray[np.uint8]:
    """Return the class map of a frame: the argmax of the bilinearly interpolated logits.

    Equal values take the lowest index. The arithmetic is float32. Against float64, a pixel differs only where its two
    largest values are closer than 1e-5 of the largest magnitude among the logits around it. If a logit around a
    pixel is not finite, or beyond 1e38, that pixel's class is undefined.

    Args:
        logits: h x w x C float32, C-contiguous, C from 1 to 255.
        frame_size: H, W of the frame, and so of the class map, in pixels.
        content_size: H, W of the frame once resized for the network, in network input pixels.
        padded_size: H, W of the network's input: the content padded right and bottom.
        align_corners: As in PyTorch. True: the outermost logits lie on the centres of the outermost input pixels.
            False: the logits with their whole extent lie inside the borders of the input.
        out: H x W uint8 to write the class map to, its pixels side by side within a row; None: a new array.
        threads: Threads that the kernel may use; numpy uses one.

    Returns:
        H x W uint8, class indices below C.

    Raises:
        ValueError: If logits or `out` have another shape, dtype or memory layout, or the sizes cannot be.
    """
    if out is None:
        out = np.empty(frame_size, np.uint8)
    check_arrays(logits, frame_size, content_size, padded_size, out)
    rows, columns = (
        cells_along(logits.shape[i], frame_size[i], content_size[i], padded_size[i], align_corners) for i in (0, 1)
    )
    library = binding.load()
    if library is None:
        fill(out, logits, rows, columns)
    else:
        binding.class_map(library, logits, rows.for_kernel, columns.for_kernel, out, threads)
    return out


def fill(out: NDArray[np.uint8], logits: NDArray[np.float32], rows: Cells, columns: Cells) -> None:
    """Write the class map into `out` with numpy."""
    corners = np.pad(np.argmax(logits, axis=2).astype(np.uint8), 1, mode="edge")
    cells = corners[:-1, :-1]  # the class of each cell that is uniform
    mixed = mixed_cells(corners)
    mixed &= (rows.count > 0)[:, None] & (columns.count > 0)

    classes = cells.repeat(columns.count, axis=1).repeat(rows.count, axis=0)
    pixels = classes.reshape(-1)
    width = classes.shape[1]
    mixed_rows, mixed_columns = np.nonzero(mixed)
    step = max(1, CHUNK // int(rows.count.max() * columns.count.max()))
    for start in range(0, len(mixed_rows), step):
        i, j = mixed_rows[start : start + step], mixed_columns[start : start + step]
        y, x = rows.pixels(i), columns.pixels(j)
        around = logits[rows.ends(i)[:, None], columns.ends(j)]  # 2 x 2 x cells x C
        pixels[y[:, None] * width + x] = interpolated_argmax(around, rows.weight[y], columns.weight[x])
    out[...] = classes


def mixed_cells(corners: NDArray[np.integer]) -> NDArray[np.bool_]:
    """Return (h - 1) x (w - 1) booleans: True for the cells between h x w classes that a border crosses."""
    cells = corners[:-1, :-1]
    mixed: NDArray[np.bool_] = (cells != corners[:-1, 1:]) | (cells != corners[1:, :-1]) | (cells != corners[1:, 1:])
    return mixed


@dataclass(frozen=True)
class Cells:
    """The frame's pixels along one axis, by the cell they lie in.

    Between and beyond n logits there are n + 1 cells. Cell i lies between the logits i - 1 and i. Cells 0 and n lie
    outside the outermost logits and have that one at both ends, which clamps positions whatever the weight.
    """

    logits: int
    first: NDArray[np.int64]  # n + 1: each cell's first pixel
    count: NDArray[np.int64]  # n + 1: the number of its pixels, which may be 0
    weight: NDArray[np.float32]  # one a pixel: how much the second end of its cell counts; and the kernel's margin

    @cached_property
    def for_kernel(self) -> binding.CellsAlong:
        """Return the same for the kernel, valid as long as this object."""
        first, count = (array.ctypes.data_as(POINTER(c_int64)) for array in (self.first, self.count))
        return binding.CellsAlong(self.logits, first, count, self.weight.ctypes.data_as(POINTER(c_float)))

    def ends(self, cells: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the two logits that each cell lies between, 2 x len(cells)."""
        return np.clip(np.stack([cells - 1, cells]), 0, self.logits - 1)

    def pixels(self, cells: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return each cell's pixels, K x len(cells), K the largest count; a smaller cell repeats its last pixel."""
        return self.first[cells] + np.minimum(np.arange(self.count.max())[:, None], self.count[cells] - 1)


@lru_cache(maxsize=16)  # the frames of a video are of one size
def cells_along(logits: int, frame: int, content: int, padded: int, align_corners: bool) -> Cells:
    """Return the cells of the frame's pixels; all sizes along one axis."""
    centre = (np.arange(frame) + 0.5) * content / frame  # of each pixel, in network input pixels from the border
    if not align_corners:
        position = centre * logits / padded - 0.5  # among the logits
    elif padded > 1:
        position = (centre - 0.5) * (logits - 1) / (padded - 1)
    else:
        position = np.zeros(frame)

    cell = np.clip(np.floor(position).astype(np.int64) + 1, 0, logits)
    count = np.bincount(cell, minlength=logits + 1).astype(np.int64)
    weight = np.pad((position - (cell - 1)).astype(np.float32), (0, binding.LANES - 1))
    return Cells(logits, np.cumsum(count) - count, count, weight)


def interpolated_argmax(
    around: NDArray[np.float32], row_weight: NDArray[np.float32], column_weight: NDArray[np.float32]
) -> NDArray[np.uint8]:
    """Return the argmax of the interpolated logits in n cells, each of Y x X pixels: Y x X x n.

    around: 2 x 2 x n x C, the logits at each cell's corners: top and bottom, left and right. row_weight: Y x n, the
    weight of the bottom corners. column_weight: X x n, the weight of the right corners.
    """
    # The cells go last, which makes every inner loop below long and contiguous.
    top, bottom = np.ascontiguousarray(np.moveaxis(around, 3, 1))  # C x 2 x n each
    with np.errstate(all="ignore"):  # logits that are not finite
        sides = top[:, :, None] + (bottom - top)[:, :, None] * row_weight  # C x 2 x Y x n
        left = sides[:, 0]
        slope = sides[:, 1] - left

        best = np.full((len(row_weight), *column_weight.shape), -np.inf, np.float32)
        classes = np.zeros(best.shape, np.uint8)
        value = np.empty_like(best)
        for c in range(len(left)):
            np.multiply(slope[c, :, None], column_weight, out=value)
            value += left[c, :, None]
            # c only grows, so a maximum writes it where its value is the largest: far quicker than a masked assignment.
            np.maximum(classes, (value > best).view(np.uint8) * np.uint8(c), out=classes)
            np.fmax(best, value, out=best)
    return classes


def check_arrays(
    logits: NDArray[np.float32],
    frame_size: tuple[int, int],
    content_size: tuple[int, int],
    padded_size: tuple[int, int],
    out: NDArray[np.uint8],
) -> None:
    """Raise ValueError if class_map cannot work on these arrays and sizes."""
    if logits.ndim != 3 or 0 in logits.shape or logits.shape[2] > 255:
        raise ValueError(f"logits must be h x w x C with C from 1 to 255, got shape {logits.shape}")
    if logits.dtype != np.float32 or not logits.flags.c_contiguous:
        layout = "C-contiguous" if logits.flags.c_contiguous else "not C-contiguous"
        raise ValueError(f"logits must be float32 and C-contiguous, got {logits.dtype}, {layout}")
    if min(*frame_size, *content_size) < 1:
        raise ValueError(f"sizes must be positive, got frame_size {frame_size} and content_size {content_size}")
    if content_size[0] > padded_size[0] or content_size[1] > padded_size[1]:
        raise ValueError(f"padded_size {padded_size} must be no smaller than content_size {content_size}")
    if out.shape != frame_size or out.dtype != np.uint8 or out.strides[1] != 1 or not out.flags.writeable:
        raise ValueError(
            f"out must be writeable uint8 of shape {frame_size}, its pixels side by side within a row; got {out.dtype} "
            f"of shape {out.shape}, strides {out.strides}"
        )
