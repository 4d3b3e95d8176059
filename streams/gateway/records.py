"""Sees that what was asked and answered arrives in ``audit.log`` and ``feedback``, however long the broker is away."""

from __future__ import annotations

import asyncio
from collections import defaultdict, deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from typing import Final

import structlog

from schemas.audit import Feedback, Record, encode
from schemas.partitions import key_partition
from schemas.topics import AUDIT_LOG, FEEDBACK
from streams.gateway.lines import Line, close
from streams.gateway.settings import GatewaySettings
from streams.sending import Sender

_AT_ONCE: Final = 500
_MOST: Final = 20_000
_MOST_BYTES: Final = 64 * 1024 * 1024

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class _Row:
    topic: str
    partition: int
    key: bytes
    value: bytes
    safe: asyncio.Future[None] | None


class LogWriter(Line):
    """A buffer before Kafka: rows stay in it until all replicas have them; ``lost`` is told how many there was no room for."""

    def __init__(self, settings: GatewaySettings, *, lost: Callable[[int], None]) -> None:
        super().__init__("audit log")
        self._settings, self._lost = settings, lost
        self._log, self._feedback = settings.topics.name(AUDIT_LOG), settings.topics.name(FEEDBACK)
        self._rows: deque[_Row] = deque()
        self._bytes = 0
        self._some = asyncio.Event()
        self._sender: Sender | None = None

    @property
    def backlog(self) -> int:
        """Rows not yet safe."""
        return len(self._rows)

    def put(self, record: Record, feedback: Sequence[Feedback] = ()) -> asyncio.Future[None]:
        """Take a record with its feedback; the future is done when Kafka has them all."""
        safe: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        rows = [self._row(self._feedback, one.person_id, encode(one), None) for one in feedback]
        rows.append(self._row(self._log, record.msgid, encode(record), safe))
        size = sum(len(row.value) for row in rows)
        if len(self._rows) + len(rows) > _MOST or self._bytes + size > _MOST_BYTES:
            self._lost(len(rows))
            log.error("gateway.record_lost", audit_id=record.audit_id, backlog=len(self._rows))
            return safe
        self._rows.extend(rows)
        self._bytes += size
        self._some.set()
        return safe

    async def flush(self, within: float) -> None:
        """Wait until nothing is left, at most ``within`` seconds."""
        with suppress(TimeoutError):
            async with asyncio.timeout(within):
                while self._rows:
                    await asyncio.sleep(0.02)
        if self._rows:
            self._lost(len(self._rows))
            log.error("gateway.records_lost", records=len(self._rows))

    async def _work(self) -> None:
        self._sender = Sender(self._settings.kafka)
        await self._sender.start()
        self._stand()
        while True:
            await self._some.wait()
            # one request to the broker at a time: what comes meanwhile travels together in the next
            rows = list(islice(self._rows, _AT_ONCE))
            by_topic: dict[str, dict[int, list[tuple[bytes | None, bytes | None]]]] = defaultdict(
                lambda: defaultdict(list)
            )
            for row in rows:
                by_topic[row.topic][row.partition].append((row.key, row.value))
            # feedback first: its record, which tells the hospital that all is kept, comes after it
            for topic in sorted(by_topic, key=lambda name: name == self._log):
                await self._sender.send(topic, by_topic[topic])
            for row in rows:
                self._rows.popleft()
                self._bytes -= len(row.value)
                if row.safe is not None and not row.safe.done():
                    row.safe.set_result(None)
            if not self._rows:
                self._some.clear()

    async def _close(self) -> None:
        if self._sender is not None:
            await close(self._sender)
            self._sender = None

    def _row(self, topic: str, key: str, value: bytes, safe: asyncio.Future[None] | None) -> _Row:
        data = key.encode()
        return _Row(topic, key_partition(data, self._settings.partitions), data, value, safe)
