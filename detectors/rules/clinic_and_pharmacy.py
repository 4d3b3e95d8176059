"""Drugs from a clinic and from a pharmacy within hours, again and again, at changing places."""

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
from schemas.fact import INPATIENT, PHARMACY, SERVICE_ONLY
from schemas.instants import Calendar

FEW_CERTAINTY: Final = 0.5
"""The score of the fewest pairs: twice in two weeks part of a prescription may be out of stock. In a simulated city, where people
fill prescriptions outside, such pairs were 10 of 13 findings without an episode."""
MANY_CERTAINTY: Final = 0.7
"""The score of the fewest that are many: nobody's clinics run out of stock that often."""


class ClinicAndPharmacy(Rule[Visit]):
    """Counts pairs of a visit at which drugs were handed out and a purchase at a pharmacy, no further apart than some hours.

    A visit without drugs followed by a purchase is a prescription filled outside and no pair. A purchase counts if it holds a drug
    of the resale watch list or one that a clinic prescribed in the same window. Several settlements of one visit are one, as are
    purchases at one pharmacy on one local day; there are as many pairs as visits or as purchases that have a partner, whichever
    are fewer. Source: domain.md 3.2 (short-time frequent purchase, several institutions); limits are ours.
    """

    detector = "frequent_visits.clinic_and_pharmacy"
    subject = "person"

    def __init__(self, setting: RuleSetting, reference: Reference, calendar: Calendar) -> None:
        super().__init__(setting, reference, calendar)
        self.width = setting.seconds("window")
        self._gap = setting.seconds("gap")
        self._few = (setting.whole("pairs"), setting.whole("institutions"))
        self._many = (setting.whole("many_pairs"), setting.whole("many_institutions"))
        self._limit = min(self._few[0], self._many[0])
        self.fewest = 2 * self._limit

    def concerns(self, care: int) -> bool:
        """All but stays."""
        return not care & INPATIENT

    def glance(self, ledger: Ledger[Visit], index: int) -> Sequence[str]:
        """An entry that a settlement of the other kind precedes by no more than the gap, with enough others before it."""
        entries = ledger.entries
        first = index + 1 - self.fewest
        if first < 0:
            return ()
        entry = entries[index]
        at, flags = entry.at, entry.flags
        if entries[index - 1].at < at - self._gap or entries[first].at <= at - self.width or flags & INPATIENT:
            return ()
        kind = flags & PHARMACY
        before = index - 1
        while before >= 0 and entries[before].at >= at - self._gap:
            if entries[before].flags & PHARMACY != kind:
                return WHOLE
            before -= 1
        return ()

    def judge(self, window: list[Visit], detail: str, ledger: Ledger[Visit]) -> Match[Visit] | None:
        """The pairs of the window, if the point is part of one; muted if too few are left without the excepted settlements."""
        members = self._paired(window)
        if not self._enough(members) or members[-1] is not window[-1]:
            return None
        pairs = self._pairs(members)
        excused = self.excuses.reasons(members, self.calendar)
        rest = self._paired([entry for entry in window if entry.event_id not in excused])
        muted = not self._enough(rest)
        score, light = weigh(self._score(pairs), muted=muted)
        clinic = {item for entry in members if not entry.flags & PHARMACY for item in entry.items}
        pharmacy = {item for entry in members if entry.flags & PHARMACY for item in entry.items}
        features: Features = {
            "otp_phac_pairs": pairs,
            "limit": self._limit,
            "fixmedins_cnt": _places(members),
            "otp_phac_days": len({self.calendar.day(entry.at) for entry in members}),
            "same_generics": len(clinic & pharmacy),
            "watched_fee": sum(entry.watched_fee for entry in members),
            "window_seconds": self.width,
            "gap_seconds": self._gap,
        }
        if muted:
            features[MUTED_BY] = told(excused.values())
        return Match(score, light, features, members)

    def _paired(self, window: list[Visit]) -> list[Visit]:
        """The visits and purchases that have a partner, oldest first."""
        visits = [entry for entry in window if not entry.flags & (NO_VISIT | SERVICE_ONLY)]
        prescribed = self.reference.monitored.union(*(entry.items for entry in visits))
        purchases = [entry for entry in window if entry.flags & PHARMACY and not prescribed.isdisjoint(entry.items)]
        gap = self._gap
        found = [one for one in visits if any(abs(one.at - other.at) <= gap for other in purchases)]
        found += [one for one in purchases if any(abs(one.at - other.at) <= gap for other in visits)]
        return sorted(found, key=lambda entry: (entry.at, entry.event_id))

    def _pairs(self, members: list[Visit]) -> int:
        visits = {entry.visit_id for entry in members if not entry.flags & PHARMACY}
        purchases = {(entry.institution_id, self.calendar.day(entry.at)) for entry in members if entry.flags & PHARMACY}
        return min(len(visits), len(purchases))

    def _score(self, pairs: int) -> float:
        score = excess_score(pairs, self._limit, FEW_CERTAINTY)
        many = self._many[0]
        return score if pairs < many else max(score, excess_score(pairs, many, MANY_CERTAINTY))

    def _enough(self, members: list[Visit]) -> bool:
        pairs, places = self._pairs(members), _places(members)
        return any(pairs >= least and places >= changing for least, changing in (self._few, self._many))

    def explain(self, features: Features) -> str:
        """For example 14天内3次在门诊取药前后12小时内又到药店购药，涉及6家机构、3天，达到阈值2次，请核实。"""
        return (
            f"{span(int(features['window_seconds']))}内{features['otp_phac_pairs']}次在门诊取药前后{span(int(features['gap_seconds']))}内"
            f"又到药店购药，涉及{features['fixmedins_cnt']}家机构、{features['otp_phac_days']}天，"
            f"达到阈值{features['limit']}次{closing(features.get(MUTED_BY))}"
        )


def _places(members: list[Visit]) -> int:
    return len({entry.institution_id for entry in members})


RULE = ClinicAndPharmacy
