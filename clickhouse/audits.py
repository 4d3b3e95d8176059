"""Reads what hospitals asked: a message by its id, a finding by the id it was told under, and how findings were answered."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, Literal

import orjson
from clickhouse_connect.driver.client import Client

from clickhouse.client import translated

Row = dict[str, Any]
By = Literal["day", "fixmedins_code", "department_id", "doctor_id", "rule_id"]

_EARLIEST: Final = "1971-01-01"
_LATEST: Final = "2100-01-01"
# asked_at as text, since the driver would turn it into the zone of this machine
_AUDIT: Final = """
SELECT audit_id, msgid, infno, client, face, toString(audit_rows.asked_at) AS asked_at, psn_nos, fixmedins_code, department_id,
    doctor_id, trig_scen, light, sev_deg, rule_ids, findings, undecided, took_ms, infcode, request, answer, digest
FROM audit_rows FINAL
WHERE msgid = {msgid:String} AND ({institution:String} = '' OR fixmedins_code = {institution:String})
ORDER BY audit_rows.asked_at DESC, audit_id
LIMIT 1
"""
_FINDING_COLUMNS: Final = """
    jr_id, audit_id, msgid, toString(audit_findings.asked_at) AS asked_at, psn_no, fixmedins_code, department_id, doctor_id, rule_id,
    rule_version, title, subject_type, light, sev_deg, score, vola_amt, explanation, rx_ids, dspo_way, dspo_way_rea,
    toString(audit_findings.answered_at) AS answered_at
"""
# Filtered inside, before the join: the view itself would join everything first
_FINDING: Final = f"""
WITH
    told AS (SELECT * FROM audit_finding_rows FINAL WHERE jr_id = {{jr_id:String}}),
    answered AS (SELECT * FROM audit_feedback_rows FINAL WHERE warn_rslt_id = {{jr_id:String}}),
    audit_findings AS
    (
        SELECT told.*, answered.dspo_way AS dspo_way, answered.dspo_way_rea AS dspo_way_rea,
            if(answered.dspo_way = '', NULL, answered.answered_at) AS answered_at
        FROM told
        LEFT JOIN answered ON answered.warn_rslt_id = told.jr_id AND answered.fixmedins_code = told.fixmedins_code
    )
SELECT {_FINDING_COLUMNS}
FROM audit_findings
WHERE {{institution:String}} = '' OR fixmedins_code = {{institution:String}}
"""  # noqa: S608  the columns are a constant of this module
_COUNTS: Final = """
SELECT {columns}
    toUInt64(sum(answers.findings)) AS findings, toUInt64(sum(answers.continued)) AS continued,
    toUInt64(sum(answers.returned)) AS returned, toUInt64(sum(answers.findings - answers.continued - answers.returned)) AS unanswered,
    toUInt64(sum(answers.explained)) AS explained
FROM audit_answers AS answers
WHERE answers.day >= toDate({{since:String}}) AND answers.day < toDate({{until:String}})
    AND ({{institution:String}} = '' OR answers.fixmedins_code = {{institution:String}})
{group}
"""


def find_audit(client: Client, msgid: str, *, institution_id: str = "") -> Row | None:
    """The last request of that message id (of that institution), ``request`` and ``answer`` as JSON values; None if there is none.

    ``asked_at`` is local, ``yyyy-MM-dd HH:mm:ss.SSS``. Raises :class:`clickhouse.errors.StoreError`.
    """
    row = _one(client, _AUDIT, {"msgid": msgid, "institution": institution_id})
    if row is not None:
        row["undecided"] = bool(row["undecided"])
        for name in ("request", "answer"):
            row[name] = orjson.loads(row[name]) if row[name] else None
    return row


def find_finding(client: Client, jr_id: str, *, institution_id: str = "") -> Row | None:
    """What was told under an id and how it was answered (``dspo_way`` empty, ``answered_at`` None if it was not); None if nothing was.

    With ``institution_id`` only what that institution was told. ``vola_amt`` in yuan. Raises :class:`clickhouse.errors.StoreError`.
    """
    return _one(client, _FINDING, {"jr_id": jr_id, "institution": institution_id})


def count_answers(
    client: Client, by: Sequence[By] = (), *, since: str = "", until: str = "", institution_id: str = ""
) -> list[Row]:
    """How many findings were shown, continued, returned and left unanswered, and how many were explained and so not shown.

    One row per value of ``by`` (none: one row), the most findings first. Local days ``yyyy-MM-dd``: ``since`` <= day < ``until``.
    Raises :class:`clickhouse.errors.StoreError`.
    """
    names = [str(name) for name in by]
    sql = _COUNTS.format(
        columns="".join(f"{_KEYS[name]} AS {name}, " for name in names),
        group=f"GROUP BY {', '.join(names)} ORDER BY findings DESC, {', '.join(names)}" if names else "",
    )
    parameters = {"since": since or _EARLIEST, "until": until or _LATEST, "institution": institution_id}
    with translated():
        return [dict(row) for row in client.query(sql, parameters=parameters).named_results()]


_KEYS: Final = {
    "day": "toString(answers.day)",
    "fixmedins_code": "answers.fixmedins_code",
    "department_id": "answers.department_id",
    "doctor_id": "answers.doctor_id",
    "rule_id": "answers.rule_id",
}


def _one(client: Client, sql: str, parameters: dict[str, Any]) -> Row | None:
    with translated():
        rows = [dict(row) for row in client.query(sql, parameters=parameters).named_results()]
    return rows[0] if rows else None
