"""The year against the one before and the hospitals among their peers, worked out by hand for a few documents."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from clickhouse_connect.driver.client import Client

from clickhouse.panels import run_panel
from clickhouse.sink import Sink
from schemas.audit import Finding, Record
from schemas.settlement import Settlement
from tests.fixtures_clickhouse import alert, settlement

pytestmark = pytest.mark.embedded
_NUMBERS: Iterator[int] = iter(range(1, 10_000))


def document(at: str, fee: str = "100.00", institution: str = "H1", kind: str = "11", **fields: Any) -> Settlement:
    return settlement(
        next(_NUMBERS), setl_time=f"{at} 09:30:00", medfee_sumamt=fee, fund_pay_sumamt=fee, fixmedins_code=institution, med_type=kind,
        **fields,
    )  # fmt: skip


def month(store: Client, at: date, institution: str = "") -> dict[str, Any]:
    [row] = [row for row in run_panel(store, "trend", institution=institution)["months"] if row["month"] == at]
    return row


def stored(store: Client, *settlements: Settlement, **more: Any) -> Sink:
    sink = Sink(store)
    sink.store(settlements=settlements, **more)
    sink.refresh()
    return sink


@pytest.mark.parametrize("institution", ["", "H1"])
def test_the_running_month_is_set_against_the_same_days_of_last_year(store: Client, institution: str) -> None:
    stored(
        store,
        document("2025-03-10", "30.00"),
        document("2025-03-02", "20.00"),
        document("2024-03-10", "7.00"),
        document("2024-03-11", "1000.00"),
        document("2025-02-28", "5.00"),
        document("2024-02-29", "4.00"),
        document("2023-03-31", "900.00"),
    )
    march = month(store, date(2025, 3, 1), institution)
    assert (march["settlements"], march["settlements_before"]) == (2, 1)
    assert (march["fund"], march["fund_before"]) == (Decimal("50.00"), Decimal("7.00"))
    february = month(store, date(2025, 2, 1), institution)
    assert (february["fund"], february["fund_before"]) == (Decimal("5.00"), Decimal("4.00"))
    assert (march["year_fund"], march["year_fund_growth"]) == (Decimal("55.00"), 400.0)


def test_violations_are_red_and_yellow_and_shared_money_is_not_an_offices(store: Client) -> None:
    found = [
        alert(1, light="red", amount=Decimal("10.00"), institutions=["H1"]),
        alert(2, light="red", amount=Decimal("90.00"), institutions=["H1", "H2"]),
        alert(3, light="yellow", institutions=["H1"]),
        alert(4, light="green", institutions=["H1"]),
        alert(5, light="yellow", institutions=["H2"], raised_at="2024-03-10 09:30:00"),
        alert(6, light="red", institutions=["H2"], raised_at="2024-03-12 09:30:00"),
        alert(7, light="red", institutions=["H1"], shadow=True),
    ]
    stored(store, document("2025-03-10"), alerts=found)
    march = month(store, date(2025, 3, 1))
    assert (march["findings"], march["violations"], march["red"], march["violations_before"]) == (4, 3, 2, 1)
    assert march["red_fund"] == Decimal("100.00")
    own = month(store, date(2025, 3, 1), "H1")
    assert (own["violations"], own["violations_before"], own["red_fund"]) == (3, 0, Decimal("10.00"))


def test_what_was_changed_after_a_warning_is_saved(store: Client) -> None:
    sink = stored(store, document("2025-03-10"), document("2025-03-10", institution="H2"))
    at = int(datetime(2025, 3, 9, 1, 30, tzinfo=UTC).timestamp() * 1000)

    def finding(amount: str) -> Finding:
        return Finding(
            rule_id="r", rule_version=1, title="频繁就诊", subject_type="person", light="yellow", severity="2", score=0.5,
            explanation="", basis="", evidence="", amount=Decimal(amount),
        )  # fmt: skip

    def record(number: int, **fields: Any) -> Record:
        values: dict[str, Any] = {
            "audit_id": f"A{number}", "msgid": f"H1-{number}", "infno": "3101", "client": "his-1", "institution_id": "H1",
            "person_ids": ["P1"], "asked_at": at, "took_ms": 1.0, "infcode": 0, "request": "{}", "answer": "{}", "digest": "d",
        }  # fmt: skip
        return Record(**(values | fields))

    sink.store_audits([
        record(1, findings=[("J1", finding("80.00"))]),
        record(2, findings=[("J2", finding("20.00"))], asked_at=at + 3_600_000),
        record(3, findings=[("J3", finding("60.00"))], asked_at=at + 3_600_000),
        record(4, infno="3103", asked_at=at + 7_200_000, feedback=[
            ("J1", "1", ""), ("J2", "2", ""),
        ]),
    ])  # fmt: skip
    sink.refresh()
    assert (month(store, date(2025, 3, 1))["returned"], month(store, date(2025, 3, 1))["saved"]) == (
        1,
        Decimal("40.00"),
    )
    sink.store_audits([record(5, infno="3103", asked_at=at + 8_000_000, feedback=[("J3", "2", "")])])
    sink.refresh()
    assert month(store, date(2025, 3, 1), "H1")["saved"] == Decimal("80.00")
    assert month(store, date(2025, 3, 1), "H2")["saved"] == 0


def test_average_fees_grow_against_both_periods_and_care_stands_apart(store: Client) -> None:
    stored(
        store,
        document("2025-03-10", "110.00"),
        document("2025-03-09", "130.00"),
        document("2025-02-01", "100.00"),
        document("2024-03-01", "80.00"),
        document("2024-03-20", "9999.00"),
        document("2025-03-10", "6000.00", kind="21", begndate="2025-03-01", enddate="2025-03-09"),
        document("2025-03-10", "50.00", "P1", "41"),
    )
    [first] = run_panel(store, "hospitals")["ranking"]
    assert (first["fixmedins_code"], first["outpatients"], first["inpatients"], first["stay_days"]) == ("H1", 2, 1, 8.0)
    assert (first["outpatient_average"], first["outpatient_growth"], first["outpatient_growth_year"]) == (
        120.0,
        20.0,
        50.0,
    )
    assert (first["inpatient_average"], first["inpatient_growth"]) == (6000.0, None)
    outpatient, inpatient = run_panel(store, "hospitals")["care"]
    assert [outpatient["care"], outpatient["settlements"], outpatient["average_fee"]] == ["门诊", 2, 120.0]
    assert (outpatient["settlements_growth"], outpatient["average_growth"], outpatient["average_growth_year"]) == (
        100.0,
        20.0,
        50.0,
    )
    assert (inpatient["care"], inpatient["inpatient_days"], inpatient["persons"], outpatient["persons"]) == (
        "住院",
        8,
        1,
        2,
    )
    assert run_panel(store, "hospitals", institution="H1")["care"] == [outpatient, inpatient]
    assert run_panel(store, "hospitals", institution="P1") == {"ranking": [], "care": []}


def test_peers_are_hospitals_of_the_same_level(store: Client) -> None:
    store.command(
        "INSERT INTO institutions (fixmedins_code, fixmedins_name, fixmedins_type, hosp_lv) VALUES "
        "('H1', '一院', '1', '03'), ('H2', '二院', '1', '03'), ('H3', '三院', '1', '03'), ('H4', '四院', '1', '01')"
    )
    fees = {"H1": "100.00", "H2": "150.00", "H3": "200.00", "H4": "900.00"}
    stored(store, *(document("2025-03-10", fee, code) for code, fee in fees.items()))
    ranked = run_panel(store, "hospitals")["ranking"]
    assert {row["fixmedins_name"]: row["outpatient_over_peers"] for row in ranked} == {
        "一院": -33.3, "二院": 0.0, "三院": 33.3, "四院": None,
    }  # fmt: skip
    [own] = run_panel(store, "hospitals", institution="H3")["ranking"]
    assert own["outpatient_over_peers"] is None
