"""Drugs settled while in hospital."""

from __future__ import annotations

from typing import Any

import pytest

from schemas.alert import Alert
from tests.detectors import golden
from tests.detectors.harness import Drive, drug, event, judge, reversal


def bought(number: int, at: str, **fields: Any) -> dict[str, Any]:
    return event(number, at, **({"lines": [drug()]} | fields))


def stay(at: str = "11d 10:00:00", began: str | None = "2025-03-02", **fields: Any) -> dict[str, Any]:
    """From 2 March until settled, on 12 March by default."""
    return event(99, at, med_type="21", begndate=began, fixmedins_code="H", **fields)


def found(events: list[dict[str, Any]]) -> list[Alert]:
    return Drive(judge(), batch=100).run(events).of("stay_overlap")


@pytest.mark.parametrize(
    ("at", "light"),
    [
        # 2 March: the day of admission
        ("1d 23:59:59", None),
        ("2d 00:00:00", "red"),
        ("6d 04:59:59", "red"),
        # nearer to the settling than to the admission: the stay may have ended before it was settled
        ("6d 05:00:00", "yellow"),
        ("10d 23:59:59", "yellow"),
        # 12 March: the day of settling
        ("11d 00:00:00", None),
        ("11d 11:00:00", None),
    ],
)
def test_days_of_the_stay(at: str, light: str | None) -> None:
    assert [alert.light for alert in found([bought(1, at), stay()])] == ([] if light is None else [light])


def test_the_purchases_are_the_evidence_and_the_stay_is_named() -> None:
    (alert,) = found([bought(1, "3d 10:00:00"), bought(2, "4d 10:00:00", fixmedins_code="B"), stay()])
    assert alert.event_ids == ["E00001", "E00002"]
    assert alert.features["stay_setl_id"] == "S99"
    assert alert.raised_at == "2025-03-12 10:00:00"
    assert str(alert.amount) == "141.00"


def test_a_purchase_that_arrives_after_the_stay() -> None:
    (alert,) = Drive(judge()).run([stay(), bought(1, "3d 10:00:00")]).of("stay_overlap")
    assert alert.light == "red"


@pytest.mark.parametrize(
    "events",
    [
        [bought(1, "3d 10:00:00"), stay(began=None)],
        [bought(1, "3d 10:00:00"), stay(began="2025-03-20")],
        [bought(1, "3d 10:00:00", lines=[]), stay()],
        [bought(1, "3d 10:00:00", med_type="21"), stay()],
    ],
)
def test_nothing_to_find(events: list[dict[str, Any]]) -> None:
    assert found(events) == []


def test_taken_back() -> None:
    purchase, paid = bought(1, "3d 10:00:00"), stay()
    assert found([purchase, reversal(1, "5d 10:00:00", purchase), paid]) == []
    assert len(found([purchase, paid, reversal(1, "12d 10:00:00", purchase)])) == 1


@pytest.mark.parametrize(
    ("fields", "muted_by"),
    [
        ({"agnter_rlts": "1"}, "collector"),
        ({"long_rx_flag": "1"}, "long_prescription"),
        ({"fixmedins_code": "H", "med_type": "11"}, "same_institution"),
        ({"agnter_rlts": "9"}, None),
    ],
)
def test_exceptions(fields: dict[str, Any], muted_by: str | None) -> None:
    (alert,) = found([bought(1, "3d 10:00:00", **fields), stay()])
    assert (alert.light, alert.features.get("muted_by")) == ("green" if muted_by else "red", muted_by)
    (alert,) = found([bought(1, "3d 10:00:00", **fields), bought(2, "4d 10:00:00"), stay()])
    assert alert.light == "red"


def test_explanations() -> None:
    golden.check(
        "stay_overlap",
        {
            "certain": [bought(1, "3d 10:00:00"), bought(2, "4d 10:00:00", fixmedins_code="B"), stay()],
            "late in the stay": [bought(1, "8d 10:00:00"), stay()],
            "family": [bought(1, "3d 10:00:00", agnter_rlts="1"), stay()],
        },
    )
