"""Fixtures every test may ask for: one embedded Kafka for the session, data folders, names of its own."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from streams.broker import await_broker
from streams.machine import LOOPBACK, free_port

_FIRST_START_SECONDS = 300  # a new machine fetches Kafka first

if importlib.util.find_spec("tests.fixtures_clickhouse"):
    pytest_plugins = ["tests.fixtures_clickhouse"]


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    """An empty folder for one process's data."""
    folder = tmp_path / "data"
    folder.mkdir()
    return folder


@pytest.fixture(scope="session")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of one embedded Kafka, shared by the whole session: take a :func:`topic_prefix`."""
    folder = tmp_path_factory.mktemp("kafka")
    port = free_port()
    address = f"{LOOPBACK}:{port}"
    with (folder / "output").open("wb") as output:
        broker = subprocess.Popen(
            [sys.executable, "-m", "streams.broker", "--data-dir", str(folder / "data"), "--port", str(port)],
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        await_broker(address, within=_FIRST_START_SECONDS, alive=lambda: broker.poll() is None)
    except Exception:
        sys.stderr.write((folder / "output").read_text())
        broker.kill()
        broker.wait()
        raise
    yield address
    broker.terminate()
    broker.wait(30)


@pytest.fixture
def topic_prefix() -> Callable[[], str]:
    """Makes prefixes nobody else uses, so that tests share one broker: ``prefix = topic_prefix()``."""
    return lambda: f"t{uuid.uuid4().hex[:10]}."
