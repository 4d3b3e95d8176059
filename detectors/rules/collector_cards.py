"""One collector using many people's cards within days."""

from __future__ import annotations

from detectors.crowd import CrowdRule
from detectors.explain import MUTED_BY, closing, span
from detectors.place import Sale
from detectors.rule import Features, Match
from detectors.windows import Ledger


class CollectorCards(CrowdRule):
    """Counts distinct insured persons per collector. A person is not his own collector's crowd: two cards may be a couple's.

    Source: domain.md 3.1 (organising others to buy; thresholds are ours).
    """

    detector = "agent_buying.collector_cards"
    subject = "agent"
    certainty = 0.7  # whoever collects for others and is no family has to explain it

    def judge(self, window: list[Sale], detail: str, ledger: Ledger[Sale]) -> Match[Sale] | None:
        """All purchases of the window."""
        match = self.crowd(window)
        if match is not None:
            match.features["fixmedins_cnt"] = len({entry.institution_id for entry in match.members})
        return match

    def explain(self, features: Features) -> str:
        """For example 同一代办人7天内持4人的卡在2家机构结算6笔，达到阈值3人，请核实。"""
        return (
            f"同一代办人{span(int(features['window_seconds']))}内持{features['grp_psncnt']}人的卡在{features['fixmedins_cnt']}家机构"
            f"结算{features['settlements']}笔，达到阈值{features['limit']}人{closing(features.get(MUTED_BY))}"
        )


RULE = CollectorCards
