"""One box, one settlement."""

from __future__ import annotations

from typing import Any

import pytest

from tests.detectors import golden
from tests.detectors.harness import Drive, drug, event, judge, reversal


def sold(number: int, at: str, *codes: str, **fields: Any) -> dict[str, Any]:
    return event(number, at, **({"lines": [drug("X1", 5, *codes)]} | fields))


def test_second_settlement_is_red_and_both_sides_are_kept() -> None:
    events = [sold(1, "0d 10:00:00", "c1", "c2"), sold(2, "200d 10:00:00", "c2", psn_no="P2", fixmedins_code="B")]
    (alert,) = Drive(judge()).run(events).alerts
    assert (alert.subject_type, alert.subject_id, alert.light) == ("drug_code", "c2", "red")
    assert (alert.event_ids, alert.persons, alert.institutions) == (["E00001", "E00002"], ["P1", "P2"], ["A", "B"])
    assert alert.raised_at == str(events[1]["setl_time"])
    assert alert.score > 0.9
    first, again = (
        {key: alert.features[f"{side}_{key}"] for key in ("psn_no", "fixmedins_code", "time")}
        for side in ("first", "again")
    )
    assert first == {"psn_no": "P1", "fixmedins_code": "A", "time": "2025-03-01 10:00:00"}
    assert again == {"psn_no": "P2", "fixmedins_code": "B", "time": "2025-09-17 10:00:00"}
    assert alert.features["days_between"] == 200


@pytest.mark.parametrize(("later", "found"), [("364d 10:00:00", 1), ("365d 09:59:59", 1), ("365d 10:00:00", 0)])
def test_window(later: str, found: int) -> None:
    assert len(Drive(judge()).run([sold(1, "0d 10:00:00", "c"), sold(2, later, "c")]).alerts) == found


def test_a_code_scanned_twice_in_one_settlement_is_one() -> None:
    assert Drive(judge()).run([sold(1, "0d 10:00:00", "c", "c"), sold(1, "0d 10:00:00", "c")]).alerts == []
    # nor is the same settlement told under two event ids
    assert Drive(judge()).run([sold(1, "0d 10:00:00", "c"), sold(2, "0d 10:00:00", "c", setl_id="S1")]).alerts == []


def test_settled_reversed_settled_again_is_fine_in_any_order() -> None:
    first, again = sold(1, "0d 10:00:00", "c"), sold(2, "0d 10:05:00", "c")
    back = reversal(1, "0d 10:02:00", first, dev_no="A-T2", lines=[])
    for order in ([first, back, again], [back, first, again], [first, again, back], [again, back, first]):
        assert Drive(judge()).run(order).alerts == []


def test_taken_back_after_the_second_settlement_stays_a_reuse() -> None:
    first, again = sold(1, "0d 10:00:00", "c"), sold(2, "0d 10:05:00", "c")
    (alert,) = Drive(judge()).run([first, again, reversal(1, "0d 10:09:00", first)]).alerts
    assert str(alert.amount) == "70.50"


def test_a_reversal_a_year_later_still_reaches_the_code() -> None:
    """The person's ledger must know the original's codes as long as the code's window is open."""
    between = [event(10 + number, f"{10 * number + 5}d 10:00:00") for number in range(34)]
    first, again = sold(1, "0d 10:00:00", "c"), sold(2, "350d 10:00:00", "c", psn_no="P2")
    back = reversal(1, "345d 10:00:00", first, lines=[], dev_no=None)
    assert Drive(judge()).run([first, *between, back, again]).of("trace_code_reuse") == []
    assert len(Drive(judge()).run([first, *between, again]).of("trace_code_reuse")) == 1


def test_one_settlement_told_twice_is_not_the_second_side() -> None:
    events = [
        sold(1, "0d 10:00:00", "c"),
        sold(2, "0d 10:00:01", "c", setl_id="S1"),
        sold(3, "9d 10:00:00", "c", psn_no="P2", fixmedins_code="B"),
    ]
    (alert,) = Drive(judge()).run(events).alerts
    assert (alert.features["settlements"], alert.features["again_psn_no"]) == (2, "P2")


def test_explanations() -> None:
    events = [
        sold(number, f"{50 * number}d 10:00:00", "c", psn_no=f"3206000{number}", fixmedins_code="ABC"[number])
        for number in range(3)
    ]
    golden.check("trace_code_reuse", {"twice": events[:2], "three times": events})
