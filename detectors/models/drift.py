"""Whether the traffic, or what is found in it, has changed: notices for whoever runs the system, never part of a finding."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

import msgspec
from river.drift import ADWIN, PageHinkley

from schemas.alert import Alert

WEEKS: Final = 6
"""Of scores before a change can be told; a mean of some twenty samples wanders by a few hundredths."""


class Drift(msgspec.Struct, frozen=True):
    """A change. ``day`` is a local day since 1970-01-01; ``where`` a partition, None for all."""

    what: str
    day: int
    where: int | None = None


def turns(means: Sequence[float]) -> list[int]:
    """Positions at which the level of a series in [0, 1] is found changed (Page-Hinkley, both ways)."""
    test = _made(PageHinkley, min_instances=WEEKS, delta=0.02, threshold=0.3)
    found = []
    for position, mean in enumerate(means):
        test.update(mean)
        if test.drift_detected:
            found.append(position)
    return found


def jumps(counts: Sequence[int]) -> list[int]:
    """Positions at which a daily count is found to have another mean than before (ADWIN)."""
    test = _made(ADWIN, clock=1)
    found = []
    for position, count in enumerate(counts):
        test.update(count)
        if test.drift_detected:
            found.append(position)
    return found


def alert_drifts(alerts: Iterable[Alert], day: Callable[[str], int]) -> list[Drift]:
    """Changes in how many findings a detector raises per local day, those that an exception explains left out."""
    days: dict[str, Counter[int]] = {}
    for alert in alerts:
        if alert.light != "green":
            days.setdefault(alert.detector, Counter())[day(alert.raised_at)] += 1
    known = [number for counts in days.values() for number in counts]
    if not known:
        return []
    first, end = min(known), max(known) + 1
    return [
        Drift(detector, first + position)
        for detector, counts in sorted(days.items())
        for position in jumps([counts[number] for number in range(first, end)])
    ]


def _made(kind: Any, **parameters: float) -> Any:
    # River's classes carry types, their constructors do not
    return kind(**parameters)
