"""Read YAML, TOML and JSON of strangers within limits, so that no file takes more time or memory than it should.

A reader of files catches OSError and ValueError and says what it expected.
"""

from __future__ import annotations

import errno
import json
import math
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import yaml

SETTINGS = 2**20  # bytes of a file that people write: classes, colours, a recipe
MOST_VALUES = 100_000  # of a YAML file, each alias counted as often as it stands there
LARGEST_NUMBER = 2**63  # whole numbers of JSON stay below it


def read_regular(path: Path, most: int) -> bytes:
    """Return the bytes of a regular file.

    Args:
        path: The file.
        most: Largest size in bytes.

    Returns:
        The content.

    Raises:
        OSError: The file cannot be read, is not a regular one, or is larger. `strerror` says which.
    """
    refuse_special(path)
    with path.open("rb") as file:
        content = file.read(most + 1)
    if len(content) > most:
        size = f"{most >> 30} GiB" if most >= 2**30 else f"{most >> 20} MiB" if most >= 2**20 else f"{most} bytes"
        raise OSError(errno.EFBIG, f"it is larger than {size}", str(path))
    return content


def refuse_special(path: Path) -> None:
    """Raise OSError for a device, which may never end, a pipe, which may never begin, and a socket."""
    kind = path.stat().st_mode
    if not stat.S_ISREG(kind) and not stat.S_ISDIR(kind):
        raise OSError(errno.EINVAL, "it is a device, a pipe or a socket, not a regular file", str(path))


def read_text(path: Path, most: int = SETTINGS) -> str:
    """Return the text of a regular file in UTF-8; some editors begin such files with a mark, which is dropped.

    Args:
        path: The file.
        most: Largest size in bytes.

    Returns:
        The text, with "\n" at the ends of lines.

    Raises:
        OSError: As of `read_regular`.
        ValueError: The file is not UTF-8.
    """
    return read_regular(path, most).decode("utf-8-sig").replace("\r\n", "\n").replace("\r", "\n")


def parse_json(text: str | bytes) -> Any:
    """Return the content of a JSON text whose numbers are of common size; ValueError for any other text."""
    try:
        return json.loads(text, parse_int=whole_number, parse_float=finite_number)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def whole_number(digits: str) -> int:
    """Return a whole number of JSON; ValueError if it does not fit into 64 bits."""
    if len(digits) > 20 or not -LARGEST_NUMBER <= (number := int(digits)) < LARGEST_NUMBER:
        raise ValueError(f"it holds a number of {len(digits)} digits")
    return number


def finite_number(digits: str) -> float:
    """Return a number of JSON with a point or an exponent; ValueError if it is too large for a float."""
    if math.isinf(number := float(digits)):
        raise ValueError(f"it holds the number {digits[:20]}, which is too large")
    return number


def parse_toml(text: str) -> dict[str, Any]:
    """Return the content of a TOML text; ValueError if it cannot be read."""
    import tomllib  # here: few commands read it

    try:
        return tomllib.loads(text)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def parse_yaml(text: str) -> Any:
    """Return the content of a YAML text.

    Aliases may stand for one value many times. They are counted before anything is made of them.

    Raises:
        ValueError: The text is not YAML, is nested too deeply, or stands for more than MOST_VALUES values.
    """
    import yaml  # here: predicting reads none

    loader = None
    try:
        loader = yaml.SafeLoader(text)
        node = loader.get_single_node()
        if node is None:
            return None
        if count_values(node, {}) > MOST_VALUES:
            raise ValueError(f"it stands for more than {MOST_VALUES} values")
        return loader.construct_document(node)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    # PyYAML raises many kinds of errors for wrong dates, numbers and tags.
    except (yaml.YAMLError, LookupError, AttributeError, TypeError, ValueError, OverflowError) as error:
        raise ValueError(" ".join(str(error).split())) from None
    finally:
        if loader is not None:
            loader.dispose()


def count_values(node: yaml.Node, counted: dict[int, int]) -> int:
    """Return how many values a YAML node stands for; ValueError if it contains itself."""
    if id(node) in counted:
        if not counted[id(node)]:
            raise ValueError("a value contains itself")
        return counted[id(node)]
    counted[id(node)] = 0
    entries = node.value if isinstance(node.value, list) else []  # a scalar's value is text, a mapping's are pairs
    parts = [part for entry in entries for part in (entry if isinstance(entry, tuple) else (entry,))]
    counted[id(node)] = 1 + sum(count_values(part, counted) for part in parts)
    return counted[id(node)]
