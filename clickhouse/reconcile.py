"""Counts what is stored and compares the panels with it: what the demo reports at its end and `fundwatch reconcile` says."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final

import orjson
from clickhouse_connect.driver.client import Client

from clickhouse.aggregates import AGGREGATES, VISITORS, Aggregate
from clickhouse.client import translated
from schemas.alert import Alert, Window
from schemas.instants import HOUR, Calendar

_CENT: Final = Decimal("0.01")
_ALERTS: Final = """
SELECT * EXCEPT (raised_at, window_from, window_to, ingested_at),
    toString(alert_revisions.raised_at) AS raised_text, toString(window_from) AS from_text, toString(window_to) AS to_text
FROM alert_revisions FINAL
WHERE NOT withdrawn
ORDER BY alert_revisions.raised_at, alert_id
"""
_SHOWN: Final = 20
_ROWS_AT_ONCE: Final = 1_000_000
_DAYS_AT_ONCE: Final = 31
_PRESENT: Final = """
SELECT toUnixTimestamp(toStartOfDay(at)) AS day, count() AS rows
FROM
(
    SELECT toStartOfHour(setl_time) AS at FROM settlement_rows
    UNION ALL SELECT toStartOfHour(asked_at) FROM audit_rows
    UNION ALL SELECT toStartOfHour(asked_at) FROM audit_finding_rows
    UNION ALL SELECT hour FROM panel_hourly
    UNION ALL SELECT day FROM panel_institution_daily
    UNION ALL SELECT day FROM panel_area_daily
    UNION ALL SELECT day FROM panel_disease_daily
    UNION ALL SELECT month FROM panel_monthly
    UNION ALL SELECT month FROM panel_area_monthly
    UNION ALL SELECT hour FROM panel_audit_hourly
    UNION ALL SELECT hour FROM panel_city_audit_hourly
    UNION ALL SELECT hour FROM panel_audit_rule_hourly
)
GROUP BY day
ORDER BY day
"""
_VISITOR_KEYS: Final = ("until", "fixmedins_code", "place")
_VISITOR_MEASURES: Final = ("visits", "documents", "institutions", "fund", "last_at", "person")
_VISITOR_CELLS: Final = f"""
SELECT toUInt8(1) AS side, until, fixmedins_code, place, visits, documents, institutions, toDecimal64(fund, 2) AS fund, last_at,
    cityHash64(psn_no) AS person
FROM panel_visitors
UNION ALL
SELECT 0, until, code, place, visits, documents, institutions, toDecimal64(fund, 2), last_at, cityHash64(psn_no) FROM ({VISITORS})
"""  # noqa: S608  of our own pieces
_FINDING_MEASURES: Final = ("revision", "light", "detector", "raised_at", "amount", "shadow", "withdrawn", "evidence")
_FINDING_CELLS: Final = """
SELECT toUInt8(1) AS side, finding.alert_id AS alert_id, finding.revision AS revision, toString(finding.light) AS light,
    toString(finding.detector) AS detector, finding.raised_at AS raised_at, finding.amount AS amount, finding.shadow AS shadow,
    finding.withdrawn AS withdrawn, evidence.sum AS evidence
FROM finding_rows AS finding FINAL
LEFT JOIN
(
    SELECT alert_id, revision, groupBitXor(cityHash64(event_id)) AS sum
    FROM (SELECT DISTINCT alert_id, revision, event_id FROM evidence_rows FINAL)
    GROUP BY alert_id, revision
) AS evidence ON evidence.alert_id = finding.alert_id AND evidence.revision = finding.revision
UNION ALL
SELECT 0, alert_id, revision, toString(light), toString(detector), raised_at, amount, shadow, withdrawn,
    arrayReduce('groupBitXor', arrayMap(event -> cityHash64(event), arrayDistinct(event_ids)))
FROM alert_revisions FINAL
"""


@dataclass(frozen=True)
class Difference:
    """One number of one cell: ``cell`` by key column (``day`` and the like as local text), what the panel says and what is right."""

    aggregate: str
    cell: dict[str, str]
    measure: str
    panel: str
    raw: str


@dataclass
class Comparison:
    """One aggregate held against what it stands on; ``first`` are the numbers that differ in at most 20 of its cells."""

    aggregate: str
    title: str
    cells: int = 0
    differing: int = 0
    first: list[Difference] = field(default_factory=list)


def stored_settlements(client: Client) -> int:
    """How many distinct settlement events are stored."""
    return _count(client, "SELECT count() FROM settlements")


def stored_dead_letters(client: Client) -> int:
    """How many values became dead letters."""
    return _count(client, "SELECT count() FROM dead_letters")


def waiting_hours(client: Client) -> int:
    """Hours that received rows and whose panels were not recomputed yet; 0 is a quiet moment."""
    return _count(
        client,
        "SELECT uniqExact(hour) FROM (SELECT hour FROM panel_marks FINAL WHERE cleared < 3 "
        "UNION ALL SELECT hour FROM panel_audit_marks FINAL WHERE cleared = 0)",
    )


def last_alerts(client: Client) -> list[Alert]:
    """The last revision of every alert that stands (not withdrawn), by ``raised_at`` and id, as the digest wants them."""
    with translated():
        return [_alert(row) for row in client.query(_ALERTS).named_results()]


def reconcile(client: Client) -> list[Comparison]:
    """Hold every panel aggregate against what it stands on: hours, diseases and audits against the stored rows, days against the
    hours, months against the days, findings and their evidence against the alerts.

    Reads everything, in pieces that fit in memory. While rows come in, hours that wait for their refresh (:func:`waiting_hours`) differ.
    Raises :class:`clickhouse.errors.StoreError`.
    """
    with translated():
        zone = client.query("SELECT any(timezone) FROM schema_migrations").result_rows[0][0]
        present = client.query(_PRESENT).result_rows
    calendar = Calendar(str(zone))
    days = {calendar.day(int(at)): int(rows) for at, rows in present}
    done = []
    for aggregate in AGGREGATES:
        comparison = Comparison(aggregate.table, aggregate.title)
        for starts, until in _periods(aggregate, days, calendar):
            _compare(client, comparison, aggregate.keys, (*aggregate.measures, aggregate.state), _cells(aggregate),
                     {"starts": starts, "from": starts[0], "until": until})  # fmt: skip
        done.append(comparison)
    visitors = Comparison("panel_visitor_rows", "frequent visitors")
    with translated():
        [(until, stored)] = client.query("SELECT toUnixTimestamp(max(until)), count() FROM panel_visitors").result_rows
    if stored:
        _compare(client, visitors, _VISITOR_KEYS, _VISITOR_MEASURES, _VISITOR_CELLS, {"latest": int(until)})
    findings = Comparison("finding_rows", "findings and evidence")
    _compare(client, findings, ("alert_id",), _FINDING_MEASURES, _FINDING_CELLS, {})
    return [*done, visitors, findings]


def panel_mismatches(client: Client) -> list[Difference]:
    """The numbers of the panels that differ from what they stand on, the first of each aggregate.

    Empty at every quiet moment, whatever was delivered twice or killed.
    """
    return [difference for comparison in reconcile(client) for difference in comparison.first]


def _periods(aggregate: Aggregate, days: Mapping[int, int], calendar: Calendar) -> Iterator[tuple[list[int], int]]:
    """The starts of an aggregate's cells, in pieces that fit in memory, each with the second after its last.

    ``days`` are those with anything in them, with how many rows there are.
    """
    if aggregate.time == "month":
        for month in sorted({calendar.month(calendar.day_start(day)) for day in days}):
            yield [calendar.month_start(month)], calendar.month_start(month + 1)
        return
    part: list[int] = []
    rows = 0
    for day in sorted(days):
        if part and (rows + days[day] > _ROWS_AT_ONCE or day - part[0] >= _DAYS_AT_ONCE):
            yield _starts(aggregate, part, calendar), calendar.day_start(part[-1] + 1)
            part, rows = [], 0
        part.append(day)
        rows += days[day]
    if part:
        yield _starts(aggregate, part, calendar), calendar.day_start(part[-1] + 1)


def _starts(aggregate: Aggregate, days: Sequence[int], calendar: Calendar) -> list[int]:
    if aggregate.time == "day":
        return [calendar.day_start(day) for day in days]
    return [at for day in days for at in range(calendar.day_start(day), calendar.day_start(day + 1), HOUR)]


def _cells(aggregate: Aggregate) -> str:
    """The cells as stored (side 1) and as they should be (side 0)."""
    return (
        f"SELECT toUInt8(1) AS side, {', '.join(aggregate.columns)} FROM {aggregate.table} FINAL\n"  # noqa: S608  of our own pieces
        f"WHERE {aggregate.time} IN {{starts:Array(DateTime)}}\nUNION ALL\nSELECT 0, * FROM (\n{aggregate.source}\n)"
    )


def _compare(
    client: Client,
    into: Comparison,
    keys: Sequence[str],
    measures: Sequence[str],
    cells: str,
    parameters: dict[str, Any],
) -> None:
    measures = [name for name in measures if name]
    said = {name: f"finalizeAggregation({name})" if name in ("persons", "took") else name for name in measures}
    sides = ", ".join(
        f"[{', '.join(f'anyIf(toString({said[name]}), side = {side})' for name in measures)}] AS {column}"
        for column, side in (("panel", 1), ("raw", 0))
    )
    query = f"""
SELECT count(), countIf(panel != raw), groupArrayIf({_SHOWN})((cell, panel, raw), panel != raw)
FROM
(
    SELECT [{", ".join(f"toString({name})" for name in keys)}] AS cell, {sides}
    FROM ({cells})
    GROUP BY {", ".join(keys)}
    ORDER BY {", ".join(keys)}
)
"""  # noqa: S608  of our own pieces
    with translated():
        [(compared, differing, first)] = client.query(query, parameters=parameters).result_rows
    into.cells += compared
    into.differing += differing
    for cell, panel, raw in first[: max(0, _SHOWN - len({tuple(known.cell.values()) for known in into.first}))]:
        into.first += [
            Difference(into.aggregate, dict(zip(keys, cell, strict=True)), name, ours or "none", right or "none")
            for name, ours, right in zip(measures, panel, raw, strict=True)
            if ours != right
        ]


def _count(client: Client, query: str) -> int:
    with translated():
        return int(client.query(query).result_rows[0][0])


def _alert(row: dict[str, Any]) -> Alert:
    window = Window(start=row.pop("from_text"), end=row.pop("to_text"))
    raised_at, features = row.pop("raised_text"), orjson.loads(row.pop("features"))
    amount = Decimal(row.pop("amount")).quantize(_CENT)
    return Alert(**row, raised_at=raised_at, features=features, window=window, amount=amount)
