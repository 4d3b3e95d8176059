"""审核次数监控: what hospitals asked before they settled, hour by hour and by rule, how it ended and how fast they were answered."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from nicegui import ui

from console import words
from console.boards import Rows
from console.screen import (
    ACCENT,
    GREEN,
    INK,
    RED,
    SERIES,
    YELLOW,
    Options,
    category_axis,
    chart,
    draw,
    fact,
    legend,
    text,
    tooltip,
    value_axis,
)

_OUTCOMES: Final = (
    ("passed", "通过", "#2b5ea8"),
    ("warned", "提示", YELLOW),
    ("changed", "修改", GREEN),
    ("undecided", "未决", SERIES[-1]),
)
_RULES: Final = 4


def build() -> Callable[[Rows], None]:
    """Six numbers, a chart of 24 hours and one of rules."""
    with ui.element("div").classes("facts facts-dense"):
        numbers = {
            name: fact(title)
            for name, title in (
                ("asked", "近24时审核"),
                ("passed", "通过"),
                ("warned", "提示"),
                ("changed", "修改"),
                ("undecided", "未决"),
                ("took", "响应P99"),
            )
        }
    with ui.element("div").classes("split").style("grid-template-columns: 5fr 4fr"):
        hours, rules = chart(), chart()

    def show(rows: Rows) -> None:
        for name, value in _numbers(rows["totals"][0]).items():
            numbers[name].text = value
        draw(hours, hour_options(rows))
        draw(rules, rule_options(rows))

    return show


def _numbers(row: dict[str, Any]) -> dict[str, str]:
    shares = {name: row[f"{name}_percent"] for name, *_ in _OUTCOMES}
    return {
        "asked": words.count(row["asked"]),
        **{name: "—" if share is None else f"{share:g}%" for name, share in shares.items()},
        "took": "—" if row["p99_ms"] is None else f"{row['p99_ms']:,.0f} 毫秒",
    }


def hour_options(rows: Rows) -> Options:
    """Audits per hour as bars by how they ended, the documents settled in that hour as a line."""
    hourly = rows["hourly"]
    return {
        "grid": {"left": 38, "right": 4, "top": 26, "bottom": 20},
        "legend": legend(left=0, right="auto", itemGap=8, itemWidth=10),
        "tooltip": tooltip(trigger="axis"),
        "xAxis": category_axis([f"{row['hour']:%H时}" for row in hourly]),
        "yAxis": value_axis(),
        "series": [
            *(
                {
                    "name": title,
                    "type": "bar",
                    "stack": "audits",
                    "barWidth": "62%",
                    "data": [row[name] for row in hourly],
                    "itemStyle": {"color": colour},
                }
                for name, title, colour in _OUTCOMES
            ),
            {
                "name": "结算",
                "type": "line",
                "showSymbol": False,
                "data": [row["documents"] for row in hourly],
                "lineStyle": {"width": 2, "color": INK},
                "itemStyle": {"color": INK},
            },
        ],
    }


def rule_options(rows: Rows) -> Options:
    """Per rule what hospitals were shown, by light, and what was found at settlement; the most frequent on top."""
    found = rows["rules"][:_RULES][::-1]
    bars = (("红灯", "red", RED), ("黄灯", "yellow", YELLOW), ("结算发现", "found", ACCENT))
    above = text(13, INK) | {"inside": True, "margin": 2, "verticalAlign": "bottom", "padding": [0, 0, 5, 0]}
    return {
        "grid": {"left": 4, "right": 4, "top": 26, "bottom": 0},
        "legend": legend(left=0, right="auto", itemGap=10, itemWidth=10),
        "tooltip": tooltip(trigger="axis"),
        "xAxis": value_axis(axisLabel={"show": False}, splitLine={"show": False}),
        "yAxis": category_axis([_counted(row) for row in found], label=above, axisLine={"show": False}, z=3),
        "series": [
            {
                "name": name,
                "type": "bar",
                "stack": "rules",
                "barWidth": 5,
                "data": [row[column] for row in found],
                "itemStyle": {"color": colour},
            }
            for name, column, colour in bars
        ],
    }


def _counted(row: dict[str, Any]) -> str:
    return f"{words.detector(row['detector'])}  {words.count(row['shown'] + row['found'])}"
