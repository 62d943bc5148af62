"""A recording double of rclpy: what a node declares, subscribes to, publishes and logs. No middleware, no executor."""

from __future__ import annotations

import sys
from collections.abc import Callable
from enum import Enum
from types import ModuleType
from typing import Any

import pytest


class Record:
    """An object with the attributes that it is given."""

    def __init__(self, **values: Any) -> None:
        self.__dict__.update(values)


class HistoryPolicy(Enum):
    KEEP_LAST = 1


class ReliabilityPolicy(Enum):
    RELIABLE = 1
    BEST_EFFORT = 2


class DurabilityPolicy(Enum):
    VOLATILE = 2


class Publisher:
    def __init__(self, profile: Any) -> None:
        self.profile, self.sent, self.subscribers = profile, list[Any](), 1

    def publish(self, message: Any) -> None:
        self.sent.append(message)

    def get_subscription_count(self) -> int:
        return self.subscribers


class Node:
    """Records what a node asks for. `given` are the parameters of the command line."""

    given: dict[str, Any]

    def __init__(self, name: str) -> None:
        self.name = name
        self.parameters: dict[str, Any] = {}
        self.publishers_by_topic: dict[str, Publisher] = {}
        self.subscriptions_by_topic: dict[str, tuple[Callable[[Any], None], Any]] = {}
        self.log: list[tuple[str, str]] = []
        self.destroyed = False

    def declare_parameter(self, name: str, default: Any, descriptor: Any = None) -> Record:
        assert name not in self.parameters
        self.parameters[name] = value = self.given.get(name, default)
        assert type(value) is type(default)  # as in ROS, where the default decides the type
        return Record(value=value, descriptor=descriptor)

    def create_publisher(self, kind: type, topic: str, profile: Any) -> Publisher:
        return self.publishers_by_topic.setdefault(topic, Publisher(profile))

    def create_subscription(self, kind: type, topic: str, callback: Callable[[Any], None], profile: Any) -> Record:
        self.subscriptions_by_topic[topic] = callback, profile
        return Record()

    def get_logger(self) -> Record:
        return Record(info=lambda text: self.log.append(("info", text)), error=lambda t: self.log.append(("error", t)))

    def destroy_node(self) -> None:
        self.destroyed = True


def install(patch: pytest.MonkeyPatch, parameters: dict[str, Any]) -> None:
    """Put the double in the place of ROS 2's modules; parameters: those of the command line."""

    class WithParameters(Node):
        given = parameters

    contents: dict[str, dict[str, Any]] = {
        "rclpy": {},
        "rclpy.executors": {"ExternalShutdownException": type("ExternalShutdownException", (Exception,), {})},
        "rclpy.node": {"Node": WithParameters},
        "rclpy.qos": {
            "QoSProfile": Record,
            "HistoryPolicy": HistoryPolicy,
            "ReliabilityPolicy": ReliabilityPolicy,
            "DurabilityPolicy": DurabilityPolicy,
        },
        "rcl_interfaces": {},
        "rcl_interfaces.msg": {"ParameterDescriptor": Record},
        "sensor_msgs": {},
        "sensor_msgs.msg": {"Image": type("Image", (Record,), {})},
    }
    for name, values in contents.items():
        module = ModuleType(name)
        module.__dict__.update(values)
        patch.setitem(sys.modules, name, module)
