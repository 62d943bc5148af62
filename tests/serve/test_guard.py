"""Token, origins and headers of security."""

from __future__ import annotations

from pathlib import Path

import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect
from websockets.typing import Origin, Subprotocol

from streetseg.serve.settings import ServeSettings
from tests.support.command_line import ONNXRUNTIME
from tests.support.server import RunningServer, logits_of, picture, running, serving

SITE = "https://example.com"


def test_nothing_is_open_to_other_origins_by_default(server: RunningServer) -> None:
    answer = server.ask("POST", "/v1/segment", picture(), {"Origin": SITE})
    assert not [name for name in answer.headers if name.startswith("access-control")]
    assert answer.headers["cross-origin-resource-policy"] == "same-origin"
    asked = {"Origin": SITE, "Access-Control-Request-Method": "POST"}
    assert server.ask("OPTIONS", "/v1/segment", None, asked).status == 403
    with pytest.raises(InvalidStatus):
        connect(f"ws://{server.address}/v1/stream", origin=Origin(SITE))
    with connect(f"ws://{server.address}/v1/stream", origin=Origin(f"http://{server.address}")):
        pass


def test_a_token_and_an_origin() -> None:
    with serving(logits_of, token="s3cret", allow_origin=(SITE,)) as server:
        right = {"Authorization": "Bearer s3cret", "Origin": SITE}
        answer = server.ask("POST", "/v1/segment", picture(), right)
        assert (answer.status, answer.headers["access-control-allow-origin"]) == (200, SITE)
        asked = {"Origin": SITE, "Access-Control-Request-Method": "POST"}
        assert server.ask("OPTIONS", "/v1/segment", None, asked).status == 204
        for wrong in ("", "Bearer", "Bearer s3cre", "Basic s3cret", "Bearer s3cret2", "Bearer \xe9"):
            for path in ("/v1/segment", "/v2/models/model/infer"):
                answer = server.ask("POST", path, picture(), {"Authorization": wrong})
                assert (answer.status, answer.headers["www-authenticate"]) == (401, "Bearer")
        assert {server.ask("GET", path).status for path in ("/metrics", "/v1/models", "/v2")} == {401}
        assert {server.ask("GET", path).status for path in ("/", "/v2/health/live", "/page/main.js")} == {200}
        address = f"ws://{server.address}/v1/stream"
        with pytest.raises(InvalidStatus):
            connect(address)
        with connect(address, subprotocols=[Subprotocol("bearer.s3cret")]) as socket:
            assert socket.subprotocol == "bearer.s3cret"


@pytest.mark.slow
def test_the_token_may_come_from_the_environment(artefact: Path) -> None:
    with running(artefact, *ONNXRUNTIME, STREETSEG_TOKEN="s3cret") as server:
        assert server.ask("GET", "/v1/models").status == 401
        assert "s3cret" not in str(server.log)


def test_every_answer_has_the_headers_of_security(server: RunningServer) -> None:
    for answer in (
        server.ask("GET", "/"),
        server.ask("GET", "/nothing"),
        server.ask("POST", "/v1/segment", b"x"),
        server.ask("GET", "/v2/health/live"),
    ):
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
        assert "server" not in answer.headers


def test_by_default_only_this_machine_is_answered() -> None:
    assert ServeSettings().host == "127.0.0.1"
