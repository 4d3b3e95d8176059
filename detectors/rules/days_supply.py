"""Far more of one drug in hand than can be used: the exact remaining supply of a generic after each collection."""

from __future__ import annotations

from collections.abc import Sequence

from detectors.exemptions import told
from detectors.explain import MUTED_BY, closing, span
from detectors.light import excess_score, weigh
from detectors.parameters import RuleSetting
from detectors.person import Visit
from detectors.reference import Reference
from detectors.rule import Features, Match, Rule
from detectors.windows import Ledger
from schemas.fact import INPATIENT
from schemas.instants import DAY, Calendar


class DaysSupply(Rule[Visit]):
    """Remaining supply after each collection: what was left, less the days that passed, plus what was handed out.

    Counted in seconds over the collections of one generic in the window, across institutions; drugs given in hospital do not
    count. Source: domain.md 3.2 and 4 (the 2025 notice on over-quantity buying; thresholds are ours).
    """

    detector = "agent_buying.days_supply"
    subject = "person"

    def __init__(self, setting: RuleSetting, reference: Reference, calendar: Calendar) -> None:
        super().__init__(setting, reference, calendar)
        self.width = setting.seconds("window")
        self._monitored_limit = setting.seconds("monitored_limit")
        self._other_limit = setting.seconds("other_limit")
        self._collections = setting.whole("collections")

    def glance(self, ledger: Ledger[Visit], index: int) -> Sequence[str]:
        """Generics of the point in hand beyond the limit, were nothing taken back."""
        entry = ledger.entries[index]
        if index + 1 < self._collections or entry.flags & INPATIENT:
            return ()
        return [item for item in entry.items if self._enough(item, ledger.of_item(item, entry))]

    def _limit(self, generic: str) -> int:
        return self._monitored_limit if generic in self.reference.monitored else self._other_limit

    def _enough(self, generic: str, collections: list[Visit]) -> bool:
        """Looked at from the end: what is in hand is the most that any run of collections up to now leaves over its own span."""
        now = collections[-1].at
        since = now - self.width
        first = len(collections) - self._collections
        if first < 0 or collections[first].at <= since:
            return False
        limit = self._limit(generic)
        count = total = most = 0
        for entry in reversed(collections):
            at = entry.at
            if at <= since:
                break
            if entry.flags & INPATIENT:
                continue
            supplies = entry.supplies
            total += supplies[0] if len(supplies) == 1 else _supply_of(entry, generic)
            most = max(most, total - now + at)
            count += 1
            if count >= self._collections and most >= limit:
                return True
        return False

    def judge(self, window: list[Visit], detail: str, ledger: Ledger[Visit]) -> Match[Visit] | None:
        """The supply in hand after the point; muted if it is below the limit without the excepted collections."""
        members = [entry for entry in window if detail in entry.items and not entry.flags & INPATIENT]
        remaining, limit = self._remaining(members, detail), self._limit(detail)
        if len(members) < self._collections or remaining < limit:
            return None
        excused = self.excuses.reasons(members, self.calendar)
        rest = [entry for entry in members if entry.event_id not in excused]
        muted = len(rest) < self._collections or self._remaining(rest, detail, window[-1].at) < limit
        score, light = weigh(excess_score(remaining, limit), muted=muted)
        features: Features = {
            "remaining_days": round(remaining / DAY, 2),
            "limit_days": round(limit / DAY, 2),
            "collections": len(members),
            "fixmedins_cnt": len({entry.institution_id for entry in members}),
            "generic_code": detail,
            "generic": self.reference.generic_name(detail),
            "window_seconds": self.width,
        }
        if muted:
            features[MUTED_BY] = told(excused.values())
        return Match(score, light, features, members)

    @staticmethod
    def _remaining(collections: list[Visit], generic: str, until: int | None = None) -> int:
        remaining, before = 0, 0
        for entry in collections:
            remaining = max(0, remaining - (entry.at - before)) + _supply_of(entry, generic)
            before = entry.at
        return remaining if until is None else max(0, remaining - (until - before))

    def explain(self, features: Features) -> str:
        """For example 90天内在3家机构购买阿托伐他汀钙片5次，手中余量约75.5天，达到阈值60天，请核实。"""
        return (
            f"{span(int(features['window_seconds']))}内在{features['fixmedins_cnt']}家机构购买{features['generic']}"
            f"{features['collections']}次，手中余量约{features['remaining_days']:g}天，"
            f"达到阈值{features['limit_days']:g}天{closing(features.get(MUTED_BY))}"
        )


def _supply_of(entry: Visit, generic: str) -> int:
    return entry.supplies[entry.items.index(generic)]


RULE = DaysSupply
