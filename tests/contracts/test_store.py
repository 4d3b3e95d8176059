"""What we ask of the store, statement by statement; runs on the embedded ClickHouse and on FUNDWATCH_TEST_CLICKHOUSE_URL if set."""

from __future__ import annotations

import re
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import orjson
import pytest
from clickhouse_connect.driver.client import Client

from clickhouse.client import connect, translated
from clickhouse.errors import StoreRefused, StoreUnavailable
from clickhouse.migrate import migrate, migrations
from clickhouse.panels import MODULES, run_panel
from clickhouse.reconcile import last_alerts, panel_mismatches, stored_dead_letters, stored_settlements, waiting_hours
from clickhouse.reference import load_institutions
from clickhouse.settings import StoreSettings
from clickhouse.sink import Sink
from schemas.alert import alerts_sha256
from schemas.deadletter import DeadLetter
from schemas.settlement import Settlement
from tests.fixtures_clickhouse import alert, settlement

pytestmark = pytest.mark.embedded
ZONE = ZoneInfo("Asia/Shanghai")


@pytest.fixture
def sink(store: Client) -> Sink:
    return Sink(store)


def rows(store: Client, query: str, **parameters: Any) -> list[dict[str, Any]]:
    return list(store.query(query, parameters=parameters).named_results())


class TestMigrations:
    def test_makes_the_names_outsiders_rely_on(self, store: Client) -> None:
        for name in ("settlements", "settlement_lines", "alerts", "audits", "deliveries", "dead_letters"):
            assert rows(store, f"SELECT count() AS n FROM {name}") == [{"n": 0}]

    def test_applies_once(self, store_settings: StoreSettings) -> None:
        client = connect(store_settings)
        assert migrate(client) == [migration.name for migration in migrations()]
        assert migrate(client) == []

    def test_every_statement_may_run_twice(self, store: Client) -> None:
        for migration in migrations():
            for statement in migration.statements:
                store.command(statement.replace("${timezone}", "Asia/Shanghai"))

    def test_programs_starting_at_once_end_at_the_same_schema(self, store_settings: StoreSettings) -> None:
        with ThreadPoolExecutor(4) as threads:
            list(threads.map(lambda _: migrate(connect(store_settings)), range(4)))
        client = connect(store_settings)
        assert migrate(client) == []
        assert rows(client, "SELECT count() AS n FROM schema_migrations FINAL") == [{"n": len(migrations())}]


class TestSettlements:
    def test_every_field_comes_back(self, store: Client, sink: Sink) -> None:
        sink.store(settlements=[settlement(1)])
        [row] = rows(store, "SELECT * FROM settlements")
        assert row["setl_time"] == datetime(2025, 3, 10, 9, 30, tzinfo=ZONE)
        assert row["inf_time"] == datetime(2025, 3, 10, 9, 30, 1, tzinfo=ZONE)
        assert row["medfee_sumamt"] == Decimal("100.10")
        assert row["line_count"] == 1
        wire = orjson.loads(msgspec.json.encode(settlement(1)))
        for name in wire.keys() & row.keys() - {"setl_time", "inf_time", "diagnoses"}:
            assert str(row[name]) == str(wire[name] or ""), name
        assert [dict(diagnosis) for diagnosis in row["diagnoses"]] == wire["diagnoses"]
        assert wire.keys() - row.keys() == {"lines", "schema"}
        [line] = rows(store, "SELECT * FROM settlement_lines")
        assert line["cnt"] == Decimal("2.0000")
        assert line["prd_days"] == Decimal(30)
        assert line["fee_ocur_time"] == datetime(2025, 3, 10, 9, 29, tzinfo=ZONE)
        assert line["drug_trac_codg"] == ["8100", "8101"]
        assert (line["event_id"], line["hilist_name"]) == ("E000001", "二甲双胍")

    @pytest.mark.parametrize(
        "fields",
        [
            {"infno": 2102, "med_type": 11, "agnter_rlts": 7, "lines": [{"list_type": 101, "rx_circ_flag": 0, "cnt": 2.5}]},
            {"lines": [], "diagnoses": []},
            {"lines": None, "diagnoses": None, "inf_time": None, "dev_no": None, "hifp_pay": None},
            {"lines": [{}, {"cnt": None, "drug_trac_codg": None, "hilist_name": None}]},
            {"fixmedins_name": "表\t引号'\"\\ 换\n行 \u0000 \U0001f600 </script>", "lines": [{"hilist_name": "a\r\nb\\N"}]},
            {"medfee_sumamt": "1E+2", "fund_pay_sumamt": "0.1", "lines": [{"cnt": "1e-3", "pric": "0.00001"}]},
            {"medfee_sumamt": "99999999999999.99", "fund_pay_sumamt": "99999999999999.99", "lines": [{"cnt": "999999999999"}]},
            {"inf_time": "9999-12-31 23:59:59", "lines": [{"fee_ocur_time": "0001-01-01 00:00:00"}]},
            {"lines": [{"drug_trac_codg": [f"{n:020d}" for n in range(3000)]}]},
        ],
    )  # fmt: skip
    def test_what_the_contract_tolerates_is_stored(self, store: Client, sink: Sink, fields: dict[str, Any]) -> None:
        sink.store(settlements=[settlement(1), settlement(2, **fields), settlement(3)])
        assert stored_settlements(store) == 3
        [row] = rows(store, "SELECT * FROM settlements WHERE event_id = 'E000002'")
        if "fixmedins_name" in fields:
            assert row["fixmedins_name"] == fields["fixmedins_name"]
        [lines] = rows(store, "SELECT count() AS n FROM settlement_lines WHERE event_id = 'E000002'")
        assert lines["n"] == row["line_count"] == len(fields.get("lines", [0]) or [])

    @pytest.mark.parametrize(
        ("wire", "local"),
        [
            ("2025-03-10 09:30:00", (2025, 3, 10, 9, 30)),
            ("2025-03-10T01:30:00Z", (2025, 3, 10, 9, 30)),
            ("2025-03-10T09:30:00.999999+08:00", (2025, 3, 10, 9, 30)),
            ("2025-03-10T09:00:00+07:30", (2025, 3, 10, 9, 30)),
            ("2000-01-01 00:00:00", (2000, 1, 1, 0, 0)),
            ("2099-12-31 23:30:00", (2099, 12, 31, 23, 30)),
        ],
    )
    def test_times_are_the_same_instants(self, store: Client, sink: Sink, wire: str, local: tuple[int, ...]) -> None:
        sink.store(settlements=[settlement(1, setl_time=wire, inf_time=None)])
        assert rows(store, "SELECT setl_time FROM settlements") == [{"setl_time": datetime(*local, tzinfo=ZONE)}]  # type: ignore[arg-type, misc]
        sink.refresh()
        assert panel_mismatches(store) == []

    def test_redelivery_changes_nothing(self, store: Client, sink: Sink) -> None:
        batch = [settlement(n) for n in range(1, 40)]
        sink.store(settlements=batch)
        sink.refresh()
        sink.store(settlements=batch[10:])
        sink.store(settlements=batch[:20])
        sink.refresh()
        assert stored_settlements(store) == 39
        assert rows(store, "SELECT count() AS n FROM settlement_lines") == [{"n": 39}]
        assert panel_mismatches(store) == []
        assert run_panel(store, "feed")["totals"][0]["settlements"] == 39

    def test_one_batch_may_span_a_century(self, store: Client, sink: Sink) -> None:
        batch = [
            settlement(n, setl_time=f"20{n % 100:02d}-0{1 + n // 100}-01 00:00:00", inf_time=None) for n in range(110)
        ]
        sink.store(settlements=batch)
        assert stored_settlements(store) == 110

    def test_a_row_the_store_cannot_take_is_cut_out_and_named(self, store: Client, sink: Sink) -> None:
        batch = [settlement(n) for n in range(1, 50)]
        for poisoned in (7, 8, 48):
            batch[poisoned] = msgspec.structs.replace(batch[poisoned], fee=Decimal("1e30"))
        with pytest.raises(StoreRefused) as refused:
            sink.store(settlements=batch, alerts=[alert(1)])
        assert refused.value.event_ids == tuple(batch[n].event_id for n in (7, 8, 48))
        assert refused.value.code
        assert stored_settlements(store) == 46
        assert len(last_alerts(store)) == 1
        assert sink.refresh() == 1
        assert panel_mismatches(store) == []


class TestAlerts:
    def test_come_back_as_they_were(self, store: Client, sink: Sink) -> None:
        alerts = [alert(n, light=light) for n, light in enumerate(("red", "yellow", "green"), 1)]
        alerts.append(
            alert(
                4, event_ids=[f"E{n:06d}" for n in range(200)], amount=Decimal("0.00"), shadow=True, model_version="m1"
            )
        )
        sink.store(alerts=alerts)
        assert sorted(last_alerts(store), key=lambda a: a.alert_id) == sorted(alerts, key=lambda a: a.alert_id)
        assert alerts_sha256(last_alerts(store)) == alerts_sha256(alerts)

    def test_the_last_revision_stands_whatever_comes_again(self, store: Client, sink: Sink) -> None:
        sink.store(alerts=[alert(1), alert(1, revision=2, light="red"), alert(2)])
        sink.store(alerts=[alert(1)])
        assert {found.revision for found in last_alerts(store) if found.light == "red"} == {2}
        assert rows(store, "SELECT count() AS n FROM alerts") == [{"n": 2}]

    def test_a_withdrawn_alert_no_longer_stands(self, store: Client, sink: Sink) -> None:
        sink.store(alerts=[alert(1), alert(1, revision=2, light="green", withdrawn=True)])
        assert last_alerts(store) == []
        assert rows(store, "SELECT count() AS n FROM alerts") == [{"n": 0}]
        sink.store(alerts=[alert(1, revision=3)])
        assert [found.revision for found in last_alerts(store)] == [3]


class TestDeadLetters:
    def test_keep_the_original_bytes_once(self, store: Client, sink: Sink) -> None:
        value = bytes(range(256))
        letters = [
            DeadLetter(
                topic="settlements", partition=0, offset=n, field="setl_time", reason="期望时间", key=key, value=value
            )
            for n, key in enumerate((None, b"", b"\xff\x00k"))
        ]
        sink.store(dead_letters=letters)
        sink.store(dead_letters=letters[1:])
        assert stored_dead_letters(store) == 3
        found = store.query(
            "SELECT key, value FROM dead_letters ORDER BY offset", query_formats={"String": "bytes"}
        ).result_rows
        assert found == [(b"", value), (b"", value), (b"\xff\x00k", value)]


class TestErrors:
    @pytest.mark.parametrize(
        ("statement", "code"),
        [
            ("SELECT * FROM nowhere", 60),
            ("SELEC 1", 62),
            ("SELECT unknown_column FROM settlements", 47),
            ("SELECT toDate('x')", 38),
            ("SELECT 1 FROM nowhere.nothing", 81),
            ("SELECT throwIf(1)", 395),
        ],
    )
    def test_have_clickhouse_codes(self, store: Client, statement: str, code: int) -> None:
        with pytest.raises(StoreRefused, match=str(code)) as refused, translated():
            store.query(statement)
        assert refused.value.code == code

    def test_no_answer_is_unavailable(self, store: Client) -> None:
        away = StoreSettings(clickhouse_url="http://127.0.0.1:9", clickhouse_timeout=2)
        with pytest.raises(StoreUnavailable):
            connect(away)

    def test_a_schema_that_is_not_there_keeps_the_rows(self, store_settings: StoreSettings) -> None:
        sink = Sink(store_settings)
        with pytest.raises(StoreUnavailable):
            sink.store(settlements=[settlement(1)])
        with pytest.raises(StoreUnavailable):
            sink.refresh()


class TestPanels:
    @pytest.mark.parametrize("module", MODULES)
    def test_answer_on_an_empty_store(self, store: Client, module: str) -> None:
        found = run_panel(store, module)
        assert list(found) == [query.name for query in MODULES[module].queries]
        assert all(not rows for name, rows in found.items() if name not in ("totals", "figures"))

    def test_refuse_what_they_do_not_know(self, store: Client) -> None:
        with pytest.raises(KeyError):
            run_panel(store, "nothing")
        with pytest.raises(TypeError, match="among institution"):
            run_panel(store, "map", zoom=3)

    def test_numbers_equal_those_of_the_raw_rows(self, city: City) -> None:
        store, settlements = city.store, city.settlements
        assert panel_mismatches(store) == []
        assert waiting_hours(store) == 0
        latest = max(hour_of(s) for s in settlements)
        settled = [s for s in settlements if s.kind == "SETTLE"]
        day = [s for s in settlements if hour_of(s) > latest - timedelta(hours=24)]
        [totals] = run_panel(store, "feed")["totals"]
        assert (totals["settlements"], totals["fund"]) == (sum(s.kind == "SETTLE" for s in day), net(day))
        trend = run_panel(store, "trend")["months"]
        assert sum(row["settlements"] for row in trend) == len(settled)
        assert sum(row["fund"] for row in trend) == net(settlements)
        assert sum(row["findings"] for row in trend) == len([a for a in city.alerts if not a.shadow])
        month = [s for s in settlements if hour_of(s).replace(hour=0) > latest - timedelta(days=30)]
        for row in run_panel(store, "hospitals", rows=1000)["ranking"]:
            own = [s for s in month if s.institution_id == row["fixmedins_code"]]
            assert (row["settlements"], row["fund"]) == (sum(s.kind == "SETTLE" for s in own), net(own))
        visits = run_panel(store, "visits", rows=1000)
        persons = defaultdict(set)
        for s in settled:
            persons[s.settled_at.date()].add(s.person_id)
        assert {row["day"]: row["persons"] for row in visits["daily"]}.items() <= {
            d: len(p) for d, p in persons.items()
        }.items()
        # days: today and the six before
        week = [s for s in settlements if hour_of(s).replace(hour=0) > latest - timedelta(days=7)]
        for row in visits["districts"]:
            own = [s for s in week if s.area == row["mdtrtarea_admvs"]]
            assert (row["settlements"], row["fund"]) == (sum(s.kind == "SETTLE" for s in own), net(own))
        hourly = run_panel(store, "audits")["hourly"]
        assert sum(row["documents"] for row in hourly) == sum(s.kind == "SETTLE" for s in day)

    def test_results_equal_the_alerts(self, city: City) -> None:
        latest = max(hour_of(s) for s in city.settlements)
        results = run_panel(city.store, "results", rows=1000)
        since = f"{latest - timedelta(days=30):%Y-%m-%d %H:%M:%S}"
        found = [a for a in city.alerts if not a.shadow and a.raised_at > since]
        buying = [a for a in found if a.family == "agent_buying"]
        [totals] = results["totals"]
        assert (totals["findings"], totals["agent_buying"], totals["rings"]) == (len(found), len(buying), 1)
        assert totals["amount"] == sum(a.amount for a in found)
        for light in ("red", "yellow", "green"):
            lit = sum(a.light == light for a in found)
            assert totals[light] == sum(row[light] for row in results["rules"]) == lit > 0
        assert sum(row["findings"] for row in results["daily"]) == len(
            [a for a in found if a.raised_at >= f"{latest - timedelta(days=29):%Y-%m-%d}"]
        )
        assert {row["state"]: row["findings"] for row in results["states"]} == {"open": len(found)}
        [ring] = results["rings"]
        assert (ring["subject_type"], ring["findings"], ring["amount"]) == (
            "agent",
            len(buying),
            sum(a.amount for a in buying),
        )
        assert ring["persons"] == len({person for a in buying for person in a.persons})
        assert ring["institutions"] == len({place for a in buying for place in a.institutions})
        assert sum(row["findings"] for row in results["subjects"]) == len(found) - len(buying)

    def test_an_office_is_not_told_what_a_ring_did_elsewhere(self, store: Client, sink: Sink) -> None:
        ring: dict[str, Any] = {
            "family": "agent_buying", "detector": "agent_buying.collector_cards", "subject_type": "agent",
            "subject_id": "collector-token-0002",
        }  # fmt: skip
        shared = alert(
            1, persons=["a" * 12, "b" * 12], institutions=["P2", "P1"], amount=Decimal("900.00"), light="red", **ring
        )
        sink.store(
            [settlement(1)], [shared, alert(2, persons=["c" * 12], **ring), alert(3, revision=2, withdrawn=True)]
        )
        sink.refresh()
        [everything] = run_panel(store, "results")["rings"]
        assert (everything["persons"], everything["institutions"], everything["amount"]) == (3, 2, Decimal("970.05"))
        assert everything["fixmedins_code"] == "P2"
        office = run_panel(store, "results", institution="P1")
        [own] = office["rings"]
        assert (own["persons"], own["institutions"], own["amount"]) == (1, 1, Decimal("70.05"))
        assert (own["fixmedins_code"], own["findings"], own["light"]) == ("P1", 2, "red")
        assert office["totals"][0]["amount"] == Decimal("70.05")
        assert {row["state"]: row["findings"] for row in office["states"]} == {"open": 2, "withdrawn": 1}
        assert "P2" not in str(office)

    def test_the_feed_shows_the_latest_with_their_worst_light(self, city: City) -> None:
        shown = run_panel(city.store, "feed")["documents"]
        expected = sorted(city.settlements, key=lambda s: (-s.settled_at.timestamp(), s.event_id))[:60]
        assert [row["setl_time"].replace(tzinfo=None) for row in shown] == [s.settled_at for s in expected]
        order = ["", "green", "yellow", "red"]
        for row, document in zip(shown, expected, strict=True):
            lights = [a.light for a in city.alerts if document.event_id in a.event_ids and not a.shadow]
            assert row["light"] == max(lights, key=order.index, default="")

    def test_the_map_has_every_place_with_its_worst_light(self, city: City) -> None:
        places = {row["fixmedins_code"]: row for row in run_panel(city.store, "map")["institutions"]}
        assert set(places) == {"P0", "P1", "P2", "H3"}  # P4 has no coordinates
        assert (places["P1"]["lat"], places["P1"]["lon"]) == (32.1, 121.1)
        assert places["P1"]["light"] == "red"

    def test_one_institution_sees_only_itself(self, city: City) -> None:
        for module in MODULES:
            for name, found in run_panel(city.store, module, institution="P1").items():
                assert bool(found) == (module != "hospitals"), (module, name)  # a pharmacy is none
                for row in found:
                    assert row.get("fixmedins_code", "P1") == "P1"
        [totals] = run_panel(city.store, "feed", institution="P1")["totals"]
        latest = max(hour_of(s) for s in city.settlements)
        own = [s for s in city.settlements if s.institution_id == "P1" and hour_of(s) > latest - timedelta(hours=24)]
        assert totals["fund"] == net(own)

    def test_never_show_a_whole_person(self, city: City) -> None:
        persons = {s.person_id for s in city.settlements} | {"collector-token-0001"}
        shown = " ".join(str(run_panel(city.store, module, rows=1000)) for module in MODULES)
        assert "****" in shown
        assert not [person for person in persons if person in shown]
        assert re.search(r"参保人 3206\*\*\*\*\d\d 7 天内", shown)

    def test_one_date_years_ahead_does_not_empty_the_wall(self, city: City) -> None:
        before = run_panel(city.store, "visits")
        sink = Sink(city.store)
        sink.store(settlements=[settlement(900_000, setl_time="2099-01-01 00:00:00", inf_time=None)])
        sink.refresh()
        assert run_panel(city.store, "visits") == before


class TestReference:
    def test_is_replaced_by_code(self, store: Client, tmp_path: Path) -> None:
        file = tmp_path / "institutions.csv"
        head = "fixmedins_code,fixmedins_name,fixmedins_type,hosp_lv,mdtrtarea_admvs,lat,lon,terminals\n"
        file.write_text("\ufeff" + head + "P1,药房,2,11,320602,32.5,121.5,3\nP2,药房二,2,11,320602,,,1\n", "utf-8")
        assert load_institutions(store, file) == 2
        file.write_text(head + "P1,新药房,2,11,320602,32.6,121.5,3\n", "utf-8")
        assert load_institutions(store, file) == 1
        found = rows(store, "SELECT fixmedins_name, lat FROM institutions FINAL ORDER BY fixmedins_code")
        assert found == [{"fixmedins_name": "新药房", "lat": 32.6}, {"fixmedins_name": "药房二", "lat": None}]

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("fixmedins_code,lat\nP1,3\n", "missing fixmedins_name"),
            (
                "fixmedins_code,fixmedins_name,fixmedins_type,hosp_lv,mdtrtarea_admvs,lat,lon\nP1,a,2,1,3,91,0\n",
                "line 2: expected degrees",
            ),
            (
                "fixmedins_code,fixmedins_name,fixmedins_type,hosp_lv,mdtrtarea_admvs,lat,lon\nP1,a,2,1,3,x,0\n",
                "got 'x'",
            ),
        ],
    )
    def test_says_what_is_wrong(self, store: Client, tmp_path: Path, text: str, message: str) -> None:
        file = tmp_path / "institutions.csv"
        file.write_text(text)
        with pytest.raises(ValueError, match=message):
            load_institutions(store, file)


class City:
    """A stored month and a half: five institutions, reversals, findings of every light, a shadow finding."""

    def __init__(self, store: Client, folder: Path) -> None:
        self.store = store
        start = datetime(2025, 2, 1, 7, 13)  # noqa: DTZ001  wire times carry no zone
        self.settlements: list[Settlement] = []
        for n in range(600):
            at = start + timedelta(minutes=97 * n)
            place = ["P0", "P1", "P2", "H3", "P4"][n % 5]
            self.settlements.append(
                settlement(
                    n, setl_time=f"{at:%Y-%m-%d %H:%M:%S}", inf_time=None, fixmedins_code=place, fixmedins_name=f"机构{n % 5}",
                    mdtrtarea_admvs=f"32060{n % 3}", med_type="11" if place[0] == "H" else "41", fund_pay_sumamt=f"{n}.07",
                    psn_no=f"3206{n % 17:012d}",
                )
            )  # fmt: skip
            if n % 50 == 49:
                back = at + timedelta(minutes=30)
                self.settlements.append(
                    settlement(
                        n + 10_000, event_type="REVERSE", orig_setl_id=f"S{n:06d}", setl_time=f"{back:%Y-%m-%d %H:%M:%S}", inf_time=None,
                        fixmedins_code=place, fund_pay_sumamt=f"-{n}.07", medfee_sumamt="-100.10", psn_no=f"3206{n % 17:012d}",
                    )
                )  # fmt: skip
        self.alerts = [
            alert(
                n, light=("red", "yellow", "green")[n % 3], event_ids=[f"E{n:06d}", f"E{n - 5:06d}"], shadow=n % 10 == 0,
                raised_at=f"{self.settlements[0].settled_at + timedelta(minutes=97 * n):%Y-%m-%d %H:%M:%S}",
                institutions=[["P0", "P1", "P2", "H3", "P4"][n % 5]], subject_type="person" if n % 2 else "agent",
                subject_id=f"3206{n % 7:012d}" if n % 2 else "collector-token-0001",
                family="frequent_visits" if n % 2 else "agent_buying",
            )
            for n in range(400, 600, 7)
        ]  # fmt: skip
        sink = Sink(store)
        sink.store(settlements=self.settlements, alerts=self.alerts)
        sink.refresh()
        file = folder / "institutions.csv"
        places = [f"P{n},机构{n},2,11,32060{n % 3},32.{n},121.{n}" for n in range(3)]
        places += ["H3,机构3,1,02,320600,32.3,121.3", "P4,机构4,2,11,320601,,"]
        head = "fixmedins_code,fixmedins_name,fixmedins_type,hosp_lv,mdtrtarea_admvs,lat,lon"
        file.write_text("\n".join([head, *places]), "utf-8")
        load_institutions(store, file)


@pytest.fixture
def city(store: Client, tmp_path: Path) -> City:
    return City(store, tmp_path)


def hour_of(one: Settlement) -> datetime:
    return one.settled_at.replace(minute=0, second=0, microsecond=0)


def net(some: list[Settlement]) -> Decimal:
    return sum((s.fund_paid if s.kind == "SETTLE" else -abs(s.fund_paid) for s in some), Decimal())
