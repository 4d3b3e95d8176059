"""Many people's cards at one pharmacy terminal within minutes, more than its usual traffic brings."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Final, NamedTuple

from detectors.exemptions import told
from detectors.explain import MUTED_BY, closing, span
from detectors.light import excess_score, poisson_tail, surprise_score, weigh
from detectors.pace import HOURS, SLOT, Pace, weeks
from detectors.parameters import RuleSetting
from detectors.place import Sale
from detectors.reference import Reference
from detectors.rule import WHOLE, Features, Match, Rule
from detectors.windows import Ledger
from schemas.fact import PHARMACY
from schemas.instants import HOUR, Calendar

CERTAINTY: Final = 0.5
"""The score at the limit: a bus has stopped, an office has closed."""
SAME_CERTAINTY: Final = 0.8
"""The score at the limit where all of them bought the same watched drug."""


class Crowd(NamedTuple):
    """How many persons, how many of them bought the same watched drug, and how certain that makes them."""

    persons: int
    same: int
    generic: str
    score: float


class SharedTerminal(Rule[Sale]):
    """Counts distinct persons at a terminal, against what comes there at that hour on other days.

    Families come together, so a crowd is a family and strangers, and it is the strangers that must be too many for chance (Poisson).
    A new terminal has an absolute limit. By default pharmacy counters only: a clinic's cashier serves a queue. Source: domain.md 3.4
    (card clusters; thresholds not public).
    """

    detector = "agent_buying.shared_terminal"
    subject = "terminal"
    usual_slot = SLOT

    def __init__(self, setting: RuleSetting, reference: Reference, calendar: Calendar) -> None:
        super().__init__(setting, reference, calendar)
        self.width = setting.seconds("window")
        self._limit = setting.whole("limit")
        self.fewest = self._least = min(setting.whole("least"), self._limit)
        self._family = setting.whole("family")
        self._chance = 1 / setting.number("chance")
        self._pharmacy_only = bool(setting.whole("pharmacy_only"))
        history = weeks(setting.seconds("history"))
        self._pace = Pace(calendar, history)
        self.usual_slots = history + 2

    def _counts(self, entry: Sale) -> bool:
        return not self._pharmacy_only or bool(entry.flags & PHARMACY)

    def usual_keys(self, entry: Sale) -> Sequence[str]:
        """The hour of the day: 24 keys."""
        return HOURS[self.calendar.hour(entry.at)] if self._counts(entry) else ()

    def glance(self, ledger: Ledger[Sale], index: int) -> Sequence[str]:
        """A sale with enough sales close before it."""
        entries = ledger.entries
        first = index + 1 - self._least
        if first < 0 or entries[first].at <= entries[index].at - self.width or not self._counts(entries[index]):
            return ()
        return WHOLE

    def judge(self, window: list[Sale], detail: str, ledger: Ledger[Sale]) -> Match[Sale] | None:
        """All sales of the window."""
        members = [entry for entry in window if self._counts(entry)]
        expected = self._pace.around(self.usual(ledger), window[-1].at)
        if expected is not None:
            expected *= self.width / HOUR
        found = self._crowd(members, expected)
        if found is None:
            return None
        excused = [self.excuses.reason(entry) for entry in members]
        rest = [entry for entry, reason in zip(members, excused, strict=True) if reason is None]
        muted = self._crowd(rest, expected) is None
        score, light = weigh(found.score, muted=muted)
        features: Features = {
            "grp_psncnt": found.persons,
            "same_drug_psncnt": found.same,
            "settlements": len(members),
            "window_seconds": self.width,
            "limit": self._limit if expected is None else self._least,
        }
        if found.same == found.persons:
            features["generic"] = self.reference.generic_name(found.generic)
        if expected is not None:
            features["expected"] = round(expected, 3)
        if muted:
            features[MUTED_BY] = told(reason for reason in excused if reason)
        return Match(score, light, features, members)

    def _crowd(self, members: list[Sale], expected: float | None) -> Crowd | None:
        persons = len({entry.person_id for entry in members})
        buyers: dict[str, set[str]] = defaultdict(set)
        for entry in members:
            for item in entry.items:
                buyers[item].add(entry.person_id)
        same, generic = max(((len(who), item) for item, who in buyers.items()), default=(0, ""))
        certainty = SAME_CERTAINTY if same == persons else CERTAINTY
        if expected is None:
            if persons < self._limit:
                return None
            return Crowd(persons, same, generic, excess_score(persons, self._limit, certainty))
        if persons < self._least:
            return None
        tail = poisson_tail(persons - self._family, expected)
        if tail > self._chance:
            return None
        return Crowd(persons, same, generic, surprise_score(tail, self._chance, certainty))

    def explain(self, features: Features) -> str:
        """For example 同一终端15分钟内刷6人的卡（6笔结算，均购买百令胶囊），平日此时约0.1人，远超日常客流，请核实。"""
        bought = f"，均购买{features['generic']}" if "generic" in features else ""
        measure = (
            f"平日此时约{features['expected']:.1f}人，远超日常客流"
            if "expected" in features
            else f"达到阈值{features['limit']}人"
        )
        return (
            f"同一终端{span(int(features['window_seconds']))}内刷{features['grp_psncnt']}人的卡（{features['settlements']}笔结算{bought}），"
            f"{measure}{closing(features.get(MUTED_BY))}"
        )


RULE = SharedTerminal
