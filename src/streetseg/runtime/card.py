"""The model card, which travels with the weights, so that nobody types its values again.

`ModelCard` is the schema in card.schema.json, which is published; its version counts its changes. `artefact.py`
reads a card from a file.
"""

from __future__ import annotations

import dataclasses
import json
import typing
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from streetseg.errors import ArtefactError
from streetseg.results import JSON, Facts, Printable, text_list
from streetseg.runtime.card_values import fits, freeze, without
from streetseg.runtime.documents import parse_json
from streetseg.runtime.interface import USUAL, Interface
from streetseg.runtime.provenance import (
    Ancestor,
    data_of_all,
    limits_of_all,
    own_data,
    own_limits,
    own_terms,
    package_version,
    terms_of_all,
    today,
)

CARD_VERSION = 2
INTERFACE_VERSION = 3  # of cards with an interface, whose artefacts earlier versions of the package would misread
# Fields that cards of version 1 lack.
SINCE_VERSION_2 = ("title", "date", "ancestors")
ACCURACY_SINCE_VERSION_2 = ("left_out_share", "date", "package_version")
MAX_OPERATING_SCALE = 4  # beyond it a frame is only blur, and a wrong card would ask for gigabytes
MAX_STRIDE, MAX_SIZE_MULTIPLE, MAX_SHORT_SIDE = 64, 1024, 2**16  # pixels; no network or camera comes near them
LARGEST_CHANNEL, LONGEST_NAME = 1e6, 200  # of mean and standard deviation; of network and classes, in characters


@dataclass(frozen=True)
class Accuracy:
    """A measured accuracy.

    Attributes:
        measured_on: Dataset, split and number of frames, and what the weights were trained on.
        weights: Content hash of the evaluated artefact. For a left-out sequence it is another artefact's.
        engine: The engine with its precision.
        miou: Mean IoU over the classes that occur, 0 to 1.
        iou: IoU by class name, 0 to 1; None where the class does not occur.
        command: The command that measured it.
        left_out_share: Share of the labelled pixels, 0 to 1, whose class the weights do not know, so that they do not
            count; None if unknown.
        date: Day of the measurement in UTC, YYYY-MM-DD; "" if unknown.
        package_version: The version of this package that measured it; "" if unknown.
    """

    measured_on: str
    weights: str
    engine: str
    miou: float
    iou: dict[str, float | None]
    command: str
    left_out_share: float | None = None
    date: str = ""
    package_version: str = ""

    @classmethod
    def of(cls, facts: Mapping[str, Any]) -> Accuracy:
        """Make an entry from an evaluation's facts.

        Args:
            facts: What `evaluate --json` prints; other keys are ignored.

        Returns:
            The entry.

        Raises:
            KeyError: If the facts lack a field.
            ValueError: If a value cannot stand on a card.
        """
        later = {name: facts[name] for name in ACCURACY_SINCE_VERSION_2 if name in facts}
        needed = (field.name for field in dataclasses.fields(cls) if field.name not in ACCURACY_SINCE_VERSION_2)
        entry = cls(**{name: facts[name] for name in needed} | later)
        for name, kind in typing.get_type_hints(cls).items():
            if not fits(getattr(entry, name), kind):
                raise ValueError(f"{name} is not of its type")
        if beyond := [value for value in entry.figures() if not 0 <= value <= 1]:
            raise ValueError(f"an accuracy of {beyond[0]}, allowed are 0 to 1")
        return entry

    def in_words(self) -> str:
        """Return the entry in one line."""
        when = f", {self.date}" if self.date else ""
        return f"mIoU {100 * self.miou:.2f} % on {self.measured_on} ({self.engine}{when})"

    def figures(self) -> list[float]:
        """Return the mIoU, the IoUs of the classes that occur and the share of pixels left out, 0 to 1."""
        return [value for value in (self.miou, *self.iou.values(), self.left_out_share) if value is not None]


@dataclass(frozen=True, repr=False)
class ModelCard(Printable):
    """The card of an artefact: everything that a user of the weights must know.

    Attributes:
        network: The network's name.
        classes: Class names in the order of their indices, 1 to 255 of them.
        colours: RGB of the classes, 0 to 255.
        mean: Mean of the input's channels, in units of `value_range`.
        std: Standard deviation of the input's channels, in units of `value_range`.
        output_stride: Input pixels per logit. The logits' height is the input's over it, rounded up; so is their width.
        size_multiple: Pixels. Height and width of the network's input are multiples of it.
        align_corners: The convention by which logits are upsampled.
        native_short_side: Pixels. Frames with a longer short side are reduced to it; others keep their size.
        operating_scale: Factor of a frame's height and width before the network: 1, 0.75 or 0.5 as in the papers.
            Above 1, small frames are enlarged, which shows the network thin things that its stride would swallow.
        ignore: Index of pixels without a label, from the number of classes to 255.
        channel_order: "RGB".
        value_range: The input's lowest and highest value, (0, 255).
        logits_layout: "h x w x C"; "C x h x w" with such an interface.
        logits_dtype: "float32".
        precision: Precision of the stored weights.
        training_data: What the weights were trained on, and what the weights that they started from were.
        terms: The terms of use of all this data.
        recipe: The recipe's fields by name.
        seed: The training's seed.
        package_version: The version of this package that made the file.
        accuracy: The measured accuracies.
        limits: What the weights, and those that they started from, cannot do, one sentence each.
        content_hash: SHA-256 over graph and weights, without the metadata.
        network_arguments: Arguments that build the network if it differs from its paper's form.
        training_time: Duration and machine of the training; "" if unknown.
        title: The file's name without its suffix when it was written; "" on cards of version 1.
        date: Day in UTC on which the file was written, YYYY-MM-DD; "" on cards of version 1.
        ancestors: The weights that the training started from, the nearest first; empty if there are none, or if the
            file was made of one with a card of version 1, which does not say.
        temperature: What logits are divided by before a softmax to make confidence match accuracy; None: not measured.
        interface: What the artefact takes and gives, if it is not the usual form; None: uint8 frames, logits.
        card_version: The version of the schema.
    """

    network: str
    classes: tuple[str, ...]
    colours: tuple[tuple[int, int, int], ...]
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    output_stride: int
    size_multiple: int
    align_corners: bool
    native_short_side: int
    operating_scale: float = 1.0
    ignore: int = 255
    channel_order: str = "RGB"
    value_range: tuple[int, int] = (0, 255)
    logits_layout: str = "h x w x C"
    logits_dtype: str = "float32"
    precision: str = "float32"
    training_data: str = ""
    terms: str = ""
    recipe: dict[str, Any] = field(default_factory=dict)
    seed: int = 0
    package_version: str = ""
    accuracy: tuple[Accuracy, ...] = ()
    limits: tuple[str, ...] = ()
    content_hash: str = ""
    network_arguments: dict[str, Any] = field(default_factory=dict)
    training_time: str = ""
    title: str = ""
    date: str = ""
    ancestors: tuple[Ancestor, ...] = ()
    temperature: float | None = None
    interface: Interface | None = None
    card_version: int = CARD_VERSION

    @property
    def form(self) -> Interface:
        """Return what the artefact takes and gives."""
        return self.interface or USUAL

    def with_interface(self, interface: Interface) -> ModelCard:
        """Return the card of an artefact that takes and gives something else.

        Args:
            interface: What it takes and gives.

        Returns:
            The card; of the usual form, without an interface.
        """
        usual = interface == USUAL
        return dataclasses.replace(
            self,
            interface=None if usual else interface,
            logits_layout="h x w x C" if interface.layout == "nhwc" else "C x h x w",
            card_version=CARD_VERSION if usual else INTERFACE_VERSION,
        )

    def started_from(self, ancestors: Iterable[Ancestor]) -> ModelCard:
        """Return the card of weights whose training started from others.

        Args:
            ancestors: The weights before, the nearest first, as `as_ancestors` of their card gives them.

        Returns:
            A card whose data, terms and limits also state the ancestors'; this one if there are none.
        """
        ancestors = tuple(ancestors)
        if not ancestors:
            return self
        return dataclasses.replace(
            self,
            training_data=data_of_all(self.training_data, ancestors),
            terms=terms_of_all(self.terms, ancestors),
            limits=limits_of_all(self.limits, ancestors),
            ancestors=ancestors,
            card_version=CARD_VERSION,
        )

    def as_ancestors(self) -> tuple[Ancestor, ...]:
        """Return what the card of weights that start from these says of its ancestors.

        Returns:
            These weights, then their own ancestors.
        """
        this = Ancestor(
            network=self.network,
            training_data=own_data(self.training_data),
            terms=own_terms(self.terms),
            limits=own_limits(self.limits),
            recipe=self.recipe,
            content_hash=self.content_hash,
        )
        return (this, *self.ancestors)

    def written(self, title: str = "") -> ModelCard:
        """Return the card for a file that is written now.

        Args:
            title: The file's name without its suffix; "" keeps the card's.

        Returns:
            The card with title, date and this package's version, in the schema's current version.
        """
        return dataclasses.replace(
            self,
            title=title.encode(errors="replace").decode() or self.title,
            date=today(),
            package_version=package_version(),
            card_version=CARD_VERSION if self.interface is None else INTERFACE_VERSION,
        )

    def __repr__(self) -> str:
        """Return network, number of classes and training data in one line; `table` and `to_json` have all."""
        trained = f", trained on {self.training_data}" if self.training_data else ""
        return f"<ModelCard: {self.network}, {len(self.classes)} classes{trained}>"

    def to_json(self) -> str:
        """Return the card as one JSON object with the schema's keys.

        Characters of a file's name that are not valid text become "?".

        Returns:
            The text.
        """
        return json.dumps(self.facts(), ensure_ascii=False).encode(errors="replace").decode()

    def facts(self) -> Facts:
        """Return the card as JSON's types.

        Returns:
            The schema's keys; without those of version 2 on a card of version 1, and without a temperature or an
            interface if there is none.
        """
        facts: dict[str, JSON] = dataclasses.asdict(self)
        if self.interface is None:
            facts = without(facts, ("interface",))
        if self.card_version == 1:
            accuracy = [without(dataclasses.asdict(entry), ACCURACY_SINCE_VERSION_2) for entry in self.accuracy]
            facts = without(facts, SINCE_VERSION_2) | {"accuracy": accuracy}
        return without(facts, () if self.temperature is not None else ("temperature",))

    def table(self) -> str:
        """Return the card for a terminal.

        Returns:
            What a user must know of the weights, then a block with the terms and limits of each of their ancestors.
        """
        written = f"{self.date or 'on an unknown day'}, by streetseg {self.package_version or 'of unknown version'}"
        first = {
            "title": self.title or "none",
            "network": f"{self.network}, {self.precision}",
            "classes": ", ".join(self.classes),
            "trained on": self.training_data or "unknown",
            "terms": own_terms(self.terms) or "unknown",
            **{f"limit {number}": limit for number, limit in enumerate(own_limits(self.limits), 1)},
            "recipe": str(self.recipe.get("name", "none")),
            "written": written,
            "content hash": self.content_hash,
            **{f"accuracy {number}": entry.in_words() for number, entry in enumerate(self.accuracy, 1)},
        }
        blocks = [first]
        for one in self.ancestors:
            blocks.append(
                {
                    "started from": f"{one.network}, content hash {one.content_hash or 'unknown'}",
                    "trained on": one.training_data or "unknown",
                    "terms": one.terms or "unknown",
                    **{f"limit {number}": limit for number, limit in enumerate(one.limits, 1)},
                    "recipe": str(one.recipe.get("name", "none")),
                }
            )
        eldest = self.ancestors[-1].recipe if self.ancestors else self.recipe
        if eldest.get("init"):
            blocks.append({"started from": f"{eldest['init']}, of which this card does not say more"})
        return "\n\n".join(map(text_list, blocks))

    @classmethod
    def from_json(cls, text: str, source: str) -> ModelCard:
        """Read a card from its JSON text.

        Args:
            text: What `to_json` returned, of this or an earlier version.
            source: The file's name for the error.

        Returns:
            The card.

        Raises:
            ArtefactError: If the text is not a card, contradicts itself, or has a newer version.
        """
        try:
            values = parse_json(text)
            version = values.get("card_version")
            if not isinstance(version, int) or not 1 <= version <= INTERFACE_VERSION:
                raise ArtefactError(
                    f"{source} has a card of version {version}; this streetseg reads 1 to {INTERFACE_VERSION}: upgrade "
                    "streetseg, or get the file again"
                )
            known = {f.name for f in dataclasses.fields(cls)}
            known -= set(SINCE_VERSION_2) if version == 1 else set()
            known -= {"interface"} if version < INTERFACE_VERSION else set()
            values = {key: freeze(value) for key, value in values.items() if key in known}
            values["ancestors"] = tuple(Ancestor.of(entry) for entry in values.get("ancestors", ()))
            if values.get("interface") is not None:
                values["interface"] = Interface(**{key: freeze(one) for key, one in values["interface"].items()})
            values["accuracy"] = tuple(
                Accuracy(**{**entry, "iou": dict(entry["iou"])}) for entry in values.get("accuracy", ())
            )
            card = cls(**values)
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
            raise ArtefactError(f"{source} has a card that cannot be read ({error}); get the file again") from None
        card.check(source)
        return card

    def check(self, source: str) -> None:
        """Check the card.

        Args:
            source: The file's name for the error.

        Raises:
            ArtefactError: If a value is not of its field's type, or the card contradicts itself.
        """
        for name, kind in typing.get_type_hints(type(self)).items():
            if not fits(getattr(self, name), kind):
                raise ArtefactError(f"{source} has a card whose {name} is not of its type; get the file again")
        classes = len(self.classes)
        measured = [value for entry in self.accuracy for value in entry.figures()]
        faults = [
            (classes != len(self.colours), f"{classes} classes but {len(self.colours)} colours"),
            (not 1 <= classes <= 255, f"{classes} classes, allowed are 1 to 255"),
            (classes != len(set(self.classes)), "two classes of one name"),
            (not all(0 <= value <= 255 for colour in self.colours for value in colour), "a colour beyond 0 to 255"),
            (not classes <= self.ignore <= 255, f"ignore index {self.ignore} beside {classes} classes"),
            (max(map(len, (self.network, *self.classes))) > LONGEST_NAME, "a name that is too long"),
            (min(self.std) <= 0, f"standard deviations {self.std}"),
            (max(map(abs, (*self.mean, *self.std))) > LARGEST_CHANNEL, f"mean {self.mean} and deviations {self.std}"),
            (not 1 <= self.output_stride <= MAX_STRIDE, f"output stride {self.output_stride}"),
            (
                not max(1, self.output_stride) <= self.size_multiple <= MAX_SIZE_MULTIPLE,
                f"size multiple {self.size_multiple} at output stride {self.output_stride}",
            ),
            (not 0 < self.operating_scale <= MAX_OPERATING_SCALE, f"operating scale {self.operating_scale}"),
            (self.temperature is not None and not 0.01 <= self.temperature <= 100, f"temperature {self.temperature}"),
            (not 1 <= self.native_short_side <= MAX_SHORT_SIDE, f"native short side {self.native_short_side}"),
            (self.channel_order != "RGB" or self.value_range != (0, 255), "an input other than RGB, 0 to 255"),
            (
                self.logits_layout != ("h x w x C" if self.form.layout == "nhwc" else "C x h x w")
                or self.logits_dtype != "float32",
                f"logits {self.logits_layout} of type {self.logits_dtype}",
            ),
            (not all(0 <= value <= 1 for value in measured), "an accuracy beyond 0 to 1"),
        ]
        faults += [(True, what) for what in self.form.faults(max(1, self.size_multiple))]
        for wrong, what in faults:
            if wrong:
                raise ArtefactError(f"{source} has a card with {what}; get the file again")
