"""Clinic and pharmacy within hours, several times, at changing places."""

from __future__ import annotations

from typing import Any

import pytest

from tests.detectors.golden import check
from tests.detectors.harness import Drive, drug, event, judge, reversal, visit

NAME = "clinic_and_pharmacy"


def pair(number: int, day: int, *, places: str = "", item: str = "X1", **purchase: Any) -> list[dict[str, Any]]:
    """A visit at ten with a drug handed out, the same drug bought at eleven; each at a place of its own unless told."""
    clinic, shop = places or (f"H{number}", f"S{number}")
    return [
        visit(10 * number, f"{day}d 10:00:00", fixmedins_code=clinic, lines=[drug(item, 7)]),
        event(10 * number + 1, f"{day}d 11:00:00", **{"fixmedins_code": shop, "lines": [drug(item, 7)]} | purchase),
    ]


def found(events: list[dict[str, Any]]) -> list[Any]:
    return Drive(judge()).run(events).of(NAME)


def test_one_pair_is_a_prescription_filled_two_at_four_places_are_a_match() -> None:
    assert found(pair(0, 0)) == []
    (alert,) = found([*pair(0, 0), *pair(1, 3)])
    assert (alert.light, alert.raised_at, len(alert.event_ids)) == ("yellow", "2025-03-04 11:00:00", 4)
    assert alert.features == {
        "otp_phac_pairs": 2, "limit": 2, "fixmedins_cnt": 4, "otp_phac_days": 2, "same_generics": 1,
        "watched_fee": 12_000, "window_seconds": 14 * 86_400, "gap_seconds": 12 * 3_600,
    }  # fmt: skip


def test_one_clinic_and_one_pharmacy_are_everyday_life_a_third_place_is_not() -> None:
    usual = [made for number in range(6) for made in pair(number, 2 * number, places="AB")]
    assert found(usual) == []
    assert found([*pair(0, 0, places="AB"), *pair(1, 2, places="AC")]) == []
    assert len(found([*pair(0, 0, places="AB"), *pair(1, 2, places="AC"), *pair(2, 4, places="AB")])) == 1


def test_without_drugs_handed_out_a_purchase_only_fills_the_prescription() -> None:
    events = [*pair(0, 0), *pair(1, 3)]
    assert found([made | ({"lines": []} if made["med_type"] == "11" else {}) for made in events]) == []


def test_only_watched_drugs_and_those_prescribed_count() -> None:
    assert len(found([*pair(0, 0, item="X3"), *pair(1, 3, item="X3")])) == 1
    assert len(found([*pair(0, 0, item="X3"), *pair(1, 3, item="X3", lines=[drug("X1", 7)])])) == 1
    assert found([*pair(0, 0), *pair(1, 3, lines=[drug("X3", 7)])]) == []


@pytest.mark.parametrize(("bought", "matches"), [("3d 22:00:00", 1), ("3d 22:00:01", 0), ("2d 22:00:00", 1)])
def test_the_gap_is_to_the_second_in_either_order(bought: str, matches: int) -> None:
    first, (clinic, _) = pair(0, 0), pair(1, 3)
    purchase = event(99, bought, fixmedins_code="S1", lines=[drug("X1", 7)])
    events = sorted([*first, clinic, purchase], key=lambda made: made["setl_time"])
    assert len(found(events)) == matches


def test_a_window_of_two_weeks() -> None:
    assert len(found([*pair(0, 0), *pair(1, 13)])) == 1
    assert found([*pair(0, 0), *pair(1, 15)]) == []


def test_two_receipts_of_one_trip_are_one_purchase() -> None:
    clinic, bought = pair(0, 0)
    again = bought | {"event_id": "again", "setl_id": "again"}
    second = visit(5, "0d 12:00:00", fixmedins_code="H5", lines=[drug("X1", 7)])
    assert found([clinic, bought, again, second]) == []


def test_a_purchase_taken_back_makes_no_pair() -> None:
    first, second = pair(0, 0), pair(1, 3)
    assert found([*first, reversal(1, "0d 12:00:00", first[1]), *second]) == []


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"long_rx_flag": "1"}, "long_prescription"),
        ({"diagnoses": [{"diag_code": "C34.1", "maindiag_flag": "1"}]}, "oncology"),
    ],
)
def test_known_reasons_mute_but_do_not_hide(fields: dict[str, Any], reason: str) -> None:
    (alert,) = found([made | fields for made in (*pair(0, 0), *pair(1, 3))])
    assert (alert.light, alert.features["muted_by"]) == ("green", reason)


def test_registered_chronic_care_mutes() -> None:
    events = [
        made | ({"med_type": "140201"} if made["med_type"] == "11" else {}) for made in (*pair(0, 0), *pair(1, 3))
    ]
    (alert,) = found(events)
    assert (alert.light, alert.features["muted_by"]) == ("green", "treatment_series")


def test_more_pairs_score_higher() -> None:
    scores = [
        found([made for number in range(count) for made in pair(number, number, item=f"N{number}")])[0].score
        for count in (2, 3, 5)
    ]
    assert scores == [0.5, 0.7, 0.82]


def test_explanations() -> None:
    # each pair has a drug of its own, so that no other rule joins in the score
    five = [made for number in range(5) for made in pair(number, number, item=f"N{number}")]
    two = [*pair(0, 0, item="N0"), *pair(1, 3, item="N1")]
    check(
        NAME,
        {
            "two pairs": two,
            "five pairs in five days": five,
            "long prescription": [made | {"long_rx_flag": "1"} for made in two],
        },
    )
