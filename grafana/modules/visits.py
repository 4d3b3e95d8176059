"""就诊单据监控: seven days in figures, documents by day and kind, persons and documents by district, and who comes most often."""

from __future__ import annotations

from grafana_foundation_sdk.models.dashboard import Dashboard

from clickhouse.panels import MODULES
from grafana import fields, parts
from grafana.fields import Column
from grafana.target import Target

_MODULE = MODULES["visits"]
_FIGURES = (
    Column("settlements", "单据", unit=fields.COUNT, colour=fields.ACCENT, link=fields.to_overview()),
    Column("persons", "就诊人数", unit=fields.COUNT, colour=fields.ACCENT, link=fields.to_overview()),
    Column("outpatient", "普通门诊", unit=fields.COUNT, colour=fields.SERIES[0]),
    Column("chronic", "慢特病门诊", unit=fields.COUNT, colour=fields.SERIES[1]),
    Column("inpatient", "住院", unit=fields.COUNT, colour=fields.SERIES[3]),
    Column("pharmacy", "药店购药", unit=fields.COUNT, colour=fields.SERIES[4]),
    Column("prescriptions", "处方", unit=fields.COUNT, colour=fields.INK),
    Column("inpatient_days", "住院床日", unit=fields.COUNT, colour=fields.INK),
    Column("average_fee", "次均费用（元）", unit=fields.YUAN, decimals=2, colour=fields.INK),
)
_DAILY = (
    Column("day", "日期", unit=fields.time("MM-DD")),
    Column("outpatient", "普通门诊", unit=fields.COUNT, colour=fields.SERIES[0]),
    Column("chronic", "慢特病门诊", unit=fields.COUNT, colour=fields.SERIES[1]),
    Column("emergency", "急诊", unit=fields.COUNT, colour=fields.SERIES[2]),
    Column("inpatient", "住院", unit=fields.COUNT, colour=fields.SERIES[3]),
    Column("pharmacy", "药店购药", unit=fields.COUNT, colour=fields.SERIES[4]),
    Column("other", "其他", unit=fields.COUNT, colour=fields.SERIES[5]),
)
_PERSONS = (
    Column("day", "日期", unit=fields.time("MM-DD")),
    Column("persons", "就诊人数", unit=fields.COUNT, colour=fields.ACCENT),
)
_DISTRICTS = (
    Column("mdtrtarea_admvs", "统筹区", link=fields.to_overview(district="mdtrtarea_admvs")),
    Column("settlements", "单据", unit=fields.COUNT, colour=fields.SERIES[0]),
    Column("persons", "就诊人数", unit=fields.COUNT, colour=fields.SERIES[2]),
)
_FREQUENT = (
    Column("person", "参保人", link=fields.to_person()),
    Column("visits", "门诊次数", 100, unit=fields.COUNT, align="right"),
    Column("documents", "单据", 80, unit=fields.COUNT, align="right"),
    Column("institutions", "机构", 80, unit=fields.COUNT, align="right"),
    Column("fund", "基金支付", 130, unit=fields.YUAN, decimals=2, align="right"),
    Column("last_at", "最近一次", 130, unit=fields.time("MM-DD HH:mm")),
    Column("person_key"),
)


def dashboard() -> Dashboard:
    """Figures above; days on the left, districts and the most frequent visitors on the right."""
    queries = {query.name: query for query in _MODULE.queries}
    return parts.dashboard(
        _MODULE.name,
        _MODULE.title,
        [
            parts.stat(queries["figures"].title, (0, 0, 24, 4), Target(queries["figures"]), _FIGURES),
            parts.bars(queries["daily"].title, (0, 4, 14, 8), Target(queries["daily"]), _DAILY, stacked=True),
            parts.bars("近14天就诊人数", (0, 12, 14, 6), Target(queries["daily"]), _PERSONS, values=True),
            parts.bars("近7天各统筹区", (14, 4, 10, 7), Target(queries["districts"]), _DISTRICTS),
            parts.table(queries["frequent"].title, (14, 11, 10, 7), Target(queries["frequent"]), _FREQUENT),
        ],
        refresh=_MODULE.refresh,
        variables=[parts.institution()],
    )
