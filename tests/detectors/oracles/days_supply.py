"""Remaining supply of a generic: the stock second by second, as far as anything happens to it."""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import pairwise

DETECTOR = "agent_buying.days_supply"
DAY = 86_400


def oracle(values, drugs):  # type: ignore[no-untyped-def]
    watched = {generic for generic, monitored in drugs.values() if monitored}
    window_seconds = values["window"] * DAY

    def split(event):  # type: ignore[no-untyped-def]
        """A stay concerns every drug the person has at home."""
        generics = {generic for generic, _ in drugs.values()} if _stay(event) else _supplies(event, drugs)
        return [(event["psn_no"], generic) for generic in generics]

    def judge(point, window, detail):  # type: ignore[no-untyped-def]
        if _stay(point):
            return None
        now = _at(point)
        bought = [(_at(event), _supplies(event, drugs)[detail], event) for event in window if not _stay(event)]
        stays = [(_began(event), _at(event)) for event in window if _stay(event) and event["begndate"]]
        limit = values["monitored_limit" if detail in watched else "other_limit"] * DAY

        def found(collections):  # type: ignore[no-untyped-def]
            left, since = stock(collections, stays, now, 1)
            recent = [one for one in collections if one[0] > now - values["unknown_window"] * DAY]
            unknown = sum(1 for _, supply, _ in recent if supply == 0)
            if len(collections) >= values["collections"] and left >= limit:
                return "stock", left, collections[since:]
            return ("count", unknown, recent) if unknown >= values["unknown_limit"] else None

        answer = found(bought)
        if answer is None:
            return None
        kind, _, members = answer
        evidence = [event for _, _, event in members]
        rest = [one for one in bought if not _excused(one[2])]
        most = max((supply for _, supply, _ in rest), default=0)
        if most >= limit:
            rest.remove(next(one for one in rest if one[1] == most))
        if found(rest) is None:
            return "green", evidence
        if kind == "count":
            return "yellow", evidence
        begun = members[0][0]
        home = now - begun - _away_from_home(stays, begun, now)
        slow = sum(supply for _, supply, _ in members[:-1]) / max(30 * DAY, home) < values["steady_pace"]
        slow = slow and now - begun >= 60 * DAY
        recent = [one for one in bought if one[0] > now - values["unknown_window"] * DAY and one[1] == 0]
        if slow and len(recent) < values["unknown_limit"]:
            return "green", evidence
        early = sum(supply for at, supply, _ in bought if at <= now - window_seconds // 2)
        usual = max(1.0, early / (window_seconds - window_seconds // 2))
        left, _ = stock(bought, stays, now, usual)
        first = bought[0][0]
        home = now - first - _away_from_home(stays, first, now)
        pace = sum(supply for _, supply, _ in bought) / max(30 * DAY, home)
        worth = left / limit * pace * (1 if detail in watched else 0.5)
        return ("red" if 1 - 0.5 * 8 / (8 + worth) >= 0.94995 else "yellow"), evidence

    return "person", split, timedelta(days=values["window"]), judge


def stock(collections, stays, until, use):  # type: ignore[no-untyped-def]
    """What is left at an instant, and since which collection there has always been something left."""
    left = start = 0
    steps = [*((at, supply) for at, supply, _ in collections), (until, 0)]
    for index, (at, supply) in enumerate(steps):
        if index:
            before = steps[index - 1][0]
            left = max(0, left - int((at - before - _away_from_home(stays, before, at)) * use))
        if not left and index < len(collections):
            start = index
        left += supply
    return left, start


def _away_from_home(stays, begin, end):  # type: ignore[no-untyped-def]
    """Seconds of a span within any stay, from the borders of all of them."""
    borders = sorted({begin, end, *(at for stay in stays for at in stay if begin < at < end)})
    return sum(
        right - left
        for left, right in pairwise(borders)
        if any(began <= left and right <= ended for began, ended in stays)
    )


def _excused(event):  # type: ignore[no-untyped-def]
    here, insured = event["mdtrtarea_admvs"], event["insuplc_admdvs"]
    away = here is not None and insured is not None and here[:4] != insured[:4]
    cancer = any(found["diag_code"][:1] == "C" or found["diag_code"][:3] == "Z51" for found in event["diagnoses"] or ())
    return event["long_rx_flag"] == "1" or cancer or away


def _supplies(event, drugs):  # type: ignore[no-untyped-def]
    supplies: dict[str, int] = {}
    for line in event["lines"]:
        if line["med_list_codg"] in drugs:
            generic = drugs[line["med_list_codg"]][0]
            supplies[generic] = supplies.get(generic, 0) + int(float(line["prd_days"]) * DAY)
    return supplies


def _stay(event):  # type: ignore[no-untyped-def]
    return event["med_type"] == "21"


def _began(event):  # type: ignore[no-untyped-def]
    return _seconds(datetime.fromisoformat(event["begndate"][:10]))


def _at(event):  # type: ignore[no-untyped-def]
    return _seconds(datetime.fromisoformat(event["setl_time"]))


def _seconds(moment):  # type: ignore[no-untyped-def]
    return int((moment - datetime(1970, 1, 1)).total_seconds())  # noqa: DTZ001  wire times carry no zone
