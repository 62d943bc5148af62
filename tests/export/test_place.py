"""An export appears whole or not at all, and replaces exports only."""

from __future__ import annotations

from pathlib import Path

import pytest

from streetseg.errors import OutputError, UsageError
from streetseg.export.place import check_place, new_place
from tests.support.command_line import files_below


def write_page(out: Path, *names: str) -> None:
    check_place(out, (), folder=True)
    with new_place(out, "web", (), folder=True) as place:
        for name in names:
            (place / name).parent.mkdir(exist_ok=True)
            (place / name).write_text(name)


def test_a_folder_is_replaced_as_a_whole(tmp_path: Path) -> None:
    out = tmp_path / "page"
    write_page(out, "a.html", "old/b.js")
    write_page(out, "a.html", "c.js")
    assert files_below(tmp_path) == {"page/a.html", "page/c.js", "page/export.json"}
    (out / "mine.txt").touch()
    with pytest.raises(UsageError, match=r"page is a folder that no export wrote: it has mine\.txt; remove it"):
        write_page(out, "a.html")
    assert (out / "c.js").read_text() == "c.js"


def test_a_foreign_folder_stays(tmp_path: Path) -> None:
    (tmp_path / "photos" / "a").mkdir(parents=True)
    (tmp_path / "photos" / "a" / "1.jpg").touch()
    (tmp_path / "photos" / "export.json").write_text("[]")
    with pytest.raises(UsageError, match=r"no export wrote: it has a/1\.jpg"):
        write_page(tmp_path / "photos")
    (tmp_path / "empty").mkdir()
    write_page(tmp_path / "empty", "a.html")
    assert (tmp_path / "empty" / "a.html").is_file()
    with pytest.raises(UsageError, match="is a file; name a folder"):
        write_page(tmp_path / "empty" / "a.html")


@pytest.mark.parametrize("folder", [True, False])
def test_a_failure_leaves_what_was_there(folder: bool, tmp_path: Path) -> None:
    out = tmp_path / ("net" if folder else "net.xml")

    def export(text: str, *, fail: bool) -> None:
        check_place(out, (".bin",), folder=folder)
        with new_place(out, "x", () if folder else (".bin",), folder=folder) as place:
            first = place / "card.json" if folder else place
            first.write_text(f'{{"card_version": 2, "text": "{text}"}}')
            place.with_suffix(".bin").write_text(text)
            if fail:
                raise OSError("full")

    export("old", fail=False)
    before = files_below(tmp_path)
    with pytest.raises(OutputError, match="cannot be written"):
        export("new", fail=True)
    assert files_below(tmp_path) == before
    assert "old" in (out / "card.json" if folder else out).read_text()
    export("new", fail=False)
    assert "new" in (out / "card.json" if folder else out).read_text()
    assert folder or out.with_suffix(".bin").read_text() == "new"
