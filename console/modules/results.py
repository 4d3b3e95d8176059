"""审核结果监控: findings of 30 days by rule, light and handling state, day by day, and the rings and subjects that stand out."""

from __future__ import annotations

from collections.abc import Callable
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

_LIGHTS: Final = ("red", "yellow", "green")
_RULES: Final = 6
_RINGS: Final = 2
_STATES: Final = 4  # as many as fit above the days
_COLUMNS: Final = (
    ("light_name", "灯", "left", "11%"),
    ("subject", "代购团伙 · 重点对象", "left", "42%"),
    ("persons", "人数", "right", "11%"),
    ("institutions", "机构", "right", "11%"),
    ("findings", "次数", "right", "11%"),
    ("amount", "基金", "right", "14%"),
)


def build() -> Callable[[Rows], None]:
    """Four numbers, two charts and a table of rings, then subjects."""
    with ui.element("div").classes("facts facts-dense"):
        buying, visiting, rings, amount = (fact(name) for name in ("代购配药", "频繁就诊", "代购团伙", "涉及基金"))
    with ui.element("div").classes("split").style("grid-template-columns: 3fr 2fr"):
        rules, daily = chart(), chart()
    with ui.element("div").style("flex: none; height: 7.6rem; display: flex"):
        table = row_table(_COLUMNS, light="light_name")

    def show(rows: Rows) -> None:
        totals = rows["totals"][0]
        buying.text = words.count(totals["agent_buying"])
        visiting.text = words.count(totals["frequent_visits"])
        rings.text = words.count(totals["rings"])
        amount.text = "".join(words.money(totals["amount"]))
        draw(rules, rule_options(rows))
        draw(daily, day_options(rows))
        subjects = [*rows["rings"][:_RINGS], *rows["subjects"]]
        table.rows = [_standing_out(number, row) for number, row in enumerate(subjects)]

    return show


def state_lines(rows: Rows) -> list[str]:
    """The handling states that findings are in, the most frequent first, two to a line."""
    told = [f"{words.word(words.STATES, row['state'])} {words.count(row['findings'])}" for row in rows["states"]]
    return [" · ".join(told[at : at + 2]) for at in range(0, min(len(told), _STATES), 2)]


def _standing_out(number: int, row: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": number,
        "light": row["light"],
        "light_name": words.word(words.LIGHTS, row["light"]),
        "subject": f"{words.word(words.SUBJECTS, row['subject_type'])} {row['subject']}",
        "persons": words.count(row["persons"]) if "persons" in row else "",
        "institutions": words.count(row["institutions"]) if "institutions" in row else "",
        "findings": words.count(row["findings"]),
        "amount": f"{row['amount']:,.0f}",
    }


def rule_options(rows: Rows) -> Options:
    """Findings per rule, stacked by light, the most frequent rule on top; beside the number the share that hospitals bore out."""
    found = rows["rules"][:_RULES][::-1]
    return {
        "grid": {"left": 138, "right": 92, "top": 2, "bottom": 2},
        "tooltip": tooltip(trigger="axis"),
        "xAxis": value_axis(axisLabel={"show": False}, splitLine={"show": False}),
        "yAxis": category_axis(
            [words.detector(row["detector"]) for row in found], label=text(13, INK) | {"interval": 0}
        ),
        "series": [
            {
                "name": f"{words.LIGHTS[light]}灯",
                "type": "bar",
                "stack": "findings",
                "barWidth": "56%",
                "data": [row[light] for row in found],
                "itemStyle": {"color": LIGHT_COLOURS[light]},
            }
            for light in _LIGHTS
        ]
        + [
            {
                "name": "合计",
                "type": "bar",
                "stack": "findings",
                "data": [
                    {
                        "value": 0,
                        "label": {"show": True, "position": "right", "formatter": _told(row), **text(13, INK)},
                    }
                    for row in found
                ],
            }
        ],
    }


def _told(row: dict[str, Any]) -> str:
    count, share = words.count(row["findings"]), row["upheld_percent"]
    return count if share is None else f"{count} 采纳{share:.0f}%"


def day_options(rows: Rows) -> Options:
    """Findings per day, stacked by light; above them the handling states."""
    days, states = rows["daily"], state_lines(rows)
    return {
        "title": {"text": "\n".join(states), "textStyle": text(13, INK) | {"lineHeight": 16}, "left": 0, "top": 0},
        "grid": {"left": 36, "right": 8, "top": 14 + 16 * len(states), "bottom": 22},
        "tooltip": tooltip(trigger="axis"),
        "xAxis": category_axis([f"{row['day']:%m-%d}" for row in days]),
        "yAxis": value_axis(minInterval=1),
        "series": [
            {
                "name": f"{words.LIGHTS[light]}灯",
                "type": "bar",
                "stack": "findings",
                "barWidth": "64%",
                "data": [row[light] for row in days],
                "itemStyle": {"color": LIGHT_COLOURS[light]},
            }
            for light in reversed(_LIGHTS)
        ],
    }
