"""The same box, by its trace code, settled more than once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from detectors.explain import span
from detectors.light import excess_score, weigh
from detectors.parameters import RuleSetting
from detectors.place import Sale
from detectors.reference import Reference
from detectors.rule import WHOLE, Features, Match, Rule
from detectors.windows import Ledger
from schemas.instants import Calendar

CERTAINTY: Final = 0.95
"""The score at the limit: near the top, for one box is sold once."""


class TraceCodeReuse(Rule[Sale]):
    """A trace code belongs to one box, so a second settlement that stands beside the first is certain: red, no exception.

    Both sides stay in the evidence: the first points at who resold, the later one at where it was sold again. A settlement taken
    back before the next one is no reuse. Source: domain.md 3.5 (official practice: two settlements, windows of months to years).
    """

    detector = "agent_buying.trace_code_reuse"
    subject = "drug_code"

    def __init__(self, setting: RuleSetting, reference: Reference, calendar: Calendar) -> None:
        super().__init__(setting, reference, calendar)
        self.width = setting.seconds("window")
        self.fewest = self._limit = setting.whole("limit")

    def glance(self, ledger: Ledger[Sale], index: int) -> Sequence[str]:
        """Any settlement with another one before it."""
        return WHOLE if index + 1 >= self._limit else ()

    def judge(self, window: list[Sale], detail: str, ledger: Ledger[Sale]) -> Match[Sale] | None:
        """Distinct settlements of the code."""
        count = len({entry.settlement_id for entry in window})
        if count < self._limit:
            return None
        first, again = window[0], self._second(window)
        score, light = weigh(excess_score(count, self._limit, CERTAINTY), muted=False, certain=True)
        features: Features = {
            "settlements": count,
            "limit": self._limit,
            "psn_cnt": len({entry.person_id for entry in window}),
            "fixmedins_cnt": len({entry.institution_id for entry in window}),
            "window_seconds": self.width,
            "first_psn_no": first.person_id,
            "first_fixmedins_code": first.institution_id,
            "first_time": self.calendar.text(first.at),
            "again_psn_no": again.person_id,
            "again_fixmedins_code": again.institution_id,
            "again_time": self.calendar.text(again.at),
            "days_between": self.calendar.day(again.at) - self.calendar.day(first.at),
        }
        return Match(score, light, features, window)

    @staticmethod
    def _second(window: list[Sale]) -> Sale:
        """The first settlement that is another than the oldest."""
        return next(entry for entry in window if entry.settlement_id != window[0].settlement_id)

    def explain(self, features: Features) -> str:
        """For example 同一追溯码365天内被结算2次（2人、2家机构）：2025-02-01先由参保人（尾号1234）在甲药店结算，20天后又由…在…结算。"""
        return (
            f"同一追溯码{span(int(features['window_seconds']))}内被结算{features['settlements']}次"
            f"（{features['psn_cnt']}人、{features['fixmedins_cnt']}家机构）："
            f"{str(features['first_time'])[:10]}先由参保人（尾号{str(features['first_psn_no'])[-4:]}）在{self._place(features['first_fixmedins_code'])}结算，"
            f"{features['days_between']}天后又由参保人（尾号{str(features['again_psn_no'])[-4:]}）在{self._place(features['again_fixmedins_code'])}结算。"
            "一盒药只能结算一次，请立即核查首次购买人是否转卖、再次售出机构的药品来源。"
        )

    def _place(self, institution_id: object) -> str:
        """The name staff know an institution by, or its code."""
        known = self.reference.institutions.get(str(institution_id))
        return known.name if known is not None and known.name else f"机构{institution_id}"


RULE = TraceCodeReuse
