"""The command line: one verb a command. A verb imports its own room only, when it runs."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Sized
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

from streetseg.errors import MissingExtraError, StreetsegError, UsageError

if TYPE_CHECKING:
    from streetseg.measure.tables import PaperTable
    from streetseg.runtime.frames import ImageFile
    from streetseg.runtime.segmenter import Segmenter

T = TypeVar("T")

DONE, CHECK_FAILED, INTERRUPTED = 0, 1, 130
BENCH_ROUNDS, VS_ROUNDS = 100, 10
TABLE_ROUNDS = 20  # of `tables --bench`: some networks of the papers take a second a frame on a CPU


def main(arguments: list[str] | None = None) -> int:
    """Run a command; returns the exit code: 0 done, 1 a check failed, 2 the user's mistake, 130 interrupted."""
    warnings.showwarning = lambda message, *_, **__: complain(message)
    try:
        options = parse(sys.argv[1:] if arguments is None else arguments)
        verb: Callable[[argparse.Namespace], int] = options.verb
        return verb(options)
    except StreetsegError as error:
        complain(error)
        return error.exit_code
    except KeyboardInterrupt:
        complain("interrupted")
        return INTERRUPTED
    except BrokenPipeError:
        # Whoever read our output has had enough. Python would complain once more when it flushes at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return DONE


def parse(arguments: list[str]) -> argparse.Namespace:
    """A command's verb and options; UsageError for a wrong one."""
    if arguments[:2] == ["bench", "train"]:  # argparse has no room for a verb beside [ARTEFACT...]
        arguments = ["bench train", *arguments[2:]]
    return parser().parse_args(arguments)


class Parser(argparse.ArgumentParser):
    """argparse, whose complaint about a wrong option is one line instead of the whole usage."""

    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message}; see {self.prog} --help")


def parser() -> argparse.ArgumentParser:
    """Every verb and its options."""
    top = Parser(prog="streetseg", description="Real-time semantic segmentation of road scenes.")
    verbs = top.add_subparsers(required=True, metavar="VERB")

    verb = verbs.add_parser("predict", help="class map and overlay of images or a video")
    verb.add_argument(
        "paths", nargs="+", metavar="PATH",
        help="an image, a folder, a pattern like 'drive/*.png'; or one video, /dev/video0 (a camera), rtsp://...",
    )  # fmt: skip
    verb.add_argument(
        "--out", required=True, type=Path, help="folder for the results; NAME.jpg for one image, NAME.mp4 for a video"
    )
    video = verb.add_argument_group("for a video")
    video.add_argument("--classmap", type=Path, metavar="PLACE", help="NAME.mkv (lossless) or a folder for PNGs")
    video.add_argument("--every", type=int, metavar="N", help="segment each Nth frame only")
    video.add_argument("--max-frames", type=int, metavar="N", help="stop after N segmented frames")
    verb.add_argument("--weights", type=Path, metavar="WEIGHTS", help="an artefact, or a name (default: the package's)")
    add_engine_options(verb)
    verb.add_argument("--cache", type=Path, metavar="DIR", help="where OpenVINO may keep what it compiled")
    verb.add_argument("--size", type=int, metavar="PIXELS", help="reduce frames to this short side")
    verb.add_argument("--json", action="store_true", help="one JSON object a line instead of text")
    verb.set_defaults(verb=predict)

    verb = verbs.add_parser("evaluate", help="accuracy of an artefact on a labelled dataset")
    verb.add_argument(
        "artefact", type=Path, help="NAME.onnx, NAME.pt2, a name, or NAME.safetensors, which is exported first"
    )
    add_data_options(verb)
    verb.add_argument("--split", default="val", help="val, test, train, trainval, only:SEQUENCE, without:SEQUENCE")
    add_engine_options(verb)
    verb.add_argument(
        "--scale", type=float, nargs="+", metavar="S", help="input scale instead of the card's; several are averaged"
    )
    verb.add_argument("--flip", action="store_true", help="average with the mirrored frame")
    verb.add_argument("--window", type=int, nargs=2, metavar=("H", "W"), help="look through windows of this size")
    verb.add_argument("--overlap", type=float, default=0.5, metavar="SHARE", help="of neighbouring windows (0.5)")
    verb.add_argument(
        "--trimap", type=int, nargs="+", default=[1, 3, 5, 10], metavar="K", help="bands at borders, in pixels"
    )
    verb.add_argument("--report", type=Path, metavar="DIR", help="write JSON, CSV and a page with pictures")
    verb.add_argument("--worst", type=int, default=8, metavar="N", help="frames with pictures in the report (8)")
    verb.add_argument("--submission", type=Path, metavar="DIR", help="only write the files that a test server takes")
    verb.add_argument("--json", action="store_true", help="one JSON object instead of the table")
    verb.set_defaults(verb=evaluate)

    verb = verbs.add_parser("compare", help="whether two evaluations of the same frames really differ")
    verb.add_argument("a", type=Path, metavar="A.json", help="from evaluate --json or --report")
    verb.add_argument("b", type=Path, metavar="B.json")
    verb.add_argument("--json", action="store_true", help="one JSON object instead of the table")
    verb.set_defaults(verb=compare)

    verb = verbs.add_parser("bench", help="speed of artefacts on this machine")
    verb.add_argument(
        "artefacts", nargs="*", type=Path, metavar="ARTEFACT", help="NAME.onnx, or a name (default: the package's)"
    )
    add_engine_options(verb, several=True)
    verb.add_argument(
        "--size", type=size, metavar="HxW",
        help="frames of this size, unreduced (default: 4:3 at the first artefact's native side; with --vs 1024x2048)",
    )  # fmt: skip
    verb.add_argument("--rounds", type=int, help="how often each is timed (default: 100; 10 with --vs)")
    verb.add_argument(
        "--vs",
        choices=["torch-eager"],
        help="networks instead of artefacts, beside the same in PyTorch and our targets",
    )
    verb.add_argument("--network", action="append", help="with --vs (default: four); can be repeated")
    verb.add_argument(
        "--out", type=Path, metavar="DIR", help="folder for speed.json; without --vs also for figures, SVG and PNG"
    )
    verb.add_argument("--json", action="store_true", help="one JSON object instead of the tables")
    verb.set_defaults(verb=bench)

    verb = verbs.add_parser("bench train", help="speed of training steps on this CPU, beside the plain way")
    verb.add_argument(
        "--network", action="append", help="one with a recipe for CamVid (default: four); can be repeated"
    )
    add_data_options(verb, required=False)
    verb.add_argument("--threads", type=int, metavar="N", help="CPU threads (default: all cores)")
    verb.add_argument("--rounds", type=int, default=5, help="how often each is timed (default: 5)")
    verb.add_argument("--json", action="store_true", help="one JSON object instead of the table")
    verb.set_defaults(verb=bench_train)

    verb = verbs.add_parser("tables", help="the papers' tables and figures, ours beside them")
    verb.add_argument("names", nargs="*", metavar="NAME", help="such as ddrnet-V; without one, the names are listed")
    verb.add_argument("--bench", action="store_true", help="time the networks on this machine where the paper did")
    add_engine_options(verb)
    add_data_options(verb, required=False)
    verb.add_argument(
        "--weights", type=Path, action="append", metavar="WEIGHTS",
        help="with --data: NAME.onnx, or a name, to judge (default: the package's); can be repeated",
    )  # fmt: skip
    verb.add_argument(
        "--out", type=Path, metavar="DIR", help="folder for NAME.md and NAME.json, figures as svg and png"
    )
    verb.add_argument("--json", action="store_true", help="one JSON object a line instead of the tables")
    verb.set_defaults(verb=tables)

    verb = verbs.add_parser("train", help="train a network by a recipe")
    verb.add_argument("--recipe", required=True, help="a recipe's name, or a TOML file that names its base")
    add_data_options(verb)
    verb.add_argument("--init", metavar="FILE", help="NAME.safetensors to start from; '' starts from nothing")
    verb.add_argument("--out", required=True, type=Path, help="folder of the run")
    verb.add_argument("--set", action="append", default=[], metavar="FIELD=VALUE", help="replace a field of the recipe")
    verb.add_argument("--resume", action="store_true", help="go on with the run in --out")
    verb.add_argument("--cache", type=Path, metavar="DIR", help="keep decoded frames there, if memory is too small")
    verb.add_argument("--workers", type=int, default=2, metavar="N", help="threads that make batches ahead (2)")
    verb.set_defaults(verb=train)

    verb = verbs.add_parser("recipes", help="the recipes, a line each")
    verb.set_defaults(verb=recipes)

    verb = verbs.add_parser("convert", help="make weights of ours from another code base's checkpoint")
    verb.add_argument("checkpoint", type=Path, metavar="FILE", help=".pth, .pt, .tar, .pkl, .bin, .ckpt, .safetensors")
    verb.add_argument("--out", required=True, type=Path, metavar="NAME.safetensors")
    verb.add_argument("--network", help="which network it is (default: told by its tensors)")
    verb.add_argument("--origin", metavar="OWNER/REPOSITORY", help="whose checkpoint it is (default: told likewise)")
    verb.add_argument(
        "--classes",
        help="a dataset's name, names with commas between, a text file with a name a line, or a count; another count "
        "than the checkpoint's leaves the head untrained (default: Cityscapes' for 19, else class_0, class_1, ...)",
    )
    verb.add_argument(
        "--operating-scale", type=float, default=1.0, metavar="SCALE",
        help="reduce frames so far for the network: 0.5 for STDC-Seg50, 0.75 for STDC-Seg75 (default: 1)",
    )  # fmt: skip
    verb.set_defaults(verb=convert)

    verb = verbs.add_parser("export", help="make the artefact that runs from trained weights")
    verb.add_argument("weights", type=Path, metavar="FILE.safetensors")
    verb.add_argument("--target", default="onnx", help="onnx (default), or torch: a torch.export program")
    verb.add_argument("--out", type=Path, help="NAME.onnx or NAME.pt2 (default: beside the weights)")
    verb.add_argument(
        "--accuracy", type=Path, action="append", default=[], metavar="FILE",
        help="put this result of evaluate --json on the card; can be repeated",
    )  # fmt: skip
    verb.set_defaults(verb=export)

    verb = verbs.add_parser("quantize", help="make an int8 artefact of an artefact, calibrated on a dataset")
    verb.add_argument("artefact", type=Path, help="NAME.onnx, or a name")
    add_data_options(verb)
    verb.add_argument("--split", default="train", help="whose frames show the ranges of the values (train)")
    verb.add_argument("--frames", type=int, default=100, metavar="N", help="so many of them (100)")
    verb.add_argument("--validate", default="val", metavar="SPLIT", help="on which the drop is judged (val)")
    verb.add_argument(
        "--max-drop", type=float, default=0.5, metavar="POINTS",
        help="mIoU points it may lose (0.5); operations go back to float until it loses no more",
    )  # fmt: skip
    verb.add_argument("--out", required=True, type=Path, metavar="NAME.onnx")
    verb.add_argument("--json", action="store_true", help="one JSON object instead of the table")
    verb.set_defaults(verb=quantize)

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

    verb = verbs.add_parser("models", help="the networks")
    verb.add_argument("--table", action="store_true", help="their sizes, counted, beside the papers' figures")
    verb.set_defaults(verb=models)
    return top


def add_engine_options(verb: argparse.ArgumentParser, *, several: bool = False) -> None:
    engines = "openvino (default) or onnxruntime; torch for NAME.pt2"
    if several:
        verb.add_argument("--engine", action="append", help=f"{engines}; can be repeated")
    else:
        verb.add_argument("--engine", help=engines)
    verb.add_argument("--threads", type=int, metavar="N", help="CPU threads (default: all cores)")
    verb.add_argument("--precision", help="float32, bfloat16, or float16 on a GPU (default: the fastest)")


def add_data_options(verb: argparse.ArgumentParser, *, required: bool = True) -> None:
    verb.add_argument("--data", required=required, type=Path, metavar="DIR", help="the dataset's folder")
    verb.add_argument("--dataset", help="which dataset it is (default: told by its layout)")


def add_folder_options(verb: argparse.ArgumentParser) -> None:
    verb.add_argument("folder", type=Path, metavar="DIR", help="the dataset's folder")
    verb.add_argument("--dataset", help="which dataset it is (default: told by its layout)")
    verb.add_argument("--json", action="store_true", help="one JSON object instead of text")


def predict(options: argparse.Namespace) -> int:
    """Segment images or a video; a bad image is reported and the others still done."""
    from streetseg.runtime.files import make_folder
    from streetseg.runtime.frames import is_video, list_images
    from streetseg.runtime.stream import in_order

    if any(map(is_video, options.paths)):
        return predict_video(options)
    for option in ("classmap", "every", "max_frames"):
        if getattr(options, option) is not None:
            raise UsageError(f"--{option.replace('_', '-')} is for a video, and none is given")
    images = list_images(options.paths)
    if options.out.suffix and not options.out.is_dir():
        jobs = [one_job(images, options.out)]
        make_folder(options.out.parent)
    else:
        jobs = [
            (image.path, image.output(options.out, "_classes.png"), image.output(options.out, "_overlay"))
            for image in images
        ]
        make_folder(options.out)
    segmenter = open_segmenter(options, at_once=len(jobs))

    def report_one(job: tuple[Path, Path, Path]) -> dict[str, Any] | StreetsegError:
        try:
            return predict_one(segmenter, *job)
        except StreetsegError as error:
            return error

    exit_code = DONE
    for report in progress(in_order(report_one, jobs, segmenter.workers), "image", len(jobs)):
        if isinstance(report, StreetsegError):
            complain(report)
            exit_code = report.exit_code
        else:
            say(json.dumps(report) if options.json else describe(report))
    return exit_code


def predict_video(options: argparse.Namespace) -> int:
    """Segment one video."""
    from streetseg.runtime.frames import is_live
    from streetseg.runtime.video import segment_video

    if len(options.paths) > 1:
        raise UsageError(f"predict takes one video at a time, got {len(options.paths)} paths; call it for each")
    (source,) = options.paths
    live = is_live(source)
    name = "live" if live else Path(source).stem
    out = options.out if options.out.suffix and not options.out.is_dir() else options.out / f"{name}_overlay.mp4"
    segmenter = open_segmenter(options, at_once=1 if live else None)
    report = segment_video(
        segmenter,
        source,
        out,
        options.classmap,
        every=1 if options.every is None else options.every,
        max_frames=options.max_frames,
        progress=lambda frames, total: progress(frames, "frame", total),
    )
    rate = report.frames / report.seconds
    if options.json:
        say(json.dumps({"video": source, "overlay": str(out), **vars(report), "frames_per_second": round(rate, 2)}))
    else:
        dropped = f", {report.dropped} late ones dropped" if live else ""
        say(
            f"{source}: {report.width} x {report.height}; {report.frames} frames in {report.seconds:.1f} s, "
            f"{rate:.1f} a second{dropped}; {out}"
        )
    if report.damaged or report.missing:
        complain(
            f"{source} is damaged: of {report.decoded} frames read {report.damaged} had to be patched up, and "
            f"{report.missing} more are missing; {out} holds what could be read"
        )
    if report.interrupted:
        complain(f"interrupted; {out} holds the {report.frames} frames done so far" if report.frames else "interrupted")
        return INTERRUPTED
    return CHECK_FAILED if report.damaged or report.missing else DONE


def open_segmenter(options: argparse.Namespace, at_once: int | None) -> Segmenter:
    """What `predict` was asked to segment with, at most `at_once` frames at a time (None: a frame a thread)."""
    from streetseg.runtime.engines.engine import cores
    from streetseg.runtime.segmenter import Segmenter

    threads = options.threads or cores()
    return Segmenter.open(
        options.weights,
        engine=options.engine,
        threads=options.threads,
        precision=options.precision,
        size=options.size,
        streams=threads if at_once is None else min(threads, at_once),
        cache=options.cache,
    )


def one_job(images: list[ImageFile], out: Path) -> tuple[Path, Path, Path]:
    """The single image and its outputs where --out names a file: that is the overlay, the class map goes beside it."""
    if len(images) > 1:
        raise UsageError(f"--out {out} names a file, but there are {len(images)} images; name a folder")
    if out.suffix.lower() not in (".png", ".jpg", ".jpeg"):
        raise UsageError(f"--out {out} is neither a picture (NAME.png, NAME.jpg) nor a folder (no suffix)")
    return images[0].path, out.with_name(f"{out.stem}_classes.png"), out


def predict_one(segmenter: Segmenter, image: Path, classes: Path, overlay: Path) -> dict[str, Any]:
    """Segment an image and write its class map and overlay; returns what there is to say about it."""
    from streetseg.runtime.frames import read_frame, write_classmap, write_picture

    start = time.perf_counter()
    frame = read_frame(image)
    decoded = time.perf_counter()
    result = segmenter(frame)
    segmented = time.perf_counter()
    write_classmap(classes, result.classmap, result.colours)
    overlay = write_picture(overlay, result.overlay())
    written = time.perf_counter()
    milliseconds = {
        "decode": (decoded - start) * 1e3,
        **result.milliseconds,
        "write": (written - segmented) * 1e3,
    }
    return {
        "image": str(image),
        "width": frame.shape[1],
        "height": frame.shape[0],
        "milliseconds": {stage: round(value, 2) for stage, value in milliseconds.items()},
        "share": {name: round(part, 6) for name, part in result.share().items()},
        "classes": str(classes),
        "overlay": str(overlay),
    }


def describe(report: dict[str, Any]) -> str:
    """One line about a segmented image."""
    times = ", ".join(f"{stage} {value:.1f}" for stage, value in report["milliseconds"].items())
    shares = ", ".join(f"{name} {part:.1%}" for name, part in report["share"].items())
    return f"{report['image']}: {report['width']} x {report['height']}; ms: {times}; {shares}"


def evaluate(options: argparse.Namespace) -> int:
    """Judge an artefact on a split; print its scores, write its report."""
    from streetseg.data.table import open_dataset
    from streetseg.measure.boundary import WIDEST
    from streetseg.measure.evaluate import evaluate
    from streetseg.measure.report import WorstFrames, facts, table, to_json, write_report
    from streetseg.measure.submission import write_submission
    from streetseg.measure.views import Views, ViewSegmenter
    from streetseg.runtime.files import make_folder
    from streetseg.runtime.segmenter import Segmenter

    scales, window = options.scale and tuple(options.scale), options.window and tuple(options.window)
    views = Views(scales, options.flip, window, options.overlap)
    if not all(1 <= width <= WIDEST for width in options.trimap):
        raise UsageError(f"--trimap takes bands of 1 to {WIDEST} pixels, got {', '.join(map(str, options.trimap))}")
    if options.worst < 0:
        raise UsageError(f"--worst takes a number of frames, 0 or more, got {options.worst}")
    if options.submission is not None and options.report is not None:
        raise UsageError("--submission scores nothing, so there is no --report; leave one of them out")
    dataset = open_dataset(options.data, options.dataset)
    if dataset.note:
        complain(f"note: {dataset.note}")
    if options.report is not None:
        make_folder(options.report)
    with runnable(options.artefact, options.engine) as artefact:
        segmenter = Segmenter.open(
            artefact, engine=options.engine, threads=options.threads, precision=options.precision
        )
        card, predict = segmenter.card, ViewSegmenter(segmenter, views)
        if options.submission is not None:
            written = write_submission(
                predict, card.classes, dataset, options.split, options.submission, partial(progress, unit="frame")
            )
            say(f"{written} files for the test server: {options.submission}")
            return DONE
        worst = WorstFrames(options.worst if options.report else 0, card.colours)
        result = evaluate(
            predict,
            card.classes,
            dataset,
            options.split,
            partial(progress, unit="frame"),
            trimap_widths=tuple(options.trimap),
            watch=worst,
        )
    frames = f"split {options.split}, {result.frames} frames"
    how = {
        "measured_on": f"{dataset.name}, {frames}; trained on {card.training_data}",
        "weights": card.content_hash,
        "engine": f"{segmenter.engine.name}, {segmenter.engine.precision}",
        "views": views.describe(),
        "command": evaluate_command(options, dataset.name),
    }
    found = facts(result, how)
    say(to_json(found) if options.json else table(found))
    if options.report is not None:
        report = write_report(options.report, found, worst)
        if not options.json:
            say(f"report: {report}")
    return DONE


@contextlib.contextmanager
def runnable(artefact: Path, engine: str | None) -> Iterator[Path]:
    """The artefact itself; for unfolded weights, one exported from them for this engine, as long as it is needed."""
    if artefact.suffix != ".safetensors":
        yield artefact
        return
    need_torch(f"evaluating {artefact.name}, which must be exported first,")
    from streetseg.export.table import TARGETS

    target = TARGETS["torch" if engine == "torch" else "onnx"]
    with tempfile.TemporaryDirectory() as folder:
        exported = Path(folder) / f"{artefact.stem}{target.suffix}"
        target.export(artefact, exported)
        yield exported


def evaluate_command(options: argparse.Namespace, dataset: str) -> str:
    """The command that gives these figures again; paths of this machine left out."""
    parts = ["streetseg evaluate", options.artefact.name, "--data", dataset.upper(), "--split", options.split]
    for name in ("engine", "precision", "scale", "window"):
        value = getattr(options, name)
        if value is not None:
            parts += [f"--{name}", *(map(str, value) if isinstance(value, list) else [value])]
    parts += ["--flip"] * options.flip + ["--overlap", str(options.overlap)] * (options.window is not None)
    return " ".join(parts)


def compare(options: argparse.Namespace) -> int:
    """Print two evaluations side by side, and which differences are real."""
    from streetseg.measure.compare import compare, comparison_facts, comparison_table

    differences = compare(options.a, options.b)
    say(json.dumps(comparison_facts(differences), indent=2) if options.json else comparison_table(differences))
    return DONE


def size(text: str) -> tuple[int, int]:
    """Height and width of "HxW"."""
    height, cross, width = text.lower().partition("x")
    if not (cross and height.isdecimal() and width.isdecimal()):
        raise argparse.ArgumentTypeError(f"{text!r} is no size; give height and width, as 1024x2048")
    return int(height), int(width)


def bench(options: argparse.Namespace) -> int:
    """Measure artefacts on engines, taking turns."""
    from streetseg.measure.speed import Entry, accuracy_plot, measure, speed_plot, speed_table
    from streetseg.runtime.card import read_card
    from streetseg.runtime.files import make_folder, write_file
    from streetseg.runtime.segmenter import DEFAULT_WEIGHTS
    from streetseg.runtime.shelf import find_weights

    if options.rounds is None:
        options.rounds = VS_ROUNDS if options.vs else BENCH_ROUNDS
    if options.rounds < 1:
        raise UsageError(f"--rounds must be at least 1, got {options.rounds}")
    if options.out:
        make_folder(options.out)
    if options.vs:
        return bench_against_eager(options)
    if options.network:
        raise UsageError("--network is for --vs torch-eager; name artefacts instead")
    artefacts = [find_weights(artefact) for artefact in options.artefacts] or [DEFAULT_WEIGHTS]
    short_side = read_card(artefacts[0]).native_short_side
    frame_size = options.size or (short_side, round(short_side * 4 / 3))
    entries = [
        Entry.open(artefact, engine, frame_size, options.threads, options.precision)
        for artefact in artefacts
        for engine in options.engine or [None]
    ]
    facts = measure(entries, frame_size, options.rounds, lambda rounds: progress(rounds, "round"))
    if options.out:
        write_file(options.out / "speed.json", json.dumps(facts, indent=2).encode())
        speed_plot(facts).save(options.out / "speed")
        if figure := accuracy_plot(facts):
            figure.save(options.out / "accuracy")
    say(json.dumps(facts, indent=2) if options.json else speed_table(facts))
    return DONE


def bench_against_eager(options: argparse.Namespace) -> int:
    """Measure networks, ours and eager PyTorch, taking turns."""
    if options.artefacts or options.engine:
        raise UsageError("--vs torch-eager takes no artefacts and no --engine; choose networks by --network")
    if options.threads is not None and options.threads < 1:
        raise UsageError(f"--threads must be at least 1, got {options.threads}")
    need_torch("streetseg bench --vs torch-eager")
    from streetseg.runtime.engines.engine import cores
    from streetseg.runtime.files import write_file
    from streetseg.training.bench import NETWORKS
    from streetseg.training.eager import SIZE, eager_table, measure_against_eager

    facts = measure_against_eager(
        options.network or NETWORKS,
        options.size or SIZE,
        options.threads or cores(),
        options.precision,
        options.rounds,
        lambda rounds: progress(rounds, "round"),
    )
    if options.out:
        write_file(options.out / "speed.json", json.dumps(facts, indent=2).encode())
    say(json.dumps(facts, indent=2) if options.json else eager_table(facts))
    return DONE


def bench_train(options: argparse.Namespace) -> int:
    """Measure training steps, ours and the plain way, taking turns."""
    need_torch("streetseg bench train")
    from streetseg.data.layouts import write_camvid_tutorial
    from streetseg.data.table import open_dataset
    from streetseg.runtime.engines.engine import cores
    from streetseg.training.bench import BATCH, NETWORKS, measure_training, training_table

    for name in ("rounds", "threads"):
        value = getattr(options, name)
        if value is not None and value < 1:
            raise UsageError(f"--{name} must be at least 1, got {value}")
    with tempfile.TemporaryDirectory() as folder:
        if options.data is None:
            write_camvid_tutorial(Path(folder), {"train": 2 * BATCH})
        facts = measure_training(
            options.network or NETWORKS,
            open_dataset(options.data or folder, options.dataset if options.data else None),
            options.threads or cores(),
            options.rounds,
            lambda rounds: progress(rounds, "round"),
        )
    say(json.dumps(facts, indent=2) if options.json else training_table(facts))
    return DONE


def tables(options: argparse.Namespace) -> int:
    """Print papers' tables with what is counted, timed and judged here; without a name, list them."""
    from streetseg.measure.tables import Ours, joined, paper_tables, table_figure, table_named, table_text
    from streetseg.runtime.files import make_folder, write_file

    if not options.names:
        for table in paper_tables().values():
            say(f"{table.name}: {table.paper}, {table.title}")
        return DONE
    chosen = [table_named(name) for name in options.names]
    need_torch("streetseg tables")
    from streetseg.export.untrained import network_times
    from streetseg.models.figures import count

    if options.out:
        make_folder(options.out)
    mious = judge(options, chosen) if options.data else {}
    subjects = {subject for table in chosen for subject in table.subjects() if subject}
    times = {}
    if options.bench:
        times = network_times(
            set().union(*(table.timed() for table in chosen)),
            TABLE_ROUNDS,
            engine=options.engine,
            threads=options.threads,
            precision=options.precision,
            progress=lambda rounds: progress(rounds, "round"),
        )
    counted = {subject: count(*subject) for subject in subjects}
    ours = Ours({subject: (found.parameters, found.gmacs) for subject, found in counted.items()}, times, mious)
    for table in chosen:
        rows = joined(table, ours)
        text, facts = table_text(table, rows), json.dumps({"table": table.name, "source": table.source, "rows": rows})
        say(facts if options.json else f"{text}\n")
        if options.out:
            write_file(options.out / f"{table.name}.md", f"{text}\n".encode())
            write_file(options.out / f"{table.name}.json", facts.encode())
            if table.figure:
                table_figure(table, rows).save(options.out / table.name)
    return DONE


def judge(options: argparse.Namespace, chosen: list[PaperTable]) -> dict[tuple[str, str, str], float]:
    """mIoU of --weights by network, dataset and split, for the tables that are on --data."""
    from streetseg.data.table import open_dataset
    from streetseg.measure.evaluate import evaluate
    from streetseg.runtime.segmenter import DEFAULT_WEIGHTS, Segmenter

    dataset = open_dataset(options.data, options.dataset)
    splits = {table.facts["split"] for table in chosen if table.facts.get("dataset") == dataset.name}
    if not splits:
        names = ", ".join(table.name for table in chosen)
        raise UsageError(
            f"{options.data} is {dataset.name}, on which {names} is not; leave --data out, or take another"
        )
    mious = {}
    for artefact in options.weights or [DEFAULT_WEIGHTS]:
        segmenter = Segmenter.open(
            artefact, engine=options.engine, threads=options.threads, precision=options.precision
        )
        for split in splits:
            result = evaluate(
                lambda frame: segmenter(frame).classmap,  # noqa: B023  # called before the next artefact
                segmenter.card.classes,
                dataset,
                split,
                lambda pairs: progress(pairs, "frame"),
            )
            if result.left_out or not result.judged.all():
                raise UsageError(
                    f"{artefact} and {dataset.name} have other classes, which no paper's table compares; "
                    "take weights with the dataset's classes"
                )
            mious[segmenter.card.network, dataset.name, split] = result.scores.miou
    return mious


def train(options: argparse.Namespace) -> int:
    """Run a recipe on a dataset."""
    from streetseg.training.recipe import override
    from streetseg.training.recipes.table import recipe_named

    init = [] if options.init is None else [f"init={options.init}"]
    recipe = override(recipe_named(options.recipe), init + options.set)
    need_torch("streetseg train")
    from streetseg.data.pairs import Dataset
    from streetseg.training.dataset import open_data
    from streetseg.training.train import train

    dataset = open_data(options.data, recipe, options.dataset)
    first = os.environ.get("RANK", "0") == "0"  # of torchrun's processes, one speaks for all
    if first and isinstance(dataset, Dataset) and dataset.note:
        complain(f"note: {dataset.note}")
    try:
        weights = train(
            recipe, dataset, options.out, resume=options.resume, cache=options.cache, workers=options.workers
        )
    except KeyboardInterrupt:
        if first:
            complain(f"interrupted; if {options.out} holds a checkpoint.pt, the same command with --resume goes on")
        return INTERRUPTED
    if first:
        say(f"{weights}: next, streetseg export {weights}")
    return DONE


def recipes(options: argparse.Namespace) -> int:
    """Print the list of recipes."""
    from streetseg.training.recipes.table import list_recipes

    say(list_recipes())
    return DONE


def convert(options: argparse.Namespace) -> int:
    """Bring a checkpoint under our names, and say what was taken, left out and left untrained."""
    from streetseg.data.labels import label_space, likely_labels
    from streetseg.runtime.card import MAX_OPERATING_SCALE

    if options.out.suffix != ".safetensors":
        raise UsageError(f"--out {options.out} must be named NAME.safetensors")
    if not 0 < options.operating_scale <= MAX_OPERATING_SCALE:
        raise UsageError(
            f"--operating-scale {options.operating_scale} must be above 0 and at most {MAX_OPERATING_SCALE}"
        )
    labels = None if options.classes is None else label_space(options.classes)
    need_torch("streetseg convert")
    from streetseg.models.checkpoint_files import read_tensors
    from streetseg.models.checkpoints import build_converted, recognise, save_weights

    source = options.checkpoint.name
    found = recognise(read_tensors(options.checkpoint), source, options.network, options.origin)
    if labels is None:
        if found.num_classes is None:
            raise UsageError(
                f"{source} is a backbone, which has no classes: name those of the new network by --classes"
            )
        labels = likely_labels(found.num_classes)
    network, card, untrained = build_converted(found, labels.names, labels.colours, options.operating_scale)
    save_weights(options.out, network.state_dict(), card, precision="float32")

    taken = len(network.state_dict()) - sum(untrained.values())
    say(f"{source}: {found.network} as {found.origin.name} has it; {taken} tensors taken")
    if found.left_out:
        say(f"left out, for only training needs it or nothing: {counted(found.left_out)}")
    say(f"{len(labels.names)} classes: {', '.join(labels.names)}")
    if untrained:
        say(f"{options.out}: to be trained before use, for these are at their initialisation: {counted(untrained)}")
    else:
        say(f"{options.out}: next, streetseg export {options.out}")
    return DONE


def counted(tensors: dict[str, int]) -> str:
    """Tensors by the beginning of their names."""
    return ", ".join(f"{name} ({count})" for name, count in tensors.items())


def export(options: argparse.Namespace) -> int:
    """Make an artefact and check it against its network."""
    need_torch("streetseg export")
    from streetseg.export.onnx import read_accuracy
    from streetseg.export.table import TARGETS

    if options.target not in TARGETS:
        raise UsageError(f"no target {options.target!r}; there are {', '.join(TARGETS)}")
    target = TARGETS[options.target]
    out = options.out or options.weights.with_suffix(target.suffix)
    if out.suffix != target.suffix:
        raise UsageError(f"--out {out} must be named NAME{target.suffix}")
    card, difference = target.export(options.weights, out, [read_accuracy(path) for path in options.accuracy])
    say(f"{out}: {card.network}, {len(card.classes)} classes; logits differ by {difference:.1e} of their deviation")
    return DONE


def quantize(options: argparse.Namespace) -> int:
    """Make an int8 artefact; print what it lost and what stayed in float."""
    from streetseg.data.table import open_dataset
    from streetseg.export.quantize import quantize

    result = quantize(
        options.artefact,
        open_dataset(options.data, options.dataset),
        options.out,
        split=options.split,
        frames=options.frames,
        validate=options.validate,
        max_drop=options.max_drop,
        progress=partial(progress, unit="frame"),
    )
    say(json.dumps(result.facts(), indent=2) if options.json else f"{options.out}: {result.table()}")
    return DONE


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


def models(options: argparse.Namespace) -> int:
    """Print the networks, or the papers' tables of their sizes."""
    need_torch("streetseg models")
    from streetseg.measure.tables import size_tables, sizes_text
    from streetseg.models.figures import count
    from streetseg.models.table import descriptions

    if options.table:
        for table in size_tables():
            say(f"{sizes_text(table, {subject: count(*subject) for subject in table.subjects() if subject})}\n")
    else:
        for name, description in descriptions().items():
            say(f"{name:<25}  {description}")
    return DONE


def need_torch(purpose: str) -> None:
    """Say how to get PyTorch where it is missing."""
    from importlib.util import find_spec

    if find_spec("torch") is None:
        raise MissingExtraError("PyTorch", purpose, "train")


def progress(items: Iterable[T], unit: str, total: int | None = None) -> Iterable[T]:
    """The items, with a progress bar on a terminal where there are several.

    total: how many, where the items do not say and it is known.
    """
    if total is None and isinstance(items, Sized):
        total = len(items)
    if total in (0, 1) or not sys.stderr.isatty():
        return items
    from tqdm import tqdm

    bar: Iterable[T] = tqdm(items, unit=unit, total=total, leave=False)
    return bar


def say(line: str) -> None:
    """A line of results, above a progress bar if there is one."""
    write(line, sys.stdout)


def complain(problem: object) -> None:
    """One line about what went wrong."""
    write(f"streetseg: {' '.join(str(problem).split())}", sys.stderr)


def write(line: str, stream: Any) -> None:
    encoding = stream.encoding or "utf-8"
    line = line.encode(encoding, "backslashreplace").decode(encoding)  # a file's name may hold what cannot be shown
    bars = sys.modules.get("tqdm")
    if bars is not None:
        bars.tqdm.write(line, file=stream)
    else:
        print(line, file=stream, flush=True)
