"""`streetseg data check`, `streetseg data stats` and `streetseg data render`."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from streetseg.cli.options import path, size
from streetseg.cli.output import CHECK_FAILED, DONE, progress, say

if TYPE_CHECKING:
    from streetseg.cli.options import Verbs

LAYOUTS = "camvid, camvid-original, cityscapes, cocostuff, cvat, folder, imagenet"


def add_verbs(verbs: Verbs) -> None:
    """Add the verbs data check, data stats and data render."""
    actions = verbs.add_parser("data", help="check a dataset, print its figures, or render one").add_subparsers(
        required=True, metavar="ACTION"
    )
    verb = actions.add_parser("check", help="list what ruins trainings; exit code 1 if there is an error")
    add_folder_options(verb)
    verb.set_defaults(verb=data_check)
    verb = actions.add_parser("stats", help="shares and weights of the classes, mean and deviation of the colours")
    add_folder_options(verb)
    verb.add_argument("--split", default="train", help="split, as evaluate takes it (default: train)")
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
    """Add the options that check and stats share."""
    verb.add_argument("folder", type=path, metavar="DIR", help="the dataset's folder")
    verb.add_argument("--dataset", help="the dataset's name (default: told by the folder's layout)")
    verb.add_argument("--json", action="store_true", help="one JSON object instead of text")


def data_check(options: argparse.Namespace) -> int:
    """Print what is wrong with a dataset, one finding a line, and a summary."""
    from streetseg.data.check import check_dataset

    report = check_dataset(options.folder, dataset=options.dataset, progress=progress)
    say(report.to_json() if options.json else report.table())
    return CHECK_FAILED if report.count("error") else DONE


def data_stats(options: argparse.Namespace) -> int:
    """Print the figures of a split."""
    from streetseg.data.stats import dataset_stats

    stats = dataset_stats(options.folder, split=options.split, dataset=options.dataset, progress=progress)
    say(stats.to_json() if options.json else stats.table())
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
