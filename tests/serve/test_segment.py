"""`POST /v1/segment`: what comes back is what `Segmenter` says."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pycocotools import mask as coco

from streetseg import Segmenter
from tests.support.server import RunningServer, multipart, picture


def expected(artefact: Path, content: bytes) -> np.ndarray[tuple[int, int], np.dtype[np.uint8]]:
    """Return the class map as Python gives it."""
    return Segmenter.open(artefact, engine="onnxruntime", threads=1)(Image.open(io.BytesIO(content))).classmap


def pixels(content: bytes) -> np.ndarray[tuple[int, int], np.dtype[np.uint8]]:
    return np.asarray(Image.open(io.BytesIO(content)))


def test_a_class_map_is_a_palette_png_of_indices(server: RunningServer, artefact: Path) -> None:
    sent = picture(50, 70)
    answer = server.ask("POST", "/v1/segment", sent, {"Content-Type": "image/png"})
    assert (answer.status, answer.headers["content-type"]) == (200, "image/png")
    np.testing.assert_array_equal(pixels(answer.body), expected(artefact, sent))
    assert Image.open(io.BytesIO(answer.body)).getpalette()[:3] == [128, 64, 128]  # type: ignore[index]
    facts = json.loads(answer.headers["x-result"])
    assert (facts["height"], facts["width"]) == (50, 70)
    assert sum(facts["share"].values()) == pytest.approx(1, abs=1e-5)
    stages = [entry.split(";")[0] for entry in answer.headers["server-timing"].split(", ")]
    assert stages == ["decode", "wait", "network", "classmap", "encode"]


@pytest.mark.filterwarnings("ignore:__array__ implementation")  # pycocotools beside numpy 2
def test_run_lengths_are_pycocotools(server: RunningServer, artefact: Path) -> None:
    sent = picture(41, 67, seed=2)
    answer = server.ask("POST", "/v1/segment?output=rle", sent)
    joined = np.full((41, 67), 255, np.uint8)
    for one in answer.json["masks"]:
        decoded = coco.decode(one["rle"]).astype(bool)
        assert one["share"] == pytest.approx(decoded.mean(), abs=1e-6)
        joined[decoded] = one["index"]
        assert coco.encode(np.asfortranarray(decoded, np.uint8))["counts"].decode() == one["rle"]["counts"]
    np.testing.assert_array_equal(joined, expected(artefact, sent))


def test_other_forms(server: RunningServer) -> None:
    sent = picture()
    outlines = server.ask("POST", "/v1/segment?output=polygons&smallest=9&model=grey", sent).json
    assert outlines["model"] == "grey"
    assert {one["class"] for one in outlines["classes"]} <= {"a", "b", "c"}
    facts = server.ask("POST", "/v1/segment?output=json", sent).json
    assert set(facts["share"]) <= {"road", "Gebüsch", "sky"}
    assert facts["milliseconds"]["network"] > 0
    overlay = server.ask("POST", "/v1/segment?output=overlay", sent)
    assert overlay.headers["content-type"] == "image/jpeg"
    assert Image.open(io.BytesIO(overlay.body)).size == (64, 48)


@pytest.mark.parametrize(
    ("query", "accept", "kind"),
    [
        ("", "*/*", "image/png"),
        ("", "image/jpeg", "image/jpeg"),
        ("", "application/json;q=0.9, image/jpeg;q=0.2", "application/json"),
        ("", "image/*", "image/png"),
        ("?output=overlay", "image/png", "image/png"),
        ("?output=overlay", "image/*", "image/jpeg"),
        ("", "text/html", None),
        ("?output=json", "image/png", None),
        ("", "image/png;q=0", None),
    ],
)
def test_the_type_is_negotiated(server: RunningServer, query: str, accept: str, kind: str | None) -> None:
    answer = server.ask("POST", f"/v1/segment{query}", picture(), {"Accept": accept})
    assert answer.status == (406 if kind is None else 200)
    assert answer.headers["content-type"] == (kind or "application/json")


def test_several_pictures_in_one_request(server: RunningServer, artefact: Path) -> None:
    sent = [picture(40, 60, 1), picture(60, 40, 2)]
    body, headers = multipart(*sent)
    with zipfile.ZipFile(io.BytesIO(server.ask("POST", "/v1/segment", body, headers).body)) as archive:
        assert archive.namelist() == ["0.png", "1.png"]
        for number, content in enumerate(sent):
            np.testing.assert_array_equal(pixels(archive.read(f"{number}.png")), expected(artefact, content))
    results = server.ask("POST", "/v1/segment?output=json", body, headers).json["results"]
    assert [one["height"] for one in results] == [40, 60]
    bad, headers = multipart(sent[0], b"no picture")
    assert server.ask("POST", "/v1/segment", bad, headers).json["error"].startswith("picture 1 is not an image")


@pytest.mark.parametrize(
    ("query", "status", "words"),
    [
        ("?model=../tiny", 404, "there are: tiny, grey"),
        ("?output=mask", 400, "classmap, overlay, rle, polygons, json"),
        ("?output=polygons&smallest=0", 400, "smallest"),
        ("?output=polygons&smallest=1e9", 400, "smallest"),
    ],
)
def test_a_wrong_question_is_answered_in_one_line(server: RunningServer, query: str, status: int, words: str) -> None:
    answer = server.ask("POST", f"/v1/segment{query}", picture())
    assert answer.status == status
    assert words in answer.json["error"]
    assert "\n" not in answer.json["error"]


def test_the_models_are_listed_with_what_a_page_needs(server: RunningServer) -> None:
    tiny, grey = server.ask("GET", "/v1/models").json["models"]
    assert (tiny["name"], grey["name"]) == ("tiny", "grey")
    assert tiny["classes"] == ["road", "Gebüsch", "sky"]
    assert tiny["colours"][0] == [128, 64, 128]
    assert (tiny["precision"], tiny["short_side"], tiny["terms"]) == ("float32", 360, "research")


def test_the_page_and_its_files(server: RunningServer) -> None:
    page = server.ask("GET", "/")
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    policy = page.headers["content-security-policy"]
    assert "script-src 'self'" in policy
    assert "unsafe" not in policy
    assert server.ask("GET", "/page/main.js").headers["content-type"] == "text/javascript; charset=utf-8"
    for path in ("/page/../served.py", "/page/%2e%2e/served.py", "/page//etc/passwd", "/page/"):
        assert server.ask("GET", path).status == 404


def test_the_document_of_the_addresses(server: RunningServer) -> None:
    document = server.ask("GET", "/openapi.json").json
    assert document["openapi"].startswith("3.1")
    page = server.ask("GET", "/docs").body.decode()
    assert "<script" not in page
    for path, operations in document["paths"].items():
        assert path in page
        if "get" in operations:
            assert server.ask("GET", path.replace("{name}", "tiny")).status == 200


def test_the_figures_for_prometheus(server: RunningServer) -> None:
    server.ask("POST", "/v1/segment?output=json", picture())
    text = server.ask("GET", "/metrics").body.decode()
    for line in (
        'streetseg_requests_total{outcome="200",route="/v1/segment"}',
        'streetseg_stage_seconds_bucket{le="0.001",model="tiny",stage="network"}',
        'streetseg_class_share_total{class_name="road",model="tiny"}',
        'streetseg_queue_places{model="tiny"} 0.0',
        "streetseg_resident_bytes",
    ):
        assert line in text


def test_the_log_has_one_line_a_request(server: RunningServer) -> None:
    headers = {"X-Request-Id": "my-request", "traceparent": f"00-{'ab' * 16}-{'cd' * 8}-01"}
    answer = server.ask("POST", "/v1/segment?output=json", picture(), headers)
    assert answer.headers["x-request-id"] == "my-request"
    server.ask("GET", "/v1/models")
    for _ in range(200):
        if lines := [line for line in server.log if line.get("id") == "my-request"]:
            break
        server.ask("GET", "/v2/health/live")
    (line,) = lines
    assert (line["status"], line["model"], line["output"]) == (200, "tiny", "json")
    assert line["trace"] == "ab" * 16
    assert set(line["stages"]) == {"decode", "wait", "network", "classmap", "encode"}
