"""How busy a place usually is: the mean of closed weeks, and how unlikely a crowd is beside it."""

from __future__ import annotations

from typing import Final

from detectors.light import poisson_tail
from detectors.usual import Usual
from schemas.instants import DAY, HOUR, Calendar

SLOT: Final = 7
"""Days of a slot: whole weeks, so that every weekday counts alike."""
CLOSED_DAYS: Final = 3
"""Slots that ended so many days before a point are complete when it is judged: a day more than the lateness that is shipped."""
OPEN_HOURS: Final = 12
"""Hours a day over which what is counted by the day alone is spread."""
HOURS: Final = tuple((str(hour),) for hour in range(24))
"""The key of each hour of the day, as :meth:`detectors.rule.Rule.usual_keys` gives it."""


class Pace:
    """Means over the closed weeks before a point, up to ``weeks`` of them."""

    def __init__(self, calendar: Calendar, weeks: int) -> None:
        self._calendar = calendar
        self._weeks = weeks

    def slots(self, usual: Usual, at: int) -> range:
        """The closed slots before an instant that are known from their first day; empty for a place that is new."""
        end = (self._calendar.day(at) - CLOSED_DAYS) // SLOT
        return range(max(usual.first_slot + 1, end - self._weeks), end)

    def hourly(self, usual: Usual, key: str, at: int) -> float | None:
        """What is to be expected in an hour of what is counted by the day; None where nothing is known yet."""
        slots = self.slots(usual, at)
        return usual.count(key, slots.start, slots.stop) / (len(slots) * SLOT * OPEN_HOURS) if slots else None

    def around(self, usual: Usual, at: int) -> float | None:
        """What is to be expected in the hour of an instant of what is counted by the hour of the day: the mean of it and its neighbours.

        One is added, so that an hour in which nothing ever happened is not thought impossible. None where nothing is known yet.
        """
        slots = self.slots(usual, at)
        if not slots:
            return None
        hour = self._calendar.hour(at)
        near = [key for step in (-1, 0, 1) for key in HOURS[(hour + step) % 24]]
        return (sum(usual.count(key, slots.start, slots.stop) for key in near) + 1) / (3 * len(slots) * SLOT)

    def is_unusual(self, usual: Usual, key: str, at: int, persons: int, seconds: int, chance: float) -> bool:
        """Whether so many in so short a time come by chance no more often than ``chance``; at a new place always."""
        mean = self.hourly(usual, key, at)
        return mean is None or poisson_tail(persons, mean * seconds / HOUR) <= chance


def weeks(seconds: int) -> int:
    """A span of history in whole slots, at least one."""
    return max(1, seconds // (SLOT * DAY))
