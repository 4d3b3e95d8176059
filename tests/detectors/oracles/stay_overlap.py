"""Drugs settled while in hospital."""

from __future__ import annotations

from datetime import date, datetime, timedelta

DETECTOR = "agent_buying.stay_overlap"


def oracle(values, drugs):  # type: ignore[no-untyped-def]
    def judge(point, window, detail):  # type: ignore[no-untyped-def]
        if point["med_type"] != "21" or point["begndate"] is None:
            return None
        began, settled = date.fromisoformat(point["begndate"]), _at(point)
        inside = [
            event
            for event in window
            if began < _at(event).date() < settled.date()
            and event["med_type"] != "21"
            and any(line["med_list_codg"] in drugs for line in event["lines"])
        ]
        if not inside:
            return None
        rest = [
            event
            for event in inside
            if event["agnter_rlts"] not in ("1", "7")
            and event["long_rx_flag"] != "1"
            and event["fixmedins_code"] != point["fixmedins_code"]
        ]
        if not rest:
            return "green", inside
        middle = datetime.combine(began, datetime.min.time())
        middle += (settled - middle) / 2
        sure = len(rest) >= 3 or any(_at(event) < middle for event in rest)
        return "red" if sure else "yellow", inside

    return "person", lambda event: [(event["psn_no"], "")], timedelta(days=values["longest_stay"]), judge


def _at(event):  # type: ignore[no-untyped-def]
    return datetime.fromisoformat(event["setl_time"])
