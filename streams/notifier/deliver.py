"""One receiver's deliveries: takes what is next from its lane, tries it, and writes down what came of it."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final

import orjson
import structlog

from streams.notifier.book import Book
from streams.notifier.card import alert_card, summary_card
from streams.notifier.formats import Message
from streams.notifier.lane import NEVER, Item, Job, Lane
from streams.notifier.ledger import Ledger
from streams.notifier.meters import NotifierMeters
from streams.notifier.notice import Notice, Told, told
from streams.notifier.pace import pause
from streams.notifier.post import Answer, Poster
from streams.notifier.receivers import Receiver
from streams.notifier.records import Attempt, Delivery, Key, Outcome
from streams.notifier.settings import NotifierSettings

_SWEEP_SECONDS: Final = 30.0
_HOUR: Final = 3_600.0
_PLEASE_WAIT: Final = frozenset({429, 503})

log = structlog.get_logger(__name__)


@dataclass
class Reference:
    """What is known of institutions: their names and area codes."""

    names: Mapping[str, str] = field(default_factory=dict)
    areas: Mapping[str, str] = field(default_factory=dict)


@dataclass
class _Parcel:
    """A message, whose it is, and what it tells of which alert."""

    delivery: Delivery
    message: Message
    sent: dict[Key, Told]


class Carrier:
    """Serves one receiver until it is stopped. Nobody else waits for it."""

    def __init__(
        self, receiver: Receiver, settings: NotifierSettings, reference: Reference, book: Book, ledger: Ledger, lane: Lane,
        poster: Poster, meters: NotifierMeters,
    ) -> None:  # fmt: skip
        self._receiver = receiver
        self._settings = settings
        self._reference = reference
        self._book = book
        self._ledger = ledger
        self._lane = lane
        self._poster = poster
        self._meters = meters
        self._chance = random.Random()  # noqa: S311  spreads attempts, guards nothing
        self._changed = asyncio.Event()
        self._flying: set[asyncio.Task[None]] = set()
        self._pump: asyncio.Task[None] | None = None
        self._swept = time.time()

    def start(self) -> None:
        """Take up what the book has open for this receiver, and begin."""
        now = time.time()
        for delivery in self._book.open_for(self._receiver.name):
            if delivery.members:
                members = [self._item(one) for one in self._book.members(delivery)]
                if members:
                    self._lane.resume(Job(members, delivery.storm, delivery.key))
            else:
                self._lane.add(self._item(delivery), now)
        self._pump = asyncio.create_task(self._run())

    def put(self, deliveries: Iterable[Delivery]) -> None:
        """These have just become, or changed while they were, open; others are passed over."""
        now = time.time()
        for delivery in deliveries:
            if delivery.receiver == self._receiver.name and delivery.state in ("pending", "summarised"):
                self._lane.add(self._item(delivery), now)
        self._changed.set()

    async def stop(self, within: float) -> None:
        """Begin nothing more, and let what is on its way arrive for at most so many seconds."""
        if self._pump is not None:
            self._pump.cancel()
            await asyncio.wait((self._pump,))
        if self._flying:
            _, left = await asyncio.wait(self._flying, timeout=within)
            for task in left:
                task.cancel()
            if left:
                await asyncio.wait(left)
        await self._poster.close()

    async def _run(self) -> None:
        while True:
            try:
                await self._step()
            except Exception:
                # a carrier that died silently would leave its receiver alone for ever
                log.exception("notifier.carrier_failed", receiver=self._receiver.name)
                await asyncio.sleep(1.0)

    async def _step(self) -> None:
        now = time.time()
        if now - self._swept >= _SWEEP_SECONDS:
            self._swept = now
            await self._give_up(self._lane.expired(now), now)
        self._changed.clear()
        self._meters.waiting.labels(self._receiver.name).set(len(self._lane))
        self._meters.down.labels(self._receiver.name).set(self._lane.breaker.is_open)
        until = NEVER
        while len(self._flying) < self._receiver.at_once:
            chosen = self._lane.choose(time.time())
            if not isinstance(chosen, Job):
                until = chosen
                break
            task = asyncio.create_task(self._carry(chosen))
            self._flying.add(task)
            task.add_done_callback(self._landed)
        with suppress(TimeoutError):
            async with asyncio.timeout(max(0.0, min(until - time.time(), _SWEEP_SECONDS))):
                await self._changed.wait()

    def _landed(self, task: asyncio.Task[None]) -> None:
        self._flying.discard(task)
        self._changed.set()
        if not task.cancelled() and task.exception() is not None:
            log.error("notifier.delivery_failed", receiver=self._receiver.name, error=repr(task.exception()))

    async def _carry(self, job: Job) -> None:
        try:
            parcel = await self._pack(job)
        except Exception:
            # what cannot be packed stays open in the book; the next start looks at it again
            log.exception("notifier.not_packed", receiver=self._receiver.name)
            parcel = None
        if parcel is None:
            self._lane.breaker.untried()
            self._lane.done(job)
            return
        delivery, at = parcel.delivery, time.time()
        revision, number, queued = parcel.message.revision, delivery.attempts + 1, delivery.queued_ms
        for key in parcel.sent:
            self._book.deliveries[key].tried = True
        answer = await self._poster.send(parcel.message)
        now = time.time()
        wait = self._judge(answer, delivery, now)
        outcome = self._outcome(answer, job, now + wait)
        attempt = Attempt(
            number=number, revision=revision, outcome=outcome, at_ms=int(at * 1000), took_ms=round((now - at) * 1000, 3),
            status=answer.status, error=answer.error, queued_ms=queued, light=parcel.message.card.light,
            summary=delivery.alert_id if delivery.members else "",
        )  # fmt: skip
        await self._ledger.append(self._book.attempted(delivery, parcel.sent, attempt, self._receiver.growth))
        self._meters.attempts.labels(self._receiver.name, outcome).inc()
        if outcome == "failed":
            log.info(
                "notifier.failed",
                receiver=self._receiver.name,
                attempt=number,
                status=answer.status,
                error=answer.error,
            )
            self._lane.retry(job, now + wait)
            return
        if outcome == "given_up":
            log.warning("notifier.given_up", receiver=self._receiver.name, status=answer.status, error=answer.error)
        else:
            self._meters.seconds.labels(self._receiver.name).observe(max(0.0, now - queued / 1000))
        self._lane.done(job)
        self.put(self._book.deliveries[key] for key in parcel.sent)

    def _judge(self, answer: Answer, delivery: Delivery, now: float) -> float:
        """Seconds until the next attempt, if there is to be one; the breaker and the lane learn from the answer."""
        breaker = self._lane.breaker
        if not answer.error:
            breaker.went_well()
            return 0.0
        wait = pause(
            delivery.failures + 1, self._settings.notifier_retry_seconds, self._settings.notifier_retry_longest_seconds,
            self._chance,
        )  # fmt: skip
        if answer.wait is not None:
            wait = max(answer.wait, wait)
            self._lane.pause(now + answer.wait)
        if answer.status in _PLEASE_WAIT and answer.wait is not None:
            breaker.untried()  # it is well and says when
        else:
            breaker.failed(now)
        return wait

    def _outcome(self, answer: Answer, job: Job, next_at: float) -> Outcome:
        if not answer.error:
            return "delivered"
        return "given_up" if answer.never or next_at > max(item.expires for item in job.items) else "failed"

    async def _pack(self, job: Job) -> _Parcel | None:
        """The message of a job; None when nothing of it is to be sent any more."""
        if job.summary is None:
            open_items = [item for item in job.items if self._state(item.key) in ("pending", "summarised")]
            if not open_items:
                return None
            if len(open_items) == 1:
                delivery = self._book.deliveries[open_items[0].key]
                notice = self._book.notice(delivery)
                card = alert_card(notice, self._reference.names, self._settings.console_url)
                message = Message(delivery.alert_id, notice.revision, delivery.alert.encode(), card)
                return _Parcel(delivery, message, {delivery.key: told(notice)})
            keys = [item.key for item in open_items]
            written = self._book.summarise(self._receiver.name, keys, storm=job.storm, now_ms=int(time.time() * 1000))
            job.summary = written[0].key
            await self._ledger.append(written)
        summary = self._book.deliveries[job.summary]
        members = self._book.members(summary)
        return self._packed_summary(summary, members, job.storm) if members else None

    def _packed_summary(self, summary: Delivery, members: list[Delivery], storm: bool) -> _Parcel:
        notices: list[Notice] = [self._book.notice(one) for one in members]
        card = summary_card(notices, self._reference.names, self._settings.console_url, storm=storm)
        body = orjson.dumps(
            {
                "summary_id": summary.alert_id,
                "storm": storm,
                "alerts": [orjson.Fragment(one.alert) for one in members],
            }
        )
        sent = {one.key: told(notice) for one, notice in zip(members, notices, strict=True)}
        return _Parcel(summary, Message(summary.alert_id, summary.revision, body, card), sent)

    async def _give_up(self, jobs: list[Job], now: float) -> None:
        changed: list[Delivery] = []
        for job in jobs:
            keys = [job.summary] if job.summary else [item.key for item in job.items]
            for delivery in (self._book.deliveries[key] for key in keys if key in self._book.deliveries):
                if delivery.state == "pending":
                    changed += self._book.give_up(delivery, int(now * 1000))
        if changed:
            log.warning("notifier.given_up", receiver=self._receiver.name, alerts=len(changed), error="over age")
            await self._ledger.append(changed)

    def _state(self, key: Key) -> str:
        delivery = self._book.deliveries.get(key)
        return delivery.state if delivery else ""

    def _item(self, delivery: Delivery) -> Item:
        return Item(
            key=delivery.key,
            subject=delivery.subject_id,
            light=delivery.light,
            place=(delivery.rule_id, delivery.place),
            expires=delivery.queued_ms / 1000 + self._receiver.give_up_hours * _HOUR,
        )
