"""审核次数监控: documents judged hour by hour, by outcome, and what hospitals asked beforehand."""

from __future__ import annotations

from collections.abc import Callable

from nicegui import ui

from console import words
from console.boards import Rows
from console.screen import (
    GREEN,
    INK,
    RED,
    YELLOW,
    Options,
    category_axis,
    chart,
    draw,
    fact,
    legend,
    tooltip,
    value_axis,
)


def build() -> Callable[[Rows], None]:
    """Four numbers and a chart of 24 hours."""
    with ui.element("div").classes("split").style("grid-template-columns: 5fr 11fr"):
        with ui.element("div").classes("facts facts-square"):
            judged, named, share, asked = (fact(name) for name in ("24时审核", "命中单据", "命中占比", "事前询问"))
        hours = chart()

    def show(rows: Rows) -> None:
        hourly = rows["hourly"]
        documents = sum(row["documents"] for row in hourly)
        found = sum(row["red"] + row["yellow"] + row["green"] for row in hourly)
        judged.text = words.count(documents)
        named.text = words.count(found)
        share.text = f"{100 * found / documents:.2f}%" if documents else "—"
        asked.text = words.count(sum(row["asked"] for row in hourly))
        draw(hours, hour_options(rows))

    return show


def hour_options(rows: Rows) -> Options:
    """Documents per hour as bars: passed below, lights on top; the share found as a line."""
    hourly = rows["hourly"]
    lights = (("绿灯", "green", GREEN), ("黄灯", "yellow", YELLOW), ("红灯", "red", RED))
    bars = [("通过", "#2b5ea8", [row["documents"] - row["red"] - row["yellow"] - row["green"] for row in hourly])]
    bars += [(name, colour, [row[light] for row in hourly]) for name, light, colour in lights]
    return {
        "grid": {"left": 42, "right": 44, "top": 26, "bottom": 22},
        "legend": legend(left=0, right="auto"),
        "tooltip": tooltip(trigger="axis"),
        "xAxis": category_axis([f"{row['hour']:%H时}" for row in hourly]),
        "yAxis": [value_axis(), value_axis(splitLine={"show": False})],
        "series": [
            *(
                {
                    "name": name,
                    "type": "bar",
                    "stack": "documents",
                    "barWidth": "62%",
                    "data": data,
                    "itemStyle": {"color": colour},
                }
                for name, colour, data in bars
            ),
            {
                "name": "命中占比（%）",
                "type": "line",
                "yAxisIndex": 1,
                "showSymbol": False,
                "data": [row["share_percent"] for row in hourly],
                "lineStyle": {"width": 2, "color": INK},
                "itemStyle": {"color": INK},
            },
        ],
    }
