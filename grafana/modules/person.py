"""参保人详情: an insured person, masked and known by a key: twelve months of visits, medication, money and findings."""

from __future__ import annotations

from grafana_foundation_sdk.models.dashboard import Dashboard

from clickhouse.panels import DETAILS
from clickhouse.panels.words import SUBJECTS
from grafana import fields, parts
from grafana.fields import Column
from grafana.target import Target, Variable

_DETAIL = DETAILS["person"]
_FIGURES = (
    Column("person", "参保人", colour=fields.INK),
    Column("gend", "性别", words={"1": "男", "2": "女"}, colour=fields.INK),
    Column("age", "年龄", unit=fields.COUNT, colour=fields.INK),
    Column("visits", "就诊人次", unit=fields.COUNT, colour=fields.ACCENT),
    Column("purchases", "药店购药", unit=fields.COUNT, colour=fields.ACCENT),
    Column("inpatient_days", "住院床日", unit=fields.COUNT, colour=fields.ACCENT),
    Column("institutions", "就诊机构", unit=fields.COUNT, colour=fields.ACCENT),
    Column("prescriptions", "处方", unit=fields.COUNT, colour=fields.ACCENT),
    Column("fund", "基金支付（元）", unit=fields.YUAN, decimals=2, colour=fields.YELLOW),
    Column("drug_fee", "药品费（元）", unit=fields.YUAN, decimals=2, colour=fields.YELLOW),
)
_MONTHS = (
    Column("month", "月份", unit=fields.time("YYYY-MM")),
    Column("visits", "就诊", unit=fields.COUNT, colour=fields.SERIES[0]),
    Column("purchases", "购药", unit=fields.COUNT, colour=fields.SERIES[1]),
    Column("stays", "住院", unit=fields.COUNT, colour=fields.SERIES[4]),
)
_MONEY = (
    Column("month", "月份", unit=fields.time("YYYY-MM")),
    Column("fund", "基金支付", unit=fields.YUAN, decimals=2, colour=fields.SERIES[3]),
)
_MEDICATION = (
    Column("hilist_name", "药品"),
    Column("documents", "次数", 80, unit=fields.COUNT, align="right"),
    Column("institutions", "机构", 80, unit=fields.COUNT, align="right"),
    Column("quantity", "数量", 90, unit=fields.COUNT, align="right"),
    Column("days", "用药天数", 100, unit=fields.COUNT, colour=fields.ACCENT, cell="bar"),
    Column("fee", "金额", 110, unit=fields.YUAN, decimals=2, align="right"),
    Column("last_at", "最近一次", 120, unit=fields.time("MM-DD")),
)
_INSTITUTIONS = (
    Column("fixmedins_name", "定点机构", link=fields.to_institution()),
    Column("documents", "单据", 80, unit=fields.COUNT, align="right"),
    Column("days", "天数", 80, unit=fields.COUNT, align="right"),
    Column("fund", "基金支付", 120, unit=fields.YUAN, decimals=2, align="right"),
    Column("last_at", "最近一次", 120, unit=fields.time("MM-DD")),
    Column("fixmedins_code"),
)
_FINDINGS = (
    Column("raised_at", "触发时间", 160, unit=fields.time("YYYY-MM-DD HH:mm"), link=fields.to_alert()),
    fields.light(title="灯", link=fields.to_alert()),
    Column("detector", "规则", 190, words=fields.rule_titles(), link=fields.to_alert()),
    Column("subject_type", "对象类型", 110, words=SUBJECTS),
    Column("explanation", "说明", cell="wrap"),
    Column("amount", "涉及基金", 120, unit=fields.YUAN, decimals=2, align="right"),
    Column("alert_id"),
)
_DOCUMENTS = (
    Column("setl_time", "结算时间", 170, unit=fields.time("YYYY-MM-DD HH:mm:ss")),
    Column("kind", "类别", 110),
    Column("fixmedins_name", "定点机构", link=fields.to_institution()),
    Column("disease", "主要诊断", 110),
    Column("collector", "代办人", 140),
    Column("medfee_sumamt", "总费用", 110, unit=fields.YUAN, decimals=2, align="right"),
    Column("fund_pay_sumamt", "基金支付", 110, unit=fields.YUAN, decimals=2, align="right"),
    Column("state", "状态", 80),
    Column("fixmedins_code"),
)


def dashboard() -> Dashboard:
    """Twelve months in figures, then months, drugs, places, findings and documents."""
    queries = {query.name: query for query in _DETAIL.queries}

    def target(name: str) -> Target:
        return Target(queries[name], institution="", person=Variable("person"))

    return parts.dashboard(
        _DETAIL.name,
        _DETAIL.title,
        [
            parts.stat(queries["measures"].title, (0, 0, 24, 4), target("measures"), _FIGURES),
            parts.bars(queries["months"].title, (0, 4, 12, 7), target("months"), _MONTHS, stacked=True),
            parts.bars("按月基金支付", (12, 4, 12, 7), target("months"), _MONEY),
            parts.table(queries["findings"].title, (0, 11, 24, 9), target("findings"), _FINDINGS),
            parts.table(queries["medication"].title, (0, 20, 14, 11), target("medication"), _MEDICATION),
            parts.table(queries["institutions"].title, (14, 20, 10, 11), target("institutions"), _INSTITUTIONS),
            parts.table(queries["documents"].title, (0, 31, 24, 12), target("documents"), _DOCUMENTS),
        ],
        refresh=_DETAIL.refresh,
        variables=[parts.text_variable("person", "参保人代号")],
        wall=False,
    )
