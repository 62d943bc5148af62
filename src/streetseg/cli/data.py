"""`streetseg data`: check, init, show, stats, convert and render."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from streetseg.cli.options import add_dataset, add_json, add_verb, class_mapping, fill_in, path, sentence, size
from streetseg.cli.output import CHECK_FAILED, DONE, progress, say

if TYPE_CHECKING:
    from streetseg.cli.options import Verbs


def add_verbs(verbs: Verbs) -> None:
    """Add data with its actions."""
    summary = "check a dataset, name its classes, show it, print its figures, convert it, or render one"
    data = verbs.add_parser("data", help=summary, description=sentence(summary))
    actions = data.add_subparsers(required=True, metavar="check|init|show|stats|convert|render")

    verb = add_verb(actions, "check", data_check, "list a dataset's faults; exit code 1 if one is an error")
    add_folder_options(verb)

    verb = add_verb(
        actions, "stats", data_stats, "print shares and weights of the classes, mean and std of the colours"
    )
    add_folder_options(verb)
    verb.add_argument(
        "--split", default="train",
        help="train, val, test, trainval, only:SEQUENCE or without:SEQUENCE (default: train)",
    )  # fmt: skip

    add_init(actions)
    add_show(actions)
    add_convert(actions)

    verb = add_verb(actions, "render", data_render, "render streets with exact labels")
    verb.add_argument("folder", type=path, metavar="DIR", help="new or empty folder")
    layout = verb.add_argument(
        "--layout", help="layout of the files: %(layouts)s (default: camvid, or folder with --sequence)"
    )
    fill_in(layout, layouts=layouts)
    verb.add_argument(
        "--val", type=int, metavar="N", help="number of streets in split val (default: 50; imagenet: 5 of each class)"
    )
    verb.add_argument(
        "--train",
        type=int,
        metavar="N",
        help="number of streets in split train (default: 800; imagenet: 80 of each class)",
    )
    verb.add_argument("--size", type=size, metavar="HxW", help="size of the frames (default: as in the real dataset)")
    verb.add_argument(
        "--seed", type=int, default=0, metavar="N", help="seed of the first street; the next ones count up (default: 0)"
    )
    verb.add_argument(
        "--sequence", type=int, metavar="N",
        help="render drives of N frames, 25 a second; --val and --train count drives (default: 1 and 0)",
    )  # fmt: skip
    verb.add_argument("--film", action="store_true", help="with --sequence: write each drive to a film, too")


def add_init(actions: Verbs) -> None:
    """Add init."""
    verb = add_verb(actions, "init", data_init, "write classes.yaml from what masks and class files hold")
    add_folder_options(verb)
    verb.add_argument(
        "--nearest", action="store_true",
        help="give colours on smoothed borders the class of the nearest colour (default: they do not count)",
    )  # fmt: skip
    verb.add_argument("--force", action="store_true", help="replace a classes.yaml that is there")


def add_show(actions: Verbs) -> None:
    """Add show."""
    verb = add_verb(actions, "show", data_show, "write a contact sheet: frames with their classes, shares, first batch")
    add_folder_options(verb)
    verb.add_argument("--out", required=True, type=path, metavar="FILE", help="NAME.html, one file, or NAME.png")
    verb.add_argument("--frames", type=int, default=12, metavar="N", help="number of frames (default: %(default)s)")
    verb.add_argument("--recipe", default="finetune", help="recipe that augments the batch (default: %(default)s)")


def add_convert(actions: Verbs) -> None:
    """Add convert."""
    verb = add_verb(actions, "convert", data_convert, "write a clean dataset of any dataset that can be read")
    add_folder_options(verb)
    to = verb.add_argument("--to", default="folder", help="layout to write: %(targets)s (default: %(default)s)")
    fill_in(to, targets=targets)
    verb.add_argument("--out", required=True, type=path, metavar="DIR", help="new or empty folder")
    verb.add_argument(
        "--val",
        type=float,
        metavar="SHARE",
        help="share of the frames in split val, by drive (default: keep the splits)",
    )
    verb.add_argument("--test", type=float, metavar="SHARE", help="share of the frames in split test, by drive")
    verb.add_argument(
        "--map", action="append", default=[], metavar="NAME=NEW",
        help="rename a class, or merge it into the class NEW; 'NAME=' leaves it out; several with commas",
    )  # fmt: skip


def targets() -> str:
    """Return the layouts that a dataset can be converted to."""
    from streetseg.data.targets.targets import TARGETS

    return ", ".join(TARGETS)


def layouts() -> str:
    """Return the layouts that can be written."""
    from streetseg.streets.datasets import LAYOUTS

    return ", ".join(sorted(LAYOUTS))


def add_folder_options(verb: argparse.ArgumentParser) -> None:
    """Add the options that check and stats share."""
    verb.add_argument("folder", type=path, metavar="DIR", help="folder of the dataset")
    add_dataset(verb)
    add_json(verb, "one JSON object instead of text")


def data_check(options: argparse.Namespace) -> int:
    """Print what is wrong with a dataset, one finding a line, then a summary."""
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


def data_init(options: argparse.Namespace) -> int:
    """Write classes.yaml, and print the classes and hints."""
    from streetseg.data.init import init_classes

    found = init_classes(
        options.folder, nearest=options.nearest, force=options.force, dataset=options.dataset, progress=progress
    )
    say(found.to_json() if options.json else found.table())
    return DONE


def data_show(options: argparse.Namespace) -> int:
    """Write a contact sheet, and print doubts about the labels."""
    from streetseg.training.show import show_dataset

    sheet = show_dataset(
        options.folder,
        options.out,
        frames=options.frames,
        recipe=options.recipe,
        dataset=options.dataset,
        progress=progress,
    )
    say(sheet.to_json() if options.json else sheet.table())
    return DONE


def data_convert(options: argparse.Namespace) -> int:
    """Convert a dataset, and print what was written and what was left out."""
    from streetseg.data.convert import convert_dataset

    converted = convert_dataset(
        options.folder,
        options.out,
        to=options.to,
        val=options.val,
        test=options.test,
        names=class_mapping(options, "NAME=NEW"),
        dataset=options.dataset,
        progress=progress,
    )
    say(converted.to_json() if options.json else converted.table())
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
        sequence=options.sequence,
        film=options.film,
        progress=progress,
    )
    say(streets.table())
    return DONE
