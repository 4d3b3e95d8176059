"""Signs among the visits of two windows, counted visit by visit."""

from __future__ import annotations

from datetime import timedelta
from itertools import pairwise
from typing import Any

from tests.detectors import oracle as common
from tests.detectors.oracles.rolling_count import without_reason

DETECTOR = "frequent_visits.repeated_pattern"


def oracle(values: dict[str, float], drugs: dict[str, tuple[str, bool]]) -> tuple[Any, ...]:
    """See :mod:`tests.detectors.oracle`."""

    def money(event):  # type: ignore[no-untyped-def]
        spent = sum(float(line["det_item_fee_sumamt"]) for line in event["lines"] if line["med_list_codg"] in drugs)
        return float(event["medfee_sumamt"]), spent, float(event["fund_pay_sumamt"])

    def visits(entries):  # type: ignore[no-untyped-def]
        return len({entry["mdtrt_id"] for entry in entries})

    def risk(entries, least):  # type: ignore[no-untyped-def]
        if visits(entries) < least:
            return 0.0
        illnesses = [entry["diagnoses"][0]["diag_code"][:3] for entry in entries if entry["diagnoses"]]
        followers = [(before, after) for before, after in pairwise(entries) if before["mdtrt_id"] != after["mdtrt_id"]]
        billed = [entry for entry in entries if money(entry)[0] > 0]
        counts = {
            "dise_itrc_rate": sum(one != other for one, other in pairwise(illnesses)),
            "mdtrt_inrv": sum(
                common._at(after) - common._at(before) <= timedelta(days=values["close"]) for before, after in followers
            ),
            "day_mdtrt_amt": visits([
                entry for entry in billed
                if any(int(money(other)[0]) == int(money(entry)[0]) and other["mdtrt_id"] != entry["mdtrt_id"] for other in billed)
            ]),
            "drug_prop": visits([e for e in billed if money(e)[1] >= values["drug_share"] * money(e)[0]]),
            "fund_pay_prop": visits([e for e in billed if money(e)[2] >= values["fund_share"] * money(e)[0]]),
        }  # fmt: skip
        scores = {name: round(min(1, count / (values["extreme"] * least)), 4) for name, count in counts.items()}
        return round(sum(values[f"weight_{name}"] * score for name, score in scores.items()), 4)

    def judge(point, window, detail):  # type: ignore[no-untyped-def]
        seen = [entry for entry in window if not common._pharmacy(entry) and not common._inpatient(entry)]
        if point not in seen:
            return None
        best, members, muted = 0.0, [], True
        for name in ("long", "quarter"):
            since = common._at(point) - timedelta(days=values[f"{name}_window"])
            inside, least = [entry for entry in seen if common._at(entry) > since], values[f"{name}_visits"]
            if risk(inside, least) >= values["limit"]:
                muted = muted and risk(without_reason(inside, drugs), least) < values["limit"]
                weight = risk(inside, least) * visits(inside) / least
                if weight > best:
                    best, members = weight, inside
        return (common.lit(best / values["limit"], 0.55, muted=muted), members) if best else None

    width = timedelta(days=max(values["long_window"], values["quarter_window"]))
    return "person", common._by_person, width, judge
