"""审核结果监控: findings of 30 days by rule, light and handling state, day by day, with the rings and subjects that stand out."""

from __future__ import annotations

from grafana_foundation_sdk.models.dashboard import Dashboard

from clickhouse.panels import MODULES
from clickhouse.panels.words import FAMILIES, STATES, SUBJECTS
from grafana import fields, parts
from grafana.fields import Column
from grafana.target import Target

_MODULE = MODULES["results"]
_TOTALS = (
    Column("findings", "近30天发现", unit=fields.COUNT, colour=fields.ACCENT, link=fields.to_overview()),
    Column("red", "红灯", unit=fields.COUNT, colour=fields.RED),
    Column("yellow", "黄灯", unit=fields.COUNT, colour=fields.YELLOW),
    Column("green", "绿灯", unit=fields.COUNT, colour=fields.GREEN),
    Column("agent_buying", "代购配药", unit=fields.COUNT, colour=fields.INK),
    Column("frequent_visits", "频繁就诊", unit=fields.COUNT, colour=fields.INK),
    Column("rings", "代购团伙", unit=fields.COUNT, colour=fields.INK),
    Column("amount_wan", "涉及基金", unit=fields.WAN, decimals=2, colour=fields.ACCENT),
)
_LIGHTS = (
    Column("red", "红灯", unit=fields.COUNT, colour=fields.RED),
    Column("yellow", "黄灯", unit=fields.COUNT, colour=fields.YELLOW),
    Column("green", "绿灯", unit=fields.COUNT, colour=fields.GREEN),
)
_RULES = (
    Column("detector", "规则", 190, words=fields.rule_titles(), link=fields.to_overview()),
    Column("family", "类别", 90, words=FAMILIES),
    Column("findings", "发现", unit=fields.COUNT, colour=fields.ACCENT, cell="bar"),
    Column("red", "红", 55, unit=fields.COUNT, align="right", colour=fields.RED, cell="text"),
    Column("yellow", "黄", 55, unit=fields.COUNT, align="right", colour=fields.YELLOW, cell="text"),
    Column("green", "绿", 55, unit=fields.COUNT, align="right", colour=fields.GREEN, cell="text"),
    Column("amount_wan", "基金", 100, unit=fields.WAN, decimals=1, align="right"),
    Column("upheld_percent", "院端采纳", 90, unit=fields.PERCENT, decimals=0, align="right"),
)
_STATES = (
    Column("state", "处置状态", words=STATES),
    Column("findings", "发现", unit=fields.COUNT, align="right"),
    Column("red", "红灯", 70, unit=fields.COUNT, align="right", colour=fields.RED, cell="text"),
    Column("amount_wan", "基金", 110, unit=fields.WAN, decimals=1, align="right"),
    Column("oldest_at", "最早", 90, unit=fields.time("MM-DD")),
)
_RINGS = (
    fields.light(title="灯", width=70, link=fields.to_alert()),
    Column("subject_type", "类型", 110, words=SUBJECTS),
    Column("subject", "团伙", 170, link=fields.to_alert()),
    Column("persons", "人数", 70, unit=fields.COUNT, align="right"),
    Column("institutions", "机构", 70, unit=fields.COUNT, align="right"),
    Column("amount", "基金", 110, unit=fields.YUAN, decimals=2, align="right"),
    Column("fixmedins_name", "最重发现所在", link=fields.to_institution()),
    Column("alert_id"),
    Column("fixmedins_code"),
)
_SUBJECTS = (
    fields.light(title="灯", width=70, link=fields.to_alert()),
    Column("subject_type", "类型", 80, words=SUBJECTS),
    Column("subject", "对象", link=fields.to_alert()),
    Column("findings", "次数", 60, unit=fields.COUNT, align="right"),
    Column("amount", "基金", 110, unit=fields.YUAN, decimals=2, align="right"),
    Column("alert_id"),
)


def dashboard() -> Dashboard:
    """Figures above, rules on the left, days and states beside them, rings and subjects below."""
    queries = {query.name: query for query in _MODULE.queries}
    day = Column("day", "日期", unit=fields.time("MM-DD"))
    return parts.dashboard(
        _MODULE.name,
        _MODULE.title,
        [
            parts.stat("近30天发现", (0, 0, 24, 4), Target(queries["totals"]), _TOTALS, per_wan=["amount"]),
            parts.table("按规则", (0, 4, 9, 14), Target(queries["rules"]), _RULES, per_wan=["amount"]),
            parts.bars("每日发现", (9, 4, 9, 6), Target(queries["daily"]), (day, *_LIGHTS), stacked=True),
            parts.table("处置状态", (18, 4, 6, 6), Target(queries["states"]), _STATES, per_wan=["amount"]),
            parts.table("代购团伙", (9, 10, 9, 8), Target(queries["rings"]), _RINGS),
            parts.table("重点对象", (18, 10, 6, 8), Target(queries["subjects"]), _SUBJECTS),
        ],
        refresh=_MODULE.refresh,
        variables=[parts.institution()],
    )
