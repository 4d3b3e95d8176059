"""医院监控: outpatient and inpatient care, hospitals by fund money, and how far their average fees lie from those of their peers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

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
    row_table,
    text,
    tooltip,
    value_axis,
)

_CARE: Final = (
    ("care", "30天", "left", "9%"),
    ("settlements", "人次", "right", "14%"),
    ("growth", "同比", "right", "12%"),
    ("persons", "人数", "right", "14%"),
    ("average", "次均费用", "right", "15%"),
    ("average_growth", "环比", "right", "12%"),
    ("average_growth_year", "同比", "right", "12%"),
    ("drug_share", "药占", "right", "12%"),
)
_RANKED: Final = (
    ("name", "医院", "left", "24%"),
    ("fund", "基金", "right", "13%"),
    ("outpatient", "门诊次均", "right", "14%"),
    ("outpatient_growth", "环比", "right", "12%"),
    ("inpatient", "住院次均", "right", "14%"),
    ("inpatient_growth", "环比", "right", "12%"),
    ("findings", "千单", "right", "11%"),
)
_SIDES: Final = (("门诊次均与同级中位", "outpatient_over_peers"), ("住院次均与同级中位", "inpatient_over_peers"))
_CHARTED: Final = 5
_FAR: Final = ((50, RED), (20, YELLOW))
"""Percent above the median of peers from which a bar takes a colour."""


def build() -> Callable[[Rows], None]:
    """Both kinds of care, the hospitals furthest from their peers, and the ranking."""
    care = row_table(_CARE).style("flex: none; height: 6rem")
    with ui.element("div").style("flex: none; height: 7.8rem; display: flex"):
        peers = chart()
    table = row_table(_RANKED).classes("ranking")

    def show(rows: Rows) -> None:
        care.rows = [_cared(number, row) for number, row in enumerate(rows["care"])]
        draw(peers, peer_options(rows))
        table.rows = [_ranked(number, row) for number, row in enumerate(rows["ranking"])]

    return show


def _cared(number: int, row: dict[str, Any]) -> dict[str, Any]:
    share = row["drug_share"]
    return {
        "id": number,
        "care": row["care"],
        "settlements": words.short(row["settlements"]),
        "growth": words.growth(row["settlements_growth_year"]),
        "persons": words.short(row["persons"]),
        "average": _fee(row["average_fee"]),
        "average_growth": words.growth(row["average_growth"]),
        "average_growth_year": words.growth(row["average_growth_year"]),
        "drug_share": "—" if share is None else f"{share:.0f}%",
    }


def _ranked(number: int, row: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": number,
        "name": row["fixmedins_name"],
        "fund": words.short(row["fund"]),
        "outpatient": _fee(row["outpatient_average"]),
        "outpatient_growth": words.growth(row["outpatient_growth"]),
        "inpatient": _fee(row["inpatient_average"]),
        "inpatient_growth": words.growth(row["inpatient_growth"]),
        "findings": f"{row['findings_per_thousand']:.1f}",
    }


def _fee(average: float | None) -> str:
    return "—" if average is None else f"{average:,.0f}"


def peer_options(rows: Rows) -> Options:
    """Of the ranked hospitals those whose average fee lies furthest above the median of their level, left outpatient, right inpatient."""
    sides = []
    for _, column in _SIDES:
        known = [row for row in rows["ranking"] if row[column] is not None]
        sides.append(sorted(known, key=lambda row: row[column], reverse=True)[:_CHARTED][::-1])
    label = text(13, INK) | {"width": 92, "overflow": "truncate"}
    return {
        "title": [
            {"text": title, "textStyle": text(13), "left": left, "top": 0, "padding": 0}
            for (title, _), left in zip(_SIDES, (0, "51%"), strict=True)
        ],
        "grid": [
            {"left": 104, "right": "57%", "top": 20, "bottom": 0},
            {"left": "71.5%", "right": 40, "top": 20, "bottom": 0},
        ],
        "tooltip": tooltip(trigger="axis"),
        "xAxis": [
            value_axis(gridIndex=side, axisLabel={"show": False}, splitLine={"show": False})
            for side in range(len(sides))
        ],
        "yAxis": [
            category_axis([row["fixmedins_name"] for row in known], label=label, gridIndex=side)
            for side, known in enumerate(sides)
        ],
        "series": [
            {
                "name": f"{title}（%）",
                "type": "bar",
                "xAxisIndex": side,
                "yAxisIndex": side,
                "barWidth": "62%",
                "data": [
                    {"value": row[column], "itemStyle": {"color": _colour(row[column])}, "label": _label(row[column])}
                    for row in known
                ],
            }
            for side, ((title, column), known) in enumerate(zip(_SIDES, sides, strict=True))
        ],
    }


def _colour(percent: float) -> str:
    return next((colour for least, colour in _FAR if percent >= least), GREEN)


def _label(percent: float) -> Options:
    position = "right" if percent >= 0 else "left"
    return {"show": True, "position": position, "formatter": f"{percent:+.0f}%", **text(13, INK)}
