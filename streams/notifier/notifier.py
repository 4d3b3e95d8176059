"""The notifier on Kafka: reads alerts, writes down what is to be sent, and only then lets the receivers' carriers have it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any, Final
from zoneinfo import ZoneInfo

import msgspec
import structlog
from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition
from aiokafka.errors import CommitFailedError, IllegalStateError

from schemas.partitions import key_partition
from schemas.topics import ALERTS, DELIVERIES, NOTIFIER_GROUP
from streams.gateway.lines import Line, close, expect_topics
from streams.notifier.book import Book
from streams.notifier.deliver import Carrier, Reference
from streams.notifier.guard import Guard, Resolve, Resolver
from streams.notifier.lane import Lane
from streams.notifier.ledger import Ledger, Reader
from streams.notifier.meters import NotifierMeters
from streams.notifier.notice import Notice, read_notice
from streams.notifier.post import Poster
from streams.notifier.receivers import Receiver, Receivers
from streams.notifier.records import Delivery, Posted, Record, Resend
from streams.notifier.settings import NotifierSettings
from streams.sending import Sender

_AT_ONCE: Final = 500
_WAIT_MS: Final = 200
_LONGEST_POLL_MS: Final = 600_000
_LOOK_SECONDS: Final = 1.0
"""Between looks at the receivers file."""
_LET_GO_SECONDS: Final = 2.0
"""For what is on its way when partitions move; what comes later is sent again by their next owner, under the same id."""
_POSTED_HOURS: Final = 1.0
"""An operational alert that nobody took up for so long is no news."""
_HOUR_MS: Final = 3_600_000

log = structlog.get_logger(__name__)


class Notifier(Line):
    """One notifier of the group. ``resolve`` looks up hosts (None: the system's way)."""

    def __init__(
        self, settings: NotifierSettings, receivers: Receivers, reference: Reference, guard: Guard, meters: NotifierMeters,
        resolve: Resolve | None = None,
    ) -> None:  # fmt: skip
        super().__init__("notifier")
        self._settings = settings
        self._topics = settings.topics
        self._receivers = receivers
        self._reference = reference
        self._guard = guard
        self._resolve = resolve
        self._meters = meters
        self._zone = ZoneInfo(settings.timezone)
        self._sender: Sender | None = None
        self._consumer: Any = None
        self._reader: Reader | None = None
        self._ledger: Ledger | None = None
        self._writing: asyncio.Task[None] | None = None
        self._book = Book()
        self._carriers: dict[str, tuple[Receiver, Carrier]] = {}
        self._moved = False
        self._looked = 0.0

    async def post(self, alert: bytes) -> None:
        """Take an alert that does not come from a worker; returns when it is safe. Raises RuntimeError while there is no broker."""
        if self._ledger is None:
            raise RuntimeError("expected a connection to Kafka, there is none")
        await self._ledger.append([Posted(alert.decode(), _now_ms())])

    async def _work(self) -> None:
        settings, topics = self._settings, self._topics
        await expect_topics(settings.kafka, settings.partitions, topics.name(ALERTS), topics.name(DELIVERIES))
        sender = Sender(settings.kafka)
        await sender.start()
        self._sender = sender
        self._ledger = Ledger(topics, sender)
        self._writing = asyncio.create_task(self._ledger.run())
        session_ms = int(settings.notifier_session_seconds * 1000)
        self._consumer = AIOKafkaConsumer(
            bootstrap_servers=settings.kafka.split(","), group_id=topics.name(NOTIFIER_GROUP), enable_auto_commit=False,
            group_instance_id=settings.notifier_instance or None, auto_offset_reset="earliest", fetch_max_wait_ms=100,
            session_timeout_ms=session_ms, heartbeat_interval_ms=min(3_000, session_ms // 4),
            max_poll_interval_ms=_LONGEST_POLL_MS,
        )  # fmt: skip
        self._consumer.subscribe([topics.name(ALERTS)], listener=_Moves(self))
        await self._consumer.start()
        while True:
            if self._moved:
                await self._take_over()
            got = await self._consumer.getmany(timeout_ms=_WAIT_MS, max_records=_AT_ONCE)
            if self._moved:
                continue  # these were fetched for somebody: whoever holds their partitions now starts at what was committed
            if got:
                await self._hear(got)
            if self._reader is not None:
                await self._obey(await self._reader.added())
            await self._look_at_receivers()

    async def _close(self) -> None:
        await self._dismiss()
        if self._writing is not None:
            self._writing.cancel()
            await asyncio.wait((self._writing,))
        ends = (self._consumer, self._reader, self._sender)
        self._consumer = self._reader = self._sender = self._ledger = self._writing = None
        self._moved = False
        await close(*ends)

    async def let_go(self) -> None:
        """Partitions are about to move: nothing more is begun for any of them."""
        self._moved = True
        await self._dismiss()

    def took(self) -> None:
        """Partitions have moved."""
        self._moved = True

    async def _take_over(self) -> None:
        self._moved = False
        await self._dismiss()
        if self._reader is not None:
            await close(self._reader)
            self._reader = None
        held = sorted(tp.partition for tp in self._consumer.assignment())
        book = Book()
        posted: list[Posted] = []
        if held:
            self._reader = Reader(self._settings.kafka, self._topics, held)
            await self._reader.start()
            async for partition, record in self._reader.past():
                if isinstance(record, Delivery):
                    book.restore(record)
                elif isinstance(record, Posted):
                    posted.append(record)
                else:
                    book.resend(record.receiver, _now_ms(), self._in(partition))
        book.covered()
        self._book = book
        self._employ()
        for one in posted:
            await self._take(one)
        if not self._moved:
            self._stand()
        log.info("notifier.partitions", alerts=held, deliveries=len(book.deliveries), receivers=sorted(self._carriers))

    async def _hear(self, got: dict[TopicPartition, list[Any]]) -> None:
        now, oldest = _now_ms(), self._settings.notifier_oldest_hours * _HOUR_MS
        changed: list[Delivery] = []
        for tp, records in got.items():
            for record in records:
                self._meters.alerts.inc()
                if 0 <= record.timestamp < now - oldest:
                    continue
                try:
                    notice = read_notice(record.value or b"")
                except (msgspec.DecodeError, UnicodeDecodeError) as error:
                    self._meters.unreadable.inc()
                    log.error("alerts.unreadable", partition=tp.partition, offset=record.offset, error=str(error))
                    continue
                changed += self._take_in(record.value, notice, now, record.offset)
        await self._write_down(changed)
        reached = {tp: records[-1].offset + 1 for tp, records in got.items()}
        try:
            await self._consumer.commit({tp: at for tp, at in reached.items() if tp in self._consumer.assignment()})
        except (CommitFailedError, IllegalStateError) as error:
            log.info("notifier.moved", error=type(error).__name__)

    async def _obey(self, added: Iterable[tuple[int, Record]]) -> None:
        """Carry out what others wrote beside our own words."""
        for partition, record in added:
            if isinstance(record, Posted):
                await self._take(record)
            elif isinstance(record, Resend):
                again = self._book.resend(record.receiver, _now_ms(), self._in(partition))
                log.info("notifier.resends", receiver=record.receiver, partition=partition, alerts=len(again))
                await self._write_down(again)

    def _in(self, partition: int) -> Callable[[Delivery], bool]:
        """Whether a delivery's record stands in that partition: an order is about what stood there before it."""
        return lambda one: key_partition(one.subject_id.encode(), self._settings.partitions) == partition

    async def _take(self, posted: Posted) -> None:
        if posted.at_ms < _now_ms() - _POSTED_HOURS * _HOUR_MS:
            return
        raw = posted.alert.encode()
        await self._write_down(self._take_in(raw, read_notice(raw), _now_ms()))

    def _take_in(self, raw: bytes, notice: Notice, now: int, order: int = 0) -> list[Delivery]:
        return self._book.hear(raw, notice, self._receivers.current, self._reference.areas, now, order)

    async def _write_down(self, changed: list[Delivery]) -> None:
        if not changed or self._ledger is None:
            return
        await self._ledger.append({one.key: one for one in changed}.values())
        for _, carrier in self._carriers.values():
            carrier.put(changed)

    async def _look_at_receivers(self) -> None:
        now = time.monotonic()
        if now - self._looked < _LOOK_SECONDS:
            return
        self._looked = now
        if await asyncio.to_thread(self._receivers.changed):
            current = self._receivers.current
            gone = [name for name, (receiver, _) in self._carriers.items() if current.get(name) != receiver]
            await asyncio.gather(*(self._carriers.pop(name)[1].stop(_LET_GO_SECONDS) for name in gone))
            self._employ()

    def _employ(self) -> None:
        """A carrier for every receiver that has none."""
        assert self._ledger is not None
        for name, receiver in self._receivers.current.items():
            if name in self._carriers:
                continue
            lane = Lane(receiver, self._zone, first_rest=self._settings.notifier_breaker_seconds)
            poster = Poster(receiver, Resolver(self._guard, self._resolve))
            carrier = Carrier(
                receiver, self._settings, self._reference, self._book, self._ledger, lane, poster, self._meters
            )
            self._carriers[name] = (receiver, carrier)
            carrier.start()

    async def _dismiss(self) -> None:
        carriers, self._carriers = list(self._carriers.values()), {}
        await asyncio.gather(*(carrier.stop(_LET_GO_SECONDS) for _, carrier in carriers))


class _Moves(ConsumerRebalanceListener):
    def __init__(self, notifier: Notifier) -> None:
        self._notifier = notifier

    async def on_partitions_revoked(self, revoked: Iterable[TopicPartition]) -> None:
        with suppress(Exception):
            await self._notifier.let_go()

    async def on_partitions_assigned(self, assigned: Iterable[TopicPartition]) -> None:
        self._notifier.took()


def _now_ms() -> int:
    return int(time.time() * 1000)
