"""Who is let in, and the headers every answer carries."""

from __future__ import annotations

import re
from ipaddress import ip_network

import pytest
from starlette.applications import Starlette
from starlette.responses import HTMLResponse, JSONResponse
from starlette.routing import Route, WebSocketRoute
from starlette.testclient import TestClient
from starlette.websockets import WebSocket, WebSocketDisconnect

from console.guard import Guard
from console.sessions import Sessions

PAGE = "<html><head><script>a</script><script type='module' src='/x.js'></script></head><body>文字</body></html>"


async def _socket(socket: WebSocket) -> None:
    await socket.accept()
    await socket.send_text("in")
    await socket.close()


def _client(address: str = "127.0.0.1", host: str = "wall.example") -> TestClient:
    app = Starlette(
        routes=[
            Route("/wall", lambda _: HTMLResponse(PAGE)),
            Route("/_nicegui_ws/socket.io/", lambda _: JSONResponse({})),
            Route("/api/panels/feed", lambda _: JSONResponse({})),
            Route("/healthz", lambda _: JSONResponse({})),
            WebSocketRoute("/_nicegui_ws/socket.io/", _socket),
        ]
    )
    guarded = Guard(
        app,
        names=["wall.example", "::1"],
        networks=[ip_network("127.0.0.0/8"), ip_network("::1/128")],
        sessions=Sessions(None),
    )
    return TestClient(guarded, base_url=f"http://{host}", client=(address, 5_000))


def test_a_page_runs_only_its_own_scripts() -> None:
    answer = _client().get("/wall")
    policy = answer.headers["content-security-policy"]
    nonce = re.search(r"'nonce-([\w-]+)'", policy)
    assert nonce
    assert answer.text.count(f'<script nonce="{nonce[1]}"') == 2
    assert answer.text.replace(f' nonce="{nonce[1]}"', "") == PAGE
    assert "'unsafe-inline'" not in policy.split("style-src")[0]
    assert "frame-ancestors 'self'" in policy
    assert int(answer.headers["content-length"]) == len(answer.content)


def test_every_page_has_a_nonce_of_its_own() -> None:
    client = _client()
    assert (
        client.get("/wall").headers["content-security-policy"] != client.get("/wall").headers["content-security-policy"]
    )


@pytest.mark.parametrize("path", ["/wall", "/api/panels/feed", "/healthz"])
def test_every_answer_carries_the_headers(path: str) -> None:
    headers = _client().get(path).headers
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "same-origin"
    assert "frame-ancestors 'self'" in headers["content-security-policy"]


@pytest.mark.parametrize("address", ["10.0.0.7", "192.168.1.9", "testclient"])
def test_pages_are_for_the_walls_networks_and_the_api_for_tokens(address: str) -> None:
    far = _client(address)
    assert far.get("/wall").status_code == 403
    assert far.get("/_nicegui_ws/socket.io/").status_code == 403
    assert far.get("/api/panels/feed").status_code == 200
    assert far.get("/healthz").status_code == 200


def test_an_unknown_host_name_is_not_answered() -> None:
    foreign = _client(host="attacker.example")
    assert foreign.get("/wall").status_code == 421
    assert foreign.get("/api/panels/feed").json()["error"] == "refused"
    assert _client(host="[::1]:8600").get("/wall").status_code == 200


def test_a_foreign_page_cannot_open_the_socket() -> None:
    client = _client()
    assert client.get("/_nicegui_ws/socket.io/", headers={"origin": "http://attacker.example"}).status_code == 403
    assert client.get("/_nicegui_ws/socket.io/", headers={"origin": "http://wall.example"}).status_code == 200
    foreign = {"host": "wall.example", "origin": "http://attacker.example"}
    own = {"host": "wall.example", "origin": "http://wall.example"}
    with (
        pytest.raises(WebSocketDisconnect),
        client.websocket_connect("/_nicegui_ws/socket.io/", headers=foreign),
    ):
        pass
    with client.websocket_connect("/_nicegui_ws/socket.io/", headers=own) as socket:
        assert socket.receive_text() == "in"
