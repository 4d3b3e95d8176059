"""What Grafana is given at start: files of the form it reads, uids that exist, alerts that ring when, and only when, they should."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from clickhouse_connect.driver.client import Client
from pydantic import BaseModel, ConfigDict, Field

import grafana
from clickhouse.panels import MODULES
from grafana.publish import FOLDER_TITLE, FOLDER_UID
from grafana.target import DATASOURCE_UID, PLUGIN, PLUGIN_VERSION

_FOLDER = Path(grafana.__file__).with_name("provisioning")
_DESKS = {"overview", "alert", "person", "institution", "service"}
_DURATION = re.compile(r"(?:\d+[smh])+")
_FROM_OUTSIDE = re.compile(r"\$__file\{[^}]+\}|\$[A-Z][A-Z_]*")


class _Form(BaseModel):
    """Grafana leaves out silently what it does not know, so a misspelt name must fail here."""

    model_config = ConfigDict(extra="forbid")


class Query(_Form):
    refId: str  # noqa: N815  Grafana's spelling, also below
    datasourceUid: str  # noqa: N815
    relativeTimeRange: dict[str, int] = Field(default_factory=dict)  # noqa: N815
    model: dict[str, Any]


class Rule(_Form):
    uid: str = Field(max_length=40, pattern=r"^[A-Za-z0-9_-]+$")
    title: str = Field(min_length=1, max_length=190)
    condition: str
    dashboardUid: str  # noqa: N815
    panelId: int  # noqa: N815
    for_: str = Field(alias="for", pattern=_DURATION.pattern)
    noDataState: str = Field(pattern="^(NoData|Alerting|OK|KeepLast)$")  # noqa: N815
    execErrState: str = Field(pattern="^(Error|Alerting|OK|KeepLast)$")  # noqa: N815
    labels: dict[str, str]
    annotations: dict[str, str]
    data: list[Query]


class Group(_Form):
    orgId: int  # noqa: N815
    name: str
    folder: str
    interval: str = Field(pattern=_DURATION.pattern)
    rules: list[Rule]


class Groups(_Form):
    apiVersion: int  # noqa: N815
    groups: list[Group]


class Receiver(_Form):
    uid: str = Field(max_length=40)
    type: str
    disableResolveMessage: bool  # noqa: N815
    settings: dict[str, Any]


class ContactPoint(_Form):
    orgId: int  # noqa: N815
    name: str
    receivers: list[Receiver]


class Policy(_Form):
    orgId: int  # noqa: N815
    receiver: str
    group_by: list[str]
    group_wait: str = Field(pattern=_DURATION.pattern)
    group_interval: str = Field(pattern=_DURATION.pattern)
    repeat_interval: str = Field(pattern=_DURATION.pattern)


class Notifications(_Form):
    apiVersion: int  # noqa: N815
    contactPoints: list[ContactPoint]  # noqa: N815
    policies: list[Policy]


def _read(path: str) -> Any:
    return yaml.safe_load((_FOLDER / path).read_text("utf-8"))


GROUP = Groups.model_validate(_read("alerting/rules.yaml")).groups[0]
RULES = {rule.uid: rule for rule in GROUP.rules}
every_rule = pytest.mark.parametrize("rule", RULES.values(), ids=RULES)


def test_the_data_source_reads_only_and_its_password_is_in_a_file() -> None:
    (source,) = _read("datasources/clickhouse.yaml")["datasources"]
    assert (source["uid"], source["type"], source["access"]) == (DATASOURCE_UID, PLUGIN, "proxy")
    assert source["jsonData"]["version"] == PLUGIN_VERSION
    assert (source["jsonData"]["username"], source["jsonData"]["protocol"]) == ("grafana", "http")
    assert isinstance(source["jsonData"]["port"], int)
    assert source["secureJsonData"]["password"].startswith("$__file{/run/secrets/")
    assert source["editable"] is False


def test_dashboards_go_into_one_folder_and_stay_as_they_are() -> None:
    (provider,) = _read("dashboards/fundwatch.yaml")["providers"]
    assert (provider["folder"], provider["folderUid"], provider["type"]) == (FOLDER_TITLE, FOLDER_UID, "file")
    assert provider["allowUiUpdates"] is False
    assert GROUP.folder == FOLDER_TITLE


def test_messages_are_signed_and_the_secret_is_in_a_file() -> None:
    notifications = Notifications.model_validate(_read("alerting/notifications.yaml"))
    (point,) = notifications.contactPoints
    (receiver,) = point.receivers
    assert receiver.type == "webhook"
    assert receiver.settings.keys() == {"url", "httpMethod", "maxAlerts", "hmacConfig"}
    signature = receiver.settings["hmacConfig"]
    assert signature.keys() == {"secret", "header", "timestampHeader"}
    assert signature["secret"].startswith("$__file{/run/secrets/")
    assert [policy.receiver for policy in notifications.policies] == [point.name]


def test_nothing_else_comes_from_outside() -> None:
    found = {path.name: set(_FROM_OUTSIDE.findall(path.read_text("utf-8"))) for path in _FOLDER.rglob("*.yaml")}
    assert found == {
        "clickhouse.yaml": {"$CLICKHOUSE_HOST", "$__file{/run/secrets/fundwatch_grafana_clickhouse_password}"},
        "fundwatch.yaml": set(),
        "notifications.yaml": {"$GRAFANA_ALERT_WEBHOOK", "$__file{/run/secrets/fundwatch_grafana_webhook_secret}"},
        "rules.yaml": set(),
    }


def test_uids_are_there_once() -> None:
    assert len(RULES) == len(GROUP.rules)
    assert len({rule.title for rule in GROUP.rules}) == len(GROUP.rules)


@every_rule
def test_a_rule_asks_clickhouse_and_compares_a_number(rule: Rule) -> None:
    asked, reduced, compared = rule.data
    assert rule.condition == compared.refId
    assert asked.datasourceUid == DATASOURCE_UID
    assert {query.datasourceUid for query in (reduced, compared)} == {"__expr__"}
    assert (reduced.model["type"], reduced.model["expression"]) == ("reduce", asked.refId)
    assert (compared.model["type"], compared.model["expression"]) == ("threshold", reduced.refId)
    assert all(query.model["refId"] == query.refId for query in rule.data)
    assert asked.model["datasource"] == {"type": PLUGIN, "uid": DATASOURCE_UID}
    assert {name: asked.model[name] for name in ("editorType", "queryType", "format", "pluginVersion")} == {
        "editorType": "sql", "queryType": "table", "format": 1, "pluginVersion": PLUGIN_VERSION,
    }  # fmt: skip
    assert rule.dashboardUid.removeprefix("fundwatch-") in MODULES.keys() | _DESKS
    assert set(rule.labels) == {"family", "severity"}


@every_rule
def test_the_periods_fit_each_other(rule: Rule) -> None:
    """Evaluated every minute, a rule looks back at least twice as far and waits less long than it looks back."""
    asked = rule.data[0]
    assert GROUP.interval == "1m"
    assert asked.relativeTimeRange["to"] == 0
    assert asked.relativeTimeRange["from"] >= 120
    assert 60 * int(rule.for_.removesuffix("m")) < asked.relativeTimeRange["from"]


@every_rule
def test_only_macros_stand_in_the_sql(rule: Rule) -> None:
    sql = rule.data[0].model["rawSql"]
    assert "$$" not in sql
    assert set(re.findall(r"\$\w+", sql)) <= {"$__timeFilter"}


def rings(store: Client, uid: str) -> bool:
    """What Grafana concludes from the store as it is: macros as the plugin expands them, last value of the one row, threshold."""
    asked, reduced, compared = RULES[uid].data
    now = int(time.time())
    first = now - asked.relativeTimeRange["from"]
    sql = re.sub(
        r"\$__timeFilter\((\w+)\)", rf"\1 >= toDateTime({first}) AND \1 <= toDateTime({now})", asked.model["rawSql"]
    )
    assert reduced.model["reducer"] == "last"
    ((value,),) = store.query(sql).result_rows
    assert isinstance(value, float)
    evaluator = compared.model["conditions"][0]["evaluator"]
    assert evaluator["type"] == "gt"
    return value > float(evaluator["params"][0])


def _settlements(store: Client, count: int, minutes_ago: int, *, settled_days_ago: int = 0) -> None:
    """``count`` settlements stored in the hour before ``minutes_ago``."""
    store.command(
        "INSERT INTO settlement_rows (event_id, lines, diagnoses, setl_time, ingested_at) SELECT toString(generateUUIDv4()), [], [], "
        f"now() - INTERVAL {settled_days_ago} DAY, now64(3) - INTERVAL {minutes_ago} MINUTE - INTERVAL (number * 3600 / {count}) SECOND "
        f"FROM numbers({count})"
    )


def _dead_letters(store: Client, count: int, minutes_ago: int, *, first: int = 0) -> None:
    store.command(
        "INSERT INTO dead_letter_rows (topic, partition, offset, ingested_at) SELECT 'settlements', 0, number, "
        f"now64(3) - INTERVAL {minutes_ago} MINUTE FROM numbers({first}, {count})"
    )


def _audits(store: Client, count: int, undecided: int, minutes_ago: int) -> None:
    store.command(
        "INSERT INTO audit_rows (audit_id, infno, asked_at, undecided) SELECT toString(generateUUIDv4()), '3101', "
        f"now64(3) - INTERVAL {minutes_ago} MINUTE, number < {undecided} FROM numbers({count})"
    )


def _mark(store: Client, mark: int, minutes_ago: int, *, cleared: bool) -> None:
    store.command(
        "INSERT INTO panel_marks (hour, mark, cleared, marked_at) SELECT toStartOfHour(now()), "
        f"{mark}, {int(cleared)}, now() - INTERVAL {minutes_ago} MINUTE"
    )


@pytest.mark.embedded
@pytest.mark.parametrize(
    ("uid", "wrong", "right"),
    [
        ("fundwatch-silence", lambda store: _settlements(store, 300, 10), lambda store: _settlements(store, 300, 0)),
        ("fundwatch-dead-letters", lambda store: _dead_letters(store, 11, 3), None),
        ("fundwatch-undecided", lambda store: _audits(store, 200, 3, 3), lambda store: _audits(store, 2_000, 0, 3)),
        (
            "fundwatch-stale-panels",
            lambda store: _mark(store, 1, 5, cleared=False),
            lambda store: _mark(store, 1, 0, cleared=True),
        ),
    ],
    ids=RULES,
)
def test_a_rule_rings_when_it_should_and_stops_when_it_is_mended(
    store: Client, uid: str, wrong: Callable[[Client], None], right: Callable[[Client], None] | None
) -> None:
    assert not rings(store, uid)
    wrong(store)
    assert rings(store, uid)
    if right:
        right(store)
        assert not rings(store, uid)


@pytest.mark.embedded
@pytest.mark.parametrize(
    ("uid", "harmless"),
    [
        pytest.param("fundwatch-silence", lambda store: _settlements(store, 40, 10), id="a quiet night"),
        pytest.param(
            "fundwatch-silence",
            lambda store: _settlements(store, 300, 10, settled_days_ago=300),
            id="a replay of last year",
        ),
        pytest.param("fundwatch-dead-letters", lambda store: _dead_letters(store, 500, 30), id="old letters"),
        pytest.param(
            "fundwatch-dead-letters",
            lambda store: [_dead_letters(store, 6, minutes) for minutes in (2, 4, 6)],
            id="the same letters delivered again",
        ),
        pytest.param("fundwatch-undecided", lambda store: _audits(store, 99, 99, 3), id="too few to speak of a share"),
        pytest.param("fundwatch-undecided", lambda store: _audits(store, 300, 300, 30), id="an old hour"),
        pytest.param("fundwatch-stale-panels", lambda store: _mark(store, 1, 1, cleared=False), id="rows just arrived"),
    ],
)
def test_a_rule_keeps_quiet(store: Client, uid: str, harmless: Callable[[Client], None]) -> None:
    harmless(store)
    assert not rings(store, uid)
