"""Money for monitored drugs."""

from __future__ import annotations

from typing import Any

import pytest

from schemas.alert import Alert
from tests.detectors import golden
from tests.detectors.harness import Drive, drug, event, judge, reversal


def bought(number: int, at: str, yuan: str, item: str = "X1", **fields: Any) -> dict[str, Any]:
    return event(number, at, **({"lines": [drug(item, 1, yuan=yuan)], "medfee_sumamt": yuan} | fields))


def found(events: list[dict[str, Any]]) -> list[Alert]:
    return Drive(judge(), batch=100).run(events).of("resale_money")


@pytest.mark.parametrize(
    ("purchases", "yuan"),
    [
        ([("0d 10:00:00", "12000.00"), ("5d 10:00:00", "8000.00")], 20_000.0),
        ([("0d 10:00:00", "12000.00"), ("5d 10:00:00", "7999.99")], None),
        # thirty days to the second
        ([("0d 10:00:00", "12000.00"), ("30d 09:59:59", "8000.00")], 20_000.0),
        ([("0d 10:00:00", "12000.00"), ("30d 10:00:00", "8000.00")], None),
    ],
)
def test_limit(purchases: list[tuple[str, str]], yuan: float | None) -> None:
    alerts = found([bought(number, at, fee) for number, (at, fee) in enumerate(purchases)])
    assert [alert.features["watched_yuan"] for alert in alerts] == ([] if yuan is None else [yuan])


def test_only_monitored_drugs_outside_hospital_count() -> None:
    assert found([bought(1, "0d 10:00:00", "90000.00", "X3")]) == []
    assert found([bought(1, "0d 10:00:00", "90000.00", med_type="21")]) == []
    mixed = [drug("X1", 1, yuan="25000.00"), drug("X3", 1, yuan="50000.00")]
    (alert,) = found([bought(1, "0d 10:00:00", "100000.00", lines=mixed)])
    assert (alert.features["watched_yuan"], alert.features["share"]) == (25_000.0, 0.25)


def test_what_others_collect_has_a_lower_limit() -> None:
    agent = {"agnter_certno": "AG", "agnter_rlts": "9"}
    events = [bought(number, f"{number}d 10:00:00", "2500.00", **agent) for number in range(2)]
    (alert,) = found(events)
    assert (alert.features["limit_yuan"], alert.features["by_agent"]) == (5_000, 1)
    assert found([made | {"agnter_rlts": "1"} for made in events]) == []
    assert found([made | {"agnter_certno": None} for made in events]) == []


def test_taken_back() -> None:
    events = [bought(number, f"{number}d 10:00:00", "10000.00") for number in range(2)]
    assert found([events[0], reversal(1, "0d 11:00:00", events[0]), events[1]]) == []


@pytest.mark.parametrize(
    ("fields", "muted_by"),
    [
        ({"diagnoses": [{"diag_code": "C34.1", "maindiag_flag": "1"}]}, "oncology"),
        ({"long_rx_flag": "1"}, "long_prescription"),
    ],
)
def test_exceptions(fields: dict[str, Any], muted_by: str) -> None:
    (alert,) = found([bought(1, "0d 10:00:00", "30000.00", **fields)])
    assert (alert.light, alert.features["muted_by"]) == ("green", muted_by)
    (alert,) = found([bought(1, "0d 10:00:00", "30000.00", **fields), bought(2, "1d 10:00:00", "20000.00")])
    assert alert.light == "yellow"


def test_explanations() -> None:
    golden.check(
        "resale_money",
        {
            "alone": [
                bought(number, f"{number}d 10:00:00", "11575.20", fixmedins_code="AB"[number]) for number in range(2)
            ],
            "by an agent": [bought(1, "0d 10:00:00", "6000.00", agnter_certno="AG", agnter_rlts="9")],
            "oncology": [
                bought(1, "0d 10:00:00", "30000.00", diagnoses=[{"diag_code": "C34.1", "maindiag_flag": "1"}])
            ],
        },
    )
