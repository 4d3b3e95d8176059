"""What we ask of a broker, written once: run on the embedded one, and on the one FUNDWATCH_TEST_KAFKA names when it is set."""

from __future__ import annotations

import asyncio
import os
import random
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from itertools import count

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import MessageSizeTooLargeError

from schemas.topics import FACTS, PERSON_STATE, SETTLEMENTS, Topics
from streams.replay import publish
from tests.contracts.broker_clients import create_topic, murmur2, partition_of, read_all

WITHIN = 60.0
PARTITIONS = 8
BROKERS = ["embedded", *(["named"] if os.environ.get("FUNDWATCH_TEST_KAFKA") else [])]

pytestmark = pytest.mark.embedded


@pytest.fixture(params=BROKERS)
def address(request: pytest.FixtureRequest) -> str:
    if request.param == "named":
        return os.environ["FUNDWATCH_TEST_KAFKA"]
    return str(request.getfixturevalue("kafka"))


@pytest.fixture
def topic(address: str, topic_prefix: Callable[[], str]) -> str:
    return create_topic(address, f"{topic_prefix()}settlements", PARTITIONS)


@asynccontextmanager
async def producing(address: str, **settings: object) -> AsyncIterator[AIOKafkaProducer]:
    producer = AIOKafkaProducer(bootstrap_servers=address, acks="all", **settings)
    await producer.start()
    try:
        yield producer
    finally:
        await producer.stop()


@asynccontextmanager
async def consuming(address: str, *topics: str, **settings: object) -> AsyncIterator[AIOKafkaConsumer]:
    consumer = AIOKafkaConsumer(
        *topics, bootstrap_servers=address, enable_auto_commit=False, auto_offset_reset="earliest", **settings
    )
    await consumer.start()
    try:
        yield consumer
    finally:
        await consumer.stop()


def settlement(person: str, number: int) -> bytes:
    return f'{{"event_id":"e{number}","psn_no":"{person}","setl_time":"2025-03-01 08:00:00"}}'.encode()


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        (b"21", -973932308),
        (b"foobar", -790332482),
        (b"a-little-bit-long-string", -985981536),
        (b"a-little-bit-longer-string", -1486304829),
        (b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971),
        (b"abc", 479470107),
    ],
)
def test_the_reference_hash_is_javas(key: bytes, expected: int) -> None:
    assert murmur2(key) == expected % 2**32  # values of Kafka's own test of its hash


async def test_every_client_puts_a_key_into_javas_partition(address: str, topic: str) -> None:
    people = [f"{random.Random(n).getrandbits(n % 90 + 8):x}" for n in range(300)] + ["参保人一", "P0"]
    publish((settlement(person, n) for n, person in enumerate(people)), address, topic)
    async with producing(address) as producer:
        for person in people:
            await producer.send(topic, b"", person.encode())
        await producer.flush()
    found: dict[bytes, set[int]] = {}
    for partition, messages in read_all(address, topic).items():
        for message in messages:
            found.setdefault(message.key() or b"", set()).add(partition)
    assert found == {person.encode(): {partition_of(person.encode(), PARTITIONS)} for person in people}


def test_a_partition_keeps_the_order_of_the_file(address: str, topic: str) -> None:
    lines = [settlement(f"p{n * 7919 % 97}", n) for n in range(20_000)]
    assert publish(iter(lines), address, topic) == len(lines)
    expected: dict[int, list[bytes]] = {}
    for n, line in enumerate(lines):
        expected.setdefault(partition_of(f"p{n * 7919 % 97}".encode(), PARTITIONS), []).append(line)
    assert {
        number: [message.value() for message in log] for number, log in read_all(address, topic).items()
    } == expected


async def test_a_group_goes_on_where_it_committed(address: str, topic: str, topic_prefix: Callable[[], str]) -> None:
    group = f"{topic_prefix()}worker"
    publish((settlement("p", n) for n in range(100)), address, topic)
    home = TopicPartition(topic, partition_of(b"p", PARTITIONS))
    async with consuming(address, topic, group_id=group) as consumer:
        taken = [await asyncio.wait_for(consumer.getone(), WITHIN) for _ in range(40)]
        await consumer.commit({home: taken[-1].offset + 1})
    async with consuming(address, topic, group_id=group) as consumer:
        record = await asyncio.wait_for(consumer.getone(), WITHIN)
        assert record.offset == 40
        assert await consumer.committed(home) == 40


async def test_a_group_shares_the_partitions_and_takes_over_from_a_member_that_left(
    address: str, topic: str, topic_prefix: Callable[[], str]
) -> None:
    group = f"{topic_prefix()}worker"

    async def hold(*members: AIOKafkaConsumer, each: int) -> None:
        deadline = time.monotonic() + WITHIN
        while any(len(member.assignment()) != each for member in members):
            assert time.monotonic() < deadline, [member.assignment() for member in members]
            await asyncio.sleep(0.05)

    async with consuming(address, topic, group_id=group, heartbeat_interval_ms=200) as stays:
        async with consuming(address, topic, group_id=group, heartbeat_interval_ms=200) as leaves:
            await hold(stays, leaves, each=PARTITIONS // 2)
        await hold(stays, each=PARTITIONS)


async def test_compaction_keeps_the_last_value_of_every_key(address: str, topic_prefix: Callable[[], str]) -> None:
    topic = create_topic(
        address,
        f"{topic_prefix()}state",
        config={"cleanup.policy": "compact", "segment.ms": "100", "min.cleanable.dirty.ratio": "0.01"},
    )
    last = {f"k{key}".encode(): b"version 49" for key in range(20)}
    async with producing(address) as producer:
        for version in range(50):
            for key in last:
                await producer.send(topic, f"version {version}".encode(), key)
        await producer.send(topic, None, b"k0")  # a tombstone
        deadline = time.monotonic() + WITHIN
        for tick in count():
            # the cleaner leaves the segment that is written to alone: only a later record closes it
            await producer.send_and_wait(topic, str(tick).encode(), b"tick")
            log = [message for message in read_all(address, topic)[0] if message.key() != b"tick"]
            if len(log) <= len(last):
                break
            assert time.monotonic() < deadline, f"{len(log)} records are still there"
            await asyncio.sleep(0.3)
    assert {message.key(): message.value() for message in log if message.value() is not None} == {
        key: value for key, value in last.items() if key != b"k0"
    }


async def test_a_batch_made_by_hand_is_read_as_its_records(address: str, topic: str) -> None:
    rows = [(f"person {n}".encode(), f"state {n}".encode() * 50) for n in range(500)] + [(b"gone", None)]
    async with producing(address, max_batch_size=1024 * 1024) as producer:
        batch = producer.create_batch()
        for key, value in rows:
            assert batch.append(key=key, value=value, timestamp=None) is not None
        batch.close()
        metadata = await (await producer.send_batch(batch, topic, partition=3))
    assert [(message.key(), message.value()) for message in read_all(address, topic)[3]] == rows
    async with consuming(address) as consumer:
        consumer.assign([TopicPartition(topic, 3)])
        got = await asyncio.wait_for(consumer.getmany(timeout_ms=int(WITHIN * 1000)), WITHIN)
        records = got[TopicPartition(topic, 3)]
        assert (records[0].key, records[0].value, records[0].offset) == (*rows[0], metadata.offset)


async def test_headers_come_back_in_order(address: str, topic: str) -> None:
    headers = [("correlation", b"\x00\x01"), ("deadline", b"1741000000000"), ("correlation", b"again")]
    async with producing(address) as producer:
        await producer.send_and_wait(topic, b"request", b"p", headers=headers)
    [[message]] = read_all(address, topic).values()
    assert message.headers() == headers


@pytest.mark.parametrize("base", [SETTLEMENTS, FACTS, PERSON_STATE])
async def test_records_up_to_a_topics_limit_are_taken_and_larger_ones_refused(
    address: str, topic_prefix: Callable[[], str], base: str
) -> None:
    [declared] = [declared for declared in Topics(topic_prefix()).all() if declared.name.endswith(base)]
    topic = create_topic(address, declared.name, config=declared.config)
    limit = int(declared.config["max.message.bytes"])
    fits = random.Random(1).randbytes(limit - 1_000)
    async with producing(address, max_request_size=2 * limit) as producer:
        await asyncio.wait_for(producer.send_and_wait(topic, fits, b"p"), WITHIN)
        with pytest.raises(MessageSizeTooLargeError):
            await asyncio.wait_for(producer.send_and_wait(topic, fits + b"x" * 2_000, b"p"), WITHIN)
    [message] = read_all(address, topic)[0]
    assert message.value() == fits
    async with consuming(address, topic) as consumer:
        assert (await asyncio.wait_for(consumer.getone(), WITHIN)).value == fits


async def test_every_declared_topic_can_be_made(address: str, topic_prefix: Callable[[], str]) -> None:
    for declared in Topics(topic_prefix(), partitions=2).all():
        assert create_topic(address, declared.name, declared.partitions, declared.config) == declared.name
