"""The options of a bulk run."""

from __future__ import annotations

from dataclasses import dataclass

from streetseg.errors import MissingExtraError, UsageError

RESULTS = ("png", "parquet", "webdataset", "none")


@dataclass(frozen=True)
class BulkOptions:
    """Options of a bulk run.

    Attributes:
        results: "png": a class map a frame; "parquet" or "webdataset": shards of many run-length encoded class maps;
            "none": only the table.
        shard_frames: Images of a shard at most; a film's segments count as one each.
        overlays: Write an overlay of every Nth image, and of every Nth frame of a film; None: no overlays.
        every: Segment every Nth frame of films.
        threshold: Confidence below which a pixel counts as unsure, 0 to 1.
        column: Column of the lists that are tables; None: by its name.
        segment_seconds: Length in seconds of the segments of films, at least.
        timeout: Seconds after which a worker that gives no frame is ended, as if its file had killed it.
        retry_errors: Try again what ended with an error in an earlier run.

    Raises:
        UsageError: If a value is out of its range.
        MissingExtraError: If results as Parquet are wished without pyarrow.
    """

    results: str = "png"
    shard_frames: int = 1000
    overlays: int | None = None
    every: int = 1
    threshold: float = 0.5
    column: str | None = None
    segment_seconds: float = 20.0
    timeout: float = 300.0
    retry_errors: bool = False

    def __post_init__(self) -> None:
        if self.results not in RESULTS:
            raise UsageError(f"results must be one of {', '.join(RESULTS)}, got {self.results!r}")
        counts = {"shard-frames": self.shard_frames, "overlays": self.overlays, "every": self.every}
        for name, value in counts.items():
            if value is not None and value < 1:
                raise UsageError(f"{name} must be at least 1, got {value}")
        if not 0 <= self.threshold <= 1:
            raise UsageError(f"threshold must be from 0 to 1, got {self.threshold:g}")
        if not self.segment_seconds > 0 or not self.timeout > 0:
            raise UsageError(
                f"segment-seconds and timeout must be above 0, got {self.segment_seconds:g} and {self.timeout:g}"
            )
        if self.results == "parquet" and not has_pyarrow():
            raise MissingExtraError("pyarrow", "--results parquet", "bulk")

    @property
    def packed(self) -> bool:
        """Return True if class maps go into shards."""
        return self.results in ("parquet", "webdataset")

    @property
    def unit_size(self) -> int:
        """Return the number of items that are recorded together, at most."""
        return self.shard_frames if self.packed else 64


def has_pyarrow() -> bool:
    """Return True if pyarrow is installed."""
    try:
        import pyarrow.parquet  # noqa: F401
    except ModuleNotFoundError:
        return False
    return True
