"""A city's year of settlements, findings and audits, made inside ClickHouse: the same rows for the same seed, whatever the machine."""

from __future__ import annotations

from bisect import bisect
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import accumulate
from typing import Final
from zoneinfo import ZoneInfo

from clickhouse_connect.driver.client import Client

from benchmarks.stack import cores
from clickhouse.aggregates import WRITING
from clickhouse.sink import Sink
from detectors.parameters import load_rules
from schemas.instants import Calendar

ZONE: Final = ZoneInfo("Asia/Shanghai")
_WEEK: Final = (1.16, 1.09, 1.05, 1.04, 1.05, 0.86, 0.75)
"""Weights of the days from Monday: hospitals are fullest after the weekend."""
_HOURS: Final = (1, 1, 1, 1, 1, 1, 2, 6, 12, 13, 12, 8, 4, 6, 8, 7, 5, 3, 3, 3, 2, 2, 1, 1)
_SLOTS: Final = 2_000
"""Parts of a week that lie in one hour each."""
_AT_ONCE: Final = 1_400_000
_WRITE: Final = (
    f"{WRITING}, max_insert_threads = 1, max_threads = 2, min_insert_block_size_rows = {2 * _AT_ONCE}, "
    "min_insert_block_size_bytes = 0"
)
"""One part for each INSERT: those of a year are then few, apart in time, and little is left to merge."""
_RULE: Final = "['agent_buying.days_supply', 'agent_buying.collector_cards', 'frequent_visits.rolling_count'][1 + intDiv(g, 13) % 3]"
_COLUMNS: Final = {
    "settlement_rows": (
        "event_id, event_type, orig_setl_id, infno, inf_time, setl_id, mdtrt_id, psn_no, gend, brdy, psn_type, insutype, insuplc_admdvs, "
        "mdtrt_cert_type, med_type, setl_time, begndate, enddate, fixmedins_code, fixmedins_name, hosp_lv, mdtrtarea_admvs, dev_no, "
        "opter_id, medfee_sumamt, fund_pay_sumamt, hifp_pay, acct_pay, psn_cash_pay, inscp_scp_amt, refd_setl_flag, dise_codg, "
        "diagnoses, agnter_certno, agnter_rlts, long_rx_flag, lines, ingested_at"
    ),
    "alert_revisions": (
        "alert_id, revision, detector, family, subject_type, subject_id, light, score, raised_at, event_ids, persons, institutions, "
        "window_from, window_to, explanation, features, rule_id, rule_version, model_version, shadow, amount, withdrawn, schema"
    ),
    "audit_rows": (
        "audit_id, msgid, infno, asked_at, psn_no, psn_nos, fixmedins_code, light, rule_ids, findings, undecided, infcode, took_ms"
    ),
    "audit_finding_rows": (
        "jr_id, audit_id, msgid, asked_at, psn_no, fixmedins_code, department_id, doctor_id, rule_id, rule_version, title, "
        "subject_type, light, sev_deg, score, vola_amt, explanation, rx_ids"
    ),
    "audit_feedback_rows": "warn_rslt_id, audit_id, msgid, fixmedins_code, dspo_way, dspo_way_rea, answered_at",
}


@dataclass(frozen=True)
class Year:
    """How large the city is and when its year ends (on a busy forenoon, as a wall is looked at)."""

    settlements: int = 36_000_000
    audits: int = 12_000_000
    alerts: int = 40_000
    persons: int = 2_000_000
    institutions: int = 2_000
    days: int = 365
    whole_days: int = 40
    until: datetime = datetime(2025, 12, 31, 11, tzinfo=ZONE)
    seed: int = 20_250_101

    @property
    def first(self) -> datetime:
        """Midnight of the first day."""
        return datetime(self.until.year, self.until.month, self.until.day, tzinfo=ZONE) - timedelta(days=self.days - 1)

    @property
    def hospitals(self) -> int:
        """How many of the institutions are hospitals; tens, one for each district."""
        return self.institutions * 3 // 100 * 10


def fill(client: Client, year: Year, say: Callable[[str], None]) -> None:
    """Fill a migrated, empty database with the year: rows by INSERT ... SELECT, then every aggregate by the statements of a refresh.

    Leaves out what no query of a panel reads: the texts of audits, and all but one fee line of documents older than ``whole_days``.
    ``say`` is told how far it is. Raises :class:`clickhouse.errors.StoreError`.
    """
    client.command(_institutions(year))
    _in_parts(
        year.settlements,
        lambda first, count: [("settlement_rows", documents(year, f"numbers({first}, {count})"))],
        client,
        say,
    )
    _in_parts(year.audits, lambda first, count: list(_audits(year, first, count).items()), client, say)
    for month, start, end in _months(year):
        for rows in _alerts(year, start, end):
            _insert(client, "alert_revisions", rows)
        say(f"wall: findings of {month}")
    refresh(client, year, say)


def _in_parts(
    total: int, inserts: Callable[[int, int], list[tuple[str, str]]], client: Client, say: Callable[[str], None]
) -> None:
    """Run the INSERTs of every part of ``total``, given its first number and how many, on all processors."""

    def insert(first: int) -> None:
        written = inserts(first, min(_AT_ONCE, total - first))
        for table, rows in written:
            _insert(client, table, rows)
        say(f"wall: {written[-1][0]} from {first:,} of {total:,}")

    with ThreadPoolExecutor(cores()) as pool:
        list(pool.map(insert, range(0, total, _AT_ONCE)))


def refresh(client: Client, year: Year, say: Callable[[str], None]) -> None:
    """Compute every aggregate as the worker does: hours that received rows are marked, a refresh recomputes them and what follows."""
    sink = Sink(client)
    for month, start, end in _months(year):
        client.command(
            "INSERT INTO panel_marks (hour, mark, cleared) SELECT DISTINCT toStartOfHour(setl_time), 1, 0 FROM settlement_rows "
            f"WHERE setl_time >= toDateTime({start}) AND setl_time < toDateTime({end})"
        )
        sink.refresh()
        say(f"wall: hours of {month}")
    client.command(
        "INSERT INTO panel_audit_marks (kind, hour, mark, cleared) SELECT DISTINCT 'audit', toStartOfHour(asked_at), 1, 0 FROM audit_rows"
    )
    sink.refresh()
    say("wall: days, months, diagnoses, audits and visitors")


def year_before(client: Client) -> None:
    """Give the panels that compare with last year one to compare with: this one's days and months, a year earlier."""
    for table, time in (
        ("panel_institution_daily", "day"), ("panel_area_daily", "day"), ("panel_monthly", "month"), ("panel_area_monthly", "month"),
    ):  # fmt: skip
        client.command(f"INSERT INTO {table} SELECT * REPLACE ({time} - INTERVAL 1 YEAR AS {time}) FROM {table} FINAL")


def minutes_later(client: Client, year: Year, *, batches: int, minutes: int = 20) -> None:
    """Let the stream go on: what is settled in the ``minutes`` after the end comes in ``batches``, its hour refreshed after each."""
    later = replace(year, until=year.until + timedelta(minutes=minutes))
    per_week = 7 * year.settlements // year.days
    elapsed = (year.until - year.first).days // 7
    numbers = f"numbers({elapsed * per_week}, {per_week})"
    sink = Sink(client)
    hour = int(year.until.timestamp())
    for batch in range(batches):
        rows = documents(later, f"(SELECT number FROM {numbers} WHERE number % {batches} = {batch})")
        _insert(client, "settlement_rows", f"{rows} AND at >= {hour}")
        client.command(f"INSERT INTO panel_marks (hour, mark, cleared) VALUES (toDateTime({hour}), {batch + 2}, 0)")
        sink.refresh()
    sink.refresh()


def _insert(client: Client, table: str, rows: str) -> None:
    client.command(f"INSERT INTO {table} ({_COLUMNS[table]})\nSETTINGS {_WRITE}\n{rows}")


def _months(year: Year) -> list[tuple[str, int, int]]:
    """The months of the year: name, first second, the second after the last."""
    calendar = Calendar()
    at, last, months = int(year.first.timestamp()), int(year.until.timestamp()), []
    while at < last:
        end = calendar.month_start(calendar.month(at) + 1)
        months.append((calendar.text(at)[:7], at, end))
        at = end
    return months


def _institutions(year: Year) -> str:
    return f"""
INSERT INTO institutions (fixmedins_code, fixmedins_name, fixmedins_type, hosp_lv, mdtrtarea_admvs, lat, lon)
SELECT
    concat(if(number < {year.hospitals}, 'H3206', 'P3206'), leftPad(toString(number), 5, '0')),
    concat(if(number < {year.hospitals}, '医院', '药店'), toString(number)), if(number < {year.hospitals}, '1', '2'),
    if(number < {year.hospitals}, toString(1 + number % 3), '11'), concat('32060', toString(number % 10)),
    31.5 + (intHash64(number) % 1000) / 1000, 120.5 + (intHash64(number + 1) % 1000) / 1000
FROM numbers({year.institutions})
"""


def _audits(year: Year, first: int, count: int) -> dict[str, str]:
    """Every third document asked about two minutes before: some told something, most of those answered to."""
    asked = f"""
SELECT
    toUInt64OrZero(substring(event_id, 2)) AS number, intHash64(number + {year.seed + 2}) AS g, setl_time - INTERVAL 2 MINUTE AS asked_at,
    psn_no, fixmedins_code, g % 1000 = 999 AS undecided, if(g % 400 = 7, -1, 0) AS infcode,
    multiIf(undecided OR infcode != 0, [], g % 100 < 11, [{_RULE}], g % 100 < 13, [{_RULE}, 'frequent_visits.rolling_count'], [])
        AS rule_ids,
    if(intDiv(g, 100) % 5 = 0, 'red', 'yellow') AS worst, notEmpty(rule_ids) AND intDiv(g, 1000) % 10 < 7 AS answered
FROM ({documents(year, f"(SELECT number * {year.settlements // year.audits} AS number FROM numbers({first}, {count}))")})
""".strip()
    told = f"({asked}) ARRAY JOIN rule_ids AS rule_id, arrayEnumerate(rule_ids) AS place"
    return {
        "audit_finding_rows": f"""
SELECT concat('J', toString(number), '-', toString(place)), concat('A', toString(number)), concat('M', toString(number)), asked_at, psn_no,
    fixmedins_code, 'A03', 'D1', rule_id, 1, rule_id, 'person', multiIf(place > 1, 'yellow', worst), '2', 0.8,
    toDecimal64(g % 90000, 2) / 100, '', []
FROM {told}""",
        "audit_feedback_rows": f"""
SELECT concat('J', toString(number), '-', toString(place)), concat('F', toString(number)), concat('M', toString(number)), fixmedins_code,
    if(g % 3 = 0, '2', '1'), '', asked_at + INTERVAL 1 MINUTE
FROM {told}
WHERE answered""",
        "audit_rows": f"""
SELECT concat(if(kind = '3103', 'F', 'A'), toString(number)), concat('M', toString(number)), kind, asked_at + if(kind = '3103', 60, 0),
    psn_no, [psn_no], fixmedins_code, if(empty(rule_ids) OR kind = '3103', '', worst), if(kind = '3103', [], rule_ids),
    if(kind = '3103', 0, length(rule_ids)), undecided, infcode, 3 + intDiv(g, 7) % 1000 / 60.
FROM ({asked})
ARRAY JOIN arrayConcat([if(g % 5 = 0, '3101', '3102')], if(answered, ['3103'], [])) AS kind""",
    }


def _alerts(year: Year, start: int, end: int) -> list[str]:
    """Findings of a month: the busiest persons, terminals and collectors in it, with their documents as evidence."""
    rules = [rule.detector for rule in load_rules().rules]
    per_month = year.alerts // len(_months(year))
    return [
        _findings(year, start, end, subject, key, [rule for rule in rules if rule.startswith(family)], round(per_month * share))
        for subject, key, family, share in (
            ("person", "psn_no", "frequent_visits", 0.6), ("terminal", "dev_no", "agent_buying", 0.2),
            ("agent", "agnter_certno", "agent_buying", 0.2),
        )
    ]  # fmt: skip


def _findings(year: Year, start: int, end: int, subject: str, key: str, rules: list[str], count: int) -> str:
    period = (
        f"setl_time >= toDateTime({start}) AND setl_time < toDateTime({end}) AND event_type = 'SETTLE' AND {key} != ''"
    )
    return f"""
SELECT
    lower(hex(SHA256(concat(detector, subject, toString({start}))))) AS alert_id, 1 + h % 3 AS revision,
    {rules}[1 + h % {len(rules)}] AS detector,
    '{rules[0].partition(".")[0]}', '{subject}', subject, multiIf(h % 20 < 3, 'red', h % 20 < 12, 'yellow', 'green'), h % 1000 / 1000.,
    raised_at, arrayMap(one -> one.2, documents), arraySort(arrayDistinct(arrayMap(one -> one.3, documents))),
    arraySort(arrayDistinct(arrayMap(one -> one.4, documents))), tupleElement(documents[1], 1), raised_at,
    concat('参保人 ', tupleElement(documents[1], 3), ' 就诊 ', toString(length(documents)), ' 次'), '{{"visits": 9, "limit": 7}}',
    detector, 1, NULL, h % 33 = 0, arraySum(arrayMap(one -> one.5, documents)), h % 50 = 1, 1
FROM
(
    SELECT {key} AS subject, intHash64(cityHash64(subject) + {year.seed}) AS h, tupleElement(documents[-1], 1) AS raised_at,
        arraySlice(arraySort(groupArray(200)((setl_time, event_id, psn_no, toString(fixmedins_code), fund_pay_sumamt))), 1, 4 + h % 30)
            AS documents
    FROM settlement_rows
    WHERE {period} AND {key} IN
        (SELECT {key} FROM settlement_rows WHERE {period} GROUP BY {key} ORDER BY count() DESC, {key} LIMIT {count})
    GROUP BY subject
)"""


def documents(year: Year, numbers: str) -> str:
    """A SELECT of ``settlement_rows``' columns for the document numbers of ``numbers`` (a table expression with a column ``number``).

    One in a hundred takes back a document of two to three days before.
    """
    per_day = year.settlements / year.days
    back = 100 * round(per_day * 2.5 / 100) + 21
    pharmacies = year.institutions - year.hospitals
    return f"""
SELECT
    concat('E', leftPad(toString(number), 10, '0')) AS event_id,
    if(back, 'REVERSE', 'SETTLE') AS event_type,
    if(back, concat('S', leftPad(toString(base), 10, '0')), '') AS orig_setl_id,
    '2207' AS infno,
    toString(setl_time) AS inf_time,
    concat('S', leftPad(toString(number), 10, '0')) AS setl_id,
    concat('M', leftPad(toString(base), 10, '0')) AS mdtrt_id,
    concat('3206', leftPad(toString(person), 14, '0')) AS psn_no,
    toString(1 + person % 2) AS gend,
    concat(toString(1930 + person % 85), '-0', toString(1 + person % 9), '-15') AS brdy,
    '1101' AS psn_type,
    if(person % 3 = 0, '390', '310') AS insutype,
    concat('32060', toString(home)) AS insuplc_admdvs,
    '03' AS mdtrt_cert_type,
    med_type,
    toDateTime(at, 'Asia/Shanghai') AS setl_time,
    toString(toDate(setl_time) - stay) AS begndate,
    toString(toDate(setl_time)) AS enddate,
    concat(if(hospital, 'H3206', 'P3206'), leftPad(toString(place), 5, '0')) AS fixmedins_code,
    concat(if(hospital, '医院', '药店'), toString(place)) AS fixmedins_name,
    if(hospital, toString(1 + place % 3), '11') AS hosp_lv,
    concat('32060', toString(place % 10)) AS mdtrtarea_admvs,
    concat('T', toString(place), '-', toString(h4 % 8)) AS dev_no,
    concat('o', toString(h4 % 40)) AS opter_id,
    sign * toDecimal64(cents, 2) / 100 AS medfee_sumamt,
    sign * toDecimal64(intDiv(cents * (50 + h5 % 40), 100), 2) / 100 AS fund_pay_sumamt,
    fund_pay_sumamt AS hifp_pay,
    sign * toDecimal64(intDiv(cents, 10), 2) / 100 AS acct_pay,
    medfee_sumamt - fund_pay_sumamt - acct_pay AS psn_cash_pay,
    fund_pay_sumamt AS inscp_scp_amt,
    if(back, '1', '0') AS refd_setl_flag,
    if(med_type = '140104', 'M03900', '') AS dise_codg,
    if(hospital,
        [(concat(['E11', 'I10', 'J06', 'K29', 'M54', 'N18'][1 + illness % 6], '.', toString(intDiv(illness, 6))), '诊断', '1', '1')], [])
        AS diagnoses,
    if(h6 % 50 = 0, concat('tok', toString(h6 % 200000)), '') AS agnter_certno,
    if(h6 % 50 = 0, '1', '') AS agnter_rlts,
    '0' AS long_rx_flag,
    arrayMap(line -> (
        concat(toString(base), '-', toString(line)), concat('X', toString((h5 + line * 37) % 900)),
        concat('药品', toString((h5 + line * 37) % 900)), '101', ['09', '09', '11', '03', '05', '14'][1 + (h6 + line) % 6],
        toDecimal64(1 + line % 3, 4), toDecimal64(intDiv(cents, parts), 4) / 100, toDecimal64(intDiv(cents, parts), 2) / 100,
        toDecimal64(intDiv(cents, parts), 2) / 100, toDecimal64(7 * (1 + (h6 + line) % 4), 2), inf_time,
        concat('D', toString(h4 % 300)), 'A03', if(hospital, concat('R', toString(base)), ''), '0',
        if(line = 0, [concat('81', leftPad(toString(h6 % 1000000000), 18, '0'))], [])), range(parts)) AS lines,
    toDateTime64(at + 1 + h6 % 3, 3, 'Asia/Shanghai') AS ingested_at
FROM
(
    SELECT number, base, back, if(back, -1, 1) AS sign, at, h4, h5, h6, med_type, med_type != '41' AS hospital, person, home, parts,
        if(med_type = '21', 2 + h6 % 12, 0) AS stay,
        toUInt32(360 * pow(h5 / 18446744073709551616., 4)) AS illness,
        if(hospital,
            intDiv(toUInt32({year.hospitals} * pow(h3 / 18446744073709551616., 1.8)), 10) * 10 + near,
            {year.hospitals} + intDiv(toUInt32({pharmacies} * pow(h3 / 18446744073709551616., 1.3)), 10) * 10 + near) AS place,
        toInt64(least(9000000, 900 - log((1 + h4 % 1000003) / 1000004.) * if(med_type = '21', 700000, if(hospital, 16000, 9000)))) AS cents
    FROM
    (
        SELECT number, base, back, at, h3, intHash64(h3 + 4) AS h4, intHash64(h3 + 5) AS h5, intHash64(h3 + 6) AS h6,
            multiIf(h4 % 100 < 46, '11', h4 % 100 < 62, '140104', h4 % 100 < 65, '13', h4 % 100 < 70, '21', '41') AS med_type,
            toUInt32({year.persons} * pow(h2 / 18446744073709551616., 1.3)) AS person,
            person % 10 AS home,
            if(h5 % 100 < 85, home, h6 % 10) AS near,
            multiIf(number < {year.settlements - round(year.whole_days * per_day)}, 1, med_type = '21', 8, 1 + h5 % 4) AS parts
        FROM
        (
            SELECT number, (number % 100 = 99) AND (number >= {back}) AS back, toUInt64(number - {back} * back) AS base,
                {_instant(year)} AS at,
                intHash64(base + {year.seed}) AS h2, intHash64(h2 + 3) AS h3
            FROM {numbers}
        )
    )
)
WHERE at < {int(year.until.timestamp())}
""".strip()


def _instant(year: Year) -> str:
    """When a document is settled: numbers run through the hours of each week, so that they come sorted; the second is drawn."""
    per_week = 7 * year.settlements // year.days
    weekday = year.first.weekday()
    weights = [_WEEK[(weekday + hour // 24) % 7] * _HOURS[hour % 24] for hour in range(7 * 24)]
    ends = [share / sum(weights) for share in accumulate(weights)]
    hours = [bisect(ends, slot / _SLOTS) for slot in range(_SLOTS)]
    hour = f"{hours}[1 + intDiv(number % {per_week} * {_SLOTS}, {per_week})]"
    second = f"intHash64(number + {year.seed + 1}) % 3600"
    return f"{int(year.first.timestamp())} + 604800 * intDiv(number, {per_week}) + 3600 * {hour} + {second}"
