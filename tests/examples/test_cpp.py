"""The C++ examples compile without a warning and give the same class maps as Segmenter."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from openvino.utils import get_cmake_path
from PIL import Image

from streetseg.runtime.segmenter import Segmenter
from tests.support.paths import ROOT
from tests.support.tiny import tiny_graph

pytestmark = pytest.mark.slow


def run(*words: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(list(map(str, words)), capture_output=True, text=True, timeout=300)


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder where CMake has built what it can. Not optimised: that takes longest."""
    if not shutil.which("cmake") or not (shutil.which("c++") or shutil.which("g++")):
        pytest.skip("needs cmake and a C++ compiler")
    folder = tmp_path_factory.mktemp("build")
    configure = ["cmake", "-S", ROOT / "examples" / "cpp", "-B", folder, f"-DOpenVINO_DIR={get_cmake_path()}"]
    for library in onnxruntime_library():
        link = folder / "libonnxruntime.so.1"  # the name that programs look for; the wheel has the file without it
        link.symlink_to(library)
        configure.append(f"-DONNXRUNTIME_LIBRARY={link}")
    options = ["-DCMAKE_BUILD_TYPE=Debug", "-DCMAKE_CXX_FLAGS=-O0 -g0 -Werror"]
    for command in ([*configure, *options], ["cmake", "--build", folder, "--parallel", "2"]):
        ended = run(*command)
        assert ended.returncode == 0, ended.stdout + ended.stderr
    return folder


def onnxruntime_library() -> Iterator[Path]:
    """Yield ONNX Runtime's library in its wheel."""
    spec = find_spec("onnxruntime")
    if spec is not None and spec.origin is not None:
        yield from Path(spec.origin).parent.glob("capi/libonnxruntime.so.*")


@pytest.mark.parametrize("engine", ["openvino", "onnxruntime"])
def test_the_same_class_maps(
    engine: str, programs: Path, artefacts: list[Path], frames: list[NDArray[np.uint8]], tmp_path: Path
) -> None:
    program = programs / f"segment_{engine}"
    if engine == "onnxruntime" and not program.exists():
        pytest.skip("needs the C++ headers of ONNX Runtime, which its wheel lacks: libonnxruntime-dev of Debian 13")
    words = []
    frames = frames[:3]  # OpenVINO compiles the network once for each
    for number, frame in enumerate(frames):
        Image.fromarray(frame).save(tmp_path / f"{number}.ppm")
        words += [tmp_path / f"{number}.ppm", tmp_path / f"{number}.pgm"]
    for artefact in artefacts:
        ended = run(program, artefact, *words)
        assert ended.returncode == 0, ended.stderr
        assert ended.stdout.count(" ms") == 2 * len(frames)
        assert "Gebüsch " in ended.stdout
        segmenter = Segmenter.open(artefact, engine=engine, precision="float32")
        for number, frame in enumerate(frames):
            theirs = np.asarray(Image.open(tmp_path / f"{number}.pgm"))
            np.testing.assert_array_equal(theirs, segmenter(frame).classmap)


def test_mistakes_get_one_line(programs: Path, artefacts: list[Path], tmp_path: Path) -> None:
    program, out = programs / "segment_openvino", tmp_path / "out.pgm"
    short, plain = tmp_path / "short.ppm", tmp_path / "plain.onnx"
    short.write_bytes(b"P6\n# a comment\n9 9\n255\n123")
    plain.write_bytes(tiny_graph().SerializeToString())
    for words, said in (
        ((artefacts[0], short, out), "truncated"),
        ((artefacts[0], plain, out), "not a binary PPM"),
        ((artefacts[0], tmp_path / "none.ppm", out), "cannot be opened"),
        ((plain, short, out), "has no card"),
        ((artefacts[0], short), "usage"),
    ):
        ended = run(program, *words)
        assert (ended.returncode, ended.stderr.count("\n"), ended.stdout) == (2, 1, "")
        assert said in ended.stderr
    assert not out.exists()
