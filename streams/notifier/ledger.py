"""The topic ``deliveries``: written in the order things happened, many at a time, and read back whole."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from typing import Any, Final

import msgspec
import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from schemas.partitions import key_partition
from schemas.topics import DELIVERIES, Topics
from streams.notifier.records import Delivery, Posted, Record, Resend, decode, encode
from streams.sending import Sender

_PAUSE_SECONDS: Final = 0.5
_POLL_MS: Final = 500
_READ_SECONDS: Final = 60.0
"""A broker that answers nothing for so long is away."""

log = structlog.get_logger(__name__)
Line = tuple[int, bytes, bytes]


class Ledger:
    """Writes; what is put while a write is on its way goes with the next."""

    def __init__(self, topics: Topics, sender: Sender) -> None:
        self._name = topics.name(DELIVERIES)
        self._partitions = topics.partitions
        self._sender = sender
        self._waiting: list[tuple[list[Line], asyncio.Future[None]]] = []
        self._some = asyncio.Event()

    async def append(self, records: Iterable[Delivery | Posted]) -> None:
        """Write records to the partitions of their subjects; returns when they are safe, however long the broker is away."""
        lines = [self._line(record) for record in records]
        if lines:
            await self._put(lines)

    async def order(self, order: Resend) -> None:
        """Write an order to every partition; returns when it is safe."""
        key = f"!resend|{order.receiver}".encode()
        await self._put([(partition, key, encode(order)) for partition in range(self._partitions)])

    async def run(self) -> None:
        """Write what is put; never ends."""
        while True:
            await self._some.wait()
            self._some.clear()
            batch, self._waiting = self._waiting, []
            rows: dict[int, list[tuple[bytes, bytes]]] = {}
            for lines, _ in batch:
                for partition, key, value in lines:
                    rows.setdefault(partition, []).append((key, value))
            while True:
                try:
                    await self._sender.send(self._name, rows)
                    break
                except KafkaError as error:
                    log.warning("deliveries.not_written", error=repr(error), retry_in_seconds=_PAUSE_SECONDS)
                    await asyncio.sleep(_PAUSE_SECONDS)
            for _, done in batch:
                if not done.done():
                    done.set_result(None)

    async def _put(self, lines: list[Line]) -> None:
        done = asyncio.get_running_loop().create_future()
        self._waiting.append((lines, done))
        self._some.set()
        await done

    def _line(self, record: Delivery | Posted) -> Line:
        if isinstance(record, Delivery):
            subject, key = record.subject_id, record.key.encode()
        else:
            told = msgspec.json.decode(record.alert)
            subject, key = str(told["subject_id"]), f"!posted|{told['alert_id']}".encode()
        return key_partition(subject.encode(), self._partitions), key, encode(record)


class Reader:
    """Reads partitions of the topic from their beginning, then what is added."""

    def __init__(self, servers: str, topics: Topics, partitions: Sequence[int]) -> None:
        self._tps = [TopicPartition(topics.name(DELIVERIES), partition) for partition in partitions]
        self._consumer: Any = AIOKafkaConsumer(
            bootstrap_servers=servers.split(","), enable_auto_commit=False, fetch_max_wait_ms=100
        )

    async def start(self) -> None:
        """Connect. Raises aiokafka's KafkaError."""
        await self._consumer.start()
        self._consumer.assign(self._tps)
        await self._consumer.seek_to_beginning(*self._tps)

    async def stop(self) -> None:
        """Disconnect."""
        await self._consumer.stop()

    async def past(self) -> AsyncIterator[tuple[int, Record]]:
        """What stands there now, with its partition. Raises KafkaError."""
        ends: Mapping[TopicPartition, int] = await self._consumer.end_offsets(self._tps)
        heard = time.monotonic()
        while True:
            behind = [tp for tp in self._tps if await self._consumer.position(tp) < ends[tp]]
            if not behind:
                return
            got = await self._read(_POLL_MS)
            if got:
                heard = time.monotonic()
            elif time.monotonic() - heard > _READ_SECONDS:
                raise KafkaError(f"expected more of {self._tps[0].topic}, nothing came for {_READ_SECONDS:g} s")
            for one in got:
                yield one

    async def added(self) -> list[tuple[int, Record]]:
        """What was added since, if anything."""
        return await self._read(0)

    async def _read(self, wait_ms: int) -> list[tuple[int, Record]]:
        found = []
        for tp, records in (await self._consumer.getmany(timeout_ms=wait_ms, max_records=2_000)).items():
            for record in records:
                try:
                    found.append((tp.partition, decode(record.value or b"")))
                except msgspec.DecodeError as error:
                    log.error("deliveries.unreadable", partition=tp.partition, offset=record.offset, error=str(error))
        return found
