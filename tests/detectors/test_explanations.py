"""What supervisors read, kept word for word; write anew with FUNDWATCH_WRITE_GOLDEN=1 and read the difference."""

from __future__ import annotations

import os
from pathlib import Path

from tests.detectors.harness import Drive, drug, event, judge, reversal, visit

GOLDEN = Path(__file__).with_name("golden") / "explanations.txt"


def scenes() -> dict[str, list[dict[str, object]]]:
    queue = [event(number, f"0d 10:0{number}:00", psn_no=f"P{number}", lines=[drug("X1", 5)]) for number in range(6)]
    collected = [
        event(number, f"{number}d 10:00:00", psn_no=f"P{number}", agnter_certno="AG", fixmedins_code="AB"[number % 2])
        for number in range(3)
    ]
    stock = [
        event(number, f"{number}d 10:00:00", fixmedins_code="AB"[number % 2], lines=[drug("X1", 22.5)])
        for number in range(3)
    ]
    reused = [
        event(number, f"{number}d 10:00:00", psn_no=f"P{number}", lines=[drug("X3", 5, "c")]) for number in range(2)
    ]
    visits = [visit(number, f"{number}d 10:00:00", fixmedins_code="AB"[number % 2]) for number in range(7)]
    return {
        "visits in 7 days": visits,
        "visits in 30 days": [visit(number, f"{2 * number}d 10:00:00") for number in range(15)],
        "treatment series": [visit(number, f"{number}d 10:00:00", lines=[]) for number in range(7)],
        "institutions": [event(number, f"0d 1{number}:00:00", fixmedins_code="ABCD"[number]) for number in range(4)],
        "stock": stock,
        "stock, long prescription": [made | {"long_rx_flag": "1"} for made in stock],
        "terminal and drug": queue,
        "terminal and drug, family": [made | {"agnter_rlts": "1"} for made in queue],
        "collector": collected,
        "collector, family and long prescription": [
            made | ({"agnter_rlts": "1"} if number else {"long_rx_flag": "1"}) for number, made in enumerate(collected)
        ],
        "trace code": reused,
        "withdrawn": [*visits, reversal(1, "2d 11:00:00", visits[2])],
    }  # fmt: skip


def test_explanations() -> None:
    lines = []
    for name, events in scenes().items():
        drive = Drive(judge(), batch=1000 if name != "withdrawn" else 1).run(events)
        for alert in sorted(drive.last.values(), key=lambda alert: alert.detector):
            lines.append(f"{name} | {alert.detector} | {alert.light} {alert.score} | {alert.explanation}")  # noqa: PERF401
    text = "\n".join(lines) + "\n"
    if os.environ.get("FUNDWATCH_WRITE_GOLDEN"):
        GOLDEN.write_text(text, "utf-8")
    assert text == GOLDEN.read_text("utf-8")
