"""审核次数监控: what hospitals asked before they settled, hour by hour, by transaction and by rule, and how fast they were answered."""

from __future__ import annotations

from grafana_foundation_sdk.models.dashboard import Dashboard

from clickhouse.panels import MODULES
from clickhouse.panels.words import TRANSACTIONS
from grafana import fields, parts
from grafana.fields import Column
from grafana.target import Target

_MODULE = MODULES["audits"]
_PASSED, _UNDECIDED = "#2b5ea8", "#94a3b8"
_MILLISECONDS = "ms"
_SLOW = ((None, fields.GREEN), (500.0, fields.YELLOW), (1_000.0, fields.RED))
_UNANSWERED = ((None, fields.GREEN), (0.1, fields.YELLOW), (1.0, fields.RED))
_TOTALS = (
    Column("asked", "近24时审核", unit=fields.COUNT, colour=fields.ACCENT),
    Column("passed_percent", "通过", unit=fields.PERCENT, decimals=1, colour=fields.ACCENT),
    Column("warned_percent", "提示", unit=fields.PERCENT, decimals=1, colour=fields.YELLOW),
    Column("changed_percent", "修改", unit=fields.PERCENT, decimals=1, colour=fields.GREEN),
    Column("undecided_percent", "未决", unit=fields.PERCENT, decimals=2, steps=_UNANSWERED),
    Column("median_ms", "响应中位", unit=_MILLISECONDS, decimals=0, colour=fields.INK),
    Column("p99_ms", "响应P99", unit=_MILLISECONDS, decimals=0, steps=_SLOW),
    Column("documents", "结算审核", unit=fields.COUNT, colour=fields.DIM),
)
_OUTCOMES = (
    Column("passed", "通过", unit=fields.COUNT, colour=_PASSED),
    Column("warned", "提示", unit=fields.COUNT, colour=fields.YELLOW),
    Column("changed", "修改", unit=fields.COUNT, colour=fields.GREEN),
    Column("undecided", "未决", unit=fields.COUNT, colour=_UNDECIDED),
)
_HOUR = Column("hour", "小时", unit=fields.time("HH时"))
_TOOK = (
    Column("median_ms", "中位", unit=_MILLISECONDS, colour=fields.ACCENT),
    Column("p99_ms", "P99", unit=_MILLISECONDS, colour=fields.YELLOW),
)
_TRANSACTIONS = (
    Column("infno", "交易", 130, words={code: f"{code} {word}" for code, word in TRANSACTIONS.items()}),
    Column("asked", "次数", unit=fields.COUNT, align="right"),
    Column("passed", "通过", unit=fields.COUNT, align="right"),
    Column("warned", "提示", unit=fields.COUNT, align="right", colour=fields.YELLOW, cell="text"),
    Column("changed", "修改", unit=fields.COUNT, align="right", colour=fields.GREEN, cell="text"),
    Column("undecided", "未决", unit=fields.COUNT, align="right"),
    Column("refused", "报文有误", unit=fields.COUNT, align="right"),
    Column("p99_ms", "P99", 90, unit=_MILLISECONDS, decimals=0, align="right"),
)
_RULES = (
    Column("detector", "规则", 230, words=fields.rule_titles(), link=fields.to_overview()),
    Column("shown", "询问命中", unit=fields.COUNT, colour=fields.ACCENT, cell="bar"),
    Column("red", "红灯", 100, unit=fields.COUNT, align="right", colour=fields.RED, cell="text"),
    Column("yellow", "黄灯", 100, unit=fields.COUNT, align="right", colour=fields.YELLOW, cell="text"),
    Column("returned", "返回修改", 120, unit=fields.COUNT, align="right"),
    Column("continued", "说明理由", 120, unit=fields.COUNT, align="right"),
    Column("returned_percent", "修改占比", 120, unit=fields.PERCENT, decimals=1, align="right"),
    Column("explained", "正当理由", 120, unit=fields.COUNT, align="right"),
    Column("amount", "涉及金额", 140, unit=fields.YUAN, decimals=2, align="right"),
    Column("found", "结算命中", 120, unit=fields.COUNT, align="right"),
)


def dashboard() -> Dashboard:
    """Figures above, the day and its response times in the middle, rules below."""
    queries = {query.name: query for query in _MODULE.queries}
    hourly = Target(queries["hourly"])
    return parts.dashboard(
        _MODULE.name,
        _MODULE.title,
        [
            parts.stat("近24小时审核", (0, 0, 24, 4), Target(queries["totals"]), _TOTALS),
            parts.bars("每小时审核结果", (0, 4, 14, 7), hourly, (_HOUR, *_OUTCOMES), stacked=True),
            parts.table("按交易", (14, 4, 10, 4), Target(queries["transactions"]), _TRANSACTIONS),
            parts.bars("响应时间", (14, 8, 10, 3), Target(queries["hourly"]), (_HOUR, *_TOOK)),
            parts.table("按规则", (0, 11, 24, 7), Target(queries["rules"]), _RULES),
        ],
        refresh=_MODULE.refresh,
        variables=[parts.institution()],
    )
