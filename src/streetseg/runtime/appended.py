"""A card in a ZIP archive that is appended to a file, as LiteRT keeps a model's labels: NAME.tflite and NAME.pte.

Their own runtimes read the file's beginning and do not see the archive. Everything else reads it: `unzip -p NAME.tflite
card.json`. Its files are stored, not compressed.
"""

from __future__ import annotations

import hashlib
import zipfile
from io import BytesIO
from pathlib import Path

from streetseg.errors import ArtefactError
from streetseg.runtime.card import ModelCard

CARD_FILE, LABELS_FILE = "card.json", "labels.txt"
LARGEST_CARD = 10_000_000  # bytes; larger ones are no cards


def with_archive(model: bytes, card: ModelCard) -> bytes:
    """Return a model's bytes with its card and its classes appended."""
    buffer = BytesIO(model)
    with zipfile.ZipFile(buffer, "a", zipfile.ZIP_STORED) as archive:
        for name, text in ((CARD_FILE, card.to_json()), (LABELS_FILE, "".join(f"{one}\n" for one in card.classes))):
            archive.writestr(zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0)), text)  # one export, one file
    return buffer.getvalue()


def content_hash_of(model: bytes) -> str:
    """Return the SHA-256 over a model's bytes, without the archive."""
    return hashlib.sha256(model).hexdigest()


def appended_card(content: bytes, path: Path) -> str:
    """Return the card's text in the archive at the end of a file."""
    return parts_of(content, path)[1]


def appended_content_hash(content: bytes, path: Path) -> str:
    """Return the SHA-256 over the bytes before the archive."""
    return content_hash_of(parts_of(content, path)[0])


def model_of(content: bytes, path: Path) -> bytes:
    """Return the bytes before the archive."""
    return parts_of(content, path)[0]


def parts_of(content: bytes, path: Path) -> tuple[bytes, str]:
    """Return the bytes before the archive, and the card's text in it."""
    try:
        with zipfile.ZipFile(BytesIO(content)) as archive:
            card = archive.getinfo(CARD_FILE)
            start = min(one.header_offset for one in archive.infolist())
            if card.file_size > LARGEST_CARD:
                raise ValueError("too large")
            return content[:start], archive.read(card).decode("utf-8", "replace")
    except KeyError:
        pass
    except (zipfile.BadZipFile, EOFError, NotImplementedError, RuntimeError, OSError, ValueError):
        pass
    raise ArtefactError(
        f"{path} has no card at its end: it is no export of streetseg, or is truncated; make one with: "
        f"streetseg export --to {'litert' if path.suffix == '.tflite' else 'executorch'}"
    )
