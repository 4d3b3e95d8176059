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

from clickhouse.client import connect, translated
from clickhouse.errors import StoreRefused, StoreUnavailable
from clickhouse.settings import StoreSettings
from schemas.alert import Alert
from schemas.audit import Finding, Record
from schemas.deadletter import DeadLetter
from schemas.instants import Calendar
from schemas.settlement import Settlement

_LOG: Final = structlog.get_logger(__name__)
_Row = TypeVar("_Row")

# Codes that blame a row (unparsable text, dates, numbers, types); any other refusal is about the schema, which retrying rows one by
# one cannot mend but an operator can, so the batch is kept.
_ROW_CODES: Final = frozenset(
    {6, 25, 26, 27, 33, 38, 41, 43, 53, 69, 70, 72, 117, 130, 131, 321, 349, 407, 441, 467, 634, 675}
)
_SETTINGS: Final = (
    "async_insert = 0, date_time_input_format = 'best_effort', input_format_skip_unknown_fields = 1, "
    "input_format_json_ignore_unknown_keys_in_named_tuple = 1, input_format_json_read_numbers_as_strings = 1, "
    "input_format_null_as_default = 1, max_partitions_per_insert_block = 0"
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
_HOURS_AT_ONCE: Final = 1_000
_RECOMPUTE: Final = """
INSERT INTO panel_hourly (hour, mdtrtarea_admvs, fixmedins_code, med_type, events, settlements, reversals, fee, fund)
SELECT
    toStartOfHour(setl_time) AS hour, mdtrtarea_admvs, fixmedins_code, med_type,
    count(), countIf(event_type = 'SETTLE'), countIf(event_type = 'REVERSE'),
    sum(if(event_type = 'REVERSE', -abs(medfee_sumamt), medfee_sumamt)),
    sum(if(event_type = 'REVERSE', -abs(fund_pay_sumamt), fund_pay_sumamt))
FROM settlement_rows FINAL
WHERE toStartOfHour(setl_time) IN {hours:Array(DateTime)}
    AND setl_time >= toDateTime({first:UInt32}) AND setl_time < toDateTime({last:UInt32}) + INTERVAL 1 HOUR
GROUP BY hour, mdtrtarea_admvs, fixmedins_code, med_type
SETTINGS do_not_merge_across_partitions_select_final = 1, async_insert = 0
"""
_RECOMPUTE_DAYS: Final = """
INSERT INTO panel_daily (day, mdtrtarea_admvs, fixmedins_code, med_type, events, settlements, reversals, fee, fund)
SELECT
    toStartOfDay(hours.hour) AS day, hours.mdtrtarea_admvs, hours.fixmedins_code, hours.med_type,
    sum(hours.events), sum(hours.settlements), sum(hours.reversals), sum(hours.fee), sum(hours.fund)
FROM panel_hourly AS hours FINAL
WHERE toStartOfDay(hours.hour) IN {days:Array(DateTime)}
    AND hours.hour >= toDateTime({first:UInt32}) AND hours.hour < toDateTime({last:UInt32}) + INTERVAL 1 DAY
GROUP BY day, hours.mdtrtarea_admvs, hours.fixmedins_code, hours.med_type
SETTINGS async_insert = 0
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
        if reasons:
            _LOG.warning("rows_refused", rows=len(refused), code=reasons[0].code)
            raise StoreRefused(str(reasons[0]), code=reasons[0].code, event_ids=tuple(refused))

    def refresh(self) -> int:
        """Recompute the panel hours that received rows since they were last computed; returns how many.

        What is to do is kept in the store (``panel_marks``), so a worker killed before its refresh leaves it to the next one.
        Raises :class:`StoreUnavailable`.
        """
        with _kept():
            marks = self._client.query(
                "SELECT toUnixTimestamp(hour) AS at, mark FROM panel_marks FINAL WHERE cleared = 0 ORDER BY at"
            ).result_rows
        hours = sorted({int(at) for at, _ in marks})
        for start in range(0, len(hours), _HOURS_AT_ONCE):
            part = hours[start : start + _HOURS_AT_ONCE]
            parameters = {"hours": part, "first": part[0], "last": part[-1]}
            days = sorted({self._calendar.day_start(self._calendar.day(hour)) for hour in part})
            with _kept():
                self._client.command(_RECOMPUTE, parameters=parameters)
                self._client.command(_RECOMPUTE_DAYS, parameters={"days": days, "first": days[0], "last": days[-1]})
            done = set(part)
            self._write_marks([(at, mark, 1) for at, mark in marks if at in done])
        return len(hours)

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
        self._write_marks([(self._calendar.instant(hour), mark, 0) for hour in sorted(hours)])

    def _write_marks(self, marks: Iterable[tuple[int, int, int]]) -> None:
        rows = "".join(f"{at}\t{mark}\t{cleared}\n" for at, mark, cleared in marks)
        statement = f"INSERT INTO panel_marks (hour, mark, cleared) SETTINGS async_insert = 0 FORMAT TSV\n{rows}"
        with _kept():
            self._client.raw_insert("", insert_block=statement.encode())


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


@contextmanager
def _kept() -> Iterator[None]:
    """For statements in which no row can be to blame: whatever goes wrong, keep the rows and try again."""
    try:
        with translated():
            yield
    except StoreRefused as refusal:
        raise StoreUnavailable(str(refusal)) from refusal
