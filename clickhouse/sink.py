"""Stores what the worker decided: rows in whole batches, told apart by what to do when the store says no, and panel hours kept right."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, Final, TypeVar

import lz4.frame
import msgspec
import orjson
import structlog
from clickhouse_connect.driver.client import Client

from clickhouse.aggregates import (
    AREA_DAYS,
    AREA_MONTHS,
    AUDIT_RULES,
    AUDITS,
    CITY_AUDITS,
    DAYS,
    DISEASES,
    HOURS,
    MONTHS,
    VISITOR_COLUMNS,
    VISITORS,
    WRITING,
    Aggregate,
)
from clickhouse.client import connect, translated
from clickhouse.errors import StoreRefused, StoreUnavailable
from clickhouse.settings import StoreSettings
from schemas.alert import Alert
from schemas.audit import Finding, Record
from schemas.deadletter import DeadLetter
from schemas.instants import HOUR, Calendar
from schemas.settlement import Settlement

_LOG: Final = structlog.get_logger(__name__)
_Row = TypeVar("_Row")

# Codes that blame a row (unparsable text, dates, numbers, types); any other refusal is about the schema, which retrying rows one by
# one cannot mend but an operator can, so the batch is kept.
_ROW_CODES: Final = frozenset(
    {6, 25, 26, 27, 33, 38, 41, 43, 53, 69, 70, 72, 117, 130, 131, 321, 349, 407, 441, 467, 634, 675}
)
_SETTINGS: Final = (
    f"{WRITING}, date_time_input_format = 'best_effort', input_format_skip_unknown_fields = 1, "
    "input_format_json_ignore_unknown_keys_in_named_tuple = 1, input_format_json_read_numbers_as_strings = 1, "
    "input_format_null_as_default = 1"
)
_SETTLEMENT_COLUMNS: Final = (
    "event_id", "event_type", "orig_setl_id", "infno", "inf_time", "setl_id", "mdtrt_id", "psn_no", "gend", "brdy", "psn_type",
    "insutype", "insuplc_admdvs", "mdtrt_cert_type", "med_type", "setl_time", "begndate", "enddate", "fixmedins_code",
    "fixmedins_name", "hosp_lv", "mdtrtarea_admvs", "dev_no", "opter_id", "medfee_sumamt", "fund_pay_sumamt", "hifp_pay",
    "acct_pay", "psn_cash_pay", "inscp_scp_amt", "refd_setl_flag", "dise_codg", "diagnoses", "agnter_certno", "agnter_rlts",
    "long_rx_flag", "lines",
)  # fmt: skip
_ALERT_COLUMNS: Final = (
    "alert_id", "revision", "detector", "family", "subject_type", "subject_id", "light", "score", "raised_at", "event_ids",
    "persons", "institutions", "window_from", "window_to", "explanation", "features", "rule_id", "rule_version",
    "model_version", "shadow", "amount", "withdrawn", "schema",
)  # fmt: skip
_AUDIT_COLUMNS: Final = (
    "audit_id", "msgid", "infno", "client", "face", "asked_at", "psn_no", "psn_nos", "fixmedins_code", "department_id", "doctor_id",
    "trig_scen", "light", "sev_deg", "rule_ids", "findings", "undecided", "infcode", "took_ms", "request", "answer", "digest",
)  # fmt: skip
_AUDIT_FINDING_COLUMNS: Final = (
    "jr_id", "audit_id", "msgid", "asked_at", "psn_no", "fixmedins_code", "department_id", "doctor_id", "rule_id", "rule_version",
    "title", "subject_type", "light", "sev_deg", "score", "vola_amt", "explanation", "rx_ids",
)  # fmt: skip
_AUDIT_FEEDBACK_COLUMNS: Final = (
    "warn_rslt_id", "audit_id", "msgid", "fixmedins_code", "dspo_way", "dspo_way_rea", "answered_at",
)  # fmt: skip
_SHOWN: Final = {"yellow": 1, "red": 2}
"""Lights a hospital is shown, and how bad they are."""
_DEAD_LETTER_TYPES: Final = {
    "topic": "LowCardinality(String)", "partition": "Int32", "offset": "Int64", "field": "String", "reason": "String",
    "key": "String", "value": "String", "schema": "UInt16",
}  # fmt: skip
_HOURS_AT_ONCE: Final = 168
_DAYS_AT_ONCE: Final = 7
# Hours are recomputed at every refresh, the rest at every n-th, and all of it as soon as nothing new has come
_AUDITS_EVERY: Final = 3
_DAYS_EVERY: Final = 15
_VISITORS_EVERY: Final = 150
_NEW, _HOUR_DONE, _DAY_DONE, _DONE = range(4)
"""What has been done about a mark of ``panel_marks``."""
_ANSWERED_HOURS: Final = """
SELECT DISTINCT toUnixTimestamp(toStartOfHour(asked_at)) AS at
FROM audit_finding_rows
WHERE jr_id IN
(
    SELECT warn_rslt_id FROM audit_feedback_rows
    WHERE toStartOfHour(answered_at) IN {starts:Array(DateTime)}
        AND answered_at >= toDateTime({from:UInt32}) AND answered_at < toDateTime({until:UInt32})
)
"""


class Sink:
    """Writes to the store and blocks until it has answered; one instance may be used by one thread at a time.

    Storing the same thing again changes nothing: every table keeps one row per identity. A call that raised
    :class:`StoreUnavailable` may have stored a part, so it is to be repeated whole.
    """

    def __init__(self, store: Client | StoreSettings | None = None, *, timezone: str | None = None) -> None:
        """``store`` is a client or where to find one; ``timezone`` is the zone of wire times without one.

        Raises :class:`StoreUnavailable` if it has to connect and nothing answers.
        """
        self._client = store if isinstance(store, Client) else connect(store)
        settings = store if isinstance(store, StoreSettings) else StoreSettings()
        self._calendar = Calendar(timezone or settings.timezone)
        self._refreshes = 0
        # Over loopback compression only costs; over a network it saves nine tenths of the bytes
        self._compress = not any(name in str(self._client.uri) for name in ("//127.0.0.1", "//localhost", "//[::1]"))

    def store(
        self,
        settlements: Sequence[Settlement] = (),
        alerts: Sequence[Alert] = (),
        dead_letters: Sequence[DeadLetter] = (),
    ) -> None:
        """Store everything or say what was not stored.

        Raises :class:`StoreUnavailable` if the call is to be repeated, :class:`StoreRefused` with the ``event_ids`` (settlements)
        or alert ids that the store will never take; all other rows of the call are stored then.
        """
        refused: list[str] = []
        reasons: list[StoreRefused] = []
        if dead_letters:
            self._store_dead_letters(dead_letters)
        if settlements:
            bad = self._insert("settlement_rows", _SETTLEMENT_COLUMNS, settlements, encode_settlements, reasons)
            refused += [settlement.event_id for settlement in bad]
            self._mark(settlements)
        if alerts:
            bad_alerts = self._insert("alert_revisions", _ALERT_COLUMNS, alerts, encode_alerts, reasons)
            refused += [alert.alert_id for alert in bad_alerts]
        if reasons:
            _LOG.warning("rows_refused", rows=len(refused), code=reasons[0].code)
            raise StoreRefused(str(reasons[0]), code=reasons[0].code, event_ids=tuple(refused))

    def store_audits(self, records: Sequence[Record]) -> None:
        """Store requests with their findings and with what was answered to findings, or say what was not stored.

        Raises as :meth:`store`; ``event_ids`` of :class:`StoreRefused` are audit ids, and ``jr_id`` or ``warn_rslt_id`` of their rows.
        """
        reasons: list[StoreRefused] = []
        refused: list[str] = []
        # what a message led to first: who finds the message finds all of it
        for table, columns, rows in (
            ("audit_finding_rows", _AUDIT_FINDING_COLUMNS, [row for one in records for row in _audit_findings(one)]),
            ("audit_feedback_rows", _AUDIT_FEEDBACK_COLUMNS, [row for one in records for row in _audit_feedback(one)]),
            ("audit_rows", _AUDIT_COLUMNS, [_audit(one) for one in records]),
        ):
            if rows:
                refused += [str(row[columns[0]]) for row in self._insert(table, columns, rows, _encode_rows, reasons)]
        self._mark_audits(records)
        if reasons:
            _LOG.warning("rows_refused", rows=len(refused), code=reasons[0].code)
            raise StoreRefused(str(reasons[0]), code=reasons[0].code, event_ids=tuple(refused))

    def refresh(self) -> int:
        """Recompute the panel hours that received rows since they were last computed; returns how many.

        Days, months, audits and visitors follow at their own slower rates, at once when there was no hour to do. What is to do
        is kept in the store (``panel_marks``, ``panel_audit_marks``), so a worker killed before its refresh leaves it to the next one.
        Raises :class:`StoreUnavailable`.
        """
        hours = self._refresh_hours()
        for every, step in (
            (_AUDITS_EVERY, self._refresh_audits),
            (_DAYS_EVERY, self._refresh_days),
            (_VISITORS_EVERY, self._refresh_visitors),
        ):
            if not hours or self._refreshes % every == 0:
                step()
        self._refreshes += 1
        return hours

    def _refresh_hours(self) -> int:
        marks = self._marks(_NEW)
        hours = sorted({at for at, _ in marks})
        for part in _parts(hours, _HOURS_AT_ONCE):
            self._recompute(HOURS, part, part[-1] + HOUR)
            self._write_marks([(at, mark, _HOUR_DONE) for at, mark in marks if at in part])
        return len(hours)

    def _refresh_days(self) -> None:
        """Days from hours (diseases from the documents), months from days."""
        marks = self._marks(_HOUR_DONE)
        calendar = self._calendar
        for part in _parts(sorted({calendar.day(at) for at, _ in marks}), _DAYS_AT_ONCE):
            starts = [calendar.day_start(day) for day in part]
            for aggregate in (DAYS, AREA_DAYS, DISEASES):
                self._recompute(aggregate, starts, calendar.day_start(part[-1] + 1))
        for month in sorted({calendar.month(at) for at, _ in marks}):
            for aggregate in (MONTHS, AREA_MONTHS):
                self._recompute(aggregate, [calendar.month_start(month)], calendar.month_start(month + 1))
        self._write_marks([(at, mark, _DAY_DONE) for at, mark in marks])

    def _refresh_visitors(self) -> None:
        marks = self._marks(_DAY_DONE)
        if not marks:
            return
        with _kept():
            latest = self._client.query(
                "SELECT toUnixTimestamp(hour), (SELECT max(toUnixTimestamp(until)) FROM panel_visitor_rows) FROM panel_latest"
            ).result_rows
            [(hour, last)] = latest
            if last > hour:  # of documents dated ahead, when there were no others
                self._client.command("TRUNCATE TABLE panel_visitor_rows")
            self._client.command(
                f"INSERT INTO panel_visitor_rows ({VISITOR_COLUMNS}) SETTINGS {WRITING}\n{VISITORS}",
                parameters={"latest": hour},
            )
        self._write_marks([(at, mark, _DONE) for at, mark in marks])

    def _refresh_audits(self) -> None:
        with _kept():
            marks = self._client.query(
                "SELECT kind, toUnixTimestamp(hour) AS at, mark FROM panel_audit_marks FINAL WHERE cleared = 0 ORDER BY at"
            ).result_rows
            hours = {int(at) for kind, at, _ in marks if kind == "audit"}
            for part in _parts(sorted({int(at) for kind, at, _ in marks if kind == "answer"}), _HOURS_AT_ONCE):
                found = self._client.query(_ANSWERED_HOURS, parameters=_period(part, part[-1] + HOUR)).result_rows
                hours |= {int(at) for (at,) in found}
        for part in _parts(sorted(hours), _HOURS_AT_ONCE):
            for aggregate in (AUDITS, CITY_AUDITS, AUDIT_RULES):
                self._recompute(aggregate, part, part[-1] + HOUR)
        self._write_audit_marks([(str(kind), int(at), mark, 1) for kind, at, mark in marks])

    def _marks(self, step: int) -> list[tuple[int, int]]:
        """The hours that wait for what follows ``step``, with their marks, by time."""
        with _kept():
            rows = self._client.query(
                "SELECT toUnixTimestamp(hour) AS at, mark FROM panel_marks FINAL WHERE cleared = {step:UInt8} ORDER BY at",
                parameters={"step": step},
            ).result_rows
        return [(int(at), int(mark)) for at, mark in rows]

    def _recompute(self, aggregate: Aggregate, starts: Sequence[int], until: int) -> None:
        with _kept():
            self._client.command(aggregate.insert, parameters=_period(starts, until))

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def _insert(
        self,
        table: str,
        columns: Sequence[str],
        rows: Sequence[_Row],
        encode: Callable[[Sequence[_Row]], bytes],
        reasons: list[StoreRefused],
    ) -> list[_Row]:
        """Insert rows, halving a batch that is refused until the rows that cause it stand alone; returns those."""
        head = f"INSERT INTO {table} ({', '.join(columns)}) SETTINGS {_SETTINGS} FORMAT JSONEachRow\n".encode()
        waiting, bad = [rows], []
        while waiting:
            part = waiting.pop()
            try:
                self._post(head + encode(part))
            except StoreRefused as refusal:
                if refusal.code not in _ROW_CODES:
                    raise StoreUnavailable(str(refusal)) from refusal
                if len(part) == 1:
                    bad.append(part[0])
                    reasons.append(refusal)
                else:
                    waiting += [part[len(part) // 2 :], part[: len(part) // 2]]
        return bad

    def _post(self, body: bytes) -> None:
        compression = None
        if self._compress:
            body, compression = lz4.frame.compress(body), "lz4"
        with translated():
            self._client.raw_insert("", insert_block=body, compression=compression)

    def _store_dead_letters(self, letters: Sequence[DeadLetter]) -> None:
        columns: list[Sequence[Any]] = [
            [letter.topic for letter in letters],
            [letter.partition for letter in letters],
            [letter.offset for letter in letters],
            [letter.field.encode() for letter in letters],
            [letter.reason.encode() for letter in letters],
            [letter.key or b"" for letter in letters],
            [letter.value or b"" for letter in letters],
            [letter.schema for letter in letters],
        ]
        with _kept():
            self._client.insert(
                "dead_letter_rows",
                columns,
                column_names=list(_DEAD_LETTER_TYPES),
                column_type_names=list(_DEAD_LETTER_TYPES.values()),
                column_oriented=True,
                settings={"async_insert": 0},
            )

    def _mark(self, settlements: Iterable[Settlement]) -> None:
        """Note the hours of rows that are stored by now: a mark made earlier could be cleared before its rows are there."""
        zone = self._calendar.zone
        times = {settlement.settled_at for settlement in settlements}
        local = {(at.astimezone(zone) if at.tzinfo else at).replace(tzinfo=None) for at in times}
        hours = {at.replace(minute=0, second=0, microsecond=0) for at in local}
        mark = secrets.randbits(63)
        self._write_marks([(self._calendar.instant(hour), mark, _NEW) for hour in sorted(hours)])

    def _mark_audits(self, records: Iterable[Record]) -> None:
        mark = secrets.randbits(63)
        marks = set()
        for record in records:
            asked = self._calendar.moment(record.asked_at // 1000)
            hour = self._calendar.instant(asked.replace(minute=0, second=0))
            marks |= {("audit", hour), ("answer", hour)} if record.feedback else {("audit", hour)}
        self._write_audit_marks([(kind, at, mark, 0) for kind, at in sorted(marks)])

    def _write_marks(self, marks: Iterable[tuple[int, int, int]]) -> None:
        self._write_rows("panel_marks (hour, mark, cleared)", marks)

    def _write_audit_marks(self, marks: Iterable[tuple[str, int, int, int]]) -> None:
        self._write_rows("panel_audit_marks (kind, hour, mark, cleared)", marks)

    def _write_rows(self, target: str, rows: Iterable[tuple[object, ...]]) -> None:
        text = "".join("\t".join(map(str, row)) + "\n" for row in rows)
        if text:
            with _kept():
                self._client.raw_insert(
                    "", insert_block=f"INSERT INTO {target} SETTINGS {WRITING} FORMAT TSV\n{text}".encode()
                )


encode_settlements: Final[Callable[[Sequence[Settlement]], bytes]] = msgspec.json.Encoder().encode_lines
"""Settlements as lines of JSON in the national spelling: one call into C for a whole batch, parsed by the store's own threads."""


def encode_alerts(alerts: Sequence[Alert]) -> bytes:
    """Alerts as lines of JSON in the columns of ``alert_revisions``."""
    return b"\n".join(orjson.dumps(_alert_row(alert)) for alert in alerts)


def _alert_row(alert: Alert) -> dict[str, Any]:
    row = {
        name: getattr(alert, name) for name in alert.__struct_fields__ if name not in ("window", "features", "amount")
    }
    row["window_from"], row["window_to"] = alert.window.start, alert.window.end
    row["features"] = orjson.dumps(alert.features).decode()
    row["amount"] = str(alert.amount)
    return row


def _encode_rows(rows: Sequence[dict[str, Any]]) -> bytes:
    return b"\n".join(map(orjson.dumps, rows))


def _audit(record: Record) -> dict[str, Any]:
    shown = [finding for _, finding in record.findings if finding.light in _SHOWN]
    worst = max(shown, key=lambda finding: (_SHOWN[finding.light], finding.score), default=None)
    return {
        "audit_id": record.audit_id, "msgid": record.msgid, "infno": record.infno, "client": record.client, "face": record.face,
        "asked_at": _wire_instant(record.asked_at), "psn_no": next(iter(record.person_ids), ""), "psn_nos": record.person_ids,
        "fixmedins_code": record.institution_id, "department_id": record.department_id, "doctor_id": record.doctor_id,
        "trig_scen": record.scene, "light": worst.light if worst else "", "sev_deg": worst.severity if worst else "",
        "rule_ids": list(dict.fromkeys(finding.rule_id for finding in shown)), "findings": len(shown),
        "undecided": record.undecided, "infcode": record.infcode, "took_ms": record.took_ms, "request": record.request,
        "answer": record.answer, "digest": record.digest,
    }  # fmt: skip


def _audit_findings(record: Record) -> Iterator[dict[str, Any]]:
    for jr_id, finding in record.findings:
        yield {
            "jr_id": jr_id, "audit_id": record.audit_id, "msgid": record.msgid, "asked_at": _wire_instant(record.asked_at),
            "psn_no": _person_of(finding, record), "fixmedins_code": record.institution_id, "department_id": record.department_id,
            "doctor_id": record.doctor_id, "rule_id": finding.rule_id, "rule_version": finding.rule_version, "title": finding.title,
            "subject_type": finding.subject_type, "light": finding.light, "sev_deg": finding.severity, "score": finding.score,
            "vola_amt": str(finding.amount), "explanation": finding.explanation, "rx_ids": finding.order_ids,
        }  # fmt: skip


def _person_of(finding: Finding, record: Record) -> str:
    return finding.person_id or next(iter(record.person_ids), "")


def _audit_feedback(record: Record) -> Iterator[dict[str, Any]]:
    for warn_rslt_id, way, reason in record.feedback:
        yield {
            "warn_rslt_id": warn_rslt_id, "audit_id": record.audit_id, "msgid": record.msgid, "fixmedins_code": record.institution_id,
            "dspo_way": way, "dspo_way_rea": reason, "answered_at": _wire_instant(record.asked_at),
        }  # fmt: skip


def _wire_instant(milliseconds: int) -> str:
    """An instant as the store reads it whatever the zone of the column: a number would be taken for seconds or ticks as it pleases."""
    return (
        datetime.fromtimestamp(milliseconds // 1000, UTC).strftime("%Y-%m-%dT%H:%M:%S") + f".{milliseconds % 1000:03d}Z"
    )


def _parts(starts: Sequence[int], size: int) -> Iterator[Sequence[int]]:
    return (starts[at : at + size] for at in range(0, len(starts), size))


def _period(starts: Sequence[int], until: int) -> dict[str, Any]:
    """The parameters of an aggregate over ``starts`` (seconds, sorted), whose last ends before ``until``."""
    return {"starts": starts, "from": starts[0], "until": until}


@contextmanager
def _kept() -> Iterator[None]:
    """For statements in which no row can be to blame: whatever goes wrong, keep the rows and try again."""
    try:
        with translated():
            yield
    except StoreRefused as refusal:
        raise StoreUnavailable(str(refusal)) from refusal
