"""The same drug from several institutions within days, without a change of condition."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from detectors.exemptions import told
from detectors.explain import MUTED_BY, closing, span
from detectors.light import excess_score, weigh
from detectors.parameters import RuleSetting
from detectors.person import Visit
from detectors.reference import Reference
from detectors.rule import Features, Match, Rule
from detectors.windows import Ledger
from schemas.fact import AWAY, INPATIENT, PHARMACY
from schemas.instants import DAY, HOUR, Calendar

WATCHED_CERTAINTY: Final = 0.75
"""The score at the limit for what sells on: a pharmacy that has run out is no reason for a third one."""
OTHER_CERTAINTY: Final = 0.6
FIRST_LETTERS: Final = 3
"""Of an ICD-10 code: the category; what follows tells variants of one condition."""
CONDITION: Final = "condition"
PRESCRIBED: Final = "prescribed"
JOURNEY: Final = "away"
LITTLE: Final = 14 * DAY
"""Two ordinary prescriptions of a week: who collects no more than that lays in no stock."""


class Run(NamedTuple):
    """The latest collections of a generic, at as many institutions as they hold; ``excess`` is 1 where the limit is just reached."""

    excess: float
    institutions: int
    window: int
    limit: int
    members: list[Visit]


class GenericSpread(Rule[Visit]):
    """Counts distinct institutions where one generic was collected within a short and within a long window; stays do not count.

    The score rises with the institutions and with the shortness, and is lower for institutions where the person collected the
    drug before, and for quantities that make no stock. Source: domain.md 3.2 (the 2025 notice: short-time repeat purchase across
    institutions with no change of condition; thresholds are ours). Exceptions beside those of the file: a doctor's new diagnosis,
    one prescription that was filled at a pharmacy, one place visited on a journey.
    """

    detector = "agent_buying.generic_spread"
    subject = "person"

    def __init__(self, setting: RuleSetting, reference: Reference, calendar: Calendar) -> None:
        super().__init__(setting, reference, calendar)
        short = (setting.seconds("short_window"), setting.whole("short_limit"))
        long = (setting.seconds("long_window"), setting.whole("long_limit"))
        self._windows = (short, long)
        self.within = self._longest = max(short[0], long[0])
        self.fewest = min(short[1], long[1])
        self._extra = setting.whole("other_extra")
        self.width = max(self._longest, setting.seconds("habit_window"))

    def concerns(self, care: int) -> bool:
        """All but stays."""
        return not care & INPATIENT

    def glance(self, ledger: Ledger[Visit], index: int) -> Sequence[str]:
        """Generics of the point that were collected at enough institutions."""
        entries = ledger.entries
        entry = entries[index]
        first = index + 1 - self.fewest
        if first < 0 or entries[first].at <= entry.at - self._longest or entry.flags & INPATIENT:
            return ()
        return [item for item in entry.items if self._spread(item, ledger.of_item(item, entry))]

    def _more(self, generic: str) -> int:
        return 0 if generic in self.reference.monitored else self._extra

    def _spread(self, generic: str, collections: list[Visit]) -> bool:
        more = self._more(generic)
        need = self.fewest + more
        now = collections[-1].at
        if len(collections) < need or collections[-need].at <= now - self._longest:
            return False
        places: set[str] = set()
        for entry in reversed(collections):
            age = now - entry.at
            if age >= self._longest:
                return False
            if entry.flags & INPATIENT:
                continue
            places.add(entry.institution_id)
            count = len(places) - more
            if any(count >= limit and age < width for width, limit in self._windows):
                return True
        return False

    def judge(self, window: list[Visit], detail: str, ledger: Ledger[Visit]) -> Match[Visit] | None:
        """The run of collections that exceeds its limit most; muted where no run is left without the excused collections."""
        now = window[-1].at
        collections = [entry for entry in window if detail in entry.items and not entry.flags & INPATIENT]
        recent = [entry for entry in collections if entry.at > now - self._longest]
        found = self._worst(recent, detail)
        if found is None:
            return None
        reasons = self._excused(recent)
        home = any(not entry.flags & AWAY for entry in recent)
        journey = home and any(entry.flags & AWAY for entry in recent)
        muted = self._worst([entry for entry in recent if entry.event_id not in reasons], detail, int(journey)) is None
        earlier = {entry.institution_id for entry in collections if entry.at <= now - self._longest}
        places = {entry.institution_id for entry in found.members}
        usual = len(places & earlier)
        supply = sum(entry.supplies[entry.items.index(detail)] for entry in found.members)
        certainty = WATCHED_CERTAINTY if detail in self.reference.monitored else OTHER_CERTAINTY
        excess = found.excess * (1 - usual / found.institutions / 2) * (min(1.0, supply / LITTLE) if supply else 1.0)
        score, light = weigh(max(0.5, excess_score(excess, 1, certainty) if excess else 0.0), muted=muted)
        features: Features = {
            "fixmedins_cnt": found.institutions,
            "limit": found.limit,
            "window_seconds": found.window,
            "span_hours": round((now - found.members[0].at) / HOUR, 1),
            "collections": len(found.members),
            "usual_fixmedins_cnt": usual,
            "supply_days": round(supply / DAY, 1),
            "generic_code": detail,
            "generic": self.reference.generic_name(detail),
        }
        if muted:
            features[MUTED_BY] = told([*reasons.values(), *([JOURNEY] if journey else [])])
        return Match(score, light, features, found.members)

    def _worst(self, collections: list[Visit], generic: str, fewer: int = 0) -> Run | None:
        """Looked at from the end: the run whose institutions exceed a limit most, the more so the faster they followed each other."""
        if not collections:
            return None
        more, now = self._more(generic), collections[-1].at
        worst: Run | None = None
        places: set[str] = set()
        for index in range(len(collections) - 1, -1, -1):
            places.add(collections[index].institution_id)
            count, age = len(places) - fewer, now - collections[index].at
            for width, limit in self._windows:
                if count < limit + more or age >= width:
                    continue
                # a third of the window: who needs an hour is not told from who needs a day
                excess = count / (limit + more) * (width / max(age, width / 3)) ** 0.5
                if worst is None or excess > worst.excess:
                    worst = Run(excess, count, width, limit + more, collections[index:])
        return worst

    def _excused(self, collections: list[Visit]) -> dict[str, str]:
        reasons = self.excuses.reasons(collections, self.calendar)
        conditions: set[str] = set()
        prescribed = False
        for index, entry in enumerate(collections):
            condition = entry.diagnosis[:FIRST_LETTERS]
            if not entry.flags & PHARMACY:
                if condition and conditions and condition not in conditions:
                    reasons.setdefault(entry.event_id, CONDITION)
                elif not prescribed and any(other.flags & PHARMACY for other in collections[index + 1 :]):
                    reasons.setdefault(entry.event_id, PRESCRIBED)
                    prescribed = True
            if condition:
                conditions.add(condition)
        return reasons

    def explain(self, features: Features) -> str:
        """For example 3天内在3家机构购买同一药品阿法骨化醇软胶囊3次（共50天用量），达到阈值3家，请核实。"""
        supply = f"（共{features['supply_days']:g}天用量）" if features["supply_days"] else ""
        return (
            f"{span(int(features['window_seconds']))}内在{features['fixmedins_cnt']}家机构购买同一药品{features['generic']}"
            f"{features['collections']}次{supply}，达到阈值{features['limit']}家{closing(features.get(MUTED_BY))}"
        )


RULE = GenericSpread
