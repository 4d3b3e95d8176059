"""Known good reasons for what looks like fraud: those a settlement itself tells, of which each rule's file names the ones that count."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Final

from schemas.fact import AWAY, CHRONIC, COLLECTED, LONG_PRESCRIPTION, NEWBORN, ONCOLOGY, SERVICE_ONLY
from schemas.instants import Calendar

if TYPE_CHECKING:
    from detectors.person import Visit
    from detectors.windows import Entry

COLLECTOR: Final = "collector"
SERIES: Final = "treatment_series"
REASONS: Final[dict[str, int]] = {
    COLLECTOR: COLLECTED,
    "long_prescription": LONG_PRESCRIPTION,
    SERIES: CHRONIC,
    "oncology": ONCOLOGY,
    "newborn": NEWBORN,
    "away": AWAY,
}
"""Every reason with the flag that tells it. A settlement that has several is told by the first."""
SHORTEST_SERIES: Final = 3
"""Fewer treatments at one institution are no series."""


class Excuses:
    """The reasons that count for one rule. They explain single settlements; a rule mutes where too little remains without these."""

    def __init__(self, names: Iterable[str]) -> None:
        wanted = frozenset(names)
        self._flags = [(name, flag) for name, flag in REASONS.items() if name in wanted]
        self._any = sum(flag for _, flag in self._flags)
        self._series = SERIES in wanted

    def reason(self, entry: Entry) -> str | None:
        """The reason a settlement has of its own, None if it has none that counts."""
        held = entry.flags & self._any
        if held:
            for name, flag in self._flags:
                if held & flag:
                    return name
        return None

    def reasons(self, visits: Sequence[Visit], calendar: Calendar) -> dict[str, str]:
        """The visits that have a reason, by event id: of their own, or as part of a series of treatments.

        A series is three or more visits without drugs (dressing, infusion) at one institution, no more than one a day on the whole:
        days are counted as a span, and one visit more is let pass, as where a window cuts an evening's infusion that slipped past
        midnight from the day it belongs to. ``visits`` are in order of time.
        """
        reasons: dict[str, str] = {}
        treatments: dict[str, list[Visit]] = {}
        for entry in visits:
            reason = self.reason(entry)
            if reason is not None:
                reasons[entry.event_id] = reason
            elif self._series and entry.flags & SERVICE_ONLY:
                treatments.setdefault(entry.institution_id, []).append(entry)
        for series in treatments.values():
            visits_made = len({entry.visit_id for entry in series})
            days = calendar.day(series[-1].at) - calendar.day(series[0].at) + 1
            if SHORTEST_SERIES <= visits_made <= days + 1:
                reasons.update((entry.event_id, SERIES) for entry in series)
        return reasons


def told(reasons: Iterable[str]) -> str:
    """Reasons as the feature ``muted_by`` tells them: each once, in the order of the alphabet, with commas between."""
    return ",".join(sorted(set(reasons)))
