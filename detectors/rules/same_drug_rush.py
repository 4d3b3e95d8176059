"""Many people buying the same monitored drug at one institution within the hour."""

from __future__ import annotations

from collections.abc import Sequence

from detectors.crowd import CrowdRule
from detectors.explain import MUTED_BY, closing, span
from detectors.place import Sale
from detectors.rule import Features, Match
from detectors.windows import Ledger


class SameDrugRush(CrowdRule):
    """Counts distinct persons per generic on the resale watch list.

    Source: domain.md 3.2 (the watch list) and 3.4 (card clusters; thresholds not public).
    """

    detector = "agent_buying.same_drug_rush"
    subject = "institution"
    certainty = 0.7  # strangers hardly ever buy the same drug within minutes

    def glance(self, ledger: Ledger[Sale], index: int) -> Sequence[str]:
        """The monitored generics of a sale with enough sales of the same close before it."""
        entries = ledger.entries
        if not self.close_enough(entries, index):
            return ()
        point = entries[index]
        return [item for item in point.items if self._rush(ledger.of_item(item, point))]

    def _rush(self, sales: list[Sale]) -> bool:
        return self.close_enough(sales, len(sales) - 1)

    def judge(self, window: list[Sale], detail: str, ledger: Ledger[Sale]) -> Match[Sale] | None:
        """The sales of the generic."""
        match = self.crowd([entry for entry in window if detail in entry.items])
        if match is not None:
            match.features["generic_code"] = detail
            match.features["generic"] = self.reference.generic_name(detail)
        return match

    def explain(self, features: Features) -> str:
        """For example 同一机构1小时内有6人购买同一监控药品阿托伐他汀钙片，达到阈值5人，请核实。"""
        return (
            f"同一机构{span(int(features['window_seconds']))}内有{features['grp_psncnt']}人购买同一监控药品{features['generic']}，"
            f"达到阈值{features['limit']}人{closing(features.get(MUTED_BY))}"
        )


RULE = SameDrugRush
