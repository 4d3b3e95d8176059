"""就诊单据监控: seven days in figures, documents by day and kind, by district, and who comes most often."""

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
    SERIES,
    Options,
    category_axis,
    chart,
    draw,
    fact,
    legend,
    row_table,
    text,
    tooltip,
    value_axis,
)

_KINDS: Final = {
    "outpatient": "门诊",
    "chronic": "慢特病",
    "emergency": "急诊",
    "inpatient": "住院",
    "pharmacy": "药店",
    "other": "其他",
}
_TITLES: Final = {query.name: query.title for query in MODULES["visits"].queries}
_FIGURES: Final = {
    "settlements": "近7天单据",
    "persons": "就诊人数",
    "prescriptions": "处方",
    "inpatient_days": "住院床日",
    "average_fee": "次均费用（元）",
}
_DISTRICTS: Final = 6  # as many as can be read beside the chart of days
_ONE_LINE: Final = 6  # kinds whose names fit beside each other above the chart
_COLUMNS: Final = (
    ("person", _TITLES["frequent"], "left", "34%"),
    ("visits", "门诊次数", "right", "18%"),
    ("documents", "单据", "right", "15%"),
    ("institutions", "机构", "right", "14%"),
    ("fund", "基金（元）", "right", "19%"),
)


def build() -> Callable[[Rows], None]:
    """Five figures, two charts and a short table."""
    with ui.element("div").classes("facts facts-dense"):
        figures = {name: fact(title) for name, title in _FIGURES.items()}
    with ui.element("div").classes("split").style("grid-template-columns: 5fr 3fr"):
        daily, districts = chart(), chart()
    with ui.element("div").style("flex: none; height: 7.8rem; display: flex"):
        frequent = row_table(_COLUMNS)

    def show(rows: Rows) -> None:
        for name, text_of in figure_texts(rows).items():
            figures[name].text = text_of
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


def figure_texts(rows: Rows) -> dict[str, str]:
    """The five figures; the average fee with its growth against the seven days before."""
    row = rows["figures"][0]
    texts = {name: words.count(row[name]) for name in _FIGURES if name != "average_fee"}
    fee, growth = row["average_fee"], row["average_fee_growth"]
    texts["average_fee"] = "—" if fee is None else f"{fee:,.2f}" if growth is None else f"{fee:,.2f} {growth:+.1f}%"
    return texts


def daily_options(rows: Rows) -> Options:
    """Documents per day stacked by kind, with the number of persons as a line; kinds that never came are left out."""
    days = rows["daily"]
    kinds = [kind for kind in _KINDS if any(row[kind] for row in days)]
    bars = [
        {
            "name": _KINDS[kind],
            "type": "bar",
            "stack": "documents",
            "barWidth": "58%",
            "data": [row[kind] for row in days],
            "itemStyle": {"color": SERIES[list(_KINDS).index(kind)]},
        }
        for kind in kinds
    ]
    line = {
        "name": "人数",
        "type": "line",
        "data": [row["persons"] for row in days],
        "symbolSize": 6,
        "lineStyle": {"width": 2.5, "color": INK},
        "itemStyle": {"color": INK},
    }
    return {
        "grid": {"left": 46, "right": 8, "top": 30 if len(kinds) < _ONE_LINE else 54, "bottom": 24},
        "legend": legend(left=0, right="auto", padding=0, itemGap=6, itemWidth=9),
        "tooltip": tooltip(trigger="axis"),
        "xAxis": category_axis([f"{row['day']:%m-%d}" for row in days]),
        "yAxis": value_axis(),
        "series": [*bars, line],
    }


def district_options(rows: Rows) -> Options:
    """Documents per district; those beyond the first six are one bar."""
    named = [(row["mdtrtarea_admvs"] or "未知", row["settlements"]) for row in rows["districts"]]
    if rest := named[_DISTRICTS:]:
        named[_DISTRICTS:] = [(f"其余{len(rest)}区", sum(count for _, count in rest))]
    found = named[::-1]
    return {
        "title": {"text": f"{_TITLES['districts']}单据", "textStyle": text(13), "left": 0, "top": 0},
        "grid": {"left": 58, "right": 52, "top": 26, "bottom": 4},
        "tooltip": tooltip(trigger="axis"),
        "xAxis": value_axis(axisLabel={"show": False}, splitLine={"show": False}),
        "yAxis": category_axis([name for name, _ in found], label=text(13, INK) | {"interval": 0}),
        "series": [
            {
                "name": "单据",
                "type": "bar",
                "data": [count for _, count in found],
                "barWidth": "58%",
                "itemStyle": {"color": ACCENT, "borderRadius": [0, 3, 3, 0]},
                "label": {"show": True, "position": "right", **text(13, INK)},
            }
        ],
    }
