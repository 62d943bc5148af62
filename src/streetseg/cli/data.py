"""`streetseg data check` and `streetseg data stats`."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING

from streetseg.cli.output import CHECK_FAILED, DONE, progress, say

if TYPE_CHECKING:
    from streetseg.cli.options import Verbs


def add_verbs(verbs: Verbs) -> None:
    """data check, data stats."""
    actions = verbs.add_parser("data", help="check a dataset, or print its figures").add_subparsers(
        required=True, metavar="ACTION"
    )
    verb = actions.add_parser("check", help="find what ruins trainings: exit code 1 where something does")
    add_folder_options(verb)
    verb.set_defaults(verb=data_check)
    verb = actions.add_parser("stats", help="classes' shares and weights, mean and deviation of the colours")
    add_folder_options(verb)
    verb.add_argument("--split", default="train", help="as for evaluate (default: train)")
    verb.set_defaults(verb=data_stats)


def add_folder_options(verb: argparse.ArgumentParser) -> None:
    verb.add_argument("folder", type=Path, metavar="DIR", help="the dataset's folder")
    verb.add_argument("--dataset", help="which dataset it is (default: told by its layout)")
    verb.add_argument("--json", action="store_true", help="one JSON object instead of text")


def data_check(options: argparse.Namespace) -> int:
    """Read every file of a dataset and print what is wrong with it, a line a finding, and a summary."""
    from streetseg.data.check import check
    from streetseg.data.table import find_dataset

    report = check(find_dataset(options.folder, options.dataset), lambda pairs: progress(pairs, "pair"))
    if options.json:
        say(json.dumps(report.facts(), indent=2))
    else:
        for finding in report.findings:
            say(f"{finding.severity}: {finding.message}")
        say(report.summary())
    return CHECK_FAILED if report.count("error") else DONE


def data_stats(options: argparse.Namespace) -> int:
    """Print the figures of a split."""
    from dataclasses import asdict

    from streetseg.data.stats import stats
    from streetseg.data.table import find_dataset

    dataset = find_dataset(options.folder, options.dataset)
    figures = stats(dataset, options.split, lambda pairs: progress(pairs, "pair"))
    say(json.dumps(asdict(figures), indent=2) if options.json else figures.table())
    return DONE
