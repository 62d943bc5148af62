"""Convert another code base's checkpoint into weights of ours."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from streetseg.data.labels import label_space, likely_labels, named
from streetseg.data.pairs import LabelSpace
from streetseg.errors import UsageError
from streetseg.models.checkpoint_contents import NamedClasses, classes_in, tensors_in
from streetseg.models.checkpoint_files import read_checkpoint
from streetseg.models.conversion import Conversion, build_converted, recognise_checkpoint
from streetseg.models.weights import save_weights
from streetseg.results import Facts, Printable
from streetseg.runtime.card import MAX_OPERATING_SCALE
from streetseg.runtime.files import same_file


@dataclass(frozen=True, repr=False)
class Converted(Printable):
    """Weights made of another code base's checkpoint.

    Attributes:
        path: The weights, NAME.safetensors.
        source: The checkpoint's file name.
        network: The network's name.
        origin: The code base that the checkpoint comes from, "owner/repository".
        classes: Names of the classes.
        taken: Number of tensors taken from the checkpoint.
        left_out: Number of the checkpoint's tensors that only training or nothing needs, by the beginning of their
            names.
        part: The part of the file that was taken, if it holds the network in several versions or averaged.
        not_taken: The other parts that hold the network.
        notes: What else the user must know, one sentence each.
        untrained: Number of the network's tensors that keep their initial values, counted in the same way. If there are
            any, train the weights before use.
    """

    path: Path
    source: str
    network: str
    origin: str
    classes: tuple[str, ...]
    taken: int
    left_out: Mapping[str, int]
    untrained: Mapping[str, int]
    part: str = ""
    not_taken: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def facts(self) -> Facts:
        """Return the result as JSON's types.

        Returns:
            All attributes.
        """
        return {
            "path": str(self.path),
            "source": self.source,
            "network": self.network,
            "origin": self.origin,
            "classes": list(self.classes),
            "taken": self.taken,
            "left_out": dict(self.left_out),
            "untrained": dict(self.untrained),
            "part": self.part,
            "not_taken": list(self.not_taken),
            "notes": list(self.notes),
        }

    def table(self) -> str:
        """Return the result as text.

        Returns:
            What was taken and left out, the classes, and what to do next.
        """
        lines = [f"{self.source}: {self.network} as {self.origin} has it; {self.taken} tensors taken"]
        lines += self.notes
        if self.left_out:
            lines.append(f"left out, because only training or nothing needs them: {listed(self.left_out)}")
        lines.append(f"{len(self.classes)} classes: {', '.join(self.classes)}")
        if self.untrained:
            lines.append(
                f"{self.path}: train it before use, because these have their initial values: {listed(self.untrained)}"
            )
        else:
            lines.append(f"{self.path}: next, streetseg export {self.path}")
        return "\n".join(lines)


def convert(
    checkpoint: str | Path,
    *,
    out: str | Path,
    network: str | None = None,
    origin: str | None = None,
    part: str | None = None,
    classes: str | int | Sequence[str] | None = None,
    operating_scale: float = 1.0,
) -> Converted:
    """Convert another code base's checkpoint into weights of ours.

    Each tensor is used, or left out because only training needs it. A checkpoint that does not fit is refused. Nothing
    in the file is run.

    Args:
        checkpoint: A .pth, .pt, .tar, .pkl, .bin, .ckpt or .safetensors file.
        out: NAME.safetensors.
        network: The network's name; None: recognised by the tensors.
        origin: The code base, "owner/repository"; None: recognised by the tensors.
        part: The part of the file to take, if it holds several networks or several versions of one; None: the averaged
            weights, or the only ones. The message that asks for a choice names the parts.
        classes: A dataset's name, names with commas between, a text file with a name a line, a count, or a sequence of
            names. None: the names in the checkpoint, else Cityscapes' for 19 classes, else class_0, class_1, ... If
            their number differs from the
            checkpoint's, the head keeps its initial values.
        operating_scale: Factor by which frames are reduced for the network, above 0: 0.5 for STDC-Seg50, 0.75 for
            STDC-Seg75.

    Returns:
        What was taken, left out and left untrained.

    Raises:
        CheckpointError: The file is damaged or refused, or does not fit one network of one code base.
        NetworkError: There is no network of that name.
        OutputError: The weights cannot be written.
        UsageError: An argument does not fit, or `classes` is None for a checkpoint without classes.
    """
    checkpoint, out = Path(checkpoint), Path(out)
    if out.suffix != ".safetensors":
        raise UsageError(f"--out {out} must be named NAME.safetensors")
    if not 0 < operating_scale <= MAX_OPERATING_SCALE:
        raise UsageError(f"--operating-scale {operating_scale} must be above 0 and at most {MAX_OPERATING_SCALE}")
    labels = given_labels(classes)
    if same_file(out, checkpoint):
        raise UsageError(f"--out {out} is the checkpoint itself; choose another name")

    source = checkpoint.name
    content = read_checkpoint(checkpoint)
    conversion = recognise_checkpoint(tensors_in(content, checkpoint), source, network, origin, part)
    count = conversion.num_classes
    if count == 1 and (labels is None or len(labels.names) == 1):
        raise UsageError(
            f"{source} puts out one logit a pixel, for a threshold; a class map needs one a class: name two or more "
            "classes by --classes, then train the new last layer"
        )
    notes = part_notes(conversion)
    if labels is None:
        if count is None:
            raise UsageError(
                f"{source} is a backbone, which has no classes: name the new network's classes by --classes"
            )
        labels, note = own_labels(classes_in(content, count), count)
        notes += note
    elif count is not None and count != len(labels.names):
        notes += (f"the checkpoint has {count} classes and --classes {len(labels.names)}: its last layer is not taken",)
    built, card, untrained = build_converted(conversion, labels.names, labels.colours, operating_scale)
    tensors = built.state_dict()
    save_weights(out, tensors, card, precision="float32")
    return Converted(
        path=out,
        source=source,
        network=conversion.network,
        origin=conversion.origin.name,
        classes=labels.names,
        taken=len(tensors) - sum(untrained.values()),
        left_out=conversion.left_out,
        untrained=untrained,
        part=conversion.part,
        not_taken=conversion.not_taken,
        notes=notes,
    )


def part_notes(conversion: Conversion) -> tuple[str, ...]:
    """Return which part of a checkpoint was taken, where there is a choice."""
    if not conversion.part:
        return ()
    kind = "the averaged weights, " if conversion.averaged else ""
    note = f"taken: {kind}{conversion.part}"
    if conversion.remark:
        note += f" ({conversion.remark})"
    if conversion.not_taken:
        note += f"; not taken: {', '.join(conversion.not_taken)} (--part NAME takes another)"
    return (note,)


def own_labels(carried: NamedClasses | None, count: int) -> tuple[LabelSpace, tuple[str, ...]]:
    """Return a checkpoint's classes, and what is to be said of them.

    Args:
        carried: The names that the checkpoint carries.
        count: The number of classes of its network.
    """
    if carried is None:
        return likely_labels(count), ()
    if len(carried.names) != count:
        note = f"{carried.place} in the checkpoint names {len(carried.names)} classes and its last layer has {count}"
        return likely_labels(count), (f"{note}: those names are not taken; check the classes, or give --classes",)
    named_so = named(list(carried.names), carried.place)
    labels = LabelSpace(named_so.names, carried.colours or named_so.colours)
    return labels, (f"class names{' and colours' if carried.colours else ''} are those in the checkpoint's "
                    f"{carried.place}",)  # fmt: skip


def given_labels(classes: str | int | Sequence[str] | None) -> LabelSpace | None:
    """Return the classes that the caller gave, or None."""
    if classes is None:
        return None
    if isinstance(classes, str | int):
        return label_space(str(classes))
    return named(list(classes), ", ".join(classes))


def listed(tensors: Mapping[str, int]) -> str:
    """Return counted tensors as text."""
    return ", ".join(f"{name} ({count})" for name, count in tensors.items())
