"""Recognise cameras and network streams by how people name them."""

from __future__ import annotations

import re
from pathlib import Path

# Cameras and the network's protocols.
CAMERAS = ("/dev/video", "/dev/v4l/")
PROTOCOLS = ("rtsp", "rtsps", "rtmp", "rtmps", "http", "https", "udp", "rtp", "srt", "tcp")


def is_live(source: str) -> bool:
    """Return True if frames come at their own pace: from a camera or a network stream.

    A camera is /dev/videoN or its number, unless a file or folder has that number as its name.
    """
    return source.startswith(CAMERAS) or is_address(source) or (is_number(source) and not Path(source).exists())


def is_number(source: str) -> bool:
    """Return True if a source is a camera's number."""
    return source.isascii() and source.isdigit()


def is_address(source: str) -> bool:
    """Return True if a source is a stream's address in the network."""
    return source.partition("://")[0].lower() in PROTOCOLS and "://" in source


def without_password(source: str) -> str:
    """Return a source for messages: a network camera's address without user and password."""
    return re.sub(r"^(\w+://)[^/]*@", r"\1", source)
