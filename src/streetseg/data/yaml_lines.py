"""Write a class as a line of classes.yaml."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence

import yaml

from streetseg.runtime.overlay import Colour


def class_line(
    name: str,
    *,
    indices: Sequence[int] = (),
    colours: Iterable[Colour] = (),
    ignore: bool = False,
    others: bool = False,
    remark: str = "",
) -> str:
    """Return a class's line, for example "- {name: car, index: 7, colour: [0, 0, 142]}  # 12.2%".

    Args:
        name: Its name.
        indices: Its values in masks with one channel; none: its place in the list.
        colours: Its colours in masks with three channels.
        ignore: Its pixels do not count.
        others: It has every value and colour that no class has.
        remark: A comment after the class.
    """
    fields = [f"name: {scalar(name)}"]
    fields += [f"index: {indices[0] if len(indices) == 1 else list(indices)}"] if indices else []
    listed = [list(colour) for colour in colours]
    fields += [f"colour: {listed[0] if len(listed) == 1 else listed}"] if listed else []
    fields += ["ignore: true"] * ignore + ["others: true"] * others
    text = " ".join(remark.split())
    return f"- {{{', '.join(fields)}}}" + (f"  # {text}" if text else "")


def scalar(name: str) -> str:
    """Return a name as YAML has it in a flow mapping; in quotes if it would be read as something else."""
    plain = re.fullmatch(r"[^\W\d][\w /()-]*[\w)]|[^\W\d]", name) is not None
    if plain and yaml.safe_load(f"{{name: {name}}}") == {"name": name}:
        return name
    return json.dumps(name, ensure_ascii=False)
