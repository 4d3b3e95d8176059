"""The dashboards as Grafana will read them: whole, true to their modules, with queries that answer and links that lead somewhere."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
from clickhouse_connect.driver.client import Client
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models.dashboard import Dashboard

from clickhouse.client import connect
from clickhouse.panels import MODULES
from clickhouse.panels.macros import expanded
from console.outlines import geojson
from grafana import build, parts
from grafana.target import DATASOURCE_UID, PLUGIN, ClickHouseQuery
from tests.fixtures_city import City

_DESKS = frozenset({"overview", "alert", "person", "institution", "service"})
_BOARDS = {path.stem: json.loads(path.read_text("utf-8")) for path in sorted(build.FOLDER.glob("*.json"))}
_OUTLINE = Path(build.__file__).with_name("maps") / "outline.geojson"
_NOW = "toDateTime('2025-06-01 12:00:00')"
_MACROS = {
    r"\$__fromTime\b": f"({_NOW} - INTERVAL 1 DAY)",
    r"\$__toTime\b": _NOW,
    r"\$__timeFilter\(([\w.]+)\)": rf"\1 >= {_NOW} - INTERVAL 1 DAY AND \1 <= {_NOW}",
    r"\$__timeInterval\(([\w.]+)\)": r"toStartOfInterval(toDateTime(\1), INTERVAL 60 SECOND)",
    r"\$__interval_s\b": "60",
}
_SAMPLES = {
    "institution": "SELECT fixmedins_code FROM settlements ORDER BY setl_time DESC, event_id DESC LIMIT 1",
    "district": "SELECT mdtrtarea_admvs FROM settlements ORDER BY setl_time DESC, event_id DESC LIMIT 1",
    "alert": "SELECT alert_id FROM alerts ORDER BY raised_at DESC, alert_id LIMIT 1",
    "event": "SELECT event_ids[1] FROM alerts ORDER BY raised_at DESC, alert_id LIMIT 1",
    "person": expanded(
        "SELECT person_key(psn_no) FROM (SELECT persons[1] AS psn_no FROM alerts ORDER BY raised_at DESC, alert_id LIMIT 1)"
    ),
    "period": "SELECT '30'",
    "disease": "SELECT disease FROM settlement_rows ORDER BY setl_time DESC, event_id DESC LIMIT 1",
}
"""How a value of each variable is found in the store; a dashboard with a variable of another name says so here."""


def _targets(name: str) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    for panel in _BOARDS[name]["panels"]:
        for target in panel.get("targets", []):
            yield panel, target


def _variables(name: str) -> list[dict[str, Any]]:
    return list(_BOARDS[name]["templating"].get("list", []))


def _links(name: str) -> Iterator[str]:
    for panel in _BOARDS[name]["panels"]:
        for override in panel["fieldConfig"]["overrides"]:
            for one in override["properties"]:
                if one["id"] == "links":
                    yield from (link["url"] for link in one["value"])


def test_the_files_are_what_the_modules_say() -> None:
    assert {name: build.render(board) for name, board in build.dashboards().items()} == {
        path.stem: path.read_text("utf-8") for path in build.FOLDER.glob("*.json")
    }


@pytest.mark.parametrize("name", _BOARDS)
def test_the_sdk_reads_a_dashboard_and_writes_the_same(name: str) -> None:
    register_default_plugins()
    board = Dashboard.from_json(_BOARDS[name])
    assert all(isinstance(target, ClickHouseQuery) for panel in board.panels or [] for target in panel.targets or [])
    assert json.loads(json.dumps(board, cls=JSONEncoder)) == _BOARDS[name]


@pytest.mark.parametrize("name", _BOARDS)
def test_a_dashboard_is_known_by_its_uid_and_refreshes_as_its_module_does(name: str) -> None:
    board = _BOARDS[name]
    assert board["uid"] == f"fundwatch-{name}"
    assert board["timezone"] == "Asia/Shanghai"
    if name in MODULES:
        seconds = MODULES[name].refresh
        wanted = "" if seconds is None else "1m" if seconds == 60 else f"{seconds}s"
        assert (board["title"], board["refresh"]) == (MODULES[name].title, wanted)
        assert board["timepicker"]["hidden"]
    assert board["refresh"] in ["", *board["timepicker"]["refresh_intervals"]]


@pytest.mark.parametrize("name", _BOARDS)
def test_panels_lie_side_by_side(name: str) -> None:
    panels = _BOARDS[name]["panels"]
    assert [panel["id"] for panel in panels] == list(range(1, len(panels) + 1))
    places = [
        (one["x"], one["y"], one["x"] + one["w"], one["y"] + one["h"]) for one in (panel["gridPos"] for panel in panels)
    ]
    assert all(right <= 24 for _, _, right, _ in places)
    assert name not in MODULES or max(bottom for *_, bottom in places) == parts.ROWS
    for one, other in combinations(places, 2):
        assert one[2] <= other[0] or other[2] <= one[0] or one[3] <= other[1] or other[3] <= one[1], (one, other)


@pytest.mark.parametrize("name", _BOARDS)
def test_everything_asks_our_clickhouse_and_nothing_else(name: str) -> None:
    ours = {"type": PLUGIN, "uid": DATASOURCE_UID}
    assert all(panel["datasource"] == ours and target["datasource"] == ours for panel, target in _targets(name))
    assert all(one.get("datasource", ours) == ours for one in _variables(name))
    assert "://" not in json.dumps(_BOARDS[name])
    for panel in _BOARDS[name]["panels"]:
        if panel["type"] == "geomap":
            assert panel["options"]["basemap"]["type"] == "geojson"
            assert panel["options"]["basemap"]["config"]["src"] == parts.OUTLINE


@pytest.mark.parametrize("name", _BOARDS)
def test_links_lead_to_dashboards_and_their_variables(name: str) -> None:
    own = {one["name"] for one in _variables(name)}
    for url in _links(name):
        found = re.fullmatch(r"/d/fundwatch-(?P<board>\w+)\?(?P<given>.*)", url)
        assert found, url
        assert found["board"] in {*MODULES, *_DESKS}, url
        given = dict(
            re.fullmatch(r"var-(\w+)=\$\{(.+):percentencode\}", part).groups() for part in found["given"].split("&")
        )  # type: ignore[union-attr]
        assert {value for value in given.values() if not value.startswith("__data.fields.")} <= own, url
        if found["board"] in _BOARDS:
            assert given.keys() <= {one["name"] for one in _variables(found["board"])}, url


@pytest.mark.parametrize("name", _BOARDS)
def test_links_take_their_values_from_columns_of_the_panel(name: str) -> None:
    for panel in _BOARDS[name]["panels"]:
        columns = {override["matcher"]["options"] for override in panel["fieldConfig"]["overrides"]}
        used = set(re.findall(r"__data\.fields\.(\w+):", json.dumps(panel["fieldConfig"])))
        assert used <= columns, panel["title"]


@pytest.fixture(scope="module")
def filled(city: City) -> Iterator[Client]:
    client = connect(city.settings)
    yield client
    client.close()


@pytest.mark.embedded
@pytest.mark.parametrize("name", _BOARDS)
def test_every_query_answers_with_the_columns_its_panel_shows(name: str, filled: Client) -> None:
    samples = {one["name"]: _sample(one["name"], filled) for one in _variables(name)}
    for panel, target in _targets(name):
        everything = filled.query(_expanded(target["rawSql"], dict.fromkeys(samples, "")))
        narrowed = filled.query(_expanded(target["rawSql"], samples))
        assert (everything if name in MODULES else narrowed).row_count > 0, (panel["title"], target["rawSql"])
        calculated = {one["options"]["alias"] for one in panel["transformations"] if one["id"] == "calculateField"}
        shown = {
            column
            for one in panel["transformations"]
            if one["id"] == "filterFieldsByName"
            for column in one["options"]["include"]["names"]
        }
        columns = {*everything.column_names, *narrowed.column_names, *calculated}
        assert len(panel["targets"]) > 1 or shown <= columns, panel["title"]


@pytest.mark.embedded
@pytest.mark.parametrize("name", _BOARDS)
def test_every_choice_offers_values(name: str, filled: Client) -> None:
    for one in _variables(name):
        if one["type"] == "query":
            assert filled.query(_expanded(one["query"]["rawSql"], {})).row_count > 0, one["name"]


def _sample(variable: str, client: Client) -> str:
    assert variable in _SAMPLES, f"say in _SAMPLES how a value of {variable} is found"
    return str(client.query(_SAMPLES[variable]).result_rows[0][0])


def _expanded(sql: str, values: dict[str, str]) -> str:
    for name, value in values.items():
        sql = sql.replace(f"${{{name}:singlequote}}", f"'{value}'")
    for macro, text in _MACROS.items():
        sql = re.sub(macro, text, sql)
    assert "$" not in sql, f"a variable or macro was left: {sql[sql.index('$') :][:60]}"
    return sql


def test_the_outline_is_drawn_around_the_synthetic_institutions() -> None:
    sample = Path(__file__).parents[1] / "data" / "public-sample.institutions.csv"
    with sample.open(encoding="utf-8", newline="") as rows:
        assert json.loads(_OUTLINE.read_text("utf-8")) == json.loads(json.dumps(geojson(csv.DictReader(rows))))
