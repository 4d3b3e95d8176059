"""机构详情: one institution's measures, its main diagnoses down to the persons (masked), its findings, its peers."""

from __future__ import annotations

from grafana_foundation_sdk.models.dashboard import Dashboard

from clickhouse.panels import DETAILS
from clickhouse.panels.words import SUBJECTS
from grafana import fields, parts
from grafana.fields import Column, Link
from grafana.target import Target, Variable

_DETAIL = DETAILS["institution"]
_GROWTH: fields.Steps = ((None, fields.GREEN), (10, fields.YELLOW), (30, fields.RED))
_VOLUME = (
    Column("fixmedins_name", "定点机构", colour=fields.INK),
    Column("settlements", "单据", unit=fields.COUNT, colour=fields.ACCENT),
    Column("persons", "就诊人数", unit=fields.COUNT, colour=fields.ACCENT),
    Column("prescriptions", "处方", unit=fields.COUNT, colour=fields.ACCENT),
    Column("inpatient_days", "住院床日", unit=fields.COUNT, colour=fields.ACCENT),
    Column("findings", "预警", unit=fields.COUNT, colour=fields.YELLOW),
    Column("red", "红灯", unit=fields.COUNT, colour=fields.RED),
    Column("findings_per_thousand", "每千单预警", decimals=2, colour=fields.YELLOW),
)
_MONEY = (
    Column("fee_wan", "总费用", unit=fields.WAN, decimals=2, colour=fields.ACCENT),
    Column("fund_wan", "基金支付", unit=fields.WAN, decimals=2, colour=fields.ACCENT),
    Column("hifp_wan", "统筹基金", unit=fields.WAN, decimals=2, colour=fields.ACCENT),
    Column("average_fee", "次均费用（元）", unit=fields.YUAN, decimals=2, colour=fields.INK),
    Column("growth_percent", "次均较前30天", unit=fields.PERCENT, decimals=1, steps=_GROWTH),
    Column("drug_percent", "药占比", unit=fields.PERCENT, decimals=1, colour=fields.INK),
    Column("amount_wan", "预警涉及基金", unit=fields.WAN, decimals=2, colour=fields.YELLOW),
)
_DAYS = (
    Column("day", "日期", unit=fields.time("MM-DD")),
    Column("settlements", "单据", unit=fields.COUNT, colour=fields.SERIES[0]),
    Column("persons", "人数", unit=fields.COUNT, colour=fields.SERIES[1]),
)
_DAY_MONEY = (
    Column("day", "日期", unit=fields.time("MM-DD")),
    Column("fund_wan", "基金支付", unit=fields.WAN, decimals=2, colour=fields.SERIES[3]),
)
_KINDS = (
    Column("kind", "类别", 120),
    Column("settlements", "单据", unit=fields.COUNT, align="right"),
    Column("persons", "人数", unit=fields.COUNT, align="right"),
    Column("prescriptions", "处方", unit=fields.COUNT, align="right"),
    Column("inpatient_days", "床日", unit=fields.COUNT, align="right"),
    Column("fee_wan", "总费用", unit=fields.WAN, decimals=2, align="right"),
    Column("hifp_wan", "统筹基金", unit=fields.WAN, decimals=2, align="right"),
    Column("examination_fee_wan", "检查检验费", unit=fields.WAN, decimals=2, align="right"),
    Column("drug_fee_wan", "药品费", unit=fields.WAN, decimals=2, align="right"),
    Column("treatment_fee_wan", "治疗费", unit=fields.WAN, decimals=2, align="right"),
    Column("average_fee", "次均费用", unit=fields.YUAN, decimals=2, align="right"),
    Column("growth_percent", "较前30天", unit=fields.PERCENT, decimals=1, steps=_GROWTH, cell="text", align="right"),
)
_DISEASES = (
    Column(
        "disease_name", "主要诊断",
        link=Link("只看该诊断的参保人", "institution", {"institution": "fixmedins_code", "disease": "disease"}),
    ),
    Column("settlements", "单据", 80, unit=fields.COUNT, align="right"),
    Column("persons", "人数", 80, unit=fields.COUNT, align="right"),
    Column("inpatient_days", "床日", 80, unit=fields.COUNT, align="right"),
    Column("fund", "基金支付", 120, unit=fields.YUAN, decimals=2, align="right"),
    Column("average_fee", "次均费用", 110, unit=fields.YUAN, decimals=2, align="right"),
    Column("fixmedins_code"),
    Column("disease"),
)  # fmt: skip
_PERSONS = (
    Column("person", "参保人", link=fields.to_person()),
    Column("documents", "单据", 80, unit=fields.COUNT, align="right"),
    Column("days", "天数", 80, unit=fields.COUNT, align="right"),
    Column("inpatient_days", "床日", 80, unit=fields.COUNT, align="right"),
    Column("fund", "基金支付", 120, unit=fields.YUAN, decimals=2, align="right"),
    Column("drug_fee", "药品费", 120, unit=fields.YUAN, decimals=2, align="right"),
    Column("last_at", "最近一次", 140, unit=fields.time("MM-DD HH:mm")),
    Column("person_key"),
)
_FINDINGS = (
    fields.light(title="灯", link=fields.to_alert()),
    Column("raised_at", "触发时间", 160, unit=fields.time("YYYY-MM-DD HH:mm"), link=fields.to_alert()),
    Column("detector", "规则", words=fields.rule_titles(), link=fields.to_alert()),
    Column("subject_type", "对象类型", 110, words=SUBJECTS),
    Column("subject", "对象", 190),
    Column("institutions", "机构", 70, unit=fields.COUNT, align="right"),
    Column("amount", "涉及基金", 120, unit=fields.YUAN, decimals=2, align="right"),
    Column("alert_id"),
)
_PEERS = (
    Column("place_by_fee", "名次", 70, unit=fields.COUNT, align="right"),
    Column("fixmedins_name", "定点机构", link=fields.to_institution()),
    Column("settlements", "单据", 90, unit=fields.COUNT, align="right"),
    Column("average_fee", "次均费用", 110, unit=fields.YUAN, decimals=2, align="right"),
    Column("drug_percent", "药占比", 90, unit=fields.PERCENT, decimals=1, align="right"),
    Column("findings_per_thousand", "每千单预警", 120, decimals=2, align="right"),
    Column("fixmedins_code"),
)
_FEES = ("fee", "fund", "hifp", "amount")


def dashboard() -> Dashboard:
    """Thirty days in figures and by kind of care; then diagnoses, persons, findings and peers."""
    queries = {query.name: query for query in _DETAIL.queries}

    def target(name: str) -> Target:
        disease = {"disease": Variable("disease")} if name == "persons" else {}
        return Target(queries[name], institution="", place=Variable("institution"), **disease)

    return parts.dashboard(
        _DETAIL.name,
        _DETAIL.title,
        [
            parts.stat(queries["measures"].title, (0, 0, 24, 4), target("measures"), _VOLUME),
            parts.stat("近30天费用", (0, 4, 24, 4), target("measures"), _MONEY, per_wan=_FEES),
            parts.bars(queries["days"].title, (0, 8, 12, 7), target("days"), _DAYS),
            parts.bars("近60天基金支付", (12, 8, 12, 7), target("days"), _DAY_MONEY, per_wan=["fund"]),
            parts.table(
                queries["kinds"].title, (0, 15, 24, 6), target("kinds"), _KINDS,
                per_wan=("fee", "hifp", "examination_fee", "drug_fee", "treatment_fee"),
            ),
            parts.table(queries["diseases"].title, (0, 21, 12, 11), target("diseases"), _DISEASES),
            parts.table(queries["persons"].title, (12, 21, 12, 11), target("persons"), _PERSONS),
            parts.table(queries["findings"].title, (0, 32, 14, 11), target("findings"), _FINDINGS),
            parts.table(queries["peers"].title, (14, 32, 10, 11), target("peers"), _PEERS),
        ],
        refresh=_DETAIL.refresh,
        variables=[parts.institution(shown=True), parts.text_variable("disease", "主要诊断编码")],
        wall=False,
    )  # fmt: skip
