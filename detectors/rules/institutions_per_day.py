"""Too many different institutions in one local calendar day."""

from __future__ import annotations

from collections.abc import Sequence

from detectors.exemptions import told
from detectors.explain import MUTED_BY, closing
from detectors.light import excess_score, weigh
from detectors.parameters import RuleSetting
from detectors.person import Visit
from detectors.reference import Reference
from detectors.rule import LONGEST_DAY, WHOLE, Features, Match, Rule
from detectors.windows import Ledger
from schemas.fact import INPATIENT
from schemas.instants import Calendar


class InstitutionsPerDay(Rule[Visit]):
    """Counts distinct institutions, pharmacies included, stays in hospital left out.

    Source: domain.md 3.4 and 3.7 ("同天" is a calendar day; no official figure).
    """

    detector = "frequent_visits.institutions_per_day"
    subject = "person"

    def __init__(self, setting: RuleSetting, reference: Reference, calendar: Calendar) -> None:
        super().__init__(setting, reference, calendar)
        self.fewest = self._limit = setting.whole("limit")
        self.width = LONGEST_DAY

    def concerns(self, care: int) -> bool:
        """All but stays."""
        return not care & INPATIENT

    def glance(self, ledger: Ledger[Visit], index: int) -> Sequence[str]:
        """An entry before which enough entries lie within a day."""
        entries = ledger.entries
        entry = entries[index]
        first = index + 1 - self._limit
        if first < 0 or entries[first].at <= entry.at - self.width or entry.flags & INPATIENT:
            return ()
        return WHOLE

    def judge(self, window: list[Visit], detail: str, ledger: Ledger[Visit]) -> Match[Visit] | None:
        """The institutions of the point's own local day so far."""
        since = self.calendar.day_start(self.calendar.day(window[-1].at))
        members = [entry for entry in window if entry.at >= since and not entry.flags & INPATIENT]
        count = len({entry.institution_id for entry in members})
        if count < self._limit:
            return None
        excused = self.excuses.reasons(members, self.calendar)
        rest = {entry.institution_id for entry in members if entry.event_id not in excused}
        muted = len(rest) < self._limit
        score, light = weigh(excess_score(count, self._limit), muted=muted)
        features: Features = {"fixmedins_cnt": count, "limit": self._limit, "settlements": len(members)}
        if muted:
            features[MUTED_BY] = told(excused.values())
        return Match(score, light, features, members)

    def explain(self, features: Features) -> str:
        """For example 同一天内在5家机构结算6次，达到阈值4家，请核实。"""
        return (
            f"同一天内在{features['fixmedins_cnt']}家机构结算{features['settlements']}次，"
            f"达到阈值{features['limit']}家{closing(features.get(MUTED_BY))}"
        )


RULE = InstitutionsPerDay
