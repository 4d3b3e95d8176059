"""Brute force for agent_buying.same_drug_rush."""

from __future__ import annotations

import math
from collections import defaultdict
from datetime import date, datetime, timedelta

DETECTOR = "agent_buying.same_drug_rush"


def oracle(values, drugs):  # type: ignore[no-untyped-def]
    watched = {generic for generic, monitored in drugs.values() if monitored}
    sold = defaultdict(list)
    first = {}

    def split(event):  # type: ignore[no-untyped-def]
        shop = event["fixmedins_code"]
        generics = {drugs[code][0] for code in boxes(event)} & watched
        for generic in generics:
            sold[shop, generic].append(day(event))
            first[shop] = min(day(event), first.get(shop, day(event)))
        return [(shop, generic) for generic in generics]

    def unusual(persons, minutes, point, generic):  # type: ignore[no-untyped-def]
        shop = point["fixmedins_code"]
        end = (day(point) - 3) // 7
        start = max(first[shop] // 7 + 1, end - values["history"] // 7)
        if start >= end:
            return True
        sales = sum(start * 7 <= other < end * 7 for other in sold[shop, generic])
        mean = sales / ((end - start) * 7) * minutes / (12 * 60)
        chance = sum(math.exp(-mean) * mean**n / math.factorial(n) for n in range(persons, persons + 90))
        return chance <= 1 / values["chance"]

    def rushes(point, sales, generic):  # type: ignore[no-untyped-def]
        for name, certainty in (("", 0.75), ("few_", 0.6), ("box_", 0.85)):
            minutes, limit = values[f"{name}window"], values[f"{name}limit"]
            near = [sale for sale in sales if at(sale) > at(point) - timedelta(minutes=minutes)]
            groups = [near]
            if name == "box_":
                own = [code for code in boxes(point) if drugs[code] == (generic, True)]
                groups = [[sale for sale in near if code in boxes(sale)] for code in own]
            for group in groups:
                persons = len({sale["psn_no"] for sale in group})
                if persons >= limit and unusual(persons, minutes, point, generic):
                    yield round(1 - (1 - certainty) * limit / persons, 4), group

    def judge(point, window, generic):  # type: ignore[no-untyped-def]
        found = list(rushes(point, window, generic))
        if not found:
            return None
        score, members = max(found, key=lambda one: one[0])
        plain = [sale for sale in window if sale["agnter_rlts"] not in ("1", "7") and sale["long_rx_flag"] != "1"]
        if not list(rushes(point, plain, generic)):
            return "green", members
        return "red" if score >= 0.95 else "yellow", members

    width = max(values["window"], values["few_window"], values["box_window"])
    return "institution", split, timedelta(minutes=width), judge


def boxes(event):  # type: ignore[no-untyped-def]
    """Item codes, each once, in the order of the lines."""
    return list(dict.fromkeys(line["med_list_codg"] for line in event["lines"]))


def at(event):  # type: ignore[no-untyped-def]
    return datetime.fromisoformat(event["setl_time"])


def day(event):  # type: ignore[no-untyped-def]
    return (at(event).date() - date(1970, 1, 1)).days
