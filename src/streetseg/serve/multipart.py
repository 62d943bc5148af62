"""Take the pictures out of a multipart body. It stays in memory: nothing touches the disk."""

from __future__ import annotations

from email.message import Message
from email.parser import BytesHeaderParser

from streetseg.serve.errors import RefusedError

LONGEST_HEADER = 4096  # bytes of a part's headers
LONGEST_BOUNDARY = 70  # characters, by RFC 2046


def boundary_of(content_type: str) -> bytes | None:
    """Return the boundary of a multipart type; None for another type."""
    if not content_type.lower().strip().startswith("multipart/"):
        return None
    message = Message()
    message["Content-Type"] = content_type
    boundary = message.get_boundary()
    if not boundary or len(boundary) > LONGEST_BOUNDARY or not boundary.isascii():
        raise RefusedError(400, "the multipart body has no valid boundary in its Content-Type")
    return boundary.encode()


def pictures_of(body: bytes, boundary: bytes, most: int) -> list[bytes]:
    """Return the content of each part.

    Args:
        body: The body.
        boundary: Its boundary.
        most: Parts that are taken.

    Returns:
        The contents, in order, one or more.

    Raises:
        RefusedError: If the body is damaged, empty, or has more parts (413).
    """
    pieces = (b"\r\n" + body).split(b"\r\n--" + boundary, most + 2)
    if len(pieces) > most + 2 or (len(pieces) == most + 2 and not pieces[-1].startswith(b"--")):
        raise RefusedError(413, f"a request has at most {most} pictures; send several requests")
    if len(pieces) < 2 or not pieces[-1].startswith(b"--"):
        raise RefusedError(400, "the multipart body is truncated: its last boundary is missing")
    found = [content_of(piece) for piece in pieces[1:-1]]
    if not found:
        raise RefusedError(400, "the multipart body has no part")
    return found


def content_of(piece: bytes) -> bytes:
    """Return the content of a part, which begins with the rest of its boundary's line; RefusedError if damaged."""
    padding, line, rest = piece.partition(b"\r\n")
    headers, gap, content = (rest[:0], b"\r\n", rest[2:]) if rest[:2] == b"\r\n" else rest.partition(b"\r\n\r\n")
    if padding.strip() or not line or not gap or len(headers) > LONGEST_HEADER:
        raise RefusedError(400, "the multipart body is damaged: a part has no sound headers")
    encoding = BytesHeaderParser().parsebytes(headers).get("Content-Transfer-Encoding", "binary")
    if str(encoding).strip().lower() not in ("binary", "8bit", "7bit"):
        raise RefusedError(415, "parts are taken as they are; send them without Content-Transfer-Encoding")
    return content
