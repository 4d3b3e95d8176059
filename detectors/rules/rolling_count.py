"""Too many outpatient visits within a day, a week, a month or a quarter, by configured limits and against peers."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from detectors.exemptions import told
from detectors.explain import MUTED_BY, closing, span
from detectors.light import excess_score, weigh
from detectors.models.peers import QUANTILE
from detectors.parameters import RuleSetting
from detectors.person import NO_VISIT, Visit, visits_reach
from detectors.reference import Reference
from detectors.rule import WHOLE, Features, Match, Rule
from detectors.windows import Ledger
from schemas.instants import DAY, Calendar

CERTAINTY: Final = 0.6
"""The score at the limit: with treatment series set aside, few people see a doctor daily."""
PEER_COUNTS: Final = {7 * DAY: "otp_cnt_7d", 30 * DAY: "otp_cnt", 90 * DAY: "otp_cnt_90d"}
"""Which feature of the peers (detectors.models.features) counts visits in a window; other windows know only what is configured."""


class _Window(NamedTuple):
    """Seconds, the configured limit, and how far peers may lower it."""

    width: int
    limit: int
    floor: int


class _Excess(NamedTuple):
    """The visits of one window, at least as many as its limit; ``usual`` is what 95 % of peers do not exceed where that lowered it."""

    reached: int
    limit: int
    usual: float | None
    window: _Window
    members: list[Visit]


class RollingCount(Rule[Visit]):
    """Counts visits, not settlements: those of one visit count once. Pharmacy purchases and stays in hospital are no visits.

    A limit is the configured one or, where that is less, so many times what 95 % of the peers of the week (age band, clinics) do not
    exceed, but never below a configured floor: peers make the rule see people earlier, never later. Exceptions are looked for in each
    window by itself, so that a treatment long ago does not stretch today's visits into a series.
    Source: domain.md 3.4 (demo projects: 7 in 7 days, 10 or 15 in 30 days; no official figure).
    """

    detector = "frequent_visits.rolling_count"
    subject = "person"
    asks_peers = True

    def __init__(self, setting: RuleSetting, reference: Reference, calendar: Calendar) -> None:
        super().__init__(setting, reference, calendar)
        self._margin = setting.number("margin")
        self._windows = tuple(
            _Window(
                setting.seconds(f"{name}_window"),
                setting.whole(f"{name}_limit"),
                min(setting.whole(f"{name}_limit"), setting.whole(f"{name}_floor")),
            )
            for name in ("day", "short", "long", "quarter")
        )
        self.width = max(window.width for window in self._windows)
        self.fewest = min(window.floor for window in self._windows)

    def concerns(self, care: int) -> bool:
        """Visits."""
        return not care & NO_VISIT

    def glance(self, ledger: Ledger[Visit], index: int) -> Sequence[str]:
        """A visit that, with settlements of visits before it, reaches the floor of a window."""
        entries = ledger.entries
        if entries[index].flags & NO_VISIT:
            return ()
        reached = any(visits_reach(entries, index, width, floor) for width, _, floor in self._windows)
        return WHOLE if reached else ()

    def judge(self, window: list[Visit], detail: str, ledger: Ledger[Visit]) -> Match[Visit] | None:
        """The window whose limit is exceeded most; muted if none is exceeded without the excepted visits."""
        visits = [entry for entry in window if not entry.flags & NO_VISIT]
        usual = self._usual(visits, ledger)
        excesses = self._excesses(visits, usual)
        if not excesses:
            return None
        excused: dict[str, str] = {}
        muted = True
        for excess in excesses:
            reasons = self.excuses.reasons(excess.members, self.calendar)
            rest = {entry.visit_id for entry in excess.members if entry.event_id not in reasons}
            muted = muted and len(rest) < excess.limit
            excused |= reasons
        count, limit, lowered_by, (width, configured, _), members = max(
            excesses, key=lambda one: one.reached / one.limit
        )
        score, light = weigh(excess_score(count, limit, CERTAINTY), muted=muted)
        features: Features = {
            "otp_cnt": count,
            "limit": limit,
            "window_seconds": width,
            "fixmedins_cnt": len({entry.institution_id for entry in members}),
        }
        if lowered_by is not None:
            features["otp_cnt_peers"] = round(lowered_by, 1)
            features["configured_limit"] = configured
        if muted:
            features[MUTED_BY] = told(excused.values())
        return Match(score, light, features, members)

    def _usual(self, visits: list[Visit], ledger: Ledger[Visit]) -> Mapping[str, float]:
        """What 95 % of the peers do not exceed, by feature; nothing where that could not lower a limit, or is not known."""
        if ledger.peers is None or not any(
            one.floor <= len(visits) and one.floor < one.limit and one.width in PEER_COUNTS for one in self._windows
        ):
            return {}
        return ledger.peers.limits(visits[-1])

    def _excesses(self, visits: list[Visit], usual: Mapping[str, float]) -> list[_Excess]:
        now = visits[-1].at
        excesses = []
        for window in self._windows:
            peers = usual.get(PEER_COUNTS.get(window.width, ""))
            limit = window.limit
            if peers is not None:
                limit = min(limit, max(window.floor, math.ceil(peers * self._margin)))
            members = [entry for entry in visits if entry.at > now - window.width]
            count = len({entry.visit_id for entry in members})
            if count >= limit:
                lowered_by = peers if limit < window.limit else None
                excesses.append(_Excess(count, limit, lowered_by, window, members))
        return excesses

    def explain(self, features: Features) -> str:
        """For example 30天内在2家机构门诊就诊9次，达到阈值6次（95%的同类人群不超过3次），请核实。"""
        peers = (
            f"（{QUANTILE:.0%}的同类人群不超过{features['otp_cnt_peers']:g}次）" if "otp_cnt_peers" in features else ""
        )
        return (
            f"{span(int(features['window_seconds']))}内在{features['fixmedins_cnt']}家机构门诊就诊{features['otp_cnt']}次，"
            f"达到阈值{features['limit']}次{peers}{closing(features.get(MUTED_BY))}"
        )


RULE = RollingCount
