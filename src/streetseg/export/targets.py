"""Export trained weights to what runs elsewhere: `export`, and the table of its targets. Needs no PyTorch itself."""

from __future__ import annotations

import contextlib
import dataclasses
import importlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from streetseg.errors import MissingExtraError, UsageError
from streetseg.export.opened import Opened
from streetseg.export.options import ExportOptions, InputType, Layout, Output, Precision, near
from streetseg.export.place import check_place, new_place, written_by
from streetseg.export.source import Source, open_source
from streetseg.export.written import Written
from streetseg.measure.coverage import MOST_LEFT_OUT, share_in_words
from streetseg.measure.evaluation import Evaluation
from streetseg.measure.evaluation_json import read_accuracy
from streetseg.results import Facts, Printable
from streetseg.runtime.card import Accuracy, ModelCard
from streetseg.runtime.engines.options import EngineOptions
from streetseg.runtime.files import same_file
from streetseg.runtime.shelf.shelf import known_weights


@dataclass(frozen=True)
class Target:
    """A form that weights are exported to.

    Attributes:
        module: Module with `write(source, options, place) -> Written`, imported when the target is used. It writes to
            `place` what the suffix says, runs it, and compares it with `source.reference` where that is possible here.
        suffix: Suffix of the file, or of a folder that is a package; "" for a plain folder.
        made_for: Where the result runs, in a few words.
        options: Names of the fields of `ExportOptions` that it takes.
        extra: The extra of pyproject.toml that it needs; "" for none.
        companions: Suffixes of further files that it writes beside the first.
        folder: True if the result is a folder.
        reader: Module with `open_exported(path, options) -> Opened`, by which `verify` runs the result; "" for what
            `Segmenter` opens, and for what no library here runs.
    """

    module: str
    suffix: str
    made_for: str
    options: tuple[str, ...] = ()
    extra: str = ""
    companions: tuple[str, ...] = ()
    folder: bool = False
    reader: str = ""

    @property
    def file(self) -> str:
        """The name of the result, as messages give it."""
        return f"NAME{self.suffix}" if self.suffix else "a folder"

    def write(self, source: Source, options: ExportOptions, place: Path) -> Written:
        """Write it; MissingExtraError if a library is not installed."""
        with missing_extras(f"streetseg export of {self.file}", self.extra):
            write: Callable[[Source, ExportOptions, Path], Written] = importlib.import_module(self.module).write
            return write(source, options, place)

    def open_exported(self, path: Path, options: EngineOptions) -> Opened:
        """Open what it wrote, by its reader; MissingExtraError if a library is not installed."""
        with missing_extras(f"running {path.name}", self.extra):
            opener: Callable[[Path, EngineOptions], Opened] = importlib.import_module(self.reader).open_exported
            return opener(path, options)


# fmt: off
TARGETS: dict[str, Target] = {
    "onnx": Target("streetseg.export.onnx_forms", ".onnx", "ONNX Runtime, OpenVINO and most converters",
                   ("opset", "input", "layout", "size", "output", "precision"), "export"),
    "openvino": Target("streetseg.export.openvino_ir", ".xml", "Intel's CPUs, GPUs and NPUs, and its Model API",
                       ("opset", "input", "layout", "size", "output", "precision"), "export", (".bin",)),
    "litert": Target("streetseg.export.litert", ".tflite", "Android and small boards, by LiteRT",
                     ("input", "size", "output"), "litert", reader="streetseg.export.litert"),
    "executorch": Target("streetseg.export.executorch", ".pte", "phones, by ExecuTorch with XNNPACK",
                         ("input", "layout", "size", "output"), "executorch",
                         reader="streetseg.export.executorch"),
    "coreml": Target("streetseg.export.coreml", ".mlpackage", "iPhone, iPad and Mac, by Core ML",
                     ("size", "output", "precision"), "coreml", folder=True, reader="streetseg.export.coreml"),
    "torch": Target("streetseg.export.torch", ".pt2", "PyTorch's own runtimes", extra="train"),
    "web": Target("streetseg.export.web", "", "browsers, as a page", folder=True, reader="streetseg.export.web"),
    "ncnn": Target(
        "streetseg.export.ncnn", ".param", "Raspberry Pi and other ARM boards, phones", ("precision",), "ncnn-export",
        (".bin", ".card.json"), reader="streetseg.export.ncnn",
    ),
    "tensorrt": Target(
        "streetseg.export.tensorrt", "", "NVIDIA's GPUs", ("input", "size", "precision", "plan"), "export",
        folder=True, reader="streetseg.export.tensorrt",
    ),
}
# fmt: on


@contextlib.contextmanager
def missing_extras(purpose: str, extra: str) -> Iterator[None]:
    """Turn the import of a library that is not installed into a MissingExtraError."""
    try:
        yield
    except ModuleNotFoundError as error:
        if error.name is None or error.name.startswith("streetseg"):
            raise
        torch = error.name.partition(".")[0] == "torch"
        raise MissingExtraError("PyTorch" if torch else error.name, purpose, "train" if torch else extra) from None


def target_of(path: Path) -> str | None:
    """Return the target that wrote a file or a folder, by its suffix or its manifest; None for any other."""
    if path.is_dir() and not path.suffix:
        return written_by(path)
    return next((name for name, kind in TARGETS.items() if kind.suffix and kind.suffix == path.suffix), None)


@dataclass(frozen=True, repr=False)
class Export(Printable):
    """An exported form of weights. It has run and matched its source, where it can be run here.

    Attributes:
        path: The artefact.
        card: Its card.
        difference: The largest difference between a logit of the result and of its source, in standard deviations of
            the source's logits; None if it could not be run here.
        notes: What the user must know: that other weights reached the card's figures, or why it was not run.
    """

    path: Path
    card: ModelCard
    difference: float | None
    notes: tuple[str, ...] = ()

    def facts(self) -> Facts:
        """Return the result as JSON's types.

        Returns:
            Path, network, number of classes, content hash, difference and notes.
        """
        return {
            "path": str(self.path),
            "network": self.card.network,
            "classes": len(self.card.classes),
            "content_hash": self.card.content_hash,
            "logit_difference": None if self.difference is None else float(f"{self.difference:.3g}"),
            "notes": list(self.notes),
        }

    def table(self) -> str:
        """Return the result as text.

        Returns:
            One line: the artefact, its network, and how far their logits differ.
        """
        compared = (
            "not run here" if self.difference is None else f"logits differ by {self.difference:.1e} of their deviation"
        )
        return f"{self.path}: {self.card.network}, {len(self.card.classes)} classes; {compared}"


def export(
    weights: str | Path,
    *,
    to: str | None = None,
    target: str | None = None,
    out: str | Path | None = None,
    accuracy: Sequence[str | Path | Evaluation | Accuracy] = (),
    training_time: str = "",
    opset: int | None = None,
    input: InputType | None = None,
    layout: Layout | None = None,
    size: tuple[int, int] | None = None,
    output: Output | None = None,
    precision: Precision | None = None,
    plan: bool = False,
) -> Export:
    """Export trained weights to a form that runs elsewhere.

    The result must run, and give its source's logits, before it takes its name; where it cannot be run on this
    machine, the notes say so.

    Args:
        weights: NAME.safetensors, as `streetseg train` or `streetseg convert` wrote it; or an artefact, NAME.onnx, or a
            name of weights, from which most targets need no PyTorch.
        to: The target, a name of `TARGETS`; None: by the suffix of `out`, "onnx" without one.
        target: Another word for `to`.
        out: The file or folder to write; None: beside the weights, of weights by name in the current folder.
        accuracy: Measured figures for the card: files that `streetseg evaluate --json` wrote, evaluations, or entries
            of a card. Without any, the artefact keeps the figures that the weights' card has.
        training_time: How long the training took and on which machine, for the card.
        opset: Version of ONNX's operators, 13 or more; this and the next options belong to some targets only.
        input: "uint8", or "float" for float32 values; both are 0 to 255, the normalisation stays inside.
        layout: "nhwc", or "nchw" for channels first, in input and output.
        size: H, W in pixels, the only size of frames that the result takes; None: any.
        output: "logits", "probabilities", or "classmap" for uint8 class indices at the frame's size.
        precision: "float32", "float16", "bfloat16" or "int8".
        plan: Write what another machine needs for the last step, instead of doing it here.

    Returns:
        The path of the result, its card, and how far it differs from its source.

    Raises:
        ArtefactError: The weights are damaged or are not ours.
        MissingExtraError: The target needs a library that is not installed.
        OutputError: The result cannot be written.
        UsageError: An argument does not fit: an unknown target, an option that it does not have, a wrong suffix, a size
            that the network cannot take, a place with something that is no export, figures of other classes.
        VerificationError: The result differs from its source; it is not written.
    """
    options = ExportOptions(
        opset=opset,
        input=input,
        layout=layout,
        size=None if size is None else (size[0], size[1]),
        output=output,
        precision=precision,
        plan=plan,
    )
    name = chosen_target(to, target, out)
    kind = TARGETS[name]
    for option in options.given:
        if option not in kind.options:
            able = ", ".join(other for other, one in TARGETS.items() if option in one.options) or "none"
            raise UsageError(f"target {name} has no option --{option.replace('_', '-')}; targets that have it: {able}")
    entries = [given_accuracy(given) for given in accuracy]
    with open_source(weights) as source:
        place = chosen_place(source, name, out)
        check_place(place, kind.companions, folder=kind.folder)
        options.check_size(source.card)
        of_weights = source.card.content_hash
        source.card = with_figures(source.card, entries, training_time, source.path)
        with new_place(place, name, kind.companions, folder=kind.folder) as temporary:
            written = kind.write(source, options, temporary)
    notes = [
        # For instance figures of a left-out drive: only weights that never saw it can have them.
        f"{given if isinstance(given, str | Path) else 'a result'} is of other weights than {place}: "
        f"{entry.measured_on}"
        for given, entry in zip(accuracy, entries, strict=True)
        if entry.weights not in (of_weights, written.card.content_hash)
    ]
    notes += [
        f"{share_in_words(entry.left_out_share)} of the labelled pixels are left out of a figure on {place}: "
        f"{entry.measured_on}"
        for entry in entries
        if entry.left_out_share is not None and entry.left_out_share > MOST_LEFT_OUT
    ]
    return Export(place, written.card, written.difference, (*written.notes, *notes))


def chosen_target(to: str | None, target: str | None, out: str | Path | None) -> str:
    """Return the target's name; UsageError for an unknown one."""
    if to is not None and target is not None and to != target:
        raise UsageError(f"--to {to} and --target {target} are two words for one thing; give one of them")
    name = to or target
    if name is None:
        suffix = Path(out).suffix if out is not None else ""
        return next((name for name, kind in TARGETS.items() if suffix and suffix == kind.suffix), "onnx")
    if name not in TARGETS:
        raise UsageError(f"no target {name!r}; there are {', '.join(TARGETS)}{near(name, TARGETS)}")
    return name


def chosen_place(source: Source, name: str, out: str | Path | None) -> Path:
    """Return where to write; UsageError for a wrong suffix, or the source itself."""
    kind = TARGETS[name]
    if out is None:
        by_name = str(source.given) in known_weights() and not Path(source.given).exists()
        beside = Path(source.path.name) if by_name else source.path
        place = beside.with_suffix(kind.suffix) if kind.suffix else beside.with_name(f"{beside.stem}_{name}")
    else:
        place = Path(out)
        if place.suffix != kind.suffix:
            raise UsageError(
                f"--out {out} must be named {kind.file if kind.suffix else 'as a folder, without a suffix'}"
            )
    if same_file(place, source.path):
        raise UsageError(f"{place} is the artefact itself; give another place by --out")
    return place


def given_accuracy(given: str | Path | Evaluation | Accuracy) -> Accuracy:
    """Return a measured result as a card's entry."""
    if isinstance(given, Evaluation):
        return given.card_entry()
    return given if isinstance(given, Accuracy) else read_accuracy(Path(given))


def with_figures(card: ModelCard, accuracy: Sequence[Accuracy], training_time: str, weights: Path) -> ModelCard:
    """Return the card with these figures; an empty argument keeps the card's own."""
    for name in (name for entry in accuracy for name in entry.iou if name not in card.classes):
        raise UsageError(
            f"--accuracy has figures of {name!r}, which is not a class of {weights}; give evaluations of its classes"
        )
    return dataclasses.replace(
        card, accuracy=tuple(accuracy) or card.accuracy, training_time=training_time or card.training_time
    )
