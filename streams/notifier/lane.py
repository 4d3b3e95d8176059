"""The queue of one receiver: what goes next and when, in order per subject, and when several alerts become one message.

It knows no clock: every ``now`` is given, in seconds since 1970.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final
from zoneinfo import ZoneInfo

from streams.notifier.pace import Breaker, Pace, quiet_until
from streams.notifier.receivers import Receiver
from streams.notifier.records import Key

NEVER: Final = float("inf")
_MINUTE: Final = 60.0
_GATHER_SECONDS: Final = 5.0
"""So long a storm's first summary of a rule and place waits for company; each further one comes a minute later."""
MOST_MEMBERS: Final = 200


@dataclass
class Item:
    """Something to send. ``place`` is rule and place, for storms; ``expires`` seconds since 1970."""

    key: Key
    subject: str
    light: str
    place: tuple[str, str]
    expires: float


@dataclass
class Job:
    """What goes out as one message; ``summary`` is its key once it has been made one of several items."""

    items: list[Item]
    storm: bool = False
    summary: Key | None = None


@dataclass
class _Arrivals:
    """Counts what came in the last minute, and says whether that is a storm: until it has calmed to half of it."""

    limit: int
    storm: bool = False
    _at: deque[float] = field(default_factory=deque)

    def came(self, now: float) -> None:
        if self.limit:
            self._at.append(now)

    def look(self, now: float) -> bool:
        while self._at and self._at[0] <= now - _MINUTE:
            self._at.popleft()
        count = len(self._at)
        self.storm = bool(self.limit) and (count > self.limit or (self.storm and count > self.limit / 2))
        return self.storm


class Lane:
    """Queue, pace and breaker of a receiver."""

    def __init__(self, receiver: Receiver, zone: ZoneInfo, *, first_rest: float) -> None:
        self._receiver = receiver
        self._spans, self._zone = receiver.spans, zone
        self.breaker = Breaker(first_rest)
        self._pace = Pace(*receiver.rates)
        self._arrivals = _Arrivals(receiver.storm if receiver.condenses else 0)
        self._queues: dict[str, deque[Item]] = {}
        self._items: dict[Key, Item] = {}
        self._busy: set[str] = set()
        self._ready: dict[str, None] = {}
        self._urgent: dict[str, None] = {}
        """Those of the ready subjects that have something red."""
        self._again: list[tuple[float, int, Job]] = []
        self._count = 0
        self._paused = 0.0
        self._held = False
        """Whether something waited for the pace or for the end of quiet hours: what has gathered goes as one."""
        self._groups: dict[tuple[str, str], float] = {}

    def __len__(self) -> int:
        return len(self._items)

    def add(self, item: Item, now: float) -> None:
        """Put something in the queue; what is there already keeps its place and takes the new light."""
        known = self._items.get(item.key)
        if known is not None:
            known.light, known.place = item.light, item.place
            self._offer(known.subject)
            return
        self._arrivals.came(now)
        self._items[item.key] = item
        self._queues.setdefault(item.subject, deque()).append(item)
        self._offer(item.subject)

    def resume(self, job: Job) -> None:
        """Put a summary that was made before back, to go at once."""
        for item in job.items:
            self._items[item.key] = item
            self._busy.add(item.subject)
            self._withdraw(item.subject)
        self.retry(job, 0.0)

    def choose(self, now: float) -> Job | float:
        """The next message, which must then be tried, or the moment from which to ask again (:data:`NEVER`: when something changes)."""
        quiet = quiet_until(self._spans, now, self._zone) if self._spans else None
        storm = self._arrivals.look(now)
        ready = self._ready if quiet is None else self._urgent
        due = self._due(now, quiet)
        if quiet is not None and len(self._urgent) < len(self._ready):
            self._held = True
        later = min(self._again[0][0] if self._again else NEVER, quiet if quiet and self._ready else NEVER)
        if not ready and not due:
            return max(later, now + 0.001) if later < NEVER else NEVER
        breaker = self.breaker.free_at(now)
        if breaker is None:
            return NEVER
        pace = self._pace.free_at(now)
        if max(breaker, self._paused, pace) > now:
            self._held = self._held or (pace > now and bool(ready))
            return max(breaker, self._paused, pace)
        chosen: Job | float
        if due:
            chosen = heapq.heappop(self._again)[2]
        elif self._receiver.condenses and storm:
            chosen = self._of_a_storm(ready, now)
        elif self._receiver.condenses and self._held:
            chosen = Job(list(self._whole(ready)))
        else:
            chosen = Job([self._queues[next(iter(ready))][0]])
        if isinstance(chosen, Job):
            if not due:
                self._take(chosen.items)
                self._held = self._held and bool(self._ready)
            self.breaker.tries()
            self._pace.take(now)
            return chosen
        return min(chosen, later)

    def retry(self, job: Job, at: float) -> None:
        """It did not work: try again at that moment; its subjects wait for it."""
        self._count += 1
        heapq.heappush(self._again, (at, self._count, job))

    def done(self, job: Job) -> None:
        """It is over, one way or the other: its subjects go on."""
        for item in job.items:
            if self._items.pop(item.key, None) is not None:
                self._busy.discard(item.subject)
        for item in job.items:
            self._offer(item.subject)

    def pause(self, until: float) -> None:
        """The receiver asked for it."""
        self._paused = max(self._paused, until)

    def expired(self, now: float) -> list[Job]:
        """Take out what is over age, queued or waiting for another attempt."""
        old = [job for _, _, job in self._again if min(item.expires for item in job.items) <= now]
        self._again = [entry for entry in self._again if entry[2] not in old]
        heapq.heapify(self._again)
        for job in old:
            self.done(job)
        waiting = [item for queue in self._queues.values() for item in queue if item.expires <= now]
        for item in waiting:
            self._remove(item)
        return [*old, *(Job([item]) for item in waiting)]

    def _due(self, now: float, quiet: float | None) -> bool:
        while self._again and self._again[0][0] <= now:
            job = self._again[0][2]
            if quiet is None or any(item.light == "red" for item in job.items):
                return True
            heapq.heappop(self._again)
            self.retry(job, quiet)
        return False

    def _of_a_storm(self, ready: Iterable[str], now: float) -> Job | float:
        groups: dict[tuple[str, str], list[Item]] = {}
        for subject in ready:
            queue = self._queues[subject]
            place = queue[0].place
            some = groups.setdefault(place, [])
            for item in queue:
                if item.place != place or len(some) >= MOST_MEMBERS:
                    break
                some.append(item)
        for place in groups:
            self._groups.setdefault(place, now + _GATHER_SECONDS)
        first = min(groups, key=lambda place: self._groups[place])
        if self._groups[first] > now:
            return self._groups[first]
        self._groups = {place: at for place, at in self._groups.items() if at > now - _MINUTE or place in groups}
        self._groups[first] = now + _MINUTE
        return Job(groups[first], storm=True)

    def _whole(self, ready: Iterable[str]) -> Iterator[Item]:
        count = 0
        for subject in ready:
            for item in self._queues[subject]:
                if count == MOST_MEMBERS:
                    return
                count += 1
                yield item

    def _take(self, items: list[Item]) -> None:
        for item in items:
            queue = self._queues[item.subject]
            queue.popleft()
            if not queue:
                del self._queues[item.subject]
            self._busy.add(item.subject)
            self._withdraw(item.subject)

    def _remove(self, item: Item) -> None:
        queue = self._queues[item.subject]
        queue.remove(item)
        if not queue:
            del self._queues[item.subject]
        self._items.pop(item.key, None)
        self._offer(item.subject)

    def _offer(self, subject: str) -> None:
        """Bring the lists of ready subjects up to date for one."""
        queue = self._queues.get(subject)
        if not queue or subject in self._busy:
            self._withdraw(subject)
            return
        self._ready.setdefault(subject)
        if any(item.light == "red" for item in queue):
            self._urgent.setdefault(subject)

    def _withdraw(self, subject: str) -> None:
        self._ready.pop(subject, None)
        self._urgent.pop(subject, None)
