"""Get ONNX Runtime Web from npm, once a version, and keep the files that a page needs in the cache."""

from __future__ import annotations

import base64
import gzip
import hashlib
import shutil
import subprocess
import tarfile
import tempfile
from io import BytesIO
from pathlib import Path

from streetseg.errors import ArtefactError, MissingExtraError, OutputError
from streetseg.runtime.files import write_file
from streetseg.runtime.shelf.shelf import cache_folder

PACKAGE, VERSION = "onnxruntime-web", "1.30.0"
ARCHIVE = f"{PACKAGE}-{VERSION}.tgz"
# Of the archive, as npm's registry states it.
INTEGRITY = "q0y+JrrtukXSzsBWEMccVfqX25LRmosXHF+CaRJmg8pZClzcV7svNc4rKY3jL02Vb7QmRMDs1SigqR4CXAfKYQ=="
# File -> SHA-256. One build for CPUs, one for WebGPU; a browser loads one of them.
FILES = {
    "ort.wasm.bundle.min.mjs": "11e64bd8ffe11bd1a2a2f0d6275fdfbbba7262f0b76b99b53d228a8a22ef3d90",
    "ort-wasm-simd-threaded.wasm": "3398c10d07d229bd91b364548e130e0e51a8e5704b88c7c083ebbeb78842dee2",
    "ort.jspi.bundle.min.mjs": "07ec090355e11b342c95436db54da2d0c2bd5b1d319745bfd3337e6bdcf170ac",
    "ort-wasm-simd-threaded.jspi.wasm": "a54c76f86b0f0d9572380cf1c6292a7b3903716ffcbcd6b0e5c7050bf430eb93",
}
LICENCE = f"""\
{PACKAGE} {VERSION}
Copyright (c) Microsoft Corporation

MIT License

Permission is hereby granted, free of charge, to any person obtaining a copy of this software and associated
documentation files (the "Software"), to deal in the Software without restriction, including without
limitation the rights to use, copy, modify, merge, publish, distribute, sublicense, and/or sell copies of the
Software, and to permit persons to whom the Software is furnished to do so, subject to the following
conditions:

The above copyright notice and this permission notice shall be included in all copies or substantial portions
of the Software.

THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR IMPLIED, INCLUDING BUT NOT LIMITED
TO THE WARRANTIES OF MERCHANTABILITY, FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL
THE AUTHORS OR COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES OR OTHER LIABILITY, WHETHER IN AN ACTION OF
CONTRACT, TORT OR OTHERWISE, ARISING FROM, OUT OF OR IN CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER
DEALINGS IN THE SOFTWARE.
"""


def write_runtime(folder: Path) -> None:
    """Write the runtime into a page's folder; WebAssembly is packed, which makes it a quarter of the size.

    Raises:
        ArtefactError: npm's file is not the one that this package knows.
        MissingExtraError: There is neither npm nor a copy in the cache.
        OutputError: npm cannot download it, or the cache cannot be written to.
    """
    folder.mkdir(parents=True, exist_ok=True)
    kept = cache_folder() / f"{PACKAGE}-{VERSION}"
    if not all(is_sound(kept / packed_name(name), hash_) for name, hash_ in FILES.items()):
        for name, content in unpack(archive()).items():
            write_file(kept / packed_name(name), gzip.compress(content, mtime=0) if is_wasm(name) else content)
    for name in FILES:
        shutil.copyfile(kept / packed_name(name), folder / packed_name(name))
    (folder / "LICENCE.txt").write_text(LICENCE)


def is_wasm(name: str) -> bool:
    """Return True for WebAssembly."""
    return name.endswith(".wasm")


def packed_name(name: str) -> str:
    """Return a file's name in the page's folder."""
    return f"{name}.gz" if is_wasm(name) else name


def is_sound(path: Path, sha256: str) -> bool:
    """Return True if a file in the cache is there and holds what it should."""
    try:
        content = path.read_bytes()
        return hashlib.sha256(gzip.decompress(content) if path.suffix == ".gz" else content).hexdigest() == sha256
    except (OSError, EOFError):
        return False


def unpack(content: bytes) -> dict[str, bytes]:
    """Return the files that a page needs; ArtefactError if the archive is not the one that this package knows."""
    if base64.b64encode(hashlib.sha512(content).digest()).decode() != INTEGRITY:
        raise ArtefactError(
            f"{ARCHIVE} from npm is not the file that streetseg knows; look at the registry that npm is set to, and at "
            f"{cache_folder() / ARCHIVE}"
        )
    files = {}
    with tarfile.open(fileobj=BytesIO(content), mode="r:gz") as tar:
        for name in FILES:
            member = tar.extractfile(f"package/dist/{name}")
            assert member is not None, name
            files[name] = member.read()
    return files


def archive() -> bytes:
    """Return npm's archive: a copy in the cache, else downloaded by npm."""
    copy = cache_folder() / ARCHIVE
    if copy.is_file():
        return copy.read_bytes()
    npm = shutil.which("npm")
    if npm is None:
        raise MissingNpmError
    with tempfile.TemporaryDirectory(prefix="streetseg-") as room:
        command = [npm, "pack", f"{PACKAGE}@{VERSION}", "--silent", "--pack-destination", room]
        done = subprocess.run(command, cwd=room, capture_output=True, text=True, check=False)
        file = Path(room, ARCHIVE)
        if done.returncode != 0 or not file.is_file():
            lines = [line.removeprefix("npm error ").strip() for line in done.stderr.splitlines() if line.strip()]
            reason = lines[0] if lines else f"it ended with {done.returncode}"
            raise OutputError(
                f"npm cannot download {PACKAGE} {VERSION}: {reason}; try again, or put {ARCHIVE} into {copy.parent}"
            )
        return file.read_bytes()


class MissingNpmError(MissingExtraError):
    """npm is not installed, and the cache has no copy of the runtime."""

    def __init__(self) -> None:
        Exception.__init__(
            self,
            f"target web needs {PACKAGE} {VERSION} from npm, which is not installed; install Node.js with npm, or put "
            f"{ARCHIVE} into {cache_folder()}",
        )
