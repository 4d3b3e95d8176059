"""Brute force for agent_buying.item_surge."""

from __future__ import annotations

import math
from collections import defaultdict
from datetime import date, datetime, timedelta

DETECTOR = "agent_buying.item_surge"


def oracle(values, drugs):  # type: ignore[no-untyped-def]
    sold = defaultdict(list)
    first = {}

    visits = defaultdict(list)

    def split(event):  # type: ignore[no-untyped-def]
        shop = event["fixmedins_code"]
        visits[shop, event["psn_no"]].append(at(event))
        if event["med_type"] not in ("41", "9929"):
            return []
        boxes = {line["med_list_codg"] for line in event["lines"] if drugs[line["med_list_codg"]][1]}
        # whatever was settled before lies before in the order of the events
        if any(timedelta(days=3) < at(event) - time <= timedelta(days=84) for time in visits[shop, event["psn_no"]]):
            return []
        for box in boxes:
            sold[shop, box].append(day(event))
            first[shop] = min(day(event), first.get(shop, day(event)))
        return [(shop, box) for box in boxes]

    def judge(point, window, box):  # type: ignore[no-untyped-def]
        shop = point["fixmedins_code"]
        begins = at(point) - timedelta(days=values["window"])
        end = number(begins.date()) // 7
        start = max(first[shop] // 7, end - values["history"] // 7)
        if (end - start) * 7 < values["least_history"]:
            return None
        before = sum(start * 7 <= other < end * 7 for other in sold[shop, box])
        mean = (before + 1) / ((end - start) * 7 + 17 * 7) * values["window"]
        if mean > values["rare"]:
            return None

        def tail(sales):  # type: ignore[no-untyped-def]
            persons = len({sale["psn_no"] for sale in sales})
            chance = sum(math.exp(-mean) * mean**n / math.factorial(n) for n in range(persons, persons + 90))
            return chance if persons >= values["persons"] and chance <= 1 / values["chance"] else None

        chance = tail(window)
        if chance is None:
            return None
        plain = [sale for sale in window if sale["agnter_rlts"] not in ("1", "7") and sale["long_rx_flag"] != "1"]
        if tail(plain) is None:
            return "green", window
        return "red" if round(1 - 0.3 * (chance * values["chance"]) ** 0.25, 4) >= 0.95 else "yellow", window

    return "institution", split, timedelta(days=values["window"]), judge


def at(event):  # type: ignore[no-untyped-def]
    return datetime.fromisoformat(event["setl_time"])


def day(event):  # type: ignore[no-untyped-def]
    return number(at(event).date())


def number(day):  # type: ignore[no-untyped-def]
    return (day - date(1970, 1, 1)).days
