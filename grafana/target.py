"""ClickHouse queries as Grafana's panels send them: the data source, its target class, and panel parameters as variables."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Self

from grafana_foundation_sdk.cog import builder, runtime, variants
from grafana_foundation_sdk.models.common import DataSourceRef

from clickhouse.panels import Query

PLUGIN: Final = "grafana-clickhouse-datasource"
PLUGIN_VERSION: Final = "4.20.0"
DATASOURCE_UID: Final = "fundwatch-clickhouse"
TIME_ZONE: Final = "Asia/Shanghai"

_PARAMETER: Final = re.compile(r"\{(?P<name>\w+):(?P<type>[^{}]+)\}")
_TABLE: Final = 1  # format 0 wants a time column and turns every text column into a label


@dataclass(frozen=True)
class Variable:
    """A dashboard variable that fills a parameter."""

    name: str


@dataclass(frozen=True)
class Macro:
    """A macro of the plugin that fills a parameter."""

    text: str


FROM: Final = Macro("$__fromTime")
"""The start of the dashboard's time range."""
TO: Final = Macro("$__toTime")
"""The end of the dashboard's time range."""

Filling = Variable | Macro | str | int


def datasource() -> DataSourceRef:
    """Our ClickHouse, by the uid that provisioning gives it."""
    return DataSourceRef(type_val=PLUGIN, uid=DATASOURCE_UID)


@dataclass
class ClickHouseQuery(variants.Dataquery):
    """A target as the plugin stores it: SQL of its own editor, answered as a table."""

    raw_sql: str
    ref_id: str = ""

    def to_json(self) -> dict[str, object]:
        """The target as it stands in a dashboard."""
        return {
            "datasource": datasource(),
            "editorType": "sql",
            "format": _TABLE,
            "meta": {"timezone": TIME_ZONE},
            "pluginVersion": PLUGIN_VERSION,
            "queryType": "table",
            "rawSql": self.raw_sql,
            "refId": self.ref_id,
        }

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Self:
        """The target that a dashboard holds; what every target of ours has in common is not read."""
        return cls(raw_sql=data["rawSql"], ref_id=data["refId"])


runtime.register_dataquery_variant(runtime.DataqueryConfig(identifier=PLUGIN, from_json_hook=ClickHouseQuery.from_json))


class Target(builder.Builder[ClickHouseQuery]):
    """Builds the target of a panel query.

    A parameter is filled with what is named here, else ``institution`` with the variable of that name and any other with the query's
    own default. Raises ValueError for a parameter nobody fills, an unknown one, and text that Grafana would take for a variable.
    """

    def __init__(self, query: Query, **fillings: Filling) -> None:
        self._internal = ClickHouseQuery(filled(query, fillings))

    def ref_id(self, ref_id: str) -> Self:
        """Name the target within its panel."""
        self._internal.ref_id = ref_id
        return self

    def build(self) -> ClickHouseQuery:
        """The target."""
        return self._internal


def filled(query: Query, fillings: Mapping[str, Filling]) -> str:
    """A query's SQL with Grafana's variables, macros and literals in place of its parameters."""
    types = {found["name"]: found["type"] for found in _PARAMETER.finditer(query.sql)}
    if strange := sorted(fillings.keys() - types.keys()):
        raise ValueError(f"expected parameters among {sorted(types)} for query {query.name}, got {strange}")
    chosen = {**query.defaults, "institution": Variable("institution"), **fillings}
    if missing := sorted(types.keys() - chosen.keys()):
        raise ValueError(f"query {query.name} needs {missing}: name what fills them, or give them a default")
    if "$" in query.sql or "[[" in query.sql:
        raise ValueError(
            f"query {query.name} has a $ or [[, which Grafana reads as a variable: write it as char(36), char(91)"
        )
    return _PARAMETER.sub(lambda found: _literal(chosen[found["name"]], found["type"]), query.sql)


def _literal(filling: Filling, kind: str) -> str:
    if isinstance(filling, Macro):
        return filling.text
    if isinstance(filling, int) and not isinstance(filling, bool):
        return str(filling)
    text = f"${{{filling.name}:singlequote}}" if isinstance(filling, Variable) else _quoted(str(filling))
    return text if kind == "String" else f"CAST({text} AS {kind})"


def _quoted(text: str) -> str:
    if "$" in text or "[[" in text:
        raise ValueError(f"a constant must not hold $ or [[, which Grafana reads as a variable, got {text!r}")
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
