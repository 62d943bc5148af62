"""The table of verbs, and that a command imports its own verb's file only."""

from __future__ import annotations

import argparse
import subprocess
import sys

import pytest

from streetseg.cli import VERBS, parser


def verbs_of(parser: argparse.ArgumentParser) -> list[str]:
    (verbs,) = (action for action in parser._actions if isinstance(action, argparse._SubParsersAction))
    return list(verbs.choices)


def test_the_table_names_every_verb() -> None:
    assert verbs_of(parser()) == [verb for verbs in VERBS.values() for verb in verbs]


@pytest.mark.parametrize("file", VERBS)
def test_a_files_verbs_are_those_of_the_table(file: str) -> None:
    for verb in VERBS[file]:
        assert verbs_of(parser(verb)) == list(VERBS[file])


@pytest.mark.parametrize("first", [None, "--help", "predct", ""])
def test_without_a_verb_all_are_there(first: str | None) -> None:
    assert verbs_of(parser(first)) == verbs_of(parser())


def test_a_command_imports_its_own_verb_only() -> None:
    code = (
        "import sys; from streetseg.cli import parse; parse(['predict', 'a.png', '--out', 'out']); "
        "print(*sorted(name for name in sys.modules if name.startswith('streetseg')))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    files = ["drawing", "images", "options", "output", "predict", "video"]
    rooms = ["streetseg.cli", *(f"streetseg.cli.{file}" for file in files)]
    assert run.stdout.split() == ["streetseg", *rooms, "streetseg.errors"]
