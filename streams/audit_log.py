"""Carries what the gateways log into ClickHouse: batches in order, committed when they are stored, kept while the store is away."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any, Final, Protocol

import msgspec
import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import CommitFailedError, IllegalStateError, KafkaError

from schemas.audit import SCHEMA_VERSION, Record, decode_record
from schemas.deadletter import DeadLetter, buried
from schemas.topics import AUDIT_LOG, Topics
from streams.letters import Letters
from streams.meters import Meters
from streams.storing import patiently

_AT_ONCE: Final = 2_000
_FETCH_BYTES: Final = 1024 * 1024
"""So that the broker answers twice a second, not for every record."""
_GATHER_SECONDS: Final = 1.0
"""Company for a record before it is stored: ClickHouse would rather have one insert than fifty."""
_LONGEST_AWAY_MS: Final = 6 * 3_600_000
"""A store may be away for so long before the group takes our partitions; who has them then stores the same rows again."""
_PAUSE_SECONDS: Final = 1.0
_STOP_SECONDS: Final = 3.0

log = structlog.get_logger(__name__)


class AuditSink(Protocol):
    """What the log asks of :class:`clickhouse.sink.Sink`."""

    def store_audits(self, records: Sequence[Record]) -> object:
        """Insert and return when the rows are safe."""


class AuditLog:
    """Stores ``audit.log``; the workers share its partitions. ``sink`` is used by a thread of this object alone."""

    def __init__(
        self, servers: str, topics: Topics, sink: AuditSink, letters: Letters, meters: Meters, *, session: float
    ) -> None:
        self._servers = servers.split(",")
        self._topic = topics.name(AUDIT_LOG)
        self._sink = sink
        self._letters = letters
        self._meters = meters
        self._session_ms = int(session * 1000)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="audits")

    async def run(self) -> None:
        """Store; never ends. Raises StoreRefused when the store refuses without naming rows."""
        try:
            while True:
                try:
                    await self._carry()
                except KafkaError as error:
                    log.warning("audit_log.interrupted", error=repr(error), retry_in_seconds=_PAUSE_SECONDS)
                    await asyncio.sleep(_PAUSE_SECONDS)
        finally:
            self._thread.shutdown(wait=False, cancel_futures=True)

    async def _carry(self) -> None:
        consumer = AIOKafkaConsumer(
            self._topic, bootstrap_servers=self._servers, group_id=self._topic, enable_auto_commit=False,
            auto_offset_reset="earliest", fetch_min_bytes=_FETCH_BYTES, max_poll_interval_ms=_LONGEST_AWAY_MS,
            session_timeout_ms=self._session_ms, heartbeat_interval_ms=min(3_000, self._session_ms // 4),
        )  # fmt: skip
        try:
            await consumer.start()
            while True:
                records = [
                    one
                    for some in (await consumer.getmany(timeout_ms=1_000, max_records=_AT_ONCE)).values()
                    for one in some
                ]
                if not records:
                    continue
                await self._store(records)
                reached: dict[TopicPartition, int] = {}
                for record in records:
                    tp = TopicPartition(record.topic, record.partition)
                    reached[tp] = max(reached.get(tp, 0), record.offset + 1)
                try:
                    await consumer.commit({tp: at for tp, at in reached.items() if tp in consumer.assignment()})
                except (CommitFailedError, IllegalStateError) as error:
                    # the partitions moved while we stored: their next owner stores the same rows, and each stays one
                    log.info("audit_log.moved", error=type(error).__name__)
                if len(records) < _AT_ONCE:
                    await asyncio.sleep(_GATHER_SECONDS)
        finally:
            with suppress(Exception):  # it is going anyway
                await asyncio.wait_for(consumer.stop(), _STOP_SECONDS)

    async def _store(self, records: Sequence[Any]) -> None:
        good: list[Record] = []
        letters: list[DeadLetter] = []
        for record in records:
            try:
                good.append(_decoded(record.value))
            except ValueError as error:
                letters.append(buried(record, str(error)))
        if letters:
            await self._letters.bury(letters)
        if good:
            await patiently(self._thread, lambda: self._sink.store_audits(good), self._meters)
            self._meters.audit_records += len(good)


def _decoded(value: bytes | None) -> Record:
    """A record of the log. Raises ValueError for what is none."""
    try:
        record = decode_record(value or b"")
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ValueError(
            f"expected a record of an audit as the gateway writes it, got something else ({error})"
        ) from None
    if record.schema != SCHEMA_VERSION:
        raise ValueError(f"expected a record of schema version {SCHEMA_VERSION}, got {record.schema}")
    return record
