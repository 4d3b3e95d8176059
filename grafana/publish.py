"""Puts folder, data source, dashboards and annotations into a Grafana that exists already, and says how it differs from ours.

Everything goes by uid, so that doing it twice does nothing the second time.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final, Literal
from urllib.parse import urlsplit

from clickhouse_connect.driver.client import Client
from grafana_client.api import GrafanaApi
from grafana_client.client import GrafanaException

from clickhouse.client import translated
from grafana.errors import GrafanaAwayError, GrafanaRefusedError
from grafana.settings import GrafanaSettings
from grafana.target import DATASOURCE_UID, PLUGIN, PLUGIN_VERSION

FOLDER_UID: Final = "fundwatch"
FOLDER_TITLE: Final = "医保基金智能监控"
TREND_UID: Final = "fundwatch-trend"
_DASHBOARDS: Final = Path(__file__).with_name("dashboards")
_TIMEOUT: Final = 10.0  # seconds
_TAG: Final = "fundwatch"
_KEY: Final = re.compile(r"[A-Za-z0-9._-]{1,80}")  # Grafana cuts a tag at a colon and keeps 100 characters
_MOST_ANNOTATIONS: Final = 10_000
_OF_GRAFANA: Final = frozenset({"id", "version"})
_SHOWN: Final = 60  # characters of a value in a sentence
_MISSING: Final = object()
_NO_PASSWORD: Final = "secureJsonData.password: Grafana has none"  # noqa: S105  a sentence, no password

Outcome = Literal["created", "updated", "unchanged", "kept", "same", "differs", "missing", "ok", "wrong"]


@dataclass(frozen=True)
class Step:
    """What became of one thing, or how it stands; ``details`` says in words what differs or why it was left."""

    outcome: Outcome
    what: str
    details: tuple[str, ...] = ()

    @property
    def good(self) -> bool:
        """Whether Grafana has it as it is committed."""
        return self.outcome in ("created", "updated", "unchanged", "same", "ok")


@dataclass(frozen=True)
class Mark:
    """A moment to see on the trend; ``key`` identifies it for ever, in letters, digits, dots, dashes and underscores."""

    key: str
    at: datetime
    text: str


def connect(settings: GrafanaSettings) -> GrafanaApi:
    """A client on the configured Grafana; nothing is asked yet. Raises :class:`GrafanaAwayError` for an address that is none."""
    url = urlsplit(settings.grafana_url or "")
    if url.scheme not in ("http", "https") or not url.hostname:
        raise GrafanaAwayError(
            f"expected FUNDWATCH_GRAFANA_URL such as http://127.0.0.1:3000, got {settings.grafana_url!r}; set it"
        )
    # the client puts "api" right behind what it is given, so a sub-path needs its slash
    address = url._replace(path=url.path.rstrip("/") + "/").geturl()
    return GrafanaApi.from_url(address, credential=settings.grafana_token.get_secret_value() or None, timeout=_TIMEOUT)


def address(api: GrafanaApi) -> str:
    """The address without a password."""
    url = urlsplit(str(api.url))
    return url._replace(netloc=url.netloc.rpartition("@")[2]).geturl().rstrip("/")


def version(api: GrafanaApi) -> str:
    """The version of the Grafana that answers. Raises :class:`GrafanaAwayError`, also if its own database is broken."""
    with _asking(api, "its health check"):
        health = _answer(api, api.health.check())
    return str(health.get("version", "unknown"))


def committed() -> dict[str, dict[str, Any]]:
    """The dashboards of this version by uid."""
    found = [json.loads(path.read_text("utf-8")) for path in sorted(_DASHBOARDS.glob("*.json"))]
    return {dashboard["uid"]: dashboard for dashboard in found}


def source(settings: GrafanaSettings, clickhouse_url: str, database: str) -> dict[str, Any]:
    """The data source as Grafana is to have it, without its password."""
    url = urlsplit(settings.grafana_clickhouse_url or clickhouse_url)
    secure = url.scheme == "https"
    return {
        "uid": DATASOURCE_UID,
        "name": "Fundwatch ClickHouse",
        "type": PLUGIN,
        "access": "proxy",
        "jsonData": {
            "version": PLUGIN_VERSION,
            "protocol": "http",
            "secure": secure,
            "host": url.hostname or "",
            "port": url.port or (8443 if secure else 8123),
            "username": settings.grafana_clickhouse_user,
            "defaultDatabase": database,
            "dialTimeout": "5",
            "queryTimeout": "30",
        },
    }


def publish(
    api: GrafanaApi, wanted: Mapping[str, Any], password: str, dashboards: Mapping[str, dict[str, Any]]
) -> Iterator[Step]:
    """Bring folder, data source and dashboards to what is committed, a step each; what is provisioned there from files is kept.

    Raises :class:`GrafanaAwayError` and :class:`GrafanaRefusedError`; what was done before stays done, and doing it again is safe.
    """
    yield _publish_folder(api)
    yield _publish_source(api, wanted, password)
    for dashboard in dashboards.values():
        yield _publish_dashboard(api, dashboard)
    yield _source_health(api)


def check(api: GrafanaApi, wanted: Mapping[str, Any], dashboards: Mapping[str, dict[str, Any]]) -> Iterator[Step]:
    """How Grafana differs from what is committed, a step per thing; changes nothing. Raises as :func:`publish`."""
    found = _find(api, f"folder {FOLDER_UID}", lambda: api.folder.get_folder(FOLDER_UID))
    yield Step("same" if found else "missing", f"folder {FOLDER_UID}")
    found = _find_source(api)
    if found is None:
        yield Step("missing", f"data source {DATASOURCE_UID}")
    else:
        yield _compared(f"data source {DATASOURCE_UID}", _source_differences(wanted, found))
        yield _source_health(api)
    for uid, dashboard in dashboards.items():
        found = _find_dashboard(api, uid)
        if found is None:
            yield Step("missing", f"dashboard {uid}")
        else:
            yield _compared(f"dashboard {uid}", _dashboard_differences(dashboard, found))


def annotate(api: GrafanaApi, marks: Sequence[Mark]) -> list[Step]:
    """Show ``marks`` on the trend; one that is there already is left, one whose time or words changed is corrected.

    Raises ValueError for a key that is out of form, :class:`GrafanaAwayError` and :class:`GrafanaRefusedError`.
    """
    for mark in marks:
        if not _KEY.fullmatch(mark.key):
            raise ValueError(f"expected a key of up to 80 letters, digits and . _ -, got {mark.key!r}")
    with _asking(api, "the annotations of the trend"):
        listed = api.annotations.get_annotation(dashboard_uid=TREND_UID, tags=[_TAG], limit=_MOST_ANNOTATIONS)
        if not isinstance(listed, list):
            raise _no_grafana(api)
    there = {tag: annotation for annotation in listed for tag in annotation.get("tags") or []}
    return [_annotate(api, mark, there.get(f"{_TAG}-{mark.key}")) for mark in marks]


def rule_changes(client: Client) -> list[Mark]:
    """When a later version of a rule first found something, from the alerts in the store, oldest first.

    A rule's first version is no change. Raises :class:`clickhouse.errors.StoreError`.
    """
    with translated():
        rows = list(
            client.query(
                "SELECT rule_id, rule_version, min(raised_at) AS at FROM alerts WHERE NOT shadow "
                "GROUP BY rule_id, rule_version ORDER BY rule_id, rule_version"
            ).named_results()
        )
    marks, before = [], ""
    for row in rows:
        if row["rule_id"] == before:
            number = row["rule_version"]
            marks.append(Mark(f"rule-{before}-v{number}", row["at"], f"规则 {before} 启用第 {number} 版（首次命中）"))
        before = row["rule_id"]
    return sorted(marks, key=lambda mark: (mark.at, mark.key))


def _publish_folder(api: GrafanaApi) -> Step:
    what = f"folder {FOLDER_UID}"
    if _find(api, what, lambda: api.folder.get_folder(FOLDER_UID)):
        return Step("unchanged", what)
    with _asking(api, what):
        _answer(api, api.folder.create_folder(FOLDER_TITLE, FOLDER_UID))
    return Step("created", what)


def _publish_source(api: GrafanaApi, wanted: Mapping[str, Any], password: str) -> Step:
    what = f"data source {DATASOURCE_UID}"
    body = {**wanted, **({"secureJsonData": {"password": password}} if password else {})}
    found = _find_source(api)
    if found is None:
        with _asking(api, what):
            _answer(api, api.datasource.create_datasource(body))
        return Step("created", what)
    different = _source_differences(wanted, found)
    if found.get("readOnly"):
        return Step("kept" if different else "unchanged", what, _provisioned(different))
    if different == [_NO_PASSWORD] and not password:
        return Step("kept", what, ("it has no password there; set FUNDWATCH_GRAFANA_CLICKHOUSE_PASSWORD",))
    # a password cannot be read back: it is sent again if the store refuses the one that is there
    if not different and not (password and not _source_health(api).good):
        return Step("unchanged", what)
    with _asking(api, what):
        _answer(api, api.datasource.update_datasource_by_uid(DATASOURCE_UID, body))
    return Step("updated", what, tuple(different))


def _publish_dashboard(api: GrafanaApi, dashboard: dict[str, Any]) -> Step:
    uid = dashboard["uid"]
    what = f"dashboard {uid}"
    found = _find_dashboard(api, uid)
    content = {**dashboard, "id": None}
    payload = {
        "dashboard": content,
        "folderUid": FOLDER_UID,
        "message": "fundwatch grafana publish",
        "overwrite": False,
    }
    if found is not None:
        different = _dashboard_differences(dashboard, found)
        if not different:
            return Step("unchanged", what)
        if found["meta"].get("provisioned"):
            return Step("kept", what, _provisioned(different))
        # its version, so that a change made in this very moment is noticed and not lost
        content["version"] = found["dashboard"].get("version", 0)
    with _asking(api, what):
        _answer(api, api.dashboard.update_dashboard(payload))
    return Step("created", what) if found is None else Step("updated", what, tuple(different))


def _annotate(api: GrafanaApi, mark: Mark, found: Mapping[str, Any] | None) -> Step:
    what = f"annotation {mark.key}"
    at = int(mark.at.timestamp() * 1000)
    tags = [_TAG, f"{_TAG}-{mark.key}"]
    if found is not None and (found.get("time"), found.get("text")) == (at, mark.text):
        return Step("unchanged", what)
    with _asking(api, what):
        if found is not None:
            _answer(api, api.annotations.update_annotation(found["id"], at, at, tags, mark.text))
            return Step("updated", what)
        # add_annotation knows a dashboard by its number only, which Grafana is giving up
        body = {"dashboardUID": TREND_UID, "time": at, "timeEnd": at, "tags": tags, "text": mark.text}
        _answer(api, api.client.POST("/annotations", json=body))
    return Step("created", what)


def _find_source(api: GrafanaApi) -> dict[str, Any] | None:
    return _find(api, f"data source {DATASOURCE_UID}", lambda: api.datasource.get_datasource_by_uid(DATASOURCE_UID))


def _find_dashboard(api: GrafanaApi, uid: str) -> dict[str, Any] | None:
    return _find(api, f"dashboard {uid}", lambda: api.dashboard.get_dashboard(uid))


def _source_health(api: GrafanaApi) -> Step:
    """Whether Grafana reaches the store; the answer of a store that is not reached is status 400 with the reason."""
    what = "data source health"
    try:
        with _asking(api, what):
            health = _answer(api, api.datasource.health(DATASOURCE_UID))
    except GrafanaRefusedError as error:
        if error.status in (401, 403):
            raise
        return Step("wrong", what, (str(error),))
    told = str(health.get("message", ""))
    return Step("ok", what) if health.get("status") == "OK" else Step("wrong", what, (told,))


def _source_differences(wanted: Mapping[str, Any], found: Mapping[str, Any]) -> list[str]:
    """Ours against theirs, for what we have an opinion on."""
    data = found.get("jsonData") or {}
    theirs = {name: found.get(name) for name in wanted} | {
        "jsonData": {name: data.get(name) for name in wanted["jsonData"]}
    }
    different = list(differences(wanted, theirs))
    if not (found.get("secureJsonFields") or {}).get("password"):
        different.append(_NO_PASSWORD)
    return different


def _dashboard_differences(dashboard: Mapping[str, Any], found: Mapping[str, Any]) -> list[str]:
    folder = found["meta"].get("folderUid", "")
    moved = [] if folder == FOLDER_UID else [f"folder: committed {FOLDER_UID!r}, Grafana has {folder!r}"]
    ours = {name: value for name, value in dashboard.items() if name not in _OF_GRAFANA}
    theirs = {name: value for name, value in found["dashboard"].items() if name not in _OF_GRAFANA}
    return moved + list(differences(ours, theirs))


def differences(ours: Any, theirs: Any, where: str = "") -> Iterator[str]:
    """What differs between two pieces of JSON, a sentence per place; an empty value and none at all are the same.

    Grafana fills in some empty defaults when it saves; nothing else it has and we have not is passed over.
    """
    if isinstance(ours, Mapping) and isinstance(theirs, Mapping):
        for name in sorted(ours.keys() | theirs.keys()):
            yield from differences(
                ours.get(name, _MISSING), theirs.get(name, _MISSING), f"{where}.{name}" if where else name
            )
    elif isinstance(ours, list) and isinstance(theirs, list):
        if len(ours) != len(theirs):
            yield f"{where}: committed {len(ours)} of them, Grafana has {len(theirs)}"
        for number, (one, other) in enumerate(zip(ours, theirs, strict=False)):
            title = one.get("title") if isinstance(one, Mapping) else None
            yield from differences(one, other, f"{where}[{title or number}]")
    elif ours != theirs and not (_empty(ours) and _empty(theirs)):
        yield f"{where}: committed {_shown(ours)}, Grafana has {_shown(theirs)}"


def _empty(value: Any) -> bool:
    return value is _MISSING or value is None or value in ("", [], {}, False, 0)


def _said(error: GrafanaException) -> str:
    """Grafana's own words, empty if it is not Grafana that speaks."""
    return str(error.response.get("message", "")) if isinstance(error.response, dict) else ""


def _shown(value: Any) -> str:
    text = "nothing" if value is _MISSING else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"


def _compared(what: str, different: Sequence[str]) -> Step:
    return Step("differs" if different else "same", what, tuple(different))


def _provisioned(different: Sequence[str]) -> tuple[str, ...]:
    return ("comes from a file of that Grafana and can be changed only there", *different) if different else ()


def _find(api: GrafanaApi, what: str, ask: Callable[[], Any]) -> dict[str, Any] | None:
    """What Grafana has, None if it has not."""
    try:
        with _asking(api, what):
            return _answer(api, ask())
    except GrafanaRefusedError as error:
        if error.status == 404:
            return None
        raise


def _answer(api: GrafanaApi, answer: Any) -> dict[str, Any]:
    """An answer that can be one of Grafana's; a page of something else is none."""
    if not isinstance(answer, dict):
        raise _no_grafana(api)
    return answer


def _no_grafana(api: GrafanaApi) -> GrafanaAwayError:
    return GrafanaAwayError(
        f"what answers at {address(api)} is no Grafana; correct FUNDWATCH_GRAFANA_URL, with its sub-path if it has one"
    )


@contextmanager
def _asking(api: GrafanaApi, what: str) -> Iterator[None]:
    """Turn what client and network raise into our errors."""
    try:
        yield
    except GrafanaException as error:
        if error.status_code == 404 and not _said(error):  # every 404 of Grafana's own says what was not found
            raise _no_grafana(api) from error
        raise _refused(error, what) from error
    except OSError as error:
        raise GrafanaAwayError(
            f"Grafana does not answer at {address(api)}; start it, or correct FUNDWATCH_GRAFANA_URL"
        ) from error
    except ValueError as error:
        raise _no_grafana(api) from error


def _refused(error: GrafanaException, what: str) -> GrafanaRefusedError:
    said = _said(error) or str(error.message)
    sentences = {
        401: "Grafana does not accept the token; make a service account token there and set FUNDWATCH_GRAFANA_TOKEN",
        403: f"the token may not touch {what} ({said}); give its service account the role Admin",
        404: f"Grafana has no {what}",
        409: f"{what} is in the way of another of the same name ({said}); rename that one",
        412: f"{what} was not written: {said}; run it again",
    }
    sentence = sentences.get(error.status_code, f"Grafana refuses {what} (status {error.status_code}): {said}")
    return GrafanaRefusedError(sentence, status=error.status_code)
