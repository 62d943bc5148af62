"""How a camera or a stream ends."""

from __future__ import annotations

from enum import StrEnum


class Ending(StrEnum):
    """The end of a source: in order, a stall, or a connection that broke off."""

    ORDERLY = "ended"
    STALLED = "stalled"
    BROKEN = "broke off"
