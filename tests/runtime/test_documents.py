"""YAML, TOML and JSON of strangers: what they may hold, and what is refused before it costs time or memory."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from streetseg.runtime.documents import parse_json, parse_toml, parse_yaml, read_regular, read_text

ALIASES = "\n".join(
    [f"a0: &a0 [{', '.join('1' * 9)}]"]
    + [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 9)]
    + ["classes: *a8"]
)


@pytest.mark.parametrize(
    ("parse", "text", "message"),
    [
        (parse_yaml, ALIASES, "more than 100000 values"),
        (parse_yaml, "a: &a [*a]", "contains itself"),
        (parse_yaml, "[" * 5000 + "]" * 5000, "nested too deeply"),
        (parse_yaml, "a: " + "9" * 5000, "digits"),
        (parse_yaml, "a: 2026-99-99", "month"),
        (parse_yaml, "a: !!python/object/apply:os.system [true]", "could not determine a constructor"),
        (parse_yaml, "a: [", "expected"),
        (parse_toml, "a = " + "[" * 5000 + "]" * 5000, "nested too deeply"),
        (parse_toml, "a = " + "9" * 5000, "digits"),
        (parse_json, "[" * 100_000, "nested too deeply"),
        (parse_json, "9" * 5000, "5000 digits"),
        (parse_json, "[9223372036854775808]", "19 digits"),
        (parse_json, "[1e999]", "1e999"),
    ],
    ids=lambda value: value.replace(" ", "_")[:16] if isinstance(value, str) else getattr(value, "__name__", None),
)
def test_a_document_beyond_the_limits_is_refused(parse: Callable[[str], Any], text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        parse(text)
    assert "\n" not in str(caught.value)


def test_documents_within_the_limits_are_read() -> None:
    assert parse_yaml("base: &b {x: 1}\nmore: [*b, *b]\nmerged: {<<: *b, y: 2}") == {
        "base": {"x": 1}, "more": [{"x": 1}] * 2, "merged": {"x": 1, "y": 2},
    }  # fmt: skip
    assert parse_yaml("") is None
    assert parse_toml("a = [1, 2.5]") == {"a": [1, 2.5]}
    assert parse_json("[-9223372036854775808, 1.5e300, null]") == [-(2**63), 1.5e300, None]


def test_only_regular_files_of_a_size_are_read(tmp_path: Path) -> None:
    pipe, text = tmp_path / "pipe", tmp_path / "text"
    os.mkfifo(pipe)
    text.write_bytes(b"\xef\xbb\xbfa\r\nb")
    for special in (pipe, Path("/dev/zero")):
        with pytest.raises(OSError, match="not a regular file"):
            read_regular(special, 100)
    with pytest.raises(OSError, match="larger than 3 bytes"):
        read_regular(text, 3)
    with pytest.raises(IsADirectoryError):
        read_regular(tmp_path, 100)
    assert read_text(text) == "a\nb"
