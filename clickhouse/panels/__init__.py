"""The seven wall modules: their Chinese titles, refresh rates and queries, in one place for our own wall and for Grafana."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from clickhouse_connect.driver.client import Client

from clickhouse.client import translated

_FOLDER: Final = Path(__file__).parent
_MACRO: Final = re.compile(r"\b(?P<name>mask|care_kind)\((?P<argument>[A-Za-z_.]+)\)")
_EXPRESSIONS: Final = {
    # The first four digits are the district, shared by hundreds of thousands; a short identifier shows nothing at all
    "mask": "if(length({0}) > 8, concat(left({0}, 4), '****', right({0}, 2)), '****')",
    "care_kind": (
        "multiIf({0} IN ('41', '9929'), '药店购药', startsWith({0}, '14'), '慢特病门诊', startsWith({0}, '13'), '急诊', "
        "startsWith({0}, '2'), '住院', startsWith({0}, '1'), '普通门诊', '其他')"
    ),
}


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
    sql = _MACRO.sub(lambda match: _EXPRESSIONS[match["name"]].format(match["argument"]), text)
    defaults: dict[str, Any] = {"institution": ""}
    if "{rows:" in sql:
        defaults["rows"] = 20
    return Query(name, title, sql, defaults)


MODULES: Final[Mapping[str, Module]] = {
    module.name: module
    for module in (
        _module("feed", "实时单据审核信息", 5, documents="最新单据", totals="近24小时", figures="今日概况"),
        _module("map", "地图定位监控", 10, institutions="医药机构"),
        _module("trend", "全年趋势监控", None, months="近12个月"),
        _module("hospitals", "医院监控", 60, ranking="近30天基金支付排名"),
        _module("audits", "审核次数监控", 10, hourly="近24小时审核次数", rules="命中规则"),
        _module(
            "visits", "就诊单据监控", 30,
            daily="近14天单据", persons="近14天就诊人数", districts="近7天各区县", frequent="近7天就诊最频繁人员",
        ),
        _module("results", "审核结果监控", 15, rules="近30天规则命中", daily="近30天每日发现", subjects="重点对象"),
    )
}  # fmt: skip
"""The modules by name, in the order of the wall."""


def run_panel(client: Client, module: str, **parameters: Any) -> dict[str, list[dict[str, Any]]]:
    """The rows behind a module, per query name; times are aware, money is Decimal.

    ``institution`` narrows to one ``fixmedins_code`` (empty: all), ``rows`` is the length of rankings. Periods end at the data's
    own latest hour. Raises KeyError for an unknown module, TypeError for an unknown parameter and
    :class:`clickhouse.errors.StoreError`.
    """
    found = MODULES[module]
    known = {name for query in found.queries for name in query.defaults}
    if strange := sorted(parameters.keys() - known - {"rows"}):
        raise TypeError(
            f"expected parameters among {', '.join(sorted(known))} for panel {module}, got {', '.join(strange)}"
        )
    rows = {}
    for query in found.queries:
        chosen = {name: parameters.get(name, default) for name, default in query.defaults.items()}
        with translated():
            rows[query.name] = list(client.query(query.sql, parameters=chosen).named_results())
    return rows
