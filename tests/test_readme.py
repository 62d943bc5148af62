"""README, CONTRIBUTING and the docs tell the truth: commands parse, options and files exist, Python runs."""

from __future__ import annotations

import argparse
import ast
import importlib
import re
import shlex
from itertools import pairwise
from pathlib import Path

import pytest

from streetseg.cli import parse, parser
from streetseg.errors import UsageError
from streetseg.runtime.shelf.shelf import known_weights
from streetseg.training.recipes.recipes import RECIPES
from tests.support import pages
from tests.support.pages import ONLY_COMPILES, PAGES
from tests.support.paths import ROOT

every_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
VERBS = pages.verbs(parser())
NO_MODULES = {"streetseg.card"}  # the card's key in an artefact's metadata
# What a page's synopsis puts for a name: NAME, A.json, [ARTEFACT...]
PLACEHOLDER = re.compile(r"\.\.\.|\[|\]|<|>|\b[A-Z]{2,}\b|\b[A-Z]\.")


def complaint(arguments: list[str]) -> str | None:
    """Return why a command is wrong; None for a right one."""
    try:
        parse(arguments)
    except UsageError as error:
        return str(error)
    except SystemExit as end:  # --help, --version
        return None if end.code == 0 else f"ends with {end.code}"
    return None


def unknown_options(words: list[str], *known: argparse.ArgumentParser) -> set[str]:
    """Return the long options among words that none of the parsers takes."""
    there = set().union(*map(pages.option_names, known))
    return {word.split("=")[0] for word in words if re.match(r"--\w", word)} - there


@every_page
def test_commands_of_blocks_parse(page: Path) -> None:
    commands = [pages.streetseg_arguments(command) for command in pages.block_commands(page)]
    assert not {shlex.join(command): said for command in commands if command and (said := complaint(command))}


@every_page
def test_commands_of_code_spans_parse(page: Path) -> None:
    """Where a span mentions a verb or some of its options without what is required, these must exist."""
    wrong = {}
    for command in map(pages.streetseg_arguments, pages.span_commands(page)):
        if not command or not (said := complaint(command)):
            continue
        verb = pages.longest_verb(command, VERBS)
        if verb is None or not said.startswith("the following arguments are required"):
            wrong[shlex.join(command)] = said
        elif unknown := unknown_options(command, VERBS[verb]):
            wrong[shlex.join(command)] = f"unknown {unknown}"
    assert not wrong


@every_page
def test_commands_name_what_is_there(page: Path) -> None:
    """Recipes, weights by name, and files of the checkout."""
    wrong = []
    for command in pages.commands(page):
        arguments = pages.streetseg_arguments(command)
        if not arguments:
            continue
        for before, word in pairwise(arguments):
            if PLACEHOLDER.search(word):
                continue
            if before == "--recipe" and not word.endswith(".toml") and word not in RECIPES:
                wrong.append((command, "unknown recipe"))
            if re.fullmatch(r"[a-z0-9_]+-camvid\w*", word) and word not in known_weights():
                wrong.append((command, "unknown weights"))
            if word.startswith(("weights/", "docs/")) and not list(ROOT.glob(word)):
                wrong.append((command, "no such file"))
    assert not wrong


@every_page
def test_options_and_verbs_exist(page: Path) -> None:
    """A code span that begins with an option is one of some verb; `export --accuracy` is one of that verb."""
    wrong = []
    for span in pages.spans(page):
        for words in pages.simple_commands(span):
            verb = pages.longest_verb(words, VERBS)
            if words[0].startswith("--"):
                if unknown := unknown_options(words, *VERBS.values()):
                    wrong.append((span, unknown))
            elif verb is not None and (unknown := unknown_options(words, VERBS[verb])):
                wrong.append((span, unknown))
    assert not wrong


def test_the_readme_lists_every_verb() -> None:
    listed = set()
    for row in re.findall(r"^\|(.+?)\|", (ROOT / "README.md").read_text(), re.MULTILINE):
        for span in re.findall(r"`([^`]+)`", row):
            verb = pages.longest_verb(shlex.split(span.removeprefix("streetseg ")), VERBS)
            listed |= {verb} if verb else set()
    assert listed == set(VERBS)


@every_page
def test_other_commands_name_files_that_exist(page: Path) -> None:
    """`python tools/x.py` with its options, `pytest tests/x.py`."""
    wrong = []
    for command in pages.commands(page):
        program, *arguments = (Path(word).name if at == 0 else word for at, word in enumerate(command))
        if program not in ("python", "python3", "pytest"):
            continue
        files = [word.split("::")[0] for word in arguments if re.match(r"(tests|tools|docs|src)/", word)]
        wrong += [(command, file) for file in files if not (ROOT / file).exists()]
        if program != "pytest" and files[:1] == arguments[:1] and files and (ROOT / files[0]).exists():
            module = importlib.import_module(files[0].removesuffix(".py").replace("/", "."))
            module.parse(arguments[1:])  # ends with SystemExit where an option is wrong
    assert not wrong


@every_page
def test_paths_exist(page: Path) -> None:
    """A code span that is a path from a folder of the checkout on names what is there."""
    folders = tuple(f"{name}/" for name in ("src", "tests", "tools", "docs", "examples", "weights", ".ci"))
    paths = [span for span in pages.spans(page) if span.startswith(folders) and " " not in span]
    assert not [path for path in paths if not PLACEHOLDER.search(path) and not list(ROOT.glob(path.rstrip("/")))]


def python_blocks(page: Path) -> list[pages.Block]:
    return [block for block in pages.blocks(page) if block.language == "python"]


@pytest.mark.slow
@pytest.mark.parametrize("page", [page for page in PAGES if python_blocks(page)], ids=lambda page: page.name)
def test_python_blocks_run(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those of a page run one after the other, as in the checkout; a block after the marker only compiles."""
    for folder in ("docs", "weights"):
        (tmp_path / folder).symlink_to(ROOT / folder)
    monkeypatch.chdir(tmp_path)  # what they write goes there
    names: dict[str, object] = {}
    for block in python_blocks(page):
        code = compile(block.text, page.name, "exec")
        if block.marker != ONLY_COMPILES:
            exec(code, names)


def test_the_first_python_of_the_readme_prints_the_road(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(ROOT)
    exec(python_blocks(ROOT / "README.md")[0].text, {})
    assert "road" in capsys.readouterr().out


@every_page
def test_names_of_the_package_resolve(page: Path) -> None:
    """What Python blocks import, and names such as `streetseg.read_card` in blocks and code spans."""
    names = set()
    for block in python_blocks(page):
        for node in ast.walk(ast.parse(block.text)):
            if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "streetseg":
                names |= {f"{node.module}.{alias.name}" for alias in node.names}
    code = [*pages.spans(page), *(block.text for block in pages.blocks(page) if block.language != "diff")]
    for text in code:
        names |= set(re.findall(r"(?<![\w./-])streetseg(?:\.[A-Za-z_]\w*)+", text))
        for module, imported in re.findall(r"from (streetseg[\w.]*) import ([\w, ]+)", text):
            names |= {f"{module}.{name.strip()}" for name in imported.split(",")}
    assert not [name for name in sorted(names - NO_MODULES) if not pages.resolves(name)]


@every_page
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+?)\)", page.read_text()):
        assert target.startswith("https://") or (page.parent / target).exists(), target


def test_a_page_is_split_into_blocks_and_prose(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "# Title\n\n    streetseg bench a.onnx  # twice\n\n- A point, `time streetseg\n  models` and\n"
        "    its second line\n\n<!-- only compiles -->\n```python\nx = 1\n```\n\n"
        "```bash\nA=1 streetseg models --table \\\n  | head > out\n```\n"
    )
    assert pages.blocks(page) == [
        pages.Block("", "streetseg bench a.onnx  # twice"),
        pages.Block("python", "x = 1", ONLY_COMPILES),
        pages.Block("bash", "A=1 streetseg models --table \\\n  | head > out"),
    ]
    assert pages.spans(page) == ["time streetseg models"]
    assert list(pages.commands(page)) == [
        ["streetseg", "bench", "a.onnx"], ["streetseg", "models", "--table"], ["head"], ["streetseg", "models"],
    ]  # fmt: skip


@pytest.mark.parametrize("word", ["PATH...", "[NAME...]", "NAME.onnx", "A.json", "DIR", "--out=DIR"])
def test_placeholders(word: str) -> None:
    assert PLACEHOLDER.search(word)


@pytest.mark.parametrize("word", ["CamVid", "only:0006R0", "my.onnx", "drive/*.png", "1024x2048", "--data"])
def test_no_placeholders(word: str) -> None:
    assert not PLACEHOLDER.search(word)
