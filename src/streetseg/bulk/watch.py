"""Tell errors and progress while a run goes on."""

from __future__ import annotations

import time
from collections.abc import Callable

from streetseg.bulk.report import BulkStatus, Meter
from streetseg.bulk.rows import Row

SHOWN_ERRORS = 20


class Watch:
    """Tells errors and progress while a run goes on."""

    def __init__(self, meter: Meter, tell: Callable[[str], object], report: Callable[[BulkStatus], object]) -> None:
        self.meter, self.tell, self.report = meter, tell, report
        self.told, self.reported = 0, time.monotonic()

    def row(self, worker: object, row: Row) -> None:
        """Count a row."""
        self.meter.count(worker, row)
        if row.error is not None:
            self.error(row.error)
        self.look()

    def error(self, error: str) -> None:
        """Tell an error, unless there were many."""
        self.told += 1
        if self.told <= SHOWN_ERRORS:
            self.tell(error)

    def look(self) -> None:
        """Report how far the run is, about once a second."""
        if time.monotonic() - self.reported >= 1:
            self.reported = time.monotonic()
            self.report(self.meter.status())

    def end(self) -> None:
        """Say how many errors were not told."""
        if self.told > SHOWN_ERRORS:
            self.tell(f"{self.told - SHOWN_ERRORS:,} further errors; the table has them all in its column error")
