"""综合分析, for desks: what supervisors measure, by any period, district and institution, down to diseases and (masked) persons."""

from __future__ import annotations

from grafana_foundation_sdk.models.dashboard import Dashboard

from clickhouse.panels import DETAILS, Query
from grafana import fields, parts
from grafana.fields import Column, Link
from grafana.target import FROM, TO, Filling, Target, Variable

_DETAIL = DETAILS["overview"]
_PERIOD: dict[str, Filling] = {"period": Variable("period"), "from": FROM, "until": TO}
_GROWTH = ((None, fields.GREEN), (0.0, fields.INK), (10.0, fields.YELLOW), (30.0, fields.RED))


def _narrowed(title: str, **variables: str) -> Link:
    """To this dashboard once more, narrowed by what stands in the row; what was chosen before stays chosen."""
    kept = tuple(name for name in ("institution", "district", "period") if name not in variables)
    return Link(title, "overview", variables, kept=kept)


_VOLUME = (
    Column("settlements", "结算单据", unit=fields.COUNT, colour=fields.ACCENT),
    Column("reversals", "退费", unit=fields.COUNT, colour=fields.DIM),
    Column("visits", "就诊人次", unit=fields.COUNT, colour=fields.ACCENT),
    Column("persons", "就诊人数", unit=fields.COUNT, colour=fields.ACCENT),
    Column("prescriptions", "处方", unit=fields.COUNT, colour=fields.INK),
    Column("inpatient_days", "住院床日", unit=fields.COUNT, colour=fields.INK),
    Column("average_fee", "次均费用（元）", unit=fields.YUAN, decimals=2, colour=fields.ACCENT),
    Column("growth", "较前期", unit=fields.PERCENT, decimals=1, steps=_GROWTH),
    Column("year_growth", "较上年同期", unit=fields.PERCENT, decimals=1, steps=_GROWTH),
)
_MONEY = (
    Column("fee_wan", "总费用", unit=fields.WAN, decimals=2, colour=fields.ACCENT),
    Column("fund_wan", "基金支付", unit=fields.WAN, decimals=2, colour=fields.ACCENT),
    Column("hifp_wan", "统筹基金", unit=fields.WAN, decimals=2, colour=fields.ACCENT),
    Column("examination_fee_wan", "检查检验费", unit=fields.WAN, decimals=2, colour=fields.INK),
    Column("drug_fee_wan", "药品费", unit=fields.WAN, decimals=2, colour=fields.INK),
    Column("treatment_fee_wan", "治疗费", unit=fields.WAN, decimals=2, colour=fields.INK),
)
_COURSE_VISITS = (
    Column("step", "日期"),
    Column("settlements", "结算单据", unit=fields.COUNT, colour=fields.SERIES[0]),
    Column("visits", "就诊人次", unit=fields.COUNT, colour=fields.SERIES[1]),
    Column("persons", "就诊人数", unit=fields.COUNT, colour=fields.SERIES[2]),
)
_COURSE_MONEY = (
    Column("step", "日期"),
    Column("fee_wan", "总费用", unit=fields.WAN, decimals=2, colour=fields.SERIES[0]),
    Column("hifp_wan", "统筹基金", unit=fields.WAN, decimals=2, colour=fields.SERIES[1]),
    Column("drug_fee_wan", "药品费", unit=fields.WAN, decimals=2, colour=fields.SERIES[2]),
    Column("examination_fee_wan", "检查检验费", unit=fields.WAN, decimals=2, colour=fields.SERIES[3]),
    Column("treatment_fee_wan", "治疗费", unit=fields.WAN, decimals=2, colour=fields.SERIES[4]),
)
_MEASURES = (
    Column("settlements", "单据", unit=fields.COUNT, align="right"),
    Column("visits", "人次", unit=fields.COUNT, align="right"),
    Column("persons", "人数", unit=fields.COUNT, align="right"),
    Column("prescriptions", "处方", unit=fields.COUNT, align="right"),
    Column("inpatient_days", "床日", unit=fields.COUNT, align="right"),
    Column("fee_wan", "总费用", unit=fields.WAN, decimals=2, align="right"),
    Column("hifp_wan", "统筹基金", unit=fields.WAN, decimals=2, align="right"),
    Column("examination_fee_wan", "检查检验费", unit=fields.WAN, decimals=2, align="right"),
    Column("drug_fee_wan", "药品费", unit=fields.WAN, decimals=2, align="right"),
    Column("treatment_fee_wan", "治疗费", unit=fields.WAN, decimals=2, align="right"),
    Column("average_fee", "次均费用", unit=fields.YUAN, decimals=2, align="right"),
    Column("growth", "较前期", unit=fields.PERCENT, decimals=1, steps=_GROWTH, cell="text", align="right"),
    Column("year_growth", "较上年", unit=fields.PERCENT, decimals=1, steps=_GROWTH, cell="text", align="right"),
)
_INSTITUTIONS = (
    Column("fixmedins_name", "定点机构", link=_narrowed("只看该机构", institution="fixmedins_code")),
    Column("fixmedins_code", "详情", 140, link=fields.to_institution()),
    Column("mdtrtarea_admvs", "统筹区", 80),
    Column("documents", "单据", 90, unit=fields.COUNT, align="right"),
    Column("inpatient_days", "床日", 80, unit=fields.COUNT, align="right"),
    Column("fee_wan", "总费用", 120, unit=fields.WAN, decimals=2, align="right"),
    Column("hifp_wan", "统筹基金", 120, unit=fields.WAN, decimals=2, align="right"),
    Column("drug_share", "药占比", 80, unit=fields.PERCENT, decimals=1, align="right"),
    Column("average_fee", "次均费用", 100, unit=fields.YUAN, decimals=2, align="right"),
    Column("growth", "较前期", 90, unit=fields.PERCENT, decimals=1, steps=_GROWTH, cell="text", align="right"),
)
_DISEASES = (
    Column("disease_name", "主要诊断", link=_narrowed("只看该诊断的参保人", disease="disease")),
    Column("documents", "单据", 80, unit=fields.COUNT, align="right"),
    Column("persons", "人数", 80, unit=fields.COUNT, align="right"),
    Column("inpatient_days", "床日", 80, unit=fields.COUNT, align="right"),
    Column("fund", "基金支付", 120, unit=fields.YUAN, decimals=2, align="right"),
    Column("drug_fee", "药品费", 120, unit=fields.YUAN, decimals=2, align="right"),
    Column("average_fee", "次均费用", 100, unit=fields.YUAN, decimals=2, align="right"),
    Column("disease"),
)
_PERSONS = (
    Column("person", "参保人", link=fields.to_person()),
    Column("documents", "单据", 80, unit=fields.COUNT, align="right"),
    Column("days", "天数", 80, unit=fields.COUNT, align="right"),
    Column("inpatient_days", "床日", 80, unit=fields.COUNT, align="right"),
    Column("fee", "总费用", 120, unit=fields.YUAN, decimals=2, align="right"),
    Column("fund", "基金支付", 120, unit=fields.YUAN, decimals=2, align="right"),
    Column("last_at", "最近一次", 150, unit=fields.time("MM-DD HH:mm")),
    Column("person_key"),
)
_FEES = ("fee", "fund", "hifp", "examination_fee", "drug_fee", "treatment_fee")


def _target(query: Query, **more: Filling) -> Target:
    wanted = {**_PERIOD, "district": Variable("district"), **more}
    return Target(query, **{name: filling for name, filling in wanted.items() if name in query.defaults})


def dashboard() -> Dashboard:
    """Figures, their course, the same by care type, district and institution; then the chosen institution's diseases and persons."""
    queries = {query.name: query for query in _DETAIL.queries}
    districts = Column("mdtrtarea_admvs", "统筹区", 90, link=_narrowed("只看该统筹区", district="mdtrtarea_admvs"))
    kinds = (Column("kind", "类别", 110), Column("med_type", "编码", 80))
    board = parts.dashboard(
        _DETAIL.name,
        _DETAIL.title,
        [
            parts.stat("期间合计", (0, 0, 24, 4), _target(queries["figures"]), _VOLUME),
            parts.stat("期间费用", (0, 4, 24, 4), _target(queries["figures"]), _MONEY, per_wan=_FEES),
            parts.bars("就诊走势", (0, 8, 12, 8), _target(queries["course"]), _COURSE_VISITS),
            parts.bars("费用走势", (12, 8, 12, 8), _target(queries["course"]), _COURSE_MONEY, per_wan=_FEES),
            parts.table(
                queries["kinds"].title, (0, 16, 24, 7), _target(queries["kinds"]), (*kinds, *_MEASURES), per_wan=_FEES
            ),
            parts.table(
                queries["districts"].title, (0, 23, 24, 9), _target(queries["districts"]), (districts, *_MEASURES), per_wan=_FEES,
            ),
            parts.table(
                queries["institutions"].title, (0, 32, 24, 12), _target(queries["institutions"], rows=200), _INSTITUTIONS,
                per_wan=("fee", "hifp"),
            ),
            parts.table(
                queries["diseases"].title, (0, 44, 12, 12), _target(queries["diseases"], rows=100), _DISEASES
            ),
            parts.table(
                "所选机构的参保人（期间最后31天）", (12, 44, 12, 12),
                _target(queries["persons"], rows=100, disease=Variable("disease")), _PERSONS,
            ),
        ],
        refresh=_DETAIL.refresh,
        variables=[
            parts.choice("period", "期间", Target(queries["periods"]), default="30"),
            parts.choice("district", "统筹区", Target(queries["areas"])),
            parts.choice("institution", "定点机构", Target(queries["places"])),
            parts.text_variable("disease", "主要诊断编码"),
        ],
        wall=False,
    )  # fmt: skip
    board.description = (
        "就诊人次为不含药店的结算单据；金额为结算减退费；次均费用按单据计，较前期与之前同样天数比较。"
        "期间选“右上角所选时间”时可取任意起止日期。选定机构后才列出主要诊断和参保人（脱敏）。"
    )
    return board
