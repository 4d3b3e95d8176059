"""Features of a person's window: counted as named, within their limits, blind to what comes after."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from detectors.models.features import FEATURES, NAMES, group_of, measure, scaled, unscaled
from detectors.person import Visit
from schemas.fact import CHRONIC, INPATIENT, PHARMACY, with_age
from schemas.instants import Calendar
from tests.detectors.harness import Drive, drug, event, judge, visit

DAY_OF = Calendar().day


def window(*events: dict[str, Any]) -> list[Visit]:
    drive = Drive(judge())
    for made in events:
        drive.enter(made)
    return drive.person("P1").entries


def measured(*events: dict[str, Any]) -> dict[str, float]:
    return dict(zip(NAMES, measure(window(*events), DAY_OF), strict=True))


def diagnosed(code: str, **fields: Any) -> dict[str, Any]:
    return {"diagnoses": [{"diag_code": code, "maindiag_flag": "1"}], **fields}


def test_visits_are_counted_by_window_and_once_each() -> None:
    found = measured(
        visit(1, "1d 09:00"),
        visit(2, "40d 09:00"),
        visit(3, "60d 09:00"),
        visit(4, "60d 10:00", mdtrt_id="M3"),
        visit(5, "64d 09:00"),
    )
    assert (found["otp_cnt_7d"], found["otp_cnt"], found["otp_cnt_90d"]) == (2, 3, 4)
    # one visit in the 60 days before the last 30 is half a visit per 30 days
    assert found["otp_rise"] == 2.5


def test_days_and_places() -> None:
    found = measured(
        visit(1, "1d 09:00", fixmedins_code="A"),
        event(2, "1d 10:00", fixmedins_code="B"),
        visit(3, "1d 23:00", fixmedins_code="C"),
        visit(4, "2d 00:30", fixmedins_code="A"),
        event(5, "3d 10:00", fixmedins_code="D", med_type="21"),
        event(6, "4d 10:00", fixmedins_code="B"),
        visit(7, "4d 12:00", fixmedins_code="B"),
    )
    assert (found["fixmedins_cnt"], found["day_fixmedins_cnt"]) == (3, 3)  # the stay in hospital is left out
    assert (found["multi_fixmedins_days"], found["otp_phac_days"], found["phac_cnt"]) == (1, 2, 2)


def test_diagnoses_rhythm_and_money() -> None:
    found = measured(
        visit(1, "1d 09:00", **diagnosed("I10"), medfee_sumamt="80", fund_pay_sumamt="40", lines=[drug("X1", 1)]),
        visit(2, "2d 09:00", **diagnosed("J06"), medfee_sumamt="80.50", fund_pay_sumamt="40", lines=[drug("X3", 1)]),
        visit(3, "3d 09:00", **diagnosed("I10"), medfee_sumamt="39.50", fund_pay_sumamt="20", lines=[]),
        visit(4, "5d 09:00", **diagnosed("I10"), medfee_sumamt="100", fund_pay_sumamt="20", lines=[drug("X1", 1)]),
    )
    assert (found["diag_cnt"], found["dise_itrc_rate"]) == (2, 0.5)
    assert found["mdtrt_inrv_conc"] == pytest.approx(2 / 3)
    assert found["day_mdtrt_amt_sim"] == 0.5  # 80 and 80.50 are the same whole yuan
    assert found["drug_prop"] == pytest.approx(90 / 300)
    assert found["monitored_prop"] == pytest.approx(60 / 300)
    assert (found["fund_pay_prop"], found["fund_pay_amt"]) == (pytest.approx(0.4), 120)


def test_one_visit_without_any_detail() -> None:
    found = measured(visit(1, "1d 09:00", medfee_sumamt="0", fund_pay_sumamt="0", lines=[]))
    assert found == dict.fromkeys(NAMES, 0) | dict.fromkeys(
        ("otp_cnt_7d", "otp_cnt", "otp_cnt_90d", "otp_rise", "fixmedins_cnt", "day_fixmedins_cnt"), 1
    )


@given(st.lists(st.floats(0, 1e9), min_size=len(NAMES), max_size=len(NAMES)))
def test_scaled_features_keep_to_zero_and_one(values: list[float]) -> None:
    found = scaled(values)
    assert tuple(found) == NAMES
    assert all(0 <= value <= 1 for value in found.values())
    for name, value in zip(NAMES, values, strict=True):
        limit = FEATURES[name].limit
        assert unscaled(name, found[name]) == pytest.approx(min(value, limit), rel=1e-6, abs=1e-6)


@pytest.mark.parametrize(
    ("flags", "group"),
    [
        (with_age(0, 17), "ordinary/child"),
        (with_age(0, 18), "ordinary/adult"),
        (with_age(CHRONIC, 60), "chronic/senior"),
        (0, "ordinary/unknown"),
        (with_age(PHARMACY, 40), None),
        (with_age(INPATIENT, 40), None),
    ],
)
def test_groups_of_peers(flags: int, group: str | None) -> None:
    assert group_of(flags) == group
