"""One generic from several institutions."""

from __future__ import annotations

from datetime import datetime, timedelta

DETECTOR = "agent_buying.generic_spread"
PHARMACIES = ("41", "9929")


def oracle(values, drugs):  # type: ignore[no-untyped-def]
    watched = {generic for generic, monitored in drugs.values() if monitored}
    windows = [(values["short_window"], values["short_limit"]), (values["long_window"], values["long_limit"])]
    reach = timedelta(days=max(days for days, _ in windows))

    def split(event):  # type: ignore[no-untyped-def]
        return [(event["psn_no"], generic) for generic in _supplies(event, drugs)]

    def runs(bought, generic, fewer):  # type: ignore[no-untyped-def]
        """Every tail of the collections that reaches a limit: how far beyond it, and the tail."""
        found = []
        for start in range(len(bought) - 1, -1, -1):
            tail = bought[start:]
            age = (_at(tail[-1]) - _at(tail[0])).total_seconds()
            places = len({event["fixmedins_code"] for event in tail}) - fewer
            for days, limit in windows:
                limit += 0 if generic in watched else values["other_extra"]
                seconds = days * 86_400
                if places >= limit and age < seconds:
                    found.append((places / limit * (seconds / max(age, seconds / 3)) ** 0.5, tail))
        return found

    def judge(point, window, detail):  # type: ignore[no-untyped-def]
        if point["med_type"] == "21":
            return None
        bought = [event for event in window if event["med_type"] != "21"]
        recent = [event for event in bought if _at(event) > _at(point) - reach]
        found = runs(recent, detail, 0)
        if not found:
            return None
        most = max(excess for excess, _ in found)
        tail = next(tail for excess, tail in found if excess == most)
        abroad = {_abroad(event) for event in recent}
        rest = [event for index, event in enumerate(recent) if not _excused(recent, index)]
        if not runs(rest, detail, 1 if len(abroad) == 2 else 0):
            return "green", tail
        places = {event["fixmedins_code"] for event in tail}
        usual = places & {event["fixmedins_code"] for event in bought if event not in recent}
        supply = sum(_supplies(event, drugs)[detail] for event in tail)
        most *= 1 - len(usual) / len(places) / 2
        most *= min(1, supply / (14 * 86_400)) if supply else 1
        return ("red" if most and 1 - (0.25 if detail in watched else 0.4) / most >= 0.94995 else "yellow"), tail

    return "person", split, timedelta(days=max(values["habit_window"], reach.days)), judge


def _excused(recent, index):  # type: ignore[no-untyped-def]
    event = recent[index]
    own, codes = _condition(event), {_condition(earlier) for earlier in recent[:index]} - {""}
    if event["long_rx_flag"] == "1" or _cancer(event):
        return True
    if event["med_type"] in PHARMACIES:
        return False
    if own and codes and own not in codes:
        return True
    # the first doctor's prescription that a pharmacy filled later
    filled = [
        position
        for position, other in enumerate(recent)
        if other["med_type"] not in PHARMACIES
        and any(later["med_type"] in PHARMACIES for later in recent[position + 1 :])
        and not _new(recent, position)
    ]
    return filled[:1] == [index]


def _new(recent, index):  # type: ignore[no-untyped-def]
    own, codes = _condition(recent[index]), {_condition(earlier) for earlier in recent[:index]} - {""}
    return bool(own and codes and own not in codes)


def _condition(event):  # type: ignore[no-untyped-def]
    listed = [diagnosis for diagnosis in event["diagnoses"] or () if diagnosis["diag_code"]]
    main = [diagnosis for diagnosis in listed if diagnosis["maindiag_flag"] == "1"]
    # the last one marked; the first where none is
    return (main[-1] if main else listed[0])["diag_code"][:3] if listed else ""


def _cancer(event):  # type: ignore[no-untyped-def]
    return any((found["diag_code"] or "").startswith(("C", "Z51")) for found in event["diagnoses"] or ())


def _abroad(event):  # type: ignore[no-untyped-def]
    here, insured = event["mdtrtarea_admvs"], event["insuplc_admdvs"]
    return here is not None and insured is not None and here[:4] != insured[:4]


def _supplies(event, drugs):  # type: ignore[no-untyped-def]
    supplies: dict[str, int] = {}
    for line in event["lines"]:
        if line["med_list_codg"] in drugs:
            generic = drugs[line["med_list_codg"]][0]
            supplies[generic] = supplies.get(generic, 0) + int(float(line["prd_days"]) * 86_400)
    return supplies


def _at(event):  # type: ignore[no-untyped-def]
    return datetime.fromisoformat(event["setl_time"])
