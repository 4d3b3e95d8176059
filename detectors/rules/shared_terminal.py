"""Many people's cards at one pharmacy terminal within minutes."""

from __future__ import annotations

from collections.abc import Sequence

from detectors.crowd import CrowdRule
from detectors.explain import MUTED_BY, closing, span
from detectors.parameters import RuleSetting
from detectors.place import Sale
from detectors.reference import Reference
from detectors.rule import WHOLE, Features, Match
from detectors.windows import Ledger
from schemas.fact import PHARMACY
from schemas.instants import Calendar


class SharedTerminal(CrowdRule):
    """Counts distinct persons at a terminal; by default at pharmacy counters only, a clinic's cashier serves a queue.

    Source: domain.md 3.4 (card clusters; thresholds not public).
    """

    detector = "agent_buying.shared_terminal"
    subject = "terminal"

    def __init__(self, setting: RuleSetting, reference: Reference, calendar: Calendar) -> None:
        super().__init__(setting, reference, calendar)
        self._pharmacy_only = bool(setting.whole("pharmacy_only"))

    def _counts(self, entry: Sale) -> bool:
        return not self._pharmacy_only or bool(entry.flags & PHARMACY)

    def glance(self, ledger: Ledger[Sale], index: int) -> Sequence[str]:
        """A sale with enough sales close before it."""
        return WHOLE if self.close_enough(ledger.entries, index) and self._counts(ledger.entries[index]) else ()

    def judge(self, window: list[Sale], detail: str, ledger: Ledger[Sale]) -> Match[Sale] | None:
        """All sales of the window."""
        return self.crowd([entry for entry in window if self._counts(entry)])

    def explain(self, features: Features) -> str:
        """For example 同一终端30分钟内刷6人的卡（7笔结算），达到阈值5人，请核实。"""
        return (
            f"同一终端{span(int(features['window_seconds']))}内刷{features['grp_psncnt']}人的卡（{features['settlements']}笔结算），"
            f"达到阈值{features['limit']}人{closing(features.get(MUTED_BY))}"
        )


RULE = SharedTerminal
