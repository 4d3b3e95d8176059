"""The JSON interface on a real store: who may ask, what comes back, and that an office sees nothing of anybody else."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from clickhouse.client import connect
from clickhouse.panels import MODULES, run_panel
from clickhouse.settings import StoreSettings
from console.replies import RowsResponse
from tests.console.conftest import Doors
from tests.fixtures_city import City

pytestmark = pytest.mark.embedded
PATHS = [*(f"/api/panels/{module}" for module in MODULES), "/api/alerts", "/api/alerts/unknown"]
_CODE = re.compile(r"[HP]\d{11}")


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("header", [{}, {"authorization": "Bearer wrong"}, {"authorization": "Basic YTpi"}])
async def test_without_a_known_token_nothing_is_told(api: httpx.AsyncClient, path: str, header: dict[str, str]) -> None:
    answer = await api.get(path, headers=header)
    assert answer.status_code == 401
    assert answer.json()["error"] == "unauthenticated"
    assert "Bearer" in answer.headers["www-authenticate"]


@pytest.mark.parametrize("path", PATHS)
async def test_a_hospitals_system_has_no_business_here(api: httpx.AsyncClient, doors: Doors, path: str) -> None:
    answer = await api.get(path, headers=doors.header("his"))
    assert answer.status_code == 403
    assert answer.json()["error"] == "forbidden"
    assert "role his" in answer.json()["message"]


@pytest.mark.parametrize("role", ["office", "supervisor", "oncall", "admin"])
async def test_staff_may_read(api: httpx.AsyncClient, doors: Doors, role: str) -> None:
    for path in ("/api/panels/feed", "/api/alerts"):
        assert (await api.get(path, headers=doors.header(role))).status_code == 200


async def test_a_console_without_tokens_lets_nobody_in(
    city: City, make_api: Callable[[StoreSettings, Path | None], FastAPI]
) -> None:
    app = make_api(city.settings, None)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://console") as client:
        answer = await client.get("/api/alerts", headers={"authorization": "Bearer fw_x"})
    assert answer.status_code == 401
    assert "FUNDWATCH_TOKENS" in answer.json()["message"]


@pytest.mark.parametrize("module", list(MODULES))
async def test_a_panels_rows_are_those_of_its_queries(
    api: httpx.AsyncClient, doors: Doors, city: City, module: str
) -> None:
    answer = (await api.get(f"/api/panels/{module}", headers=doors.header("supervisor"))).json()
    assert answer["module"] == module
    assert answer["title"] == MODULES[module].title
    assert answer["refresh_seconds"] == MODULES[module].refresh
    client = connect(city.settings)
    expected = json.loads(RowsResponse(run_panel(client, module)).body)
    assert answer["rows"] == expected
    assert all(answer["rows"][query.name] for query in MODULES[module].queries)


async def test_an_unknown_module_is_named(api: httpx.AsyncClient, doors: Doors) -> None:
    answer = await api.get("/api/panels/nothing", headers=doors.header("admin"))
    assert answer.status_code == 404
    assert answer.json()["field"] == "module"
    assert "feed, map" in answer.json()["message"]


@pytest.mark.parametrize("module", list(MODULES))
async def test_an_office_sees_its_own_institution_only(
    api: httpx.AsyncClient, doors: Doors, city: City, module: str
) -> None:
    everything = (await api.get(f"/api/panels/{module}", headers=doors.header("admin"))).json()["rows"]
    answer = (await api.get(f"/api/panels/{module}", headers=doors.header("office"))).json()["rows"]
    assert answer != everything
    expected = json.loads(RowsResponse(run_panel(connect(city.settings), module, institution=city.own)).body)
    assert answer == expected
    for rows in answer.values():
        for row in rows:
            assert row.get("fixmedins_code", city.own) == city.own


async def test_no_panel_shows_a_person(api: httpx.AsyncClient, doors: Doors, city: City) -> None:
    persons = {one.person_id for one in city.settlements} | {
        one.collector_id for one in city.settlements if one.collector_id
    }
    for module in MODULES:
        text = (await api.get(f"/api/panels/{module}", headers=doors.header("admin"))).text
        assert not [person for person in persons if person in text]


async def _pages(api: httpx.AsyncClient, header: dict[str, str], **query: Any) -> list[dict[str, Any]]:
    seen: list[dict[str, Any]] = []
    cursor = ""
    while True:
        answer = (await api.get("/api/alerts", params={**query, "cursor": cursor}, headers=header)).json()
        seen += answer["alerts"]
        cursor = answer["next_cursor"]
        if cursor is None:
            return seen
        assert answer["alerts"]


async def test_pages_give_every_alert_once_the_latest_first(api: httpx.AsyncClient, doors: Doors, city: City) -> None:
    seen = await _pages(api, doors.header("supervisor"), limit=7)
    assert [one["alert_id"] for one in seen] == [
        one.alert_id for one in sorted(city.alerts, key=lambda one: (one.raised_at, one.alert_id), reverse=True)
    ]


async def test_an_alert_is_told_as_the_contract_has_it(api: httpx.AsyncClient, doors: Doors, city: City) -> None:
    alert = city.alerts[0]
    answer = (await api.get(f"/api/alerts/{alert.alert_id}", headers=doors.header("oncall"))).json()
    assert answer == {
        "alert_id": alert.alert_id,
        "revision": alert.revision,
        "detector": alert.detector,
        "family": alert.family,
        "subject_type": alert.subject_type,
        "subject_id": alert.subject_id,
        "light": alert.light,
        "score": alert.score,
        "raised_at": alert.raised_at,
        "event_ids": alert.event_ids,
        "persons": alert.persons,
        "institutions": alert.institutions,
        "window": {"from": alert.window.start, "to": alert.window.end},
        "explanation": alert.explanation,
        "features": alert.features,
        "rule_id": alert.rule_id,
        "rule_version": alert.rule_version,
        "model_version": alert.model_version,
        "shadow": alert.shadow,
        "amount": str(alert.amount),
    }


async def test_filters_narrow(api: httpx.AsyncClient, doors: Doors, city: City) -> None:
    header = doors.header("supervisor")
    red = await _pages(api, header, light="red")
    assert {one["light"] for one in red} == {"red"}
    assert len(red) == sum(one.light == "red" for one in city.alerts)
    both = await _pages(api, header, light=["red", "green"])
    assert len(both) == sum(one.light in ("red", "green") for one in city.alerts)
    buying = await _pages(api, header, family="agent_buying", detector="agent_buying.trace_code_reuse")
    assert len(buying) == sum(one.detector == "agent_buying.trace_code_reuse" for one in city.alerts)
    person = city.alerts[-1].persons[0]
    assert len(await _pages(api, header, subject=person)) == sum(
        person in one.persons or one.subject_id == person for one in city.alerts
    )
    middle = sorted(one.raised_at for one in city.alerts)[len(city.alerts) // 2]
    later = await _pages(api, header, since=middle)
    earlier = await _pages(api, header, until=middle.replace(" ", "T"))
    assert len(later) == sum(one.raised_at >= middle for one in city.alerts)
    assert len(earlier) + len(later) == len(city.alerts)
    assert await _pages(api, header, since="2025-01-01T00:00:00Z", until="2025-01-01 08:00:00") == []


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"light": "blue"}, "light"), ({"limit": 0}, "limit"), ({"limit": 100_000}, "limit"), ({"limit": "x"}, "limit"),
        ({"since": "yesterday"}, "since"), ({"until": "2025-13-01"}, "until"), ({"since": "0001-01-01"}, "since"),
        ({"cursor": "!!"}, "cursor"), ({"cursor": "YWJj"}, "cursor"), ({"subject": "x" * 500}, "subject"),
    ],
)  # fmt: skip
async def test_a_bad_question_is_told_which_field_is_wrong(
    api: httpx.AsyncClient, doors: Doors, query: dict[str, Any], field: str
) -> None:
    answer = await api.get("/api/alerts", params=query, headers=doors.header("admin"))
    assert answer.status_code == 422
    assert answer.json()["error"] == "invalid"
    assert answer.json()["field"] == field


@pytest.mark.parametrize("text", ["' OR 1=1 --", "\\", "{institution:String}", "%", "名"])
async def test_values_stay_values(api: httpx.AsyncClient, doors: Doors, text: str) -> None:
    answer = await api.get("/api/alerts", params={"subject": text, "family": text}, headers=doors.header("admin"))
    assert (answer.status_code, answer.json()["alerts"]) == (200, [])


async def test_an_office_reads_its_own_part_of_an_alert(api: httpx.AsyncClient, doors: Doors, city: City) -> None:
    header = doors.header("office")
    own_events = {one.event_id for one in city.settlements if one.institution_id == city.own}
    own_persons = {one.person_id for one in city.settlements if one.institution_id == city.own}
    mine = {one.alert_id: one for one in city.alerts if city.own in one.institutions}
    seen = await _pages(api, header, limit=3)
    assert {one["alert_id"] for one in seen} == set(mine)
    assert any(len(one.institutions) > 1 for one in mine.values())
    assert any(one.institutions == [city.own] for one in mine.values())
    for one in seen:
        assert one["institutions"] == [city.own]
        assert set(one["event_ids"]) <= own_events
        assert set(one["persons"]) <= own_persons
        assert set(_CODE.findall(json.dumps(one))) <= {city.own}
        assert (await api.get(f"/api/alerts/{one['alert_id']}", headers=header)).json() == one


async def test_an_office_cannot_open_or_probe_for_others(api: httpx.AsyncClient, doors: Doors, city: City) -> None:
    header = doors.header("office")
    foreign = next(one for one in city.alerts if city.own not in one.institutions)
    assert (await api.get(f"/api/alerts/{foreign.alert_id}", headers=header)).status_code == 404
    shared = next(one for one in city.alerts if city.own in one.institutions and len(one.institutions) > 1)
    other = next(place for place in shared.institutions if place != city.own)
    assert await _pages(api, header, subject=other) == []


async def test_an_unknown_alert_is_not_found(api: httpx.AsyncClient, doors: Doors) -> None:
    answer = await api.get("/api/alerts/nothing", headers=doors.header("admin"))
    assert answer.status_code == 404
    assert answer.json() == {
        "error": "not_found", "field": "alert_id", "message": "expected the id of an alert that stands, got one we do not have",
    }  # fmt: skip


async def test_a_store_that_is_away_is_said_without_a_trace(
    doors: Doors, make_api: Callable[[StoreSettings, Path | None], FastAPI]
) -> None:
    app = make_api(StoreSettings(clickhouse_url="http://127.0.0.1:9"), doors.path)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://console") as client:
        for path in PATHS:
            answer = await client.get(path, headers=doors.header("admin"))
            assert answer.status_code == 503
            assert answer.json()["error"] == "unavailable"
            assert "127.0.0.1" not in answer.text


async def test_a_tokens_file_that_went_bad_lets_nobody_in(api: httpx.AsyncClient, doors: Doors) -> None:
    doors.path.write_text("[[client]\n")
    answer = await api.get("/api/alerts", headers=doors.header("admin"))
    assert answer.status_code == 503
    assert str(doors.path) not in answer.text


async def test_a_surprise_leaves_no_trace(
    city: City, doors: Doors, make_api: Callable[[StoreSettings, Path | None], FastAPI], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("secret detail")

    monkeypatch.setattr("console.api.list_findings", fail)
    transport = httpx.ASGITransport(make_api(city.settings, doors.path), raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://console") as client:
        answer = await client.get("/api/alerts", headers=doors.header("admin"))
    assert answer.status_code == 500
    assert answer.json()["error"] == "internal"
    assert "secret" not in answer.text
