"""Visits in four windows, counted anew; exceptions looked for in each window by itself. Nobody has peers here."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

from tests.detectors import oracle as common

DETECTOR = "frequent_visits.rolling_count"
NAMES = ("day", "short", "long", "quarter")


def _reason(event: dict[str, Any], drugs: dict[str, tuple[str, bool]]) -> bool:
    codes = [diagnosis["diag_code"] for diagnosis in event["diagnoses"] or []]
    young = event["brdy"] is not None and 0 <= (common._at(event).date() - date.fromisoformat(event["brdy"])).days <= 28
    return (
        common._long(event)
        or event["med_type"].startswith("14")
        or event["psn_type"] == "1401"
        or young
        or any(code[:1] == "C" or code[:3] == "Z51" for code in codes)
    )


def without_reason(visits: list[dict[str, Any]], drugs: dict[str, tuple[str, bool]]) -> list[dict[str, Any]]:
    """The visits that no exception explains, of one window."""
    left = [visit for visit in visits if not _reason(visit, drugs)]
    for place in {visit["fixmedins_code"] for visit in left}:
        series = [v for v in left if v["fixmedins_code"] == place and not common._generics(v, drugs)]
        if series:
            days = (common._at(series[-1]).date() - common._at(series[0]).date()).days + 1
            if 3 <= len({visit["mdtrt_id"] for visit in series}) <= days + 1:
                left = [visit for visit in left if visit not in series]
    return left


def oracle(values: dict[str, int], drugs: dict[str, tuple[str, bool]]) -> tuple[Any, ...]:
    """See :mod:`tests.detectors.oracle`."""

    def count(entries):  # type: ignore[no-untyped-def]
        return len({entry["mdtrt_id"] for entry in entries})

    def judge(point, window, detail):  # type: ignore[no-untyped-def]
        visits = [entry for entry in window if not common._pharmacy(entry) and not common._inpatient(entry)]
        if point not in visits:
            return None
        best, members, muted = 0.0, [], True
        for name in NAMES:
            since = common._at(point) - timedelta(days=values[f"{name}_window"])
            inside = [visit for visit in visits if common._at(visit) > since]
            limit = values[f"{name}_limit"]
            if count(inside) >= limit:
                muted = muted and count(without_reason(inside, drugs)) < limit
                if count(inside) / limit > best:
                    best, members = count(inside) / limit, inside
        return (common.lit(best, 0.6, muted=muted), members) if best else None

    width = timedelta(days=max(values[f"{name}_window"] for name in NAMES))
    return "person", common._by_person, width, judge
