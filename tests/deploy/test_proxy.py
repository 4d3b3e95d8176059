"""The real proxy on loopback, with the shipped configuration, in front of servers that say who they are."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest

from streams.machine import LOOPBACK, free_port
from tests.deploy.composed import ROOT

CADDY = Path(sys.executable).with_name("caddy")


class Echo(BaseHTTPRequestHandler):
    """Says its name, the path and the host it was asked for."""

    def do_GET(self) -> None:
        body = f"{self.server.name} {self.path} {self.headers['Host']} {self.headers['X-Forwarded-For']}".encode()  # type: ignore[attr-defined]
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Server", "told by nobody")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None: ...


@contextmanager
def upstream(name: str) -> Iterator[str]:
    server = ThreadingHTTPServer((LOOPBACK, 0), Echo)
    server.name = name  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"{LOOPBACK}:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@contextmanager
def caddy(tmp_path: Path, file: str, port: int, ready: str, **settings: str) -> Iterator[httpx.Client]:
    environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), **settings}
    process = subprocess.Popen(
        [CADDY, "run", "--config", ROOT / "deploy" / "proxy" / file, "--adapter", "caddyfile"],
        env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        with httpx.Client(base_url=f"http://{LOOPBACK}:{port}", trust_env=False) as client:
            await_(lambda: client.get(ready).status_code < 500)
            yield client
    finally:
        process.terminate()
        process.wait(30)


def await_(is_so: Callable[[], bool], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while True:
        try:
            if is_so():
                return
        except httpx.TransportError:
            pass
        assert time.monotonic() < deadline, "the proxy does not answer"
        time.sleep(0.1)


@pytest.fixture
def origin(tmp_path: Path) -> Iterator[Callable[[str], httpx.Client]]:
    """Starts the proxy for readers of these networks."""
    with ExitStack() as stack:

        def start(networks: str) -> httpx.Client:
            port = free_port()
            return stack.enter_context(
                caddy(
                    tmp_path,
                    "Caddyfile",
                    port,
                    "/healthz",
                    PROXY_PORT=str(port),
                    WALL_NETWORKS=networks,
                    WALL_FILES=str(ROOT / "grafana" / "wall"),
                    CONSOLE=stack.enter_context(upstream("console")),
                    GRAFANA=stack.enter_context(upstream("grafana")),
                )
            )

        yield start


@pytest.mark.parametrize("file", ["Caddyfile", "store.Caddyfile"])
def test_the_configuration_is_valid_and_formatted(file: str) -> None:
    done = subprocess.run(
        [CADDY, "fmt", "--diff", ROOT / "deploy" / "proxy" / file],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout


def test_wall_grafana_and_console_are_one_origin(origin: Callable[[str], httpx.Client]) -> None:
    client = origin("127.0.0.0/8")
    wall = client.get("/wall/")
    assert (ROOT / "grafana" / "wall" / "index.html").read_bytes() == wall.content
    assert client.get("/wall/wall.js").headers["content-type"].startswith("text/javascript")
    assert wall.headers["x-content-type-options"] == "nosniff"
    host = client.base_url.netloc.decode()
    grafana = client.get("/grafana/d/fundwatch-feed?kiosk")
    # the path stays: Grafana serves below /grafana itself; the host stays: it checks its readers' origin by it
    assert grafana.text == f"grafana /grafana/d/fundwatch-feed?kiosk {host} {LOOPBACK}"
    assert client.get("/wall").text.startswith("console /wall ")
    assert client.get("/api/panels/feed").text.startswith("console /api/panels/feed ")
    assert client.get("/grafana").headers["location"] == "/grafana/"


def test_grafana_is_shown_in_no_foreign_page(origin: Callable[[str], httpx.Client]) -> None:
    headers = origin("127.0.0.0/8").get("/grafana/").headers
    assert headers["x-frame-options"] == "SAMEORIGIN"
    assert headers["content-security-policy"] == "frame-ancestors 'self'"
    assert "server" not in headers


def test_strangers_see_no_page_and_may_use_the_api(origin: Callable[[str], httpx.Client]) -> None:
    client = origin("192.0.2.0/24 2001:db8::/32")
    for path in ("/wall/", "/wall", "/", "/grafana/", "/grafana/api/ds/query", "/grafana/api/health", "/_nicegui_ws/"):
        answer = client.get(path, headers={"X-Forwarded-For": "192.0.2.1", "X-Real-IP": "192.0.2.1"})
        assert (path, answer.status_code) == (path, 403)
        assert "WALL_NETWORKS" in answer.text
    assert client.get("/api/alerts").status_code == 200
    for sly in ("/api/../grafana/", "/api/..%2fgrafana/", "//grafana/", "/healthz/../wall/"):
        answer = client.send(client.build_request("GET", str(client.base_url).rstrip("/") + sly))
        assert "grafana" not in answer.text.split(" ")[0]
        assert b"<html" not in answer.content


def test_the_store_is_the_first_replica_and_the_second_while_that_is_away(tmp_path: Path) -> None:
    port = free_port()
    with ExitStack() as stack:
        second = stack.enter_context(upstream("second"))
        first_alone = stack.enter_context(ExitStack())
        first = first_alone.enter_context(upstream("first"))
        settings = {"STORE_PORT": str(port), "REPLICAS": f"{first} {second}"}
        client = stack.enter_context(caddy(tmp_path, "store.Caddyfile", port, "/ping", **settings))
        assert {client.get("/?query=1").text.split()[0] for _ in range(20)} == {"first"}
        first_alone.close()
        assert {client.get("/?query=1").text.split()[0] for _ in range(20)} == {"second"}
