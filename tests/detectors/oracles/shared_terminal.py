"""Brute force for agent_buying.shared_terminal."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from datetime import date, datetime, timedelta

DETECTOR = "agent_buying.shared_terminal"


def oracle(values, drugs):  # type: ignore[no-untyped-def]
    served = defaultdict(list)

    def split(event):  # type: ignore[no-untyped-def]
        if not event["dev_no"] or (values["pharmacy_only"] and event["med_type"] not in ("41", "9929")):
            return []
        served[event["dev_no"]].append(at(event))
        return [(event["dev_no"], "")]

    def expected(point):  # type: ignore[no-untyped-def]
        times = served[point["dev_no"]]
        end = (day(at(point)) - 3) // 7
        start = max(min(map(day, times)) // 7 + 1, end - values["history"] // 7)
        if start >= end:
            return None
        hours = {(at(point).hour + step) % 24 for step in (-1, 0, 1)}
        count = sum(start * 7 <= day(time) < end * 7 and time.hour in hours for time in times)
        return (count + 1) / (3 * 7 * (end - start)) * values["window"] / 60

    def score(members, mean):  # type: ignore[no-untyped-def]
        persons = len({entry["psn_no"] for entry in members})
        buyers = Counter(
            generic
            for generic, _ in {
                (drugs[line["med_list_codg"]][0], entry["psn_no"])
                for entry in members
                for line in entry["lines"]
                if drugs[line["med_list_codg"]][1]
            }
        )
        doubt = 0.2 if persons == max(buyers.values(), default=0) else 0.5
        if mean is None:
            return round(1 - doubt * values["limit"] / persons, 4) if persons >= values["limit"] else None
        if persons < min(values["least"], values["limit"]):
            return None
        count = persons - values["family"]
        chance = sum(math.exp(-mean) * mean**n / math.factorial(n) for n in range(max(count, 0), count + 90))
        if chance > 1 / values["chance"]:
            return None
        return round(1 - doubt * (chance * values["chance"]) ** 0.25, 4)

    def judge(point, window, detail):  # type: ignore[no-untyped-def]
        mean = expected(point)
        found = score(window, mean)
        if found is None:
            return None
        plain = [entry for entry in window if entry["agnter_rlts"] not in ("1", "7") and entry["long_rx_flag"] != "1"]
        if score(plain, mean) is None:
            return "green", window
        return "red" if found >= 0.95 else "yellow", window

    return "terminal", split, timedelta(minutes=values["window"]), judge


def at(event):  # type: ignore[no-untyped-def]
    return datetime.fromisoformat(event["setl_time"])


def day(time):  # type: ignore[no-untyped-def]
    return (time.date() - date(1970, 1, 1)).days
