"""A pattern of visits unlike that of the peers: found by models that follow the traffic, for what no single limit describes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from detectors.exemptions import told
from detectors.explain import MUTED_BY, closing
from detectors.light import weigh
from detectors.models.cohort import Cohort, PeerReading
from detectors.models.features import FEATURES, RECENT, WIDTH
from detectors.parameters import RuleSetting
from detectors.person import NO_VISIT, Visit
from detectors.reference import Reference
from detectors.rule import WHOLE, Features, Match, Rule
from detectors.windows import Ledger
from schemas.instants import Calendar

CERTAINTY: Final = 0.5
"""The score where the peers' high quantile is reached."""
FREQUENCY: Final = ("otp_cnt_7d", "otp_cnt", "otp_cnt_90d")
"""One of these must be beyond the peers': whatever else is unusual about few visits is not for this family."""
SHOWN: Final = 5
"""Features named in an explanation, those furthest beyond the peers first."""


class UnusualPattern(Rule[Visit]):
    """Holds a person at a visit against the peers of the partition: half-space trees' score and single features above their quantiles.

    Says nothing while the peers' models warm up or where nobody keeps a cohort. Source: the high-frequency model of domain.md 5
    (feature names); limits are those of the traffic itself.
    """

    detector = "frequent_visits.unusual_pattern"
    subject = "person"
    asks_peers = True

    def __init__(self, setting: RuleSetting, reference: Reference, calendar: Calendar) -> None:
        super().__init__(setting, reference, calendar)
        self.width = WIDTH
        self.within = RECENT
        self.fewest = self._visits = setting.whole("visits")
        self._beyond = setting.whole("beyond")
        self._doubt = setting.number("doubt")

    def concerns(self, care: int) -> bool:
        """Visits."""
        return not care & NO_VISIT

    def glance(self, ledger: Ledger[Visit], index: int) -> Sequence[str]:
        """A visit before which enough entries lie within 30 days."""
        entries = ledger.entries
        entry = entries[index]
        if entry.flags & NO_VISIT or index + 1 < self._visits:
            return ()
        return WHOLE if entries[index + 1 - self._visits].at > entry.at - RECENT else ()

    def judge(self, window: list[Visit], detail: str, ledger: Ledger[Visit]) -> Match[Visit] | None:
        """The person against the snapshot of the week; muted if the pattern is usual without the excepted visits.

        The evidence are the visits of the last 30 days.
        """
        peers = ledger.peers
        visits = self._recent_visits(window)
        found = self._unusual(window, visits, peers)
        if found is None:
            return None
        excused = self.excuses.reasons(visits, self.calendar)
        rest = [entry for entry in window if entry.event_id not in excused]
        muted = bool(excused) and self._unusual(rest, self._recent_visits(rest), peers) is None
        reading = found.reading
        score = round(1 - (1 - CERTAINTY) * (1 - reading.score) / (1 - reading.limit), 4)
        score, light = weigh(score, muted=muted)
        if light == "red":
            # what is red may hold up a settlement: that takes a limit somebody has written down
            light = "yellow"
        told_of = reading.beyond[:SHOWN]
        features: Features = {
            "risk_sco": round(reading.score, 4),
            "peer_limit": round(reading.limit, 4),
            "peer_group": found.group,
            "beyond": ",".join(told_of),
        }
        for name in told_of:
            features[name] = round(found.values[name], 2)
            features[f"{name}_peers"] = round(reading.limits[name], 2)
        if muted:
            features[MUTED_BY] = told(excused.values())
        return Match(score, light, features, visits)

    @staticmethod
    def _recent_visits(window: list[Visit]) -> list[Visit]:
        since = window[-1].at - RECENT if window else 0
        return [entry for entry in window if entry.at > since and not entry.flags & NO_VISIT]

    def _unusual(self, window: list[Visit], visits: list[Visit], peers: Cohort | None) -> PeerReading | None:
        if peers is None or len({entry.visit_id for entry in visits}) < self._visits:
            return None
        found = peers.read(window)
        if found is None:
            return None
        reading = found.reading
        far = 1 - reading.score <= self._doubt * (1 - reading.limit)
        frequent = any(name in reading.beyond for name in FREQUENCY)
        return found if far and frequent and len(reading.beyond) >= self._beyond else None

    def explain(self, features: Features) -> str:
        """For example 就诊模式与同类人群（…）明显不同（异常分0.97，同类高分位0.93）：30天门诊次数12（同类2）、…，请核实。"""
        told = "、".join(
            f"{FEATURES[name].title}{_number(name, features[name])}（同类{_number(name, features[f'{name}_peers'])}）"
            for name in str(features["beyond"]).split(",")
        )
        return (
            f"近90天就诊模式与同类人群明显不同，异常分{features['risk_sco']:g}超过同类高分位{features['peer_limit']:g}："
            f"{told}{closing(features.get(MUTED_BY))}"
        )


def _number(name: str, value: object) -> str:
    number = float(str(value))
    return f"{number:.0%}" if FEATURES[name].share else f"{number:g}"


RULE = UnusualPattern
