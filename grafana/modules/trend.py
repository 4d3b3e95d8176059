"""全年趋势监控: twelve months against the year before, documents, fund money, violations and what was saved."""

from __future__ import annotations

from grafana_foundation_sdk.models.dashboard import Dashboard

from clickhouse.panels import MODULES
from grafana import fields, parts
from grafana.fields import Column
from grafana.target import Target

_MODULE = MODULES["trend"]
_BEFORE = "#33558c"
_MONTH = Column("month", "月份", unit=fields.time("YYYY-MM"))


def _growth(name: str) -> Column:
    return Column(f"year_{name}_growth", "同比", unit=fields.PERCENT, decimals=1, colour=fields.DIM)


_YEAR = (
    Column("year_settlements", "近12个月单据", unit=fields.COUNT, decimals=0, colour=fields.ACCENT, link=fields.to_overview()),
    _growth("settlements"),
    Column("year_fund_wan", "基金支付", unit=fields.WAN, decimals=0, colour=fields.ACCENT, link=fields.to_overview()),
    _growth("fund"),
    Column("year_violations", "违规发现", unit=fields.COUNT, decimals=0, colour=fields.YELLOW, link=fields.to_overview()),
    _growth("violations"),
    Column("year_red_fund_wan", "红灯涉及基金", unit=fields.WAN, decimals=0, colour=fields.RED, link=fields.to_overview()),
    _growth("red_fund"),
    Column("year_saved_wan", "预警后节省", unit=fields.WAN, decimals=0, colour=fields.GREEN, link=fields.to_overview()),
    _growth("saved"),
)  # fmt: skip
_SETTLEMENTS = (
    _MONTH,
    Column("settlements_before", "上年同期", unit=fields.COUNT, colour=_BEFORE),
    Column("settlements", "结算单据", unit=fields.COUNT, colour=fields.ACCENT),
)
_FUND = (
    _MONTH,
    Column("fund_before_wan", "上年同期", unit=fields.WAN, decimals=0, colour=_BEFORE),
    Column("fund_wan", "基金支付", unit=fields.WAN, decimals=0, colour=fields.ACCENT),
)
_VIOLATIONS = (
    _MONTH,
    Column("violations_before", "上年同期", unit=fields.COUNT, colour=_BEFORE),
    Column("yellow", "黄灯", unit=fields.COUNT, colour=fields.YELLOW),
    Column("red", "红灯", unit=fields.COUNT, colour=fields.RED),
)
_SAVED = (
    _MONTH,
    Column("saved_before_wan", "上年同期节省", unit=fields.WAN, decimals=1, colour=_BEFORE),
    Column("saved_wan", "预警后节省", unit=fields.WAN, decimals=1, colour=fields.GREEN),
    Column("red_fund_wan", "红灯涉及基金", unit=fields.WAN, decimals=1, colour=fields.RED),
)


def dashboard() -> Dashboard:
    """The year in figures above, its months in four charts below; opened or reloaded by hand."""
    (months,) = _MODULE.queries
    return parts.dashboard(
        _MODULE.name,
        _MODULE.title,
        [
            parts.stat(
                "近12个月与上年同期", (0, 0, 24, 4), Target(months), _YEAR,
                per_wan=["year_fund", "year_red_fund", "year_saved"],
            ),
            parts.bars("结算单据", (0, 4, 12, 7), Target(months), _SETTLEMENTS),
            parts.bars("基金支付", (12, 4, 12, 7), Target(months), _FUND, per_wan=["fund_before", "fund"]),
            parts.bars("违规发现", (0, 11, 12, 7), Target(months), _VIOLATIONS),
            parts.bars(
                "节省与红灯涉及基金", (12, 11, 12, 7), Target(months), _SAVED,
                per_wan=["saved_before", "saved", "red_fund"],
            ),
        ],
        refresh=_MODULE.refresh,
        variables=[parts.institution()],
    )  # fmt: skip
