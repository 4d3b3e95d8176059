"""预警详情: one finding with its rule, its sentence and its evidence in time; or one document."""

from __future__ import annotations

from grafana_foundation_sdk.models.dashboard import Dashboard

from clickhouse.panels import DETAILS
from clickhouse.panels.words import FAMILIES, SUBJECTS
from grafana import fields, parts
from grafana.fields import Column
from grafana.target import Target, Variable

_DETAIL = DETAILS["alert"]
_RELATIONS = {"1": "家属", "7": "照护机构", "9": "其他"}
_FIGURES = (
    Column("amount", "涉及基金（元）", unit=fields.YUAN, decimals=2, colour=fields.ACCENT),
    Column("documents", "证据单据", unit=fields.COUNT, colour=fields.INK),
    Column("persons", "涉及人数", unit=fields.COUNT, colour=fields.INK),
    Column("institutions", "涉及机构", unit=fields.COUNT, colour=fields.INK),
    Column("score", "风险分", decimals=2, colour=fields.YELLOW),
)
_FINDING = (
    fields.light(title="灯"),
    Column("detector", "规则", 190, words=fields.rule_titles()),
    Column("subject_type", "对象类型", 110, words=SUBJECTS),
    Column("subject", "对象", 200, link=fields.to_person()),
    Column("explanation", "说明", cell="wrap"),
    Column("raised_at", "触发时间", 160, unit=fields.time("YYYY-MM-DD HH:mm")),
    Column("person_key"),
)
_BASIS = (
    Column("family", "类别", 110, words=FAMILIES),
    Column("rule", "规则版本", 330),
    Column("revision", "修订", 70, unit=fields.COUNT),
    Column("window_from", "证据起", 160, unit=fields.time("YYYY-MM-DD HH:mm")),
    Column("window_to", "证据止", 160, unit=fields.time("YYYY-MM-DD HH:mm")),
    Column("features", "判断依据", cell="wrap"),
)
_DAYS = (
    Column("day", "日期", unit=fields.time("MM-DD")),
    Column("documents", "单据", unit=fields.COUNT, colour=fields.SERIES[0]),
    Column("persons", "人数", unit=fields.COUNT, colour=fields.SERIES[1]),
)
_MONEY = (
    Column("day", "日期", unit=fields.time("MM-DD")),
    Column("fund", "基金支付", unit=fields.YUAN, decimals=2, colour=fields.SERIES[3]),
)
_DOCUMENTS = (
    Column("setl_time", "结算时间", 170, unit=fields.time("YYYY-MM-DD HH:mm:ss")),
    Column("kind", "类别", 110, link=fields.to_document()),
    Column("person", "参保人", 150, link=fields.to_person()),
    Column("fixmedins_name", "定点机构", link=fields.to_institution()),
    Column("dev_no", "终端", 170),
    Column("collector", "代办人", 140),
    Column("agnter_rlts", "关系", 90, words=_RELATIONS),
    Column("disease", "主要诊断", 100),
    Column("medfee_sumamt", "总费用", 110, unit=fields.YUAN, decimals=2, align="right"),
    Column("fund_pay_sumamt", "基金支付", 110, unit=fields.YUAN, decimals=2, align="right"),
    Column("state", "状态", 80),
    Column("fixmedins_code"),
    Column("person_key"),
    Column("alert_id"),
    Column("event_id"),
)
_INSTITUTIONS = (
    Column("fixmedins_name", "定点机构", link=fields.to_institution()),
    Column("documents", "单据", 80, unit=fields.COUNT, align="right"),
    Column("persons", "人数", 80, unit=fields.COUNT, align="right"),
    Column("fee", "总费用", 120, unit=fields.YUAN, decimals=2, align="right"),
    Column("fund", "基金支付", 120, unit=fields.YUAN, decimals=2, align="right"),
    Column("last_at", "最近一次", 150, unit=fields.time("MM-DD HH:mm")),
    Column("fixmedins_code"),
)
_ITEMS = (
    Column("hilist_name", "药品与项目"),
    Column("documents", "单据", 80, unit=fields.COUNT, align="right"),
    Column("quantity", "数量", 90, unit=fields.COUNT, align="right"),
    Column("days", "用药天数", 100, unit=fields.COUNT, align="right"),
    Column("fee", "金额", 110, unit=fields.YUAN, decimals=2, align="right"),
    Column("trace_codes", "追溯码", 330),
)
_CONTEXT = (
    Column("raised_at", "触发时间", 160, unit=fields.time("YYYY-MM-DD HH:mm"), link=fields.to_alert()),
    fields.light(title="灯", link=fields.to_alert()),
    Column("detector", "规则", words=fields.rule_titles(), link=fields.to_alert()),
    Column("score", "风险分", 90, decimals=2, align="right"),
    Column("institutions", "机构", 80, unit=fields.COUNT, align="right"),
    Column("amount", "涉及基金", 120, unit=fields.YUAN, decimals=2, align="right"),
    Column("alert_id"),
)


def dashboard() -> Dashboard:
    """What was found above, the evidence in time and place below."""
    queries = {query.name: query for query in _DETAIL.queries}

    def target(name: str) -> Target:
        shown = {one: Variable(one) for one in ("alert", "event") if one in queries[name].defaults}
        return Target(queries[name], institution="", **shown)

    return parts.dashboard(
        _DETAIL.name,
        _DETAIL.title,
        [
            parts.stat("预警", (0, 0, 24, 4), target("finding"), _FIGURES),
            parts.table("说明", (0, 4, 24, 4), target("finding"), _FINDING),
            parts.table("依据", (0, 8, 24, 4), target("finding"), _BASIS),
            parts.bars("证据单据按日", (0, 12, 12, 7), target("days"), _DAYS),
            parts.bars("证据资金按日", (12, 12, 12, 7), target("days"), _MONEY),
            parts.table(queries["documents"].title, (0, 19, 24, 12), target("documents"), _DOCUMENTS),
            parts.table(queries["institutions"].title, (0, 31, 12, 9), target("institutions"), _INSTITUTIONS),
            parts.table(queries["items"].title, (12, 31, 12, 9), target("items"), _ITEMS),
            parts.table(queries["context"].title, (0, 40, 24, 9), target("context"), _CONTEXT),
        ],
        refresh=_DETAIL.refresh,
        variables=[parts.text_variable("alert", "预警编号"), parts.text_variable("event", "单据编号")],
        wall=False,
    )
