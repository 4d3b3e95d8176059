"""The place agent: facts from all partitions of settlements, held until no partition can be far behind them, through the judge.

A terminal's facts come from every partition of ``settlements``, and these are read at different speeds: in a replay one may be weeks of
event time ahead of another. A place judged in such an order would drop what comes "too late". So a fact waits until it is older than the
*horizon*: the least event time of all partitions that still have something to bring, plus a little. A partition has nothing to bring when
its facts cover its log to the end; the end is asked for only after the waiting facts were read, so whatever was published before them is
covered too.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Any, Final
from zlib import crc32

import msgspec
from faust.types import TP

from detectors.judge import Judge
from detectors.state import PlaceState
from schemas.deadletter import buried
from schemas.fact import SCHEMA_VERSION, Fact, FactBatch, decode_facts
from schemas.instants import HOUR
from streams.batches import Batch
from streams.meters import Meters
from streams.outbox import BEGINNING, Outbox, Part, Side

_SLACK: Final = HOUR
"""Facts so little ahead of the slowest partition are not held: far less than any lateness, far more than live jitter."""
_END: Final = 1 << 62
_YIELD_EVERY: Final = 200
_ASK_SECONDS: Final = 0.25
_ASK_BUSY_SECONDS: Final = 1.0

LogSpans = Callable[[], Awaitable[Mapping[int, tuple[int, int]]]]
"""First and next offset of every partition of ``settlements``, as the broker knows them now."""


def fact_partition(kind: str, place_id: str, partitions: int) -> int:
    """The partition of ``facts`` and of the place's state."""
    return crc32(f"{kind}:{place_id}".encode()) % partitions


class Horizon:
    """How far the partitions of ``settlements`` are, as one partition of ``facts`` has been told.

    Each partition of ``facts`` has its own: what another one was told may run ahead of the facts that still lie here unread.
    """

    def __init__(self, partitions: int) -> None:
        self._sources = range(partitions)
        self._progress: dict[int, int] = {}
        self._covered: dict[int, int] = {}

    def tell(self, source: int, offset: int, progress: int) -> None:
        """Facts of ``source`` up to ``offset`` are known; its event time is ``progress``."""
        self._covered[source] = max(offset, self._covered.get(source, offset))
        self._progress[source] = max(progress, self._progress.get(source, progress))

    def instant(self, spans: Mapping[int, tuple[int, int]] | None = None) -> int:
        """Facts before this instant need not wait; ``spans`` excuses the partitions that are covered to their end."""
        waited_for = [self._progress.get(s, BEGINNING) for s in self._sources if not self._is_covered(s, spans)]
        return min(waited_for) + _SLACK if waited_for else _END

    def _is_covered(self, source: int, spans: Mapping[int, tuple[int, int]] | None) -> bool:
        if spans is None or source not in spans:
            return False
        first, end = spans[source]
        return end <= first or self._covered.get(source, -1) + 1 >= end


class _Held:
    """A Faust event and how many of its facts still wait."""

    __slots__ = ("event", "left")

    def __init__(self, event: Any) -> None:
        self.event = event
        self.left = 0


class _Waiting:
    """Facts of one partition of ``facts`` that wait, in buckets of an hour."""

    def __init__(self, partitions: int) -> None:
        self.buckets: dict[int, list[tuple[Fact, _Held]]] = {}
        self.empty: list[_Held] = []
        self.reached = -1
        self.horizon = Horizon(partitions)

    def add(self, facts: Iterable[Fact], held: _Held) -> None:
        for fact in facts:
            self.buckets.setdefault(fact.at // HOUR, []).append((fact, held))
            held.left += 1

    def take(self, until: int) -> list[tuple[Fact, _Held]]:
        """Remove and return the facts before ``until``, oldest first."""
        taken: list[tuple[Fact, _Held]] = []
        for hour in [hour for hour in self.buckets if hour * HOUR < until]:
            bucket = self.buckets.pop(hour)
            if (hour + 1) * HOUR > until:
                later = [one for one in bucket if one[0].at >= until]
                if later:
                    self.buckets[hour] = later
                bucket = [one for one in bucket if one[0].at < until]
            taken += bucket
        taken.sort(key=_instant_of)
        return taken


def _instant_of(one: tuple[Fact, _Held]) -> int:
    return one[0].at


class Places:
    """Judges what its partitions of ``facts`` bring; ``ask_spans`` asks the broker how long the logs of ``settlements`` are."""

    def __init__(
        self, topic: str, partitions: int, judge: Judge, side: Side, outbox: Outbox, meters: Meters, ask_spans: LogSpans
    ) -> None:
        self._topic = topic
        self._partitions = partitions
        self._judge = judge
        self._side = side
        self._outbox = outbox
        self._meters = meters
        self._ask_spans = ask_spans
        self._waiting: dict[int, _Waiting] = {}
        self._reached: dict[int, int] = {}
        self._reading = asyncio.Lock()

    async def agent(self, stream: Any) -> None:
        """The body of the Faust agent; a batch is acknowledged by the flush that makes its last fact safe."""
        async for event in stream.noack().events():
            await self._take(event)

    def resumed(self, committed: Mapping[TP, int | None]) -> None:
        """Reading starts again at these offsets: what was held is forgotten, and every partition must tell its progress anew."""
        self._waiting.clear()
        self._reached = {tp.partition: (at or 0) - 1 for tp, at in committed.items() if tp.topic == self._topic}
        self._outbox.resume(self._side, self._topic, committed)

    @property
    def held(self) -> int:
        """Facts that wait."""
        return sum(map(self.held_in, self._waiting))

    def held_in(self, partition: int) -> int:
        """Facts of one partition that wait."""
        waiting = self._waiting.get(partition)
        return 0 if waiting is None else sum(map(len, waiting.buckets.values()))

    def reached(self, partition: int) -> int:
        """Offset of the last record of a partition that was read (its facts may wait still); -1 for none."""
        return self._reached.get(partition, -1)

    async def watch(self) -> None:
        """Let go what waits only for partitions that have nothing more to bring; never ends."""
        while True:
            await asyncio.sleep(_ASK_BUSY_SECONDS if self._outbox.more_waits() else _ASK_SECONDS)
            if any(waiting.buckets for waiting in self._waiting.values()):
                async with self._reading:
                    life = self._outbox.life
                    spans = await self._ask_spans()
                    if life == self._outbox.life:
                        for partition in list(self._waiting):
                            await self._apply(partition, life, spans)

    async def _take(self, event: Any) -> None:
        life = self._outbox.life
        await self._outbox.room(self._side)
        value, partition = event.value, event.message.partition
        records: Sequence[Any] = [event.message]
        if isinstance(value, Batch):
            value.taken()
            records = value.records
        async with self._reading:
            if life == self._outbox.life:
                await self._read(partition, records, event, life)

    async def _read(self, partition: int, records: Sequence[Any], event: Any, life: int) -> None:
        waiting = self._waiting.setdefault(partition, _Waiting(self._partitions))
        redo = self._side.redo.get(partition)
        held = _Held(event)
        # one more for the batch itself: it must not count as done while half of it is still to be read
        held.left = 1
        for record in records:
            if redo is not None and record.offset > redo.reached:
                await self._redo(partition, redo.until, life)
                redo = None
            if life != self._outbox.life:
                return
            told = self._decoded(partition, record)
            for batch in told:
                waiting.horizon.tell(batch.source, batch.offset, batch.progress)
                waiting.add(batch.facts, held)
            waiting.reached = self._reached[partition] = record.offset
        held.left -= 1
        if not held.left:
            waiting.empty.append(held)
        if redo is not None and waiting.reached >= redo.reached:
            await self._redo(partition, redo.until, life)
        if life == self._outbox.life:
            await self._apply(partition, life)

    def _decoded(self, partition: int, record: Any) -> list[FactBatch]:
        try:
            told = decode_facts(record.value or b"")
            if told.schema == SCHEMA_VERSION:
                return told.batches
            reason = f"expected facts of schema version {SCHEMA_VERSION}, got {told.schema}"
        except msgspec.DecodeError as error:
            reason = f"expected facts as this worker writes them, got something else ({error}); only workers may write to this topic"
        self._outbox.part(self._side, partition).dead_letters.append(buried(record, reason))
        return []

    async def _redo(self, partition: int, until: int, life: int) -> None:
        part = await self._judge_waiting(partition, until, life)
        if part is not None:
            await self._outbox.flushed(part)

    async def _apply(self, partition: int, life: int, spans: Mapping[int, tuple[int, int]] | None = None) -> None:
        waiting = self._waiting.get(partition)
        if waiting is None:
            return
        until = waiting.horizon.instant(spans)
        ready = waiting.empty or any(hour * HOUR < until for hour in waiting.buckets)
        if ready and partition not in self._side.redo and life == self._outbox.life:
            await self._judge_waiting(partition, until, life)

    async def _judge_waiting(self, partition: int, until: int, life: int) -> Part | None:
        """Judge what waits in a partition; None if it must be forgotten meanwhile."""
        outbox, waiting = self._outbox, self._waiting[partition]
        async with outbox.judging:
            if life != outbox.life:
                return None
            part = outbox.part(self._side, partition)
            before = part.events
            # a flush is told by two numbers (streams.state.Cut), so its horizon must not fall: then it waits for the next flush
            if until >= part.until:
                part.reached, part.until = waiting.reached, until
                taken = waiting.take(until)
                for start in range(0, len(taken), _YIELD_EVERY):
                    self._judge_some(part, waiting, taken[start : start + _YIELD_EVERY])
                    await asyncio.sleep(0)
                    if life != outbox.life:
                        return None
            part.done += [held.event for held in waiting.empty]
            waiting.empty.clear()
            part.whole = True
            outbox.collected(self._side, part.events - before)
            return part

    def _judge_some(self, part: Part, waiting: _Waiting, some: Sequence[tuple[Fact, _Held]]) -> None:
        judge, states, touched = self._judge, self._side.states, part.touched
        for fact, held in some:
            key = f"{fact.kind}:{fact.place_id}"
            place: PlaceState = states.get(key, part.partition)
            judge.witness(place, fact)
            if place.changed:
                touched[key] = place
            held.left -= 1
            if not held.left:
                waiting.empty.append(held)
        part.events += len(some)
        self._meters.facts += len(some)
