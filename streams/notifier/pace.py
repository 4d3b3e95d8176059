"""When a receiver may be sent something: rates, quiet hours, pauses between attempts, and the rest of one that keeps failing."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

_MINUTE: Final = 60.0
_TRIPS: Final = 5
"""Failures in a row after which a receiver is left alone."""
_LONGEST_REST: Final = 20
"""Times the first rest."""

Span = tuple[time, time]


@dataclass
class Pace:
    """At most ``a_minute`` messages in any sixty seconds and ``a_second`` in any one; 0 is no limit.

    Half of a minute's messages may go at once; the other half is spread, so that a digest need not wait for a whole minute.
    """

    a_minute: int = 0
    a_second: int = 0
    _sent: deque[float] = field(default_factory=deque)

    def free_at(self, now: float) -> float:
        """The moment (seconds, any clock) from which the next message may go."""
        while self._sent and self._sent[0] <= now - _MINUTE:
            self._sent.popleft()
        at = now
        if self.a_second and len(self._sent) >= self.a_second:
            at = max(at, self._sent[-self.a_second] + 1.0)
        if self.a_minute and self._sent:
            used = len(self._sent)
            if used * 2 >= self.a_minute:
                at = max(at, self._sent[-1] + _MINUTE / self.a_minute)
            if used >= self.a_minute:
                at = max(at, self._sent[-self.a_minute] + _MINUTE)
        return at

    def take(self, now: float) -> None:
        """A message goes now."""
        if self.a_minute or self.a_second:
            self._sent.append(now)


@dataclass
class Breaker:
    """Lets nothing through while a receiver keeps failing, but for a trial now and then. Times in seconds of any one clock."""

    first_rest: float
    failures: int = 0
    _rests: int = 0
    _until: float = float("-inf")
    _trial: bool = False

    @property
    def is_open(self) -> bool:
        """Whether the receiver counts as down."""
        return self._rests > 0

    def free_at(self, now: float) -> float | None:
        """When something may be tried next; None: somebody is trying right now, wait for that."""
        if not self._rests:
            return now
        return None if self._trial else max(now, self._until)

    def tries(self) -> None:
        """Somebody sends now."""
        self._trial = self._rests > 0

    def went_well(self) -> None:
        """The receiver took it."""
        self.failures = self._rests = 0
        self._trial = False

    def untried(self) -> None:
        """Nothing can be told from what was tried."""
        self._trial = False

    def failed(self, now: float) -> None:
        """It did not."""
        self.failures += 1
        if self._trial or (not self._rests and self.failures >= _TRIPS):
            self._rests += 1
            self._until = now + self.first_rest * min(_LONGEST_REST, 2 ** (self._rests - 1))
            self._trial = False


def pause(attempts: int, first: float, longest: float, chance: random.Random) -> float:
    """Seconds to wait after so many failed attempts (>= 1): doubling, with jitter of a half, never over ``longest``."""
    return float(min(longest, first * 2 ** min(attempts - 1, 30)) * chance.uniform(0.5, 1.0))


def parse_span(text: str) -> Span:
    """``22:00-07:00`` as two times of day. Raises ValueError."""
    begin, dash, end = text.partition("-")
    try:
        span = time.fromisoformat(begin.strip()), time.fromisoformat(end.strip())
    except ValueError:
        dash = ""
    if not dash or span[0] == span[1] or span[0].tzinfo or span[1].tzinfo:
        raise ValueError(f"expected two different times of day such as 22:00-07:00, got {text!r}")
    return span


def quiet_until(spans: Sequence[Span], now: float, zone: ZoneInfo) -> float | None:
    """End of the quiet hours that hold at ``now`` (seconds since 1970) in local time; None when none do."""
    local = datetime.fromtimestamp(now, zone)
    ends = [_end(local, *span) for span in spans]
    return max((end.timestamp() for end in ends if end is not None), default=None)


def _end(local: datetime, begin: time, end: time) -> datetime | None:
    clock = local.time().replace(tzinfo=None)
    holds = begin <= clock < end if begin < end else clock >= begin or clock < end
    if not holds:
        return None
    day = local.date() + timedelta(days=int(begin > end and clock >= begin))
    return datetime.combine(day, end, local.tzinfo)
