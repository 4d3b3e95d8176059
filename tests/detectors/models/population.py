"""A small town that sees its doctors for months, with one person whose visits are unlike everybody's."""

from __future__ import annotations

import random
from datetime import timedelta
from typing import Any

from tests.detectors.harness import START, drug, event, reversal, visit

BURST = "P007"


def town(seed: int, *, weeks: int = 20, persons: int = 40, burst_week: int | None = 17) -> list[dict[str, Any]]:
    """Settlements in event-time order: some three visits and two purchases per person and month, one in twelve taken back.

    In the week ``burst_week`` the person ``BURST`` sees fourteen doctors at five institutions, two a day.
    """
    rng = random.Random(seed)
    events: list[dict[str, Any]] = []
    born = {number: f"{rng.randint(1945, 2000)}-05-01" for number in range(persons)}

    def person(number: int) -> dict[str, Any]:
        return {"psn_no": f"P{number:03d}", "brdy": born[number]}

    for number in range(round(persons * weeks * 1.25)):
        at = START + timedelta(seconds=rng.randrange(weeks * 7 * 86_400))
        who = person(rng.randrange(persons))
        fields = {
            **who,
            "fixmedins_code": rng.choice("AAABC"),
            "medfee_sumamt": f"{rng.randint(40, 400)}",
            "fund_pay_sumamt": f"{rng.randint(10, 40)}",
            "diagnoses": [{"diag_code": rng.choice(["I10", "E11", "J06"]), "maindiag_flag": "1"}],
        }
        if rng.random() < 0.6:
            events.append(visit(number, at, **fields, med_type=rng.choice(["11"] * 9 + ["140201"])))
        else:
            events.append(event(number, at, **fields, lines=[drug("X3", 5)]))
        if rng.random() < 1 / 12:
            events.append(reversal(number, at + timedelta(minutes=rng.choice([5, 600, 4_000, 40_000])), events[-1]))
    for number in range(14 if burst_week is not None else 0):
        at = START + timedelta(weeks=burst_week or 0, days=number // 2, hours=2 + 5 * (number % 2))
        wrong = {
            "fixmedins_code": "ABCDE"[number % 5],
            "diagnoses": [{"diag_code": f"Z{number}", "maindiag_flag": "1"}],
        }
        events.append(visit(90_000 + number, at, **person(int(BURST[1:])), **wrong, medfee_sumamt="300"))
    return sorted(events, key=lambda made: (made["setl_time"], made["event_id"]))
