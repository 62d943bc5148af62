"""The machine that a speed is measured on: what it is, what it can do at most, and what a network asks of it."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from math import prod
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from streetseg.runtime.engines.engine import cores

# Not openvino itself: that engine knows how to import it without its model converter.
from streetseg.runtime.engines.openvino import core, ov  # type: ignore[attr-defined]
from streetseg.runtime.kernel import binding

# Of a CPU's many flags those that decide how fast a network runs.
TELLING_FLAGS = ("avx", "amx", "fma", "f16c", "asimd", "sve", "bf16", "i8mm")
ENGINE_PACKAGES = ("numpy", "openvino", "onnxruntime", "torch")

# Of the convolutions and their frame, a thread's share: as near a core's peak as the engine comes. A single matrix
# product, whose factors it must round and pack each time, was slower than whole networks.
CHANNELS, SIDE, DEPTH = 256, 64, 4
COPIED = 2**28  # bytes, far beyond any cache
REPEATS = 5


def describe_machine() -> dict[str, Any]:
    """CPU, cores this process may use, flags, load, operating system, what computes class maps, and versions."""
    return {
        "cpu": str(core().get_property("CPU", "FULL_DEVICE_NAME")).strip(),
        "cores": cores(),
        "flags": cpu_flags(),
        "load": round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None,
        "system": platform.platform(),
        "class_map": "compiled kernel" if binding.load() else "numpy",
        "versions": {"python": platform.python_version(), "streetseg": importlib.metadata.version("streetseg")}
        | {name: version for name in ENGINE_PACKAGES if (version := installed_version(name))},
    }


def cpu_flags() -> list[str]:
    """The telling flags that the kernel names; elsewhere than on Linux, what OpenVINO says the CPU can do."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return sorted(core().get_property("CPU", "OPTIMIZATION_CAPABILITIES"))
    flags = next((line.split(":")[1].split() for line in lines if line.startswith(("flags", "Features"))), [])
    return sorted(flag for flag in flags if flag.startswith(TELLING_FLAGS))


def installed_version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


# Ceilings


def dense_convolution(precision: str, threads: int, clock: Callable[[], float] = time.perf_counter) -> float:
    """GMACs/s of 3 x 3 convolutions of many channels, the best of a few runs, by OpenVINO in "float32" or "bfloat16".

    clock: of seconds; time.process_time gives GMACs a second of CPU time, whatever else the machine does.
    """
    shape = (1, CHANNELS, SIDE * threads, SIDE)  # as much for each thread, however many there are
    weights = np.full((CHANNELS, CHANNELS, 3, 3), 1 / (9 * CHANNELS), np.float32)
    given = last = ov.opset13.parameter(shape, np.float32)
    for _ in range(DEPTH):
        last = ov.opset13.convolution(last, ov.opset13.constant(weights), [1, 1], [1, 1], [1, 1], [1, 1])
    hint = {"float32": "f32", "bfloat16": "bf16"}[precision]
    settings = {"INFERENCE_PRECISION_HINT": hint, "INFERENCE_NUM_THREADS": threads}
    request = core().compile_model(ov.Model([last], [given]), "CPU", settings).create_infer_request()
    frame = [np.ones(shape, np.float32)]
    gmacs: float = DEPTH * prod(shape) * weights[0].size / 1e9
    return gmacs / best_time(lambda: request.infer(frame, share_inputs=True), clock)


def copy_bandwidth(threads: int) -> float:
    """GB/s of copying memory, read and written bytes together, the best of a few."""
    source = np.ones((threads, COPIED // threads), np.uint8)
    target = np.empty_like(source)
    with ThreadPoolExecutor(threads) as pool:
        return 2 * source.nbytes / 1e9 / best_time(lambda: list(pool.map(np.copyto, target, source)))


def best_time(run: Callable[[], object], clock: Callable[[], float] = time.perf_counter) -> float:
    """Seconds of the fastest of a few runs, after one that does not count."""
    run()
    times = []
    for _ in range(REPEATS):
        start = clock()
        run()
        times.append(clock() - start)
    return min(times)


# What a network asks


class Work(NamedTuple):
    """What a network does for a frame: multiply-adds of its convolutions and matrix products, in billions, and how
    many values these read and write, weights included, in billions."""

    gmacs: float
    gvalues: float


def work(artefact: Path, size: Sequence[int]) -> Work:
    """Counted in the graph of an artefact (NAME.onnx) at an input of height and width `size`."""
    model = core().read_model(artefact)
    model.reshape([1, *size, 3])
    macs = values = 0
    for node in model.get_ops():
        kind = node.get_type_name()
        if kind not in ("Convolution", "GroupConvolution", "MatMul"):
            continue
        left, right, out = (list(p.get_shape()) for p in (node.input(0), node.input(1), node.output(0)))
        # A weight is output x input x height x width, after the groups where there are some.
        inner = {"Convolution": right[1:], "GroupConvolution": right[2:], "MatMul": left[-1:]}[kind]
        macs += prod(out) * prod(inner)
        values += prod(left) + prod(right) + prod(out)
    return Work(macs / 1e9, values / 1e9)
