"""全年趋势监控: twelve months of documents, fund money and findings; read when asked, never by a timer."""

from __future__ import annotations

from collections.abc import Callable

from console.boards import Rows
from console.screen import ACCENT, RED, YELLOW, Options, category_axis, chart, draw, legend, tooltip, value_axis


def build() -> Callable[[Rows], None]:
    """One chart of the year."""
    year = chart()

    def show(rows: Rows) -> None:
        draw(year, year_options(rows))

    return show


def year_options(rows: Rows) -> Options:
    """Documents as bars, fund money and findings as lines, by month."""
    months = rows["months"]
    return {
        "grid": {"left": 46, "right": 92, "top": 30, "bottom": 22},
        "legend": legend(left=0, right="auto"),
        "tooltip": tooltip(trigger="axis"),
        "xAxis": category_axis([f"{row['month']:%Y-%m}" for row in months]),
        "yAxis": [
            value_axis(),
            value_axis(splitLine={"show": False}),
            value_axis(splitLine={"show": False}, position="right", offset=46, splitNumber=2),
        ],
        "series": [
            {
                "name": "结算单据",
                "type": "bar",
                "barWidth": "46%",
                "data": [row["settlements"] for row in months],
                "itemStyle": {"color": "#2b5ea8", "borderRadius": [3, 3, 0, 0]},
            },
            {
                "name": "基金支付（元）",
                "type": "line",
                "yAxisIndex": 1,
                "smooth": True,
                "symbolSize": 7,
                "data": [float(row["fund"]) for row in months],
                "lineStyle": {"width": 3, "color": ACCENT},
                "itemStyle": {"color": ACCENT},
            },
            {
                "name": "审核发现",
                "type": "line",
                "yAxisIndex": 2,
                "smooth": True,
                "symbolSize": 7,
                "data": [row["findings"] for row in months],
                "lineStyle": {"width": 2, "color": YELLOW},
                "itemStyle": {"color": YELLOW},
            },
            {
                "name": "其中红灯",
                "type": "line",
                "yAxisIndex": 2,
                "smooth": True,
                "symbolSize": 7,
                "data": [row["red"] for row in months],
                "lineStyle": {"width": 2, "color": RED},
                "itemStyle": {"color": RED},
            },
        ],
    }
