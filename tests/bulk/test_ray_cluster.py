"""A Ray cluster of two nodes gives the same files as this machine, also when a node is lost."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from streetseg.bulk.options import BulkOptions
from streetseg.bulk.run import bulk
from streetseg.errors import UsageError
from streetseg.runtime.engines.options import EngineOptions
from streetseg.streets.scene import render
from tests.support.videos import write_film

ray = pytest.importorskip("ray", reason="Ray is large: pip install 'streetseg[ray]'")
cluster_utils = pytest.importorskip("ray.cluster_utils", reason="comes with ray[default]")

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]

ENGINE = EngineOptions("onnxruntime", threads=1)
WISHES = BulkOptions(segment_seconds=0.1)


@pytest.fixture(scope="module")
def drive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Images, one of them bad, and a film."""
    root = tmp_path_factory.mktemp("drive")
    frames = [Image.fromarray(render(seed, (48, 64)).frame) for seed in range(4)]
    for number in range(300):
        frames[number % 4].save(root / f"{number}.png")
    (root / "bad.png").write_bytes(b"no image")
    write_film(root / "ride.mp4", range(12), options={"g": "4"})
    return root


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """A cluster of two nodes, one CPU each."""
    nodes = cluster_utils.Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    nodes.add_node(num_cpus=1)
    yield nodes
    ray.shutdown()
    nodes.shutdown()


@pytest.fixture(scope="module")
def alone(drive: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The files of a run on this machine."""
    out = tmp_path_factory.mktemp("alone")
    bulk(drive, out, options=ENGINE, bulk=WISHES, workers=1)
    return files_of(out)


def files_of(out: Path) -> dict[str, bytes]:
    """All files but the ledger and the timings."""
    paths = [path for path in out.rglob("*") if path.is_file() and ".streetseg-bulk" not in path.parts]
    return {path.relative_to(out).as_posix(): path.read_bytes() for path in paths if path.stem != "timings"}


def test_two_nodes_give_the_same_files(drive: Path, alone: dict[str, bytes], cluster: Any, tmp_path: Path) -> None:
    done = bulk(drive, tmp_path, options=ENGINE, bulk=WISHES, ray=cluster.address)
    assert (done.workers, done.frames, done.errors) == (2, 312, 1)
    assert files_of(tmp_path) == alone


def test_a_node_is_lost(drive: Path, alone: dict[str, bytes], cluster: Any, tmp_path: Path) -> None:
    third = cluster.add_node(num_cpus=1)

    def kill_when_begun() -> None:
        deadline = time.monotonic() + 120
        while not list(tmp_path.glob("*_classes.png")) and time.monotonic() < deadline:
            time.sleep(0.05)
        cluster.remove_node(third, allow_graceful=False)

    killer = threading.Thread(target=kill_when_begun)
    killer.start()
    done = bulk(drive, tmp_path, options=ENGINE, bulk=WISHES, ray=cluster.address, workers=3)
    killer.join()
    assert (done.frames, done.errors) == (312, 1)
    assert files_of(tmp_path) == alone


def test_what_a_cluster_cannot_do(drive: Path, cluster: Any, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"has room for \d workers of 1 threads, asked for 99"):
        bulk(drive, tmp_path / "many", options=ENGINE, ray=cluster.address, workers=99)
