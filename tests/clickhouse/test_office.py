"""What a hospital's insurance office may read: whatever another institution does, its answers stay the same, word for word.

Two stores hold the same for the office's own institution and different things for the other one. Every query that narrows by
institution must answer alike from both; and a query whose filter is taken away must not, or the stores would prove nothing.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final

import pytest
from clickhouse_connect.driver.client import Client

from clickhouse.findings import Filter, evidence, find, list_findings
from clickhouse.panels import DETAILS, MODULES, Query
from clickhouse.panels.macros import expanded
from tests.fixtures_office import BOTH, MINE, OTHER, OWN, World

pytestmark = pytest.mark.embedded

_FILTER: Final = "{institution:String} = ''"
_NOT_FOR_OFFICES: Final = {"service": "the operator's own figures: no path of an office leads there"}
_CHOICES: Final = {"overview_periods", "overview_places", "overview_areas"}
"""What Grafana's desks offer to choose from: asked by Grafana only, whose user for an office is narrowed by the server's row policies."""
_ALWAYS_DIFFERENT: Final = {"delay_seconds", "stored_at"}
"""Columns that tell when a store took a row in."""


QUERIES: Final = {
    f"{module.name}_{query.name}": query
    for module in (*MODULES.values(), *DETAILS.values())
    if module.name not in _NOT_FOR_OFFICES
    for query in module.queries
    if f"{module.name}_{query.name}" not in _CHOICES
}
SHOWN: Final[dict[str, list[str]]] = {
    "alert": [f"{number:032x}" for number in range(1, 8)],
    "event": ["E000001", "E000505", "E000601"],
    "person": [MINE, BOTH, "32069992220003", "32069992220004"],
    "place": [OWN, OTHER],
    "disease": ["", "E11.9"],
}


def _questions(query: Query, at: World) -> Iterator[dict[str, Any]]:
    """Everything an office could fill the query with."""
    shown = [name for name in SHOWN if name in query.defaults]
    asked: list[dict[str, Any]] = [dict(query.defaults)] if not shown else []
    for name in shown:
        others = {other: SHOWN[other][-1] for other in shown if other not in (name, "alert", "event")}
        asked += [{**query.defaults, **others, name: value} for value in SHOWN[name]]
    for one in asked:
        if "person" in one:
            one["person"] = at.persons.get(one["person"], "")
        yield {**one, "institution": OWN}


@dataclass
class _Asked:
    """Answers that were given already: asking again costs a tenth of a second each."""

    told: dict[tuple[str, str], list[str]] = field(default_factory=dict)


_asked: Final = _Asked()


def answers(at: World, query: Query, sql: str = "") -> list[str]:
    """What an office is told, a JSON text per question."""
    key = (at.settings.clickhouse_database, sql or query.sql)
    if key not in _asked.told:
        _asked.told[key] = _ask(at, query, sql)
    return _asked.told[key]


def _ask(at: World, query: Query, sql: str) -> list[str]:
    told = []
    for parameters in _questions(query, at):
        rows = at.client.query(sql or query.sql, parameters=parameters).named_results()
        kept = [{name: value for name, value in row.items() if name not in _ALWAYS_DIFFERENT} for row in rows]
        told.append(json.dumps(kept, default=str, ensure_ascii=False))
    return told


def without_echo(text: str) -> str:
    """The answer without the question's own words: an alert's id comes back to whoever asked for it."""
    return re.sub(r'"alert_id": "[0-9a-f]*"', "", text)


@pytest.mark.parametrize("name", QUERIES)
def test_nothing_another_institution_does_changes_what_an_office_reads(name: str, worlds: tuple[World, World]) -> None:
    busy, quiet = (answers(one, QUERIES[name]) for one in worlds)
    assert busy == quiet
    for one in worlds:
        for text in answers(one, QUERIES[name]):
            assert not [mark for mark in one.marks if mark in without_echo(text)], text


@pytest.mark.parametrize("name", QUERIES)
def test_the_stores_would_show_a_query_without_its_filter(name: str, worlds: tuple[World, World]) -> None:
    query = QUERIES[name]
    open_query = opened(query.sql)
    assert open_query != query.sql
    assert [without_echo(one) for one in answers(worlds[0], query, open_query)] != [
        without_echo(one) for one in answers(worlds[1], query, open_query)
    ]


def opened(sql: str) -> str:
    """The query as if its author had forgotten to narrow it."""
    sql = sql.replace(_FILTER, "1").replace("{institution:String} != ''", "0")
    return re.sub(r"(?:\w+\.)?fixmedins_code = \{institution:String\}", "1", sql)


@pytest.mark.parametrize("name", QUERIES)
def test_an_office_finds_its_own(name: str, worlds: tuple[World, World]) -> None:
    assert any(text != "[]" for text in answers(worlds[0], QUERIES[name]))


@pytest.mark.parametrize(
    "ask",
    [
        lambda client: list_findings(client, Filter(institution_id=OWN), limit=100),
        lambda client: list_findings(client, Filter(institution_id=OWN, subject=BOTH), limit=100),
        lambda client: list_findings(client, Filter(institution_id=OWN, subject=OTHER), limit=100),
        lambda client: [find(client, f"{number:032x}", institution_id=OWN) for number in range(1, 8)],
        lambda client: evidence(client, [f"E{number:06d}" for number in range(700)], institution_id=OWN),
    ],
    ids=["list", "list of a person", "list of the other", "find", "evidence"],
)
def test_findings_tell_an_office_its_part_only(ask: Callable[[Client], Any], worlds: tuple[World, World]) -> None:
    told = [json.dumps(ask(one.client), default=str, ensure_ascii=False) for one in worlds]
    assert told[0] == told[1]
    for one, text in zip(worlds, told, strict=True):
        assert not [mark for mark in one.marks if mark in text], text


def test_a_shared_finding_shows_an_office_its_own_documents_and_money(worlds: tuple[World, World]) -> None:
    found = find(worlds[0].client, f"{2:032x}", institution_id=OWN)
    assert found is not None
    assert (found["event_ids"], found["persons"], found["institutions"]) == (["E000005", "E000001"], [BOTH], [OWN])
    assert found["amount"] == Decimal("140.00")
    [row] = (
        worlds[0]
        .client.query(QUERIES["alert_finding"].sql, parameters={"alert": f"{2:032x}", "event": "", "institution": OWN})
        .named_results()
    )
    assert (row["documents"], row["persons"], row["institutions"], row["amount"]) == (2, 1, 1, Decimal("140.00"))


@pytest.mark.parametrize("name", QUERIES)
def test_no_person_leaves_a_query_in_clear(name: str, worlds: tuple[World, World]) -> None:
    at = worlds[0]
    for parameters in _questions(QUERIES[name], at):
        rows = at.client.query(QUERIES[name].sql, parameters={**parameters, "institution": ""}).result_rows
        assert not [person for person in at.persons if person in str(rows)], parameters


def test_a_person_key_opens_in_its_own_store_only(worlds: tuple[World, World]) -> None:
    at = worlds[0]
    key = at.persons[MINE]
    assert MINE.encode() not in bytes.fromhex(key)
    sql = expanded("SELECT person_of({key:String})")
    forged = key[:-1] + ("0" if key[-1] != "0" else "1")
    assert [
        at.client.query(sql, parameters={"key": one}).result_rows[0][0] for one in (key, forged, "", "zz", MINE)
    ] == [MINE, "", "", "", ""]
