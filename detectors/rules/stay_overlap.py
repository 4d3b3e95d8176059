"""The card used for drugs while its holder lies in hospital."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from detectors.exemptions import told
from detectors.explain import MUTED_BY, closing
from detectors.light import excess_score, weigh
from detectors.parameters import RuleSetting
from detectors.person import Visit
from detectors.reference import Reference
from detectors.rule import WHOLE, Features, Match, Rule
from detectors.windows import Ledger
from schemas.fact import INPATIENT
from schemas.instants import DAY, Calendar

CERTAINTY: Final = 0.85
"""The score of one settlement: nobody is in two places, but a relative may hold the card and a stay may be settled late."""
SAME_PLACE: Final = "same_institution"


class StayOverlap(Rule[Visit]):
    """Drugs settled strictly within the days of a stay, found when the stay is settled; the days of admission and of settling do not
    count.

    A stay is sometimes settled days after it ended: only what lies nearer to the admission than to the settling is certain, and red.
    Source: domain.md 3.1 (lent credentials) and 3.4 (outpatient settlement during a stay). Exception beside those of the file: the
    hospital of the stay itself (drugs taken home, another department).
    """

    detector = "agent_buying.stay_overlap"
    subject = "person"

    def __init__(self, setting: RuleSetting, reference: Reference, calendar: Calendar) -> None:
        super().__init__(setting, reference, calendar)
        self.width = setting.seconds("longest_stay")

    def concerns(self, care: int) -> bool:
        """Stays."""
        return bool(care & INPATIENT)

    def glance(self, ledger: Ledger[Visit], index: int) -> Sequence[str]:
        """A stay with anything settled after its first day."""
        entry = ledger.entries[index]
        if not entry.flags & INPATIENT or not entry.began or not index:
            return ()
        return WHOLE if ledger.entries[index - 1].at >= entry.began + DAY else ()

    def judge(self, window: list[Visit], detail: str, ledger: Ledger[Visit]) -> Match[Visit] | None:
        """The settlements within the stay that is settled at the point; muted if each of them has a reason."""
        stay = window[-1]
        calendar = self.calendar
        first = calendar.day_start(calendar.day(stay.began) + 1)
        last = calendar.day_start(calendar.day(stay.at))
        inside = [entry for entry in window if first <= entry.at < last and entry.items and not entry.flags & INPATIENT]
        if not inside:
            return None
        excused = self.excuses.reasons(inside, calendar)
        for entry in inside:
            if entry.institution_id == stay.institution_id:
                excused.setdefault(entry.event_id, SAME_PLACE)
        rest = [entry for entry in inside if entry.event_id not in excused]
        certain = any(entry.at - stay.began < stay.at - entry.at for entry in rest)
        counted = rest or inside
        score, light = weigh(excess_score(len(counted), 1, CERTAINTY), muted=not rest, certain=certain)
        features: Features = {
            "settlements": len(counted),
            "fixmedins_cnt": len({entry.institution_id for entry in counted}),
            "began": calendar.text(stay.began)[:10],
            "settled": calendar.text(stay.at)[:10],
            "first_inside": calendar.text(counted[0].at),
            "stay_setl_id": stay.settlement_id,
            "certain": int(certain),
        }
        if not rest:
            features[MUTED_BY] = told(excused.values())
        return Match(score, light, features, inside)

    def explain(self, features: Features) -> str:
        """For example 2025-03-02至2025-03-12住院期间（不含入院、结算当日），在2家机构购药或门诊取药3次（首次…），请核实。"""
        doubt = ""
        if MUTED_BY not in features:
            doubt = "，持卡人不可能到场" if features["certain"] else "，如先出院后结算可予排除"
        return (
            f"{features['began']}至{features['settled']}住院期间（不含入院、结算当日），"
            f"在{features['fixmedins_cnt']}家机构购药或门诊取药{features['settlements']}次"
            f"（首次{features['first_inside']}）{doubt}{closing(features.get(MUTED_BY))}"
        )


RULE = StayOverlap
