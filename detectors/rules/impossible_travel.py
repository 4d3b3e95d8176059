"""One card at two places farther apart than anybody travels in the time between."""

from __future__ import annotations

import math
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
from schemas.instants import HOUR, MINUTE, Calendar

EARTH: Final = 6371.0
"""Mean radius, km."""
RISE: Final = 4.0
"""How slowly the score rises: a clock gone wrong or a wrong place in the reference file makes any speed."""


class ImpossibleTravel(Rule[Visit]):
    """Two settlements at institutions whose places are known, faster after each other than the limit allows over the distance.

    The great circle between the places of the reference file, the shortest way there is; the slack is granted on the time, for
    clocks differ and a bill is settled when the patient has left. Stays do not count: relatives settle them. Source: domain.md 3.4
    (several institutions within an hour; thresholds are ours). Yellow: a card on a telephone travels with whoever holds it.
    """

    detector = "agent_buying.impossible_travel"
    subject = "person"
    fewest = 2

    def __init__(self, setting: RuleSetting, reference: Reference, calendar: Calendar) -> None:
        super().__init__(setting, reference, calendar)
        self._speed = setting.number("speed")
        self._nearest = setting.number("distance")
        self._slack = setting.seconds("slack")
        self.width = setting.seconds("window")
        self._places = {
            name: (math.radians(place.latitude), math.radians(place.longitude))
            for name, place in reference.institutions.items()
            if place.latitude is not None and place.longitude is not None
        }

    def concerns(self, care: int) -> bool:
        """All but stays."""
        return not care & INPATIENT

    def glance(self, ledger: Ledger[Visit], index: int) -> Sequence[str]:
        """A settlement soon after one that is too far away."""
        entries = ledger.entries
        entry = entries[index]
        if not index or entry.flags & INPATIENT:
            return ()
        since = entry.at - self.width
        while index:
            index -= 1
            before = entries[index]
            if before.at <= since:
                break
            if before.institution_id != entry.institution_id and self.pace(before, entry) is not None:
                return WHOLE
        return ()

    def pace(self, before: Visit, after: Visit) -> tuple[float, float] | None:
        """Distance in km and speed in km/h between two settlements; None where that is possible or a place is unknown."""
        here, there = self._places.get(before.institution_id), self._places.get(after.institution_id)
        if here is None or there is None or before.flags & INPATIENT:
            return None
        distance = great_circle(here, there)
        if distance < self._nearest:
            return None
        speed = distance * HOUR / max(1, after.at - before.at + self._slack)
        return None if speed <= self._speed else (distance, speed)

    def judge(self, window: list[Visit], detail: str, ledger: Ledger[Visit]) -> Match[Visit] | None:
        """The pair with the point that needs the highest speed; muted if no such pair is left without the excused settlements."""
        point = window[-1]
        excused = self.excuses.reasons(window, self.calendar)
        pairs = [(self.pace(before, point), before) for before in window[:-1]]
        # one in the hands of a known collector explains that the person is elsewhere
        free = [(pace, before) for pace, before in pairs if before.event_id not in excused]
        muted = point.event_id in excused or all(pace is None for pace, _ in free)
        found = [(pace[1], pace[0], before) for pace, before in (pairs if muted else free) if pace is not None]
        if not found:
            return None
        speed, distance, before = max(found, key=lambda pair: pair[0])
        excess = speed / self._speed
        score, _ = weigh(excess_score(RISE + excess, RISE + 1), muted=muted)
        features: Features = {
            "distance_km": round(distance, 1),
            "minutes": (point.at - before.at) // MINUTE,
            "speed_kmh": round(speed),
            "limit_kmh": self._speed,
        }
        if muted:
            features[MUTED_BY] = told(excused.values())
        return Match(score, "green" if muted else "yellow", features, [before, point])

    def explain(self, features: Features) -> str:
        """For example 20分钟内先后在相距86.4公里的两家机构结算，需时速173公里以上，超过阈值150公里，请核实。"""
        return (
            f"{features['minutes']}分钟内先后在相距{features['distance_km']:g}公里的两家机构结算，"
            f"需时速{features['speed_kmh']}公里以上，超过阈值{features['limit_kmh']:g}公里{closing(features.get(MUTED_BY))}"
        )


def great_circle(here: tuple[float, float], there: tuple[float, float]) -> float:
    """Kilometres between two places (latitude, longitude in radians)."""
    (north, east), (other_north, other_east) = here, there
    half = (
        math.sin((other_north - north) / 2) ** 2
        + math.cos(north) * math.cos(other_north) * math.sin((other_east - east) / 2) ** 2
    )
    return 2 * EARTH * math.asin(min(1.0, math.sqrt(half)))


RULE = ImpossibleTravel
