"""Findings read back: taken-back evidence, withdrawn alerts, and the day's figures against the raw tables."""

from __future__ import annotations

from decimal import Decimal

import pytest
from clickhouse_connect.driver.client import Client

from clickhouse.findings import Filter, evidence, find, list_findings
from clickhouse.panels import run_panel
from clickhouse.sink import Sink
from tests.fixtures_clickhouse import alert, settlement

pytestmark = pytest.mark.embedded


def test_evidence_is_oldest_first_and_says_what_was_taken_back(store: Client) -> None:
    first = settlement(1, setl_time="2025-03-10 08:00:00")
    second = settlement(2, setl_time="2025-03-10 09:00:00")
    taken_back = settlement(3, event_type="REVERSE", orig_setl_id="S000001", setl_time="2025-03-10 10:00:00")
    Sink(store).store(settlements=[second, first, taken_back, first])
    rows = evidence(store, ["E000002", "E000001"])
    assert [(row["event_id"], row["reversed"]) for row in rows] == [("E000001", 1), ("E000002", 0)]
    assert rows[0]["setl_time"] == "2025-03-10 08:00:00"
    assert rows[0]["fund_pay_sumamt"] == Decimal("70.05")
    assert evidence(store, ["E000001"], institution_id="P2") == []
    assert evidence(store, []) == []


def test_a_withdrawn_alert_is_not_found(store: Client) -> None:
    standing, gone = alert(1), alert(2)
    Sink(store).store(alerts=[standing, gone, alert(2, revision=2, withdrawn=True, light="green")])
    assert find(store, gone.alert_id) is None
    assert [row["alert_id"] for row in list_findings(store, Filter(), limit=10)] == [standing.alert_id]


def test_the_latest_revision_is_the_one_that_is_told(store: Client) -> None:
    Sink(store).store(alerts=[alert(1), alert(1, revision=2, light="red")])
    found = find(store, alert(1).alert_id)
    assert found is not None
    assert (found["revision"], found["light"]) == (2, "red")


def test_alerts_of_one_second_are_paged_without_loss(store: Client) -> None:
    Sink(store).store(alerts=[alert(number) for number in range(1, 12)])
    seen: list[str] = []
    after = None
    while rows := list_findings(store, Filter(), limit=3, after=after):
        seen += [row["alert_id"] for row in rows]
        after = (rows[-1]["raised_at"], rows[-1]["alert_id"])
    assert len(seen) == len(set(seen)) == 11


def test_an_institution_is_told_its_own_part_only(store: Client) -> None:
    Sink(store).store(
        settlements=[settlement(1), settlement(2, fixmedins_code="H2", fund_pay_sumamt="5.00")],
        alerts=[
            alert(
                1,
                event_ids=["E000001", "E000002"],
                institutions=["H2", "P1"],
                persons=["320600000000001", "320600000000002"],
            )
        ],
    )
    found = find(store, alert(1).alert_id, institution_id="H2")
    assert found is not None
    assert found["event_ids"] == ["E000002"]
    assert found["institutions"] == ["H2"]
    assert found["persons"] == ["3206000000000002"]
    assert found["amount"] == Decimal("5.00")
    assert found["features"] == {}
    assert "P1" not in found["explanation"]
    assert find(store, alert(1).alert_id, institution_id="H3") is None


def test_the_figures_are_the_raw_numbers(store: Client) -> None:
    sink = Sink(store)
    sink.store(
        settlements=[
            settlement(1, setl_time="2025-03-09 09:00:00"),
            settlement(2, setl_time="2025-03-09 23:00:00"),
            settlement(3, setl_time="2025-03-10 09:10:00"),
            settlement(4, setl_time="2025-03-10 10:20:00"),
            settlement(4, setl_time="2025-03-10 10:20:00"),
            settlement(5, event_type="REVERSE", orig_setl_id="S000003", setl_time="2025-03-10 10:30:00"),
        ],
        alerts=[
            alert(1, light="red"),
            alert(2),
            alert(3),
            alert(4, shadow=True),
            alert(5, raised_at="2024-12-01 09:00:00"),
        ],
    )
    sink.refresh()
    row = run_panel(store, "feed")["figures"][0]
    assert (row["settlements"], row["reversals"], row["fund"]) == (2, 1, Decimal("70.05"))
    assert (row["settlements_before"], row["fund_before"]) == (1, Decimal("70.05"))
    assert (row["red"], row["yellow"], row["green"]) == (1, 2, 0)
    assert row["stored_at"] is not None
    elsewhere = run_panel(store, "feed", institution="H9")["figures"][0]
    assert (elsewhere["settlements"], elsewhere["red"], elsewhere["stored_at"]) == (0, 0, None)


def test_an_empty_store_has_no_figures_yet_and_no_error(store: Client) -> None:
    row = run_panel(store, "feed")["figures"][0]
    assert (row["settlements"], row["stored_at"]) == (0, None)
