"""Read the pages of the documentation: their commands, their code spans, their Python."""

from __future__ import annotations

import argparse
import importlib
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.support.paths import ROOT

PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
ONLY_COMPILES = "<!-- only compiles -->"  # stands in the line before a Python block that cannot run
SHELL = ("", "bash", "sh", "console")


@dataclass(frozen=True)
class Block:
    """A block of code. language: "" for an indented block or a fence without one. marker: the line before the fence."""

    language: str
    text: str
    marker: str = ""


def blocks(page: Path) -> list[Block]:
    """Return a page's fenced and indented blocks."""
    return split_page(page.read_text())[0]


def spans(page: Path) -> list[str]:
    """Return the code spans of a page's prose and tables, each on one line."""
    prose = split_page(page.read_text())[1]
    return [" ".join(span.split()) for span in re.findall(r"`([^`]+)`", prose)]


def split_page(text: str) -> tuple[list[Block], str]:
    """Return the blocks of a page and what is left of it, its prose and tables."""
    found: list[Block] = []
    prose: list[str] = []
    indented: list[str] = []
    lines = iter(text.splitlines())
    for line in lines:
        # An indented line is code after an empty line; after text it continues that text, a list's point for instance.
        if line.startswith("    ") and (indented or not prose or not prose[-1].strip()):
            indented.append(line[4:])
            continue
        if indented:
            found.append(Block("", "\n".join(indented)))
            indented = []
        if fence := re.fullmatch(r"\s*```(\w*)", line):
            marker = prose[-1].strip() if prose else ""
            inside = []
            for code in lines:
                if code.strip() == "```":
                    break
                inside.append(code)
            found.append(Block(fence[1], "\n".join(inside), marker))
            prose.append("")
        else:
            prose.append(line)
    if indented:
        found.append(Block("", "\n".join(indented)))
    return found, "\n".join(prose)


def commands(page: Path) -> list[list[str]]:
    """Return every command of a page's shell blocks and of its code spans as words."""
    return [*block_commands(page), *span_commands(page)]


def block_commands(page: Path) -> Iterator[list[str]]:
    """Yield the commands of a page's shell blocks as words."""
    for block in blocks(page):
        if block.language in SHELL:
            for line in block.text.replace("\\\n", " ").splitlines():
                yield from simple_commands(line)


def span_commands(page: Path) -> Iterator[list[str]]:
    """Yield the commands of a page's code spans as words."""
    for span in spans(page):
        yield from simple_commands(span)


def simple_commands(line: str) -> Iterator[list[str]]:
    """Yield the commands of a shell line, without redirections, `time` and variables that are set for one command."""
    lexer = shlex.shlex(line.removeprefix("$ "), posix=True, punctuation_chars="|&;<>")
    lexer.whitespace_split = True
    try:
        words = list(lexer)
    except ValueError:  # a lone quote: text, not a command
        return
    command: list[str] = []
    for word in [*words, ";"]:
        if set(word) <= set("|&;"):
            while command and (command[0] == "time" or re.match(r"\w+=", command[0])):
                del command[0]
            if command:
                yield command[: next((at for at, each in enumerate(command) if set(each) <= set("<>")), None)]
            command = []
        else:
            command.append(word)


def streetseg_arguments(command: list[str]) -> list[str] | None:
    """Return the arguments of a command that starts streetseg, in whatever way; None for another command."""
    for at, word in enumerate(command):
        if Path(word).name == "streetseg" and (at == 0 or command[at - 1] == "-m"):
            return command[at + 1 :]
    return None


Verb = tuple[str, ...]


def verbs(parser: argparse.ArgumentParser, prefix: Verb = ()) -> dict[Verb, argparse.ArgumentParser]:
    """Return the parser of every verb that does something: ("data", "check") for `streetseg data check`."""
    below = [action for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
    if not below:
        return {prefix: parser}
    return {
        verb: leaf
        for action in below
        for name, child in action.choices.items()
        for verb, leaf in verbs(child, (*prefix, *name.split())).items()
    }


def option_names(parser: argparse.ArgumentParser) -> set[str]:
    """Return the options that a verb takes."""
    return {name for action in parser._actions for name in action.option_strings}


def longest_verb(words: list[str], known: dict[Verb, argparse.ArgumentParser]) -> Verb | None:
    """Return the verb that words begin with."""
    fitting = [verb for verb in known if tuple(words[: len(verb)]) == verb]
    return max(fitting, key=len, default=None)


def resolves(name: str) -> bool:
    """Return True if a dotted name, `streetseg.read_card` for instance, is there: a module, or below one."""
    module, *rest = name.split(".")
    thing: object = importlib.import_module(module)
    for part in rest:
        module = f"{module}.{part}"
        if not hasattr(thing, part):
            try:
                importlib.import_module(module)
            except ImportError:
                return False
        thing = getattr(thing, part, None) or importlib.import_module(module)
    return True
