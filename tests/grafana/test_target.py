from __future__ import annotations

import pytest

from clickhouse.panels import Query
from grafana.target import FROM, ClickHouseQuery, Target, Variable


def _query(sql: str, **defaults: object) -> Query:
    return Query("asked", "问", sql, defaults)


def _sql(sql: str, **fillings: object) -> str:
    return Target(_query(sql, institution="", rows=20), **fillings).build().raw_sql  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("sql", "fillings", "wanted"),
    [
        ("{institution:String} = ''", {}, "${institution:singlequote} = ''"),
        ("LIMIT {rows:UInt32}", {}, "LIMIT 20"),
        ("LIMIT {rows:UInt32}", {"rows": 5}, "LIMIT 5"),
        ("{day:Date}", {"day": "2025-03-10"}, "CAST('2025-03-10' AS Date)"),
        ("{day:Date}", {"day": Variable("day")}, "CAST(${day:singlequote} AS Date)"),
        ("{since:DateTime}", {"since": FROM}, "$__fromTime"),
        ("{light:String}", {"light": "a'b\\c"}, r"'a\'b\\c'"),
        ("{a:String} {a:String}", {"a": Variable("b")}, "${b:singlequote} ${b:singlequote}"),
    ],
)
def test_parameters_become_variables_and_literals(sql: str, fillings: dict[str, object], wanted: str) -> None:
    assert _sql(sql, **fillings) == wanted


@pytest.mark.parametrize(
    ("sql", "fillings", "message"),
    [
        ("SELECT {day:Date}", {}, r"needs \['day'\]"),
        ("SELECT 1", {"day": "x"}, "expected parameters among"),
        ("SELECT match(a, 'x$')", {}, r"has a \$"),
        ("SELECT [[1]]", {}, r"has a \$ or \[\["),
        ("SELECT {a:String}", {"a": "${b}"}, r"must not hold \$"),
    ],
)
def test_what_grafana_would_misread_is_refused(sql: str, fillings: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        _sql(sql, **fillings)


def test_a_target_comes_back_from_its_json() -> None:
    target = ClickHouseQuery("SELECT 1", "A")
    assert ClickHouseQuery.from_json(target.to_json()) == target
