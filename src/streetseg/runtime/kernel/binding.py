"""Load and call the kernel: the compiled inner loops (kernel.c) of classmap.py and overlay.py.

hatch_build.py compiles them into the package if there is a C compiler. Without them numpy makes the class map and
Pillow the overlay: the same results, in more time.
"""

from __future__ import annotations

import ctypes
import warnings
from ctypes import POINTER, c_float, c_int, c_int64, c_void_p
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

LIBRARY = Path(__file__).with_name("libkernel.so")
LANES = 8  # pixels that the kernel computes at once; it reads LANES weights even if one pixel is left

# Pixels for which a thread pays off: for fewer, starting it takes longer than the work.
PIXELS_PER_THREAD = 65536


class CellsAlong(ctypes.Structure):
    """`classmap.Cells` as kernel.c takes it."""

    _fields_ = (
        ("logits", c_int64),
        ("first", POINTER(c_int64)),
        ("count", POINTER(c_int64)),
        ("weight", POINTER(c_float)),
    )


@cache
def load() -> ctypes.CDLL | None:
    """Return the compiled kernel; None, with one warning per process, if none runs here."""
    try:
        library = ctypes.CDLL(str(LIBRARY))
    except OSError as error:
        cause = f"cannot be loaded: {error}" if LIBRARY.exists() else "is not there: it was built without a C compiler"
        warnings.warn(
            f"streetseg runs without its compiled kernel, which {cause}; class maps and overlays are the same and take "
            "longer; install a C compiler, then streetseg again",
            RuntimeWarning,
            stacklevel=2,
        )
        return None
    cells = POINTER(CellsAlong)
    library.streetseg_class_map.argtypes = (c_void_p, c_int64, cells, cells, c_void_p, c_int64, c_int64)
    library.streetseg_class_map.restype = c_int
    library.streetseg_paint.argtypes = (c_void_p, c_void_p, c_int64, c_int64, *[c_void_p] * 3, c_int64)
    library.streetseg_paint.restype = c_int
    return library


def class_map(
    library: ctypes.CDLL,
    logits: NDArray[np.float32],
    rows: CellsAlong,
    columns: CellsAlong,
    out: NDArray[np.uint8],
    threads: int,
) -> None:
    """Fill `out`, H x W with contiguous rows; see classmap.class_map."""
    threads = threads_for(out.size, threads)
    pixels = (out.ctypes.data, out.strides[0])
    if library.streetseg_class_map(logits.ctypes.data, logits.shape[2], rows, columns, *pixels, threads):
        raise MemoryError


def paint(
    library: ctypes.CDLL,
    frame: NDArray[np.uint8],
    classmap: NDArray[np.uint8],
    colours: NDArray[np.uint8],
    opacities: NDArray[np.uint8],
    out: NDArray[np.uint8],
    threads: int,
) -> None:
    """Fill `out`, H x W x 3, with the frame and its classes' colours; all arrays C-contiguous; see overlay.overlay."""
    arrays = (colours.ctypes.data, opacities.ctypes.data, out.ctypes.data)
    threads = threads_for(classmap.size, threads)
    if library.streetseg_paint(frame.ctypes.data, classmap.ctypes.data, *classmap.shape, *arrays, threads):
        raise MemoryError


def threads_for(pixels: int, threads: int) -> int:
    """Return the number of threads that pay off for a number of pixels."""
    return max(1, min(threads, 1 + pixels // PIXELS_PER_THREAD))
