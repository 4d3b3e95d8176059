"""What the persons of one partition teach: samples of each week, learned once its days are closed, and kept as weekly snapshots.

A settlement is judged with what was learned from days that were closed before its week began. So the order in which events come
within the lateness, repetitions and restarts change neither a snapshot nor a judgement. A snapshot is built the moment the first
settlement of its week is entered, not when somebody asks: what it has learned hangs on the log alone, not on where batches were cut.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Mapping
from operator import attrgetter
from typing import Final, Protocol
from zlib import crc32

import msgspec

from detectors.errors import StateVersionError
from detectors.models.drift import turns
from detectors.models.features import GROUPS, NAMES, WIDTH, group_of, measure
from detectors.models.peers import PeerReader, Peers, Reading, Stored, check, limits_of, load_peers
from detectors.person import NO_VISIT, Visit
from detectors.windows import Ledger
from schemas.instants import DAY, Calendar

COHORT_VERSION: Final = 1
SAMPLES: Final = 64
"""Visits of a week: those with the smallest hashes of their event ids."""
OPEN_WEEKS: Final = 6
"""Weeks whose samples are kept: the one that fills, those not closed yet, and some that wrong dates seem to open."""
AHEAD: Final = 2
"""Weeks beyond the one that begins in which samples are possible; what lies further ahead has a wrong date."""
QUIET: Final = 2
"""After so many weeks without a sample nobody is judged until a week's samples are closed again. A wrong date far ahead is a long
quiet time too: it builds nothing."""
KEPT_SNAPSHOTS: Final = 64
"""Weeks back to which a settlement can still be judged again: a reversal changes what lies up to the widest window of any rule before it,
and findings of that time speak to others of theirs."""
DECODED: Final = 8
"""Snapshots held decoded: a month that is judged again asks for those of its weeks."""
GRACE: Final = DAY
"""On top of the lateness."""
MAIN: Final = "main"
"""The row of what is open; the snapshots' rows are named by the place of their week in a ring."""

_order = attrgetter("at", "event_id")


class Sample(msgspec.Struct, array_like=True, order=True, frozen=True, gc=False):
    """A settlement to learn from; in the order of chance."""

    chance: int
    event_id: str
    at: int
    person_id: str


class Learned(msgspec.Struct, array_like=True):
    """The snapshot of one week, as stored: what was known when it began."""

    week: int
    groups: dict[str, Stored]
    samples: int = 0
    """Learned in the step to this week."""
    score: float = 0.0
    """Their mean anomaly score; samples of groups that warm up left out."""


class _Main(msgspec.Struct, array_like=True):
    built: int
    """The newest week that has a snapshot."""
    heard: int
    """The newest slot of which samples were learned."""
    open: dict[int, list[Sample]]
    """Samples by week slot."""


class PeerReading(msgspec.Struct, frozen=True):
    """A person as measured, and what that is among the peers of ``group``."""

    group: str
    values: dict[str, float]
    reading: Reading


class Flags(Protocol):
    """Says whether a point of a person's ledger is one that some rule finds: such are not learned from."""

    def __call__(self, ledger: Ledger[Visit], index: int) -> bool:
        """Whether the entry at ``index`` matches."""


_encode = msgspec.msgpack.Encoder().encode
_decode_main = msgspec.msgpack.Decoder(_Main).decode
_decode_learned = msgspec.msgpack.Decoder(Learned).decode


class Cohort:
    """The models of one partition.

    ``find`` gives the ledger of a person of the partition; ``flagged`` tells which points not to learn and looks back ``reach``.
    Spans are in seconds.
    """

    def __init__(
        self, calendar: Calendar, lateness: int, find: Callable[[str], Ledger[Visit]], flagged: Flags, reach: int
    ) -> None:
        self._day = calendar.day
        self._day_start = calendar.day_start
        self._grace = lateness + GRACE
        self._find = find
        self._flagged = flagged
        self._reach = max(reach, WIDTH)
        self._built = self._heard = -1 << 20
        self._open: dict[int, list[Sample]] = {}
        self._groups: dict[str, Peers] = {}
        """As of the newest snapshot."""
        self._stored: dict[str, Stored] = {}
        """The same as they are kept."""
        self._snapshots: dict[int, bytes] = {}
        self._decoded: dict[int, dict[str, Stored]] = {}
        """Groups of the snapshots that were asked for lately."""
        self._reader: PeerReader | None = None
        self._changed: set[str] = set()
        self._aim(0)

    def _week(self, at: int) -> int:
        # 1970-01-01 was a Thursday; weeks begin on Monday
        return (self._day(at) + 3) // 7

    def _week_start(self, week: int) -> int:
        return self._day_start(week * 7 - 3)

    def _aim(self, at: int) -> None:
        """Work out once what most settlements after this one have in common: their week and the slot their samples go to."""
        week, slot = self._week(at), self._week(at + self._grace)
        self._slot = slot
        self._from = max(self._week_start(week), self._week_start(slot) - self._grace)
        self._until = min(self._week_start(week + 1), self._week_start(slot + 1) - self._grace)

    # -- learning

    def note(self, entry: Visit, person_id: str) -> None:
        """Hear of a settlement that was new to its person's ledger; it may become a sample, and may begin a week."""
        at = entry.at
        if not self._from <= at < self._until:
            self._turn_to(at)
        if entry.flags & NO_VISIT or self._slot < self._built:
            return
        samples = self._open.get(self._slot)
        if samples is None:
            samples = self._begin(self._slot)
        chance = crc32(entry.event_id.encode())
        if len(samples) >= SAMPLES and chance > samples[-1].chance:
            return
        sample = Sample(chance, entry.event_id, at, person_id)
        place = bisect_left(samples, sample)
        if samples[place : place + 1] == [sample]:
            # a worker that was killed while it saved may know the sample and not the settlement
            return
        samples.insert(place, sample)
        del samples[SAMPLES:]
        self._changed.add(MAIN)

    def _begin(self, slot: int) -> list[Sample]:
        made: list[Sample] = []
        self._open[slot] = made
        if len(self._open) > OPEN_WEEKS:
            del self._open[min(self._open)]
        return made

    def _turn_to(self, at: int) -> None:
        self._aim(at)
        week = self._week(at)
        if week > self._built:
            # also the week before, of which events may still come
            for step in (week - 1, week):
                newest = max((slot for slot in self._open if slot < step), default=self._heard)
                if step > self._built and step - max(newest, self._heard) <= QUIET:
                    self._build(step)

    def _build(self, week: int) -> None:
        """Learn what is closed before ``week`` and keep it as that week's snapshot."""
        closed = self._week_start(week) - self._grace
        learned: set[str] = set()
        count, total, scored = 0, 0.0, 0
        for slot in sorted(slot for slot in self._open if slot < week):
            for sample in sorted(self._open.pop(slot), key=_order):
                found = self._find_sample(sample, closed)
                if found is None:
                    continue
                group, values = found
                if group not in self._groups:
                    self._groups[group] = Peers()
                score = self._groups[group].learn(values)
                learned.add(group)
                count += 1
                if score is not None:
                    total, scored = total + score, scored + 1
            self._heard = max(self._heard, slot)
        for name in learned:
            self._stored[name] = self._groups[name].dump()
        stored = {name: self._stored[name] for name in GROUPS if name in self._stored}
        self._snapshots[week] = _encode(Learned(week, stored, count, total / scored if scored else 0.0))
        self._built = week
        for old in [old for old in self._snapshots if old <= week - KEPT_SNAPSHOTS]:
            del self._snapshots[old]
        for slot in [slot for slot in self._open if slot > week + AHEAD]:
            del self._open[slot]
        self._changed |= {MAIN, _ring_row(week)}

    def _find_sample(self, sample: Sample, closed: int) -> tuple[str, list[float]] | None:
        """Its group and features; None if it is not to be learned."""
        ledger = self._find(sample.person_id)
        index = bisect_left(ledger.entries, (sample.at, sample.event_id), key=_order)
        if index == len(ledger.entries) or ledger.entries[index].event_id != sample.event_id:
            return None
        entry = ledger.entries[index]
        taken_back = ledger.reversed_at(entry.settlement_id)
        group = group_of(entry.flags)
        if (
            group is None
            or (taken_back is not None and taken_back < closed)
            or entry.at - self._reach <= ledger.floor
            or self._flagged(ledger, index)
        ):
            return None
        return group, measure(ledger.window(index, WIDTH), self._day)

    # -- asking

    def read(self, window: list[Visit]) -> PeerReading | None:
        """A person at the last entry of ``window`` (what counts then, ``WIDTH`` back) against the peers of its week.

        None where too little is known of them.
        """
        entry = window[-1]
        group = group_of(entry.flags)
        stored = None if group is None else self._of(self._week(entry.at)).get(group)
        if group is None or stored is None:
            return None
        if self._reader is None:
            self._reader = PeerReader()
        values = measure(window, self._day)
        reading = self._reader.read(stored, values)
        return None if reading is None else PeerReading(group, dict(zip(NAMES, values, strict=True)), reading)

    def limits(self, entry: Visit) -> Mapping[str, float]:
        """The high quantile of every feature, in its own unit, among the peers of a visit in its week; empty where too little is known."""
        group = group_of(entry.flags)
        stored = None if group is None else self._of(self._week(entry.at)).get(group)
        return {} if stored is None else limits_of(stored)

    def _of(self, week: int) -> dict[str, Stored]:
        groups = self._decoded.get(week)
        if groups is None:
            data = self._snapshots.get(week)
            if data is None:
                return {}
            if len(self._decoded) >= DECODED:
                del self._decoded[next(iter(self._decoded))]
            groups = self._decoded[week] = _decode_learned(data).groups
        return groups

    def history(self) -> list[Learned]:
        """The snapshots that are kept, oldest first."""
        return [_decode_learned(self._snapshots[week]) for week in sorted(self._snapshots)]

    def drifts(self) -> list[int]:
        """The first days of the weeks in which the mean anomaly score of the samples was found to have changed."""
        known = [one for one in self.history() if one.samples and one.score]
        return [self._day(self._week_start(known[turn].week)) for turn in turns([one.score for one in known])]

    @property
    def newest_day(self) -> int:
        """The first day of the newest week that has a snapshot."""
        return self._day(self._week_start(self._built))

    # -- keeping

    @property
    def changed(self) -> bool:
        """Whether :meth:`rows` would give anything."""
        return bool(self._changed)

    def rows(self, *, whole: bool = False) -> dict[str, bytes]:
        """The rows that changed since this was last called, by name; all of them if ``whole``. A few names are used over and over."""
        names, self._changed = self._changed, set()
        if whole:
            names = {MAIN, *(_ring_row(week) for week in self._snapshots)}
        rows = {_ring_row(week): data for week, data in self._snapshots.items() if _ring_row(week) in names}
        if MAIN in names:
            rows[MAIN] = _encode(_Main(self._built, self._heard, self._open))
        return {name: bytes([COHORT_VERSION]) + data for name, data in rows.items()}

    def restore(self, rows: Mapping[str, bytes]) -> None:
        """Take up what :meth:`rows` gave in all; raises :class:`StateVersionError` for anything else."""
        for name, data in rows.items():
            if data[:1] != bytes([COHORT_VERSION]):
                raise StateVersionError(
                    f"expected models of version {COHORT_VERSION}, got {data[:1]!r} in {name}; "
                    "start with an empty data folder (or state topics) and replay, or run the version that wrote them"
                )
        try:
            if MAIN in rows:
                main = _decode_main(rows[MAIN][1:])
                self._built, self._heard, self._open = main.built, main.heard, main.open
            learned = [(_decode_learned(data[1:]), data[1:]) for name, data in rows.items() if name != MAIN]
        except msgspec.DecodeError as error:
            raise StateVersionError(f"expected models, got bytes that cannot be read ({error}); replay") from None
        for one, data in learned:
            # a ring row of a week that is long past was not written over if weeks were quiet
            if not self._built - KEPT_SNAPSHOTS < one.week <= self._built:
                continue
            self._snapshots[one.week] = data
            for stored in one.groups.values():
                check(stored)
            if one.week == self._built:
                self._stored = one.groups
                self._groups = {name: load_peers(stored) for name, stored in one.groups.items()}


def _ring_row(week: int) -> str:
    return str(week % KEPT_SNAPSHOTS)


def row_names() -> tuple[str, ...]:
    """Every name that :meth:`Cohort.rows` may use."""
    return (MAIN, *(str(number) for number in range(KEPT_SNAPSHOTS)))
