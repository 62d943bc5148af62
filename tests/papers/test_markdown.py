"""Tables in Markdown."""

from __future__ import annotations

from streetseg.papers.markdown import markdown_table


def test_markdown_is_aligned() -> None:
    assert markdown_table([["a", "b"], ["long name", "1.5"], ["c", "-"]]).splitlines() == [
        "| a         |   b |",
        "| --------- | --: |",
        "| long name | 1.5 |",
        "| c         |   - |",
    ]
