"""What hospitals asked, read back: once however often it was delivered, beside what they answered, counted by day and doctor."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from clickhouse_connect.driver.client import Client

from clickhouse.audits import count_answers, find_audit, find_finding
from clickhouse.client import connect
from clickhouse.migrate import FOLDER, migrate
from clickhouse.panels import run_panel
from clickhouse.settings import StoreSettings
from clickhouse.sink import Sink
from schemas.audit import Finding, Record
from tests.fixtures_clickhouse import alert, settlement

pytestmark = pytest.mark.embedded
AT = int(datetime(2025, 3, 10, 1, 30, 0, 250_000, tzinfo=UTC).timestamp() * 1000)
DAY = 86_400_000


def finding(number: int = 1, **fields: Any) -> Finding:
    values: dict[str, Any] = {
        "rule_id": f"rule.{number}", "rule_version": 2, "title": "频繁就诊", "subject_type": "person", "light": "yellow",
        "severity": "2", "score": 0.5, "explanation": "7 天内就诊 9 次，上限 7 次", "basis": "", "evidence": "", "order_ids": ["R1"],
        "amount": Decimal("12.30"),
    }  # fmt: skip
    return Finding(**(values | fields))


def record(number: int = 1, **fields: Any) -> Record:
    values: dict[str, Any] = {
        "audit_id": f"A{number}", "msgid": f"H1-{number}", "infno": "3101", "client": "his-1", "institution_id": "H1",
        "department_id": "A03", "doctor_id": "D1", "scene": "2", "person_ids": ["P1"], "asked_at": AT, "took_ms": 12.5, "infcode": 0,
        "request": '{"input": 1}', "answer": '{"result": []}', "digest": "d",
    }  # fmt: skip
    return Record(**(values | fields))


def rows(store: Client, query: str) -> list[dict[str, Any]]:
    return list(store.query(query).named_results())


def test_a_message_comes_back_whole_and_only_once(store: Client) -> None:
    sink = Sink(store)
    asked = record(
        person_ids=["P1", "P2"],
        findings=[
            ("J1", finding(1)),
            ("J2", finding(2, light="red", severity="1", person_id="P2")),
            ("J3", finding(3, light="green", severity="3")),
        ],
    )
    sink.store_audits([asked])
    sink.store_audits([asked, asked])
    [row] = rows(store, "SELECT * EXCEPT (ingested_at), toString(asked_at) AS local FROM audits")
    assert row["local"] == "2025-03-10 09:30:00.250"
    assert (row["psn_no"], row["psn_nos"], row["light"], row["sev_deg"]) == ("P1", ["P1", "P2"], "red", "1")
    assert (row["rule_ids"], row["findings"], row["face"], row["trig_scen"]) == (["rule.1", "rule.2"], 2, "json", "2")
    assert sorted((told["jr_id"], told["psn_no"], told["light"]) for told in rows(store, "SELECT * FROM audit_findings")) == [
        ("J1", "P1", "yellow"),
        ("J2", "P2", "red"),
        ("J3", "P1", "green"),
    ]  # fmt: skip
    found = find_audit(store, "H1-1")
    assert found is not None
    assert (found["request"], found["answer"], found["undecided"]) == ({"input": 1}, {"result": []}, False)
    assert found["asked_at"] == "2025-03-10 09:30:00.250"
    assert find_audit(store, "H1-1", institution_id="H2") is None
    assert find_audit(store, "H1-2") is None


def test_a_finding_is_told_with_its_answer_and_the_last_answer_counts(store: Client) -> None:
    sink = Sink(store)
    sink.store_audits([record(1, findings=[("J1", finding(1))])])
    open_still = find_finding(store, "J1")
    assert open_still is not None
    assert (open_still["dspo_way"], open_still["answered_at"], open_still["vola_amt"]) == ("", None, Decimal("12.30"))
    answer = record(2, infno="3103", asked_at=AT + 5_000, feedback=[("J1", "1", "病情需要")])
    sink.store_audits([answer])
    sink.store_audits([record(3, infno="3103", asked_at=AT + 9_000, feedback=[("J1", "2", "")]), answer])
    found = find_finding(store, "J1", institution_id="H1")
    assert found is not None
    assert (found["dspo_way"], found["answered_at"]) == ("2", "2025-03-10 09:30:09.250")
    assert find_finding(store, "J1", institution_id="H2") is None
    assert find_finding(store, "J2") is None
    assert rows(store, "SELECT warn_rslt_id, dspo_way FROM audit_feedback") == [{"warn_rslt_id": "J1", "dspo_way": "2"}]


def test_another_institution_answers_for_nobody(store: Client) -> None:
    Sink(store).store_audits(
        [
            record(1, findings=[("J1", finding(1))]),
            record(2, infno="3103", institution_id="H2", feedback=[("J1", "1", "x")]),
        ]
    )
    found = find_finding(store, "J1")
    assert found is not None
    assert found["dspo_way"] == ""
    assert count_answers(store)[0]["unanswered"] == 1


def test_answers_are_counted_by_day_and_doctor(store: Client) -> None:
    Sink(store).store_audits(
        [
            record(1, findings=[("J1", finding(1)), ("J2", finding(2)), ("J3", finding(3, light="green"))]),
            record(2, asked_at=AT + DAY, doctor_id="D2", findings=[("J4", finding(1)), ("J5", finding(1))]),
            record(3, infno="3103", asked_at=AT + DAY, feedback=[("J1", "1", "复诊"), ("J4", "2", "")]),
        ]
    )
    assert count_answers(store) == [
        {"findings": 4, "continued": 1, "returned": 1, "unanswered": 2, "explained": 1},
    ]
    assert [(row["doctor_id"], row["findings"], row["continued"], row["returned"]) for row in count_answers(store, ["doctor_id"])] == [
        ("D1", 2, 1, 0),
        ("D2", 2, 0, 1),
    ]  # fmt: skip
    [first] = count_answers(store, ["day", "rule_id"], until="2025-03-11", institution_id="H1")[:1]
    assert (first["day"], first["rule_id"], first["continued"]) == ("2025-03-10", "rule.1", 1)
    assert count_answers(store, ["day"], institution_id="H9") == []


def test_the_panel_tells_how_questions_ended_by_hour_transaction_and_rule(store: Client) -> None:
    sink = Sink(store)
    sink.store([settlement(1)], [alert(1, raised_at="2025-03-10 09:40:00")])
    shown = [("J1", finding(1)), ("J2", finding(2, light="red"))]
    sink.store_audits(
        [
            record(1, took_ms=5.0),
            record(2, undecided=True, took_ms=30.0),
            record(3, infno="3102", findings=shown, took_ms=15.0),
            record(4, findings=[("J3", finding(1))], took_ms=10.0, institution_id="H2"),
            record(5, findings=[("J4", finding(1, light="green"))], took_ms=10.0),
            record(6, infcode=-1, took_ms=900.0),
            record(7, infno="3103", feedback=[("J1", "1", "病情需要"), ("J2", "2", "")], took_ms=2.0),
            record(8, asked_at=AT - DAY),
        ]
    )
    sink.refresh()
    panel = run_panel(store, "audits")
    [totals] = panel["totals"]
    assert (totals["asked"], totals["asked_before"], totals["answers"], totals["refused"]) == (5, 1, 1, 1)
    shares = [totals[f"{name}_percent"] for name in ("passed", "warned", "changed", "undecided")]
    assert shares == [40, 20, 20, 20]
    assert totals["documents"] == 1
    assert totals["median_ms"] == pytest.approx(10, rel=0.02)
    assert len(panel["hourly"]) == 24
    [hour] = [row for row in panel["hourly"] if row["asked"]]
    assert hour["hour"].hour == 9
    names = ("before_care", "in_care", "answers", "passed", "warned", "changed", "undecided", "refused")
    assert [hour[name] for name in names] == [4, 1, 1, 2, 1, 1, 1, 1]
    kinds = {row["infno"]: row for row in panel["transactions"]}
    assert {name: row["asked"] for name, row in kinds.items()} == {"3101": 4, "3102": 1, "3103": 1}
    assert (kinds["3102"]["changed"], kinds["3101"]["changed"]) == (1, 0)
    assert kinds["3102"]["median_ms"] == pytest.approx(15, rel=0.02)
    rules = {row["detector"]: row for row in panel["rules"]}
    first, second = rules["rule.1"], rules["rule.2"]
    assert (first["shown"], first["yellow"], first["explained"], first["continued"], first["returned"]) == (
        2,
        2,
        1,
        1,
        0,
    )
    assert (second["red"], second["returned"], second["returned_percent"], second["amount"]) == (
        1,
        1,
        100,
        Decimal("12.30"),
    )
    assert (rules["frequent_visits.rolling_count"]["shown"], rules["frequent_visits.rolling_count"]["found"]) == (0, 1)


def test_an_office_is_told_of_its_own_audits(store: Client) -> None:
    sink = Sink(store)
    sink.store([settlement(1)])
    sink.store_audits([record(1), record(2, institution_id="H2", findings=[("J2", finding(2))], took_ms=400.0)])
    sink.refresh()
    panel = run_panel(store, "audits", institution="H1")
    [totals] = panel["totals"]
    assert (totals["asked"], totals["passed_percent"], totals["documents"]) == (1, 100, 0)
    assert totals["p99_ms"] == pytest.approx(12.5, rel=0.02)
    assert panel["rules"] == []
    assert [row["asked"] for row in panel["transactions"]] == [1, 0, 0]


def test_audits_from_before_the_columns_were_added_stay(store_settings: StoreSettings, tmp_path: Path) -> None:
    client = connect(store_settings)
    for path in sorted(FOLDER.glob("*.sql")):
        if path.name < "0007":
            shutil.copy(path, tmp_path)
    migrate(client, folder=tmp_path)
    client.command(
        "INSERT INTO audit_rows (audit_id, infno, asked_at, fixmedins_code, light) VALUES ('A0', '3102', now64(3), 'H1', 'red')"
    )
    assert "0007_audits.sql" in migrate(client)
    Sink(client).store_audits([record(1)])
    assert rows(client, "SELECT audit_id, msgid, findings, infcode FROM audits ORDER BY audit_id") == [
        {"audit_id": "A0", "msgid": "", "findings": 0, "infcode": 0},
        {"audit_id": "A1", "msgid": "H1-1", "findings": 0, "infcode": 0},
    ]
