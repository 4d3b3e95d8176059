"""Charts in our look, drawn to the scale of whatever screen shows them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from nicegui import ui
from nicegui.elements.mixins.text_element import TextElement

Options = dict[str, Any]

_LIGHT_CELL: Final = (
    '<q-td :props="props"><span :class="\'light light-\' + props.row.light">{{ props.value }}</span></q-td>'
)

RED, YELLOW, GREEN = "#ff4d5e", "#ffc53d", "#2dd4a0"
LIGHT_COLOURS: Final = {"red": RED, "yellow": YELLOW, "green": GREEN, "": "#3b82c4"}
INK, DIM, EDGE, ACCENT = "#e8f1ff", "#8ea6cc", "#1c3560", "#38bdf8"
SERIES: Final = ["#38bdf8", "#a78bfa", "#2dd4a0", "#ffc53d", "#fb923c", "#f472b6", "#94a3b8"]

_LENGTHS: Final = frozenset(
    {
        "fontSize", "lineHeight", "symbolSize", "barWidth", "barMaxWidth", "itemWidth", "itemHeight", "itemGap", "nameGap", "margin",
        "distance", "left", "right", "top", "bottom", "borderRadius", "borderWidth", "width", "length", "length2", "shadowBlur",
        "padding", "offset",
    }
)  # fmt: skip
"""Option names whose numbers are pixels of the 1920 x 1080 design."""


def tag(name: str, content: str = "", classes: str = "") -> TextElement:
    """An HTML element that holds text only; the text is escaped."""
    return TextElement(tag=name, text=content).classes(classes)


def chart() -> ui.echart:
    """An empty chart that fills its place."""
    return ui.echart({"animation": False}, renderer="canvas").classes("chart")


def fact(name: str) -> TextElement:
    """A number with its name above; returns the number's element."""
    with ui.element("div").classes("fact"):
        tag("div", name, "fact-name")
        return tag("div", "—", "fact-value")


def row_table(columns: Sequence[tuple[str, str, str, str]], *, light: str = "") -> ui.table:
    """A table that shows as many rows as fit, from columns of name, label, alignment and width; ``light`` names the column whose
    words stand beside a lamp of the colour in the row's ``light``."""
    described = [
        {"name": name, "label": label, "field": name, "align": align, "headerStyle": f"width: {width}"}
        for name, label, align, width in columns
    ]
    table = (
        ui.table(rows=[], columns=described, row_key="id", pagination=0).classes("rows").props("flat dense hide-bottom")
    )
    if light:
        table.add_slot(f"body-cell-{light}", _LIGHT_CELL)
    return table


def draw(element: ui.echart, options: Options) -> None:
    """Show ``options`` (lengths in pixels of a 1080p screen) on a chart."""
    element.options.clear()
    element.options.update(scaled({"animationDuration": 400, "color": SERIES, **options}))
    element.update()


def scaled(options: Any) -> Any:
    """The same options with every length as an expression that the reader's screen resolves (``fs`` in console.js)."""
    if isinstance(options, list):
        return [scaled(item) for item in options] if any(isinstance(item, dict) for item in options) else options
    if not isinstance(options, dict):
        return options
    result: Options = {}
    for name, value in options.items():
        if name in _LENGTHS and isinstance(value, int | float) and not isinstance(value, bool):
            result[f":{name}"] = f"fs({value})"
        elif name in _LENGTHS and isinstance(value, list):
            result[f":{name}"] = f"[{','.join(f'fs({item})' for item in value)}]"
        else:
            result[name] = scaled(value)
    return result


def text(size: float = 13, colour: str = DIM) -> Options:
    """A text style."""
    return {"color": colour, "fontSize": size}


def category_axis(names: list[str], **more: Any) -> Options:
    """An axis of names."""
    return {
        "type": "category",
        "data": names,
        "axisLabel": text() | {"margin": 8} | more.pop("label", {}),
        "axisLine": {"lineStyle": {"color": EDGE}},
        "axisTick": {"show": False},
        **more,
    }


def value_axis(**more: Any) -> Options:
    """An axis of numbers, short for the eye (万, 亿)."""
    return {
        "type": "value",
        "axisLabel": text() | {"margin": 8, ":formatter": "(value) => fundwatchNumber(value)"},
        "splitLine": {"lineStyle": {"color": EDGE, "opacity": 0.5}},
        "nameTextStyle": text(12),
        "splitNumber": 3,
        **more,
    }


def legend(**more: Any) -> Options:
    """A legend above the chart."""
    return {"top": 0, "right": 0, "itemWidth": 14, "itemHeight": 9, "itemGap": 14, "textStyle": text(13, INK), **more}


def tooltip(**more: Any) -> Options:
    """The box that follows the pointer."""
    return {"backgroundColor": "#0b1730f2", "borderColor": EDGE, "textStyle": text(14, INK), "confine": True, **more}
