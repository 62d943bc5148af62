"""`streetseg data check`, `streetseg data stats` and `streetseg data render`."""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING

from streetseg.cli.options import path, size
from streetseg.cli.output import CHECK_FAILED, DONE, progress, say

if TYPE_CHECKING:
    from streetseg.cli.options import Verbs

LAYOUTS = "camvid, camvid-original, cityscapes, cocostuff, cvat, folder, imagenet"


def add_verbs(verbs: Verbs) -> None:
    """data check, data stats, data render."""
    actions = verbs.add_parser("data", help="check a dataset, print its figures, or render one").add_subparsers(
        required=True, metavar="ACTION"
    )
    verb = actions.add_parser("check", help="find what ruins trainings: exit code 1 where something does")
    add_folder_options(verb)
    verb.set_defaults(verb=data_check)
    verb = actions.add_parser("stats", help="classes' shares and weights, mean and deviation of the colours")
    add_folder_options(verb)
    verb.add_argument("--split", default="train", help="as for evaluate (default: train)")
    verb.set_defaults(verb=data_stats)
    verb = actions.add_parser("render", help="write rendered streets with exact labels")
    verb.add_argument("folder", type=path, metavar="DIR", help="a new or empty folder")
    verb.add_argument("--layout", default="camvid", help=f"layout of the files: {LAYOUTS} (default: camvid)")
    verb.add_argument("--val", type=int, metavar="N", help="streets of split val (default: 50)")
    verb.add_argument("--train", type=int, metavar="N", help="streets of split train (default: 800)")
    verb.add_argument("--size", type=size, metavar="HxW", help="size of the frames (default: the real dataset's)")
    verb.add_argument("--seed", type=int, default=0, help="seed of the first street; the next count up (default: 0)")
    verb.set_defaults(verb=data_render)


def add_folder_options(verb: argparse.ArgumentParser) -> None:
    verb.add_argument("folder", type=path, metavar="DIR", help="the dataset's folder")
    verb.add_argument("--dataset", help="which dataset it is (default: told by its layout)")
    verb.add_argument("--json", action="store_true", help="one JSON object instead of text")


def data_check(options: argparse.Namespace) -> int:
    """Read every file of a dataset and print what is wrong with it, a line a finding, and a summary."""
    from streetseg.data.check import check
    from streetseg.data.datasets import find_dataset

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

    from streetseg.data.datasets import find_dataset
    from streetseg.data.stats import stats

    dataset = find_dataset(options.folder, options.dataset)
    figures = stats(dataset, options.split, lambda pairs: progress(pairs, "pair"))
    say(json.dumps(asdict(figures), indent=2) if options.json else figures.table())
    return DONE


def data_render(options: argparse.Namespace) -> int:
    """Render streets, write them in a dataset's layout, and print how many there are."""
    from streetseg.runtime.engines.engine import cores
    from streetseg.streets.datasets import render_streets

    streets = render_streets(
        options.folder,
        layout=options.layout,
        train=options.train,
        val=options.val,
        size=options.size,
        seed=options.seed,
        processes=cores(),
        progress=progress,
    )
    say(streets.table())
    return DONE
