"""What the visits wall and the overview tell, against a plain recount of the settlements they stand for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from clickhouse_connect.driver.client import Client

from clickhouse.client import connect
from clickhouse.panels import run_panel
from console import words
from schemas.settlement import Settlement
from tests.fixtures_city import City

pytestmark = pytest.mark.embedded
_ZONE = ZoneInfo("Asia/Shanghai")


@pytest.fixture(scope="module")
def client(city: City) -> Iterator[Client]:
    opened = connect(city.settings)
    yield opened
    opened.close()


def _day(one: Settlement) -> date:
    return (one.settled_at.astimezone(_ZONE) if one.settled_at.tzinfo else one.settled_at).date()


def _chosen(city: City, first: date, last: date, institution: str = "", district: str = "") -> list[Settlement]:
    by_id = {one.event_id: one for one in city.settlements}
    return [
        one
        for one in by_id.values()
        if first <= _day(one) <= last
        and institution in ("", one.institution_id)
        and district in ("", one.area)
    ]  # fmt: skip


def _net(chosen: list[Settlement], column: str) -> Decimal:
    amounts = ((one.kind == "SETTLE", getattr(one, column)) for one in chosen)
    return sum((amount if settled else -abs(amount) for settled, amount in amounts), Decimal(0))


def _persons(chosen: list[Settlement]) -> int:
    return len({one.person_id for one in chosen if one.kind == "SETTLE"})


def _average(chosen: list[Settlement]) -> float | None:
    documents = sum(1 if one.kind == "SETTLE" else -1 for one in chosen)
    return float(_net(chosen, "fee")) / documents if documents else None


def _growth(now: float | None, before: float | None) -> float | None:
    return 100 * (now / before - 1) if now and before else None


def _last(city: City) -> date:
    return max(_day(one) for one in city.settlements)


def _seconds(day: date) -> int:
    return int(datetime(day.year, day.month, day.day, 12, tzinfo=_ZONE).timestamp())


@pytest.mark.parametrize(
    ("period", "own", "district"),
    [
        ("1", False, False),
        ("7", False, True),
        ("30", True, False),
        ("90", False, False),
        ("365", False, True),
        ("365", True, False),
        ("2025", False, False),
        ("2025-03", True, True),
        ("", False, False),
        ("", True, False),
        ("nonsense", False, False),
    ],
)
def test_the_overview_tells_what_was_settled_in_the_period(
    city: City, client: Client, period: str, own: bool, district: bool
) -> None:
    last = _last(city)
    institution = city.own if own else ""
    area = str(next(one.area for one in city.settlements if one.institution_id == city.own)) if district else ""
    spans = {
        "2025": (date(2025, 1, 1), date(2025, 12, 31)),
        "2025-03": (date(2025, 3, 1), date(2025, 3, 31)),
        "": (date(2025, 2, 11), date(2025, 6, 20)),
        "nonsense": (last - timedelta(days=29), last),
    }
    first, end = spans[period] if period in spans else (last - timedelta(days=int(period) - 1), last)
    picked = {"from": _seconds(first), "until": _seconds(end)} if period == "" else {}
    rows = run_panel(client, "overview", period=period, institution=institution, district=area, **picked)
    chosen = _chosen(city, first, end, institution, area)
    before = _chosen(city, first - (end - first) - timedelta(days=1), first - timedelta(days=1), institution, area)
    [told] = rows["figures"]
    assert (told["first"], told["last"]) == (first, end)
    assert told["settlements"] == sum(one.kind == "SETTLE" for one in chosen)
    assert told["persons"] == _persons(chosen)
    assert (told["fee"], told["fund"]) == (_net(chosen, "fee"), _net(chosen, "fund_paid"))
    assert told["average_fee"] == (pytest.approx(_average(chosen), abs=0.006) if _average(chosen) else None)
    growth = _growth(_average(chosen), _average(before))
    assert told["growth"] == (pytest.approx(growth, abs=0.11) if growth is not None else None)
    assert {row["med_type"]: row["settlements"] for row in rows["kinds"]} == Counter(
        one.care_type for one in chosen if one.kind == "SETTLE"
    )
    assert {row["mdtrtarea_admvs"]: row["persons"] for row in rows["districts"]} == {
        place: _persons([one for one in chosen if one.area == place]) for place in {one.area for one in chosen}
    }
    assert sum(row["settlements"] for row in rows["course"]) == told["settlements"]
    assert sum(row["fee"] for row in rows["course"]) == told["fee"]
    steps = {one.strftime("%m-%d") if (end - first).days < 62 else one.strftime("%Y-%m") for one in map(_day, chosen)}
    assert [row["step"] for row in rows["course"]] == sorted(steps)
    top = rows["institutions"][0] if chosen else None
    if top:
        of_it = [one for one in chosen if one.institution_id == top["fixmedins_code"]]
        assert (top["fund"], top["fee"]) == (_net(of_it, "fund_paid"), _net(of_it, "fee"))
        assert top["fund"] == max(
            _net([one for one in chosen if one.institution_id == place], "fund_paid")
            for place in {one.institution_id for one in chosen}
        )


def test_a_growth_against_last_year_is_that_of_the_same_days(client: Client) -> None:
    [told] = run_panel(client, "overview", period="2026")["figures"]
    [year] = run_panel(client, "overview", period="2025")["figures"]
    assert (told["settlements"], told["average_fee"]) == (0, None)
    assert year["settlements"] > 0
    assert year["year_growth"] is None


def test_the_way_leads_from_the_institution_to_its_diseases_and_masked_persons(city: City, client: Client) -> None:
    last = _last(city)
    rows = run_panel(client, "overview", period="365", institution=city.own, rows=1000)
    chosen = _chosen(city, last - timedelta(days=364), last, city.own)
    assert sum(row["documents"] for row in rows["diseases"]) == sum(1 if one.kind == "SETTLE" else -1 for one in chosen)
    recent = _chosen(city, last - timedelta(days=30), last, city.own)
    assert len(rows["persons"]) == len({one.person_id for one in recent})
    assert sum(row["fee"] for row in rows["persons"]) == _net(recent, "fee")
    assert {row["person"] for row in rows["persons"]} == {words.masked(one.person_id) for one in recent}
    some = rows["diseases"][0]["disease"]
    narrowed = run_panel(client, "overview", period="365", institution=city.own, disease=some, rows=1000)["persons"]
    assert {row["person_key"] for row in narrowed} <= {row["person_key"] for row in rows["persons"]}
    everyone = run_panel(client, "overview", period="365")
    assert (everyone["diseases"], everyone["persons"]) == ([], [])


@pytest.mark.parametrize("own", [False, True], ids=["city", "institution"])
def test_the_visits_are_those_of_the_settlements(city: City, client: Client, own: bool) -> None:
    last = _last(city)
    institution = city.own if own else ""
    rows = run_panel(client, "visits", institution=institution, rows=100)
    week = _chosen(city, last - timedelta(days=6), last, institution)
    before = _chosen(city, last - timedelta(days=13), last - timedelta(days=7), institution)
    [told] = rows["figures"]
    assert told["settlements"] == sum(one.kind == "SETTLE" for one in week)
    assert told["persons"] == _persons(week)
    assert told["pharmacy"] == sum(one.kind == "SETTLE" and one.care_type == "41" for one in week)
    growth = _growth(_average(week), _average(before))
    assert told["average_fee_growth"] == (pytest.approx(growth, abs=0.11) if growth is not None else None)
    assert {row["mdtrtarea_admvs"]: row["persons"] for row in rows["districts"]} == {
        place: _persons([one for one in week if one.area == place]) for place in {one.area for one in week}
    }
    for row in rows["daily"]:
        day = _chosen(city, row["day"], row["day"], institution)
        kinds = Counter(words.care(one.care_type) for one in day if one.kind == "SETTLE")
        assert (row["settlements"], row["persons"]) == (sum(kinds.values()), _persons(day))
        assert (row["outpatient"], row["chronic"], row["pharmacy"]) == (
            kinds["普通门诊"],
            kinds["慢特病门诊"],
            kinds["药店购药"],
        )
        assert row["settlements"] == sum(row[name] for name in _KINDS)
    assert not {one.person_id for one in city.settlements} & _texts(rows["frequent"])


_KINDS = ("outpatient", "chronic", "emergency", "inpatient", "pharmacy", "other")


def _texts(rows: list[dict[str, Any]]) -> set[str]:
    return {str(value) for row in rows for value in row.values()}


def test_the_service_counts_what_could_not_be_read_and_is_up_to_date(client: Client) -> None:
    rows = run_panel(client, "service")
    [told] = rows["figures"]
    assert (told["dead_letters"], told["dead_letters_ever"], told["marks"]) == (3, 3, 0)
    assert {(row["topic"], row["letters"]) for row in rows["reasons"]} == {("settlements", 2), ("audit.requests", 1)}
    assert (rows["errors"][-1]["settlements"], rows["errors"][-1]["audits"], rows["errors"][-1]["others"]) == (2, 1, 0)
    assert len(rows["errors"]) == 14
    assert [row["marks"] for row in rows["panels"]] == [0, 0, 0, 0]
    assert "settlement_rows" in {row["table"] for row in rows["storage"]}
    assert len(rows["audits"]) == 24
