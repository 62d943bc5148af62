"""The node: images in; the class map and an overlay of the latest of them out."""

from __future__ import annotations

import threading
from typing import Any

import rclpy
from rcl_interfaces.msg import ParameterDescriptor
from rclpy.executors import ExternalShutdownException
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import Image

from streetseg import Segmenter, StreetsegError
from streetseg_ros.images import fill, to_frame


def latest_only(reliable: bool) -> QoSProfile:
    """Return the quality of service: the latest image only, lost ones are not sent again unless `reliable`."""
    return QoSProfile(
        history=HistoryPolicy.KEEP_LAST,
        depth=1,
        reliability=ReliabilityPolicy.RELIABLE if reliable else ReliabilityPolicy.BEST_EFFORT,
        durability=DurabilityPolicy.VOLATILE,
    )


class Segment(Node):
    """Segments the latest image of topic `image`; publishes `classes` (mono8, class indices) and `overlay` (rgb8).

    A thread of its own segments, so that the executor stays free. An image that arrives meanwhile waits; a later one
    takes its place. Parameters: artefact, device, precision, overlay, reliable; `classes` holds the classes' names.
    """

    def __init__(self) -> None:
        super().__init__("streetseg")
        # Text is never None in ROS: empty means the default.
        text = {name: self.declare_parameter(name, "").value or None for name in ("artefact", "device", "precision")}
        self.draws = bool(self.declare_parameter("overlay", True).value)
        profile = latest_only(bool(self.declare_parameter("reliable", False).value))
        self.segmenter = Segmenter.open(text["artefact"], device=text["device"], precision=text["precision"])
        names = list(self.segmenter.card.classes)
        self.declare_parameter("classes", names, ParameterDescriptor(read_only=True))

        self.classes = self.create_publisher(Image, "classes", profile)
        self.overlay = self.create_publisher(Image, "overlay", profile) if self.draws else None
        self.refused: set[str] = set()
        self.changed = threading.Condition()
        self.waiting: Any = None
        self.stopped = False
        self.worker = threading.Thread(target=self.work, name="segment", daemon=True)
        self.worker.start()
        # A camera's driver may send reliably or not; a subscription that asks for less fits both.
        self.subscription = self.create_subscription(Image, "image", self.take, latest_only(reliable=False))
        self.get_logger().info(f"{self.segmenter!r}")

    def take(self, message: Any) -> None:
        """Keep a message in place of the one that waits."""
        with self.changed:
            self.waiting = message
            self.changed.notify()

    def work(self) -> None:
        """Segment the message that waits, until the node is destroyed."""
        while True:
            with self.changed:
                self.changed.wait_for(lambda: self.stopped or self.waiting is not None)
                if self.stopped:
                    return
                message, self.waiting = self.waiting, None
            try:
                self.segment(message)
            except (ValueError, StreetsegError) as error:
                if str(error) not in self.refused:  # a driver repeats its mistake thirty times a second
                    self.refused.add(str(error))
                    self.get_logger().error(str(error))

    def segment(self, message: Any) -> None:
        """Publish the results of a message."""
        result = self.segmenter(to_frame(message))
        self.classes.publish(fill(Image(), message.header, result.classmap))
        if self.overlay is not None and self.overlay.get_subscription_count():
            self.overlay.publish(fill(Image(), message.header, result.overlay()))

    def destroy_node(self) -> None:
        """End the thread, then the node."""
        with self.changed:
            self.stopped = True
            self.changed.notify()
        self.worker.join()
        super().destroy_node()


def main(arguments: list[str] | None = None) -> None:
    """Run the node until it is interrupted."""
    rclpy.init(args=arguments)
    try:
        node = Segment()
        try:
            rclpy.spin(node)
        except (KeyboardInterrupt, ExternalShutdownException):
            pass
        finally:
            node.destroy_node()
    except StreetsegError as error:
        raise SystemExit(f"streetseg: {error}") from None
    finally:
        rclpy.try_shutdown()


if __name__ == "__main__":
    main()
