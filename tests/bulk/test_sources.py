"""Sources: what they list, in which order, and by which names."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from streetseg.bulk.sources import Sources
from streetseg.errors import UsageError


def make(root: Path, *names: str) -> Path:
    """Empty files: listing looks at names."""
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    return root


def names_of(*sources: object, out: Path = Path("/nowhere"), column: str | None = None) -> list[str]:
    return [one.name for one in Sources([str(source) for source in sources], str(out), column)]


def test_a_folder_is_listed_in_natural_order_with_films(tmp_path: Path) -> None:
    make(tmp_path, "frame10.png", "frame2.png", "notes.txt", ".hidden.png", "b/1.jpg", "a/ride.mp4", ".trash/1.png")
    listed = list(Sources([str(tmp_path)], "/nowhere"))
    assert [one.name for one in listed] == ["frame2", "frame10", "a/ride", "b/1"]
    assert [one.film for one in listed] == [False, False, True, False]
    assert listed[0].source == str(tmp_path / "frame2.png")


def test_results_are_left_out(tmp_path: Path) -> None:
    make(tmp_path, "1.png", "out/1_classes.png", "old/.streetseg-bulk/settings.json", "old/1_classes.png")
    make(tmp_path, "seen/2.png", "seen/2_classes.png", "seen/2_overlay.jpg", "seen/2_confidence.png")
    assert names_of(tmp_path, out=tmp_path / "out") == ["1", "seen/2"]


def test_a_link_back_is_not_followed(tmp_path: Path) -> None:
    make(tmp_path, "a/1.png")
    (tmp_path / "a" / "again").symlink_to(tmp_path)
    (tmp_path / "b").symlink_to(tmp_path / "a")
    assert names_of(tmp_path) == ["a/1", "b/1"]


def test_namesakes_of_a_folder_keep_their_suffix(tmp_path: Path) -> None:
    make(tmp_path, "a.jpg", "A.png", "a.jpg.png", "b.jpg", "c/a.jpg")
    assert sorted(names_of(tmp_path)) == ["A.png", "a.jpg", "a.jpg.png", "b", "c/a"]


def test_several_sources_have_folders_of_their_own(tmp_path: Path) -> None:
    make(tmp_path, "day1/cam/1.png", "day2/cam/1.png", "1.png", "other/1.png")
    names = names_of(*(tmp_path / name for name in ("day1/cam", "day2/cam", "1.png", "other/1.png")))
    assert len(set(names)) == 4
    assert names[:2] == ["day1/cam/1", "day2/cam/1"]
    assert all(name.startswith("files/") for name in names[2:])


def test_patterns(tmp_path: Path) -> None:
    make(tmp_path, "a/front/1.png", "a/front/2.jpg", "b/front/1.png", "b/rear/1.png", "b/deep/er/3.png")
    assert names_of(tmp_path / "*/front/*.png") == ["a/front/1", "b/front/1"]
    assert names_of(f"{tmp_path}/**/*.png") == ["a/front/1", "b/deep/er/3", "b/front/1", "b/rear/1"]
    assert names_of(tmp_path / "b*") == ["b/deep/er/3", "b/front/1", "b/rear/1"]
    assert names_of(tmp_path / "a" / "front" / "[12].*") == ["1", "2"]


def test_a_list_mirrors_its_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make(tmp_path, "a/1.png", "a/1.jpg", "b/2.png", "b/ride.mkv")
    lines = ["a/1.png", "", "a/1.jpg", str(tmp_path / "b" / "2.png"), "a/1.png", "b/ride.mkv", "a/../b/2.png"]
    (tmp_path / "files.txt").write_text("\ufeff" + "\r\n".join(lines))
    told: list[str] = []
    listed = list(Sources([f"@{tmp_path / 'files.txt'}"], "/nowhere", tell=told.append))
    deep = str(tmp_path).strip("/")
    assert [one.name for one in listed] == ["a/1.png", "a/1.jpg", f"{deep}/b/2", "b/ride"] + (
        [listed[-1].name] if len(listed) == 5 else []
    )
    assert len({one.name for one in listed}) == len(listed)
    assert listed[0].source == str(tmp_path / "a" / "1.png")
    assert told[0].endswith("entries repeat others; each file is segmented once")
    # Relative to the current folder where the list's own has no such file.
    (tmp_path / "lists").mkdir()
    (tmp_path / "lists" / "files.txt").write_text("a/1.png\n")
    monkeypatch.chdir(tmp_path)
    assert [one.source for one in Sources(["@lists/files.txt"], "/nowhere")] == [str(tmp_path / "a" / "1.png")]


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_a_column_of_a_table(suffix: str, tmp_path: Path) -> None:
    make(tmp_path, "a/1.png", "b/2.png")
    path = tmp_path / f"drive.{suffix}"
    columns = {"speed": ["3", "4"], "image": ["a/1.png", "b/2.png"], "right": ["b/2.png", "a/1.png"]}
    if suffix == "csv":
        with path.open("w", newline="") as file:
            csv.writer(file).writerows([list(columns), *zip(*columns.values(), strict=True)])
    else:
        import pyarrow as pa
        from pyarrow import parquet

        parquet.write_table(pa.table(columns), path)
    assert names_of(path) == ["a/1", "b/2"]
    assert names_of(path, column="right") == ["b/2", "a/1"]
    with pytest.raises(UsageError, match="has the columns speed, image, right: there is no 'left'; choose one with"):
        names_of(path, column="left")


def test_a_table_without_a_header(tmp_path: Path) -> None:
    make(tmp_path, "a/1.png", "b/2.png")
    (tmp_path / "drive.csv").write_text("a/1.png,3\nb/2.png,4\n")
    assert names_of(tmp_path / "drive.csv") == ["a/1", "b/2"]


def test_what_lists_nothing_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    make(tmp_path, "notes/read.me")
    (tmp_path / "blank.txt").write_text("\n\n")
    for source, words in (
        (tmp_path / "empty", "holds no image and no video"),
        (tmp_path / "notes", "holds no image and no video"),
        (tmp_path / "gone", "is not there"),
        (tmp_path / "*.png", "holds no image and no video"),
        (f"@{tmp_path / 'gone.txt'}", "is not a file"),
        (f"@{tmp_path / 'blank.txt'}", "holds no image and no video"),
        ("", "a source is empty"),
    ):
        with pytest.raises(UsageError, match=words):
            names_of(source)


def test_an_object_store(tmp_path: Path) -> None:
    import fsspec

    store = fsspec.filesystem("memory")
    for name in ("drives/a/1.png", "drives/a/1.jpg", "drives/b/ride.mp4", "drives/notes.txt"):
        store.pipe_file(f"/{name}", b"")
    store.pipe_file("/lists/files.txt", b"memory://drives/a/1.png\nmemory://drives/b/ride.mp4\n")
    try:
        listed = list(Sources(["memory://drives"], "memory://out"))
        assert [one.name for one in listed] == ["a/1.jpg", "a/1.png", "b/ride"]
        assert listed[0].source == "memory://drives/a/1.jpg"
        assert names_of("memory://drives/*/1.*") == ["a/1.jpg", "a/1.png"]
        assert names_of("@memory://lists/files.txt") == ["drives/a/1", "drives/b/ride"]
        (tmp_path / "files.txt").write_text("memory://drives/a/1.png\n")
        assert names_of(f"@{tmp_path / 'files.txt'}") == ["drives/a/1"]
    finally:
        store.rm("/drives", recursive=True)
        store.rm("/lists", recursive=True)


def test_a_long_list_holds_no_path(tmp_path: Path) -> None:
    """Its memory grows by some bytes an entry, which is less than a path has."""
    import tracemalloc

    make(tmp_path, *(f"{number}.png" for number in range(4)))
    entries = 3_000
    with (tmp_path / "files.txt").open("w") as file:
        for number in range(entries):
            print(f"{'./' * 40}link{number}/{number % 4}.png", file=file)
    sources = Sources([f"@{tmp_path / 'files.txt'}"], "/nowhere")
    tracemalloc.start()
    try:
        count = sum(1 for _ in sources)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert count == entries
    assert peak < 80 * entries
