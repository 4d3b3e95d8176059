"""Carries what came of every attempt from the topic ``deliveries`` into ClickHouse, committed when it is stored."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, Final, Protocol

import msgspec
import structlog
from aiokafka import AIOKafkaConsumer
from aiokafka.errors import CommitFailedError, IllegalStateError, KafkaError

from clickhouse.deliveries import DeliveryAttempt
from schemas.topics import DELIVERIES, Topics
from streams.gateway.lines import close
from streams.meters import Meters
from streams.notifier.records import Delivery, decode
from streams.storing import patiently

_AT_ONCE: Final = 2_000
_GATHER_SECONDS: Final = 0.5
_LONGEST_AWAY_MS: Final = 6 * 3_600_000
_PAUSE_SECONDS: Final = 1.0

log = structlog.get_logger(__name__)


class AttemptSink(Protocol):
    """What the log asks of :class:`clickhouse.deliveries.DeliverySink`."""

    def store(self, attempts: Sequence[DeliveryAttempt]) -> None:
        """Insert and return when the rows are safe."""


class DeliveryLog:
    """Stores the topic; notifiers share its partitions. ``sink`` is used by a thread of this object alone."""

    def __init__(self, servers: str, topics: Topics, sink: AttemptSink, *, session: float) -> None:
        self._servers = servers.split(",")
        self._topic = topics.name(DELIVERIES)
        self._sink = sink
        self._session_ms = int(session * 1000)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="deliveries")
        self._meters = Meters()

    async def run(self) -> None:
        """Store; never ends."""
        try:
            while True:
                try:
                    await self._carry()
                except KafkaError as error:
                    log.warning("delivery_log.interrupted", error=repr(error), retry_in_seconds=_PAUSE_SECONDS)
                    await asyncio.sleep(_PAUSE_SECONDS)
        finally:
            self._thread.shutdown(wait=False, cancel_futures=True)

    async def _carry(self) -> None:
        consumer = AIOKafkaConsumer(
            self._topic, bootstrap_servers=self._servers, group_id=self._topic, enable_auto_commit=False,
            auto_offset_reset="earliest", max_poll_interval_ms=_LONGEST_AWAY_MS,
            session_timeout_ms=self._session_ms, heartbeat_interval_ms=min(3_000, self._session_ms // 4),
        )  # fmt: skip
        try:
            await consumer.start()
            while True:
                got = await consumer.getmany(timeout_ms=1_000, max_records=_AT_ONCE)
                if not got:
                    continue
                attempts = [row for records in got.values() for record in records for row in _attempts(record)]
                await patiently(self._thread, partial(self._sink.store, attempts), self._meters)
                reached = {tp: records[-1].offset + 1 for tp, records in got.items()}
                try:
                    await consumer.commit({tp: at for tp, at in reached.items() if tp in consumer.assignment()})
                except (CommitFailedError, IllegalStateError) as error:
                    # the partitions moved meanwhile: their next owner stores the same rows, and each stays one
                    log.info("delivery_log.moved", error=type(error).__name__)
                if sum(map(len, got.values())) < _AT_ONCE:
                    await asyncio.sleep(_GATHER_SECONDS)
        finally:
            await close(consumer)


def _attempts(record: Any) -> list[DeliveryAttempt]:
    try:
        found = decode(record.value or b"")
    except msgspec.DecodeError:
        return []  # whoever holds the partition says so
    if not isinstance(found, Delivery) or found.last is None:
        return []
    last = found.last
    return [
        DeliveryAttempt(
            alert_id=found.alert_id, revision=last.revision, receiver=found.receiver, attempt=last.number, state=last.outcome,
            status=min(last.status, 65_535), error=last.error, family=found.family, rule_id=found.rule_id, light=last.light,
            summary=last.summary, queued_ms=last.queued_ms, attempted_ms=last.at_ms, took_ms=last.took_ms,
        )
    ]  # fmt: skip
