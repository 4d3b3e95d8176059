"""Drugs from a clinic and from a pharmacy within hours, counted by looking at every two settlements."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from tests.detectors import oracle as common

DETECTOR = "frequent_visits.clinic_and_pharmacy"


def _cancer(event: dict[str, Any]) -> bool:
    codes = [diagnosis["diag_code"] for diagnosis in event["diagnoses"] or []]
    return any(code[:1] == "C" or code[:3] == "Z51" for code in codes)


def oracle(values: dict[str, int], drugs: dict[str, tuple[str, bool]]) -> tuple[Any, ...]:
    """See :mod:`tests.detectors.oracle`."""
    watched = {generic for generic, monitored in drugs.values() if monitored}
    gap = timedelta(hours=values["gap"])

    def partnered(entries):  # type: ignore[no-untyped-def]
        clinic = [
            one for one in entries
            if not common._pharmacy(one) and not common._inpatient(one) and common._generics(one, drugs)
        ]  # fmt: skip
        wanted = set(watched)
        for one in clinic:
            wanted |= set(common._generics(one, drugs))
        bought = [one for one in entries if common._pharmacy(one) and wanted & set(common._generics(one, drugs))]
        near = [
            {one["event_id"], other["event_id"]}
            for one in clinic
            for other in bought
            if -gap <= common._at(one) - common._at(other) <= gap
        ]
        held = set().union(*near)
        return [one for one in entries if one["event_id"] in held]

    def reached(entries):  # type: ignore[no-untyped-def]
        visits = len({one["mdtrt_id"] for one in entries if not common._pharmacy(one)})
        purchases = len({(one["fixmedins_code"], one["setl_time"][:10]) for one in entries if common._pharmacy(one)})
        pairs, places = min(visits, purchases), len({one["fixmedins_code"] for one in entries})
        few = pairs >= values["pairs"] and places >= values["institutions"]
        many = pairs >= values["many_pairs"] and places >= values["many_institutions"]
        return pairs if few or many else 0

    def judge(point, window, detail):  # type: ignore[no-untyped-def]
        members = partnered(window)
        pairs = reached(members)
        if not pairs or point not in members:
            return None
        excused = [
            one for one in members
            if common._long(one) or one["med_type"].startswith("14") or _cancer(one)
        ]  # fmt: skip
        rest = partnered([one for one in window if one not in excused])
        few = common.lit(pairs / min(values["pairs"], values["many_pairs"]), 0.5, muted=not reached(rest))
        many = common.lit(pairs / values["many_pairs"], 0.7, muted=not reached(rest))
        return many if pairs >= values["many_pairs"] and few != "red" else few, members

    return "person", common._by_person, timedelta(days=values["window"]), judge
