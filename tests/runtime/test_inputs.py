"""From what the user names to a list of images, and the names of their results."""

from __future__ import annotations

import errno
import os
import sys
from pathlib import Path, PurePath
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streetseg.errors import UsageError
from streetseg.runtime.inputs import ImageFile, distinct_names, list_images


def touch(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()


def listed(*patterns: str | Path) -> dict[str, str]:
    return {image.path.as_posix(): image.name.as_posix() for image in list_images(patterns)}


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_folder_is_mirrored(here: Path) -> None:
    touch(here, "in/a.png", "in/b/a.JPG", "in/b/c/a.png", "in/notes.txt", "in/.hidden.png", "in/.git/a.png")
    assert listed("in") == {"in/a.png": "a", "in/b/a.JPG": "b/a", "in/b/c/a.png": "b/c/a"}
    assert listed("in/b/..") == {"in/b/../a.png": "a", "in/b/../b/a.JPG": "b/a", "in/b/../b/c/a.png": "b/c/a"}
    assert set(listed(here / "in").values()) == {"a", "b/a", "b/c/a"}


def test_natural_order(here: Path) -> None:
    touch(here, "s10/1.png", "s9/10.png", "s9/9.png", "s9/x2y10.png", "s9/x2y9.png", "s9/09.png")
    order = ["s9/09.png", "s9/9.png", "s9/10.png", "s9/x2y9.png", "s9/x2y10.png", "s10/1.png"]
    assert list(listed("s10", "s9")) == order


def test_single_files_take_parents_only_where_they_must(here: Path) -> None:
    touch(here, "x/left/a.png", "x/right/a.png", "y/left/a.png", "x/b.png")
    assert listed("x/left/a.png", "x/b.png") == {"x/left/a.png": "a", "x/b.png": "b"}
    assert listed("x/left/a.png", "x/right/a.png") == {"x/left/a.png": "left/a", "x/right/a.png": "right/a"}
    assert set(listed("x/left/a.png", "x/right/a.png", "y/left/a.png").values()) == {"x/left/a", "right/a", "y/left/a"}


def test_two_folders_with_namesakes(here: Path) -> None:
    touch(here, "day/in/a.png", "night/in/a.png", "night/in/b.png")
    assert set(listed("day/in", "night/in").values()) == {"day/in/a", "night/in/a", "b"}


def test_one_stem_twice_in_a_folder_keeps_the_suffix(here: Path) -> None:
    touch(here, "in/a.jpg", "in/a.png", "in/b.png")
    assert listed("in") == {"in/a.jpg": "a.jpg", "in/a.png": "a.png", "in/b.png": "b"}
    touch(here, "in/a.jpg.png")
    assert set(listed("in").values()) == {"a.jpg", "a.png", "a.jpg.png", "b"}
    touch(here, "in/B.jpg")
    assert set(listed("in").values()) == {"a.jpg", "a.png", "a.jpg.png", "b.png", "B.jpg"}  # b and B may be one file


def test_each_image_once(here: Path) -> None:
    touch(here, "in/sub/a.png")
    assert listed("in", "in/sub/a.png", here / "in" / "sub", "in/**") == {"in/sub/a.png": "sub/a"}


def test_results_and_what_cannot_be_read_are_passed_over(here: Path) -> None:
    touch(here, "in/a.jfif", "in/a_overlay.jpg", "in/b_classes.png", "in/c_overlay.png", "in/b/b_classes.png")
    assert len(listed("in")) == 5  # none of them in a pair
    touch(here, "in/a_classes.png", "in/b_overlay.png", "in/c_classes.png", "in/sub/d.DNG", "in/sub/e.mov", "in/notes")
    assert set(listed("in").values()) == {"a", "b/b_classes"}
    assert set(listed("in/*").values()) == {"a", "b_classes"}
    assert listed("in/a_overlay.jpg") == {"in/a_overlay.jpg": "a_overlay"}
    told: list[str] = []
    list_images(["in"], tell=told.append)
    assert told == ["note: in: passed over: 1 .dng, 1 .mov; save such pictures as JPEG or PNG, name a video itself"]
    with pytest.raises(UsageError, match=r"in/sub holds no image; passed over: 1 \.dng, 1 \.mov; save such pictures"):
        list_images(["in/sub"])


def test_globs(here: Path) -> None:
    touch(here, "in/a1.png", "in/a2.JPG", "in/a.txt", "in/.a3.png", "in/sub/a4.png", "in/odd[1].png", "in/any.raw")
    assert listed("in/a*") == {"in/a1.png": "a1", "in/a2.JPG": "a2"}
    assert set(listed("in/*").values()) == {"a1", "a2", "a4", "odd[1]"}
    assert set(listed(str(here / "in" / "**" / "*.png")).values()) == {"a1", "a4", "odd[1]"}
    assert listed("in/odd[1].png") == {"in/odd[1].png": "odd[1]"}
    assert listed("in/any.raw") == {"in/any.raw": "any"}  # named by the user: reading will judge it


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("gone.png", r"gone\.png is not there"),
        ("gone/*.png", r"gone/\*\.png is not there"),
        ("empty", r"empty holds no image; looked for files ending in \.jpg, "),
        ("*.txt", r"\*\.txt holds no image"),
        ("x" * 5000, "cannot be searched: File name too long"),
    ],
)
def test_nothing_found_is_an_error(here: Path, pattern: str, message: str) -> None:
    touch(here, "empty/.hidden.png", "notes.txt", "in/a.png")
    with pytest.raises(UsageError, match=message):
        list_images(["in", pattern])


def test_a_folder_that_cannot_be_searched_is_an_error(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    touch(here, "in/a.png", "in/locked/b.png")
    scandir = os.scandir

    def locked(path: str) -> Any:
        if str(path).endswith("locked"):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", locked)
    with pytest.raises(UsageError, match="in/locked cannot be searched: Permission denied"):
        list_images(["in"])


@pytest.mark.skipif(sys.version_info >= (3, 13), reason="such a link resolves to itself from Python 3.13 on")
def test_a_link_to_itself_is_told(here: Path) -> None:
    touch(here, "in/a.png")
    (here / "loop").symlink_to("loop")
    with pytest.raises(UsageError, match="in cannot be searched: Symlink loop"):
        list_images(["in"], here / "loop")


folders = st.lists(st.sampled_from(["a", "b", "a.png"]), max_size=3)
files = st.sampled_from(["a.png", "A.png", "a.jpg", "A.JPG", "a.png.jpg", "b.png", "a"])


@settings(deadline=None)
@given(st.dictionaries(st.builds(lambda f, n: Path("/", *f, n), folders, files), st.integers(1, 4), max_size=12))
def test_names_are_distinct_and_end_their_paths(depths: dict[Path, int]) -> None:
    names = distinct_names(depths)
    assert names.keys() == depths.keys()
    assert len(set(names.values())) == len(names)
    for path, name in names.items():
        assert name.name in (path.stem, path.name)
        assert path.parts[1:-1][len(path.parts) - 1 - len(name.parts) :] == name.parts[:-1]


def test_outputs_append_their_suffix() -> None:
    image = ImageFile(Path("in/s/a.jpg"), PurePath("s/a.jpg"))
    assert image.output(Path("out"), "_overlay.png") == Path("out/s/a.jpg_overlay.png")
