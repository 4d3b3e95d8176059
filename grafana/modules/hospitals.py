"""医院监控: outpatient and inpatient care, and hospitals by fund money beside their peers."""

from __future__ import annotations

from dataclasses import replace

from grafana_foundation_sdk.models.dashboard import Dashboard

from clickhouse.panels import MODULES
from grafana import fields, parts
from grafana.fields import Column
from grafana.target import Target

_MODULE = MODULES["hospitals"]
_RISING = ((None, fields.INK), (5.0, fields.YELLOW), (15.0, fields.RED))
"""A growing average fee, in percent."""
_FAR = ((None, fields.INK), (20.0, fields.YELLOW), (50.0, fields.RED))
"""Percent above the median of peers."""


def _percent(name: str, title: str, steps: fields.Steps = ()) -> Column:
    column = Column(name, title, 90, unit=fields.PERCENT, decimals=1, align="right")
    return replace(column, steps=steps, cell="text") if steps else column


_CARE = (
    Column("care", "近30天", 90),
    Column("settlements", "人次", 130, unit=fields.COUNT, align="right"),
    _percent("settlements_growth", "环比"),
    _percent("settlements_growth_year", "同比"),
    Column("persons", "人数", 130, unit=fields.COUNT, align="right"),
    Column("fee_wan", "总费用", 150, unit=fields.WAN, decimals=0, align="right"),
    Column("fund_wan", "基金支付", 150, unit=fields.WAN, decimals=0, align="right"),
    Column("average_fee", "次均费用", 120, unit=fields.YUAN, decimals=2, align="right"),
    _percent("average_growth", "次均环比", _RISING),
    _percent("average_growth_year", "次均同比", _RISING),
    Column("inpatient_days", "住院床日", 130, unit=fields.COUNT, align="right"),
    Column("stay_days", "平均住院日", 110, decimals=1, align="right"),
    _percent("examination_share", "检查占比"),
    _percent("treatment_share", "治疗占比"),
    _percent("drug_share", "药占比"),
)


def _ranked(care: str, title: str) -> tuple[Column, ...]:
    stays = (Column("stay_days", "住院日", 80, decimals=1, align="right"),) if care == "inpatient" else ()
    return (
        Column("fixmedins_name", "医院", 190, link=fields.to_institution()),
        Column("fund_wan", "基金合计", 110, unit=fields.WAN, decimals=0, align="right"),
        Column(f"{care}s", f"{title}人次", 100, unit=fields.COUNT, align="right"),
        Column(f"{care}_average", "次均费用", 100, unit=fields.YUAN, decimals=0, align="right"),
        _percent(f"{care}_growth", "环比", _RISING),
        _percent(f"{care}_growth_year", "同比", _RISING),
        _percent(f"{care}_over_peers", "较同级", _FAR),
        *stays,
        _percent("drug_share", "药占比"),
        Column("findings_per_thousand", "千单发现", 90, decimals=1, align="right", link=fields.to_institution()),
        Column("fixmedins_code"),
    )


_SHARES = (
    Column("fixmedins_name", "医院", link=fields.to_institution()),
    Column("examination_share", "检查", unit=fields.PERCENT, decimals=1, colour=fields.SERIES[0]),
    Column("treatment_share", "治疗", unit=fields.PERCENT, decimals=1, colour=fields.SERIES[1]),
    Column("drug_share", "药品", unit=fields.PERCENT, decimals=1, colour=fields.SERIES[2]),
    Column("fixmedins_code"),
)


def dashboard() -> Dashboard:
    """Both kinds of care above, the ranking for each below, and what the fees of the first are made of."""
    queries = {query.name: query for query in _MODULE.queries}
    ranking = queries["ranking"]
    return parts.dashboard(
        _MODULE.name,
        _MODULE.title,
        [
            parts.table("门诊与住院", (0, 0, 24, 4), Target(queries["care"]), _CARE, per_wan=["fee", "fund"]),
            parts.table("门诊排名", (0, 4, 12, 9), Target(ranking, rows=10), _ranked("outpatient", "门诊"), per_wan=["fund"]),
            parts.table("住院排名", (12, 4, 12, 9), Target(ranking, rows=10), _ranked("inpatient", "住院"), per_wan=["fund"]),
            parts.bars("费用构成（%）", (0, 13, 24, 5), Target(ranking, rows=10), _SHARES, stacked=True),
        ],
        refresh=_MODULE.refresh,
        variables=[parts.institution()],
    )  # fmt: skip
