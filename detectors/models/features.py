"""A person's last 90 days as plain numbers with fixed limits, seen at one settlement and from nothing after it."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Final, NamedTuple

from detectors.person import NO_VISIT, Visit
from schemas.fact import CHRONIC, INPATIENT, PHARMACY, age_of
from schemas.instants import DAY

WIDTH: Final = 90 * DAY
"""Seconds that the features look back."""
SHORT: Final = 7 * DAY
RECENT: Final = 30 * DAY
FEN: Final = 100


class Feature(NamedTuple):
    """``limit`` is the value from which on more makes no difference; ``share`` says that it is a share and not a count."""

    title: str
    limit: float
    share: bool = False


FEATURES: Final[dict[str, Feature]] = {
    "otp_cnt_7d": Feature("7天门诊次数", 10),
    "otp_cnt": Feature("30天门诊次数", 30),
    "otp_cnt_90d": Feature("90天门诊次数", 60),
    "otp_rise": Feature("30天门诊次数比本人此前多出", 20),
    "phac_cnt": Feature("30天药店购药次数", 30),
    "fixmedins_cnt": Feature("30天机构数", 15),
    "day_fixmedins_cnt": Feature("单日最多机构数", 6),
    "multi_fixmedins_days": Feature("30天内一天去两家以上机构的天数", 15),
    "otp_phac_days": Feature("30天内同日就诊又购药的天数", 10),
    "diag_cnt": Feature("30天病种数", 10),
    "dise_itrc_rate": Feature("病种交叉率", 1, share=True),
    "mdtrt_inrv_conc": Feature("就诊间隔集中度", 1, share=True),
    "day_mdtrt_amt_sim": Feature("日就诊金额相似度", 1, share=True),
    "drug_prop": Feature("药占比", 1, share=True),
    "fund_pay_prop": Feature("基金支付比例", 1, share=True),
    "monitored_prop": Feature("重点监控药品占比", 1, share=True),
    "fund_pay_amt": Feature("30天基金支付（元）", 20_000),
}
"""Names after the high-frequency model of domain.md 5. More of each is what is looked for."""

NAMES: Final = tuple(FEATURES)
_LIMITS: Final = tuple(feature.limit for feature in FEATURES.values())
_MONEY: Final = NAMES.index("fund_pay_amt")
_MONEY_SCALE: Final = math.log1p(FEATURES["fund_pay_amt"].limit)
AGE_BANDS: Final = ((18, "child"), (60, "adult"), (1 << 10, "senior"))
GROUPS: Final = tuple(
    f"{care}/{band}" for care in ("ordinary", "chronic") for band in ("child", "adult", "senior", "unknown")
)


def group_of(flags: int) -> str | None:
    """The peers of a visit: registered chronic care or not, and the insured person's age. What is no visit has none."""
    if flags & NO_VISIT:
        return None
    care = "chronic" if flags & CHRONIC else "ordinary"
    age = age_of(flags)
    return f"{care}/unknown" if age is None else f"{care}/{next(name for below, name in AGE_BANDS if age < below)}"


def measure(window: Sequence[Visit], day: Callable[[int], int]) -> list[float]:
    """The features in the order of ``NAMES``, in their own units (counts, shares, yuan).

    ``window`` holds what counts at its last entry, oldest first, at most ``WIDTH`` back; ``day`` gives the local day of an instant.
    Stays in hospital are left out.
    """
    now = window[-1].at
    recent, short = now - RECENT, now - SHORT
    visits_short, visits, visits_before = set(), set(), set()
    purchases = 0
    fee = drug_fee = watched_fee = fund = 0
    days: dict[int, _Day] = {}
    diagnoses: list[str] = []
    for entry in window:
        flags = entry.flags
        if flags & INPATIENT:
            continue
        at = entry.at
        if at <= recent:
            if not flags & NO_VISIT:
                visits_before.add(entry.visit_id)
            continue
        number = day(at)
        one = days.get(number)
        if one is None:
            one = days[number] = _Day()
        one.institutions.add(entry.institution_id)
        if flags & PHARMACY:
            purchases += 1
            one.purchases = True
        else:
            visits.add(entry.visit_id)
            if at > short:
                visits_short.add(entry.visit_id)
            one.visits = True
            one.fee += entry.fee
            if entry.diagnosis:
                diagnoses.append(entry.diagnosis)
        fee += entry.fee
        drug_fee += entry.drug_fee
        watched_fee += entry.watched_fee
        fund += entry.fund
    at_most = [len(one.institutions) for one in days.values()]
    changes = sum(first != second for first, second in pairwise(diagnoses))
    care_days = sorted(number for number, one in days.items() if one.visits)
    gaps = [second - first for first, second in pairwise(care_days)]
    earlier = len(visits_before - visits)
    bill = fee or 1
    return [
        len(visits_short),
        len(visits),
        len(visits) + earlier,
        # what the person did before is taken per 30 days of the 60 before
        max(0.0, len(visits) - earlier / 2),
        purchases,
        len(set().union(*(one.institutions for one in days.values()))),
        max(at_most, default=0),
        sum(count > 1 for count in at_most),
        sum(one.visits and one.purchases for one in days.values()),
        len(set(diagnoses)),
        changes / len(diagnoses) if diagnoses else 0.0,
        _concentration(gaps),
        _alike([one.fee for one in days.values() if one.visits]),
        drug_fee / bill,
        fund / bill,
        watched_fee / bill,
        fund / FEN,
    ]


class _Day:
    """One local day of a window."""

    __slots__ = ("fee", "institutions", "purchases", "visits")

    def __init__(self) -> None:
        self.institutions: set[str] = set()
        self.visits = self.purchases = False
        self.fee = 0


def _concentration(gaps: list[int]) -> float:
    """Share of the commonest gap between days of care; regular or daily care comes near 1, two days tell nothing."""
    return max(Counter(gaps).values()) / len(gaps) if len(gaps) > 1 else 0.0


def _alike(amounts: list[int]) -> float:
    """Share of the days of care on which the same whole yuan were billed as on another."""
    counts = Counter(amount // FEN for amount in amounts)
    return sum(count for count in counts.values() if count > 1) / max(1, len(amounts))


def scaled(values: Sequence[float]) -> dict[str, float]:
    """Features in [0, 1], cut off at their fixed limits; money by its logarithm."""
    found = {name: min(1.0, max(0.0, value / limit)) for name, value, limit in zip(NAMES, values, _LIMITS, strict=True)}
    money = NAMES[_MONEY]
    found[money] = min(1.0, math.log1p(max(0.0, values[_MONEY])) / _MONEY_SCALE)
    return found


def unscaled(name: str, value: float) -> float:
    """A value of :func:`scaled` in the feature's own unit."""
    return math.expm1(value * _MONEY_SCALE) if name == NAMES[_MONEY] else value * FEATURES[name].limit
