"""The console as a process: its service paths, how it starts, how it stops."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from clickhouse.settings import StoreSettings
from console.app import main
from console.settings import ConsoleSettings
from tests.console.conftest import Console, Doors

NOBODY = StoreSettings(clickhouse_url="http://127.0.0.1:9")
pytestmark = pytest.mark.embedded


def test_service_paths_answer_without_a_token(serving: tuple[Console, Doors]) -> None:
    url = serving[0].url
    assert httpx.get(f"{url}/healthz").json() == {"status": "ok"}
    assert httpx.get(f"{url}/readyz").json() == {"status": "ready"}
    assert "fundwatch_console_loads_total" in httpx.get(f"{url}/metrics").text
    paths = httpx.get(f"{url}/openapi.json").json()["paths"]
    assert {"/api/panels/{module}", "/api/alerts", "/api/alerts/{alert_id}", "/healthz", "/readyz", "/metrics"} <= set(
        paths
    )
    root = httpx.get(f"{url}/")
    assert (root.status_code, root.headers["location"]) == (307, "/wall")


@pytest.mark.parametrize("path", ["/wall", "/alerts", "/docs"])
def test_pages_carry_the_headers_set_no_cookie_and_name_no_other_host(
    serving: tuple[Console, Doors], path: str
) -> None:
    answer = httpx.get(serving[0].url + path)
    assert answer.status_code == 200
    assert "'nonce-" in answer.headers["content-security-policy"]
    assert "set-cookie" not in answer.headers
    assert "https://" not in answer.text
    assert "cdn" not in answer.text.lower()


def test_an_unknown_path_of_the_api_is_json(serving: tuple[Console, Doors]) -> None:
    for method in ("GET", "POST"):
        answer = httpx.request(method, f"{serving[0].url}/api/nothing")
        assert (answer.status_code, answer.json()["error"]) == (404, "not_found")


def test_an_unknown_page_shows_no_trace(serving: tuple[Console, Doors]) -> None:
    answer = httpx.get(f"{serving[0].url}/nothing")
    assert answer.status_code == 404
    assert "Traceback" not in answer.text


def test_the_process_starts_without_a_store_says_so_and_stops_cleanly(start_console: Callable[..., Console]) -> None:
    console = start_console(NOBODY, None)
    answer = httpx.get(f"{console.url}/readyz")
    assert (answer.status_code, answer.json()["status"]) == (503, "waiting")
    assert httpx.get(f"{console.url}/wall").status_code == 200
    console.process.send_signal(signal.SIGTERM)
    assert console.process.wait(20) == 0
    assert "Traceback" not in console.output()


def test_the_same_port_can_be_had_again_at_once(start_console: Callable[..., Console]) -> None:
    console = start_console(NOBODY, None)
    port = int(console.url.rsplit(":", 1)[1])
    with httpx.Client() as client:
        client.get(f"{console.url}/healthz")
        console.process.send_signal(signal.SIGINT)
        assert console.process.wait(20) == 0
    with socket.create_server(("127.0.0.1", port)):
        pass


def test_a_taken_port_is_said_and_ends_the_process() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        code = f"from console.app import serve; from fastapi import FastAPI; raise SystemExit(serve(FastAPI(), '127.0.0.1', {port}))"
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert "FUNDWATCH_CONSOLE_PORT" in done.stdout + done.stderr


def test_a_bad_tokens_file_is_said_before_anything_is_served(tmp_path: Path) -> None:
    assert main(ConsoleSettings(tokens=tmp_path / "missing.toml"), NOBODY) == 2


def test_a_page_whose_module_takes_long_is_served_at_once(start_console: Callable[..., Console]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:  # accepts connections and never answers
        console = start_console(StoreSettings(clickhouse_url=f"http://127.0.0.1:{silent.getsockname()[1]}"), None)
        assert httpx.get(f"{console.url}/wall", timeout=60).status_code == 200
        assert httpx.get(f"{console.url}/healthz", timeout=60).status_code == 200
