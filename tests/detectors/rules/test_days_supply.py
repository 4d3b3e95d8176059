"""Remaining supply of a generic."""

from __future__ import annotations

from typing import Any

import pytest

from schemas.alert import Alert
from tests.detectors import golden
from tests.detectors.harness import Drive, drug, event, judge, reversal


def bought(number: int, at: str, days: float | None, item: str = "X1", **fields: Any) -> dict[str, Any]:
    return event(number, at, **({"lines": [drug(item, days)]} | fields))


def stay(number: int, at: str, began: str) -> dict[str, Any]:
    return event(number, at, med_type="21", begndate=began, fixmedins_code="H")


def found(events: list[dict[str, Any]]) -> list[Alert]:
    return Drive(judge(), batch=100).run(events).of("days_supply")


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
        ([("0d 08:00:00", 5), ("10d 08:00:00", 30), ("11d 08:00:00", 31)], 60.0),
        # two collections are a one-off
        ([("0d 08:00:00", 50), ("1d 08:00:00", 50)], None),
        # what was bought 180 days ago or more does not count
        ([("0d 08:00:00", 150), ("1d 08:00:00", 150), ("180d 08:00:00", 1)], None),
        ([("0d 08:00:00", 150), ("1d 08:00:00", 150), ("179d 07:59:59", 1)], 122.0),
    ],
)
def test_remaining(purchases: list[tuple[str, float]], remaining: float | None) -> None:
    events = [bought(number, at, days) for number, (at, days) in enumerate(purchases)]
    alerts = found(events)
    assert [alert.features["remaining_days"] for alert in alerts[-1:]] == ([remaining] if remaining else [])


def test_a_stock_is_one_alert_a_quarter_with_what_it_was_built_from() -> None:
    events = [
        bought(0, "0d 08:00:00", 3),
        *[bought(number, f"{5 * number}d 08:00:00", 25) for number in range(1, 12)],
    ]
    alerts = found(events)
    assert [alert.raised_at[:7] for alert in alerts] == ["2025-03", "2025-04"]
    assert alerts[0].event_ids == [f"E{number:05d}" for number in range(1, 7)]
    assert alerts[1].event_ids == [f"E{number:05d}" for number in range(1, 12)]


def test_a_generic_is_one_drug_across_items_and_institutions() -> None:
    events = [
        bought(number, f"{number}d 08:00:00", 30, item, fixmedins_code=item)
        for number, item in enumerate(("X1", "X2", "X1"))
    ]
    (alert,) = found(events)
    assert (alert.features["generic_code"], alert.features["generic"], alert.institutions) == (
        "G1",
        "药G1",
        ["X1", "X2"],
    )


def test_lines_of_one_settlement_add_up_and_every_generic_has_its_own_alert() -> None:
    lines = [drug("X1", 10), drug("X2", 15), drug("X4", 25)]
    events = [event(number, f"{number}d 08:00:00", lines=lines) for number in range(3)]
    assert sorted((alert.features["generic_code"], alert.features["remaining_days"]) for alert in found(events)) == [
        ("G1", 73.0),
        ("G3", 73.0),
    ]


def test_what_is_not_on_the_watch_list_has_its_own_limit() -> None:
    assert found([bought(number, f"{number}d 08:00:00", 40, "X3") for number in range(3)]) == []
    assert len(found([bought(number, f"{number}d 08:00:00", 41, "X3") for number in range(3)])) == 1


def test_without_days_the_packs_tell() -> None:
    lines = [{"med_list_codg": "X1", "cnt": "5"}]
    (alert,) = found([event(number, f"{number}d 08:00:00", lines=lines) for number in range(3)])
    assert alert.features["remaining_days"] == 103.0


def test_drugs_given_in_hospital_do_not_count() -> None:
    events = [bought(number, f"{number}d 08:00:00", 40, med_type="21" if number == 1 else "41") for number in range(3)]
    assert found(events) == []


STOCK = [bought(0, "0d 08:00:00", 20), bought(1, "1d 08:00:00", 20), bought(2, "30d 08:00:00", 40)]


@pytest.mark.parametrize(
    ("stays", "remaining"),
    [
        ([], None),
        # ten days in hospital: what is at home lasts ten days longer
        ([stay(9, "15d 00:00:00", "2025-03-06")], 60.0),
        # stays that overlap pause once
        ([stay(8, "12d 00:00:00", "2025-03-06"), stay(9, "15d 00:00:00", "2025-03-08")], 60.0),
        ([stay(9, "14d 23:59:59", "2025-03-06")], None),
        # before the stock was there, and a stay that is still going on
        ([stay(9, "0d 07:00:00", "2025-02-01")], None),
        ([stay(9, "31d 00:00:00", "2025-03-06")], None),
        ([stay(9, "15d 00:00:00", "unknown")], None),
    ],
)
def test_a_stay_in_hospital_pauses_the_stock(stays: list[dict[str, Any]], remaining: float | None) -> None:
    assert [alert.features["remaining_days"] for alert in found([*STOCK, *stays])] == ([remaining] if remaining else [])


def test_a_stay_that_was_taken_back_pauses_nothing() -> None:
    paused = stay(9, "15d 00:00:00", "2025-03-06")
    assert found([*STOCK, paused, reversal(9, "16d 00:00:00", paused)]) == []


def test_unknown_doses_are_counted_and_never_red() -> None:
    events = [bought(number, f"{number}d 08:00:00", None, "X9") for number in range(6)]
    assert found(events[:5]) == []
    (alert,) = found(events)
    assert (alert.light, alert.features["unknown_dose"], alert.features["limit"]) == ("yellow", 6, 6)
    # thirty days to the second
    assert found([*events[:5], bought(6, "30d 08:00:00", None, "X9")]) == []
    assert len(found([*events[:5], bought(6, "30d 07:59:59", None, "X9")])) == 1
    many = [bought(number, f"{number // 3}d {8 + number % 3:02d}:00:00", None, "X9") for number in range(80)]
    assert {alert.light for alert in found(many)} == {"yellow"}
    assert max(alert.score for alert in found(many)) == 0.9


def test_a_stock_for_years_is_red() -> None:
    (alert,) = found([bought(number, f"{number}d 08:00:00", 365) for number in range(15)])
    assert (alert.light, alert.features["possession_ratio"]) == ("red", 182.5)


def score(events: list[dict[str, Any]]) -> float:
    return max(alert.score for alert in found(events))


def test_faster_is_worse_and_habit_is_better() -> None:
    slow = [bought(number, f"{20 * number}d 08:00:00", 50) for number in range(4)]
    fast = [bought(number, f"{10 * number}d 08:00:00", 40) for number in range(4)]
    assert {alert.features["remaining_days"] for alert in (*found(slow)[-1:], *found(fast)[-1:])} == {140.0, 130.0}
    assert score(fast) > score(slow)
    earlier = [bought(90 + number, f"{12 * number}d 08:00:00", 24, "X1") for number in range(9)]
    later = [made | {"setl_time": made["setl_time"].replace("2025-03", "2025-07")} for made in fast[:3]]
    (new,) = found(later)
    (used,) = [alert for alert in found([*earlier, *later]) if alert.raised_at > "2025-07"]
    assert used.features["remaining_days"] > new.features["remaining_days"]
    assert used.features["habit_ratio"] > 1
    assert used.score < new.score


def test_what_hardly_sells_on_ranks_lower() -> None:
    stocks = [
        [bought(number, f"{number}d 08:00:00", days, item) for number in range(3)]
        for item, days in (("X1", 50), ("X3", 50))
    ]
    assert score(stocks[0]) > score(stocks[1])


def test_features_tell_the_pace_and_the_early_refills() -> None:
    (alert,) = found([bought(number, f"{15 * number}d 08:00:00", 45) for number in range(3)])
    wanted = {
        "collections": 3, "supply_days": 135.0, "span_days": 30, "remaining_days": 105.0, "left_days": 60.0,
        "early_refills": 2, "possession_ratio": 4.5, "possession_30d": 3.0, "possession_90d": 1.5, "habit_ratio": 0.0, "unknown_dose": 0,
    }  # fmt: skip
    assert {name: alert.features[name] for name in wanted} == wanted


def test_what_was_taken_back_is_not_in_hand() -> None:
    events = [bought(number, f"{number}d 08:00:00", 30) for number in range(3)]
    assert found([*events, reversal(1, "1d 09:00:00", events[1])]) == []
    assert len(found([*events, reversal(1, "2d 09:00:00", events[1])])) == 1


@pytest.mark.parametrize(
    ("fields", "muted_by"),
    [
        ({"long_rx_flag": "1"}, "long_prescription"),
        ({"mdtrtarea_admvs": "310100", "insuplc_admdvs": "320600"}, "away"),
        ({"diagnoses": [{"diag_code": "C34.1", "maindiag_flag": "1"}]}, "oncology"),
    ],
)
def test_exceptions(fields: dict[str, Any], muted_by: str) -> None:
    (alert,) = found([bought(number, f"{number}d 08:00:00", 56, **fields) for number in range(3)])
    assert (alert.light, alert.features["muted_by"]) == ("green", muted_by)


def test_stocking_up_once_for_a_journey() -> None:
    events = [bought(0, "0d 08:00:00", 10), bought(1, "9d 08:00:00", 75), bought(2, "10d 08:00:00", 10)]
    (alert,) = found(events)
    assert (alert.light, alert.features["muted_by"]) == ("green", "stock_up")
    (alert,) = found([*events, bought(3, "11d 08:00:00", 75)])
    assert alert.light == "yellow"


@pytest.mark.parametrize(("days", "light"), [(36, "green"), (42, "yellow")])
def test_refills_every_four_weeks_pile_up(days: int, light: str) -> None:
    alerts = found([bought(number, f"{28 * number}d 08:00:00", days) for number in range(9)])
    assert alerts
    assert {alert.light for alert in alerts} == {light}
    if light == "green":
        assert {alert.features["muted_by"] for alert in alerts} == {"steady_refills"}


def test_explanations() -> None:
    stock = [bought(number, f"{number}d 10:00:00", 22.5, fixmedins_code="AB"[number % 2]) for number in range(3)]
    golden.check(
        "days_supply",
        {
            "stock": stock,
            "long prescription": [made | {"long_rx_flag": "1"} for made in stock],
            "journey": [bought(0, "0d 08:00:00", 10), bought(1, "9d 08:00:00", 75), bought(2, "10d 08:00:00", 10)],
            "every four weeks": [bought(number, f"{28 * number}d 08:00:00", 36) for number in range(6)],
            "stay": [*STOCK, stay(9, "15d 00:00:00", "2025-03-06")],
            "dose unknown": [bought(number, f"{number}d 08:00:00", None, "X9") for number in range(7)],
        },
    )
