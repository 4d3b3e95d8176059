"""The panel aggregates equal what they stand on, whatever came twice, late or was taken back; and a number that does not is named."""

from __future__ import annotations

import shutil
import uuid
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import astuple
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any

import pytest
from clickhouse_connect.driver.client import Client

from clickhouse.aggregates import AGGREGATES
from clickhouse.client import connect
from clickhouse.migrate import FOLDER, migrate
from clickhouse.reconcile import panel_mismatches, reconcile, waiting_hours
from clickhouse.settings import StoreSettings
from clickhouse.sink import _ALERT_COLUMNS, _SETTLEMENT_COLUMNS, Sink, encode_alerts, encode_settlements
from schemas.settlement import Settlement
from tests.clickhouse.test_audits import AT, DAY, finding, record
from tests.fixtures_clickhouse import alert, settlement, wire_settlement

pytestmark = pytest.mark.embedded
HOUR = 3_600_000
_KINDS = ("01", "03", "04", "05", "06", "09", "10", "11", "14", "x")


def document(number: int, *, taken_back: bool = False) -> dict[str, Any]:
    """Document ``number`` of forty days in three months, or the one that takes it back two days later."""
    dice = Random(number)
    care = dice.choice(["11", "13", "140201", "21", "41"])
    day, hour = dice.randrange(40) + 2 * taken_back, dice.randrange(24)
    month, date = divmod(20 + day, 28)
    template = wire_settlement()["lines"][0]
    return wire_settlement(
        number + 10_000 * taken_back,
        event_type="REVERSE" if taken_back else "SETTLE",
        orig_setl_id=f"S{number:06d}" if taken_back else None,
        psn_no=f"3206{dice.randrange(60):012d}",
        med_type=care,
        setl_time=f"2025-{1 + month:02d}-{1 + date:02d} {hour:02d}:30:00",
        inf_time=None,
        begndate="2025-01-03",
        enddate=dice.choice(["2025-01-03", "2025-01-09", "2025-01-01", "", "soon"]),
        fixmedins_code=f"P{dice.randrange(4)}",
        mdtrtarea_admvs=f"32060{dice.randrange(1, 3)}",
        medfee_sumamt=f"{'-' * taken_back}{dice.randrange(1, 9999)}.10",
        fund_pay_sumamt=f"{'-' * taken_back}{dice.randrange(1, 999)}.05",
        hifp_pay=f"{'-' * taken_back}{dice.randrange(1, 99)}.05",
        diagnoses=[{"diag_code": f"E{dice.randrange(3)}", "diag_name": "", "maindiag_flag": "1", "diag_type": "1"}],
        lines=[
            template
            | {
                "med_chrgitm_type": dice.choice(_KINDS),
                "det_item_fee_sumamt": f"{dice.randrange(1, 999)}.07",
                "rxno": dice.choice(["", "R1", "R2"]),
            }
            for _ in range(dice.randrange(5))
        ],
    )


DOCUMENTS = [document(n) for n in range(300)] + [document(n, taken_back=True) for n in range(0, 300, 9)]


_MEASURES = (
    "settlements", "reversals", "fee", "fund", "hifp", "examination_fee", "treatment_fee", "drug_fee", "prescriptions",
    "inpatient_days",
)  # fmt: skip


def decoded(documents: list[dict[str, Any]]) -> list[Settlement]:
    return [settlement(1, **one) for one in documents]


def measures(documents: list[dict[str, Any]]) -> dict[str, Any]:
    """What supervisors count, counted from the wire form with other code than the store's."""
    sums: dict[str, Any] = defaultdict(Decimal)
    persons = set()
    for one in documents:
        sign = -1 if one["event_type"] == "REVERSE" else 1
        sums["settlements" if sign == 1 else "reversals"] += 1
        if sign == 1:
            persons.add(one["psn_no"])
        for name, column in (("fee", "medfee_sumamt"), ("fund", "fund_pay_sumamt"), ("hifp", "hifp_pay")):
            sums[name] += sign * abs(Decimal(one[column]))
        kinds = [(line["med_chrgitm_type"], Decimal(line["det_item_fee_sumamt"])) for line in one["lines"]]
        drugs = {"09", "10", "11"}
        for name, chosen in (("examination_fee", {"03", "04"}), ("treatment_fee", {"05", "06"}), ("drug_fee", drugs)):
            sums[name] += sign * sum(fee for kind, fee in kinds if kind in chosen)
        numbers = {line["rxno"] for line in one["lines"]} - {""}
        outpatient = one["med_type"][0] == "1" and any(kind in drugs for kind, _ in kinds)
        sums["prescriptions"] += sign * max(len(numbers), int(outpatient))
        if one["med_type"] == "21":
            stay = {"2025-01-09": 6}.get(one["enddate"], 1)
            sums["inpatient_days"] += sign * stay
    return {name: sums[name] for name in _MEASURES} | {"persons": len(persons)}


def panel(store: Client, view: str, where: str = "1") -> dict[str, Any]:
    columns = [*(f"sum({name}) AS {name}" for name in _MEASURES), "uniqCombined64Merge(14)(persons) AS persons"]
    [row] = store.query(f"SELECT {', '.join(columns)} FROM (SELECT * FROM {view}) WHERE {where}").named_results()
    return row


def fill(store: Client) -> None:
    """Documents twice, late, in any order, taken back; audits answered before and after they were told; alerts that grew and went."""
    dice = Random(5)
    sink = Sink(store)
    deliveries = decoded(DOCUMENTS + DOCUMENTS[::7])
    dice.shuffle(deliveries)
    for start in range(0, len(deliveries), 200):
        sink.store(deliveries[start : start + 200])
        sink.refresh()
    told = [
        record(n, asked_at=AT + n * HOUR, took_ms=3.0 * n, findings=[(f"J{n}", finding(n % 3))]) for n in range(1, 7)
    ]
    passed = [record(20 + n, asked_at=AT + n * HOUR, took_ms=9.5, infno="3102") for n in range(4)]
    faulty = [record(30, infcode=-1), record(31, undecided=True), record(32, institution_id="H2", infno="3102")]
    early = record(40, infno="3103", asked_at=AT + 2 * HOUR, feedback=[("J3", "2", "")])
    late = record(
        41, infno="3103", asked_at=AT + 3 * DAY, feedback=[("J1", "1", "病情需要"), ("J3", "1", "改"), ("J4", "2", "")]
    )
    foreign = record(42, infno="3103", institution_id="H2", asked_at=AT + DAY, feedback=[("J5", "2", "")])
    for batch in ([early], told[:4], passed, faulty, [foreign, *told[4:]], told[1:3], [late], [early]):
        sink.store_audits(batch)
        sink.refresh()
    sink.store(alerts=[alert(n, event_ids=[f"E{n:06d}", f"E{n + 1:06d}"]) for n in range(6)])
    sink.store(
        alerts=[
            alert(1, revision=2, light="red", event_ids=["E000002"]),
            alert(2, revision=2, withdrawn=True, event_ids=[]),
        ]
    )
    sink.store(alerts=[alert(1)])
    sink.refresh()


@pytest.fixture(scope="module")
def kept(clickhouse_url: str) -> Iterator[Client]:
    """A filled store that nobody changes."""
    where = StoreSettings(clickhouse_url=clickhouse_url, clickhouse_database=f"t{uuid.uuid4().hex[:12]}")
    client = connect(where)
    migrate(client)
    fill(client)
    yield client
    client.command(f"DROP DATABASE `{where.clickhouse_database}`", use_database=False)
    client.close()


@pytest.fixture
def filled(store: Client) -> Client:
    """A filled store to be changed."""
    fill(store)
    return store


def test_measures_are_those_of_the_documents(kept: Client) -> None:
    assert waiting_hours(kept) == 0
    expected = measures(DOCUMENTS)
    assert min(expected.values()) > 0, expected
    for view in ("panel_hours", "panel_days", "panel_area_days", "panel_months", "panel_area_months"):
        assert panel(kept, view) == expected, view
    stays = [
        one
        for one in DOCUMENTS
        if one["med_type"] == "21" and one["fixmedins_code"] == "P1" and one["setl_time"] < "2025-02"
    ]
    where = "med_type = '21' AND fixmedins_code = 'P1' AND "
    assert panel(kept, "panel_days", where + "day < '2025-02-01 00:00:00'") == measures(stays)
    assert panel(kept, "panel_months", where + "month = '2025-01-01 00:00:00'") == measures(stays)
    of_disease = kept.query(
        "SELECT disease, sum(settlements), uniqCombined64Merge(14)(persons) FROM panel_disease_days WHERE fixmedins_code = 'P2' "
        "GROUP BY disease ORDER BY disease"
    ).result_rows
    own = [one for one in DOCUMENTS if one["fixmedins_code"] == "P2"]
    by_disease = {
        code: measures([one for one in own if one["diagnoses"][0]["diag_code"] == code]) for code in ("E0", "E1", "E2")
    }
    assert of_disease == [(code, said["settlements"], said["persons"]) for code, said in by_disease.items()]


def test_nothing_differs_after_repeats_and_reversals(filled: Client) -> None:
    done = reconcile(filled)
    assert panel_mismatches(filled) == []
    assert [each.aggregate for each in done if not each.cells] == []
    filled.command("INSERT INTO panel_marks (hour, mark, cleared) SELECT DISTINCT hour, 1, 0 FROM panel_hourly")
    Sink(filled).refresh()
    assert [(each.cells, each.differing) for each in reconcile(filled)] == [(each.cells, 0) for each in done]


def test_audits_are_counted_by_their_outcome(kept: Client) -> None:
    counted = kept.query(
        "SELECT infno, sum(asked), sum(passed), sum(warned), sum(continued), sum(changed), sum(undecided), sum(refused) "
        "FROM panel_audit_hours GROUP BY infno ORDER BY infno"
    ).result_rows
    # J3 was changed, then gone on with; J4 was changed; J5 was answered by another institution
    assert counted == [("3101", 7, 0, 5, 2, 1, 1, 1), ("3102", 5, 5, 0, 0, 0, 0, 0), ("3103", 3, 0, 0, 0, 0, 0, 0)]
    [(middle, last)] = kept.query(
        "SELECT quantilesDDMerge(0.01, 0.5, 0.95, 0.99)(took)[1], quantilesDDMerge(0.01, 0.5, 0.95, 0.99)(took)[3] "
        "FROM panel_city_audit_hours WHERE infno = '3101'"
    ).result_rows
    assert middle == pytest.approx(12, rel=0.02)
    assert last == pytest.approx(15, rel=0.02)  # the sixth of seven
    rules = kept.query(
        "SELECT rule_id, sum(findings), sum(continued), sum(returned) FROM panel_audit_rule_hours GROUP BY rule_id ORDER BY rule_id"
    )
    assert rules.result_rows == [("rule.0", 2, 1, 0), ("rule.1", 2, 1, 1), ("rule.2", 2, 0, 0)]


def test_evidence_is_that_of_the_last_revision(kept: Client) -> None:
    found = kept.query(
        "SELECT alert_id, groupArray(event_id), any(light) FROM panel_evidence GROUP BY alert_id"
    ).result_rows
    by_alert = {alert_id: (sorted(events), light) for alert_id, events, light in found}
    assert by_alert[alert(1).alert_id] == (["E000002"], "red")
    assert alert(2).alert_id not in by_alert
    assert by_alert[alert(3).alert_id][0] == ["E000003", "E000004"]
    assert kept.query("SELECT count() FROM panel_findings").result_rows == [(5,)]


def test_visitors_come_in_order_and_without_those_taken_back(kept: Client) -> None:
    rows = kept.query(
        "SELECT fixmedins_code, place, visits, documents, psn_no FROM panel_visitors ORDER BY fixmedins_code, place"
    ).result_rows
    [(latest,)] = kept.query("SELECT hour FROM panel_latest").result_rows
    gone = {one["orig_setl_id"] for one in DOCUMENTS}
    week: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for one in DOCUMENTS:
        hour = datetime.fromisoformat(one["setl_time"]).replace(minute=0)
        if (
            one["event_type"] == "SETTLE"
            and one["setl_id"] not in gone
            and (latest.replace(tzinfo=None) - hour).days < 7
        ):
            week[one["psn_no"]].append(one)
    expected = sorted(
        (-sum(one["med_type"] not in ("41", "21") for one in own), -len(own), person) for person, own in week.items()
    )
    assert [(-row[2], -row[3], row[4]) for row in rows if row[0] == ""] == expected
    assert [row[1] for row in rows if row[0] == ""] == list(range(1, len(expected) + 1))


def test_a_number_that_was_changed_is_named(filled: Client) -> None:
    for place, aggregate in enumerate(AGGREGATES):
        version, measure, columns = aggregate.measures[0], aggregate.measures[1], ", ".join(aggregate.columns)
        filled.command(
            f"INSERT INTO {aggregate.table} ({columns}) SELECT * REPLACE ({version} + 1 AS {version}, {measure} + 2 + 2 * {place} AS "
            f"{measure}) FROM (SELECT {columns} FROM {aggregate.table} FINAL ORDER BY {', '.join(aggregate.keys)} LIMIT 1)"
        )
    named = {(found.aggregate, found.measure): found for found in reversed(panel_mismatches(filled))}
    for aggregate in AGGREGATES:
        assert (aggregate.table, aggregate.measures[1]) in named
        assert list(named[aggregate.table, aggregate.measures[1]].cell) == list(aggregate.keys)
    hour = named["panel_hourly", "settlements"]
    assert int(hour.panel) == int(hour.raw) + 2


def test_cells_that_are_too_many_or_missing_are_named(filled: Client) -> None:
    filled.command("INSERT INTO panel_monthly (month, fixmedins_code, events) VALUES ('2031-05-01 00:00:00', 'P9', 1)")
    filled.command("DELETE FROM panel_area_daily WHERE day = (SELECT max(day) FROM panel_days) AND med_type = '11'")
    filled.command(
        "INSERT INTO finding_rows SELECT * REPLACE (9 AS revision, 0.05 AS amount) FROM finding_rows FINAL LIMIT 1"
    )
    named = {(found.aggregate, found.measure): astuple(found)[3:] for found in panel_mismatches(filled)}
    assert named["panel_monthly", "events"] == ("1", "none")
    assert named["finding_rows", "amount"][0] == "0.05"
    assert {table for table, _ in named} <= {"panel_monthly", "panel_area_daily", "panel_area_monthly", "finding_rows"}


def test_a_busy_refresh_leaves_days_for_later_and_a_quiet_one_does_them(store: Client) -> None:
    sink = Sink(store)
    sink.store([settlement(1)])
    sink.refresh()
    sink.store([settlement(2)])
    assert sink.refresh() == 1
    assert waiting_hours(store) == 1
    settled = "SELECT sum(settlements) FROM "
    assert [store.query(settled + view).result_rows for view in ("panel_hours", "panel_days")] == [[(2,)], [(1,)]]
    assert {found.aggregate for found in panel_mismatches(store)} >= {"panel_institution_daily"}
    assert sink.refresh() == 0
    assert waiting_hours(store) == 0
    assert panel_mismatches(store) == []


def test_visitors_are_found_again_when_a_date_years_ahead_was_the_only_one(store: Client) -> None:
    sink = Sink(store)
    sink.store([settlement(1, setl_time="2099-01-01 00:00:00", inf_time=None)])
    sink.refresh()
    sink.store([settlement(2)])
    sink.refresh()
    sink.refresh()
    assert store.query("SELECT DISTINCT toYear(until) FROM panel_visitors").result_rows == [(2025,)]
    assert panel_mismatches(store) == []


@pytest.fixture
def older(store_settings: StoreSettings, tmp_path: Path) -> Iterator[Callable[[], Client]]:
    """A database of the seven migrations before the measures."""
    folder = tmp_path / "migrations"
    folder.mkdir()
    for path in sorted(FOLDER.glob("000[1-7]_*.sql")):
        shutil.copy(path, folder)
    client = connect(store_settings)
    migrate(client, folder=folder)
    yield lambda: client
    client.close()


def test_an_older_installation_comes_up_right(older: Callable[[], Client]) -> None:
    client = older()
    rows = decoded(DOCUMENTS[:80])
    for table, columns, lines in (
        ("settlement_rows", _SETTLEMENT_COLUMNS, encode_settlements(rows)),
        ("alert_revisions", _ALERT_COLUMNS, encode_alerts([alert(n) for n in range(4)])),
    ):
        head = (
            f"INSERT INTO {table} ({', '.join(columns)}) SETTINGS input_format_skip_unknown_fields = 1, "
            "input_format_json_ignore_unknown_keys_in_named_tuple = 1, input_format_json_read_numbers_as_strings = 1, "
            "input_format_null_as_default = 1, date_time_input_format = 'best_effort' FORMAT JSONEachRow\n"
        )
        client.raw_insert("", insert_block=head.encode() + lines)
    hours = (
        "toStartOfHour(setl_time) AS at, mdtrtarea_admvs, fixmedins_code, med_type, count(), countIf(event_type = 'SETTLE'), "
        "countIf(event_type = 'REVERSE'), sum(medfee_sumamt), sum(fund_pay_sumamt) FROM settlement_rows FINAL GROUP BY ALL"
    )
    client.command(f"INSERT INTO panel_hourly SELECT {hours}")
    client.command(f"INSERT INTO panel_daily SELECT {hours.replace('toStartOfHour', 'toStartOfDay')}")
    client.command("INSERT INTO panel_marks (hour, mark, cleared) SELECT DISTINCT hour, 7, 1 FROM panel_hourly")
    assert migrate(client)[:1] == ["0008_measures.sql"]
    assert waiting_hours(client) > 0
    Sink(client).refresh()
    assert waiting_hours(client) == 0
    assert panel_mismatches(client) == []
    assert panel(client, "panel_area_months") == measures(DOCUMENTS[:80])
    assert client.query("SELECT count() FROM panel_evidence").result_rows == [(4,)]
