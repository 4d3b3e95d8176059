"""Very much money for monitored drugs within a month."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Final

from detectors.exemptions import told
from detectors.explain import MUTED_BY, closing, span
from detectors.light import excess_score, weigh
from detectors.parameters import RuleSetting
from detectors.person import Visit
from detectors.reference import Reference
from detectors.rule import WHOLE, Features, Match, Rule
from detectors.windows import Ledger
from schemas.fact import COLLECTED, INPATIENT
from schemas.instants import Calendar

FEN: Final = 100
"""In a yuan."""


class ResaleMoney(Rule[Visit]):
    """Adds what monitored drugs cost (the whole price, whoever pays) over the window, stays left out.

    Where somebody else than family or a care institution collected, that part has a limit of its own. Source: domain.md 3.4 (demo
    project: 20,000 yuan to be reviewed, 5,000 where the receiver is not the patient; no official figure).
    """

    detector = "agent_buying.resale_money"
    subject = "person"

    def __init__(self, setting: RuleSetting, reference: Reference, calendar: Calendar) -> None:
        super().__init__(setting, reference, calendar)
        self.width = setting.seconds("window")
        self._limit = setting.whole("limit") * FEN
        self._agent_limit = setting.whole("agent_limit") * FEN

    def concerns(self, care: int) -> bool:
        """All but stays."""
        return not care & INPATIENT

    def glance(self, ledger: Ledger[Visit], index: int) -> Sequence[str]:
        """A purchase of monitored drugs that reaches the lower limit with those before it."""
        entries = ledger.entries
        entry = entries[index]
        if not entry.watched_fee or entry.flags & INPATIENT:
            return ()
        since, total, lower = entry.at - self.width, 0, min(self._limit, self._agent_limit)
        while index >= 0 and entries[index].at > since:
            if not entries[index].flags & INPATIENT:
                total += entries[index].watched_fee
                if total >= lower:
                    return WHOLE
            index -= 1
        return ()

    def judge(self, window: list[Visit], detail: str, ledger: Ledger[Visit]) -> Match[Visit] | None:
        """The limit of the two that is exceeded most; muted if neither is reached without the excused purchases."""
        members = [entry for entry in window if entry.watched_fee and not entry.flags & INPATIENT]
        found = self._worst(members)
        if found is None:
            return None
        excused = self.excuses.reasons(members, self.calendar)
        muted = self._worst([entry for entry in members if entry.event_id not in excused]) is None
        total, limit, evidence = found
        score, light = weigh(excess_score(total, limit), muted=muted)
        features: Features = {
            "watched_yuan": float(Decimal(total).scaleb(-2)),
            "limit_yuan": limit // FEN,
            "share": round(total / max(1, sum(entry.fee for entry in evidence)), 2),
            "settlements": len(evidence),
            "fixmedins_cnt": len({entry.institution_id for entry in evidence}),
            "by_agent": int(evidence is not members and limit == self._agent_limit),
            "window_seconds": self.width,
        }
        if muted:
            features[MUTED_BY] = told(excused.values())
        return Match(score, light, features, evidence)

    def _worst(self, members: list[Visit]) -> tuple[int, int, list[Visit]] | None:
        agents = [entry for entry in members if entry.agent_id and not entry.flags & COLLECTED]
        worst = None
        for limit, evidence in ((self._limit, members), (self._agent_limit, agents)):
            total = sum(entry.watched_fee for entry in evidence)
            if total >= limit and (worst is None or total * worst[1] > worst[0] * limit):
                worst = (total, limit, evidence)
        return worst

    def explain(self, features: Features) -> str:
        """For example 30天内在5家机构购买重点监控药品8次共23150.4元（占费用96%），达到阈值20000元，请核实。"""
        by_agent = "由非亲属代办人" if features["by_agent"] else ""
        return (
            f"{span(int(features['window_seconds']))}内{by_agent}在{features['fixmedins_cnt']}家机构购买重点监控药品"
            f"{features['settlements']}次共{features['watched_yuan']:.2f}元（占费用{features['share']:.0%}），"
            f"达到阈值{features['limit_yuan']}元{closing(features.get(MUTED_BY))}"
        )


RULE = ResaleMoney
