"""Signs that must come together among the visits of a month or a quarter."""

from __future__ import annotations

from typing import Any

import pytest

from schemas.alert import Alert
from tests.detectors.golden import check
from tests.detectors.harness import Drive, drug, judge, visit

NAME = "repeated_pattern"
ILLNESSES = ("J06.9", "K29.5", "M54.5", "R51")


def visits(count: int, step: int = 3, illnesses: tuple[str, ...] = ILLNESSES, **fields: Any) -> list[dict[str, Any]]:
    """One every ``step`` days, the illnesses in turn, each with another bill."""
    return [
        visit(number, f"{number * step}d 10:00:00", **{
            "diagnoses": [{"diag_code": illnesses[number % len(illnesses)], "maindiag_flag": "1"}],
            "medfee_sumamt": f"{100 + 10 * number}.00", "fixmedins_code": "AB"[number % 2],
        } | fields)
        for number in range(count)
    ]  # fmt: skip


def found(events: list[dict[str, Any]]) -> list[Alert]:
    return Drive(judge()).run(events).of(NAME)


def signs(alert: Alert) -> dict[str, Any]:
    return {name: value for name, value in alert.features.items() if name.endswith("_risk_sco")}


def test_other_diseases_again_and_again_and_close_together() -> None:
    assert found(visits(5)) == []
    (alert,) = found(visits(6))
    assert (alert.light, alert.raised_at, len(alert.event_ids)) == ("yellow", "2025-03-16 10:00:00", 6)
    assert signs(alert) == {
        "dise_itrc_rate_risk_sco": 1.0, "mdtrt_inrv_risk_sco": 1.0, "day_mdtrt_amt_risk_sco": 0.0,
        "drug_prop_risk_sco": 0.0, "fund_pay_prop_risk_sco": 0.0,
    }  # fmt: skip
    assert {name: alert.features[name] for name in ("risk_sco", "limit", "otp_cnt", "diag_cnt", "fixmedins_cnt")} == {
        "risk_sco": 0.55, "limit": 0.55, "otp_cnt": 6, "diag_cnt": 4, "fixmedins_cnt": 2,
    }  # fmt: skip


@pytest.mark.parametrize(
    "events",
    [visits(6, illnesses=("I10",)), visits(6, step=5), visits(6, illnesses=("I10.x", "I10.1"))],
    ids=["one disease", "far apart", "kinds of one disease"],
)
def test_one_sign_is_not_enough(events: list[dict[str, Any]]) -> None:
    assert found(events) == []


def test_the_same_bill_every_time_needs_a_third_sign() -> None:
    same = visits(6, illnesses=("I10",), medfee_sumamt="100.00")
    assert found(same) == []
    (alert,) = found([made | {"lines": [drug("X3", 3, yuan="60.00")]} for made in same])
    assert (alert.features["day_mdtrt_amt_risk_sco"], alert.features["drug_prop_risk_sco"]) == (1.0, 1.0)
    (alert,) = found([made | {"fund_pay_sumamt": "90.00"} for made in same])
    assert (alert.features["fund_pay_prop_risk_sco"], alert.features["risk_sco"]) == (1.0, 0.6)


def test_twelve_in_a_quarter() -> None:
    events = [
        *visits(4),
        *(
            made | {"setl_time": made["setl_time"].replace("2025-03", "2025-04"), **renamed(made, 50)}
            for made in visits(4)
        ),
    ]
    events += [
        made | {"setl_time": made["setl_time"].replace("2025-03", "2025-05"), **renamed(made, 90)} for made in visits(4)
    ]
    (alert,) = found(events)
    assert (alert.features["otp_cnt"], alert.features["window_seconds"]) == (12, 90 * 86_400)
    assert found(events[:-1]) == []


def renamed(made: dict[str, Any], more: int) -> dict[str, str]:
    return {name: f"{made[name]}-{more}" for name in ("event_id", "setl_id", "mdtrt_id")}


def test_two_settlements_of_one_visit_are_one() -> None:
    twice = [made | {"mdtrt_id": f"M{number // 2}"} for number, made in enumerate(visits(10))]
    assert found(twice) == []


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"long_rx_flag": "1"}, "long_prescription"),
        ({"med_type": "140201"}, "treatment_series"),
        ({"psn_type": "1401"}, "newborn"),
        ({"lines": [], "fixmedins_code": "A"}, "treatment_series"),
        (
            {
                "diagnoses": [{"diag_code": "C50.9", "maindiag_flag": "1"}],
                "medfee_sumamt": "50.00",
                "fund_pay_sumamt": "50.00",
            },
            "oncology",
        ),
    ],
)
def test_known_reasons_mute_but_do_not_hide(fields: dict[str, Any], reason: str) -> None:
    (alert,) = found(visits(8, **fields))
    assert (alert.light, alert.features["muted_by"]) == ("green", reason)


def test_pharmacy_purchases_are_no_visits() -> None:
    assert found(visits(9, med_type="41")) == []


def test_explanations() -> None:
    check(NAME, {"a month": visits(6), "long prescription": visits(6, long_rx_flag="1")})
