"""就诊单据监控: documents by day and kind, by district, and who comes most often."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from nicegui import ui

from clickhouse.panels import MODULES
from console import words
from console.boards import Rows
from console.screen import (
    ACCENT,
    INK,
    Options,
    category_axis,
    chart,
    draw,
    legend,
    row_table,
    text,
    tooltip,
    value_axis,
)

_KINDS: Final = ("普通门诊", "慢特病门诊", "急诊", "住院", "药店购药", "其他")
_TITLES: Final = {query.name: query.title for query in MODULES["visits"].queries}
_ONE_LINE: Final = 4  # kinds whose names fit beside each other above the chart
_COLUMNS: Final = (
    ("person", _TITLES["frequent"], "left", "34%"),
    ("visits", "门诊次数", "right", "18%"),
    ("documents", "单据", "right", "15%"),
    ("institutions", "机构", "right", "14%"),
    ("fund", "基金（元）", "right", "19%"),
)


def build() -> Callable[[Rows], None]:
    """Two charts and a short table."""
    with ui.element("div").classes("split").style("grid-template-columns: 3fr 2fr"):
        daily, districts = chart(), chart()
    with ui.element("div").style("flex: none; height: 8.6rem; display: flex"):
        frequent = row_table(_COLUMNS)

    def show(rows: Rows) -> None:
        draw(daily, daily_options(rows))
        draw(districts, district_options(rows))
        frequent.rows = [
            {
                "id": number,
                "person": row["person"],
                "visits": words.count(row["visits"]),
                "documents": words.count(row["documents"]),
                "institutions": words.count(row["institutions"]),
                "fund": f"{row['fund']:,.0f}",
            }
            for number, row in enumerate(rows["frequent"][:5])
        ]

    return show


def daily_options(rows: Rows) -> Options:
    """Documents per day stacked by kind, with the number of persons as a line."""
    days = sorted({row["day"] for row in rows["persons"]} | {row["day"] for row in rows["daily"]})
    counts = {(row["day"], row["kind"]): row["settlements"] for row in rows["daily"]}
    persons = {row["day"]: row["persons"] for row in rows["persons"]}
    kinds = [kind for kind in _KINDS if any((day, kind) in counts for day in days)]
    bars = [
        {
            "name": kind,
            "type": "bar",
            "stack": "documents",
            "barWidth": "58%",
            "data": [counts.get((day, kind), 0) for day in days],
        }
        for kind in kinds
    ]
    line = {
        "name": "人数",
        "type": "line",
        "data": [persons.get(day, 0) for day in days],
        "symbolSize": 6,
        "lineStyle": {"width": 2.5, "color": INK},
        "itemStyle": {"color": INK},
    }
    return {
        "grid": {"left": 46, "right": 8, "top": 34 if len(kinds) < _ONE_LINE else 54, "bottom": 24},
        "legend": legend(left=0, right="auto"),
        "tooltip": tooltip(trigger="axis"),
        "xAxis": category_axis([f"{day:%m-%d}" for day in days]),
        "yAxis": value_axis(),
        "series": [*bars, line],
    }


def district_options(rows: Rows) -> Options:
    """Documents per district."""
    found = rows["districts"][:9][::-1]
    return {
        "title": {"text": f"{_TITLES['districts']}单据", "textStyle": text(13), "left": 0, "top": 0},
        "grid": {"left": 58, "right": 52, "top": 26, "bottom": 4},
        "tooltip": tooltip(trigger="axis"),
        "xAxis": value_axis(axisLabel={"show": False}, splitLine={"show": False}),
        "yAxis": category_axis([row["mdtrtarea_admvs"] or "未知" for row in found], label=text(13, INK)),
        "series": [
            {
                "name": "单据",
                "type": "bar",
                "data": [row["settlements"] for row in found],
                "barWidth": "58%",
                "itemStyle": {"color": ACCENT, "borderRadius": [0, 3, 3, 0]},
                "label": {"show": True, "position": "right", **text(13, INK)},
            }
        ],
    }
