"""The batch path without a broker: what becomes committable, in which order partitions are served, what a moved partition forgets."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from faust.types import TP

from streams.batches import Batch, BatchApp, BatchConsumer

HOT, COLD = "hot", "cold"
A, B = TP(HOT, 0), TP(HOT, 1)


@pytest.fixture
async def consumer() -> AsyncIterator[BatchConsumer]:
    app = BatchApp("test", broker="kafka://127.0.0.1:1", store="memory://", web_enabled=False)
    app.hot_topics = {HOT: 3}
    consumer = app.consumer
    assert isinstance(consumer, BatchConsumer)
    consumer.highwater = lambda _tp: 0
    consumer.assignment = lambda: {A, B}
    consumer.offered = []

    async def deliver(message: Any) -> None:
        consumer.offered.append(message)

    consumer.callback = deliver
    consumer.sought = {}

    async def seek(tp: TP, offset: int) -> None:
        consumer.sought[tp] = offset

    consumer._seek = seek
    return consumer


async def test_an_app_that_starts_leaves_no_folder_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    app = BatchApp("test", broker="kafka://127.0.0.1:1", store="memory://", web_enabled=False)
    await app.on_first_start()
    assert list(tmp_path.iterdir()) == []


def records(*offsets: int) -> list[Any]:
    return [SimpleNamespace(offset=offset, timestamp=0, timestamp_type=0, key=None, value=b"") for offset in offsets]


async def fetch(consumer: BatchConsumer, fetched: dict[TP, list[Any]]) -> None:
    async def once(_timeout: float) -> tuple[dict[TP, list[Any]], set[TP]]:
        result = dict(fetched)
        fetched.clear()
        return result, {A, B}

    consumer._wait_next_records = once
    await consumer._drain_once()


@pytest.mark.parametrize(
    ("acknowledged", "committable"),
    [
        pytest.param([], None, id="nothing"),
        pytest.param([0], 3, id="the first"),
        pytest.param([1], None, id="a later one waits for the first"),
        pytest.param([1, 0], 8, id="in any order"),
        pytest.param([0, 2, 1], 12, id="all, past holes in the log"),
        pytest.param([0, 2], 3, id="up to the gap"),
    ],
)
async def test_the_committable_offset_is_the_end_of_the_oldest_run(
    consumer: BatchConsumer, acknowledged: list[int], committable: int | None
) -> None:
    messages = []
    for offsets in ((0, 1, 2), (5, 7), (9, 11)):
        await consumer._offer(A, records(*offsets))
        messages.append(consumer.offered[-1])
    for number in acknowledged:
        consumer.ack(messages[number])
    assert consumer._new_offset(A) == committable


async def test_a_message_from_before_a_seek_acknowledges_nothing(consumer: BatchConsumer) -> None:
    await consumer._offer(A, records(0, 1))
    old = consumer.offered[-1]
    await consumer.seek(A, 0)
    await consumer._offer(A, records(0, 1))
    consumer.ack(old)
    assert consumer._new_offset(A) is None
    consumer.ack(consumer.offered[-1])
    assert consumer._new_offset(A) == 2


async def test_an_agent_that_acknowledges_by_iterating_is_exact_too(consumer: BatchConsumer) -> None:
    await consumer._offer(A, records(0, 1))
    # what Faust's Cython iterator does instead of calling ack()
    consumer.offered[-1].acked = True
    consumer._acked[A].append(1)
    consumer._acked_index[A].add(1)
    assert set(consumer._filter_tps_with_pending_acks()) == {A}
    assert consumer._new_offset(A) == 2
    assert A not in consumer._acked


async def test_the_partition_that_is_furthest_behind_goes_first_and_agents_get_no_more_than_they_can_hold(
    consumer: BatchConsumer,
) -> None:
    consumer.app.partition_rank = {A: 5.0, B: 1.0}.__getitem__
    await fetch(consumer, {A: records(0, 1, 2, 3), B: records(7, 8, 9, 10)})
    assert [(message.tp, message.offset) for message in consumer.offered] == [(B, 9), (B, 10)]
    batch = consumer.offered[0].value
    assert isinstance(batch, Batch)
    batch.taken()
    batch.taken()
    await fetch(consumer, {})
    assert [(message.tp, message.offset) for message in consumer.offered[2:]] == [(A, 2)]
    assert consumer.behind


async def test_a_partition_with_enough_in_hand_is_left_out_of_the_fetch(
    consumer: BatchConsumer, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[set[TP], float]] = []

    async def getmany(active: set[TP], timeout: float) -> dict[TP, list[Any]]:
        asked.append((set(active), timeout))
        return {}

    monkeypatch.setattr(consumer._thread, "getmany", getmany)
    await consumer._getmany({A, B}, 1.0)
    consumer._waiting[A].extend([records(0), records(1)])
    await consumer._getmany({A, B}, 1.0)
    consumer._waiting[B].extend([records(0), records(1)])
    assert await consumer._getmany({A, B}, 1.0) == {}
    assert asked == [({A, B}, 1.0), ({B}, 0)]


async def test_what_a_fetch_brings_while_its_partition_moves_is_read_again_from_there(consumer: BatchConsumer) -> None:
    async def moved(_timeout: float) -> tuple[dict[TP, list[Any]], set[TP]]:
        await consumer.seek(A, 40)
        return {A: records(90, 91), B: records(1)}, {A, B}

    consumer._wait_next_records = moved
    await consumer._drain_once()
    assert [(message.tp, message.offset) for message in consumer.offered] == [(B, 1)]
    assert consumer.sought == {A: 40}


async def test_what_a_fetch_brings_after_the_flow_was_stopped_is_put_back(consumer: BatchConsumer) -> None:
    async def stopped(_timeout: float) -> tuple[dict[TP, list[Any]], set[TP]]:
        consumer.stop_flow()
        return {B: records(7, 8)}, {A, B}

    consumer._wait_next_records = stopped
    await consumer._drain_once()
    assert not consumer.offered
    assert consumer.sought == {B: 7}
