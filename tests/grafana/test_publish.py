"""Publishing to a Grafana: against an HTTP server that keeps to Grafana's documented API for the calls we make, through the real client."""

from __future__ import annotations

import copy
import json
import re
import sys
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from clickhouse_connect.driver.client import Client
from pydantic import SecretStr

from clickhouse.panels import MODULES
from clickhouse.settings import StoreSettings
from clickhouse.sink import Sink
from fundwatch import cli, doctor
from grafana import publish
from grafana.errors import GrafanaAwayError, GrafanaRefusedError
from grafana.publish import FOLDER_UID, TREND_UID, Mark, Step, annotate, check, committed, connect, differences, source
from grafana.settings import GrafanaSettings
from grafana.target import DATASOURCE_UID
from tests.fixtures_clickhouse import alert
from tests.grafana.test_provisioning import _read as provisioned

_TOKEN = "glsa_right"
_PASSWORD = "read-only"


class StandIn:
    """Grafana's HTTP API as its documentation has it, for health, folders, data sources, dashboards and annotations."""

    def __init__(self, prefix: str = "") -> None:
        self.folders: dict[str, dict[str, Any]] = {}
        self.sources: dict[str, dict[str, Any]] = {}
        self.dashboards: dict[str, dict[str, Any]] = {}
        self.annotations: list[dict[str, Any]] = []
        self.passwords: dict[str, str] = {}
        self.writes: list[str] = []
        self.may_write = True
        self.meanwhile: Callable[[], None] = lambda: None
        self._prefix = prefix
        self._number = 0
        stand_in = self

        class Handler(BaseHTTPRequestHandler):
            def _handle(self) -> None:
                length = int(self.headers.get("Content-Length") or 0)
                body = json.loads(self.rfile.read(length)) if length else None
                status, answer = stand_in.answer(self.command, self.path, self.headers.get("Authorization", ""), body)
                text = answer if isinstance(answer, str) else json.dumps(answer)
                self.send_response(status)
                kind = "text/html" if isinstance(answer, str) else "application/json"
                self.send_header("Content-Type", f"{kind}; charset=UTF-8")
                self.send_header("Content-Length", str(len(text.encode())))
                self.end_headers()
                self.wfile.write(text.encode())

            do_GET = do_POST = do_PUT = _handle  # noqa: N815  the base class names them

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  the base class names it
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}{prefix}"
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def answer(self, method: str, target: str, authorization: str, body: Any) -> tuple[int, Any]:
        url = urlsplit(target)
        if not url.path.startswith(f"{self._prefix}/api/"):
            return 404, "<html><h1>404</h1></html>"
        path = url.path.removeprefix(f"{self._prefix}/api")
        if path == "/health":
            return 200, {"database": "ok", "version": "13.2.3", "commit": "0000000"}
        if authorization != f"Bearer {_TOKEN}":
            return 401, {"message": "Invalid API key", "messageId": "api-key.invalid", "statusCode": 401, "traceID": ""}
        if method != "GET":
            self.writes.append(f"{method} {path}")
            if not self.may_write:
                return 403, {
                    "message": "You'll need additional permissions to perform this action.",
                    "title": "Access denied",
                }
        part, _, rest = path[1:].partition("/")
        return getattr(self, f"_{part}")(method, rest, parse_qs(url.query), body)

    def _next(self) -> int:
        self._number += 1
        return self._number

    def _folders(self, method: str, uid: str, query: Any, body: Any) -> tuple[int, Any]:
        if method == "GET":
            found = self.folders.get(uid)
            return (200, found) if found else (404, {"message": "folder not found", "status": "not-found"})
        if body["uid"] in self.folders:
            return 409, {"message": "a folder with that uid already exists"}
        folder = {"id": self._next(), "uid": body["uid"], "title": body["title"], "version": 1, "canSave": True}
        self.folders[body["uid"]] = folder
        return 200, folder

    def _datasources(self, method: str, rest: str, query: Any, body: Any) -> tuple[int, Any]:
        uid = rest.removeprefix("uid/").removesuffix("/health")
        if method == "POST":
            if any(one["name"] == body["name"] for one in self.sources.values()):
                return 409, {"message": "data source with the same name already exists", "traceID": ""}
            return 200, self._keep(body["uid"], body, {"id": self._next(), "message": "Datasource added"})
        if uid not in self.sources:
            return 404, {"message": "Data source not found", "traceID": ""}
        if method == "PUT":
            return 200, self._keep(uid, body, {"id": self.sources[uid]["id"], "message": "Datasource updated"})
        if rest.endswith("/health"):
            if self.passwords.get(uid) == _PASSWORD:
                return 200, {"message": "Data source is working", "status": "OK"}
            return 400, {"message": "Authentication failed: password is incorrect", "status": "ERROR"}
        return 200, self.sources[uid]

    def _keep(self, uid: str, body: dict[str, Any], answer: dict[str, Any]) -> dict[str, Any]:
        secrets = body.pop("secureJsonData", {})
        if "password" in secrets:
            self.passwords[uid] = secrets["password"]
        before = self.sources.get(uid, {})
        self.sources[uid] = {
            "id": answer["id"], "orgId": 1, "typeLogoUrl": "", "url": "", "user": "", "database": "", "basicAuth": False,
            "basicAuthUser": "", "withCredentials": False, "isDefault": False, **body,
            "secureJsonFields": {"password": True} if uid in self.passwords else {},
            "version": before.get("version", 0) + 1, "readOnly": False,
        }  # fmt: skip
        return {**answer, "name": body["name"], "datasource": self.sources[uid]}

    def _dashboards(self, method: str, rest: str, query: Any, body: Any) -> tuple[int, Any]:
        if method == "GET":
            found = self.dashboards.get(rest.removeprefix("uid/"))
            return (200, copy.deepcopy(found)) if found else (404, {"message": "Dashboard not found", "traceID": ""})
        self.meanwhile()
        dashboard = body["dashboard"]
        uid = dashboard["uid"]
        before = self.dashboards.get(uid)
        if before and before["meta"]["provisioned"]:
            return 400, {"message": "Cannot save provisioned dashboard"}
        if before and not body["overwrite"] and dashboard.get("version") != before["dashboard"]["version"]:
            return 412, {"message": "The dashboard has been changed by someone else", "status": "version-mismatch"}
        version = before["dashboard"]["version"] + 1 if before else 1
        number = before["dashboard"]["id"] if before else self._next()
        self.dashboards[uid] = {
            "meta": {"folderUid": body.get("folderUid", ""), "provisioned": False, "version": version, "slug": uid},
            "dashboard": {"links": [], "preload": False, **dashboard, "id": number, "version": version},
        }
        return 200, {
            "id": number,
            "uid": uid,
            "url": f"/d/{uid}/{uid}",
            "status": "success",
            "version": version,
            "slug": uid,
        }

    def _annotations(self, method: str, number: str, query: Any, body: Any) -> tuple[int, Any]:
        if method == "GET":
            tags = set(query.get("tags", []))
            found = [
                one
                for one in self.annotations
                if tags <= set(one["tags"]) and one["dashboardUID"] in query.get("dashboardUID", [one["dashboardUID"]])
            ]
            return 200, found[: int(query.get("limit", ["100"])[0])]
        if method == "PUT":
            found = [one for one in self.annotations if one["id"] == int(number)]
            if not found:
                return 404, {"message": "annotation not found"}
            found[0].update(body)
            return 200, {"message": "Annotation updated"}
        if body["dashboardUID"] not in self.dashboards:
            return 404, {"message": "Dashboard not found"}
        self.annotations.append({"id": self._next(), "alertId": 0, "panelId": 0, "userId": 1, **body})
        return 200, {"message": "Annotation added", "id": self._number}


@pytest.fixture(params=["", "/grafana"], ids=["at the root", "below a path"])
def stand_in(request: pytest.FixtureRequest) -> Iterator[StandIn]:
    served = StandIn(request.param)
    yield served
    served.stop()


def settings(url: str, token: str = _TOKEN) -> GrafanaSettings:
    return GrafanaSettings(
        grafana_url=url, grafana_token=SecretStr(token), grafana_clickhouse_password=SecretStr(_PASSWORD)
    )


WANTED = source(settings("http://x"), "http://clickhouse:8123", "fundwatch")
BOARDS = committed() | {
    TREND_UID: committed().get(TREND_UID, {"uid": TREND_UID, "title": "全年趋势监控", "panels": []})
}


def _publish(stand_in: StandIn, password: str = _PASSWORD, token: str = _TOKEN) -> dict[str, str]:
    steps = publish.publish(connect(settings(stand_in.url, token)), WANTED, password, BOARDS)
    return {step.what: step.outcome for step in steps}


def _check(stand_in: StandIn) -> dict[str, Step]:
    return {step.what: step for step in check(connect(settings(stand_in.url)), WANTED, BOARDS)}


def test_publishing_twice_does_nothing_the_second_time(stand_in: StandIn) -> None:
    things = [f"folder {FOLDER_UID}", f"data source {DATASOURCE_UID}", *(f"dashboard {uid}" for uid in BOARDS)]
    assert _publish(stand_in) == dict.fromkeys(things, "created") | {"data source health": "ok"}
    assert stand_in.dashboards.keys() == BOARDS.keys()
    assert {one["meta"]["folderUid"] for one in stand_in.dashboards.values()} == {FOLDER_UID}
    stand_in.writes.clear()
    assert _publish(stand_in) == dict.fromkeys(things, "unchanged") | {"data source health": "ok"}
    assert stand_in.writes == []
    assert all(step.good for step in _check(stand_in).values())


def test_what_was_changed_there_is_said_in_words_and_put_right(stand_in: StandIn) -> None:
    _publish(stand_in)
    uid = f"fundwatch-{next(iter(MODULES))}"
    there = stand_in.dashboards[uid]["dashboard"]
    there["refresh"] = "30s"
    there["panels"][0]["title"] = "某人改的"
    title = BOARDS[uid]["panels"][0]["title"]
    found = _check(stand_in)[f"dashboard {uid}"]
    assert found.outcome == "differs"
    assert f'refresh: committed "{BOARDS[uid]["refresh"]}", Grafana has "30s"' in found.details
    assert f'panels[{title}].title: committed "{title}", Grafana has "某人改的"' in found.details
    assert _publish(stand_in)[f"dashboard {uid}"] == "updated"
    assert stand_in.dashboards[uid]["dashboard"]["version"] == 2
    assert _check(stand_in)[f"dashboard {uid}"].good


def test_a_dashboard_that_was_moved_comes_back(stand_in: StandIn) -> None:
    _publish(stand_in)
    stand_in.dashboards[TREND_UID]["meta"]["folderUid"] = "elsewhere"
    assert _check(stand_in)[f"dashboard {TREND_UID}"].details == (
        "folder: committed 'fundwatch', Grafana has 'elsewhere'",
    )
    assert _publish(stand_in)[f"dashboard {TREND_UID}"] == "updated"
    assert stand_in.dashboards[TREND_UID]["meta"]["folderUid"] == FOLDER_UID


def test_checking_an_empty_grafana_names_what_is_missing_and_writes_nothing(stand_in: StandIn) -> None:
    assert {step.outcome for step in _check(stand_in).values()} == {"missing"}
    assert stand_in.writes == []


def test_a_changed_data_source_and_a_wrong_password_are_put_right(stand_in: StandIn) -> None:
    _publish(stand_in)
    stand_in.sources[DATASOURCE_UID]["jsonData"]["username"] = "default"
    assert _check(stand_in)[f"data source {DATASOURCE_UID}"].details == (
        'jsonData.username: committed "grafana", Grafana has "default"',
    )
    assert _publish(stand_in)[f"data source {DATASOURCE_UID}"] == "updated"
    stand_in.passwords[DATASOURCE_UID] = "old"
    health = _check(stand_in)["data source health"]
    assert (health.outcome, health.good) == ("wrong", False)
    assert "password is incorrect" in health.details[0]
    again = _publish(stand_in)
    assert (again[f"data source {DATASOURCE_UID}"], again["data source health"]) == ("updated", "ok")


def test_a_data_source_without_a_password_asks_for_one(stand_in: StandIn) -> None:
    _publish(stand_in, password="")
    stand_in.writes.clear()
    steps = list(publish.publish(connect(settings(stand_in.url)), WANTED, "", BOARDS))
    assert steps[1].outcome == "kept"
    assert "set FUNDWATCH_GRAFANA_CLICKHOUSE_PASSWORD" in steps[1].details[0]
    assert stand_in.writes == []
    again = _publish(stand_in)
    assert (again[f"data source {DATASOURCE_UID}"], again["data source health"]) == ("updated", "ok")


def test_what_comes_from_files_there_is_kept_and_said(stand_in: StandIn) -> None:
    _publish(stand_in)
    stand_in.dashboards[TREND_UID]["meta"]["provisioned"] = True
    stand_in.sources[DATASOURCE_UID]["readOnly"] = True
    stand_in.writes.clear()
    assert "kept" not in _publish(stand_in).values()
    stand_in.dashboards[TREND_UID]["dashboard"]["title"] = "旧"
    stand_in.sources[DATASOURCE_UID]["jsonData"]["port"] = 1
    steps = list(publish.publish(connect(settings(stand_in.url)), WANTED, _PASSWORD, BOARDS))
    kept = [step for step in steps if step.outcome == "kept"]
    assert [step.what for step in kept] == [f"data source {DATASOURCE_UID}", f"dashboard {TREND_UID}"]
    assert not any(step.good for step in kept)
    assert all(step.details[0] == "comes from a file of that Grafana and can be changed only there" for step in kept)
    assert stand_in.writes == []


def test_a_change_made_in_the_same_moment_is_not_lost(stand_in: StandIn) -> None:
    _publish(stand_in)
    there = stand_in.dashboards[TREND_UID]["dashboard"]
    there["title"] = "旧"

    def someone_saves() -> None:
        there["version"] += 1

    stand_in.meanwhile = someone_saves
    with pytest.raises(GrafanaRefusedError, match="changed by someone else; run it again") as refused:
        _publish(stand_in)
    assert refused.value.status == 412
    assert there["title"] == "旧"


@pytest.mark.parametrize("token", ["", "glsa_wrong"])
def test_a_token_that_is_not_accepted(stand_in: StandIn, token: str) -> None:
    with pytest.raises(GrafanaRefusedError, match=r"does not accept the token.*FUNDWATCH_GRAFANA_TOKEN"):
        _publish(stand_in, token=token)


def test_a_token_that_may_only_look(stand_in: StandIn) -> None:
    stand_in.may_write = False
    with pytest.raises(GrafanaRefusedError, match=r"may not touch folder fundwatch .*role Admin"):
        _publish(stand_in)


def test_a_name_that_is_taken(stand_in: StandIn) -> None:
    stand_in.sources["other"] = {"name": WANTED["name"]}
    with pytest.raises(GrafanaRefusedError, match="in the way of another of the same name"):
        _publish(stand_in)


def test_a_server_that_is_away_and_one_that_is_no_grafana(stand_in: StandIn) -> None:
    elsewhere = connect(settings(f"{stand_in.url}/elsewhere"))
    said = f"what answers at {stand_in.url}/elsewhere is no Grafana; correct FUNDWATCH_GRAFANA_URL"
    with pytest.raises(GrafanaAwayError, match=re.escape(said)):
        publish.version(elsewhere)
    with pytest.raises(GrafanaAwayError, match=re.escape(said)):
        list(check(elsewhere, WANTED, BOARDS))
    stand_in.stop()
    with pytest.raises(GrafanaAwayError, match=r"does not answer at http://127.0.0.1:.*; start it, or correct"):
        _publish(stand_in)


@pytest.mark.parametrize("url", ["", "grafana:3000", "ftp://grafana"])
def test_an_address_that_is_none(url: str) -> None:
    with pytest.raises(GrafanaAwayError, match="expected FUNDWATCH_GRAFANA_URL such as"):
        connect(settings(url))


def test_no_password_is_told() -> None:
    api = connect(GrafanaSettings(grafana_url="http://admin:hunter2@127.0.0.1:1"))
    with pytest.raises(GrafanaAwayError) as away:
        publish.version(api)
    assert "hunter2" not in str(away.value)


def test_marks_on_the_trend_are_set_once_and_corrected(stand_in: StandIn) -> None:
    _publish(stand_in)
    api = connect(settings(stand_in.url))
    at = datetime(2025, 3, 10, 1, 30, tzinfo=UTC)
    marks = [Mark("rule-a.b-v2", at, "规则 a.b 启用第 2 版"), Mark("case-1", at + timedelta(days=1), "案件 1 查实")]
    assert [step.outcome for step in annotate(api, marks)] == ["created", "created"]
    assert stand_in.annotations[0] == {
        "id": stand_in.annotations[0]["id"], "alertId": 0, "panelId": 0, "userId": 1, "dashboardUID": TREND_UID,
        "time": 1741570200000, "timeEnd": 1741570200000, "tags": ["fundwatch", "fundwatch-rule-a.b-v2"],
        "text": "规则 a.b 启用第 2 版",
    }  # fmt: skip
    assert [step.outcome for step in annotate(api, marks)] == ["unchanged", "unchanged"]
    later = Mark("case-1", at + timedelta(days=2), "案件 1 查实，追回 1 万元")
    assert [step.outcome for step in annotate(api, [marks[0], later])] == ["unchanged", "updated"]
    assert [(one["time"], one["text"]) for one in stand_in.annotations][1] == (1741743000000, later.text)
    assert len(stand_in.annotations) == 2


def test_a_key_that_grafana_would_cut_is_refused(stand_in: StandIn) -> None:
    with pytest.raises(ValueError, match="expected a key of up to 80 letters"):
        annotate(connect(settings(stand_in.url)), [Mark("rule:a", datetime.now(UTC), "x")])


@pytest.mark.parametrize(
    ("ours", "theirs", "said"),
    [
        ({"a": 1}, {"a": 1}, []),
        ({"a": 1}, {"a": 1, "b": None, "c": [], "d": False}, []),
        ({"a": "", "b": {}}, {}, []),
        ({"a": 1}, {"a": 1, "b": 2}, ["b: committed nothing, Grafana has 2"]),
        ({"a": {"b": 1}}, {"a": {}}, ["a.b: committed 1, Grafana has nothing"]),
        ({"a": [1, 2]}, {"a": [1]}, ["a: committed 2 of them, Grafana has 1"]),
        ({"a": [{"title": "t", "x": 1}]}, {"a": [{"title": "t", "x": 2}]}, ["a[t].x: committed 1, Grafana has 2"]),
        ({"a": "x" * 99}, {"a": "y"}, [f'a: committed "{"x" * 58}…, Grafana has "y"']),
    ],
)
def test_differences_are_said_in_words(ours: Any, theirs: Any, said: list[str]) -> None:
    assert list(differences(ours, theirs)) == said


def test_the_data_source_is_that_of_the_provisioning() -> None:
    (there,) = provisioned("datasources/clickhouse.yaml")["datasources"]
    assert WANTED["jsonData"].pop("secure", False) is False
    assert WANTED["jsonData"] | {"host": "$CLICKHOUSE_HOST"} == there["jsonData"]
    assert {name: there[name] for name in ("uid", "name", "type", "access")} == {
        name: value for name, value in WANTED.items() if name != "jsonData"
    }


def test_grafana_may_reach_the_store_by_another_way() -> None:
    own = GrafanaSettings(grafana_clickhouse_url="https://store.example", grafana_clickhouse_user="reader")
    data = source(own, "http://127.0.0.1:8123", "fundwatch")["jsonData"]
    assert (data["host"], data["port"], data["secure"], data["username"]) == ("store.example", 8443, True, "reader")


class TestCommands:
    @pytest.fixture
    def run(
        self, stand_in: StandIn, store: Client, clickhouse_url: str, monkeypatch: pytest.MonkeyPatch
    ) -> Callable[[str], int]:
        for name, value in {
            "GRAFANA_URL": stand_in.url, "GRAFANA_TOKEN": _TOKEN, "GRAFANA_CLICKHOUSE_PASSWORD": _PASSWORD,
            "CLICKHOUSE_URL": clickhouse_url, "CLICKHOUSE_DATABASE": str(store.database),
        }.items():  # fmt: skip
            monkeypatch.setenv(f"FUNDWATCH_{name}", value)
        monkeypatch.setattr(publish, "committed", lambda: BOARDS)

        def command(name: str) -> int:
            monkeypatch.setattr(sys, "argv", ["fundwatch", "grafana", name])
            with pytest.raises(SystemExit) as ended:
                cli.main()
            return int(ended.value.code or 0)

        return command

    @pytest.mark.embedded
    def test_publish_and_check(
        self,
        run: Callable[[str], int],
        stand_in: StandIn,
        store: Client,
        clickhouse_url: str,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        sink = Sink(StoreSettings(clickhouse_url=clickhouse_url, clickhouse_database=str(store.database)))
        sink.store(
            alerts=[
                alert(1, raised_at="2025-03-10 09:30:00", rule_version=1),
                alert(2, raised_at="2025-04-02 08:00:00", rule_version=2),
                alert(3, raised_at="2025-04-01 08:00:00", rule_version=2),
            ]
        )
        sink.close()
        assert run("check") == 1
        assert f"missing   dashboard {TREND_UID}" in capsys.readouterr().out
        assert run("publish") == 0
        assert f"created   dashboard {TREND_UID}" in capsys.readouterr().out
        assert [(one["time"], one["tags"][1]) for one in stand_in.annotations] == [
            (1743465600000, "fundwatch-rule-frequent_visits.rolling_count-v2")
        ]
        assert run("check") == 0
        stand_in.dashboards[TREND_UID]["dashboard"]["title"] = "旧"
        assert run("check") == 1
        assert 'Grafana has "旧"' in capsys.readouterr().out
        assert run("publish") == 0
        assert len(stand_in.annotations) == 1

    @pytest.mark.embedded
    def test_what_cannot_be_done_is_one_sentence(
        self,
        run: Callable[[str], int],
        stand_in: StandIn,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        with monkeypatch.context() as away:
            away.setenv("FUNDWATCH_CLICKHOUSE_URL", "http://127.0.0.1:1")
            assert run("publish") == 1
            assert "wrong     annotations\n            ClickHouse: " in capsys.readouterr().out
        monkeypatch.setenv("FUNDWATCH_GRAFANA_TOKEN", "glsa_wrong")
        assert run("check") == 2
        assert capsys.readouterr().err.startswith("fundwatch: Grafana does not accept the token")
        monkeypatch.delenv("FUNDWATCH_GRAFANA_URL")
        assert run("publish") == 2
        assert capsys.readouterr().err.startswith("fundwatch: expected FUNDWATCH_GRAFANA_URL such as")

    @pytest.mark.embedded
    def test_the_doctor_looks_at_grafana(
        self, run: Callable[[str], int], stand_in: StandIn, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def told() -> list[tuple[str, str]]:
            return [(finding.verdict, finding.sentence) for finding in doctor._grafana()]

        answers = ("ok", f"Grafana 13.2.3 answers at {stand_in.url}")
        assert told()[:2] == [answers, ("wrong", f"folder {FOLDER_UID} is missing; run fundwatch grafana publish")]
        run("publish")
        assert told() == [answers, ("ok", f"all {len(BOARDS) + 3} things we put there are as they should be")]
        stand_in.dashboards[TREND_UID]["dashboard"]["title"] = "旧"
        stand_in.passwords[DATASOURCE_UID] = "old"
        assert [verdict for verdict, _ in told()] == ["ok", "wrong", "note"]
        monkeypatch.setenv("FUNDWATCH_GRAFANA_TOKEN", "glsa_wrong")
        assert told()[1][0] == "wrong"
        assert "does not accept the token" in told()[1][1]
        stand_in.stop()
        assert told() == [
            ("wrong", f"Grafana does not answer at {stand_in.url}; start it, or correct FUNDWATCH_GRAFANA_URL")
        ]
