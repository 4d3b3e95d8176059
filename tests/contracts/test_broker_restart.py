"""What the embedded broker keeps when it is stopped or killed; a named broker is not ours to kill."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from confluent_kafka import Consumer, TopicPartition

from fundwatch.children import Child, Part
from streams.broker import answers
from streams.machine import LOOPBACK, free_port
from streams.replay import publish
from tests.contracts.broker_clients import create_topic, partition_of, read_all

pytestmark = pytest.mark.embedded

PEOPLE = 53
LINES = 30_000


@pytest.fixture
def address() -> str:
    return f"{LOOPBACK}:{free_port()}"


@pytest.fixture
async def broker(address: str, data_dir: Path) -> AsyncIterator[Child]:
    """A broker of the test's own, started again whenever it ends."""
    argv = [sys.executable, "-m", "streams.broker", "--data-dir", str(data_dir), "--port", address.partition(":")[2]]
    child = Child(Part("kafka", argv, data_dir.with_name("kafka.log"), lambda: answers(address), start_within=240))
    await child.launch()
    keeper = asyncio.create_task(child.keep())
    yield child
    await child.stop()
    await keeper


def line(number: int) -> bytes:
    return f'{{"event_id":"{number}","psn_no":"p{number % PEOPLE}","rest":"{"x" * 300}"}}'.encode()


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
async def test_nothing_acknowledged_is_lost_when_the_broker_ends_in_the_middle_of_a_replay(
    address: str, broker: Child, how: signal.Signals
) -> None:
    topic = create_topic(address, "settlements", 8)

    def lines() -> Iterator[bytes]:
        for number in range(LINES):
            if number == LINES // 3:
                assert broker.pid
                os.kill(broker.pid, how)
            yield line(number)

    assert await asyncio.to_thread(publish, lines(), address, topic) == LINES
    assert broker.restarts == 1
    expected: dict[int, list[bytes]] = {}
    for number in range(LINES):
        expected.setdefault(partition_of(f"p{number % PEOPLE}".encode(), 8), []).append(line(number))
    log = await asyncio.to_thread(read_all, address, topic)
    assert {partition: [message.value() for message in messages] for partition, messages in log.items()} == expected


async def test_committed_offsets_and_records_survive_a_kill_right_after_they_were_acknowledged(
    address: str, broker: Child
) -> None:
    topic = create_topic(address, "settlements")
    await asyncio.to_thread(publish, (line(number) for number in range(100)), address, topic)
    settings = {"bootstrap.servers": address, "group.id": "worker", "enable.auto.commit": False, "log_level": 0}
    consumer = Consumer(settings | {"reconnect.backoff.max.ms": 500})
    await asyncio.to_thread(consumer.commit, offsets=[TopicPartition(topic, 0, 42)], asynchronous=False)
    first = broker.pid
    assert first
    os.kill(first, signal.SIGKILL)
    while broker.pid == first or not broker.ready:
        await asyncio.sleep(0.05)
    committed = await asyncio.to_thread(consumer.committed, [TopicPartition(topic, 0)], timeout=60)
    assert [partition.offset for partition in committed] == [42]
    log = await asyncio.to_thread(read_all, address, topic)
    assert [message.value() for message in log[0]] == [line(number) for number in range(100)]
    consumer.close()
