"""The processes of a demo: how each is started, and how each is asked whether it answers."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import httpx

from fundwatch.children import Part
from fundwatch.errors import BrokerError, UsageError
from fundwatch.progress import Progress
from streams.broker import answers
from streams.machine import LOOPBACK, free_port

FIRST_START_SECONDS: Final = 600.0
"""A new machine fetches Kafka's jars, and perhaps a Java, before the broker starts."""


@dataclass(frozen=True)
class Addresses:
    """Where the parts listen, all on loopback."""

    kafka_port: int
    clickhouse_port: int
    gateway_port: int
    console_port: int
    notifier_port: int

    @classmethod
    def choose(
        cls, kafka: int | None, clickhouse: int | None, console: int | None, gateway: int | None = None
    ) -> Addresses:
        """The given ports, free ones for the rest."""
        given = [port for port in (kafka, clickhouse, gateway, console) if port]
        if len(set(given)) < len(given):
            raise UsageError(f"expected a port of its own for each part, got {', '.join(map(str, given))}")
        chosen = cls(
            kafka_port=kafka or free_port(),
            clickhouse_port=clickhouse or free_port(),
            gateway_port=gateway or free_port(),
            console_port=console or free_port(),
            notifier_port=free_port(),
        )
        taken = {
            chosen.kafka_port, chosen.clickhouse_port, chosen.gateway_port, chosen.console_port, chosen.notifier_port,
        }  # fmt: skip
        return chosen if len(taken) == 5 else cls.choose(kafka, clickhouse, console, gateway)

    @property
    def kafka(self) -> str:
        """Bootstrap servers."""
        return f"{LOOPBACK}:{self.kafka_port}"

    @property
    def clickhouse(self) -> str:
        """HTTP address of ClickHouse."""
        return f"http://{LOOPBACK}:{self.clickhouse_port}"

    @property
    def gateway(self) -> str:
        """Address hospitals call."""
        return f"http://{LOOPBACK}:{self.gateway_port}"

    @property
    def console(self) -> str:
        """Address of the staff's pages."""
        return f"http://{LOOPBACK}:{self.console_port}"

    @property
    def notifier(self) -> str:
        """Address the notifier is asked for its health at."""
        return f"http://{LOOPBACK}:{self.notifier_port}"

    @property
    def wall(self) -> str:
        """Address of the wall."""
        return f"{self.console}/wall"


def kafka(at: Addresses, folder: Path) -> Part:
    """The embedded broker."""
    return Part(
        name="kafka",
        argv=[
            sys.executable,
            "-m",
            "streams.broker",
            "--data-dir",
            str(folder / "kafka"),
            "--port",
            str(at.kafka_port),
        ],
        log=folder / "logs" / "kafka.log",
        ready=lambda: answers(at.kafka),
        start_within=FIRST_START_SECONDS,
    )


def clickhouse(at: Addresses, folder: Path) -> Part:
    """The embedded store."""
    data = str(folder / "clickhouse")
    return Part(
        name="clickhouse",
        argv=[sys.executable, "-m", "clickhouse.embedded", "--data-dir", data, "--port", str(at.clickhouse_port)],
        log=folder / "logs" / "clickhouse.log",
        ready=_answers_http(f"{at.clickhouse}/ping"),
    )


def worker(folder: Path, environment: dict[str, str], progress: Progress) -> Part:
    """The judge of the live stream."""
    return Part(
        name="worker",
        argv=[sys.executable, "-m", "fundwatch", "worker"],
        log=folder / "logs" / "worker.log",
        ready=_holds_all(progress),
        env=environment,
    )


def gateway(url: str, folder: Path, environment: dict[str, str]) -> Part:
    """The hospitals' door; ``url`` is where ``environment`` makes it listen."""
    return Part(
        name="gateway",
        argv=[sys.executable, "-m", "fundwatch", "gateway"],
        log=folder / "logs" / "gateway.log",
        ready=_answers_http(f"{url}/readyz"),
        env=environment,
    )


def notifier(at: Addresses, folder: Path, environment: dict[str, str]) -> Part:
    """The one who tells the people on call."""
    return Part(
        name="notifier",
        argv=[sys.executable, "-m", "fundwatch", "notifier"],
        log=folder / "logs" / "notifier.log",
        ready=_answers_http(f"{at.notifier}/readyz"),
        env=environment,
    )


def console(at: Addresses, folder: Path, environment: dict[str, str]) -> Part:
    """The staff's pages."""
    return Part(
        name="console",
        argv=[sys.executable, "-m", "fundwatch", "console"],
        log=folder / "logs" / "console.log",
        ready=_answers_http(f"{at.console}/readyz"),
        env=environment,
    )


def _holds_all(progress: Progress) -> Callable[[], bool]:
    def ask() -> bool:
        try:
            return progress.assigned()
        except BrokerError:
            return False  # the broker's own keeper deals with that

    return ask


def _answers_http(url: str) -> Callable[[], bool]:
    def ask() -> bool:
        try:
            return httpx.get(url, timeout=2.0).status_code == httpx.codes.OK
        except httpx.HTTPError:
            return False

    return ask
