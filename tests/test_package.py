"""The wheel and the source archive: built, installed outside the checkout, and tried with the weights inside."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from streetseg.streets.scene import render

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def archives(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The source archive and the wheel that is built from it, as `python -m build` does."""
    out = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(out), str(ROOT)]
    built = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert built.returncode == 0, built.stdout + built.stderr
    (source,), (wheel,) = out.glob("*.tar.gz"), out.glob("*.whl")
    return source, wheel


@pytest.mark.slow
def test_archives_hold_what_they_should(archives: tuple[Path, Path]) -> None:
    source, wheel = archives
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    if shutil.which("cc") or shutil.which("gcc"):
        assert "streetseg/runtime/kernel/libkernel.so" in names
        assert wheel.name.endswith(f"_{platform.machine()}.whl")
    else:
        assert wheel.name.endswith("-py3-none-any.whl")
    for name in ("py.typed", "runtime/card.schema.json", "runtime/shelf/shelf.json"):
        assert f"streetseg/{name}" in names
    assert "streetseg/runtime/weights/ddrnet_23_slim_camvid.onnx" in names
    assert not [name for name in names if name.startswith(("tests", "tools"))]
    with tarfile.open(source) as archive:
        names = {name.split("/", 1)[-1] for name in archive.getnames()}
    for name in (
        "README.md",
        "LICENSE",
        "CHANGELOG.md",
        "tests/test_package.py",
        "tools/soak.py",
        "docs/card.md",
        "examples/cpp/frame.hpp",
        "hatch_build.py",
    ):
        assert name in names
    assert not [name for name in names if name.startswith("weights/")]  # those of the checkout are fetched by name
    assert source.stat().st_size < 30e6


@pytest.mark.slow
def test_without_a_compiler_the_wheel_is_pure_and_says_so(tmp_path: Path) -> None:
    copy = tmp_path / "source"
    shutil.copytree(ROOT, copy, ignore=shutil.ignore_patterns(".*", "weights", "tests", "results", "docs"))
    command = [sys.executable, "-m", "build", "--no-isolation", "--wheel", "--outdir", str(tmp_path), str(copy)]
    built = subprocess.run(command, env={**os.environ, "CC": "false"}, capture_output=True, text=True, timeout=300)
    assert "built without its kernel" in built.stdout + built.stderr
    (wheel,) = tmp_path.glob("*-py3-none-any.whl")
    with zipfile.ZipFile(wheel) as archive:
        assert "streetseg/runtime/kernel/libkernel.so" not in archive.namelist()
        archive.extractall(tmp_path / "site")
    code = (
        "import numpy as np; from streetseg.runtime.classmap import class_map\n"
        "for _ in range(2): class_map(np.zeros((1, 1, 1), np.float32), (1, 1), content_size=(1, 1), "
        "padded_size=(1, 1), align_corners=False)"
    )
    environment = {**os.environ, "PYTHONPATH": str(tmp_path / "site"), "PYTHONWARNINGS": "default"}
    run = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert run.stderr.count("without its compiled kernel") == 1


@pytest.mark.slow
def test_the_installed_wheel_segments(archives: tuple[Path, Path], tmp_path: Path) -> None:
    site = tmp_path / "site"
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(site), str(archives[1])]
    subprocess.run(install, check=True, timeout=300)
    Image.fromarray(render(1, (180, 240)).frame).save(tmp_path / "street.png")
    environment = {**os.environ, "PYTHONPATH": str(site)}
    run = subprocess.run(
        [sys.executable, "-m", "streetseg", "predict", "street.png", "--out", "out"],
        cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    assert "240 x 180" in run.stdout
    assert np.asarray(Image.open(tmp_path / "out" / "street_classes.png")).max() < 11
    where = [sys.executable, "-c", "import streetseg; print(streetseg.__file__)"]
    found = subprocess.run(where, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True)
    assert found.stdout.startswith(str(site))
