"""An embedded Kafka and ClickHouse for the time of a benchmark, and a worker on them when asked."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from clickhouse.client import connect
from clickhouse.migrate import migrate
from clickhouse.settings import StoreSettings
from fundwatch import parts
from fundwatch.children import Child
from fundwatch.progress import Progress
from schemas.topics import Topics
from streams.machine import LOOPBACK, free_port
from streams.settings import StreamSettings


@dataclass(frozen=True)
class Load:
    """What every measurement of a run is made on: a simulated city, the same bytes for the same seed."""

    events: Path
    institutions: Path
    drugs: Path
    count: int


@dataclass(frozen=True)
class Stack:
    """A running broker and store; ``database`` and ``prefix`` keep measurements apart."""

    addresses: parts.Addresses
    folder: Path

    def environment(self, load: Load, name: str) -> dict[str, str]:
        """Settings of one measurement's worker."""
        return {
            "FUNDWATCH_KAFKA": self.addresses.kafka,
            "FUNDWATCH_CLICKHOUSE_URL": self.addresses.clickhouse,
            "FUNDWATCH_CLICKHOUSE_DATABASE": f"bench_{name}",
            "FUNDWATCH_TOPIC_PREFIX": f"{name}.",
            "FUNDWATCH_INSTITUTIONS": str(load.institutions),
            "FUNDWATCH_DRUGS": str(load.drugs),
        }

    def topics(self, name: str) -> Topics:
        """Topic names of one measurement."""
        return Topics(prefix=f"{name}.")

    def store(self, name: str) -> StoreSettings:
        """The store of one measurement, migrated."""
        settings = StoreSettings(clickhouse_url=self.addresses.clickhouse, clickhouse_database=f"bench_{name}")
        migrate(connect(settings))
        return settings

    def stream(self, name: str) -> StreamSettings:
        """The stream settings of one measurement."""
        return StreamSettings(kafka=self.addresses.kafka, topic_prefix=f"{name}.")


@asynccontextmanager
async def running(folder: Path) -> AsyncIterator[Stack]:
    """Kafka and ClickHouse in a folder, stopped at the end."""
    addresses = parts.Addresses.choose(None, None, None)
    children = [Child(parts.kafka(addresses, folder)), Child(parts.clickhouse(addresses, folder))]
    try:
        await asyncio.gather(*(child.launch() for child in children))
        yield Stack(addresses, folder)
    finally:
        await asyncio.gather(*(child.stop() for child in children))


@asynccontextmanager
async def worker(stack: Stack, load: Load, name: str) -> AsyncIterator[Child]:
    """A worker of one measurement, ready when it holds every partition."""
    progress = Progress(stack.addresses.kafka, stack.topics(name))
    part = parts.worker(stack.folder / name, stack.environment(load, name), progress)
    child = Child(part)
    await child.launch()
    try:
        yield child
    finally:
        await child.stop()


@asynccontextmanager
async def gateway(stack: Stack, load: Load, name: str, tokens: Path, rate: int) -> AsyncIterator[int]:
    """A gateway of one measurement on a free port, ready when it answers; ``rate`` is what a client may ask a second."""
    port = free_port()
    environment = stack.environment(load, name) | {
        "FUNDWATCH_GATEWAY_PORT": str(port),
        "FUNDWATCH_TOKENS": str(tokens),
        "FUNDWATCH_GATEWAY_RATE": str(rate),
    }
    child = Child(parts.gateway(f"http://{LOOPBACK}:{port}", stack.folder / name, environment))
    await child.launch()
    try:
        yield port
    finally:
        await child.stop()


def stored(settings: StoreSettings) -> Callable[[], int]:
    """A function that counts the stored settlement rows."""
    client = connect(settings)

    def count() -> int:
        return int(client.query("SELECT count() FROM settlement_rows").result_rows[0][0])

    return count


async def until(condition: Callable[[], bool], within: float, pause: float = 0.05) -> float:
    """Wait for a condition; the ``time.perf_counter`` at which it held. Raises TimeoutError."""
    deadline = time.perf_counter() + within
    while not await asyncio.to_thread(condition):
        if time.perf_counter() > deadline:
            raise TimeoutError(f"expected {condition.__name__} within {within:.0f} s, it did not happen")
        await asyncio.sleep(pause)
    return time.perf_counter()


def cores() -> int:
    """Processors this run may use."""
    return len(os.sched_getaffinity(0))
