"""When people go: hours of the day, days of the week, seasons."""

from __future__ import annotations

from datetime import date, timedelta
from math import cos, pi
from random import Random
from typing import Final

_STEPS: Final = 4_096
_SLACK: Final = (
    31  # seconds between two table entries at the busiest hour, so that no second of the day is out of reach
)

# weights per hour from midnight
_SHOP_HOURS: Final = (0, 0, 0, 0, 0, 0, 0, 3, 10, 15, 14, 10, 7, 6, 8, 9, 10, 12, 14, 15, 12, 5, 0, 0)
_VISIT_HOURS: Final = (0, 0, 0, 0, 0, 0, 0, 8, 22, 24, 19, 9, 2, 4, 14, 14, 9, 3, 1, 1, 0, 0, 0, 0)
_EMERGENCY_HOURS: Final = (4, 3, 2, 2, 2, 2, 3, 4, 5, 6, 6, 5, 5, 5, 5, 5, 5, 6, 7, 9, 10, 10, 8, 6)
_SESSION_HOURS: Final = (0, 0, 0, 0, 0, 0, 0, 4, 6, 1, 0, 2, 6, 3, 0, 0, 2, 4, 2, 0, 0, 0, 0, 0)
# Monday to Sunday: how welcome a day is, 1 = nobody puts it off
_SHOP_WEEK: Final = (0.88, 0.8, 0.8, 0.82, 0.9, 1.0, 0.96)
_VISIT_WEEK: Final = (1.0, 0.9, 0.86, 0.84, 0.84, 0.5, 0.4)


class Hours:
    """Seconds of the day, drawn by hourly weights."""

    def __init__(self, weights: tuple[int, ...]) -> None:
        total = sum(weights)
        table: list[int] = []
        for hour, weight in enumerate(weights):
            count = round(_STEPS * weight / total)
            table += [hour * 3_600 + number * 3_600 // count for number in range(count)]
        self._table = table

    def draw(self, rng: Random) -> int:
        """A second of the day, below 86,400."""
        table = self._table
        return table[int(rng.random() * len(table))] + int(rng.random() * _SLACK)


SHOPPING: Final = Hours(_SHOP_HOURS)
VISITING: Final = Hours(_VISIT_HOURS)
EMERGENCIES: Final = Hours(_EMERGENCY_HOURS)
SESSIONS: Final = Hours(_SESSION_HOURS)


class Rhythm:
    """Weekdays and seasons from the first simulated day on."""

    def __init__(self, first: date) -> None:
        self._first = first
        self._weekday = first.weekday()
        self._seasons: dict[int, float] = {}

    def weekday(self, day: int) -> int:
        """Monday = 0."""
        return (self._weekday + day) % 7

    def season(self, day: int) -> float:
        """How much people catch: 1 on average, more in January than in July."""
        known = self._seasons.get(day)
        if known is None:
            yearday = (self._first + timedelta(days=day)).timetuple().tm_yday
            known = self._seasons[day] = 1 + 0.3 * cos(2 * pi * (yearday - 15) / 365)
        return known

    def shopping_day(self, day: int, rng: Random) -> int:
        """``day`` or a day soon after on which people rather go to a pharmacy."""
        while rng.random() > _SHOP_WEEK[(self._weekday + day) % 7]:
            day += 1
        return day

    def visiting_day(self, day: int, rng: Random) -> int:
        """``day`` or a day soon after on which people rather see a doctor."""
        while rng.random() > _VISIT_WEEK[(self._weekday + day) % 7]:
            day += 1
        return day
