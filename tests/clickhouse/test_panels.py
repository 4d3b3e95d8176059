from __future__ import annotations

import re
from pathlib import Path

import clickhouse.panels
from clickhouse.panels import DETAILS, MODULES

FOLDER = Path(clickhouse.panels.__file__).parent
ALL = [*MODULES.values(), *DETAILS.values()]


def test_the_modules_are_those_of_the_contract() -> None:
    assert {name: (module.title, module.refresh) for name, module in MODULES.items()} == {
        "feed": ("实时单据审核信息", 5),
        "map": ("地图定位监控", 10),
        "trend": ("全年趋势监控", None),
        "hospitals": ("医院监控", 60),
        "audits": ("审核次数监控", 10),
        "visits": ("就诊单据监控", 30),
        "results": ("审核结果监控", 15),
    }


def test_every_file_is_a_query_of_a_module() -> None:
    named = {f"{module.name}_{query.name}.sql" for module in ALL for query in module.queries}
    assert {path.name for path in FOLDER.glob("*.sql")} == named


def test_queries_are_plain_clickhouse_with_known_parameters() -> None:
    for module in ALL:
        for query in module.queries:
            assert not re.search(r"\b(include|mask|care_kind|person_\w+|own_\w+)\(", query.sql), query.name
            assert set(re.findall(r"\{(\w+):\w+\}", query.sql)) <= query.defaults.keys(), query.name
