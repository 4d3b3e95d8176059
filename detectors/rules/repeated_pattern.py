"""A month or a quarter of visits that are many, close together and alike, or for ever other diseases: several signs at once."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from itertools import pairwise
from typing import Final

from detectors.exemptions import told
from detectors.explain import MUTED_BY, closing, span
from detectors.light import excess_score, weigh
from detectors.parameters import RuleSetting
from detectors.person import NO_VISIT, Visit, visits_reach
from detectors.reference import Reference
from detectors.rule import WHOLE, Features, Match, Rule
from detectors.windows import Ledger
from schemas.instants import Calendar

CERTAINTY: Final = 0.55
"""The score at the limit: each sign alone has innocent reasons, a bad month may show two."""
ICD_CATEGORY: Final = 3
"""Characters of an ICD-10 code that name the disease; what follows is its site or kind."""
FEN: Final = 100
SIGNS: Final = {
    "dise_itrc_rate": "病种交叉",
    "mdtrt_inrv": "就诊间隔集中",
    "day_mdtrt_amt": "金额雷同",
    "drug_prop": "药占比高",
    "fund_pay_prop": "基金支付比例高",
}
"""The sub-scores by the names of the high-frequency model (domain.md 5)."""


class RepeatedPattern(Rule[Visit]):
    """Weighs five signs among the visits of a window that holds enough of them, each as a count that more visits can only raise.

    Crossing: changes of the main diagnosis (ICD-10 category) from one visit to the next. Intervals: visits that follow the one before
    within days. Amounts: visits billed to the same whole yuan as another. Drugs, fund: visits of which these are a high share.
    A sub-score is such a count by the part of the window's minimum of visits from which on it is extreme, 1 at most; their weighted
    sum is held against the limit. Source: sub-scores of a city's high-frequency model (domain.md 5); weights and limits are ours.
    """

    detector = "frequent_visits.repeated_pattern"
    subject = "person"

    def __init__(self, setting: RuleSetting, reference: Reference, calendar: Calendar) -> None:
        super().__init__(setting, reference, calendar)
        self._windows = tuple(
            (setting.seconds(f"{name}_window"), setting.whole(f"{name}_visits")) for name in ("long", "quarter")
        )
        self.width = max(width for width, _ in self._windows)
        self.fewest = min(visits for _, visits in self._windows)
        self._limit = setting.number("limit")
        self._extreme = setting.number("extreme")
        self._close = setting.seconds("close")
        self._drug_share = setting.number("drug_share")
        self._fund_share = setting.number("fund_share")
        self._weights = {name: setting.number(f"weight_{name}") for name in SIGNS}

    def concerns(self, care: int) -> bool:
        """Visits."""
        return not care & NO_VISIT

    def glance(self, ledger: Ledger[Visit], index: int) -> Sequence[str]:
        """A visit with which, counting settlements, a window reaches its minimum."""
        entries = ledger.entries
        if entries[index].flags & NO_VISIT:
            return ()
        reached = any(visits_reach(entries, index, width, least) for width, least in self._windows)
        return WHOLE if reached else ()

    def judge(self, window: list[Visit], detail: str, ledger: Ledger[Visit]) -> Match[Visit] | None:
        """The window with the higher sum by its minimum of visits; muted if none reaches the limit without the excepted visits."""
        now, best, excused, muted = window[-1].at, None, dict[str, str](), True
        for width, least in self._windows:
            members = [entry for entry in window if entry.at > now - width and not entry.flags & NO_VISIT]
            signs = self._signs(members, least)
            if self._sum(signs) < self._limit:
                continue
            reasons = self.excuses.reasons(members, self.calendar)
            rest = [entry for entry in members if entry.event_id not in reasons]
            muted = muted and self._sum(self._signs(rest, least)) < self._limit
            excused |= reasons
            weight = self._sum(signs) * _visits(members) / least
            if best is None or weight > best[0]:
                best = (weight, width, signs, members)
        if best is None:
            return None
        weight, width, signs, members = best
        score, light = weigh(excess_score(weight, self._limit, CERTAINTY), muted=muted)
        features: Features = {
            "risk_sco": self._sum(signs),
            "limit": self._limit,
            "otp_cnt": _visits(members),
            "fixmedins_cnt": len({entry.institution_id for entry in members}),
            "diag_cnt": len({entry.diagnosis[:ICD_CATEGORY] for entry in members if entry.diagnosis}),
            "window_seconds": width,
        }
        features.update({f"{name}_risk_sco": value for name, value in signs.items()})
        if muted:
            features[MUTED_BY] = told(excused.values())
        return Match(score, light, features, members)

    def _signs(self, members: list[Visit], least: int) -> dict[str, float]:
        """The sub-scores, from 0 to 1; none where there are fewer visits than the minimum."""
        if _visits(members) < least:
            return {}
        diagnoses = [entry.diagnosis[:ICD_CATEGORY] for entry in members if entry.diagnosis]
        amounts: dict[int, set[str]] = defaultdict(set)
        for entry in members:
            if entry.fee > 0:
                amounts[entry.fee // FEN].add(entry.visit_id)
        alike = set[str]().union(*(visits for visits in amounts.values() if len(visits) > 1))
        counts = {
            "dise_itrc_rate": sum(first != second for first, second in pairwise(diagnoses)),
            "mdtrt_inrv": sum(
                first.visit_id != second.visit_id and second.at - first.at <= self._close
                for first, second in pairwise(members)
            ),
            "day_mdtrt_amt": len(alike),
            "drug_prop": len(
                {one.visit_id for one in members if one.fee > 0 and one.drug_fee >= self._drug_share * one.fee}
            ),
            "fund_pay_prop": len(
                {one.visit_id for one in members if one.fee > 0 and one.fund >= self._fund_share * one.fee}
            ),
        }
        return {name: round(min(1.0, count / (self._extreme * least)), 4) for name, count in counts.items()}

    def _sum(self, signs: dict[str, float]) -> float:
        return round(sum(self._weights[name] * value for name, value in signs.items()), 4)

    def explain(self, features: Features) -> str:
        """For example 30天内在2家机构门诊就诊12次，病种交叉、就诊间隔集中同时突出，综合得分0.6，达到阈值0.5，请核实。"""
        named = [title for name, title in SIGNS.items() if features[f"{name}_risk_sco"] == 1]
        return (
            f"{span(int(features['window_seconds']))}内在{features['fixmedins_cnt']}家机构门诊就诊{features['otp_cnt']}次、"
            f"涉及{features['diag_cnt']}个病种，{'、'.join(named) or '多项指标'}突出，综合得分{features['risk_sco']:g}，"
            f"达到阈值{features['limit']:g}{closing(features.get(MUTED_BY))}"
        )


def _visits(members: list[Visit]) -> int:
    return len({entry.visit_id for entry in members})


RULE = RepeatedPattern
