"""What a settlement becomes in its person's ledger."""

from __future__ import annotations

from typing import Any

import pytest

from detectors.person import Reader, Visit
from schemas.fact import AWAY, NEWBORN, ONCOLOGY, age_of, with_age
from schemas.instants import Calendar
from tests.detectors.harness import decode, drug, event, reference, visit

CALENDAR = Calendar()


def read(wire: dict[str, Any]) -> Visit:
    settlement = decode(wire)
    reader = Reader(reference(), ["institution"], CALENDAR)
    return reader.visit(settlement, CALENDAR.instant(settlement.settled_at))


@pytest.mark.parametrize(
    ("born", "age"),
    [
        ("1961-04-15", 63),
        ("1960-03-01", 65),
        ("2025-03-01", 0),
        ("2025-03-02", 0),
        ("2024-03-01 00:00:00", 1),
        ("1860-01-01", 126),
        ("19610415", 63),
        ("unknown", None),
        ("1961-13-45", None),
        (None, None),
    ],
)
def test_age_at_settlement(born: str | None, age: int | None) -> None:
    assert age_of(read(event(1, "0d 10:00:00", brdy=born)).flags) == age


@pytest.mark.parametrize("years", [None, 0, 1, 64, 126])
def test_the_age_leaves_the_flags_alone(years: int | None) -> None:
    assert with_age(NEWBORN | AWAY, years) & 0xFFFF == NEWBORN | AWAY
    assert age_of(with_age(NEWBORN | AWAY, years)) == years


@pytest.mark.parametrize(
    ("fields", "flag", "held"),
    [
        ({"brdy": "2025-02-01"}, NEWBORN, True),
        ({"brdy": "2025-01-31"}, NEWBORN, False),
        ({"brdy": "2025-03-02"}, NEWBORN, False),
        ({"brdy": "2020-01-01", "psn_type": "1401"}, NEWBORN, True),
        ({"brdy": "2020-01-01", "psn_type": 1401}, NEWBORN, True),
        ({"insuplc_admdvs": "320600", "mdtrtarea_admvs": "320621"}, AWAY, False),
        ({"insuplc_admdvs": "320600", "mdtrtarea_admvs": "320100"}, AWAY, True),
        ({"insuplc_admdvs": 320600, "mdtrtarea_admvs": "320100"}, AWAY, True),
        ({"insuplc_admdvs": "320600"}, AWAY, False),
        ({"diagnoses": [{"diag_code": "C34.9", "maindiag_flag": "1"}]}, ONCOLOGY, True),
        ({"diagnoses": [{"diag_code": "I10", "maindiag_flag": "1"}, {"diag_code": "Z51.1"}]}, ONCOLOGY, True),
        ({"diagnoses": [{"diag_code": "D25.9"}]}, ONCOLOGY, False),
        ({"diagnoses": [{"diag_name": "?"}]}, ONCOLOGY, False),
    ],
)
def test_flags(fields: dict[str, Any], flag: int, held: bool) -> None:
    assert bool(read(event(1, "0d 10:00:00", **fields)).flags & flag) is held


@pytest.mark.parametrize(
    ("diagnoses", "main"),
    [
        ([{"diag_code": "I10", "maindiag_flag": "0"}, {"diag_code": "E11.9", "maindiag_flag": "1"}], "E11.9"),
        ([{"diag_code": "I10"}, {"diag_code": "E11.9"}], "I10"),
        ([{"diag_name": "?"}, {"diag_code": "E11.9"}], "E11.9"),
        ([], ""),
        (None, ""),
    ],
)
def test_the_main_diagnosis(diagnoses: list[dict[str, str]] | None, main: str) -> None:
    assert read(event(1, "0d 10:00:00", diagnoses=diagnoses)).diagnosis == main


def test_money_in_fen() -> None:
    service = {"med_list_codg": "0011", "list_type": "201", "det_item_fee_sumamt": "9.99"}
    bill = read(visit(1, "0d 10:00:00", lines=[drug("X1", 5, yuan="20.01"), drug("X3", 5, yuan="7.00"), service]))
    assert (bill.fee, bill.fund, bill.drug_fee, bill.watched_fee) == (10_000, 7_050, 2_701, 2_001)


def test_a_stay_knows_its_first_day() -> None:
    stay = read(event(1, "9d 10:00:00", med_type="21", begndate="2025-03-04"))
    assert CALENDAR.text(stay.began) == "2025-03-04 00:00:00"
    assert read(event(1, "9d 10:00:00", med_type="21", begndate="soon")).began == 0
    assert read(event(1, "9d 10:00:00", med_type="11", begndate="2025-03-04")).began == 0
