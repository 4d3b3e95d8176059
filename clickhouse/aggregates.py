"""How each panel aggregate is made of what it stands on: one statement for the refresh that writes it and for the reconcile that checks it.

Every source is read whole for the hours, days or months it is about, so that repeats, late events and reversals cannot inflate it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

WRITING: Final = "async_insert = 0, insert_deduplicate = 0, max_partitions_per_insert_block = 0"
"""Every table tells repeats apart by itself; a replicated one would also keep a repeat from the views behind it."""
_MONEY: Final = {
    "fee": "medfee_sumamt",
    "fund": "fund_pay_sumamt",
    "hifp": "hifp_pay",
    "examination_fee": "examination_fee",
    "treatment_fee": "treatment_fee",
    "drug_fee": "drug_fee",
}
_COUNTED: Final = ("prescriptions", "inpatient_days")
_MEASURES: Final = ("events", "settlements", "reversals", *_MONEY, *_COUNTED)
_DISEASE_MEASURES: Final = ("events", "settlements", "reversals", "fee", "fund", "drug_fee", "inpatient_days")
_AUDITS: Final = ("seen", "asked", "passed", "warned", "continued", "changed", "undecided", "red", "yellow", "refused")
_RULES: Final = ("seen", "findings", "explained", "red", "yellow", "continued", "returned", "amount")


@dataclass(frozen=True)
class Aggregate:
    """A table of cells and the SELECT that makes them.

    ``keys`` begin with the cell's time or hold it; ``{from:UInt32}`` and ``{until:UInt32}`` in ``source`` are the first second and
    the second after the last, ``{starts:Array(DateTime)}`` the hours, days or months meant. ``state`` is the column that
    is merged instead of added up, empty for none.
    """

    table: str
    title: str
    time: str
    keys: tuple[str, ...]
    measures: tuple[str, ...]
    state: str
    source: str

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns in the order of ``source``."""
        return (*self.keys, *self.measures, *((self.state,) if self.state else ()))

    @property
    def insert(self) -> str:
        """The statement that computes the cells of ``starts`` and writes them."""
        return f"INSERT INTO {self.table} ({', '.join(self.columns)}) SETTINGS {WRITING}\n{self.source}"


def _net(column: str) -> str:
    return f"sum(if(event_type = 'REVERSE', -abs({column}), {column}))"


def _documents(time: str, start: str, keys: tuple[str, ...], measures: tuple[str, ...]) -> str:
    expressions = {
        "events": "count()",
        "settlements": "countIf(event_type = 'SETTLE')",
        "reversals": "countIf(event_type = 'REVERSE')",
        **{name: _net(column) for name, column in _MONEY.items()},
        **{name: f"sum(if(event_type = 'REVERSE', -1, 1) * toInt64({name}))" for name in _COUNTED},
    }
    cut = start.format("setl_time")
    return (
        f"SELECT {', '.join(f'{cut} AS {time}' if key == time else key for key in keys)},\n"
        + ",\n".join(f"    {expressions[name]}" for name in measures)
        + ",\n    uniqCombined64StateIf(14)(psn_no, event_type = 'SETTLE')\n"
        f"FROM settlement_rows FINAL\nWHERE {cut} IN {{starts:Array(DateTime)}}\n"
        "    AND setl_time >= toDateTime({from:UInt32}) AND setl_time < toDateTime({until:UInt32})\n"
        f"GROUP BY {', '.join(keys)}\nSETTINGS do_not_merge_across_partitions_select_final = 1"
    )


def _summed(source: str, inner: str, time: str, start: str, keys: tuple[str, ...], measures: tuple[str, ...]) -> str:
    cut = start.format(f"cell.{inner}")
    chosen = (f"{cut} AS {time}" if key == time else f"cell.{key} AS {key}" for key in keys)
    return (
        f"SELECT {', '.join(chosen)},\n    "
        + ", ".join(f"sum(cell.{name})" for name in measures)
        + f", uniqCombined64MergeState(14)(cell.persons)\nFROM {source} AS cell FINAL\n"
        f"WHERE {cut} IN {{starts:Array(DateTime)}}\n"
        f"    AND cell.{inner} >= toDateTime({{from:UInt32}}) AND cell.{inner} < toDateTime({{until:UInt32}})\n"
        f"GROUP BY {', '.join(keys)}"
    )


def _cells(
    table: str, title: str, time: str, keys: tuple[str, ...], measures: tuple[str, ...], source: str
) -> Aggregate:
    return Aggregate(table, title, time, keys, measures, "persons", source)


_PLACE: Final = ("mdtrtarea_admvs", "fixmedins_code", "med_type")
_AREA: Final = ("mdtrtarea_admvs", "med_type")
# toStartOfMonth gives a date, which would lose the zone of the fund
_MONTH: Final = "toStartOfDay({0} - toIntervalDay(toDayOfMonth({0}) - 1))"
HOURS: Final = _cells(
    "panel_hourly", "hours of institutions", "hour", ("hour", *_PLACE), _MEASURES,
    _documents("hour", "toStartOfHour({})", ("hour", *_PLACE), _MEASURES),
)  # fmt: skip
DAYS: Final = _cells(
    "panel_institution_daily", "days of institutions", "day", ("day", *_PLACE), _MEASURES,
    _summed("panel_hourly", "hour", "day", "toStartOfDay({})", ("day", *_PLACE), _MEASURES),
)  # fmt: skip
AREA_DAYS: Final = _cells(
    "panel_area_daily", "days of districts", "day", ("day", *_AREA), _MEASURES,
    _summed("panel_institution_daily", "day", "day", "{}", ("day", *_AREA), _MEASURES),
)  # fmt: skip
DISEASES: Final = _cells(
    "panel_disease_daily", "days of main diagnoses", "day", ("fixmedins_code", "day", "disease"), _DISEASE_MEASURES,
    _documents("day", "toStartOfDay({})", ("fixmedins_code", "day", "disease"), _DISEASE_MEASURES),
)  # fmt: skip
MONTHS: Final = _cells(
    "panel_monthly", "months of institutions", "month", ("month", *_PLACE), _MEASURES,
    _summed("panel_institution_daily", "day", "month", _MONTH, ("month", *_PLACE), _MEASURES),
)  # fmt: skip
AREA_MONTHS: Final = _cells(
    "panel_area_monthly", "months of districts", "month", ("month", *_AREA), _MEASURES,
    _summed("panel_area_daily", "day", "month", _MONTH, ("month", *_AREA), _MEASURES),
)  # fmt: skip

_TOLD: Final = """
SELECT told.audit_id AS audit_id, toStartOfHour(told.asked_at) AS hour, told.fixmedins_code AS fixmedins_code, told.rule_id AS rule_id,
    told.light AS light, told.vola_amt AS vola_amt, answer.dspo_way AS dspo_way,
    if(answer.dspo_way = '', 0, toUnixTimestamp64Milli(answer.answered_at)) AS answered
FROM
(
    SELECT * FROM audit_finding_rows FINAL
    WHERE toStartOfHour(asked_at) IN {starts:Array(DateTime)}
        AND asked_at >= toDateTime({from:UInt32}) AND asked_at < toDateTime({until:UInt32})
) AS told
LEFT JOIN
(
    SELECT warn_rslt_id, fixmedins_code, dspo_way, answered_at FROM audit_feedback_rows FINAL
    WHERE warn_rslt_id IN
    (
        SELECT jr_id FROM audit_finding_rows
        WHERE asked_at >= toDateTime({from:UInt32}) AND asked_at < toDateTime({until:UInt32})
    )
) AS answer ON answer.warn_rslt_id = told.jr_id AND answer.fixmedins_code = told.fixmedins_code
""".strip()
_QUANTILES: Final = "quantilesDD(0.01, 0.5, 0.95, 0.99)"


AUDITS: Final = Aggregate(
    "panel_audit_hourly", "audits of institutions", "hour", ("hour", "fixmedins_code", "infno"), _AUDITS,
    "took",
    f"""
SELECT toStartOfHour(audit.asked_at) AS hour, audit.fixmedins_code AS fixmedins_code, audit.infno AS infno,
    count() + sum(told.findings) + sum(told.answered) AS seen,
    countIf(audit.infcode = 0) AS asked,
    countIf(audit.infcode = 0 AND audit.infno != '3103' AND NOT audit.undecided AND audit.findings = 0) AS passed,
    countIf(audit.infcode = 0 AND NOT audit.undecided AND audit.findings > 0 AND NOT told.changed) AS warned,
    countIf(audit.infcode = 0 AND NOT audit.undecided AND audit.findings > 0 AND NOT told.changed AND told.continued) AS continued,
    countIf(audit.infcode = 0 AND NOT audit.undecided AND audit.findings > 0 AND told.changed) AS changed,
    countIf(audit.infcode = 0 AND audit.undecided) AS undecided,
    countIf(audit.infcode = 0 AND audit.light = 'red') AS red,
    countIf(audit.infcode = 0 AND audit.light = 'yellow') AS yellow,
    countIf(audit.infcode != 0) AS refused,
    {_QUANTILES.replace("DD", "DDStateIf")}(audit.took_ms, audit.infcode = 0) AS took
FROM
(
    SELECT audit_id, infno, asked_at, fixmedins_code, light, findings, undecided, infcode, took_ms FROM audit_rows FINAL
    WHERE toStartOfHour(asked_at) IN {{starts:Array(DateTime)}}
        AND asked_at >= toDateTime({{from:UInt32}}) AND asked_at < toDateTime({{until:UInt32}})
) AS audit
LEFT JOIN
(
    SELECT audit_id, hour, count() AS findings, sum(answered) AS answered, max(dspo_way = '2') AS changed, max(dspo_way = '1') AS continued
    FROM ({_TOLD})
    GROUP BY audit_id, hour
) AS told ON told.audit_id = audit.audit_id AND told.hour = toStartOfHour(audit.asked_at)
GROUP BY hour, fixmedins_code, infno
""".strip(),  # noqa: S608  of our own pieces
)  # fmt: skip
CITY_AUDITS: Final = Aggregate(
    "panel_city_audit_hourly", "audits of the city", "hour", ("hour", "infno"), _AUDITS,
    "took",
    "SELECT cell.hour AS hour, cell.infno AS infno, "
    + ", ".join(f"sum(cell.{name})" for name in _AUDITS)
    + f""", {_QUANTILES.replace("DD", "DDMergeState")}(cell.took)
FROM panel_audit_hourly AS cell FINAL
WHERE cell.hour IN {{starts:Array(DateTime)}} AND cell.hour >= toDateTime({{from:UInt32}}) AND cell.hour < toDateTime({{until:UInt32}})
GROUP BY hour, infno""",
)  # fmt: skip
AUDIT_RULES: Final = Aggregate(
    "panel_audit_rule_hourly", "audits by rule", "hour", ("hour", "fixmedins_code", "rule_id"), _RULES, "",
    f"""
SELECT told.hour AS hour, told.fixmedins_code AS fixmedins_code, told.rule_id AS rule_id,
    count() + sum(told.answered) AS seen,
    countIf(told.light != 'green') AS findings,
    countIf(told.light = 'green') AS explained,
    countIf(told.light = 'red') AS red,
    countIf(told.light = 'yellow') AS yellow,
    countIf(told.light != 'green' AND told.dspo_way = '1') AS continued,
    countIf(told.light != 'green' AND told.dspo_way = '2') AS returned,
    sumIf(told.vola_amt, told.light != 'green') AS amount
FROM ({_TOLD}) AS told
GROUP BY hour, fixmedins_code, rule_id
""".strip(),  # noqa: S608  of our own pieces
)  # fmt: skip

AGGREGATES: Final = (HOURS, DAYS, AREA_DAYS, MONTHS, AREA_MONTHS, DISEASES, AUDITS, CITY_AUDITS, AUDIT_RULES)
"""All of them that are cells of a time; the visitors stand apart."""

VISITOR_COLUMNS: Final = "fixmedins_code, place, version, until, psn_no, visits, documents, institutions, fund, last_at"
VISITORS: Final = """
WITH
    toDateTime({latest:UInt32}) AS latest,
    latest - INTERVAL 7 DAY AS first,
    reversed AS
    (
        SELECT orig_setl_id FROM settlement_rows
        WHERE toStartOfHour(setl_time) > first AND setl_time < latest + INTERVAL 1 HOUR AND event_type = 'REVERSE'
    ),
    (
        SELECT count() FROM settlement_rows FINAL
        WHERE toStartOfHour(setl_time) > first AND setl_time < latest + INTERVAL 1 HOUR
    ) AS events,
    person AS
    (
        SELECT fixmedins_code AS code, psn_no,
            countIf(NOT (med_type IN ('41', '9929') OR startsWith(med_type, '2'))) AS visits, count() AS documents,
            uniqExact(settlement_rows.fixmedins_code) AS institutions, sum(fund_pay_sumamt) AS fund, max(setl_time) AS last_at
        FROM settlement_rows FINAL
        WHERE toStartOfHour(setl_time) > first AND setl_time < latest + INTERVAL 1 HOUR AND event_type = 'SETTLE'
            AND setl_id NOT IN (SELECT orig_setl_id FROM reversed)
        GROUP BY GROUPING SETS ((psn_no), (code, psn_no))
    )
SELECT code, row_number() OVER (PARTITION BY code ORDER BY visits DESC, documents DESC, psn_no) AS place,
    bitShiftLeft(toUInt64(toUnixTimestamp(latest)), 32) + events AS version, latest AS until,
    psn_no, visits, documents, institutions, fund, last_at
FROM (SELECT * FROM person ORDER BY code, visits DESC, documents DESC, psn_no LIMIT 100 BY code)
WHERE events > 0
QUALIFY place <= if(code = '', 100, 30)
""".strip()
"""Who came most often in the seven days that end with the hour ``{latest:UInt32}``: 100 of the city, 30 of each institution."""
