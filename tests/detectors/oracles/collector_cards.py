"""Brute force for agent_buying.collector_cards."""

from __future__ import annotations

from datetime import datetime, timedelta

DETECTOR = "agent_buying.collector_cards"


def oracle(values, drugs):  # type: ignore[no-untyped-def]
    windows = [(values["window"], values["limit"]), (values["slow_window"], values["slow_limit"])]

    def split(event):  # type: ignore[no-untyped-def]
        return [(event["agnter_certno"], "")] if event["agnter_certno"] else []

    def cards(entries, now):  # type: ignore[no-untyped-def]
        found = []
        for days, limit in windows:
            held = [entry for entry in entries if at(entry) > now - timedelta(days=days)]
            persons = len({entry["psn_no"] for entry in held})
            if persons >= limit:
                found.append((persons / limit, held))
        return max(found, key=lambda one: one[0]) if found else None

    def judge(point, window, detail):  # type: ignore[no-untyped-def]
        best = cards(window, at(point))
        if best is None:
            return None
        excess, members = best
        plain = [entry for entry in window if entry["agnter_rlts"] not in ("1", "7") and entry["long_rx_flag"] != "1"]
        if cards(plain, at(point)) is None:
            return "green", members
        with_watched = [entry for entry in members if any(drugs[line["med_list_codg"]][1] for line in entry["lines"])]
        certainty = 0.7 + 0.1 * len(with_watched) / len(members)
        if len({entry["fixmedins_code"] for entry in members}) > 1:
            certainty += 0.05
        return "red" if round(1 - (1 - certainty) / excess, 4) >= 0.95 else "yellow", members

    return "agent", split, timedelta(days=max(days for days, _ in windows)), judge


def at(event):  # type: ignore[no-untyped-def]
    return datetime.fromisoformat(event["setl_time"])
