"""What was judged and is not safe yet: collected per partition, cut, and sent out in an order that survives a kill at any point.

A flush takes the collected work of all partitions at a batch boundary (the *cut*) and goes through these steps, each only when all of the
one before is acknowledged:

0. if it publishes alerts: the cut itself, into the changelog (:class:`streams.state.Cut` says why);
1. facts, alerts and dead letters to Kafka, rows to ClickHouse;
2. states to their changelogs;
3. the source batches are acknowledged, so that their offsets may be committed.

So saved state is never ahead of its effects, and what is redone after a kill repeats the same effects under the same ids. While one flush
is on its way the agents judge the next; they wait when that has grown to the limit as well.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import structlog
from faust.types import TP

from detectors.judge import Judge
from schemas.alert import Alert, encode_alert
from schemas.deadletter import DeadLetter, encode_dead_letter
from schemas.fact import SCHEMA_VERSION, Fact, FactBatch, FactRecord, encode_facts
from schemas.partitions import key_partition
from schemas.settlement import Settlement
from schemas.topics import ALERTS, DEADLETTERS, FACTS, Topics
from streams.errors import WorkerStalled
from streams.meters import Meters
from streams.sending import Sender
from streams.state import States
from streams.storing import Storing

BEGINNING: Final = -(1 << 62)
"""Event time of a partition nobody has read yet."""
_BUSY_FACTOR: Final = 5
"""While more waits to be judged, a flush may collect that much longer: larger batches cost less per event."""
_BREATH_SECONDS: Final = 0.004
"""So long a cut keeps the loop at most: whoever asks for an audit waits for it."""
_MOST_FACTS: Final = 4_000
"""In one record, so that it stays far below the largest message whatever the length of the identifiers."""

log = structlog.get_logger(__name__)


@dataclass
class Side:
    """One of the two agents as the outbox sees it: its states by subject, and the flushes it must redo first, by partition."""

    name: str
    states: States[Any]
    redo: dict[int, Any] = field(default_factory=dict)


@dataclass
class Part:
    """Judged and unflushed work of one partition of one side."""

    side: Side
    partition: int
    touched: dict[str, Any] = field(default_factory=dict)
    done: list[Any] = field(default_factory=list)
    """Faust events that may be acknowledged when this part is flushed."""
    events: int = 0
    reached: int = -1
    until: int = BEGINNING
    settlements: list[Settlement] = field(default_factory=list)
    dead_letters: list[DeadLetter] = field(default_factory=list)
    facts: dict[int, list[Fact]] = field(default_factory=dict)
    progress: int | None = None
    """Event time to tell the places; None: nothing to tell."""
    whole: bool = True
    """Whether it may be cut: not in the middle of what must be redone as one."""


@dataclass
class _Work:
    parts: list[Part]
    alerts: dict[int, list[Alert]]
    rows: dict[int, dict[bytes, bytes]]
    """States by position in ``parts``."""


class Outbox:
    """Collects what the agents judged and flushes it; one per worker."""

    def __init__(
        self,
        topics: Topics,
        judge: Judge,
        sender: Sender,
        storing: Storing,
        meters: Meters,
        *,
        seconds: float,
        events: int,
        stall: float,
    ) -> None:
        self.judging = asyncio.Lock()
        """Held while a batch is judged, so that a cut never falls inside one."""
        self._flushing = asyncio.Lock()
        self.life = 0
        """Counts how often everything unflushed was forgotten; work begun in another life is void."""
        self.more_waits: Callable[[], bool] = lambda: False
        self._topics = topics
        self._judge = judge
        self._sender = sender
        self._storing = storing
        self._meters = meters
        self._seconds = seconds
        self._limit = events
        self._stall = stall
        self._parts: dict[tuple[str, int], Part] = {}
        self._collected: dict[str, int] = {}
        self._since = 0.0
        self._changed = asyncio.Event()
        self._room = asyncio.Event()
        self._flight: asyncio.Task[None] | None = None
        self._saving = False
        self._closing = False
        self._alive_at = time.monotonic()

    # -- collecting

    def part(self, side: Side, partition: int) -> Part:
        """The open part of a partition."""
        part = self._parts.get((side.name, partition))
        if part is None:
            part = self._parts[side.name, partition] = Part(side, partition)
        return part

    def collected(self, side: Side, events: int) -> None:
        """Say that a side judged so many more events, in parts that are whole."""
        if not self._collected:
            self._since = time.monotonic()
        self._collected[side.name] = self._collected.get(side.name, 0) + max(1, events)
        self._changed.set()

    async def room(self, side: Side) -> None:
        """Wait while a side has judged as much as may be unflushed, or for ever once the worker is closing."""
        while self._closing or self._collected.get(side.name, 0) >= self._limit:
            self._room.clear()
            await self._room.wait()

    async def flushed(self, part: Part) -> None:
        """Wait until a part was taken into a flush (or forgotten)."""
        self._changed.set()
        while self._parts.get((part.side.name, part.partition)) is part:
            self._room.clear()
            await self._room.wait()

    def resume(self, side: Side, topic: str, committed: Mapping[TP, int | None]) -> dict[int, int]:
        """Begin a side again at the committed offsets of its topic: its unsaved states are dropped, announced flushes noted to be redone.

        Returns the offsets of the partitions that have nothing to redo; None (none was ever committed) reads as 0.
        """
        side.states.forget()
        side.redo.clear()
        free: dict[int, int] = {}
        for tp, offset in committed.items():
            if tp.topic != topic:
                continue
            cut = side.states.cut(tp.partition)
            if cut is not None and cut.reached >= (offset or 0):
                side.redo[tp.partition] = cut
                self.part(side, tp.partition).whole = False
            else:
                free[tp.partition] = offset or 0
        return free

    # -- flushing

    async def run(self) -> None:
        """Flush whenever it is time; never ends."""
        while True:
            await self._until_due()
            await self._flush_once()

    async def settle(self, within: float) -> None:
        """Wait for the flush that is on its way. After ``within`` seconds it is given up, unless its states are already leaving."""
        if self._flight is None:
            return
        await asyncio.wait([self._flight], timeout=within)
        if self._saving and self._flight is not None:
            await asyncio.wait([self._flight])
        elif self._flight is not None and not self._flight.done():
            log.warning("flush.given_up", after_seconds=within)
            self.forget()

    async def close(self) -> None:
        """Judge no more and flush everything that is whole."""
        self._closing = True
        await self._flush_once()

    def forget(self) -> None:
        """Drop everything unflushed: reading starts again at the committed offsets."""
        self.life += 1
        self._parts.clear()
        self._collected.clear()
        self._room.set()

    def tick(self) -> None:
        """Show that the process is running. Raises WorkerStalled if it stood still for longer than its session can bear."""
        now = time.monotonic()
        if now - self._alive_at > self._stall:
            raise WorkerStalled(
                f"expected to run at least every {self._stall:.1f} s, stood still for {now - self._alive_at:.1f} s: "
                "another worker may own the partitions now; start again"
            )
        self._alive_at = now

    async def _until_due(self) -> None:
        while True:
            self._changed.clear()
            if self._collected:
                if max(self._collected.values()) >= self._limit or any(
                    self._sealed(part) for part in self._parts.values()
                ):
                    return
                left = self._since + self._seconds * (_BUSY_FACTOR if self.more_waits() else 1) - time.monotonic()
                if left <= 0:
                    return
                try:
                    await asyncio.wait_for(self._changed.wait(), min(left, self._seconds))
                except TimeoutError:
                    continue
            else:
                await self._changed.wait()

    def _sealed(self, part: Part) -> bool:
        cut = part.side.redo.get(part.partition)
        return cut is not None and part.whole

    async def _flush_once(self) -> None:
        # one at a time: whoever closes must not come past a flush that has been cut and is still on its way
        async with self._flushing:
            async with self.judging:
                work = await self._cut()
            if work is None:
                return
            self._flight = asyncio.create_task(self._send(work), name="flush")
            try:
                await asyncio.shield(self._flight)
            finally:
                if self._flight.done():
                    self._flight = None

    async def _cut(self) -> _Work | None:
        life = self.life
        parts = [part for part in self._parts.values() if part.whole]
        work = _Work(parts, {}, {})
        since = time.monotonic()
        for position, part in enumerate(parts):
            states = part.side.states
            alerts: list[Alert] = []
            for state in part.touched.values():
                alerts += self._judge.review(state)
                if time.monotonic() - since > _BREATH_SECONDS:
                    await asyncio.sleep(0)
                    if self.life != life:
                        return None
                    since = time.monotonic()
            if alerts:
                work.alerts[position] = alerts
            rows = work.rows[position] = states.shared_rows(part.partition)
            for key, state in part.touched.items():
                states.dump(key, state, rows)
                if time.monotonic() - since > _BREATH_SECONDS:
                    await asyncio.sleep(0)
                    if self.life != life:
                        return None
                    since = time.monotonic()
        if self.life != life:
            return None
        for part in parts:
            del self._parts[part.side.name, part.partition]
            part.side.redo.pop(part.partition, None)
        # what is left is in the middle of a redo and reports itself when it is whole
        self._collected.clear()
        for side in {part.side.name: part.side for part in parts}.values():
            leaving = {part.partition: work.rows[n] for n, part in enumerate(parts) if part.side is side}
            side.states.leave(leaving, [part.touched for part in self._parts.values() if part.side is side])
        self._room.set()
        return work

    async def _send(self, work: _Work) -> None:
        started, life = time.monotonic(), self.life
        self.tick()
        if work.alerts:
            await self._announce(work)
        alerts = [alert for some in work.alerts.values() for alert in some]
        letters = [letter for part in work.parts for letter in part.dead_letters]
        await asyncio.gather(
            self._storing.store([s for part in work.parts for s in part.settlements], alerts, letters),
            self._sender.send(self._topics.name(FACTS), self._fact_rows(work.parts)),
            self._sender.send(self._topics.name(ALERTS), self._alert_rows(alerts)),
            self._sender.send(self._topics.name(DEADLETTERS), letter_rows(letters, self._topics.partitions)),
        )
        self.tick()
        if self.life != life:
            # the partitions were given back while we waited: their next owner redoes this
            return
        self._saving = True
        try:
            await asyncio.gather(
                *(self._save(side, work) for side in {p.side.name: p.side for p in work.parts}.values())
            )
        finally:
            self._saving = False
        if self.life == life:
            for part in work.parts:
                for event in part.done:
                    event.ack()
        self._meters.alerts += len(alerts)
        self._meters.dead_letters += len(letters)
        self._meters.flushes += 1
        self._meters.flush_seconds += time.monotonic() - started

    async def _announce(self, work: _Work) -> None:
        rows: dict[str, dict[int, list[tuple[bytes, bytes]]]] = {}
        for position in work.alerts:
            part = work.parts[position]
            row = part.side.states.cut_row(part.partition, part.reached, part.until)
            rows.setdefault(part.side.states.changelog, {})[part.partition] = [row]
        await asyncio.gather(*(self._sender.send(topic, by_partition) for topic, by_partition in rows.items()))

    async def _save(self, side: Side, work: _Work) -> None:
        life = self.life
        rows = {part.partition: work.rows[n] for n, part in enumerate(work.parts) if part.side is side and work.rows[n]}
        reached = await self._sender.send(side.states.changelog, {p: some.items() for p, some in rows.items()})
        if self.life == life:
            for partition, some in rows.items():
                side.states.saved(partition, some, reached[partition])

    def _fact_rows(self, parts: Iterable[Part]) -> dict[int, list[tuple[None, bytes]]]:
        telling = [part for part in parts if part.progress is not None]
        if not telling:
            return {}
        return {
            target: [
                (None, encode_facts(FactRecord(SCHEMA_VERSION, some))) for some in self._fact_records(telling, target)
            ]
            for target in range(self._topics.partitions)
        }

    def _fact_records(self, parts: Iterable[Part], target: int) -> Iterator[list[FactBatch]]:
        """What a partition of ``facts`` is told by all sources, a record at a time."""
        record: list[FactBatch] = []
        room = _MOST_FACTS
        for part in parts:
            facts = part.facts.get(target, [])
            while len(facts) > room:
                # only the last batch of a source may say how far its facts reach
                record.append(FactBatch(part.partition, -1, BEGINNING, facts[:room]))
                yield record
                facts, record, room = facts[room:], [], _MOST_FACTS
            record.append(FactBatch(part.partition, part.reached, part.progress or 0, facts))
            room -= len(facts)
        yield record

    def _alert_rows(self, alerts: Iterable[Alert]) -> dict[int, list[tuple[bytes, bytes]]]:
        rows: dict[int, list[tuple[bytes, bytes]]] = {}
        for alert in alerts:
            key = alert.subject_id.encode()
            rows.setdefault(key_partition(key, self._topics.partitions), []).append((key, encode_alert(alert)))
        return rows


def letter_rows(letters: Iterable[DeadLetter], partitions: int) -> dict[int, list[tuple[bytes | None, bytes]]]:
    """Dead letters as rows of their topic, in the partition of the same number as the one they came from."""
    rows: dict[int, list[tuple[bytes | None, bytes]]] = {}
    for letter in letters:
        rows.setdefault(letter.partition % partitions, []).append((letter.key, encode_dead_letter(letter)))
    return rows
