"""The strip above the modules: the day in six numbers, from the same rows as the feed."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any, Final

from nicegui import ui

from console import words
from console.boards import Rows
from console.screen import tag

_DAY: Final = 86_400
_NOTHING_YET: Final = 1970
_NAMES: Final = (
    ("settlements", "今日结算单据", ""),
    ("fund", "今日基金支付", ""),
    ("red", "红灯 · 立即处置", "light-red"),
    ("yellow", "黄灯 · 需要核实", "light-yellow"),
    ("green", "绿灯 · 持续关注", "light-green"),
    ("lag", "数据时延", ""),
)


def build() -> Callable[[Rows], None]:
    """Six boxes; the lights count what was found in 30 days and still stands."""
    boxes = {}
    with ui.element("div").classes("figures"):
        for name, title, light in _NAMES:
            with ui.element("div").classes(f"figure {light}").props(f"data-figure={name}"):
                tag("div", title, "figure-name")
                with ui.element("div").classes("figure-value"):
                    value, unit = tag("span", "—"), tag("small")
                boxes[name] = (value, unit, tag("div", "", "figure-note"))

    def show(rows: Rows) -> None:
        for name, texts in _texts(rows["figures"][0]).items():
            for element, text in zip(boxes[name], texts, strict=True):
                element.text = text

    return show


def _texts(row: dict[str, Any]) -> dict[str, tuple[str, str, str]]:
    until: datetime = row["until"]
    # an empty store ends in 1970
    day = f"{until:%Y-%m-%d} · 退费 {words.count(row['reversals'])} 笔" if until.year > _NOTHING_YET else "尚无数据"
    fund, unit = words.money(row["fund"])
    lag, lag_unit, lag_note = _lag(row)
    return {
        "settlements": (
            words.count(row["settlements"]),
            "笔",
            day,
        ),
        "fund": (fund, unit, _against(row["fund"], row["fund_before"])),
        "red": (words.count(row["red"]), "条", "近30天"),
        "yellow": (words.count(row["yellow"]), "条", "近30天"),
        "green": (words.count(row["green"]), "条", "近30天"),
        "lag": (lag, lag_unit, lag_note),
    }


def _against(now: Any, before: Any) -> str:
    return f"较昨日同时 {100 * (float(now) / float(before) - 1):+.1f}%" if before else "昨日同时无数据"


def _lag(row: dict[str, Any]) -> tuple[str, str, str]:
    stored: datetime | None = row["stored_at"]
    note = f"最近入库 {stored:%m-%d %H:%M:%S}" if stored else "尚无数据"
    seconds = row["delay_seconds"]
    if stored is None or seconds is None:
        return "—", "", note
    if seconds > _DAY:
        # documents of long ago are being read in: their distance from today says nothing about our speed
        return "回放", "", note
    number, unit = words.ago(seconds).split(" ")
    return number, unit, note
