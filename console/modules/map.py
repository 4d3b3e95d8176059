"""地图定位监控: every institution where it stands, as large as its traffic, coloured by its worst finding."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from math import cos, radians, sqrt
from typing import Any, Final

from nicegui import ui

from console import words
from console.boards import Rows
from console.outlines import Point, ring
from console.screen import EDGE, INK, LIGHT_COLOURS, Options, chart, draw, row_table, text, tooltip

_ASPECT: Final = 1.1  # width by height of the place the chart has on the wall
_MARGIN: Final = 0.09  # of the span, around the outermost institutions
_NAMED_LEFT: Final = 0.6  # of the span from the west: beyond, a name finds no room to the right
_SMALLEST, _LARGEST = 7, 26
_COLUMNS: Final = (
    ("light_name", "灯", "left", "16%"),
    ("name", "发现较多机构", "left", "52%"),
    ("findings", "30天", "right", "15%"),
    ("settlements", "24时", "right", "17%"),
)


def build() -> Callable[[Rows], None]:
    """The map, and beside it the institutions with the most findings."""
    with ui.element("div").classes("split").style("grid-template-columns: 10fr 7fr"):
        places = chart()
        table = row_table(_COLUMNS, light="light_name")

    def show(rows: Rows) -> None:
        draw(places, place_options(rows))
        found = [row for row in rows["institutions"] if row["light"]]
        table.rows = [_named(number, row) for number, row in enumerate(found[:20])]

    return show


def _named(number: int, row: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": number,
        "light": row["light"],
        "light_name": words.word(words.LIGHTS, row["light"]),
        "name": row["fixmedins_name"] or row["fixmedins_code"],
        "findings": words.count(row["findings"]),
        "settlements": words.count(row["settlements"]),
    }


def place_options(rows: Rows) -> Options:
    """Longitude against latitude, one series per light, over the outlines of the districts."""
    places = rows["institutions"]
    if not places:
        return {
            "title": {"text": "没有机构坐标", "left": "center", "top": "center", "textStyle": text(16)},
            "series": [],
        }
    busiest = max(max(row["settlements"] for row in places), 1)
    districts: defaultdict[str, list[Point]] = defaultdict(list)
    for row in places:
        districts[row["mdtrtarea_admvs"]].append((row["lon"], row["lat"]))
    rings = {code: ring(points) for code, points in sorted(districts.items())}
    (west, east), (south, north) = _extent([point for outline in rings.values() for point in outline])
    graticule = {"show": True, "lineStyle": {"color": EDGE, "opacity": 0.7, "type": "dashed"}}
    axis = {
        "type": "value",
        "splitLine": graticule,
        "axisLine": {"show": False},
        "axisTick": {"show": False},
        "splitNumber": 5,
    }
    degrees = text(11, "#56698c") | {"inside": True, "margin": 4, "showMinLabel": False, "showMaxLabel": False}
    return {
        "animation": False,
        "grid": {"left": 2, "right": 2, "top": 26, "bottom": 2},
        "legend": {
            "left": 0, "top": 0, "itemWidth": 12, "itemHeight": 12, "itemGap": 14,
            "textStyle": text(13, INK), "data": [_series_name(light) for light in ("red", "yellow", "green", "")],
        },
        "tooltip": tooltip(trigger="item", **{":formatter": "(item) => item.data.name ?? ''"}),
        "xAxis": {**axis, "min": west, "max": east, "axisLabel": degrees | {"formatter": "{value}°E"}},
        "yAxis": {**axis, "min": south, "max": north, "axisLabel": degrees | {"formatter": "{value}°N"}},
        "series": [
            *_outlines(rings),
            *(_marks(light, places, busiest, west + _NAMED_LEFT * (east - west)) for light in ("", "green", "yellow", "red")),
        ],
    }  # fmt: skip


def _series_name(light: str) -> str:
    return f"{words.LIGHTS[light]}灯" if light else "无发现"


def _extent(points: list[Point]) -> tuple[Point, Point]:
    """Bounds in degrees around all points, widened to the shape of the chart so that the land is not stretched."""
    longitudes, latitudes = [lon for lon, _ in points], [lat for _, lat in points]
    middle = (max(latitudes) + min(latitudes)) / 2
    width = max((max(longitudes) - min(longitudes)) * cos(radians(middle)), 0.02) * (1 + 2 * _MARGIN)
    height = max(max(latitudes) - min(latitudes), 0.02) * (1 + 2 * _MARGIN)
    width, height = max(width, height * _ASPECT), max(height, width / _ASPECT)
    width /= cos(radians(middle))
    centre = (max(longitudes) + min(longitudes)) / 2
    return (
        (round(centre - width / 2, 4), round(centre + width / 2, 4)),
        (round(middle - height / 2, 4), round(middle + height / 2, 4)),
    )


def _outlines(rings: dict[str, list[Point]]) -> list[Options]:
    lines: list[Options] = [
        {
            "name": code,
            "type": "custom",
            "silent": True,
            "z": 1,
            "data": [[0]],
            ":renderItem": f"fundwatchArea({[list(point) for point in outline]})",
        }
        for code, outline in rings.items()
    ]
    names: Options = {
        "name": "区县",
        "type": "scatter",
        "silent": True,
        "z": 2,
        "symbolSize": 0,
        "data": [
            {"value": [sum(lon for lon, _ in outline) / len(outline), max(lat for _, lat in outline)], "code": code}
            for code, outline in rings.items()
        ],
        "label": {
            "show": True,
            "position": "top",
            "distance": 2,
            **text(13, "#9fb8e0"),
            ":formatter": "(item) => item.data.code",
        },
    }
    return [*lines, names]


def _marks(light: str, places: list[dict[str, Any]], busiest: int, narrow: float) -> Options:
    found = [row for row in places if row["light"] == light]
    return {
        "name": _series_name(light),
        "type": "effectScatter" if light == "red" else "scatter",
        "z": {"": 3, "green": 4, "yellow": 5, "red": 6}[light],
        "rippleEffect": {"scale": 2.6, "brushType": "stroke", "period": 3},
        "itemStyle": {"color": LIGHT_COLOURS[light], "opacity": 0.85, "borderColor": "#050b1a", "borderWidth": 1},
        "label": {
            "show": light == "red", "textBorderColor": "#050b1a", "textBorderWidth": 3,
            **text(13, INK), ":formatter": "(item) => item.data.short",
        },
        "labelLayout": {"hideOverlap": True},
        "data": [
            {
                "value": [row["lon"], row["lat"]],
                "symbol": "diamond" if row["fixmedins_type"] == "2" else "circle",
                "symbolSize": round(_SMALLEST + (_LARGEST - _SMALLEST) * sqrt(row["settlements"] / busiest), 1),
                "short": row["fixmedins_name"],
                "label": {"position": "right" if row["lon"] < narrow else "left"},
                "name": f"{row['fixmedins_name']} · 24小时 {row['settlements']} 单 · 30天发现 {row['findings']} 条",
            }
            for row in found
        ],
    }  # fmt: skip
