"""The public names: each is there, and a reference can be made of its docstring."""

from __future__ import annotations

import ast
import inspect
import logging
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import griffe
import numpy as np
import pytest

import streetseg
from streetseg.results import Printable

SOURCE = Path(streetseg.__file__).parent
# How a first line begins that is no instruction.
NO_INSTRUCTION = {
    "a", "an", "the", "all", "any", "each", "every", "what", "whether", "how", "where", "when", "which", "who", "whose",
    "it", "its", "this", "that", "these", "those", "if", "one", "of", "in", "by",
}  # fmt: skip
QUESTIONS = {"what", "whether", "how", "where", "when", "which", "who", "whose"}
Documented = griffe.Function | griffe.Class | griffe.Attribute


def test_every_public_name_is_there() -> None:
    assert list(streetseg.__all__) == sorted(streetseg.__all__) == sorted(streetseg.HOMES)
    for name in streetseg.__all__:
        thing = getattr(streetseg, name)
        assert thing is getattr(streetseg, name)
        assert not inspect.ismodule(thing), name
        assert thing.__module__ == streetseg.HOMES[name], name
    assert set(streetseg.__all__) <= set(dir(streetseg))
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        getattr(streetseg, "nothing")  # noqa: B009


def test_a_result_shows_itself_in_one_short_line() -> None:
    """The line that a dataclass makes of all fields can be a whole page."""
    card = streetseg.ModelCard(
        network="network", training_data="training_data", classes=("road",) * 200, colours=((1, 2, 3),) * 200,
        mean=(0, 0, 0), std=(1, 1, 1), output_stride=8, size_multiple=8, align_corners=False, native_short_side=8,
    )  # fmt: skip
    assert repr(card) == "<ModelCard: network, 200 classes, trained on training_data>"
    image = streetseg.PredictedImage(
        Path("street" * 99), 200, 150, {"network": 1.0}, {f"class {index}": 0.01 for index in range(99)}, Path(), Path()
    )
    for result in (image, streetseg.Predictions((image,) * 99)):
        line = repr(result)
        assert line.startswith(f"{type(result).__name__}(image")
        assert len(line) < 500
    prepared = streetseg.Prepared(np.zeros((64, 96, 3), np.uint8), (60, 90), (64, 96))
    assert repr(prepared) == "Prepared(content_size=(60, 90), padded_size=(64, 96))"


def test_results_keep_their_short_line() -> None:
    things = [getattr(streetseg, name) for name in streetseg.__all__]
    results = [thing for thing in things if isinstance(thing, type) and issubclass(thing, Printable)]
    assert len(results) > 15
    assert not [thing.__name__ for thing in results if getattr(thing, "__dataclass_params__").repr]  # noqa: B009


@pytest.mark.parametrize("verb", ["bench", "bench_eager", "bench_training", "paper_tables"])
def test_one_name_is_not_taken_for_a_list_of_letters(verb: str) -> None:
    with pytest.raises(streetseg.StreetsegError, match="nothing"):
        getattr(streetseg, verb)("nothing")


def test_type_checkers_see_the_same_names() -> None:
    blocks = [node for node in ast.parse((SOURCE / "__init__.py").read_text()).body if isinstance(node, ast.If)]
    seen = {
        alias.asname or alias.name: node.module
        for block in blocks
        for node in block.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert seen == streetseg.HOMES


def test_a_name_that_needs_pytorch_says_how_to_install_it() -> None:
    code = "import sys; sys.modules['torch'] = None; import streetseg; streetseg.Segmenter; streetseg.train"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert run.stderr.splitlines()[-1].startswith(
        "streetseg.errors.MissingExtraError: streetseg.train needs PyTorch, which is not installed; install it with"
    )


@cache
def package() -> griffe.Module:
    """Return the package as a generator of references reads it."""
    loaded = griffe.load("streetseg", search_paths=[SOURCE.parent], docstring_parser="google", allow_inspection=False)
    assert isinstance(loaded, griffe.Module)
    return loaded


def public_object(name: str) -> Documented:
    """Return the object of a public name, or of a public name's member, such as Segmenter.open."""
    outer, _, member = name.partition(".")
    path = f"{streetseg.HOMES[outer]}.{outer}".removeprefix("streetseg.")
    found = package()[f"{path}.{member}" if member else path]
    assert isinstance(found, Documented), f"{name} is an alias"
    return found


def public_names() -> Iterator[str]:
    """Yield every public name, and the functions and properties that public classes define."""
    for name in streetseg.__all__:
        yield name
        thing = public_object(name)
        if isinstance(thing, griffe.Class):
            for member in thing.members.values():
                described = isinstance(member, griffe.Function) or "property" in member.labels
                if described and not member.name.startswith("_"):
                    yield f"{name}.{member.name}"


def sections(thing: Documented) -> dict[griffe.DocstringSectionKind, griffe.DocstringSection]:
    return {section.kind: section for section in thing.docstring.parsed} if thing.docstring else {}


def parameters(thing: griffe.Function) -> set[str]:
    return {parameter.name.lstrip("*") for parameter in thing.parameters} - {"self", "cls"}


def fields(thing: griffe.Class) -> set[str]:
    """Return the fields of a dataclass; none of another class."""
    if "dataclass" not in thing.labels:
        return set()
    annotated = [each for each in thing.members.values() if isinstance(each, griffe.Attribute) and each.annotation]
    return {
        each.name
        for each in annotated
        if not each.name.startswith("_") and "property" not in each.labels and "ClassVar" not in str(each.annotation)
    }


def described(thing: Documented, *kinds: griffe.DocstringSectionKind) -> set[str]:
    """Return the names that sections of these kinds describe."""
    there = sections(thing)
    return {item.name.lstrip("*") for kind in kinds if kind in there for item in there[kind].value}


def faults(thing: Documented) -> list[str]:
    """Return what a reference would lack."""
    if thing.docstring is None:
        return ["no docstring"]
    kind = griffe.DocstringSectionKind
    lacks = []
    first = thing.docstring.value.strip().splitlines()[0]
    word = (re.match(r"\w+", first) or [""])[0].lower()
    if not first.endswith((".", ":", "!")):
        lacks.append(f"first line is no sentence: {first!r}")
    if isinstance(thing, griffe.Function):
        if word in NO_INSTRUCTION or (word.endswith("s") and not word.endswith("ss")):
            lacks.append(f"first line is no instruction: {first!r}")
        if parameters(thing) != described(thing, kind.parameters, kind.other_parameters):
            lacks.append(f"Args: {sorted(parameters(thing) ^ described(thing, kind.parameters))}")
        returns = str(thing.returns or "None")
        if returns not in ("None", "NoReturn") and not {kind.returns, kind.yields} & sections(thing).keys():
            lacks.append("Returns")
        if raises(thing) and kind.raises not in sections(thing):
            lacks.append("Raises")
    elif word in QUESTIONS:
        lacks.append(f"first line is a question: {first!r}")
    if isinstance(thing, griffe.Class) and fields(thing) - described(thing, kind.parameters, kind.attributes):
        documented = described(thing, kind.parameters, kind.attributes)
        commented = {each for each in fields(thing) if thing.members[each].docstring}
        if left := fields(thing) - documented - commented:
            lacks.append(f"Attributes: {sorted(left)}")
    return lacks


def raises(thing: griffe.Function) -> bool:
    """Return True if a function raises an error of ours itself, not by a function that it calls."""
    tree = ast.parse(inspect.cleandoc("\n" + thing.source) if thing.source[:1] != " " else f"if 1:\n{thing.source}")
    return any(isinstance(node, ast.Raise) and node.exc is not None for node in ast.walk(tree))


def test_a_reference_can_be_made(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, logger="griffe"):
        lacking = {name: faults(public_object(name)) for name in public_names()}
    assert not {name: lacks for name, lacks in lacking.items() if lacks}
    assert [record.getMessage() for record in caplog.records] == []


GOOD = '''
def segment(frame: object, size: int) -> int:
    """Return the class map of a frame.

    Args:
        frame: H x W x 3 uint8.
        size: In pixels.

    Returns:
        Indices.

    Raises:
        ValueError: The size is 0.
    """
    if not size:
        raise ValueError(size)
    return size
'''


@pytest.mark.parametrize(
    ("text", "wrong", "lack"),
    [
        ("Return the class map", "The class map", "instruction"),
        ("Return the class map", "Returns the class map", "instruction"),
        ("        size: In pixels.\n", "", "Args: ['size']"),
        ("    Returns:\n        Indices.\n", "", "Returns"),
        ("    Raises:\n        ValueError: The size is 0.\n", "", "Raises"),
        ("        size: In pixels.\n", "        width: In pixels.\n", "does not appear in the function signature"),
    ],
)
def test_what_a_docstring_lacks_is_seen(
    text: str, wrong: str, lack: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def judge(code: str) -> list[str]:
        (tmp_path / "streets.py").write_text(code)
        function = griffe.load("streets", search_paths=[tmp_path], docstring_parser="google")["segment"]
        assert isinstance(function, griffe.Function)
        with caplog.at_level(logging.WARNING, logger="griffe"):
            return [*faults(function), *(record.getMessage() for record in caplog.records)]

    assert judge(GOOD) == []
    assert text in GOOD
    assert lack in " ".join(judge(GOOD.replace(text, wrong)))
