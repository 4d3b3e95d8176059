"""Fixtures every test may ask for: one embedded Kafka for the session, data folders, names of its own."""

from __future__ import annotations

import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from fundwatch.children import Tie
from streams.broker import await_broker
from streams.machine import LOOPBACK, free_port

pytest_plugins = [
    "tests.not_run",
    "tests.fixtures_city",
    "tests.fixtures_office",
    *(["tests.fixtures_clickhouse"] if Path(__file__).with_name("fixtures_clickhouse.py").exists() else []),
]

_FIRST_START_SECONDS = 240  # a new machine fetches Kafka first


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
    output = folder / "output"
    tie = Tie([sys.executable, "-m", "streams.broker", "--data-dir", str(folder / "data"), "--port", str(port)])
    with output.open("wb") as file:
        broker = subprocess.Popen(
            tie.argv, stdin=subprocess.DEVNULL, stdout=file, stderr=file, pass_fds=tie.pass_fds, process_group=0
        )
    tie.started()
    try:
        await_broker(address, within=_FIRST_START_SECONDS, alive=lambda: broker.poll() is None)
        yield address
    except Exception as error:
        error.add_note(output.read_text())
        raise
    finally:
        broker.terminate()
        try:
            broker.wait(30)
        except subprocess.TimeoutExpired:
            broker.kill()
            broker.wait()
        tie.ended()


@pytest.fixture
def topic_prefix() -> Callable[[], str]:
    """Makes prefixes nobody else uses, so that tests share one broker: ``prefix = topic_prefix()``."""
    return lambda: f"t{uuid.uuid4().hex[:10]}."
