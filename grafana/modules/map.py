"""地图定位监控: every institution where it stands, as large as its traffic, coloured by its worst finding."""

from __future__ import annotations

from grafana_foundation_sdk.models.dashboard import Dashboard

from clickhouse.panels import MODULES
from grafana import fields, parts
from grafana.fields import Column
from grafana.target import Target

_MODULE = MODULES["map"]
_KINDS = {"1": "医疗机构", "2": "零售药店"}
_MARKERS = (
    Column("fixmedins_name", "机构", link=fields.to_institution()),
    Column("fixmedins_type", "类型", words=_KINDS),
    Column("mdtrtarea_admvs", "统筹区", link=fields.to_overview(district="mdtrtarea_admvs")),
    fields.marker(title="最重发现"),
    Column("findings", "近30天发现", unit=fields.COUNT),
    Column("settlements", "近24小时单据", unit=fields.COUNT),
    Column("fund", "近24小时基金支付", unit=fields.YUAN, decimals=2),
    Column("lat"),
    Column("lon"),
    Column("red_name"),
    Column("fixmedins_code"),
)
_LIST = (
    fields.light(title="灯", width=80),
    Column("fixmedins_name", "发现较多机构", link=fields.to_institution()),
    Column("findings", "30天", 80, unit=fields.COUNT, align="right"),
    Column("settlements", "24时", 80, unit=fields.COUNT, align="right"),
    Column("fixmedins_code"),
)


def dashboard() -> Dashboard:
    """The map, and beside it the institutions with the most findings."""
    (institutions,) = _MODULE.queries
    return parts.dashboard(
        _MODULE.name,
        _MODULE.title,
        [
            parts.geomap(
                institutions.title, (0, 0, 17, parts.ROWS), Target(institutions), _MARKERS,
                size="settlements", colour="light", label="red_name",
            ),
            parts.table("机构排名", (17, 0, 7, parts.ROWS), Target(institutions), _LIST),
        ],
        refresh=_MODULE.refresh,
        variables=[parts.institution()],
    )  # fmt: skip
