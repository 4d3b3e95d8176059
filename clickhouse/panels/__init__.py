"""The seven wall modules and the details behind them: titles, refresh rates and queries, one place for our own wall and Grafana."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from clickhouse_connect.driver.client import Client

from clickhouse.client import translated
from clickhouse.panels.macros import expanded

_FOLDER: Final = Path(__file__).parent
_PARAMETER: Final = re.compile(r"\{(?P<name>\w+):(?P<type>\w+)")


@dataclass(frozen=True)
class Query:
    """One query of a module: ClickHouse SQL with ``{name:Type}`` parameters, and what they are if nobody says."""

    name: str
    title: str
    sql: str
    defaults: Mapping[str, Any]


@dataclass(frozen=True)
class Module:
    """A wall module as contract 7 has it; ``refresh`` in seconds, None for never."""

    name: str
    title: str
    refresh: int | None
    queries: tuple[Query, ...]


def _module(name: str, title: str, refresh: int | None, **titles: str) -> Module:
    return Module(name, title, refresh, tuple(_query(name, query, title) for query, title in titles.items()))


def _query(module: str, name: str, title: str) -> Query:
    text = (_FOLDER / f"{module}_{name}.sql").read_text("utf-8").strip()
    sql = expanded(text)
    types = {found["name"]: found["type"] for found in _PARAMETER.finditer(sql)}
    defaults = {parameter: "" if kind == "String" else 0 for parameter, kind in types.items()}
    if "rows" in defaults:
        defaults["rows"] = 20
    return Query(name, title, sql, {"institution": ""} | defaults)


MODULES: Final[Mapping[str, Module]] = {
    module.name: module
    for module in (
        _module("feed", "实时单据审核信息", 5, documents="最新单据", totals="近24小时", figures="今日概况"),
        _module("map", "地图定位监控", 10, institutions="医药机构"),
        _module("trend", "全年趋势监控", None, months="近12个月与上年同期"),
        _module("hospitals", "医院监控", 60, ranking="近30天基金支付排名", care="近30天门诊与住院"),
        _module(
            "audits", "审核次数监控", 10,
            totals="近24小时审核", hourly="近24小时审核次数", transactions="按交易", rules="按规则",
        ),
        _module(
            "visits", "就诊单据监控", 30,
            figures="近7天就诊", daily="近14天单据", districts="近7天各区县", frequent="近7天就诊最频繁人员",
        ),
        _module(
            "results", "审核结果监控", 15,
            totals="近30天发现", rules="近30天规则命中", states="处置状态", daily="近30天每日发现", rings="代购团伙", subjects="重点对象",
        ),
    )
}  # fmt: skip
"""The modules by name, in the order of the wall."""

DETAILS: Final[Mapping[str, Module]] = {
    module.name: module
    for module in (
        _module(
            "alert", "预警详情", None,
            finding="预警", documents="证据单据", days="证据时间分布", institutions="涉及机构与资金", items="药品与项目",
            context="同一对象前后90天的预警",
        ),
        _module(
            "person", "参保人详情", None,
            measures="近12个月", months="按月就诊", medication="近半年用药", documents="最近单据", institutions="就诊机构",
            findings="相关预警",
        ),
        _module(
            "institution", "机构详情", 60,
            measures="近30天", days="近60天", kinds="近30天各类别", diseases="近30天主要诊断", persons="近30天参保人",
            findings="近30天预警", peers="同类同级机构",
        ),
        _module(
            "overview", "综合分析", 300,
            figures="期间合计", course="期间走势", kinds="按医疗类别", districts="按统筹区", institutions="按定点机构",
            diseases="所选机构的主要诊断", persons="所选机构的参保人", periods="期间", places="定点机构", areas="统筹区",
        ),
        _module(
            "service", "运行状况", 30,
            figures="当前状况", ingest="入库速度与延迟", audits="事前审核应答", errors="无法读取的消息", reasons="无法读取的原因",
            panels="汇总待更新", storage="存储占用",
        ),
    )
}  # fmt: skip
"""What a click on the wall leads to, by name: ``alert``, ``event``, ``person`` (a person key) and ``place`` (an institution) say what is
shown, ``institution`` who may see it."""


def run_panel(client: Client, module: str, **parameters: Any) -> dict[str, list[dict[str, Any]]]:
    """The rows behind a module or a detail, per query name; times are aware, money is Decimal.

    ``institution`` narrows to one ``fixmedins_code`` (empty: all), ``rows`` is the length of rankings, others say what a detail
    shows. Periods end at the data's own latest hour. Raises KeyError for an unknown module, TypeError for an unknown parameter and
    :class:`clickhouse.errors.StoreError`.
    """
    found = MODULES[module] if module in MODULES else DETAILS[module]
    known = {name for query in found.queries for name in query.defaults}
    if strange := sorted(parameters.keys() - known - {"rows"}):
        raise TypeError(
            f"expected parameters among {', '.join(sorted(known))} for panel {module}, got {', '.join(strange)}"
        )
    rows = {}
    for query in found.queries:
        # given any it does not need, the driver would take a percent sign for a place to fill
        chosen = {
            name: parameters.get(name, default) for name, default in query.defaults.items() if f"{{{name}:" in query.sql
        }
        with translated():
            rows[query.name] = list(client.query(query.sql, parameters=chosen).named_results())
    return rows
