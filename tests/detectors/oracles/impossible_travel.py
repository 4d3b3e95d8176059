"""Two places too far apart for the time between."""

from __future__ import annotations

import math
from datetime import datetime, timedelta

from tests.detectors.harness import PLACES

DETECTOR = "agent_buying.impossible_travel"


def oracle(values, drugs):  # type: ignore[no-untyped-def]
    def needed(before, after):  # type: ignore[no-untyped-def]
        """The speed that is too high, by the angle between two points of the globe as vectors; None if none is."""
        if "21" in (before["med_type"], after["med_type"]):
            return None
        if before["fixmedins_code"] not in PLACES or after["fixmedins_code"] not in PLACES:
            return None
        one, other = (_vector(*PLACES[event["fixmedins_code"]]) for event in (before, after))
        away = 6371 * math.acos(min(1, sum(left * right for left, right in zip(one, other, strict=True))))
        hours = max(1, (_at(after) - _at(before)).total_seconds() + values["slack"] * 60) / 3600
        return away / hours if away >= values["distance"] and away / hours > values["speed"] else None

    def judge(point, window, detail):  # type: ignore[no-untyped-def]
        pairs = [(speed, event) for event in window[:-1] if (speed := needed(event, point)) is not None]
        free = [pair for pair in pairs if not _collected(pair[1]) and not _collected(point)]
        if not pairs:
            return None
        most = max(speed for speed, _ in free or pairs)
        before = next(event for speed, event in free or pairs if speed == most)
        return "yellow" if free else "green", [before, point]

    return "person", lambda event: [(event["psn_no"], "")], timedelta(hours=values["window"]), judge


def _vector(latitude, longitude):  # type: ignore[no-untyped-def]
    north, east = math.radians(latitude), math.radians(longitude)
    return math.cos(north) * math.cos(east), math.cos(north) * math.sin(east), math.sin(north)


def _collected(event):  # type: ignore[no-untyped-def]
    return event["agnter_rlts"] in ("1", "7")


def _at(event):  # type: ignore[no-untyped-def]
    return datetime.fromisoformat(event["setl_time"])
