"""Charts draw to the reader's screen, and every module draws whatever rows the store may give."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import orjson
import pytest

from console.boards import Rows
from console.modules import audits, hospitals, results, trend, visits
from console.modules import map as institutions_map
from console.outlines import ring
from console.screen import scaled

Chart = Callable[[Rows], dict[str, Any]]
CHARTS: dict[str, Chart] = {
    "visits": visits.daily_options,
    "districts": visits.district_options,
    "hospitals": hospitals.peer_options,
    "audits": audits.hour_options,
    "audited_rules": audits.rule_options,
    "rules": results.rule_options,
    "days": results.day_options,
    "trend": trend.year_options,
    "map": institutions_map.place_options,
}
EMPTY: Rows = {
    name: []
    for name in ("daily", "districts", "ranking", "hourly", "rules", "states", "subjects", "months", "institutions")
}
PLACE = {
    "fixmedins_code": "H1", "fixmedins_name": "医院", "fixmedins_type": "1", "mdtrtarea_admvs": "320601", "lat": 32.0, "lon": 121.0,
    "settlements": 3, "fund": Decimal(1), "findings": 1, "light": "red",
}  # fmt: skip


def test_lengths_become_expressions_and_nothing_else_does() -> None:
    options = {
        "grid": {"left": 10, "top": "5%"},
        "series": [{"type": "line", "lineStyle": {"width": 2}, "data": [1, 2], "itemStyle": {"borderRadius": [0, 3]}}],
        "legend": {"show": True, "textStyle": {"fontSize": 12, "color": "#fff"}},
    }
    assert scaled(options) == {
        "grid": {":left": "fs(10)", "top": "5%"},
        "series": [
            {
                "type": "line",
                "lineStyle": {":width": "fs(2)"},
                "data": [1, 2],
                "itemStyle": {":borderRadius": "[fs(0),fs(3)]"},
            }
        ],
        "legend": {"show": True, "textStyle": {":fontSize": "fs(12)", "color": "#fff"}},
    }


@pytest.mark.parametrize("name", list(CHARTS))
def test_an_empty_store_draws_an_empty_chart(name: str) -> None:
    options = CHARTS[name](EMPTY)
    assert orjson.dumps(scaled(options))
    for series in options["series"]:
        assert not series.get("data") or name == "map"


def test_kinds_that_never_came_are_left_out() -> None:
    none = dict.fromkeys(("outpatient", "chronic", "emergency", "inpatient", "pharmacy", "other"), 0)
    rows = EMPTY | {
        "daily": [
            {"day": date(2025, 3, 1), "persons": 2} | none | {"inpatient": 2},
            {"day": date(2025, 3, 2), "persons": 4} | none | {"emergency": 5},
        ]
    }
    options = visits.daily_options(rows)
    assert options["xAxis"]["data"] == ["03-01", "03-02"]
    assert {one["name"]: one["data"] for one in options["series"]} == {"急诊": [0, 5], "住院": [2, 0], "人数": [2, 4]}


def test_the_smaller_districts_share_a_bar() -> None:
    rows = {"districts": [{"mdtrtarea_admvs": f"3206{n}", "settlements": 90 - n} for n in range(8)]}
    options = visits.district_options(rows)
    assert options["yAxis"]["data"] == ["其余2区", "32065", "32064", "32063", "32062", "32061", "32060"]
    assert options["series"][0]["data"] == [84 + 83, 85, 86, 87, 88, 89, 90]
    assert visits.district_options({"districts": rows["districts"][:2]})["yAxis"]["data"] == ["32061", "32060"]


@pytest.mark.parametrize(
    ("fee", "growth", "text"),
    [(None, None, "—"), (81.5, None, "81.50"), (1081.5, 12.34, "1,081.50 +12.3%"), (81.5, -3.0, "81.50 -3.0%")],
)
def test_the_average_fee_comes_with_its_growth(fee: float | None, growth: float | None, text: str) -> None:
    counts = dict.fromkeys(("settlements", "persons", "prescriptions", "inpatient_days"), 1200)
    texts = visits.figure_texts({"figures": [counts | {"average_fee": fee, "average_fee_growth": growth}]})
    assert texts == dict.fromkeys(counts, "1,200") | {"average_fee": text}


def test_an_hour_of_audits_is_stacked_by_how_they_ended() -> None:
    hour = {"hour": datetime(2025, 3, 1, 9), "passed": 5, "warned": 3, "changed": 2, "undecided": 1, "documents": 40}  # noqa: DTZ001
    options = audits.hour_options({"hourly": [hour]})
    stacked = {one["name"]: one["data"] for one in options["series"] if one.get("stack") == "audits"}
    assert stacked == {"通过": [5], "提示": [3], "修改": [2], "未决": [1]}
    assert [one["data"] for one in options["series"] if one["type"] == "line"] == [[40]]


def test_the_rules_most_asked_about_stand_on_top_with_what_was_found_at_settlement() -> None:
    rows = [
        {"detector": f"rule.{n}", "shown": 10 - n, "red": 4 - n // 2, "yellow": 6 - n + n // 2, "found": n}
        for n in range(8)
    ]
    options = audits.rule_options({"rules": rows})
    assert options["yAxis"]["data"] == ["rule.3  10", "rule.2  10", "rule.1  10", "rule.0  10"]
    assert [one["data"] for one in options["series"]] == [[3, 3, 4, 4], [4, 5, 5, 6], [3, 2, 1, 0]]


def test_a_rule_shows_its_lights_its_number_and_the_share_hospitals_bore_out() -> None:
    row = {"detector": "a.b", "red": 1, "yellow": 4, "green": 0, "findings": 5, "upheld_percent": 62.5}
    options = results.rule_options({"rules": [row, row | {"detector": "a.c", "upheld_percent": None}]})
    assert options["yAxis"]["data"] == ["a.c", "a.b"]
    assert [one["data"] for one in options["series"][:3]] == [[1, 1], [4, 4], [0, 0]]
    assert [one["label"]["formatter"] for one in options["series"][-1]["data"]] == ["5", "5 采纳62%"]


def test_handling_states_are_shown_as_they_come_those_without_a_word_too() -> None:
    states = [
        {"state": "open", "findings": 1200},
        {"state": "withdrawn", "findings": 3},
        {"state": "new_one", "findings": 1},
    ]
    assert results.state_lines({"states": states}) == ["待处置 1,200 · 已撤销 3", "new_one 1"]


def test_a_mark_is_as_large_as_its_traffic_and_coloured_by_its_worst_light() -> None:
    quiet = PLACE | {"settlements": 0, "light": "", "fixmedins_type": "2"}
    options = institutions_map.place_options({"institutions": [PLACE, quiet]})
    marks = {one["name"]: one["data"] for one in options["series"] if one["type"] in ("scatter", "effectScatter")}
    assert marks["红灯"][0]["symbolSize"] > marks["无发现"][0]["symbolSize"]
    assert (marks["红灯"][0]["symbol"], marks["无发现"][0]["symbol"]) == ("circle", "diamond")


def test_every_mark_is_on_the_map() -> None:
    places = [PLACE | {"lat": lat, "lon": lon} for lat, lon in ((31.7, 120.3), (32.8, 121.7), (32.0, 121.0))]
    options = institutions_map.place_options({"institutions": places})
    for place in places:
        assert options["xAxis"]["min"] < place["lon"] < options["xAxis"]["max"]
        assert options["yAxis"]["min"] < place["lat"] < options["yAxis"]["max"]


@pytest.mark.parametrize(
    "points", [[(121.0, 32.0)], [(121.0, 32.0), (121.1, 32.0)], [(120.0, 31.0), (121.0, 32.0), (120.5, 33.0)]]
)
def test_an_outline_goes_around_its_institutions(points: list[tuple[float, float]]) -> None:
    outline = ring(points)
    assert len(outline) >= 3
    for lon, lat in points:
        pairs = zip(outline, outline[1:] + outline[:1], strict=True)
        assert all((b[0] - a[0]) * (lat - a[1]) - (b[1] - a[1]) * (lon - a[0]) > 0 for a, b in pairs)
