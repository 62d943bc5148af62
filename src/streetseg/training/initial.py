"""Initialise a network from other weights, as far as they fit."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load
from torch import Tensor, nn

from streetseg.data.class_names import described, match_classes
from streetseg.data.pairs import readable
from streetseg.errors import ArtefactError, StreetsegError, TrainingError, UsageError
from streetseg.runtime.artefact import (
    CLASSIFIER_KEY,
    read_bytes,
    read_card,
    safetensors_content_hash,
    safetensors_parts,
)
from streetseg.runtime.files import make_folder
from streetseg.runtime.provenance import UNKNOWN_TERMS, Ancestor
from streetseg.runtime.shelf.shelf import known_weights


@dataclass(frozen=True)
class Start:
    """What a run started from.

    Attributes:
        line: Names the weights' network, and the modules and classes that keep their initial values.
        ancestors: The weights, then those that they started from themselves, for the card.
    """

    line: str
    ancestors: tuple[Ancestor, ...]


def initialise(
    network: nn.Module,
    wider: nn.Module,
    name: str,
    classes: tuple[str, ...],
    path: Path,
    mapping: Mapping[str, str] | None = None,
) -> Start:
    """Load the weights in a file into a network.

    Of tensors whose rows are classes, it takes the rows of the classes that the weights know by `match_classes`.

    Args:
        network: The network to start.
        wider: The same network for one class more: tensors of another shape have classes as rows.
        name: The network's name.
        classes: The network's classes.
        path: NAME.safetensors.
        mapping: Class of the network -> class of the weights that gives its row; "" for none. Others are matched by
            name, spelling and synonym.

    Returns:
        What the network started from.

    Raises:
        TrainingError: The file does not exist, or holds weights of another network, or of another form of this one.
        ArtefactError: The file is damaged.
        UsageError: `mapping` names a class that does not exist.
    """
    if not path.exists():
        raise TrainingError(
            f"{path}, which the recipe starts from, does not exist; name other weights (--init FILE), or "
            "start from nothing with --set init="
        )
    content = read_bytes(path)
    classifier = classifier_text(content, path)
    known: tuple[str, ...] = ()
    if classifier:
        facts, theirs = open_classifier(content, classifier, path)
        origin, ancestors = facts["network"], classifier_ancestors(facts)
    else:
        card = read_card(path)
        origin, known, theirs, ancestors = card.network, card.classes, load(content), card.as_ancestors()
    ours = network.state_dict()
    per_class = {key for key, tensor in wider.state_dict().items() if tensor.shape != ours[key].shape}
    common = theirs.keys() & ours.keys()
    # Where rows are classes, their number may differ.
    misshapen = {key for key in common if theirs[key].shape[key in per_class :] != ours[key].shape[key in per_class :]}
    fitting = common - per_class - misshapen
    if origin != name and not (classifier and 2 * len(fitting) > len(theirs)):
        raise TrainingError(
            f"{path} holds weights of {origin}, and the recipe trains {name}; start from weights of {name} (init), or "
            f"train {origin} (network)"
        )
    if misshapen and not classifier:
        first = min(misshapen)
        raise TrainingError(
            f"{path} holds another form of {name}: {len(misshapen)} tensors are of another shape ({first} "
            f"{tuple(theirs[first].shape)} for {tuple(ours[first].shape)}); give the recipe its "
            "network_arguments, or other weights"
        )
    for key in fitting:
        ours[key].copy_(theirs[key])
    matching = match_classes(classes, known, mapping)
    rows = {row: their_row for row, their_row in enumerate(matching.indices()) if their_row is not None}
    for key in theirs.keys() & per_class if rows else ():
        ours[key][list(rows)] = theirs[key][list(rows.values())].to(ours[key])

    fresh = sorted({key.split(".")[0] for key in ours.keys() - theirs.keys()})
    fresh += [f"class {name}" for name in matching.left_out]
    other_names = described(matching.matches)
    line = f"{path}: starting from {origin}; " + (f"classes = of the weights: {other_names}; " if other_names else "")
    line += f"at their initialisation: {', '.join(fresh) or 'none'}"
    return Start(line, ancestors)


def unfolded_weights(init: str) -> str:
    """Return the file of the weights to start from: of a name of weights, the unfolded file.

    Shipped artefacts have their norms folded. Of the weights in a checkout, the unfolded file stands beside them. Of
    the package's, it is made from the artefact and its norms, and kept in the cache.

    Args:
        init: A file, a name of weights, or "".

    Returns:
        The file; what is neither a file nor a name, unchanged.

    Raises:
        TrainingError: There are no unfolded weights of that name here.
        OutputError: The cache cannot be written to.
    """
    weights = known_weights().get(init)
    if weights is None or Path(init).exists():
        return init
    if (here := weights.unfolded()) is not None:
        return str(here)
    norms, artefact = weights.norms(), weights.path()
    if norms is None or artefact is None:
        startable = ", ".join(name for name, one in known_weights().items() if one.unfolded() or one.norms())
        raise TrainingError(
            f"the weights {init} cannot be trained on here: "
            + ("they are int8" if init.endswith("int8") else "their unfolded file is not on this machine")
            + f"; there are: {startable}; or give NAME.safetensors"
        )
    from streetseg.export.unfold import unfold  # it needs onnx

    made = weights.cached().with_suffix(".safetensors")
    if not made.is_file():
        make_folder(made.parent)
        unfold(artefact, norms, made)
    return str(made)


def check_mapping(mapping: Mapping[str, str], classes: tuple[str, ...], init: str) -> None:
    """Raise UsageError if a mapping of classes does not fit the classes or the weights to start from."""
    if not init:
        raise UsageError("--map needs weights to start from; add --init FILE, or leave --map out")
    path = Path(init)
    if path.exists() and not classifier_text(read_bytes(path), path):
        match_classes(classes, read_card(path).classes, mapping)


def ancestors_in(path: Path, network: str) -> tuple[Ancestor, ...]:
    """Return the weights in a file, then those that they started from.

    For runs whose checkpoint does not say what they started from.

    Args:
        path: NAME.safetensors.
        network: The network's name, for weights that can no longer be read; then the ancestor says that all else is
            unknown.
    """
    try:
        content = read_bytes(path)
        if classifier := classifier_text(content, path):
            return classifier_ancestors(open_classifier(content, classifier, path)[0])
        return read_card(path).as_ancestors()
    except StreetsegError:
        unknown = f"unknown (the run started from {readable(path.name)}, which can no longer be read)"
        return (Ancestor(network, unknown, UNKNOWN_TERMS),)


def classifier_text(content: bytes, path: Path) -> str | None:
    """Return the JSON in the header of a trained backbone; None for other weights."""
    text: str | None = safetensors_parts(content, path)[0].get("__metadata__", {}).get(CLASSIFIER_KEY)
    return text


def classifier_ancestors(facts: dict[str, Any]) -> tuple[Ancestor, ...]:
    """Return a trained backbone, then what it started from; TypeError or AttributeError if the facts are damaged."""
    this = Ancestor(
        network=str(facts["network"]),
        training_data=str(facts.get("training_data", "unknown")),
        terms=str(facts.get("terms", UNKNOWN_TERMS)),
        recipe=dict(facts.get("recipe", {})),
        content_hash=str(facts.get("content_hash") or ""),
    )
    return (this, *(Ancestor.of(one) for one in facts.get("ancestors", ())))


def open_classifier(content: bytes, facts: str, path: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Return the facts and the tensors of a trained backbone; ArtefactError if the file is damaged.

    Args:
        content: The file.
        facts: The JSON in its header.
        path: Its path, for messages.
    """
    try:
        known: dict[str, Any] = json.loads(facts)
        digest = known.get("content_hash")  # those of 0.1.0's first runs have no hash
        classifier_ancestors(known)
        tensors = load(content)
    except (ValueError, KeyError, TypeError, AttributeError, SafetensorError) as error:
        raise ArtefactError(f"{path} is a damaged backbone ({error}); get the file again") from None
    if digest is not None and digest != safetensors_content_hash(content, path):
        raise ArtefactError(f"{path} is a damaged backbone: its content does not fit its hash; get the file again")
    return known, tensors
