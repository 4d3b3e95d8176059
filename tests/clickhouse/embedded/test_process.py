"""The embedded server as a process: one per folder, a clean end, and what survives a kill."""

from __future__ import annotations

import random
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from clickhouse.client import connect
from clickhouse.errors import StoreError
from clickhouse.migrate import migrate
from clickhouse.reconcile import panel_mismatches
from clickhouse.settings import StoreSettings
from clickhouse.sink import Sink
from tests.fixtures_clickhouse import EmbeddedServer, settlement

pytestmark = pytest.mark.embedded
Start = Callable[..., EmbeddedServer]


def run(folder: Path, port: int, *more: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "clickhouse.embedded", "--data-dir", str(folder), "--port", str(port), *more]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def test_a_folder_in_use_is_said_plainly(embedded_server: Start, tmp_path: Path) -> None:
    server = embedded_server("store")
    second = run(tmp_path / "store", 0)
    assert second.returncode == 2
    assert second.stderr.strip() == (
        f"the data folder {tmp_path / 'store'} is in use by process {server.process.pid}: stop that process or choose another folder"
    )


def test_a_port_in_use_is_said_plainly(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        result = run(tmp_path / "store", port)
    assert result.returncode == 2
    assert f"127.0.0.1:{port}" in result.stderr
    assert "Traceback" not in result.stderr


def test_without_a_password_it_serves_loopback_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FUNDWATCH_CLICKHOUSE_PASSWORD", raising=False)
    result = run(tmp_path / "store", 0, "--host", "0.0.0.0")
    assert result.returncode == 2
    assert "FUNDWATCH_CLICKHOUSE_PASSWORD" in result.stderr


def test_a_folder_that_cannot_be_made_is_said_plainly(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    result = run(tmp_path / "file", 0)
    assert result.returncode == 2
    assert "Traceback" not in result.stderr


def test_sigterm_ends_it_cleanly_and_the_rows_stay(embedded_server: Start) -> None:
    server = embedded_server()
    client = connect(StoreSettings(clickhouse_url=server.url))
    migrate(client)
    Sink(client).store([settlement(1)])
    assert server.stop() == 0
    server.start()
    again = connect(StoreSettings(clickhouse_url=server.url))
    assert migrate(again) == []
    assert again.command("SELECT count() FROM settlements") == 1


def test_acknowledged_rows_survive_kill_9(embedded_server: Start) -> None:
    """Three kills in the middle of inserts and refreshes: whatever was acknowledged is there, whole."""
    server = embedded_server()
    client = connect(StoreSettings(clickhouse_url=server.url))
    migrate(client)
    chance = random.Random(7)
    acknowledged = 0
    for _ in range(3):
        sink = Sink(connect(StoreSettings(clickhouse_url=server.url)))
        killer = threading.Timer(chance.uniform(0.2, 0.8), server.process.kill)
        killer.start()
        try:
            while True:
                sink.store([settlement(n) for n in range(acknowledged, acknowledged + 20)])
                acknowledged += 20
                sink.refresh()
        except StoreError:
            killer.join()
        server.kill()
        server.start()
        again = connect(StoreSettings(clickhouse_url=server.url))
        stored = {row[0] for row in again.query("SELECT event_id FROM settlements").result_rows}
        assert {f"E{n:06d}" for n in range(acknowledged)} <= stored
        assert len(stored) in (acknowledged, acknowledged + 20)  # the last batch is there whole or not at all
    assert acknowledged
    final = Sink(again)
    final.store([settlement(n) for n in range(acknowledged, acknowledged + 20)])
    final.refresh()
    assert panel_mismatches(again) == []
