"""Reads findings for people: lists with filters and a cursor, one alert, and the settlements that are its evidence."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

import orjson
from clickhouse_connect.driver.client import Client

from clickhouse.client import translated

Row = dict[str, Any]

_EARLIEST: Final = "1971-01-01 00:00:00"
_LATEST: Final = "2100-01-01 00:00:00"  # settlements end before it (schemas.settlement)

# A place of others that shares a finding with the reader's institution is not named, nor found by its name
_COLUMNS: Final = """
    alert_id, revision, detector, family, subject_type,
    if({institution:String} = '' OR length(alerts.institutions) = 1 OR subject_type IN ('person', 'agent', 'drug_code')
        OR alerts.subject_id = {institution:String}, alerts.subject_id, '其他机构') AS subject_id,
    light, score, toString(raised_at) AS raised_at,
    event_ids, persons, institutions, toString(window_from) AS window_from, toString(window_to) AS window_to,
    explanation, features, rule_id, rule_version, model_version, shadow, amount
"""
# Static text, whatever is asked: values travel as parameters only, and an empty one asks nothing
_LIST: Final = f"""
SELECT {_COLUMNS}
FROM alerts
WHERE (empty({{lights:Array(String)}}) OR light IN {{lights:Array(String)}})
    AND ({{family:String}} = '' OR family = {{family:String}})
    AND ({{detector:String}} = '' OR detector = {{detector:String}})
    AND ({{subject:String}} = '' OR subject_id = {{subject:String}}
        OR ({{institution:String}} = '' AND (has(persons, {{subject:String}}) OR has(alerts.institutions, {{subject:String}}))))
    AND ({{institution:String}} = '' OR has(alerts.institutions, {{institution:String}}))
    AND alerts.raised_at >= toDateTime({{since:String}}, {{zone:String}})
    AND alerts.raised_at < toDateTime({{until:String}}, {{zone:String}})
    AND (alerts.raised_at, alert_id) < (toDateTime({{after_at:String}}, {{zone:String}}), {{after_id:String}})
ORDER BY alerts.raised_at DESC, alert_id DESC
LIMIT {{limit:UInt32}}
"""  # noqa: S608  the columns are a constant of this module
_ONE: Final = f"""
SELECT {_COLUMNS}
FROM alerts
WHERE alert_id = {{alert_id:String}} AND ({{institution:String}} = '' OR has(alerts.institutions, {{institution:String}}))
"""  # noqa: S608  the same
_EVIDENCE: Final = """
SELECT
    event_id, setl_id, toString(settlements.setl_time) AS setl_time, psn_no, fixmedins_code, fixmedins_name, mdtrtarea_admvs, med_type,
    dev_no, agnter_certno, agnter_rlts, long_rx_flag, medfee_sumamt, fund_pay_sumamt,
    setl_id IN (SELECT orig_setl_id FROM settlement_rows
        WHERE event_type = 'REVERSE' AND orig_setl_id IN (SELECT setl_id FROM settlement_rows WHERE event_id IN {events:Array(String)}))
        AS reversed
FROM settlements
WHERE event_id IN {events:Array(String)} AND ({institution:String} = '' OR fixmedins_code = {institution:String})
ORDER BY settlements.setl_time, event_id
"""


@dataclass(frozen=True)
class Filter:
    """What a list is narrowed to; empty means all. Times are local, ``yyyy-MM-dd HH:mm:ss``: ``since`` <= raised_at < ``until``.

    ``subject`` matches the alert's subject and, for who may see everything, any person or institution in its evidence.
    ``institution_id`` is not a wish of the reader but the limit of what it may see.
    """

    lights: tuple[str, ...] = ()
    family: str = ""
    detector: str = ""
    subject: str = ""
    since: str = ""
    until: str = ""
    institution_id: str = ""


def list_findings(
    client: Client, wanted: Filter, *, limit: int, after: tuple[str, str] | None = None, timezone: str = "Asia/Shanghai"
) -> list[Row]:
    """At most ``limit`` alerts, the latest ``raised_at`` first, those behind ``after`` (raised_at and alert_id of the last one seen).

    Rows are alerts as in the contract. Raises :class:`clickhouse.errors.StoreError`.
    """
    rows = _rows(
        client,
        _LIST,
        {
            "lights": list(wanted.lights),
            "family": wanted.family,
            "detector": wanted.detector,
            "subject": wanted.subject,
            "institution": wanted.institution_id,
            "since": wanted.since or _EARLIEST,
            "until": wanted.until or _LATEST,
            "after_at": after[0] if after else _LATEST,
            "after_id": after[1] if after else "",
            "zone": timezone,
            "limit": limit,
        },
    )
    return _limited(client, [_alert(row) for row in rows], wanted.institution_id)


def find(client: Client, alert_id: str, *, institution_id: str = "") -> Row | None:
    """One alert as in the contract, or None if there is none or it does not touch ``institution_id``. Raises StoreError."""
    rows = _rows(client, _ONE, {"alert_id": alert_id, "institution": institution_id})
    found = _limited(client, [_alert(row) for row in rows], institution_id)
    return found[0] if found else None


def evidence(client: Client, event_ids: list[str], *, institution_id: str = "") -> list[Row]:
    """The settlements with these event ids, oldest first, spelled nationally, money in yuan; ``reversed`` is 1 if taken back."""
    if not event_ids:
        return []
    return _rows(client, _EVIDENCE, {"events": event_ids, "institution": institution_id})


def _rows(client: Client, sql: str, parameters: dict[str, Any]) -> list[Row]:
    with translated():
        return [dict(row) for row in client.query(sql, parameters=parameters).named_results()]


def _alert(row: Row) -> Row:
    row["window"] = {"from": row.pop("window_from"), "to": row.pop("window_to")}
    row["features"] = orjson.loads(row["features"] or "{}")
    row["shadow"] = bool(row["shadow"])
    return row


def _limited(client: Client, alerts: list[Row], institution_id: str) -> list[Row]:
    """What one institution may know of these alerts: its own part of the evidence, and nothing said about other institutions."""
    shared = [alert for alert in alerts if institution_id and alert["institutions"] != [institution_id]]
    if not shared:
        return alerts
    events = sorted({event for alert in shared for event in alert["event_ids"]})
    own = {row["event_id"]: row for row in evidence(client, events, institution_id=institution_id)}
    for alert in shared:
        mine = [own[event] for event in alert["event_ids"] if event in own]
        alert["event_ids"] = [row["event_id"] for row in mine]
        alert["persons"] = sorted({row["psn_no"] for row in mine})
        alert["institutions"] = [institution_id]
        alert["amount"] = sum((row["fund_pay_sumamt"] for row in mine if not row["reversed"]), Decimal("0.00"))
        alert["features"] = {}
        alert["explanation"] = f"本机构有 {len(mine)} 张单据涉及跨机构预警，其他机构的情况由监管部门掌握。"
    return alerts
