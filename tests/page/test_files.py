"""What a page is made of: shared files and its own, and nothing that a strict policy of contents would block."""

from __future__ import annotations

import re
from pathlib import Path

from streetseg.page.files import INDEX, SHARED, PageFile, page_files


def test_a_pages_own_files_join_the_shared_ones(tmp_path: Path) -> None:
    (tmp_path / "main.js").write_text("start()")
    (tmp_path / "page.css").write_text("body {}")
    (tmp_path / "notes.py").write_text("not of the page")
    files = page_files(tmp_path)
    assert files["page/main.js"] == PageFile(b"start()", "text/javascript; charset=utf-8")
    assert files["page/page.css"].content == b"body {}"
    assert files[INDEX].media_type == "text/html; charset=utf-8"
    assert set(files) == {INDEX, "page/main.js", *(f"page/{one.name}" for one in SHARED.iterdir() if one.name != INDEX)}
    for name in re.findall(r'(?:src|href)="([^"]+)"', files[INDEX].content.decode()):
        assert name in files


def test_a_page_has_no_inline_code_and_asks_no_other_host() -> None:
    page = (SHARED / INDEX).read_text()
    assert not re.search(r"<style|\sstyle=|\son\w+=|<script(?![^>]*\ssrc=)", page)
    for file in SHARED.iterdir():
        text = file.read_text()
        assert not re.search(r"https?://(?!www\.w3\.org/2000/svg| )", text), file.name
        assert "innerHTML" not in text, file.name
