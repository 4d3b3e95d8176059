"""Counts what is stored and compares the panels with it: what the demo reports at its end and the tests hold it to."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Final

import orjson
from clickhouse_connect.driver.client import Client

from clickhouse.client import translated
from schemas.alert import Alert, Window

_CENT: Final = Decimal("0.01")
_ALERTS: Final = """
SELECT * EXCEPT (raised_at, window_from, window_to, ingested_at),
    toString(alert_revisions.raised_at) AS raised_text, toString(window_from) AS from_text, toString(window_to) AS to_text
FROM alert_revisions FINAL
WHERE NOT withdrawn
ORDER BY alert_revisions.raised_at, alert_id
"""
_MISMATCHES: Final = """
SELECT hour, mdtrtarea_admvs, fixmedins_code, med_type,
    sum(sign * settlements) AS settlements, sum(sign * reversals) AS reversals, sum(sign * fee) AS fee, sum(sign * fund) AS fund
FROM
(
    SELECT toInt64(1) AS sign, hour, mdtrtarea_admvs, fixmedins_code, med_type, settlements, reversals, fee, fund FROM panel_hours
    UNION ALL
    SELECT 1, day, mdtrtarea_admvs, fixmedins_code, concat(med_type, ' (day)'), settlements, reversals, fee, fund FROM panel_days
    UNION ALL
    SELECT -1, toStartOfDay(hour), mdtrtarea_admvs, fixmedins_code, concat(med_type, ' (day)'), settlements, reversals, fee, fund
    FROM panel_hours
    UNION ALL
    SELECT -1, toStartOfHour(setl_time), mdtrtarea_admvs, fixmedins_code, med_type,
        toUInt64(event_type = 'SETTLE'), toUInt64(event_type = 'REVERSE'),
        if(event_type = 'REVERSE', -abs(medfee_sumamt), medfee_sumamt),
        if(event_type = 'REVERSE', -abs(fund_pay_sumamt), fund_pay_sumamt)
    FROM settlements
)
GROUP BY hour, mdtrtarea_admvs, fixmedins_code, med_type
HAVING settlements != 0 OR reversals != 0 OR fee != 0 OR fund != 0
ORDER BY hour, fixmedins_code, med_type
LIMIT 1000
"""


def stored_settlements(client: Client) -> int:
    """How many distinct settlement events are stored."""
    return _count(client, "SELECT count() FROM settlements")


def stored_dead_letters(client: Client) -> int:
    """How many values became dead letters."""
    return _count(client, "SELECT count() FROM dead_letters")


def waiting_hours(client: Client) -> int:
    """Hours that received rows and whose panels were not recomputed yet; 0 is a quiet moment."""
    return _count(client, "SELECT uniqExact(hour) FROM panel_marks FINAL WHERE cleared = 0")


def last_alerts(client: Client) -> list[Alert]:
    """The last revision of every alert that stands (not withdrawn), by ``raised_at`` and id, as the digest wants them."""
    with translated():
        return [_alert(row) for row in client.query(_ALERTS).named_results()]


def panel_mismatches(client: Client) -> list[dict[str, Any]]:
    """Cells of the panels that differ from the same numbers counted from what they stand on: panel less raw, at most 1,000.

    Hours are held against the raw rows, days (marked so in ``med_type``) against the hours.
    Empty at every quiet moment, whatever was delivered twice or killed.
    """
    with translated():
        return list(client.query(_MISMATCHES).named_results())


def _count(client: Client, query: str) -> int:
    with translated():
        return int(client.query(query).result_rows[0][0])


def _alert(row: dict[str, Any]) -> Alert:
    window = Window(start=row.pop("from_text"), end=row.pop("to_text"))
    raised_at, features = row.pop("raised_text"), orjson.loads(row.pop("features"))
    amount = Decimal(row.pop("amount")).quantize(_CENT)
    return Alert(**row, raised_at=raised_at, features=features, window=window, amount=amount)
