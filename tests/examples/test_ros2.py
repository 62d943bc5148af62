"""The ROS 2 node with a recording double of rclpy: encodings, headers, quality of service, the latest image."""

from __future__ import annotations

import array
import importlib
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from streetseg.runtime.segmenter import Segmenter
from tests.support import ros
from tests.support.paths import ROOT

PACKAGE = ROOT / "examples" / "ros2" / "streetseg_ros"
Start = Callable[..., Any]


def import_node(patch: pytest.MonkeyPatch, parameters: dict[str, Any]) -> Any:
    """Import the node anew, on the double."""
    ros.install(patch, parameters)
    patch.syspath_prepend(PACKAGE)
    for name in ("streetseg_ros.node", "streetseg_ros.images", "streetseg_ros"):
        patch.delitem(sys.modules, name, raising=False)
    return importlib.import_module("streetseg_ros.node")


@pytest.fixture
def start(monkeypatch: pytest.MonkeyPatch, artefacts: list[Path]) -> Iterator[Start]:
    """Start a node; parameters as keywords."""
    nodes = []

    def start_node(**parameters: Any) -> Any:
        module = import_node(monkeypatch, {"artefact": str(artefacts[0]), "precision": "float32", **parameters})
        nodes.append(module.Segment())
        return nodes[-1]

    yield start_node
    for node in nodes:
        node.destroy_node()
        assert node.destroyed
        assert not node.worker.is_alive()


def image(data: NDArray[np.uint8], encoding: str, step: int = 0, header: object = None) -> Any:
    """Return a message as a driver sends it. data: H x W x channels. step: bytes a row; 0: as many as needed."""
    height, width = data.shape[:2]
    rows = data.reshape(height, -1)
    padding = max(0, step - rows.shape[1])
    content = np.pad(rows, ((0, 0), (0, padding)), constant_values=77).tobytes()
    return ros.Record(
        header=header, height=height, width=width, encoding=encoding, step=step or rows.shape[1], is_bigendian=0,
        data=array.array("B", content),
    )  # fmt: skip


def take(node: Any, message: ros.Record) -> None:
    node.subscriptions_by_topic["image"][0](message)


def wait_for(there: Callable[[], object]) -> None:
    """Wait until something is there; it comes from the node's thread."""
    end = time.monotonic() + 30
    while not there():
        assert time.monotonic() < end
        time.sleep(0.005)


@pytest.mark.parametrize("padding", [0, 13])
def test_encodings(padding: int, monkeypatch: pytest.MonkeyPatch) -> None:
    rgb = np.random.default_rng(1).integers(0, 256, (6, 8, 3), np.uint8)
    grey, alpha = rgb[:, :, :1], np.full((6, 8, 1), 9, np.uint8)
    to_frame = import_node(monkeypatch, {}).to_frame
    for encoding, data, expected in (
        ("rgb8", rgb, rgb),
        ("bgr8", rgb[:, :, ::-1], rgb),
        ("8UC3", rgb[:, :, ::-1], rgb),
        ("rgba8", np.concatenate([rgb, alpha], 2), rgb),
        ("bgra8", np.concatenate([rgb[:, :, ::-1], alpha], 2), rgb),
        ("mono8", grey, grey.repeat(3, 2)),
    ):
        frame = to_frame(image(data, encoding, 8 * data.shape[2] + padding))
        np.testing.assert_array_equal(frame, expected, encoding)
        assert frame.dtype == np.uint8
        assert frame.flags.c_contiguous
    yuv = np.random.default_rng(2).integers(0, 256, (6, 8, 2), np.uint8)
    for encoding, conversion in (
        ("uyvy", cv2.COLOR_YUV2RGB_UYVY),
        ("yuv422", cv2.COLOR_YUV2RGB_UYVY),
        ("yuyv", cv2.COLOR_YUV2RGB_YUY2),
        ("yuv422_yuy2", cv2.COLOR_YUV2RGB_YUY2),
    ):
        frame = to_frame(image(yuv, encoding, 16 + padding))
        expected = cv2.cvtColor(yuv, conversion)
        # OpenCV takes 16 for values below it, which a camera does not send, and rounds in fixed point.
        seen = (yuv[:, :, 1 if encoding in ("uyvy", "yuv422") else 0] >= 16)[:, :, None]
        assert np.abs(np.where(seen, frame.astype(int) - expected, 0)).max() <= 1


def test_images_that_contradict_themselves(monkeypatch: pytest.MonkeyPatch) -> None:
    to_frame = import_node(monkeypatch, {}).to_frame
    rgb = np.zeros((4, 6, 3), np.uint8)
    short = image(rgb, "rgb8")
    short.data = short.data[:-1]
    empty = image(rgb, "rgb8")
    empty.height = 0
    for message, said in (
        (short, "71 bytes do not hold 4 x 6 pixels"),
        (image(rgb, "bayer_rggb8"), "'bayer_rggb8' is not taken"),
        (image(rgb, "rgba8"), "do not hold"),
        (empty, "do not hold"),
        (image(rgb[:, :5, :2], "uyvy"), "odd width 5"),
    ):
        with pytest.raises(ValueError, match=said):
            to_frame(message)
    last_row_bare = image(rgb, "rgb8", step=20)
    last_row_bare.data = last_row_bare.data[:-2]
    assert to_frame(last_row_bare).shape == rgb.shape


def test_class_map_and_overlay_of_a_frame(start: Start, artefacts: list[Path], frames: list[NDArray[np.uint8]]) -> None:
    node = start()
    header = ros.Record(stamp=ros.Record(sec=12, nanosec=345), frame_id="front_camera")
    take(node, image(frames[0][:, :, ::-1], "bgr8", 160, header))
    wait_for(lambda: node.publishers_by_topic["overlay"].sent)
    (classes,), (overlay,) = (node.publishers_by_topic[topic].sent for topic in ("classes", "overlay"))
    result = Segmenter.open(artefacts[0], precision="float32")(frames[0])
    for message, encoding, expected in ((classes, "mono8", result.classmap), (overlay, "rgb8", result.overlay())):
        assert message.header is header
        assert (message.height, message.width, message.encoding) == (*frames[0].shape[:2], encoding)
        assert (message.is_bigendian, message.step) == (0, expected[0].size)
        assert isinstance(message.data, array.array)
        assert message.data.tobytes() == expected.tobytes()
    assert node.parameters["classes"] == ["road", "Gebüsch", "sky"]
    assert [level for level, _ in node.log] == ["info"]


def test_quality_of_service(start: Start) -> None:
    node = start()
    profiles = [node.subscriptions_by_topic["image"][1], *(p.profile for p in node.publishers_by_topic.values())]
    assert len(profiles) == 3
    for profile in profiles:
        assert profile.depth == 1
        assert profile.history is ros.HistoryPolicy.KEEP_LAST
        assert profile.durability is ros.DurabilityPolicy.VOLATILE
        assert profile.reliability is ros.ReliabilityPolicy.BEST_EFFORT
    node = start(reliable=True)
    assert node.publishers_by_topic["classes"].profile.reliability is ros.ReliabilityPolicy.RELIABLE
    assert node.subscriptions_by_topic["image"][1].reliability is ros.ReliabilityPolicy.BEST_EFFORT


def test_no_overlay_where_nobody_looks(start: Start, frames: list[NDArray[np.uint8]]) -> None:
    node = start(overlay=False)
    assert list(node.publishers_by_topic) == ["classes"]
    node = start()
    node.publishers_by_topic["overlay"].subscribers = 0
    for _ in range(2):  # the second starts after the first has ended
        node.publishers_by_topic["classes"].sent.clear()
        take(node, image(frames[1], "rgb8"))
        wait_for(lambda: node.publishers_by_topic["classes"].sent)
    assert not node.publishers_by_topic["overlay"].sent


def test_the_latest_image_wins(start: Start, frames: list[NDArray[np.uint8]], monkeypatch: pytest.MonkeyPatch) -> None:
    node = start()
    busy, go_on = threading.Event(), threading.Event()
    segment = node.segmenter

    def slow(frame: NDArray[np.uint8]) -> object:
        busy.set()
        assert go_on.wait(30)
        return segment(frame)

    monkeypatch.setattr(node, "segmenter", slow)
    take(node, image(frames[1], "rgb8", header="first"))
    assert busy.wait(30)
    for header in ("second", "third", "fourth"):
        take(node, image(frames[1], "rgb8", header=header))
    go_on.set()
    sent = node.publishers_by_topic["overlay"].sent
    wait_for(lambda: len(sent) == 2)
    assert [message.header for message in sent] == ["first", "fourth"]


def test_a_wrong_image_is_told_once_and_the_next_is_segmented(start: Start, frames: list[NDArray[np.uint8]]) -> None:
    node = start()
    for _ in range(2):
        take(node, image(frames[1], "bayer_rggb8"))
        wait_for(lambda: node.waiting is None)
    take(node, image(frames[1], "rgb8"))
    wait_for(lambda: node.publishers_by_topic["classes"].sent)
    assert [level for level, _ in node.log].count("error") == 1
