"""The files of a web page: what all pages share, and what is the page's own."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

SHARED = Path(__file__).parent / "static"
INDEX = "index.html"
# Types of a page's files. The standard library's table depends on the machine.
TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".mjs": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".json": "application/json",
    ".wasm": "application/wasm",
    ".txt": "text/plain; charset=utf-8",
}
OTHER_TYPE = "application/octet-stream"


@dataclass(frozen=True)
class PageFile:
    """A file of a page.

    Attributes:
        content: Its bytes.
        media_type: Its type for the header Content-Type.
    """

    content: bytes
    media_type: str


def page_files(own: Path) -> dict[str, PageFile]:
    """Return the files of a page by their place below the page's address.

    The page itself is "index.html"; it names the others as "page/NAME". It starts "page/main.js", which every page
    brings itself.

    Args:
        own: Folder with the page's own files.

    Returns:
        The files. One of the page's own replaces a shared one of the same name.
    """
    files = [*sorted(SHARED.iterdir()), *sorted(one for one in own.iterdir() if one.suffix in TYPES)]
    return {
        INDEX if one.name == INDEX else f"page/{one.name}": PageFile(one.read_bytes(), media_type(one.name))
        for one in files
    }


def media_type(name: str) -> str:
    """Return the type of a file by its name, for the header Content-Type."""
    return TYPES.get(Path(name).suffix, OTHER_TYPE)
