"""The ledger of one subject: its settlements in event-time order, what was taken back, and which episodes must be judged again.

Longer than other modules: whatever changes or looks into a ledger must know all of its derived fields.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Collection, Container, Iterable, Iterator, Sequence
from contextlib import contextmanager
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

import msgspec

from detectors.packing import Packed
from detectors.scope import CARE, Scope
from detectors.usual import NOTHING_USUAL, Usual

if TYPE_CHECKING:
    from detectors.models.cohort import Cohort
    from detectors.rule import AnyRule, Match

SCAN_LIMIT: Final = 12
"""Up to so many entries a repeated event is found by looking through them; a set per small ledger would cost more than it saves."""
CLEAR_STEP: Final = 8
"""Entries are cleared away by so many: each clearing zips the oldest block of what was dumped anew."""
BEGINNING: Final = -(1 << 62)

_at = attrgetter("at")
_order = attrgetter("at", "event_id")


class Entry(msgspec.Struct, array_like=True, gc=False):
    """One settlement as a ledger keeps it.

    ``at`` is an instant (seconds UTC), ``fund`` integer fen, ``flags`` those of schemas.fact, ``items`` the generics among its lines.
    """

    at: int
    event_id: str
    settlement_id: str
    institution_id: str
    fund: int
    flags: int
    items: tuple[str, ...]

    @property
    def named(self) -> Iterable[str]:
        """What the entry can be found by, each once."""
        return self.items


EntryT = TypeVar("EntryT", bound=Entry)


EpisodeKey = tuple[str, str, int]
"""Detector, detail (such as the generic; empty for most) and the number of the local day, month or quarter."""


class Memo(msgspec.Struct, array_like=True, gc=False):
    """What was last found and published of one alert; ``opens`` is the oldest instant its episode looks at.

    ``score`` is what its own rule says, 0 if the finding does not stand (any more). No fingerprint: never published, or withdrawn.
    """

    key: EpisodeKey
    opens: int
    raised_at: int = 0
    score: float = 0.0
    muted: bool = False
    revision: int = 0
    fingerprint: bytes = b""


class Ledger(msgspec.Struct, Generic[EntryT], gc=False):
    """Entries of one subject in the order (at, event_id), whatever the order in which they came.

    An entry counts from its own time until it is taken back, so what a window holds depends on the events alone.
    ``changed`` says whether the last call brought anything new.
    """

    scope: Scope
    subject_type: str
    subject_id: str
    entries: list[EntryT]
    reversals: dict[str, int] | None = None
    memos: dict[str, Memo] | None = None
    dirty: set[EpisodeKey] | None = None
    usual: dict[str, Usual] | None = None
    """By detector."""
    changed: bool = False
    seen: set[str] | None = None
    """Event ids, for ledgers too long to look through; derived."""
    by_item: dict[str, list[EntryT]] | None = None
    """Entries per generic, built when a rule first asks; derived."""
    notes: dict[tuple[str, str], Any] | None = None
    """What a rule remembers of its last glance at an item, to go on from there; gone when an entry comes late or goes. Derived."""
    judged: dict[EpisodeKey, tuple[EntryT, Any]] | None = None
    """Up to which entry an episode was judged, and what was found; gone when an entry comes late, goes or is taken back. Derived."""
    packed: Packed | None = None
    """The entries as the last dump packed them; derived."""
    claimed: int = 0
    """So many of the oldest entries are beyond the retention and there because a rule claims them; derived."""
    peers: Cohort | None = None
    """What the persons of the partition teach; kept beside the ledgers."""

    def insert(self, entry: EntryT) -> bool:
        """Add a settlement; False if it was known or is older than what is kept."""
        entries, scope, at = self.entries, self.scope, entry.at
        count = len(entries)
        if count:
            if self._known(entry.event_id):
                self.changed = False
                return False
            newest = entries[-1]
            last = newest.at
            if at < last or (at == last and entry.event_id < newest.event_id):
                return self._insert_late(entry)
        self.changed = True
        if scope.counters:
            self._count_usual(entry)
        entries.append(entry)
        if self.seen is not None:
            self.seen.add(entry.event_id)
        if self.by_item is not None:
            for item in entry.named:
                self.by_item.setdefault(item, []).append(entry)
        for before, within, rule, glance in scope.glances[entry.flags & CARE]:
            if before > count:
                break
            if before and entries[count - before].at <= at - within:
                continue
            details = glance(self, count)
            if details:
                self._mark(rule, details, at)
        return True

    def _count_usual(self, entry: EntryT) -> None:
        usual = self.usual
        if usual is None:
            usual = self.usual = {}
        day = self.scope.day(entry.at)
        for detector, keys_of, days in self.scope.counters:
            keys = keys_of(entry)
            if keys:
                counts = usual.get(detector)
                if counts is None:
                    counts = usual[detector] = Usual(NOTHING_USUAL.first_slot, {})
                counts.add(keys, day // days)

    def _known(self, event_id: str) -> bool:
        if self.seen is None:
            if len(self.entries) <= SCAN_LIMIT:
                for entry in self.entries:  # noqa: SIM110  a generator costs more than the loop on the hot path
                    if entry.event_id == event_id:
                        return True
                return False
            self.seen = {entry.event_id for entry in self.entries}
        return event_id in self.seen

    def _insert_late(self, entry: EntryT) -> bool:
        entries, scope = self.entries, self.scope
        floor = self.floor
        if entry.at <= floor:
            scope.tally.too_old += 1
            self.changed = False
            return False
        self.changed = True
        if entry.at <= floor + scope.retention - scope.lateness:
            scope.tally.late += 1
        if scope.counters:
            self._count_usual(entry)
        index = bisect_left(entries, _order(entry), key=_order)
        entries.insert(index, entry)
        if self.seen is not None:
            self.seen.add(entry.event_id)
        self.notes = self.judged = None
        if self.by_item is not None:
            for item in entry.named:
                insort(self.by_item.setdefault(item, []), entry, key=_order)
        if self.packed is not None:
            self.packed.inserted(index)
        self._touch(index)
        return True

    def take_back(self, settlement_id: str, at: int) -> bool:
        """Note that a settlement was reversed at ``at``, also before it arrived; False if that (or an earlier time) was known."""
        if self.reversals is None:
            self.reversals = {}
        known, floor = self.reversals.get(settlement_id), self.floor
        if known is not None and known <= floor < at and not self._holds(settlement_id):
            # about to be forgotten: whether it was already must make no difference to who hears of the reversal again
            known = None
        self.changed = (known is None or at < known) and at > floor
        if not self.changed:
            return False
        self.reversals[settlement_id] = at
        self.judged = None
        for index, entry in enumerate(self.entries):
            if entry.settlement_id == settlement_id:
                self._touch(index, at)
        return True

    def probe(self, entry: EntryT, asked: Container[str]) -> list[tuple[AnyRule, str, Match[EntryT]]]:
        """What the rules of the detectors ``asked`` for would find at a settlement, with its details, were it inserted now.

        It stands in its place while they look; afterwards the ledger is what it was. Nothing usual is counted, nothing marked. As when
        it is inserted, nothing is found where it comes too late for the ledger or for what a rule looks back on.
        """
        if entry.at <= self.floor:
            return []
        order = _order(entry)
        index = bisect_right(self.entries, order, key=_order)
        # what rules remember of their last glance holds for entries that stay; they look anew
        notes, self.notes = self.notes, None
        self.entries.insert(index, entry)
        if self.by_item is not None:
            for item in entry.named:
                insort(self.by_item.setdefault(item, []), entry, key=_order)
        try:
            return self._matches(index, asked) if self.counts_at_once(index) else []
        finally:
            del self.entries[index]
            self.notes = notes
            if self.by_item is not None:
                # also where a rule had it built just now: the next audit need not build it again
                for item in entry.named:
                    found = self.by_item[item]
                    del found[bisect_right(found, order, key=_order) - 1]
                    if not found:
                        del self.by_item[item]

    @contextmanager
    def without(self, settlement_ids: Collection[str]) -> Iterator[None]:
        """As if these settlements had never come, for the time of a look; afterwards the ledger is what it was."""
        if not settlement_ids:
            yield
            return
        held = self.entries, self.by_item, self.notes
        self.entries = [entry for entry in self.entries if entry.settlement_id not in settlement_ids]
        self.by_item = self.notes = None
        try:
            yield
        finally:
            self.entries, self.by_item, self.notes = held

    def _matches(self, index: int, asked: Container[str]) -> list[tuple[AnyRule, str, Match[EntryT]]]:
        entry, matches = self.entries[index], []
        for rule in self.scope.rules:
            if rule.detector not in asked or not rule.concerns(entry.flags & CARE):
                continue
            details = rule.glance(self, index)
            if details and rule.opens(rule.period(entry.at)) > self.floor_of(rule):
                window = self.window(index, rule.width)
                for detail in details:
                    match = rule.judge(window, detail, self)
                    if match is not None:
                        matches.append((rule, detail, match))
        return matches

    def of_item(self, item: str, until: EntryT) -> list[EntryT]:
        """The entries that name an item (:attr:`Entry.named`), up to and including ``until``, in order, also those taken back."""
        if self.by_item is None:
            if len(self.entries) <= SCAN_LIMIT:
                return self._scan(item, until)
            self.by_item = {}
            for entry in self.entries:
                for name in entry.named:
                    self.by_item.setdefault(name, []).append(entry)
        found = self.by_item.get(item, [])
        if not found or found[-1] is until:
            return found
        return found[: bisect_right(found, _order(until), key=_order)]

    def _scan(self, item: str, until: EntryT) -> list[EntryT]:
        found = []
        for entry in self.entries:
            if item in entry.named:
                found.append(entry)
            if entry is until:
                break
        return found

    def _holds(self, settlement_id: str) -> bool:
        """Whether a settlement is kept; one that is only not cleared away yet is not."""
        entries, floor = self.entries, self.floor
        return any(
            entry.settlement_id == settlement_id and (entry.at > floor or self._is_claimed(index))
            for index, entry in enumerate(entries)
        )

    def _is_claimed(self, index: int) -> bool:
        """Whether a rule needs an entry that is beyond the retention."""
        at = self.entries[index].at
        return any(at > self.floor_of(rule) and rule.claims(self, index) for rule in self.scope.claiming)

    def reversed_at(self, settlement_id: str) -> int | None:
        """The earliest instant at which a settlement was taken back."""
        return self.reversals.get(settlement_id) if self.reversals else None

    def find(self, settlement_id: str) -> Iterator[EntryT]:
        """The entries of a settlement that are not older than what is kept, whether or not they were cleared away yet."""
        floor = self.floor
        return (entry for entry in self.entries if entry.settlement_id == settlement_id and entry.at > floor)

    @property
    def floor(self) -> int:
        """Entries at or before this instant come too late, and are kept only where a rule claims them.

        Measured from the third newest entry: one or two settlements with a date far in the future must not make a subject blind.
        """
        entries = self.entries
        return entries[-3].at - self.scope.retention if len(entries) >= 3 else BEGINNING

    def floor_of(self, rule: AnyRule) -> int:
        """The instant up to which entries are beyond what a rule needs."""
        entries, scope = self.entries, self.scope
        return entries[-3].at - scope.needs.get(rule.detector, scope.retention) if len(entries) >= 3 else BEGINNING

    @property
    def settled_until(self) -> int:
        """Up to this instant, all that comes within the lateness has come."""
        entries = self.entries
        return entries[-3].at - self.scope.lateness if len(entries) >= 3 else BEGINNING

    def _touch(self, index: int, taken_back: int = BEGINNING) -> None:
        """Mark the episodes of every point whose window holds the entry at ``index`` and that may match.

        Of one that was taken back, for the rules whose windows and amounts can still know of it.
        """
        entries = self.entries
        changed_at = entries[index].at
        for rule in self.scope.rules:
            end = changed_at + rule.width
            if taken_back > end:
                continue
            for point in range(index, len(entries)):
                at = entries[point].at
                if at >= end and point != index:
                    break
                details = rule.glance(self, point)
                if details:
                    self._mark(rule, details, at)

    def _mark(self, rule: AnyRule, details: Sequence[str], at: int) -> None:
        period = rule.period(at)
        # an episode that reaches back to what was cleared away keeps the judgement it got when all of it was there
        if rule.opens(period) <= self.floor_of(rule):
            return
        if self.dirty is None:
            self.dirty = set()
        for detail in details:
            self.dirty.add((rule.detector, detail, period))

    def position(self, entry: EntryT) -> int:
        """Where an entry of the ledger stands."""
        return bisect_left(self.entries, _order(entry), key=_order)

    def span(self, start: int, end: int) -> range:
        """Positions of the entries with ``start <= at < end``."""
        low = bisect_left(self.entries, start, key=_at)
        return range(low, bisect_left(self.entries, end, lo=low, key=_at))

    def window(self, index: int, width: int) -> list[EntryT]:
        """The entries that count at the moment of the entry at ``index``, itself last: (at - width, at], less what was taken back."""
        entries = self.entries
        at = entries[index].at
        start = bisect_right(entries, at - width, hi=index, key=_at)
        held = entries[start : index + 1]
        reversals = self.reversals
        if not reversals:
            return held
        return [entry for entry in held if reversals.get(entry.settlement_id, at + 1) > at]

    def counts_at_once(self, index: int) -> bool:
        """Whether the entry at ``index`` was not already taken back at its own time."""
        if not self.reversals:
            return True
        entry = self.entries[index]
        return self.reversals.get(entry.settlement_id, entry.at + 1) > entry.at

    def clear_away(self) -> None:
        """Drop what can no longer change any result, and the oldest entries above the cap."""
        entries, scope, floor = self.entries, self.scope, self.floor
        old = bisect_right(entries, floor, key=_at) if entries and entries[0].at <= floor else 0
        gone = old - self.claimed
        gone += max(0, len(entries) - gone - scope.cap)
        # what is claimed is looked through each time
        if gone >= max(CLEAR_STEP, self.claimed // CLEAR_STEP) or 2 * gone > len(entries):
            self._drop(old)
            for rule in scope.counting:
                if self.usual and rule.detector in self.usual:
                    day = scope.day(self.floor_of(rule))
                    self.usual[rule.detector].forget(day // rule.usual_slot - rule.usual_slots)
        if self.reversals:
            self._clear_reversals(floor)
        if self.memos:
            oldest = floor + scope.retention - scope.longest
            for key in [key for key, memo in self.memos.items() if memo.opens <= oldest]:
                del self.memos[key]

    def _drop(self, old: int) -> None:
        """Drop those of the first ``old`` entries that no rule claims, and the oldest entries above the cap."""
        entries, scope = self.entries, self.scope
        kept = [index for index in range(old if scope.claiming else 0) if self._is_claimed(index)]
        over = max(0, len(kept) + len(entries) - old - scope.cap)
        scope.tally.over_cap += over
        if over > len(kept):
            old += over - len(kept)
        kept = kept[over:]
        claimed = [entries[index] for index in kept]
        if self.seen is not None:
            self.seen.difference_update(entry.event_id for entry in entries[:old])
            self.seen.update(entry.event_id for entry in claimed)
        entries[:old] = claimed
        self.claimed = len(kept)
        self.by_item = self.notes = self.judged = None
        if self.packed is not None:
            self.packed.dropped(old, kept)

    def _clear_reversals(self, floor: int) -> None:
        reversals = self.reversals or {}
        held = self.entries[: bisect_right(self.entries, floor, key=_at)] if self.scope.claiming else []
        claimed = {entry.settlement_id for entry in held}
        for key in [key for key, at in reversals.items() if at <= floor and key not in claimed]:
            del reversals[key]
        if len(reversals) > self.scope.cap:
            newest = sorted(reversals.items(), key=lambda item: (item[1], item[0]))[-self.scope.cap :]
            self.reversals = dict(newest)
