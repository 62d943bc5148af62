"""Write a video's class maps as PNGs, or as arrays in one NAME.npz."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Sequence
from contextlib import ExitStack
from fractions import Fraction
from pathlib import Path
from types import TracebackType

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from streetseg.errors import OutputError
from streetseg.runtime.files import reason, whole_file
from streetseg.runtime.frames import write_classmap


class PngFolder:
    """A folder of class maps, a PNG a frame, called by the frame's number in the video."""

    kept = False  # each file is whole by itself

    def __init__(self, path: Path, colours: Sequence[tuple[int, int, int]]) -> None:
        self.path, self.colours, self.frames = path, colours, 0

    def add(self, index: int, classmap: NDArray[np.uint8]) -> None:
        """Write the class map of the frame with this number."""
        write_classmap(self.path / f"{index:06d}.png", classmap, self.colours)
        self.frames += 1

    def stale(self) -> int:
        """Return the number of class maps in the folder that another run has left."""
        return sum(bool(re.fullmatch(r"\d{6,}", path.stem)) for path in self.path.glob("*.png")) - self.frames


class MapArchive:
    """One file for all class maps: numpy.load(path)["000000"] is that of frame 0, ["seconds"] are the frames' times.

    It is a context manager. The file gets its name once the block ends without an error.
    """

    def __init__(self, path: Path, time_base: Fraction) -> None:
        self.path, self.time_base, self.kept = path, time_base, False
        self.seconds: list[float] = []
        with ExitStack() as files:
            self.archive = files.enter_context(
                zipfile.ZipFile(files.enter_context(whole_file(path)), "w", zipfile.ZIP_DEFLATED, compresslevel=1)
            )
            self.file = files.pop_all()

    def add(self, index: int, pts: int, classmap: NDArray[np.uint8]) -> None:
        """Write the class map of a frame."""
        self.write(f"{index:06d}", classmap)
        self.seconds.append(float(pts * self.time_base))

    def write(self, name: str, array: NDArray[np.generic]) -> None:
        """Write an array; OutputError if the disk refuses."""
        try:
            with self.archive.open(f"{name}.npy", "w") as member:
                npy.write_array(member, np.ascontiguousarray(array), allow_pickle=False)
        except OSError as error:
            raise OutputError(f"{self.path} cannot be written: {reason(error)}; choose another place") from None

    def __enter__(self) -> MapArchive:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            self.write("seconds", np.array(self.seconds))
            self.kept = True
        self.file.__exit__(kind, error, trace)
