"""Visits in a day, in 7, 30 and 90 days, and against peers."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest

from detectors.models.cohort import PeerReading
from detectors.models.peers import Reading
from detectors.person import Visit
from schemas.alert import Alert
from tests.detectors.golden import check
from tests.detectors.harness import START, Drive, drug, judge, reversal, visit


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


@pytest.mark.parametrize(("count", "hours", "days"), [(10, 72, 30), (24, 92, 90)])
def test_limits_of_longer_windows(count: int, hours: int, days: int) -> None:
    events = [visit(number, START + timedelta(hours=hours * number)) for number in range(count)]
    (alert,) = Drive(judge()).run(events).of("rolling_count")
    assert (alert.features["otp_cnt"], alert.features["window_seconds"]) == (count, days * 86_400)
    assert Drive(judge()).run(events[:-1]).of("rolling_count") == []


@pytest.mark.parametrize(("last", "found"), [("1d 11:59:59", 1), ("1d 12:00:00", 0)])
def test_four_within_a_day(last: str, found: int) -> None:
    events = [visit(number, f"0d {12 + number}:00:00") for number in range(3)]
    assert len(Drive(judge()).run([*events, visit(9, last)]).of("rolling_count")) == found


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


def test_a_window_that_cuts_a_slipped_visit_from_its_day_still_sees_a_series() -> None:
    """Days 0 to 10, the third visit past midnight: the seven days before day 8's visit hold eight on seven local days."""
    clocks = [
        "0d 23:30",
        "1d 16:30",
        "3d 00:30",
        *(f"{day}d {hour}:30" for day, hour in ((3, 19), (4, 22), (5, 20), (6, 19))),
    ]
    clocks += [f"{day}d 23:30" for day in range(7, 11)]
    events = [visit(number, f"{clock}:00", lines=[]) for number, clock in enumerate(clocks)]
    assert {alert.light for alert in found_among(events, [2, 3, 5])} == {"green"}


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
    # beyond the rule's widest window it no longer concerns the alert
    assert len(Drive(judge()).run([*events, reversal(1, "91d 10:00:00", events[0])]).published) == 1


def test_unknown_items_with_supply_count_as_drugs() -> None:
    (alert,) = Drive(judge()).run(daily(7, lines=[drug("never-listed", 3)])).of("rolling_count")
    assert alert.light == "yellow"


def test_a_treatment_long_ago_makes_no_series_of_todays_visits() -> None:
    long_ago = visit(900, "0d 10:00:00", lines=[])
    events = [visit(number, f"{40 + number // 2}d {8 + number % 2:02d}:00:00", lines=[]) for number in range(8)]
    (alert,) = Drive(judge()).run([long_ago, *events]).of("rolling_count")
    assert alert.light == "yellow"


@pytest.mark.parametrize(
    ("count", "step", "fields"),
    [(39, 2, {"med_type": "140201"}), (15, 1, {"lines": []}), (45, 2, {"lines": []})],
)
def test_series_stay_green_for_months(count: int, step: int, fields: dict[str, Any]) -> None:
    """Dialysis thrice a week with and without its registration, daily dressings; beside them a cold and its check-up."""
    ordinary = [visit(9_000 + number, f"{day}d 16:00:00", fixmedins_code="B") for number, day in enumerate((6, 10))]
    events = sorted([*daily(count, step=step, **fields), *ordinary], key=lambda made: made["setl_time"])
    for alerts in (found_among(events, []), found_among(events, [2, 3, 5])):
        assert alerts
        assert {alert.light for alert in alerts} == {"green"}


class Neighbours:
    """Peers of whom 95 % do not exceed these counts in 7, 30 and 90 days."""

    def __init__(self, *counts: float) -> None:
        self.counts = dict(zip(("otp_cnt_7d", "otp_cnt", "otp_cnt_90d"), counts, strict=True))

    def note(self, entry: Visit, person_id: str) -> None:
        """Nothing is learned."""

    def read(self, window: Sequence[Visit]) -> PeerReading:
        """The same for everyone, and nothing unusual but counts."""
        return PeerReading("clinic/adult", {}, Reading(0.0, 1.0, (), self.counts))

    def limits(self, entry: Visit) -> dict[str, float]:
        """The same for everyone."""
        return self.counts


def found_among(events: list[dict[str, Any]], counts: list[float]) -> list[Alert]:
    drive = Drive(judge())
    drive.cohort = Neighbours(*counts) if counts else None  # type: ignore[assignment]
    return drive.run(events).of("rolling_count")


def test_peers_lower_a_limit_to_twice_what_few_of_them_exceed() -> None:
    events = daily(8, step=3)
    assert found_among(events, []) == []
    (alert,) = found_among(events, [2, 3.2, 5])
    assert (alert.light, alert.raised_at[:10]) == ("yellow", "2025-03-19")
    assert {name: alert.features[name] for name in ("otp_cnt", "limit", "configured_limit", "otp_cnt_peers")} == {
        "otp_cnt": 8, "limit": 7, "configured_limit": 10, "otp_cnt_peers": 3.2,
    }  # fmt: skip
    assert alert.explanation == "30天内在1家机构门诊就诊8次，达到阈值7次（95%的同类人群不超过3.2次），请核实。"


def test_peers_never_lower_a_limit_below_the_floor_nor_raise_it() -> None:
    (alert,) = found_among(daily(8, step=3), [0.5, 0.5, 0.5])
    assert (alert.features["limit"], alert.raised_at[:10]) == (6, "2025-03-16")
    (alert,) = found_among(daily(8), [90, 90, 90])
    assert (alert.features["limit"], "configured_limit" in alert.features) == (7, False)


def test_a_window_that_no_peer_feature_counts_knows_only_what_is_configured(tmp_path: Any) -> None:
    rules = tmp_path / "rules.toml"
    rules.write_text("[rules.frequent_visits.rolling_count.parameters]\nlong_window = 28\n", "utf-8")
    for limits, expected in ((None, 1), (rules, 0)):
        drive = Drive(judge(limits))
        drive.cohort = Neighbours(9, 1, 9)  # type: ignore[assignment]
        assert len(drive.run(daily(6, step=4)).of("rolling_count")) == expected


def test_explanations() -> None:
    mixed = [visit(number, f"{number}d 10:00:00", fixmedins_code="AB"[number % 2]) for number in range(9)]
    check("rolling_count", {"a week": mixed, "a month": daily(10, step=3), "a day": daily(4, step=0)})
