"""Many people for the same watched drug."""

from __future__ import annotations

from typing import Any

import pytest

from tests.detectors import golden
from tests.detectors.harness import Drive, drug, event, judge, reversal


def queue(persons: int, seconds: int, items: str = "X1", **fields: Any) -> list[dict[str, Any]]:
    """One purchase per person, ``seconds`` apart, of the item codes in turn."""
    codes = items.split()
    return [
        event(
            number,
            f"0d 1{number * seconds // 3600}:{number * seconds // 60 % 60:02d}:{number * seconds % 60:02d}",
            **({"psn_no": f"P{number}", "lines": [drug(codes[number % len(codes)], 5)]} | fields),
        )
        for number in range(persons)
    ]


def found(events: list[dict[str, Any]]) -> list[Any]:
    return Drive(judge(), batch=10_000).run(events).of("same_drug_rush")


@pytest.mark.parametrize(
    ("events", "persons", "score"),
    [
        # X1 and X2 are makes of one drug: four within half an hour, three within ten minutes
        (queue(4, 599, "X1 X2"), 4, 0.75),
        (queue(4, 600, "X1 X2"), 0, 0),
        (queue(3, 299, "X1 X2"), 3, 0.6),
        (queue(3, 300, "X1 X2"), 0, 0),
        # the same box: three within an hour, and the more the more certain
        (queue(3, 1799), 3, 0.85),
        (queue(3, 1800), 0, 0),
        (queue(6, 300), 6, 0.925),
        # not watched; one person; two drugs, two persons each
        (queue(6, 60, "X3"), 0, 0),
        (queue(6, 60, psn_no="P1"), 0, 0),
        (queue(4, 60, "X1 X4"), 0, 0),
    ],
)
def test_limits(events: list[dict[str, Any]], persons: int, score: float) -> None:
    alerts = found(events)
    assert [alert.features["grp_psncnt"] for alert in alerts] == [persons] * bool(persons)
    for alert in alerts:
        assert (alert.subject_type, alert.subject_id, alert.features["generic_code"]) == ("institution", "A", "G1")
        assert alert.features["same_box"] == (score >= 0.85)
        assert alert.light == "yellow"


def test_nine_with_the_same_box_are_red() -> None:
    (alert,) = found(queue(9, 60))
    assert alert.light == "red"


def test_what_many_buy_on_any_day_is_no_rush() -> None:
    busy = [
        made | {"event_id": f"D{day}.{made['event_id']}", "setl_id": f"D{day}.{made['setl_id']}", "psn_no": f"D{day}.{made['psn_no']}"}
        | {"setl_time": made["setl_time"].replace("2025-03-01", f"2025-02-{day:02d}")}
        for day in range(7, 29)
        for made in queue(60, 590)
    ]  # fmt: skip
    assert [alert.raised_at for alert in found([*busy, *queue(4, 240)]) if alert.raised_at >= "2025-03-01"] == []
    assert len([alert for alert in found([*busy, *queue(20, 20)]) if alert.raised_at >= "2025-03-01"]) == 1


@pytest.mark.parametrize("relation", ["1", "7"])
def test_family_and_care_homes_mute(relation: str) -> None:
    (alert,) = found(queue(5, 60, agnter_rlts=relation))
    assert (alert.light, alert.features["muted_by"]) == ("green", "collector")
    (alert,) = found([*queue(3, 60), *queue(5, 60, agnter_rlts=relation)[3:]])
    assert alert.light == "yellow"


def test_taken_back_in_between() -> None:
    events = queue(3, 120)
    assert found([*events[:2], reversal(1, "0d 10:03:00", events[0]), events[2]]) == []


def test_explanations() -> None:
    golden.check(
        "same_drug_rush",
        {
            "drug": queue(4, 500, "X1 X2"),
            "box": queue(4, 500),
            "family": queue(4, 500, agnter_rlts="1"),
        },
    )
