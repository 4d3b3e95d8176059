"""Institutions in one local day."""

from __future__ import annotations

from tests.detectors.harness import Drive, event, judge, reversal


def test_four_in_one_calendar_day_not_in_24_hours() -> None:
    same_day = [event(number, f"1d {8 + number:02d}:00:00", fixmedins_code=f"I{number}") for number in range(4)]
    (alert,) = Drive(judge()).run(same_day).alerts
    assert (alert.detector, alert.light) == ("frequent_visits.institutions_per_day", "yellow")
    assert alert.institutions == ["I0", "I1", "I2", "I3"]
    moments = ("0d 23:00:00", "0d 23:30:00", "1d 00:00:00", "1d 00:30:00")
    over_midnight = [event(number, at, fixmedins_code=f"I{number}") for number, at in enumerate(moments)]
    assert Drive(judge()).run(over_midnight).alerts == []


def test_the_same_institution_counts_once_and_stays_do_not() -> None:
    events = [event(number, f"1d {8 + number:02d}:00:00", fixmedins_code=f"I{number % 3}") for number in range(8)]
    events.append(event(9, "1d 20:00:00", fixmedins_code="H", med_type="21"))
    assert Drive(judge()).run(events).alerts == []


def test_taken_back_purchases_do_not_count_from_then_on() -> None:
    events = [event(number, f"1d {8 + number:02d}:00:00", fixmedins_code=f"I{number}") for number in range(4)]
    assert Drive(judge()).run([*events[:3], reversal(1, "1d 10:30:00", events[0]), events[3]]).alerts == []
    (alert,) = Drive(judge()).run([*events, reversal(1, "1d 12:00:00", events[0])]).alerts
    assert str(alert.amount) == "211.50"


def test_long_prescriptions_mute() -> None:
    events = [
        event(number, f"1d {8 + number:02d}:00:00", fixmedins_code=f"I{number}", long_rx_flag="1" if number else "0")
        for number in range(4)
    ]
    (alert,) = Drive(judge()).run(events).alerts
    assert (alert.light, alert.features["muted_by"]) == ("green", "long_prescription")
