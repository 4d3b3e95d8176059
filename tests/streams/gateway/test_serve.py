"""The gateway as a process: how it starts, what it answers without a broker, how it stops."""

from __future__ import annotations

import socket
import subprocess
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from clickhouse.settings import StoreSettings
from streams.gateway.serve import main
from streams.gateway.settings import GatewaySettings
from tests.streams.gateway.conftest import PARTITIONS, Doors
from tests.streams.gateway.messages import HERE, audit
from tests.streams.gateway.process import Process

pytestmark = pytest.mark.embedded


def test_it_stops_cleanly_with_requests_open_and_keeps_their_answers(
    settings: GatewaySettings, doors: Doors, start: Callable[..., Process]
) -> None:
    told = {
        "kafka": settings.kafka, "topic_prefix": settings.topic_prefix, "partitions": str(PARTITIONS), "tokens": str(doors.path),
        "gateway_outpatient_seconds": "3",
    }  # fmt: skip
    process = start(**told)
    process.until_ready()
    bodies = [audit() | {"msgid": f"{HERE}20250603091000{number:04d}"} for number in range(8)]

    def ask(body: dict[str, object]) -> httpx.Response:
        return httpx.post(f"{process.url}/api/3102", json=body, headers=doors.header(), timeout=20)

    with ThreadPoolExecutor(8) as pool:
        waiting = [pool.submit(ask, body) for body in bodies]
        deadline = time.monotonic() + 20
        while "fundwatch_gateway_open_requests 8.0" not in httpx.get(f"{process.url}/metrics").text:
            assert time.monotonic() < deadline
            time.sleep(0.02)
        assert process.stop() == 0
        answers = [one.result() for one in waiting]
    assert {one.status_code for one in answers} == {200}
    assert all(one.json()["output"]["undecided"] for one in answers)
    assert "Traceback" not in "".join(process.lines)

    again = start(**told)
    again.until_ready()
    process.url = again.url
    assert [ask(body).content for body in bodies] == [one.content for one in answers]
    assert again.stop() == 0


def test_without_a_broker_it_lives_and_says_so(doors: Doors, start: Callable[..., Process]) -> None:
    process = start(kafka="127.0.0.1:9", tokens=str(doors.path))
    process.until_ready("/healthz")
    assert httpx.get(f"{process.url}/readyz").status_code == 503
    asked = httpx.post(f"{process.url}/api/3102", json=audit(), headers=doors.header())
    assert asked.json()["output"]["undecided"]
    assert "server" not in asked.headers
    assert process.stop() == 0
    assert "Traceback" not in "".join(process.lines)
    told = "".join(process.lines)
    assert '"msgid": "H31010100001202506030910000001"' in told
    assert audit()["input"]["data"]["patient_dtos"][0]["patn_id"] not in told


def test_it_speaks_tls_where_a_certificate_is_named(
    doors: Doors, start: Callable[..., Process], tmp_path: Path
) -> None:
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    made = subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost",
         "-keyout", key, "-out", certificate],
        capture_output=True, check=False,
    )  # fmt: skip
    assert made.returncode == 0, made.stderr
    process = start(
        kafka="127.0.0.1:9", tokens=str(doors.path), gateway_tls_cert=str(certificate), gateway_tls_key=str(key)
    )
    deadline = time.monotonic() + 60
    while not process.url:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    process.url = process.url.replace("http://", "https://")
    process.until_ready("/healthz")
    asked = httpx.get(f"{process.url}/healthz", verify=False)
    assert "max-age" in asked.headers["strict-transport-security"]
    assert process.stop() == 0


def test_settings_that_cannot_be_meant_are_said(tmp_path: Path, doors: Doors) -> None:
    empty = tmp_path / "empty.pem"
    empty.write_text("")
    store = StoreSettings()
    assert main(GatewaySettings(tokens=doors.path, gateway_tls_cert=empty, gateway_tls_key=empty), store) == 2
    assert main(GatewaySettings(tokens=tmp_path / "missing"), store) == 2
    with socket.create_server(("127.0.0.1", 0)) as taken:
        assert main(GatewaySettings(tokens=doors.path, gateway_port=taken.getsockname()[1]), store) == 1
    with pytest.raises(ValueError, match="together"):
        GatewaySettings(gateway_tls_cert=empty)
    with pytest.raises(ValueError, match="below partitions"):
        GatewaySettings(gateway_reply_partition=8)


def test_each_instance_has_a_partition_of_its_own() -> None:
    assert [GatewaySettings(gateway_instance=f"g-{number}").reply_partition for number in range(10)] == [
        0, 1, 2, 3, 4, 5, 6, 7, 0, 1,
    ]  # fmt: skip
    assert GatewaySettings(gateway_instance="g-1", gateway_reply_partition=5).reply_partition == 5
    assert 0 <= GatewaySettings(gateway_instance="north").reply_partition < 8
