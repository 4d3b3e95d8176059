"""One collector using many people's cards within days or weeks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from detectors.exemptions import told
from detectors.explain import MUTED_BY, closing, span
from detectors.light import excess_score, weigh
from detectors.parameters import RuleSetting
from detectors.place import Sale
from detectors.reference import Reference
from detectors.rule import WHOLE, Features, Match, Rule
from detectors.windows import Ledger
from schemas.instants import Calendar

CERTAINTY: Final = 0.7
"""The score at the limit: whoever collects for others and is no family has to explain it."""
WATCHED_BONUS: Final = 0.1
"""What it rises by where all is on the watch list: neighbours are also sent for cough syrup."""
SHOPS_BONUS: Final = 0.05
"""What it rises by for going from shop to shop."""


class Cards(NamedTuple):
    """What was found in one window: persons by its limit, and the settlements."""

    excess: float
    persons: int
    window: int
    limit: int
    members: list[Sale]


class CollectorCards(Rule[Sale]):
    """Counts distinct insured persons per collector within a week, and within a month for those who take their time.

    Two cards may be a couple's. Shops, watched generics and the share of settlements with one are told and raise the score.
    Source: domain.md 3.1 (organising others to buy; thresholds are ours).
    """

    detector = "agent_buying.collector_cards"
    subject = "agent"

    def __init__(self, setting: RuleSetting, reference: Reference, calendar: Calendar) -> None:
        super().__init__(setting, reference, calendar)
        self._windows = (
            (setting.seconds("window"), setting.whole("limit")),
            (setting.seconds("slow_window"), setting.whole("slow_limit")),
        )
        self.width = max(window for window, _ in self._windows)

    def glance(self, ledger: Ledger[Sale], index: int) -> Sequence[str]:
        """A point with enough settlements close before it."""
        entries = ledger.entries
        at = entries[index].at
        for window, limit in self._windows:
            first = index + 1 - limit
            if first >= 0 and entries[first].at > at - window:
                return WHOLE
        return ()

    def judge(self, window: list[Sale], detail: str, ledger: Ledger[Sale]) -> Match[Sale] | None:
        """All settlements of the window."""
        now = window[-1].at
        found = self._cards(window, now)
        if found is None:
            return None
        excused = [self.excuses.reason(entry) for entry in window]
        rest = [entry for entry, reason in zip(window, excused, strict=True) if reason is None]
        muted = self._cards(rest, now) is None
        members = found.members
        shops = len({entry.institution_id for entry in members})
        watched = sum(1 for entry in members if entry.items) / len(members)
        certainty = CERTAINTY + WATCHED_BONUS * watched + SHOPS_BONUS * (shops > 1)
        score, light = weigh(excess_score(found.persons, found.limit, certainty), muted=muted)
        features: Features = {
            "grp_psncnt": found.persons,
            "limit": found.limit,
            "window_seconds": found.window,
            "settlements": len(members),
            "fixmedins_cnt": shops,
            "watched_generics": len({item for entry in members for item in entry.items}),
            "watched_share": round(watched, 3),
        }
        if muted:
            features[MUTED_BY] = told(reason for reason in excused if reason)
        return Match(score, light, features, members)

    def _cards(self, entries: list[Sale], now: int) -> Cards | None:
        """The window that goes furthest beyond its limit, the shorter one where both go as far."""
        best: Cards | None = None
        for window, limit in self._windows:
            members = [entry for entry in entries if entry.at > now - window]
            persons = len({entry.person_id for entry in members})
            if persons >= limit and (best is None or persons / limit > best.excess):
                best = Cards(persons / limit, persons, window, limit, members)
        return best

    def explain(self, features: Features) -> str:
        """For example 同一代办人7天内持4人的卡在2家机构结算6笔（其中监控药品占100%，共2种），达到阈值3人，请核实。"""
        return (
            f"同一代办人{span(int(features['window_seconds']))}内持{features['grp_psncnt']}人的卡在{features['fixmedins_cnt']}家机构"
            f"结算{features['settlements']}笔（含监控药品的占{float(features['watched_share']):.0%}，共{features['watched_generics']}种），"
            f"达到阈值{features['limit']}人{closing(features.get(MUTED_BY))}"
        )


RULE = CollectorCards
