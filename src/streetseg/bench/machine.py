"""The machine that a speed is measured on: its description, its ceilings, and the work of a network."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import NamedTuple

import numpy as np

from streetseg.results import Facts
from streetseg.runtime.engines.engine import cores

# Not openvino itself: that engine imports it without its model converter.
from streetseg.runtime.engines.openvino import core, ov  # type: ignore[attr-defined]
from streetseg.runtime.kernel import binding

# The CPU flags that decide how fast a network runs.
SPEED_FLAGS = ("avx", "amx", "fma", "f16c", "asimd", "sve", "bf16", "i8mm")
ENGINE_PACKAGES = ("numpy", "openvino", "onnxruntime", "torch")

# The ceiling's convolutions: their channels, the side of each thread's square, and their number in a row. They come as
# near to a core's peak as the engine gets. A single matrix product was slower than whole networks: the engine rounds
# and packs its factors each time.
CHANNELS, SIDE, DEPTH = 256, 64, 4
COPIED = 2**28  # bytes, far more than any cache holds
REPEATS = 5


@dataclass(frozen=True)
class Machine:
    """A machine and the software on it.

    Attributes:
        cpu: Full name of the CPU.
        cores: Cores that this process may use.
        flags: Instruction sets that decide how fast a network runs.
        load: Mean number of processes that ran or waited over the last minute; None if unknown.
        system: Operating system and version.
        class_map: "compiled kernel" or "numpy".
        versions: Package -> version.
    """

    cpu: str
    cores: int
    flags: tuple[str, ...]
    load: float | None
    system: str
    class_map: str
    versions: Mapping[str, str]

    def facts(self) -> Facts:
        """Return the fields as JSON's types."""
        return {
            "cpu": self.cpu,
            "cores": self.cores,
            "flags": self.flags,
            "load": self.load,
            "system": self.system,
            "class_map": self.class_map,
            "versions": self.versions,
        }

    def load_text(self) -> str:
        """Return the load in words, with a warning if other programs keep the CPU busy."""
        busy = (self.load or 0) > self.cores / 2
        return f"load {self.load}" + (" (busy: do not trust the times)" if busy else "")

    def version_text(self, packages: Sequence[str] | None = None) -> str:
        """Return the packages with their versions, all that are known by default."""
        return ", ".join(f"{name} {self.versions[name]}" for name in packages or self.versions)


def describe_machine() -> Machine:
    """Return the description of this machine at this moment."""
    return Machine(
        cpu=str(core().get_property("CPU", "FULL_DEVICE_NAME")).strip(),
        cores=cores(),
        flags=tuple(cpu_flags()),
        load=round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None,
        system=platform.platform(),
        class_map="compiled kernel" if binding.load() else "numpy",
        versions={"python": platform.python_version(), "streetseg": importlib.metadata.version("streetseg")}
        | {name: version for name in ENGINE_PACKAGES if (version := installed_version(name))},
    )


def cpu_flags() -> list[str]:
    """Return the flags of SPEED_FLAGS that Linux reports; on other systems, the capabilities that OpenVINO reports."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return sorted(core().get_property("CPU", "OPTIMIZATION_CAPABILITIES"))
    flags = next((line.split(":")[1].split() for line in lines if line.startswith(("flags", "Features"))), [])
    return sorted(flag for flag in flags if flag.startswith(SPEED_FLAGS))


def installed_version(package: str) -> str | None:
    """Return the version of a package, None where it is not installed."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


# Ceilings


@dataclass(frozen=True)
class Ceilings:
    """The most that a machine can do.

    Attributes:
        copy_gb_per_second: Copying memory, read and written bytes together.
        convolution_gmacs_per_second: Precision -> billions of multiply-adds a second.
    """

    copy_gb_per_second: float
    convolution_gmacs_per_second: Mapping[str, float]

    def facts(self) -> Facts:
        """Return the fields as JSON's types."""
        return {
            "copy_gb_per_second": round(self.copy_gb_per_second, 2),
            "convolution_gmacs_per_second": {
                precision: round(value, 1) for precision, value in self.convolution_gmacs_per_second.items()
            },
        }


def measure_ceilings(precisions: Sequence[str], threads: int) -> Ceilings:
    """Return the ceilings for a number of threads, in each of the precisions."""
    copied = copy_bandwidth(threads)
    return Ceilings(copied, {precision: dense_convolution(precision, threads) for precision in precisions})


def highest_ceilings(measured: Sequence[Ceilings]) -> Ceilings:
    """Return the highest figures of several measurements, since other programs may disturb any one of them."""
    return Ceilings(
        max(one.copy_gb_per_second for one in measured),
        {
            precision: max(one.convolution_gmacs_per_second[precision] for one in measured)
            for precision in measured[0].convolution_gmacs_per_second
        },
    )


def dense_convolution(precision: str, threads: int, clock: Callable[[], float] = time.perf_counter) -> float:
    """Return the GMACs/s of 3 x 3 convolutions of many channels in OpenVINO, the best of a few runs.

    precision: "float32" or "bfloat16". clock: gives seconds. With time.process_time the result is GMACs a second of CPU
    time, which other programs on the machine do not change.
    """
    shape = (1, CHANNELS, SIDE * threads, SIDE)  # the same work for each thread
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
    """Return the GB/s of copying memory, read and written bytes together, the best of a few runs."""
    source = np.ones((threads, COPIED // threads), np.uint8)
    target = np.empty_like(source)
    with ThreadPoolExecutor(threads) as pool:
        return 2 * source.nbytes / 1e9 / best_time(lambda: list(pool.map(np.copyto, target, source)))


def best_time(run: Callable[[], object], clock: Callable[[], float] = time.perf_counter) -> float:
    """Return the seconds of the fastest of a few runs, after one that does not count."""
    run()
    times = []
    for _ in range(REPEATS):
        start = clock()
        run()
        times.append(clock() - start)
    return min(times)


# The work of a network


class Work(NamedTuple):
    """The work of a network for a frame.

    gmacs: multiply-adds of its convolutions and matrix products, in billions. gvalues: values that these read and
    write, weights included, in billions.
    """

    gmacs: float
    gvalues: float


def count_work(artefact: Path, size: Sequence[int]) -> Work:
    """Count the work in the graph of an artefact (NAME.onnx) at an input of height and width `size`."""
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
