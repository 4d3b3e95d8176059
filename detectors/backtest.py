"""The backtest: a settlement file through the same judge as the live worker, without a broker."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Final, cast

import zstandard

from detectors.errors import UnreadableInputError
from detectors.judge import Judge
from detectors.models.drift import Drift, alert_drifts
from detectors.state import PersonState, PlaceState
from schemas.alert import Alert, alerts_sha256
from schemas.errors import Refused
from schemas.fact import Fact, PlaceKind
from schemas.partitions import PARTITIONS, key_partition
from schemas.settlement import MAX_BYTES, decode_settlement

BATCH: Final = 2_000
"""Settlements between two reviews: touched subjects are reviewed once each, as the worker does per fetched batch."""
TIDY_EVERY: Final = 64
"""Entries after which a subject is reviewed though nothing is to be judged again: a review clears away what is too old to matter."""
CHUNK: Final = 1 << 16
PACKED_CHUNK: Final = 1 << 16
ZSTD_MAGIC: Final = b"\x28\xb5\x2f\xfd"


@dataclass(frozen=True)
class BacktestResult:
    """What a run came to; ``alerts`` are last revisions, without withdrawn ones, by time raised and id."""

    settlements: int
    """Lines read, dead letters included."""
    distinct: int
    """Events that told the judge something new, reversals included."""
    reversals: int
    dead_letters: int
    late: int
    too_old: int
    alerts: list[Alert]
    alerts_sha256: str
    drifts: list[Drift]
    """Changes of the traffic's anomaly scores and of how much is found."""
    first_times: dict[str, str]
    """Event time of the watched events, as first delivered."""


def open_settlements(path: str | Path, read: Callable[[int], None] | None = None) -> Iterator[bytes]:
    """The lines of a settlement file, plain or zstd, ``-`` for standard input; streamed, never loaded whole.

    A line too long to be a settlement comes cut, so that the decoder refuses it. ``read`` hears how many bytes of the file as it is
    stored have been read (not for standard input). Raises :class:`UnreadableInputError`.
    """
    try:
        with sys.stdin.buffer if str(path) == "-" else Path(path).open("rb") as raw:
            buffered = raw if isinstance(raw, io.BufferedReader) else io.BufferedReader(cast(io.RawIOBase, raw))
            packed = buffered.peek(len(ZSTD_MAGIC))[: len(ZSTD_MAGIC)] == ZSTD_MAGIC
            # read1: of a pipe what is there, or its last lines would wait for more
            chunks = _unpacked(buffered) if packed else iter(partial(buffered.read1, CHUNK), b"")
            yield from _lines(chunks, (lambda: read(buffered.tell())) if read is not None else (lambda: None))
    except OSError as error:
        raise UnreadableInputError(
            f"cannot read {path}: {error.strerror}; expected a file of one JSON settlement per line"
        ) from None
    except zstandard.ZstdError as error:
        raise UnreadableInputError(f"{path} is damaged: {error}") from None


def _unpacked(packed: io.BufferedReader) -> Iterator[bytes]:
    # frame by frame: a stream reader passes over the end of a file that was cut off in the middle of one
    frame = zstandard.ZstdDecompressor().decompressobj()
    while data := packed.read1(PACKED_CHUNK):
        while data:
            if frame.eof:
                frame = zstandard.ZstdDecompressor().decompressobj()
            yield frame.decompress(data)
            data = frame.unused_data
    if not frame.eof:
        raise zstandard.ZstdError("it is cut off, its end is missing")


def _lines(chunks: Iterable[bytes], told: Callable[[], None]) -> Iterator[bytes]:
    rest = b""
    for chunk in chunks:
        told()
        lines = (rest + chunk).split(b"\n")
        rest = lines.pop()[: MAX_BYTES + 1]
        yield from (line for line in lines if line)
    if rest:
        yield rest


class _Run:
    """The states of one run, all in memory."""

    def __init__(self, judge: Judge, watch: Collection[str], partitions: int) -> None:
        self.judge = judge
        self.cohorts = [judge.cohort(self._find) for _ in range(partitions)]
        self.watch = watch
        self.first_times: dict[str, str] = {}
        self.persons: dict[str, PersonState] = {}
        self.places: dict[PlaceKind, dict[str, PlaceState]] = {kind: {} for kind in judge.kinds}
        self.touched: dict[int, PersonState | PlaceState] = {}
        self.alerts: dict[str, Alert] = {}
        self.distinct = self.reversals = 0
        self.lone: dict[PlaceKind, dict[str, Fact]] = {kind: {} for kind in judge.lone_kinds}
        """The only fact told so far of places where one alone can matter to no rule (:attr:`Judge.lone_kinds`)."""

    def _find(self, person_id: str) -> PersonState:
        return self.persons[person_id]

    def enter(self, value: bytes) -> None:
        judge = self.judge
        settlement = decode_settlement(value)
        event_id, person_id = settlement.event_id, settlement.person_id
        if event_id in self.watch and event_id not in self.first_times:
            self.first_times[event_id] = judge.calendar.text(judge.calendar.instant(settlement.settled_at))
        person = self.persons.get(person_id)
        if person is None:
            cohort = self.cohorts[key_partition(person_id.encode(), len(self.cohorts))]
            person = self.persons[person_id] = judge.person(person_id, None, cohort)
        facts = judge.settle(person, settlement)
        if person.changed:
            self.distinct += 1
            self.reversals += settlement.kind == "REVERSE"
            if person.dirty or not len(person.entries) % TIDY_EVERY:
                self.touched[id(person)] = person
        for fact in facts:
            kind, place_id = fact.kind, fact.place_id
            places = self.places[kind]
            place = places.get(place_id)
            if place is None:
                lone = self.lone.get(kind)
                if lone is not None and lone.setdefault(place_id, fact) is fact:
                    # nearly every box is heard of once: its ledger is made when it is heard of again
                    continue
                place = places[place_id] = judge.place(kind, place_id, None)
                if lone is not None:
                    judge.witness(place, lone.pop(place_id))
            judge.witness(place, fact)
            if place.dirty or not len(place.entries) % TIDY_EVERY:
                self.touched[id(place)] = place

    def drifts(self, alerts: list[Alert]) -> list[Drift]:
        calendar = self.judge.calendar
        scores = [
            Drift("risk_sco", day, partition)
            for partition, cohort in enumerate(self.cohorts)
            if cohort is not None
            for day in cohort.drifts()
        ]
        return scores + alert_drifts(alerts, lambda text: calendar.day(calendar.instant(datetime.fromisoformat(text))))

    def review(self) -> None:
        for state in self.touched.values():
            for alert in self.judge.review(state):
                self.alerts[alert.alert_id] = alert
        self.touched.clear()


def run(
    lines: Iterable[bytes],
    judge: Judge,
    *,
    progress: Callable[[int], object] | None = None,
    watch: Collection[str] = frozenset(),
    partitions: int = PARTITIONS,
) -> BacktestResult:
    """Judge a stream of settlement lines. What cannot be decoded is counted as a dead letter and passed over.

    ``progress`` is called with the number of lines read after each batch and at the end. Of the events in ``watch`` the result
    tells the event time. Persons are held against those of their own partition, of ``partitions`` as the worker's topics have.
    """
    state = _Run(judge, watch, partitions)
    count = dead = 0
    late, too_old = judge.tally.late, judge.tally.too_old
    for value in lines:
        count += 1
        try:
            state.enter(value)
        except Refused:
            dead += 1
        if count % BATCH == 0:
            state.review()
            if progress is not None:
                progress(count)
    state.review()
    if progress is not None:
        progress(count)
    alerts = sorted(
        (alert for alert in state.alerts.values() if not alert.withdrawn),
        key=lambda alert: (alert.raised_at, alert.alert_id),
    )
    return BacktestResult(
        settlements=count,
        distinct=state.distinct,
        reversals=state.reversals,
        dead_letters=dead,
        late=judge.tally.late - late,
        too_old=judge.tally.too_old - too_old,
        alerts=alerts,
        alerts_sha256=alerts_sha256(alerts),
        drifts=state.drifts(alerts),
        first_times=state.first_times,
    )
