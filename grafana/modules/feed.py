"""实时单据审核信息: the day in figures, and the latest documents with the light of the worst finding on each."""

from __future__ import annotations

from grafana_foundation_sdk.models.dashboard import Dashboard

from clickhouse.panels import MODULES
from grafana import fields, parts
from grafana.fields import Column
from grafana.target import Target

_MODULE = MODULES["feed"]
_FIGURES = (
    Column("settlements", "今日单据", unit=fields.COUNT, colour=fields.ACCENT),
    Column("fund_wan", "今日基金支付", unit=fields.WAN, decimals=2, colour=fields.ACCENT),
    Column("red", "红灯", unit=fields.COUNT, colour=fields.RED, link=fields.to_overview()),
    Column("yellow", "黄灯", unit=fields.COUNT, colour=fields.YELLOW, link=fields.to_overview()),
    Column("green", "绿灯", unit=fields.COUNT, colour=fields.GREEN, link=fields.to_overview()),
    Column("delay_seconds", "入库延迟", unit=fields.DURATION, decimals=0, colour=fields.DIM),
)
_DOCUMENTS = (
    Column("setl_time", "结算时间", 150, unit=fields.time("MM-DD HH:mm:ss"), link=fields.to_document()),
    fields.light(link=fields.to_document()),
    Column("fixmedins_name", "定点机构", 210, link=fields.to_institution()),
    Column("kind", "类别", 110),
    Column("person", "参保人", 150),
    Column("medfee_sumamt", "总费用", 110, unit=fields.YUAN, decimals=2, align="right"),
    Column("fund_pay_sumamt", "基金支付", 110, unit=fields.YUAN, decimals=2, align="right"),
    Column("detector", "命中规则", 170, words=fields.rule_titles(), link=fields.to_document()),
    Column("finding", "审核发现"),
    Column("delay_seconds", "延迟", 100, unit=fields.DURATION, align="right"),
    Column("fixmedins_code"),
    Column("alert_id"),
    Column("event_id"),
)


def dashboard() -> Dashboard:
    """Figures above, the running list below."""
    queries = {query.name: query for query in _MODULE.queries}
    return parts.dashboard(
        _MODULE.name,
        _MODULE.title,
        [
            parts.stat("今日概况", (0, 0, 24, 4), Target(queries["figures"]), _FIGURES, per_wan=["fund"]),
            parts.table("最新单据", (0, 4, 24, 14), Target(queries["documents"]), _DOCUMENTS),
        ],
        refresh=_MODULE.refresh,
        variables=[parts.institution()],
    )
