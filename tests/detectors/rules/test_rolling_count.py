"""Visits in 7 and in 30 days."""

from __future__ import annotations

from typing import Any

import pytest

from tests.detectors.harness import Drive, drug, judge, reversal, visit


def daily(count: int, start: int = 0, step: int = 1, **fields: Any) -> list[dict[str, Any]]:
    return [visit(start * 1000 + number, f"{start + number * step}d 10:00:00", **fields) for number in range(count)]


def test_seven_in_seven_days_is_a_match_six_is_not() -> None:
    assert Drive(judge()).run(daily(6)).alerts == []
    (alert,) = Drive(judge()).run(daily(7)).alerts
    assert (alert.light, alert.raised_at, len(alert.event_ids)) == ("yellow", "2025-03-07 10:00:00", 7)
    assert str(alert.amount) == "493.50"
    assert alert.features == {"otp_cnt": 7, "limit": 7, "window_seconds": 604_800, "fixmedins_cnt": 1}
    assert (alert.persons, alert.institutions) == (["P1"], ["A"])


@pytest.mark.parametrize(("last", "found"), [("7d 09:59:59", 1), ("7d 10:00:00", 0)])
def test_to_the_second(last: str, found: int) -> None:
    events = [*daily(6), visit(99, last)]
    assert len(Drive(judge()).run(events).alerts) == found


def test_fifteen_in_thirty_days() -> None:
    (alert,) = Drive(judge()).run(daily(15, step=2)).alerts
    assert alert.features["otp_cnt"] == 15
    assert alert.features["window_seconds"] == 30 * 86_400
    assert Drive(judge()).run(daily(14, step=2)).alerts == []


def test_settlements_of_one_visit_count_once() -> None:
    events = [visit(number, f"{number // 2}d 10:0{number % 2}:00", mdtrt_id=f"M{number // 2}") for number in range(12)]
    assert Drive(judge()).run(events).alerts == []
    (alert,) = Drive(judge()).run([*events, visit(50, "6d 09:00:00")]).alerts
    assert (alert.features["otp_cnt"], len(alert.event_ids)) == (7, 13)


@pytest.mark.parametrize("care", ["41", "9929", "21", "2105", "52"])
def test_pharmacies_and_stays_are_no_visits(care: str) -> None:
    assert Drive(judge()).run(daily(20, med_type=care)).of("rolling_count") == []


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"long_rx_flag": "1"}, "long_prescription"),
        ({"med_type": "140201"}, "treatment_series"),
        ({"lines": []}, "treatment_series"),
    ],
)
def test_known_reasons_mute_but_do_not_hide(fields: dict[str, Any], reason: str) -> None:
    (alert,) = Drive(judge()).run(daily(9, **fields)).of("rolling_count")
    assert (alert.light, alert.features["muted_by"]) == ("green", reason)
    assert alert.score < 0.5


def test_treatments_more_than_daily_are_no_series() -> None:
    events = [visit(number, f"{number // 2}d {8 + number % 2:02d}:00:00", lines=[]) for number in range(8)]
    (alert,) = Drive(judge()).run(events).alerts
    assert alert.light == "yellow"


def test_a_series_that_slips_past_midnight_stays_one() -> None:
    late_evening = [visit(number, f"{number}d 23:30:00", lines=[]) for number in (0, 1, 3, 4, 5, 6)]
    (alert,) = Drive(judge()).run([*late_evening, visit(9, "3d 00:10:00", lines=[])]).alerts
    assert alert.light == "green"


def test_ordinary_visits_beside_a_series_are_counted_without_it() -> None:
    series = daily(7, med_type="140201")
    others = [visit(100 + number, f"{number}d 15:00:00", fixmedins_code="B") for number in range(7)]
    assert {alert.light for alert in Drive(judge()).run([*series, *others[:6]]).alerts} == {"green"}
    assert {alert.light for alert in Drive(judge()).run([*series, *others]).alerts} == {"yellow"}


def test_one_alert_per_month_growing() -> None:
    drive = Drive(judge()).run(daily(40))
    assert [(alert.raised_at[:7], alert.revision) for alert in drive.alerts] == [("2025-03", 25), ("2025-04", 9)]


def test_a_visit_taken_back_in_time_does_not_count() -> None:
    events = daily(7)
    back = reversal(1, "2d 11:00:00", events[2], dev_no="elsewhere")
    assert Drive(judge()).run([*events[:3], back, *events[3:]]).alerts == []
    # told late: raised, then withdrawn
    drive = Drive(judge()).run([*events, back])
    assert drive.alerts == []
    withdrawn = drive.published[-1]
    assert (withdrawn.withdrawn, withdrawn.revision, withdrawn.light) == (True, 2, "green")
    # and raised again by another visit, under the same id
    drive.run([visit(70, "6d 11:00:00")])
    (alert,) = drive.alerts
    assert (alert.alert_id, alert.revision) == (withdrawn.alert_id, 3)


def test_money_taken_back_later_leaves_the_amount() -> None:
    events = daily(7)
    drive = Drive(judge()).run([*events, reversal(1, "20d 10:00:00", events[0])])
    assert [str(alert.amount) for alert in drive.published] == ["493.50", "423.00"]
    # beyond the rule's window it no longer concerns the alert
    assert len(Drive(judge()).run([*events, reversal(1, "40d 10:00:00", events[0])]).published) == 1


def test_unknown_items_with_supply_count_as_drugs() -> None:
    (alert,) = Drive(judge()).run(daily(7, lines=[drug("never-listed", 3)])).of("rolling_count")
    assert alert.light == "yellow"
