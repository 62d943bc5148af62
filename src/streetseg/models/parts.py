"""Find the networks in a checkpoint: where they stand, and which of them are averages of others.

Code bases wrap a network's tensors in dictionaries and modules of many names. Here all of these are one thing: the
beginning of a dotted path. The landmarks of known code bases say where a network's own names begin.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from streetseg.models.origins.origin import Origin

# Words for averaged weights, which are what code bases evaluate, and words that turn their meaning.
AVERAGED = {
    "ema", "emas", "average", "averaged", "averages", "averaging", "avg", "swa", "teacher", "shadow", "polyak",
    "emamodel", "modelema", "netema", "emanet", "swamodel", "modelswa", "ewma", "smoothed",
}  # fmt: skip
NOT_AVERAGED = {"non", "no", "not", "without", "before", "raw", "current", "online", "student"}
WRAPPER = "module"  # the name under which DataParallel and its like hold a network, or one part of it
BUFFERS = ("running_mean", "running_var", "num_batches_tracked")
FEWEST = 5  # tensors that could be a network's average

# Tensors beside or inside a network that are not weights of it: losses, metrics, normalisation, counters.
NO_WEIGHTS = re.compile(
    r"(?:^|[._])(?:loss(?:es)?|loss_(?:fn|func|function)|criteri(?:on|a|ons)|metrics?|confmat|confusion_matrix|miou|iou"
    r"|class_weights?|cls_weights?|weight_ce|data_preprocessor|normali[sz]er?|pixel_(?:mean|std)|total_ops"
    r"|total_params|ohem)(?:$|[._])|^(?:mean|std)$|(?:Loss|Criterion)(?:$|\.)",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Part:
    """The tensors of one network in a checkpoint.

    Attributes:
        prefix: What stands before the network's own names, with the dot at its end; empty if nothing does.
        tensors: Tensors by the network's own names.
        origins: The code bases whose landmarks are here.
        remark: How an average was completed, for the output; empty if it was whole.
    """

    prefix: str
    tensors: Mapping[str, Tensor]
    origins: tuple[Origin, ...]
    remark: str = ""

    @property
    def name(self) -> str:
        """The part's name for the user."""
        return self.prefix.rstrip(".") or "the rest"

    @property
    def averaged(self) -> bool:
        """True if its name says that it holds averaged weights."""
        return is_averaged(self.prefix)

    def is_called(self, given: str) -> bool:
        """Return True if a user's text names this part: by its whole path, its beginning, its end or its middle."""
        return f".{given.strip('.')}." in f".{self.name}."


def is_averaged(prefix: str) -> bool:
    """Return True if a path says that averaged weights are below it."""
    return any(is_averaged_word(part) for part in prefix.split("."))


def is_averaged_word(part: str) -> bool:
    words = set(re.sub(r"([a-z])([A-Z])", r"\1 \2", part).replace("_", " ").replace("-", " ").lower().split())
    return bool(words & AVERAGED) and not words & NOT_AVERAGED


def places(names: Iterable[str], origins: Sequence[Origin]) -> dict[str, tuple[Origin, ...]]:
    """Return where networks may stand, the outer before the inner: prefix -> the origins with a landmark there."""
    owners: dict[str, list[Origin]] = {}
    for origin in origins:
        for landmark in origin.landmarks:
            owners.setdefault(f".{landmark}", []).append(origin)
    # Of two landmarks of which one ends with the other, the longer counts: a backbone's are in its network's.
    landmarks = sorted(owners, key=len, reverse=True)
    found: dict[str, dict[int, Origin]] = {}
    for name in names:
        dotted = f".{name}"
        for landmark in landmarks:
            if dotted.endswith(landmark):
                place = found.setdefault(name[: len(dotted) - len(landmark)], {})
                place.update({id(origin): origin for origin in owners[landmark]})
                break
    return {prefix: tuple(found[prefix].values()) for prefix in sorted(found, key=len)}


def below(theirs: Mapping[str, Tensor], prefix: str, without: Iterable[str] = ()) -> dict[str, Tensor]:
    """Return the tensors under a prefix by the rest of their names, without those under longer prefixes."""
    inner = tuple(without)
    return {
        name[len(prefix) :]: tensor
        for name, tensor in theirs.items()
        if name.startswith(prefix) and not (inner and name.startswith(inner))
    }


def without_wrappers(theirs: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
    """Return the tensors without "module" in their names, if not all of them have it in the same place.

    They stay as they are if two of the names would be the same.
    """
    # What stands up to the last "module"; nothing where there is none.
    before = {"".join(f".{name}".rpartition(f".{WRAPPER}.")[:2]) for name, one in theirs.items() if one.numel() > 1}
    if len(before) < 2:
        return theirs
    freed = {".".join(word for word in name.split(".") if word != WRAPPER): one for name, one in theirs.items()}
    return freed if len(freed) == len(theirs) else theirs


def beside(names: Iterable[str], part: Part, all_parts: Iterable[Part]) -> list[str]:
    """Return the names that stand beside a part and in no other one, without what is before both.

    Only the nearest dictionary or module is looked at; what is farther away, such as an epoch's, is not the network's.
    """
    if not part.prefix:
        return []
    base = part.prefix[: part.prefix.rstrip(".").rfind(".") + 1]
    taken = tuple(one.prefix for one in all_parts if one.prefix) or ("\0",)
    return [
        name[len(base) :]
        for name in names
        if name.startswith(base) and not name.startswith(taken) and not is_averaged(name[len(base) :])
    ]


def unnamed_averages(theirs: Mapping[str, Tensor], parts: Sequence[Part]) -> tuple[list[Part], list[str]]:
    """Read averages that hold parameters only, or under no names of the network's.

    Many trainings keep an average of the parameters alone, as a list or under names without dots. The rest is then
    that of the last step's weights, which are in the file too.

    Args:
        theirs: All tensors of the checkpoint.
        parts: The networks that were found whole.

    Returns:
        The averages, completed, and the names of those that fit no network.
    """
    groups: dict[str, dict[str, Tensor]] = {}
    taken = tuple(part.prefix for part in parts if part.prefix)
    for name, tensor in theirs.items():
        words = name.split(".")
        depth = next((i for i, word in enumerate(words[:-1]) if is_averaged_word(word)), None)
        if depth is None or not tensor.ndim or (taken and name.startswith(taken)):
            continue
        root = ".".join(words[: depth + 1]) + "."
        if not any(part.prefix == "" and name in part.tensors for part in parts):
            groups.setdefault(root, {})[name.removeprefix(root)] = tensor
    completed, unread = [], []
    for root, group in groups.items():
        if len(group) < FEWEST:
            continue
        for part in parts:
            averaged = fitted(group, part.tensors)
            if averaged is not None and not part.averaged:
                remark = f"it holds parameters only; the norms' statistics are those of {part.name}"
                completed.append(Part(root, {**part.tensors, **averaged}, part.origins, remark))
                break
        else:
            unread.append(root.rstrip("."))
    return completed, unread


def fitted(group: Mapping[str, Tensor], network: Mapping[str, Tensor]) -> dict[str, Tensor] | None:
    """Return a group's tensors under a network's names; None if they are not all of its parameters."""
    own = {name: tensor for name, tensor in network.items() if not name.endswith(BUFFERS)}
    once = {(tensor.data_ptr(), tuple(tensor.shape)): name for name, tensor in reversed(own.items())}
    for names in (list(own), [name for name in own if name in once.values()]):
        if not names:
            continue
        first = next((key for key in group if f".{key}".endswith(f".{names[0]}")), "")
        extra = first[: len(first) - len(names[0])]
        plain = {name: group.get(extra + name) for name in names}
        undotted = {name: group.get(extra + name.replace(".", "")) for name in names}
        numbered = dict(zip(names, group.values(), strict=False)) if len(group) == len(names) else {}
        for read in (plain, undotted, numbered):
            found = {name: tensor for name, tensor in read.items() if tensor is not None}
            if len(found) == len(names) and all(found[name].shape == own[name].shape for name in names):
                return found
    return None


def without_copies(parts: Sequence[Part]) -> list[Part]:
    """Return the parts without those whose tensors all equal those of an earlier one."""
    kept: list[Part] = []
    for part in parts:
        if not any(alike(part.tensors, other.tensors) for other in kept):
            kept.append(part)
    return kept


def alike(one: Mapping[str, Tensor], other: Mapping[str, Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(tensor, other[name]) for name, tensor in one.items())
