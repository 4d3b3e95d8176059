"""审核结果监控: findings of 30 days by rule and light, day by day, and the subjects that stand out."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from decimal import Decimal
from typing import Any, Final

from nicegui import ui

from console import words
from console.boards import Rows
from console.screen import (
    INK,
    LIGHT_COLOURS,
    Options,
    category_axis,
    chart,
    draw,
    fact,
    row_table,
    text,
    tooltip,
    value_axis,
)

_ORDER: Final = ("red", "yellow", "green")
_COLUMNS: Final = (
    ("light_name", "灯", "left", "11%"),
    ("subject", "重点对象", "left", "48%"),
    ("findings", "次数", "right", "12%"),
    ("amount", "涉及基金", "right", "17%"),
    ("score", "风险分", "right", "12%"),
)


def build() -> Callable[[Rows], None]:
    """Four numbers, two charts and a table."""
    with ui.element("div").classes("facts"):
        buying, visiting, amount, subjects = (fact(name) for name in ("代购配药", "频繁就诊", "涉及基金", "涉及对象"))
    with ui.element("div").classes("split").style("grid-template-columns: 1fr 1fr; flex: 5"):
        rules, daily = chart(), chart()
    with ui.element("div").style("flex: 4; min-height: 0; display: flex"):
        table = row_table(_COLUMNS, light="light_name")

    def show(rows: Rows) -> None:
        families: defaultdict[str, int] = defaultdict(int)
        for row in rows["rules"]:
            families[row["family"]] += row["findings"]
        buying.text = words.count(families["agent_buying"])
        visiting.text = words.count(families["frequent_visits"])
        amount.text = "".join(words.money(sum((row["amount"] for row in rows["rules"]), Decimal(0))))
        subjects.text = words.count(sum(row["subjects"] for row in rows["rules"]))
        draw(rules, rule_options(rows))
        draw(daily, day_options(rows))
        table.rows = [_standing_out(number, row) for number, row in enumerate(rows["subjects"])]

    return show


def _standing_out(number: int, row: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": number,
        "light": row["light"],
        "light_name": words.word(words.LIGHTS, row["light"]),
        "subject": f"{words.word(words.SUBJECTS, row['subject_type'])} {row['subject']}",
        "findings": words.count(row["findings"]),
        "amount": f"{row['amount']:,.0f}",
        "score": f"{row['score']:.2f}",
    }


def rule_options(rows: Rows) -> Options:
    """Findings per rule, stacked by light, the most frequent rule on top."""
    totals: defaultdict[str, int] = defaultdict(int)
    counts: dict[tuple[str, str], int] = {}
    for row in rows["rules"]:
        totals[row["detector"]] += row["findings"]
        counts[row["detector"], row["light"]] = row["findings"]
    detectors = sorted(totals, key=lambda name: totals[name])
    return {
        "grid": {"left": 138, "right": 46, "top": 4, "bottom": 4},
        "tooltip": tooltip(trigger="axis"),
        "xAxis": value_axis(axisLabel={"show": False}, splitLine={"show": False}),
        "yAxis": category_axis([words.detector(name) for name in detectors], label=text(13, INK)),
        "series": [
            {
                "name": f"{words.LIGHTS[light]}灯",
                "type": "bar",
                "stack": "findings",
                "barWidth": "56%",
                "data": [counts.get((name, light), 0) for name in detectors],
                "itemStyle": {"color": LIGHT_COLOURS[light]},
            }
            for light in _ORDER
        ]
        + [
            {
                "name": "合计",
                "type": "bar",
                "stack": "findings",
                "data": [
                    {
                        "value": 0,
                        "label": {"show": True, "position": "right", "formatter": str(totals[name]), **text(13, INK)},
                    }
                    for name in detectors
                ],
            }
        ],
    }


def day_options(rows: Rows) -> Options:
    """Findings per day as areas, one per light."""
    days = sorted({row["day"] for row in rows["daily"]})
    counts = {(row["day"], row["light"]): row["findings"] for row in rows["daily"]}
    return {
        "grid": {"left": 36, "right": 8, "top": 10, "bottom": 22},
        "tooltip": tooltip(trigger="axis"),
        "xAxis": category_axis([f"{day:%m-%d}" for day in days]),
        "yAxis": value_axis(),
        "series": [
            {
                "name": f"{words.LIGHTS[light]}灯",
                "type": "bar",
                "stack": "findings",
                "barWidth": "64%",
                "data": [counts.get((day, light), 0) for day in days],
                "itemStyle": {"color": LIGHT_COLOURS[light]},
            }
            for light in ("green", "yellow", "red")
        ],
    }
