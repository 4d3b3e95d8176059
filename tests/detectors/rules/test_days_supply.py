"""Remaining supply of a generic."""

from __future__ import annotations

from typing import Any

import pytest

from tests.detectors.harness import Drive, drug, event, judge, reversal


def bought(number: int, at: str, days: float, item: str = "X1", **fields: Any) -> dict[str, Any]:
    return event(number, at, **({"lines": [drug(item, days)]} | fields))


@pytest.mark.parametrize(
    ("purchases", "remaining"),
    [
        # three packs on one morning: all of it is left, but for the hours between
        ([("0d 08:00:00", 20), ("0d 08:00:00", 20), ("0d 08:00:00", 20)], 60.0),
        ([("0d 08:00:00", 20), ("1d 08:00:00", 20), ("2d 08:00:00", 20)], None),
        ([("0d 08:00:00", 20), ("1d 08:00:00", 20), ("2d 08:00:00", 22)], 60.0),
        # to the second
        ([("0d 08:00:00", 20), ("1d 08:00:00", 20), ("2d 08:00:01", 22)], None),
        # what ran out is not owed: a gap does not make the stock negative
        ([("0d 08:00:00", 5), ("30d 08:00:00", 30), ("31d 08:00:00", 31)], 60.0),
        # two collections are a one-off
        ([("0d 08:00:00", 50), ("1d 08:00:00", 50)], None),
        # what was bought 90 days ago or more does not count
        ([("0d 08:00:00", 100), ("1d 08:00:00", 100), ("90d 08:00:00", 1)], None),
        ([("0d 08:00:00", 100), ("1d 08:00:00", 100), ("89d 07:59:59", 1)], 112.0),
    ],
)
def test_remaining(purchases: list[tuple[str, float]], remaining: float | None) -> None:
    events = [bought(number, at, days) for number, (at, days) in enumerate(purchases)]
    alerts = Drive(judge()).run(events).alerts
    assert [alert.features["remaining_days"] for alert in alerts[-1:]] == ([remaining] if remaining else [])


def test_a_generic_is_one_drug_across_items_and_institutions() -> None:
    events = [
        bought(number, f"{number}d 08:00:00", 30, item, fixmedins_code=item)
        for number, item in enumerate(("X1", "X2", "X1"))
    ]
    (alert,) = Drive(judge()).run(events).alerts
    assert (alert.features["generic_code"], alert.features["generic"], alert.institutions) == (
        "G1",
        "药G1",
        ["X1", "X2"],
    )


def test_lines_of_one_settlement_add_up_and_every_generic_has_its_own_alert() -> None:
    lines = [drug("X1", 10), drug("X2", 15), drug("X4", 25)]
    events = [event(number, f"{number}d 08:00:00", lines=lines) for number in range(3)]
    alerts = Drive(judge()).run(events).alerts
    assert sorted((alert.features["generic_code"], alert.features["remaining_days"]) for alert in alerts) == [
        ("G1", 73.0),
        ("G3", 73.0),
    ]


def test_what_is_not_on_the_watch_list_has_its_own_limit() -> None:
    assert Drive(judge()).run([bought(number, f"{number}d 08:00:00", 40, "X3") for number in range(3)]).alerts == []
    assert len(Drive(judge()).run([bought(number, f"{number}d 08:00:00", 41, "X3") for number in range(3)]).alerts) == 1


def test_without_days_the_packs_tell() -> None:
    lines = [{"med_list_codg": "X1", "cnt": "5"}]
    (alert,) = Drive(judge()).run([event(number, f"{number}d 08:00:00", lines=lines) for number in range(3)]).alerts
    assert alert.features["remaining_days"] == 103.0


def test_drugs_given_in_hospital_do_not_count() -> None:
    events = [bought(number, f"{number}d 08:00:00", 40, med_type="21" if number == 1 else "41") for number in range(3)]
    assert Drive(judge()).run(events).alerts == []


def test_what_was_taken_back_is_not_in_hand() -> None:
    events = [bought(number, f"{number}d 08:00:00", 30) for number in range(3)]
    assert Drive(judge()).run([*events, reversal(1, "1d 09:00:00", events[1])]).alerts == []
    assert len(Drive(judge()).run([*events, reversal(1, "2d 09:00:00", events[1])]).alerts) == 1


def test_long_prescriptions_mute() -> None:
    events = [bought(number, f"{number}d 08:00:00", 84, long_rx_flag="1") for number in range(3)]
    (alert,) = Drive(judge()).run(events).alerts
    assert (alert.light, alert.features["muted_by"]) == ("green", "long_prescription")
