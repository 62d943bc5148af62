"""Shards: many class maps in one file, run-length encoded, as Parquet or WebDataset."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streetseg.bulk.rows import Row, Runs
from streetseg.errors import MissingExtraError, UsageError

SUFFIXES = {"parquet": ".parquet", "webdataset": ".tar"}
FOLDER = "shards"


@dataclass(frozen=True)
class PackedClassmap:
    """A class map from a shard.

    Attributes:
        key: The frame's name; column "key" of the table.
        source: The image or the film.
        seconds: Time of a film's frame from the first one; None for an image.
        classmap: H x W uint8, class indices.
    """

    key: str
    source: str
    seconds: float | None
    classmap: NDArray[np.uint8]


def write_shard(path: Path, kind: str, rows: list[Row]) -> None:
    """Write the class maps of rows to a shard; the same rows give the same bytes."""
    (write_parquet if kind == "parquet" else write_tar)(path, [row for row in rows if row.runs is not None])


def write_parquet(path: Path, rows: list[Row]) -> None:
    """Write a Parquet file with a row for each frame."""
    import pyarrow as pa
    from pyarrow import parquet

    runs = [row.runs for row in rows if row.runs is not None]
    table = pa.table(
        {
            "key": pa.array([shown(row.key or "") for row in rows], pa.string()),
            "source": pa.array([shown(row.source) for row in rows], pa.string()),
            "seconds": pa.array([row.seconds for row in rows], pa.float64()),
            "height": pa.array([row.height for row in rows], pa.int32()),
            "width": pa.array([row.width for row in rows], pa.int32()),
            "values": pa.array([one.values for one in runs], pa.list_(pa.uint8())),
            "lengths": pa.array([one.lengths for one in runs], pa.list_(pa.uint32())),
        }
    )
    parquet.write_table(table, path, compression="zstd")


def write_tar(path: Path, rows: list[Row]) -> None:
    """Write a WebDataset shard: for each frame KEY.npz with the runs and KEY.json with the rest."""
    with tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as shard:
        for number, row in enumerate(rows):
            assert row.runs is not None
            arrays = io.BytesIO()
            np.savez_compressed(arrays, values=row.runs.values, lengths=row.runs.lengths)
            facts = {
                "key": shown(row.key or ""), "source": shown(row.source), "seconds": row.seconds,
                "height": row.height, "width": row.width,
            }  # fmt: skip
            # A dot within a key would end it, for WebDataset.
            for ending, data in (("npz", arrays.getvalue()), ("json", json.dumps(facts).encode())):
                entry = tarfile.TarInfo(f"{number:06d}.{ending}")
                entry.size = len(data)
                shard.addfile(entry, io.BytesIO(data))


def read_classmaps(shard: str | Path) -> Iterator[PackedClassmap]:
    """Read the class maps of a shard that `bulk` wrote.

    Args:
        shard: NAME.parquet or NAME.tar.

    Yields:
        The class maps, in the order of the frames.

    Raises:
        UsageError: If the file is not there or no such shard.
        MissingExtraError: If it is Parquet and pyarrow is not installed.
    """
    path = Path(shard)
    try:
        for facts, runs in read_parquet(path) if path.suffix == ".parquet" else read_tar(path):
            classmap = np.repeat(runs.values, runs.lengths).reshape(facts["height"], facts["width"])
            yield PackedClassmap(facts["key"], facts["source"], facts["seconds"], classmap)
    except (OSError, tarfile.TarError, KeyError, ValueError) as error:
        raise UsageError(f"{shard} cannot be read as a shard: {error}; give a file that `bulk` wrote") from None


def read_parquet(path: Path) -> Iterator[tuple[dict[str, Any], Runs]]:
    """Yield facts and runs of a Parquet shard's frames."""
    try:
        from pyarrow import parquet
    except ModuleNotFoundError:
        raise MissingExtraError("pyarrow", f"reading {path}", "bulk") from None
    with parquet.ParquetFile(path) as file:
        for batch in file.iter_batches(batch_size=16):
            for row in batch.to_pylist():
                yield row, Runs(np.array(row["values"], np.uint8), np.array(row["lengths"], np.uint32))


def read_tar(path: Path) -> Iterator[tuple[dict[str, Any], Runs]]:
    """Yield facts and runs of a WebDataset shard's frames."""
    with tarfile.open(path) as shard:
        runs = None
        for entry in shard:
            file = shard.extractfile(entry)
            assert file is not None
            if entry.name.endswith(".npz"):
                with np.load(io.BytesIO(file.read())) as arrays:
                    runs = Runs(arrays["values"], arrays["lengths"])
            elif runs is not None:
                yield json.load(file), runs


def shown(text: str) -> str:
    """Return a name as valid text."""
    return text.encode("utf-8", "backslashreplace").decode()
