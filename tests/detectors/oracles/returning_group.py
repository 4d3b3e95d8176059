"""Brute force for agent_buying.returning_group."""

from __future__ import annotations

import math
from collections import defaultdict
from datetime import date, datetime, timedelta

DETECTOR = "agent_buying.returning_group"


def oracle(values, drugs):  # type: ignore[no-untyped-def]
    watched = {generic for generic, monitored in drugs.values() if monitored}
    together = timedelta(minutes=values["together"])
    sold = defaultdict(list)
    first = {}

    def split(event):  # type: ignore[no-untyped-def]
        if event["med_type"] not in ("41", "9929"):
            return []
        shop = event["fixmedins_code"]
        generics = {drugs[line["med_list_codg"]][0] for line in event["lines"]} & watched
        for generic in generics:
            sold[shop, generic].append(day(event))
            first[shop] = min(day(event), first.get(shop, day(event)))
        return [(shop, generic) for generic in generics]

    def unusual(persons, event, generic):  # type: ignore[no-untyped-def]
        shop = event["fixmedins_code"]
        end = (day(event) - 3) // 7
        start = max(first[shop] // 7 + 1, end - values["history"] // 7)
        if start >= end:
            return True
        sales = sum(start * 7 <= other < end * 7 for other in sold[shop, generic])
        mean = sales / ((end - start) * 7) * values["together"] / (12 * 60)
        chance = sum(math.exp(-mean) * mean**n / math.factorial(n) for n in range(persons, persons + 90))
        return chance <= 1 / values["chance"]

    def returned(point, sales, generic):  # type: ignore[no-untyped-def]
        here = [sale for sale in sales if at(sale) > at(point) - together]
        persons = {sale["psn_no"] for sale in here}
        if len(persons) < values["limit"] or not unusual(len(persons), point, generic):
            return None
        days = defaultdict(set)
        members = {sale["event_id"]: sale for sale in here}
        for last in sales:
            if day(last) >= day(point) or last in here:
                continue
            group = [sale for sale in sales[: sales.index(last) + 1] if at(sale) > at(last) - together]
            present = {sale["psn_no"] for sale in group}
            known = present & persons
            if len(known) >= values["limit"] and unusual(len(present), last, generic):
                days[day(last)] |= known
                members |= {sale["event_id"]: sale for sale in group if sale["psn_no"] in persons}
        return (max(map(len, days.values())), len(days) + 1, list(members.values())) if days else None

    def judge(point, window, generic):  # type: ignore[no-untyped-def]
        found = returned(point, window, generic)
        if found is None:
            return None
        overlap, times, members = found
        plain = [sale for sale in window if sale["agnter_rlts"] not in ("1", "7") and sale["long_rx_flag"] != "1"]
        if returned(point, plain, generic) is None:
            return "green", members
        score = round(1 - 0.1 * (values["limit"] / overlap) * (2 / times), 4)
        certain = overlap >= values["certain_persons"] or times >= values["certain_times"] or score >= 0.95
        return "red" if certain else "yellow", members

    return "institution", split, timedelta(days=values["window"]), judge


def at(event):  # type: ignore[no-untyped-def]
    return datetime.fromisoformat(event["setl_time"])


def day(event):  # type: ignore[no-untyped-def]
    return (at(event).date() - date(1970, 1, 1)).days
