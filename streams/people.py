"""The person agent: settlements in log order through the judge, their facts to places, undecodable ones to the dead letters."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import structlog
from faust.types import TP

from detectors.judge import Judge
from detectors.models.cohort import MAIN, Cohort, row_names
from detectors.state import PersonState
from schemas.deadletter import buried
from schemas.errors import Refused
from schemas.fact import Fact
from schemas.partitions import key_partition
from schemas.settlement import decode_settlement
from streams.batches import Batch
from streams.meters import Meters
from streams.outbox import BEGINNING, Outbox, Part, Side
from streams.places import fact_partition
from streams.state import States

_YIELD_EVERY: Final = 64
"""Events between two chances for the rest of the loop: some 4 ms, since audits wait for it."""
_PROGRESS_OF: Final = 9
"""The median of so many newest event times is the progress of a partition: one absurd date must not move it."""

log = structlog.get_logger(__name__)


class Cohorts:
    """What the persons of each partition teach; in the table of their states, under names of its own."""

    def __init__(self, judge: Judge, states: States[PersonState]) -> None:
        self._judge = judge
        self._states = states
        self._cohorts: dict[int, Cohort | None] = {}

    def of(self, partition: int) -> Cohort | None:
        """The cohort of a partition: as the table has it, or new; None where no rule asks for peers."""
        if partition not in self._cohorts:
            found = {name: self._states.row(_cohort_key(partition, name)) for name in row_names()}
            rows = {name: row for name, row in found.items() if row is not None}
            self._cohorts[partition] = self._judge.cohort(lambda person: self._states.get(person, partition), rows)
        return self._cohorts[partition]

    def rows(self, partition: int) -> dict[bytes, bytes]:
        """The rows that changed since they were last asked for."""
        cohort = self._cohorts.get(partition)
        if cohort is None:
            return {}
        rows = cohort.rows()
        if rows.keys() - {MAIN} and cohort.newest_day in cohort.drifts():
            log.warning(
                "models.drift", partition=partition,
                advice="visits of late are unlike those before: a change of traffic, or of how it is reported",
            )  # fmt: skip
        return {_cohort_key(partition, name): row for name, row in rows.items()}

    def forget(self) -> None:
        """Drop everything that is not in the table."""
        self._cohorts.clear()


class People:
    """Judges what its partitions of ``settlements`` bring. ``partitions`` is the number of partitions of every topic."""

    def __init__(self, topic: str, partitions: int, judge: Judge, side: Side, outbox: Outbox, meters: Meters) -> None:
        self._topic = topic
        self._partitions = partitions
        self._judge = judge
        self._side = side
        self._outbox = outbox
        self._meters = meters
        self._newest: dict[int, deque[int]] = {}
        self._reached: dict[int, int] = {}
        self._warned = False

    async def agent(self, stream: Any) -> None:
        """The body of the Faust agent; a batch is acknowledged by the flush that makes its effects safe."""
        async for event in stream.noack().events():
            await self._take(event)

    def resumed(self, committed: Mapping[TP, int | None]) -> None:
        """Reading starts again at these offsets (None: none was ever committed): whatever lies behind them is forgotten."""
        self._newest.clear()
        self._reached = {tp.partition: (at or 0) - 1 for tp, at in committed.items() if tp.topic == self._topic}
        for partition, offset in self._outbox.resume(self._side, self._topic, committed).items():
            # places must learn how far a partition is even if it brings nothing new
            part = self._outbox.part(self._side, partition)
            part.reached, part.progress = offset - 1, BEGINNING
            self._outbox.collected(self._side, 1)

    def rank(self, partition: int) -> float:
        """Event time of a partition, for reading the one that is furthest behind first."""
        newest = self._newest.get(partition)
        return _median(newest) if newest else BEGINNING

    def reached(self, partition: int) -> int:
        """Offset of the last record of a partition that its states have seen; -1 for none."""
        return self._reached.get(partition, -1)

    async def _take(self, event: Any) -> None:
        outbox = self._outbox
        value, partition = event.value, event.message.partition
        life = outbox.life
        await outbox.room(self._side)
        records: Sequence[Any] = [event.message]
        if isinstance(value, Batch):
            value.taken()
            records = value.records
        redo = self._side.redo.get(partition)
        if redo is not None and life == outbox.life:
            within = [record for record in records if record.offset <= redo.reached]
            records = records[len(within) :]
            finished = bool(records) or within[-1].offset == redo.reached
            part = await self._judge_all(partition, within, None if records else event, life, whole=finished)
            if part is None:
                return
            if finished:
                await outbox.flushed(part)
        if records and life == outbox.life:
            await self._judge_all(partition, records, event, life)

    async def _judge_all(
        self, partition: int, records: Sequence[Any], event: Any, life: int, *, whole: bool = True
    ) -> Part | None:
        """Judge records; ``event`` is acknowledged with them. None if they must be forgotten meanwhile."""
        outbox = self._outbox
        async with outbox.judging:
            if life != outbox.life:
                return None
            part = outbox.part(self._side, partition)
            for start in range(0, len(records), _YIELD_EVERY):
                self._judge_some(part, records[start : start + _YIELD_EVERY])
                await asyncio.sleep(0)
                if life != outbox.life:
                    return None
            if event is not None:
                part.done.append(event)
            part.whole = whole
            if whole:
                outbox.collected(self._side, len(records))
            return part

    def _judge_some(self, part: Part, records: Sequence[Any]) -> None:
        judge, states, touched = self._judge, self._side.states, part.touched
        newest = self._newest.setdefault(part.partition, deque(maxlen=_PROGRESS_OF))
        instant = judge.calendar.instant
        known, first = 0, len(part.settlements)
        for record in records:
            try:
                settlement = decode_settlement(record.value)
            except Refused as refused:
                part.dead_letters.append(buried(record, refused.reason, refused.field))
                continue
            person_id = settlement.person_id
            state: PersonState = states.get(person_id, part.partition)
            facts = judge.settle(state, settlement)
            if state.changed:
                touched[person_id] = state
            else:
                known += 1
            part.settlements.append(settlement)
            if facts:
                self._address(part, facts)
        for settlement in part.settlements[max(first, len(part.settlements) - _PROGRESS_OF) :]:
            newest.append(instant(settlement.settled_at))
        part.reached = self._reached[part.partition] = records[-1].offset
        part.events += len(records)
        part.progress = _median(newest) if newest else BEGINNING
        self._meters.duplicates += known
        self._meters.scored += len(records) - known
        if not self._warned and part.settlements:
            self._warn_if_misplaced(part, part.settlements[-1].person_id)

    def _address(self, part: Part, facts: Iterable[Fact]) -> None:
        for fact in facts:
            target = fact_partition(fact.kind, fact.place_id, self._partitions)
            some = part.facts.get(target)
            if some is None:
                part.facts[target] = [fact]
            else:
                some.append(fact)

    def _warn_if_misplaced(self, part: Part, person_id: str) -> None:
        expected = key_partition(person_id.encode(), self._partitions)
        if expected != part.partition:
            self._warned = True
            log.error(
                "settlements.misplaced", partition=part.partition, expected=expected,
                advice="publish with key psn_no and partitioner murmur2 (confluent-kafka: partitioner=murmur2_random)",
            )  # fmt: skip


def _cohort_key(partition: int, name: str) -> bytes:
    return f"cohort:{partition}:{name}".encode()


def _median(newest: Iterable[int]) -> int:
    ordered = sorted(newest)
    return ordered[len(ordered) // 2]
