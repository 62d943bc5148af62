"""Weights by name: in the package, the checkout, the cache, or fetched from a server, here a real one."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from PIL import Image

from streetseg.cli import main
from streetseg.errors import ArtefactError, OutputError, UsageError
from streetseg.runtime.artefact import read_card
from streetseg.runtime.segmenter import DEFAULT_WEIGHTS, Segmenter
from streetseg.runtime.shelf import shelf
from streetseg.runtime.shelf.shelf import CHECKOUT, SHELF, find_weights, list_weights
from streetseg.streets.scene import render

NAME = "ddrnet_23_slim-camvid"
FILE = DEFAULT_WEIGHTS.name
CONTENT = DEFAULT_WEIGHTS.read_bytes()
SHA256 = hashlib.sha256(CONTENT).hexdigest()
MEBI = 1 << 20


class Server(ThreadingHTTPServer):
    """Serves `content` as /weights/FILE. ranges: what each request asked for."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answer)
        self.url = f"http://127.0.0.1:{self.server_port}/weights/"
        self.content = CONTENT
        self.knows_ranges = True
        self.breaks_after: int | None = None  # bytes of an answer
        self.ranges: list[str] = []
        self.may_answer = threading.Event()
        self.may_answer.set()


class Answer(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        self.server.ranges.append(self.headers["Range"])
        self.server.may_answer.wait(60)
        if self.path != f"/weights/{FILE}":
            self.send_error(404)
            return
        start = int(self.headers["Range"].removeprefix("bytes=").removesuffix("-")) if self.server.knows_ranges else 0
        rest = self.server.content[start:]
        self.send_response(206 if self.server.knows_ranges else 200)
        self.send_header("Content-Length", str(len(rest)))
        if self.server.knows_ranges:
            whole = len(self.server.content)
            self.send_header("Content-Range", f"bytes {start}-{whole - 1}/{whole}")
        self.end_headers()
        self.wfile.write(rest[: self.server.breaks_after])

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as server:
        threading.Thread(target=server.serve_forever, args=(0.01,)).start()
        yield server
        server.shutdown()


@pytest.fixture
def cache(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache that is filled from the server; package and checkout have no weights."""
    monkeypatch.setattr(shelf, "PACKAGED", tmp_path)
    monkeypatch.setattr(shelf, "CHECKOUT", tmp_path)
    monkeypatch.setenv("STREETSEG_WEIGHTS_URL", server.url)
    monkeypatch.setenv("STREETSEG_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def weights_in(cache: Path) -> list[Path]:
    """The files of a cache that are whole; the others are hidden."""
    return [path for path in cache.rglob("[!.]*") if path.is_file()]


@pytest.mark.parametrize("name", [entry["name"] for entry in json.loads(SHELF.read_text())["weights"]])
def test_every_card_on_the_shelf_tells_where_its_weights_come_from(name: str) -> None:
    card = read_card(find_weights(name))
    assert card.training_data == "camvid, split trainval"
    assert card.recipe["name"].startswith(card.network)
    assert all((card.terms, card.training_time, card.accuracy, card.limits))


@pytest.mark.parametrize("network", ["ddrnet_23_slim", "stdc1", "bisenetv2", "fassd_net_l2"])
def test_every_network_was_judged_on_a_drive_that_it_never_saw(network: str) -> None:
    folds = {read_card(path).content_hash for path in (CHECKOUT / "folds").glob(f"{network}_*.onnx")}
    accuracy = read_card(find_weights(f"{network}-camvid")).accuracy
    assert [entry for entry in accuracy if entry.weights in folds and "split only:" in entry.measured_on]


def test_the_list_says_what_there_is_and_what_is_here(
    cache: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert list_weights().here == frozenset()
    (tmp_path / FILE).write_bytes(CONTENT)
    listed = list_weights()
    assert listed.here == {NAME}
    assert [one.name for one in listed.weights] == sorted(shelf.known_weights())
    (facts,) = (one for one in json.loads(listed.to_json())["weights"] if one["here"])
    card = read_card(DEFAULT_WEIGHTS)
    assert facts == {
        "name": NAME,
        "network": card.network,
        "file": FILE,
        "size": len(CONTENT),
        "sha256": SHA256,
        "training_data": card.training_data,
        "accuracy": [{"measured_on": one.measured_on, "miou": one.miou} for one in card.accuracy],
        "here": True,
    }
    monkeypatch.setenv("COLUMNS", "200")
    assert f"{NAME:<26}  ddrnet_23_slim  camvid, split trainval  11.5  yes" in listed.table()
    assert f"{100 * card.accuracy[0].miou:.2f}  {card.accuracy[0].measured_on}" in listed.table()


def test_names_and_paths(cache: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    Path("plain").touch()
    Path(NAME).mkdir()  # a run's folder, say, is no weights
    for path in ("plain", "missing.onnx", "run/missing", tmp_path):
        assert find_weights(path) == Path(path)
    with pytest.raises(UsageError, match=f"'ddrnet' is neither a file nor .* there are: .*{NAME}.*; or give a file"):
        find_weights("ddrnet")
    for place in ("CHECKOUT", "PACKAGED"):
        monkeypatch.setattr(shelf, place, tmp_path / place)
        (tmp_path / place).mkdir()
        (tmp_path / place / FILE).write_bytes(CONTENT)
        assert find_weights(NAME) == tmp_path / place / FILE
    assert Segmenter.open(NAME, engine="onnxruntime").card == read_card(DEFAULT_WEIGHTS)


@pytest.mark.slow
def test_predict_fetches_once(
    server: Server, cache: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    Image.fromarray(render(1, (48, 64)).frame).save(tmp_path / "street.png")
    command = ["predict", str(tmp_path / "street.png"), "--out", str(tmp_path / "out"), "--engine", "onnxruntime"]
    assert main([*command, "--weights", NAME]) == 0
    monkeypatch.delenv("STREETSEG_WEIGHTS_URL")
    assert main([*command, "--weights", NAME]) == 0
    output, errors = capsys.readouterr()
    assert (output.count("64 x 48"), errors) == (2, "")
    (fetched,) = weights_in(cache)
    assert fetched.read_bytes() == CONTENT
    assert len(server.ranges) == 1


def test_a_connection_that_breaks_is_resumed(server: Server, cache: Path) -> None:
    server.breaks_after = 4 * MEBI
    assert find_weights(NAME).read_bytes() == CONTENT
    assert server.ranges == ["bytes=0-", f"bytes={4 * MEBI}-", f"bytes={8 * MEBI}-"]


@pytest.mark.parametrize("knows_ranges", [True, False])
def test_a_later_call_goes_on(server: Server, cache: Path, knows_ranges: bool) -> None:
    server.knows_ranges = knows_ranges
    half = cache / SHA256[:16] / f".{FILE}.part"
    half.parent.mkdir(parents=True)
    half.write_bytes(CONTENT[: 3 * MEBI])

    server.breaks_after = 0
    with pytest.raises(ArtefactError, match=f"{server.url}{FILE} cannot be downloaded: the file ends early; try again"):
        find_weights(NAME)
    assert half.read_bytes() == CONTENT[: 3 * MEBI]

    server.breaks_after = None
    assert find_weights(NAME).read_bytes() == CONTENT
    assert server.ranges == [f"bytes={3 * MEBI}-"] * 2
    assert not half.exists()


def test_a_part_of_something_else_is_fetched_anew(server: Server, cache: Path) -> None:
    part = cache / SHA256[:16] / f".{FILE}.part"
    part.parent.mkdir(parents=True)
    part.write_bytes(b"<html>Welcome to our hotel</html>")
    assert find_weights(NAME).read_bytes() == CONTENT
    assert server.ranges == ["bytes=33-", "bytes=0-"]
    assert not part.exists()


def test_another_file_is_refused(server: Server, cache: Path) -> None:
    server.content = CONTENT[:-1] + b"\0"
    with pytest.raises(ArtefactError, match=f"sent another file than .* instead of {SHA256[:12]}.*try again"):
        find_weights(NAME)
    assert weights_in(cache) == []
    for content in (CONTENT + b"more than was asked for", b"<html>Log in</html>"):
        for server.knows_ranges in (True, False):
            server.content = content
            with pytest.raises(
                ArtefactError, match=rf"another file .* \({len(content)} bytes instead of {len(CONTENT)}"
            ):
                find_weights(NAME)
    assert weights_in(cache) == []
    server.content = CONTENT
    assert find_weights(NAME).read_bytes() == CONTENT
    assert server.ranges == ["bytes=0-"] * 6


def test_weights_are_fetched_where_stderr_is_closed(server: Server, cache: Path) -> None:
    """As in a process of a desktop, which has none."""
    program = (
        "import sys; from pathlib import Path; from streetseg.runtime.shelf.fetch import fetch\n"
        f"fetch({server.url + FILE!r}, Path({str(cache / FILE)!r}), {len(CONTENT)}, {SHA256!r})"
    )
    command = ["sh", "-c", 'exec "$0" -c "$1" 2>&-', sys.executable, program]
    assert subprocess.run(command, timeout=120, check=False).returncode == 0
    assert (cache / FILE).read_bytes() == CONTENT


def test_what_keeps_weights_from_being_fetched(
    server: Server, cache: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def refusal() -> str:
        with pytest.raises((ArtefactError, OutputError)) as caught:
            find_weights(NAME)
        return str(caught.value)

    (tmp_path / "file").touch()
    monkeypatch.setenv("STREETSEG_CACHE", str(tmp_path / "file" / "cache"))
    assert "cannot be written: Not a directory; choose another folder with STREETSEG_CACHE" in refusal()
    monkeypatch.setenv("STREETSEG_CACHE", str(cache))
    for url, problem in [
        (f"{server.url}/elsewhere", "HTTP Error 404"),
        ("http://127.0.0.1:1", "refused"),
        ("no address", "unknown url type"),
    ]:
        monkeypatch.setenv("STREETSEG_WEIGHTS_URL", url)
        assert f"{url}/{FILE} cannot be downloaded: " in refusal()
        assert problem in refusal()
    monkeypatch.delenv("STREETSEG_WEIGHTS_URL")
    assert f"set STREETSEG_WEIGHTS_URL to the address of a folder with {FILE}" in refusal()
    assert weights_in(cache) == []


def test_where_the_cache_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home")
    for variable in ("STREETSEG_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(variable, raising=False)
    assert shelf.cache_folder() == Path("/home/.cache/streetseg")
    monkeypatch.setenv("XDG_CACHE_HOME", "/xdg")
    assert shelf.cache_folder() == Path("/xdg/streetseg")
    monkeypatch.setenv("STREETSEG_CACHE", "/own")
    assert shelf.cache_folder() == Path("/own")


@pytest.mark.slow
def test_of_two_processes_one_fetches(server: Server, cache: Path, tmp_path: Path) -> None:
    server.may_answer.clear()
    code = (
        "from pathlib import Path; from streetseg.runtime.shelf import fetch, shelf; "
        f"shelf.PACKAGED = shelf.CHECKOUT = Path({str(tmp_path)!r}); "
        f"print('asks', flush=True); print(shelf.find_weights({NAME!r}))"
    )
    both = [
        subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    for process in both:
        assert process.stdout is not None
        assert process.stdout.readline() == "asks\n"
    server.may_answer.set()
    (fetched,) = {process.communicate(timeout=60) for process in both}  # the same answers, whoever fetched it
    assert fetched == (f"{weights_in(cache)[0]}\n", "")
    assert server.ranges == ["bytes=0-"]


def test_without_a_home_folder_a_line_says_where_to_keep_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("STREETSEG_CACHE", "XDG_CACHE_HOME", "HOME"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setattr("pwd.getpwuid", lambda uid: {}[uid])  # a user whom the system does not know
    with pytest.raises(UsageError, match="no home folder to keep weights in; set STREETSEG_CACHE"):
        shelf.cache_folder()
