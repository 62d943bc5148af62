"""Download a file: resume an interrupted download, check it before it gets its name, one process at a time."""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Iterator
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from tqdm import tqdm

from streetseg.errors import ArtefactError, OutputError
from streetseg.runtime.files import locked

TIMEOUT = 30.0  # seconds without a byte
CHUNK = 1 << 18


def fetch(url: str, path: Path, size: int, sha256: str) -> None:
    """Download a file; continue a download that another call left unfinished.

    If several processes request the same file, one downloads it and the others wait. A bar on a terminal shows the
    progress.

    Args:
        url: The file's address.
        path: The file to write.
        size: Its size in bytes.
        sha256: Its SHA-256.

    Raises:
        ArtefactError: If the download fails, or has another size or SHA-256.
        OutputError: If the file cannot be written.
    """
    part = path.with_name(f".{path.name}.part")
    advice = "choose another folder with STREETSEG_CACHE"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with locked(part.with_suffix(".lock"), path.parent, advice):
            if path.is_file():  # another process downloaded it while we waited
                return
            begun = part.is_file()  # by another call, perhaps with a page that asked to log in
            while (fetched := download(url, part, size)) != sha256:
                part.unlink()
                if not begun:
                    raise ArtefactError(
                        f"{url} sent another file than expected (sha256 {fetched[:12]} instead of {sha256[:12]}), "
                        "which is deleted; try again, or check STREETSEG_WEIGHTS_URL"
                    )
                begun = False
            part.replace(path)
    except OSError as error:
        raise OutputError(f"{path} cannot be written: {error.strerror or error}; {advice}") from None


def download(url: str, part: Path, size: int) -> str:
    """Append the missing rest to a part of a file; return the SHA-256 of the whole.

    The connection may break any number of times, as long as each one brings some bytes.
    """
    with part.open("ab") as file:
        have = file.tell()
        unseen = None if sys.stderr else True  # None hides the bar without a terminal; tqdm fails if stderr is closed
        with tqdm(desc=url, initial=have, total=size, unit="B", unit_scale=True, leave=False, disable=unseen) as bar:
            while have < size:
                for chunk in rest_of(url, have, size):
                    file.write(chunk)
                    bar.update(len(chunk))
                have = file.tell()
    with part.open("rb+") as file:
        os.fsync(file.fileno())
        return hashlib.file_digest(file, "sha256").hexdigest()


def whole_size(answer: HTTPResponse) -> int | None:
    """Return the size of the whole file, of which an answer may be a part; None if the server does not say."""
    if answer.status == 206:
        stated = (answer.headers["Content-Range"] or "").rpartition("/")[2]
    else:
        stated = answer.headers["Content-Length"] or ""
    return int(stated) if stated.isdecimal() else None


def rest_of(url: str, start: int, size: int) -> Iterator[bytes]:
    """Yield a file's bytes from `start` to at most `size`, until the connection breaks.

    Raises ArtefactError if no byte came.
    """
    at, problem = start, "the file ends early"
    try:
        with urlopen(Request(url, headers={"Range": f"bytes={start}-"}), timeout=TIMEOUT) as answer:
            at = start if answer.status == 206 else 0  # a server that knows no ranges sends the whole file
            if (whole := whole_size(answer)) not in (None, size):
                raise ArtefactError(
                    f"{url} is another file than expected ({whole} bytes instead of {size}); check "
                    "STREETSEG_WEIGHTS_URL"
                )
            while at < size and (chunk := answer.read1(min(CHUNK, size - at))):
                yield chunk[max(0, start - at) :]
                at += len(chunk)
    except HTTPError as error:
        problem = str(error)
        error.close()
    except (OSError, HTTPException, ValueError) as error:  # ValueError: no URL at all
        problem = str(error)
    if at <= start:
        raise ArtefactError(
            f"{url} cannot be downloaded: {problem}; try again, which resumes it, or check STREETSEG_WEIGHTS_URL"
        )
