"""The year that the wall is measured on: its aggregates are those of its rows, and every query finds something to show."""

from __future__ import annotations

import uuid
from datetime import datetime

import pytest
from clickhouse_connect.driver.client import Client

from benchmarks.wall import ask_all
from benchmarks.year import ZONE, Year, fill, minutes_later
from clickhouse.client import connect
from clickhouse.migrate import migrate
from clickhouse.reconcile import panel_mismatches, reconcile, waiting_hours
from clickhouse.settings import StoreSettings

pytestmark = pytest.mark.embedded
YEAR = Year(
    settlements=30_000,
    audits=10_000,
    alerts=60,
    persons=2_000,
    institutions=60,
    days=40,
    until=datetime(2025, 3, 31, 11, tzinfo=ZONE),
)
NOTHING_TO_SHOW = {
    # of one institution only
    ("overview", "diseases", "city"), ("overview", "persons", "city"),
    # nothing was refused
    ("service", "reasons", "city"), ("service", "reasons", "institution"),
}  # fmt: skip


@pytest.fixture(scope="module")
def filled(clickhouse_url: str) -> Client:
    client = connect(StoreSettings(clickhouse_url=clickhouse_url, clickhouse_database=f"t{uuid.uuid4().hex[:12]}"))
    migrate(client)
    fill(client, YEAR, lambda _: None)
    return client


def test_the_aggregates_are_those_of_the_rows(filled: Client) -> None:
    assert waiting_hours(filled) == 0
    assert panel_mismatches(filled) == []
    assert [each.aggregate for each in reconcile(filled) if not each.cells] == []


def test_the_year_has_the_shape_of_a_city(filled: Client) -> None:
    [(documents, first, last, places, taken_back, unknown, early)] = filled.query(
        "SELECT count(), toString(toDate(min(setl_time))), toString(max(setl_time)), uniqExact(fixmedins_code), "
        "countIf(event_type = 'REVERSE'), countIf(event_type = 'REVERSE' AND orig_setl_id NOT IN (SELECT setl_id FROM settlement_rows)), "
        "(SELECT count() FROM settlements AS back INNER JOIN settlements AS own ON own.setl_id = back.orig_setl_id "
        "WHERE back.event_type = 'REVERSE' AND (back.setl_time < own.setl_time OR back.psn_no != own.psn_no "
        "OR back.medfee_sumamt != -own.medfee_sumamt)) FROM settlements"
    ).result_rows
    assert (first, last[:13], places) == ("2025-02-20", "2025-03-31 10", YEAR.institutions)
    assert 0.97 < documents / YEAR.settlements <= 1
    assert 0.008 < taken_back / documents < 0.011
    assert (unknown, early) == (0, 0)
    rows = filled.query(
        "SELECT toDayOfWeek(day), sum(settlements) FROM panel_area_days WHERE day >= '2025-02-24' AND day < '2025-03-31' GROUP BY 1"
    ).result_rows
    by_day = {int(day): int(settled) for day, settled in rows}
    assert sorted(by_day, key=by_day.__getitem__) == [7, 6, *sorted((4, 3, 5, 2, 1), key=by_day.__getitem__)]
    assert by_day[1] > 1.3 * by_day[7]


def test_every_query_finds_something(filled: Client) -> None:
    asked = ask_all(filled, "test", warm_up=0, times=1)
    empty = {(one.name.partition(".")[0], one.name.split(".")[1], one.reader) for one in asked if not one.rows}
    assert empty == NOTHING_TO_SHOW


def test_the_stream_goes_on_after_the_end(filled: Client) -> None:
    before = filled.query("SELECT sum(events) FROM panel_hours").result_rows[0][0]
    minutes_later(filled, YEAR, batches=3)
    assert panel_mismatches(filled) == []
    [(after, last)] = filled.query("SELECT sum(events), toString(max(hour)) FROM panel_hours").result_rows
    assert after > before
    assert last == "2025-03-31 11:00:00"
