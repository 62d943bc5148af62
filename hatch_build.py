"""Compile the kernel (src/streetseg/runtime/kernel/kernel.c) into the wheel if there is a C compiler."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface
from packaging.tags import platform_tags

# clang fuses a product and a sum unless it is told not to, in C11 as well.
FLAGS = ["-std=c11", "-ffp-contract=off", "-O3", "-shared", "-fPIC", "-pthread"]


class KernelHook(BuildHookInterface):
    """A build hook that puts libkernel.so beside its source. Without it the wheel is pure Python."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compile the kernel and tag the wheel with this platform."""
        source = Path(self.root, "src/streetseg/runtime/kernel/kernel.c")
        library = source.with_name("libkernel.so")
        library.unlink(missing_ok=True)  # of an earlier build, perhaps on another machine
        compiler = os.environ.get("CC") or next(filter(shutil.which, ("cc", "gcc", "clang")), None)
        if compiler is None:
            self.app.display_warning("no C compiler found: streetseg is built without its kernel")
            return
        command = [*compiler.split(), *FLAGS, str(source), "-o", str(library)]
        compiled = subprocess.run(command, capture_output=True, text=True, check=False)
        if compiled.returncode != 0:
            self.app.display_warning(f"streetseg is built without its kernel: {compiled.stderr}")
            return
        build_data["pure_python"] = False
        build_data["tag"] = f"py3-none-{next(iter(platform_tags()))}"
