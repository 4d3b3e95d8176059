"""Many people buying the same monitored drug at one institution within minutes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from detectors.exemptions import told
from detectors.explain import MUTED_BY, closing, span
from detectors.light import excess_score, weigh
from detectors.pace import SLOT, Pace, weeks
from detectors.parameters import RuleSetting
from detectors.place import Sale
from detectors.reference import Reference
from detectors.rule import Features, Match, Rule
from detectors.windows import Ledger
from schemas.instants import Calendar

CERTAINTY: Final = 0.75
"""The score at the limit of many: strangers hardly ever buy the same drug within minutes."""
FEW_CERTAINTY: Final = 0.6
"""The score at the limit of few: that many are a family, now and then."""
BOX_CERTAINTY: Final = 0.85
"""The score at the limit of one box: families that share a disease still take different makes."""


class Measure(NamedTuple):
    """One way to count: so many persons within so many seconds, of a drug or of one box of it."""

    window: int
    limit: int
    certainty: float
    box: bool


class Rush(NamedTuple):
    """What was found by one measure."""

    score: float
    persons: int
    measure: Measure
    members: list[Sale]


class SameDrugRush(Rule[Sale]):
    """Counts distinct persons per generic on the resale watch list: many of them, few at once, and those who took the same box.

    Where that many buy it on any day they are no rush: the chance is taken from what the institution usually sells of the generic.
    Source: domain.md 3.2 (the watch list) and 3.4 (card clusters; thresholds not public).
    """

    detector = "agent_buying.same_drug_rush"
    subject = "institution"
    usual_slot = SLOT

    def __init__(self, setting: RuleSetting, reference: Reference, calendar: Calendar) -> None:
        super().__init__(setting, reference, calendar)
        seconds, whole = setting.seconds, setting.whole
        self._measures = (
            Measure(seconds("window"), whole("limit"), CERTAINTY, box=False),
            Measure(seconds("few_window"), whole("few_limit"), FEW_CERTAINTY, box=False),
            Measure(seconds("box_window"), whole("box_limit"), BOX_CERTAINTY, box=True),
        )
        self.width = max(measure.window for measure in self._measures)
        self.fewest = min(measure.limit for measure in self._measures)
        self._chance = 1 / setting.number("chance")
        history = weeks(seconds("history"))
        self._pace = Pace(calendar, history)
        self.usual_slots = history + 2

    def usual_keys(self, entry: Sale) -> Sequence[str]:
        """The watched generics sold: some dozens of keys."""
        return entry.items

    def glance(self, ledger: Ledger[Sale], index: int) -> Sequence[str]:
        """The monitored generics of a sale with enough sales of the same close before it."""
        entries = ledger.entries
        first = index + 1 - self.fewest
        point = entries[index]
        if first < 0 or entries[first].at <= point.at - self.width:
            return ()
        boxes = [ledger.of_item(code, point) for code in point.codes]
        return [item for item in point.items if self._may_rush(ledger.of_item(item, point), boxes)]

    def _may_rush(self, sales: list[Sale], boxes: list[list[Sale]]) -> bool:
        for measure in self._measures:
            for counted in boxes if measure.box else (sales,):
                if len(counted) >= measure.limit and counted[-measure.limit].at > sales[-1].at - measure.window:
                    return True
        return False

    def judge(self, window: list[Sale], detail: str, ledger: Ledger[Sale]) -> Match[Sale] | None:
        """The sales of the generic."""
        sales = [entry for entry in window if detail in entry.items]
        found = self._rush(sales, detail, ledger, window[-1])
        if found is None:
            return None
        excused = [self.excuses.reason(entry) for entry in sales]
        rest = [entry for entry, reason in zip(sales, excused, strict=True) if reason is None]
        muted = self._rush(rest, detail, ledger, window[-1]) is None
        score, light = weigh(found.score, muted=muted)
        features: Features = {
            "grp_psncnt": found.persons,
            "limit": found.measure.limit,
            "window_seconds": found.measure.window,
            "settlements": len(found.members),
            "generic_code": detail,
            "generic": self.reference.generic_name(detail),
            "same_box": int(found.measure.box),
        }
        if muted:
            features[MUTED_BY] = told(reason for reason in excused if reason)
        return Match(score, light, features, found.members)

    def _rush(self, sales: list[Sale], detail: str, ledger: Ledger[Sale], point: Sale) -> Rush | None:
        """What is found with the highest score."""
        best: Rush | None = None
        for measure in self._measures:
            since = point.at - measure.window
            near = [entry for entry in sales if entry.at > since]
            boxes = [[entry for entry in near if code in entry.codes] for code in self._boxes(detail, point)]
            for members in boxes if measure.box else (near,):
                persons = len({entry.person_id for entry in members})
                if persons < measure.limit:
                    continue
                score = excess_score(persons, measure.limit, measure.certainty)
                better = best is None or score > best.score
                if better and self._pace.is_unusual(
                    self.usual(ledger), detail, point.at, persons, measure.window, self._chance
                ):
                    best = Rush(score, persons, measure, members)
        return best

    def _boxes(self, generic: str, point: Sale) -> list[str]:
        drugs = self.reference.drugs
        return [code for code in point.codes if code in drugs and drugs[code].generic == generic]

    def explain(self, features: Features) -> str:
        """For example 同一机构1小时内有6人购买同一规格的监控药品阿托伐他汀钙片，达到阈值3人，请核实。"""
        make = "同一规格的监控药品" if features["same_box"] else "同一监控药品"
        return (
            f"同一机构{span(int(features['window_seconds']))}内有{features['grp_psncnt']}人购买{make}{features['generic']}，"
            f"达到阈值{features['limit']}人{closing(features.get(MUTED_BY))}"
        )


RULE = SameDrugRush
