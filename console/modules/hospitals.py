"""医院监控: institutions by fund money, their average fee against their peers, and how often something is found."""

from __future__ import annotations

from collections.abc import Callable
from statistics import median
from typing import Any, Final

from nicegui import ui

from console import words
from console.boards import Rows
from console.screen import (
    ACCENT,
    INK,
    YELLOW,
    Options,
    category_axis,
    chart,
    draw,
    legend,
    row_table,
    tooltip,
    value_axis,
)

_COLUMNS: Final = (
    ("rank", "#", "left", "8%"),
    ("name", "机构", "left", "26%"),
    ("settlements", "单据", "right", "14%"),
    ("fund", "基金（万元）", "right", "19%"),
    ("average", "次均费用", "right", "17%"),
    ("findings", "千单发现", "right", "16%"),
)
_CHARTED: Final = 8
_NAME: Final = 8  # characters that fit below a bar, in two lines


def build() -> Callable[[Rows], None]:
    """A chart of the first and a table of the ranking."""
    with ui.element("div").style("flex: none; height: 11.4rem; display: flex"):
        fees = chart()
    table = row_table(_COLUMNS)

    def show(rows: Rows) -> None:
        draw(fees, fee_options(rows))
        table.rows = [_ranked(number, row) for number, row in enumerate(rows["ranking"])]

    return show


def _ranked(number: int, row: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": number,
        "rank": number + 1,
        "name": row["fixmedins_name"],
        "settlements": words.count(row["settlements"]),
        "fund": f"{float(row['fund']) / 10_000:,.2f}",
        "average": f"{row['average_fee']:,.2f}",
        "findings": f"{row['findings_per_thousand']:.1f}",
    }


def _short(name: str) -> str:
    return name if len(name) <= _NAME else f"{name[: _NAME - 1]}…"


def fee_options(rows: Rows) -> Options:
    """Fund money as bars, average fee as points, the median average fee of those ranked as a line."""
    ranked = rows["ranking"]
    first = ranked[:_CHARTED]
    peers = round(median(row["average_fee"] for row in ranked), 2) if ranked else 0
    label = {"interval": 0, "fontSize": 12, "lineHeight": 14, "width": 53, "overflow": "break"}
    return {
        "grid": {"left": 52, "right": 46, "top": 34, "bottom": 36},
        "legend": legend(left=0, right="auto"),
        "tooltip": tooltip(trigger="axis"),
        "xAxis": category_axis([_short(row["fixmedins_name"]) for row in first], label=label),
        "yAxis": [value_axis(), value_axis(splitLine={"show": False})],
        "series": [
            {
                "name": "基金支付（元）",
                "type": "bar",
                "barWidth": "52%",
                "data": [float(row["fund"]) for row in first],
                "itemStyle": {"color": ACCENT, "borderRadius": [3, 3, 0, 0]},
            },
            {
                "name": "次均费用（元）",
                "type": "line",
                "yAxisIndex": 1,
                "data": [row["average_fee"] for row in first],
                "symbolSize": 9,
                "lineStyle": {"width": 0},
                "itemStyle": {"color": YELLOW},
                "markLine": {
                    "silent": True,
                    "symbol": "none",
                    "lineStyle": {"color": YELLOW, "type": "dashed", "width": 1},
                    "label": {"formatter": "中位 {c}", "position": "insideEndTop", "color": INK, "fontSize": 12},
                    "data": [{"yAxis": peers}],
                },
            },
        ],
    }
