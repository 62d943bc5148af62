"""The walls of the house: who may know whom, and how large a room's files get."""

from __future__ import annotations

import ast
import subprocess
import sys
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import streetseg

SOURCE = Path(streetseg.__file__).parent
FLOORS = {
    "errors": 0, "progress": 0, "results": 0, "figures": 0,
    "runtime": 1, "page": 1,
    "models": 2, "data": 2,
    "measure": 3, "export": 3, "streets": 3,
    "training": 4,
    "bench": 5, "papers": 5, "bulk": 5, "serve": 5,
    "cli": 6,
}  # fmt: skip
# Two rooms of one floor of which the first may know the second, and why.
ALLOWED = {
    ("export", "measure"): "accuracy control",
    ("export", "streets"): "frames to verify on",
    ("bench", "bulk"): "the speed of whole runs",
    ("papers", "bench"): "the speed of a table's networks",
    ("figures", "errors"): "a figure without matplotlib",
}
# Rooms, or files of them, that run without PyTorch, and what they therefore never know.
NO_TORCH = ["runtime", "page", "data", "streets", "measure", "serve", "bench/frames.py", "bench/machine.py",
            "bench/first_frame.py", "bench/timing.py", "bench/speed.py", "bench/plot.py",
            "errors.py", "progress.py", "results.py", "figures.py"]  # fmt: skip
MAY_TORCH = {"runtime/engines/torch.py"}
WITH_TORCH = ("streetseg.training", "streetseg.models", "streetseg.export")
# `models` knows PyTorch, itself and floor 0. Its files that read and write weights also know these.
WEIGHTS_FILES = {"models/conversion.py", "models/weights.py", "models/checkpoint_files.py"}
OF_WEIGHTS_FILES = {
    "safetensors",
    "streetseg.runtime.artefact",
    "streetseg.runtime.card",
    "streetseg.runtime.documents",
    "streetseg.runtime.files",
}


LONGEST = 400  # lines of a file
# A network's file may be longer.
MAY_BE_LONGER = {f"models/{name}.py" for name in ("bisenetv2", "ddrnet", "fassdnet", "hardnet", "stdc")}
# Names that say nothing of what a module holds.
BANNED = {"utils", "util", "misc", "core", "common", "helpers", "table"}


def modules() -> list[Path]:
    return sorted(SOURCE.rglob("*.py"))


def module_name(path: Path) -> str:
    """Return the name that a file is imported by."""
    parts = (SOURCE.name, *path.relative_to(SOURCE).with_suffix("").parts)
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@cache
def imports(path: Path, *, of_types: bool = False) -> frozenset[str]:
    """Return the modules that a file imports anywhere; of_types: with those for type checking only."""
    tree = ast.parse(path.read_text())
    for node in ast.walk(tree):
        if not of_types and isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            node.body = []
    imported: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            imported |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            imported.add(node.module or "")
            imported |= {f"{node.module}.{alias.name}" for alias in node.names} & MODULES
    return frozenset(imported)


def room(path: Path) -> str:
    return path.relative_to(SOURCE).parts[0].removesuffix(".py")


MODULES = {module_name(path) for path in modules()}


def test_every_room_has_a_floor() -> None:
    assert set(FLOORS) == {room(path) for path in modules()} - {"__init__", "__main__"}
    for place in (*NO_TORCH, *MAY_TORCH, *MAY_BE_LONGER):
        assert (SOURCE / place).exists(), place


def test_a_file_holds_one_subject() -> None:
    assert not [path for path in modules() if path.stem in BANNED]
    lengths = {path.relative_to(SOURCE).as_posix(): len(path.read_text().splitlines()) for path in modules()}
    assert {path for path, length in lengths.items() if length > LONGEST} <= MAY_BE_LONGER


def test_no_modules_import_each_other_in_a_circle() -> None:
    """Not even for type checking. The package's own file imports all public names, for type checking only."""
    graph = {
        module_name(path): imports(path, of_types=path != SOURCE / "__init__.py") & MODULES - {module_name(path)}
        for path in modules()
    }
    list(TopologicalSorter(graph).static_order())  # or CycleError, which names the circle


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(SOURCE)))
def test_arrows_point_downwards(path: Path) -> None:
    here = room(path)
    if here.startswith("__"):
        return
    for module in imports(path):
        if not module.startswith("streetseg."):
            continue
        there = module.split(".")[1]
        relative = str(path.relative_to(SOURCE))
        assert here == there or FLOORS[there] < FLOORS[here] or (here, there) in ALLOWED, f"{relative} imports {module}"


@pytest.mark.parametrize("place", NO_TORCH)
def test_what_only_predicts_never_imports_torch(place: str) -> None:
    target = SOURCE / place
    for path in [target] if target.is_file() else target.rglob("*.py"):
        if str(path.relative_to(SOURCE)) not in MAY_TORCH:
            known = imports(path)
            assert not {name.split(".")[0] for name in known} & {"torch", "onnx", "safetensors"}, path
            assert not {name for name in known if name.startswith(WITH_TORCH)}, path


def test_models_know_only_torch_and_themselves() -> None:
    for path in (SOURCE / "models").rglob("*.py"):
        known = {name for name in imports(path) if name.partition(".")[0] not in {*sys.stdlib_module_names, "torch"}}
        known = {name for name in known if not name.startswith("streetseg.models.")}
        known -= {"streetseg.models", "streetseg.errors", "streetseg.results"}
        allowed = OF_WEIGHTS_FILES if str(path.relative_to(SOURCE)) in WEIGHTS_FILES else set()
        assert {name for name in known if name not in allowed and name.partition(".")[0] not in allowed} == set(), path


def test_cli_imports_rooms_only_inside_verbs() -> None:
    for path in (SOURCE / "cli").glob("*.py"):
        top = [node.module or "" for node in ast.parse(path.read_text()).body if isinstance(node, ast.ImportFrom)]
        ours = [name for name in top if name.startswith("streetseg") and not name.startswith("streetseg.cli")]
        assert set(ours) <= {"streetseg.errors"}, path


def test_train_and_evaluate_name_no_network_and_no_dataset() -> None:
    from streetseg.data.datasets import DATASETS
    from streetseg.models.networks import MODELS

    for path in (SOURCE / "training" / "train.py", SOURCE / "measure" / "evaluate.py"):
        text = path.read_text().lower()
        assert not [name for name in (*DATASETS, *MODELS) if name in text]


def test_importing_the_package_is_light() -> None:
    code = "import sys, streetseg; print(*{'torch', 'openvino', 'numpy', 'PIL'} & set(sys.modules))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.split() == []


def test_opening_openvino_sends_no_telemetry() -> None:
    code = (
        "import sys, threading; from streetseg import Segmenter; Segmenter.open(); "
        "print(threading.active_count(), 'openvino_telemetry' in sys.modules); import openvino.tools.ovc"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.split() == ["1", "False"]
