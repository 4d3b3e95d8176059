"""Many different persons in one window of a place: the count that several place rules share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from detectors.exemptions import told
from detectors.explain import MUTED_BY
from detectors.light import excess_score, weigh
from detectors.parameters import RuleSetting
from detectors.place import Sale
from detectors.reference import Reference
from detectors.rule import WHOLE, Features, Match, Rule
from detectors.windows import Ledger
from schemas.instants import Calendar


class CrowdRule(Rule[Sale]):
    """Matches when ``limit`` distinct persons are in ``window``; muted when fewer remain without the excepted sales."""

    certainty: ClassVar[float] = 0.5
    """The score at the limit."""

    def __init__(self, setting: RuleSetting, reference: Reference, calendar: Calendar) -> None:
        super().__init__(setting, reference, calendar)
        self.width = setting.seconds("window")
        self.limit = setting.whole("limit")

    def close_enough(self, entries: list[Sale], index: int) -> bool:
        """Whether enough sales lie in the window of the point for enough persons to be among them."""
        first = index + 1 - self.limit
        return first >= 0 and entries[first].at > entries[index].at - self.width

    def glance(self, ledger: Ledger[Sale], index: int) -> Sequence[str]:
        """A point with enough sales close before it."""
        return WHOLE if self.close_enough(ledger.entries, index) else ()

    def crowd(self, members: list[Sale]) -> Match[Sale] | None:
        """The match of these sales, if enough persons are among them."""
        persons = {entry.person_id for entry in members}
        if len(persons) < self.limit:
            return None
        excused = [self.excuses.reason(entry) for entry in members]
        rest = {entry.person_id for entry, reason in zip(members, excused, strict=True) if reason is None}
        muted = len(rest) < self.limit
        score, light = weigh(excess_score(len(persons), self.limit, self.certainty), muted=muted)
        features: Features = {
            "grp_psncnt": len(persons),
            "limit": self.limit,
            "window_seconds": self.width,
            "settlements": len(members),
        }
        if muted:
            features[MUTED_BY] = told(reason for reason in excused if reason)
        return Match(score, light, features, members)
