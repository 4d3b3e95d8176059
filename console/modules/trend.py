"""全年趋势监控: twelve months against the year before, documents, fund money, violations and what was saved; never by a timer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from nicegui import ui

from console import words
from console.boards import Rows
from console.screen import (
    ACCENT,
    DIM,
    GREEN,
    INK,
    RED,
    YELLOW,
    Options,
    category_axis,
    chart,
    draw,
    legend,
    tag,
    tooltip,
    value_axis,
)

_FACTS: Final = (
    ("settlements", "结算单据"),
    ("fund", "基金支付"),
    ("violations", "违规发现"),
    ("saved", "预警后节省"),
)
_BEFORE: Final = "#33558c"


def build() -> Callable[[Rows], None]:
    """The year in four numbers, and its months in two charts side by side."""
    with ui.element("div").classes("facts"):
        facts = {name: _fact(title) for name, title in _FACTS}
    year = chart()

    def show(rows: Rows) -> None:
        months = rows["months"]
        for name, (value, growth) in facts.items():
            value.text = words.short(months[-1][f"year_{name}"]) if months else "—"
            growth.text = words.growth(months[-1][f"year_{name}_growth"]) if months else ""
        draw(year, year_options(rows))

    return show


def _fact(title: str) -> tuple[Any, Any]:
    with ui.element("div").classes("fact"):
        tag("div", title, "fact-name")
        with ui.element("div").classes("fact-value").style("font-size: 1.2rem"):
            return tag("span", "—"), tag("small")


def year_options(rows: Rows) -> Options:
    """Left the money and the documents, right the violations and what was saved, each beside the same month of the year before."""
    months = rows["months"]
    names = [f"{row['month']:%-m月}" for row in months]

    def series(name: str, column: str, side: int, colour: str, **more: Any) -> Options:
        return {
            "name": name,
            "type": "bar",
            "xAxisIndex": side,
            "yAxisIndex": 2 * side,
            "barGap": "10%",
            "barCategoryGap": "28%",
            "data": [float(row[column]) for row in months],
            "itemStyle": {"color": colour},
            **more,
        }

    def line(name: str, column: str, side: int, colour: str, axis: int, **style: Any) -> Options:
        drawn = {"type": "line", "yAxisIndex": axis, "smooth": True, "showSymbol": False}
        return series(name, column, side, colour, **drawn, lineStyle={"width": 2, "color": colour, **style})

    above = {":max": "(value) => value.max * 1.3"}
    hidden = value_axis(axisLabel={"show": False}, splitLine={"show": False}, min=0, **above)
    return {
        "grid": [
            {"left": 44, "right": "51.5%", "top": 26, "bottom": 20},
            {"left": "57%", "right": 4, "top": 26, "bottom": 20},
        ],
        "legend": [
            legend(left=0, right="auto", itemGap=8, data=["基金支付", "上年同期", "单据"]),
            legend(right=0, itemGap=8, data=["红灯", "黄灯", "上年红黄", "节省"]),
        ],
        "tooltip": tooltip(trigger="axis"),
        "xAxis": [{**category_axis(names), "gridIndex": side} for side in (0, 1)],
        "yAxis": [
            {**value_axis(), "gridIndex": 0},
            {**hidden, "gridIndex": 0},
            {**value_axis(), "gridIndex": 1},
            {**hidden, "gridIndex": 1},
        ],
        "series": [
            series("上年同期", "fund_before", 0, _BEFORE),
            series("基金支付", "fund", 0, ACCENT),
            line("单据", "settlements", 0, INK, 1),
            series("红灯", "red", 1, RED, stack="violations"),
            series("黄灯", "yellow", 1, YELLOW, stack="violations"),
            line("上年红黄", "violations_before", 1, DIM, 2, type="dashed"),
            line("节省", "saved", 1, GREEN, 3),
        ],
    }
