"""Too many outpatient visits within any 7 or any 30 days."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from detectors.exemptions import told
from detectors.explain import MUTED_BY, closing, span
from detectors.light import excess_score, weigh
from detectors.parameters import RuleSetting
from detectors.person import NO_VISIT, Visit
from detectors.reference import Reference
from detectors.rule import WHOLE, Features, Match, Rule
from detectors.windows import Ledger
from schemas.instants import Calendar

CERTAINTY: Final = 0.6
"""The score at the limit: with treatment series set aside, few people see a doctor daily."""


class RollingCount(Rule[Visit]):
    """Counts visits, not settlements: those of one visit count once. Pharmacy purchases and stays in hospital are no visits.

    Source: domain.md 3.4 (demo projects: 15 in 30 days, 7 in 7 days; no official figure).
    """

    detector = "frequent_visits.rolling_count"
    subject = "person"

    def __init__(self, setting: RuleSetting, reference: Reference, calendar: Calendar) -> None:
        super().__init__(setting, reference, calendar)
        short = (setting.seconds("short_window"), setting.whole("short_limit"))
        long = (setting.seconds("long_window"), setting.whole("long_limit"))
        self._windows = (short, long)
        self.width = max(short[0], long[0])

    def glance(self, ledger: Ledger[Visit], index: int) -> Sequence[str]:
        """A visit before which enough entries lie close enough."""
        entries = ledger.entries
        entry = entries[index]
        if entry.flags & NO_VISIT:
            return ()
        for width, limit in self._windows:
            if index + 1 >= limit and entries[index + 1 - limit].at > entry.at - width:
                return WHOLE
        return ()

    def judge(self, window: list[Visit], detail: str, ledger: Ledger[Visit]) -> Match[Visit] | None:
        """The window of the two that is exceeded most; muted if neither is exceeded without the excepted visits."""
        now = window[-1].at
        visits = [entry for entry in window if not entry.flags & NO_VISIT]
        found = self._worst(visits, now)
        if found is None:
            return None
        count, width, limit, members = found
        excused = self.excuses.reasons(visits, self.calendar)
        rest = [entry for entry in visits if entry.event_id not in excused]
        reasons = told(excused.values()) if self._worst(rest, now) is None else ""
        score, light = weigh(excess_score(count, limit, CERTAINTY), muted=bool(reasons))
        features: Features = {
            "otp_cnt": count,
            "limit": limit,
            "window_seconds": width,
            "fixmedins_cnt": len({entry.institution_id for entry in members}),
        }
        if reasons:
            features[MUTED_BY] = reasons
        return Match(score, light, features, members)

    def _worst(self, visits: list[Visit], now: int) -> tuple[int, int, int, list[Visit]] | None:
        worst = None
        for width, limit in self._windows:
            members = [entry for entry in visits if entry.at > now - width]
            count = len({entry.visit_id for entry in members})
            if count >= limit and (worst is None or count * worst[2] > worst[0] * limit):
                worst = (count, width, limit, members)
        return worst

    def explain(self, features: Features) -> str:
        """For example 7天内在2家机构门诊就诊9次，达到阈值7次，请核实。"""
        return (
            f"{span(int(features['window_seconds']))}内在{features['fixmedins_cnt']}家机构门诊就诊{features['otp_cnt']}次，"
            f"达到阈值{features['limit']}次{closing(features.get(MUTED_BY))}"
        )


RULE = RollingCount
