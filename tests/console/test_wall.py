"""The wall in a real browser: seven modules with data, each at its own rate, the same numbers as the API, nothing from elsewhere."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from playwright.async_api import Page

from clickhouse.client import connect
from clickhouse.migrate import migrate
from clickhouse.panels import MODULES
from clickhouse.settings import StoreSettings
from clickhouse.sink import Sink
from console import words
from tests.console.conftest import LIVE, PATIENCE, VERSIONS, Console, Doors, Watched
from tests.fixtures_city import City
from tests.fixtures_clickhouse import EmbeddedServer

pytestmark = [pytest.mark.browser, pytest.mark.embedded, pytest.mark.timeout(180)]


async def _texts(page: Page, selector: str) -> list[str]:
    return [text.strip() for text in await page.locator(selector).all_inner_texts()]


@pytest.mark.parametrize(("width", "height"), [(1920, 1080), (3840, 2160)])
async def test_seven_modules_show_data_on_one_screen_from_this_console_only(
    open_page: Callable[..., Any], serving: tuple[Console, Doors], width: int, height: int
) -> None:
    console, _ = serving
    wall: Watched = await open_page(f"{console.url}/wall", width, height)
    await wall.page.wait_for_function(LIVE, timeout=PATIENCE)
    for module, about in MODULES.items():
        frame = wall.page.locator(f"[data-module={module}]")
        assert about.title in await frame.inner_text()
        box = await frame.bounding_box()
        assert box is not None
        assert box["width"] > width / 6
        assert box["x"] + box["width"] <= width
        assert box["y"] + box["height"] <= height
        drawn = await frame.locator("canvas").count()
        assert drawn > 0 or module == "feed"
    for module in ("feed", "map", "hospitals", "visits", "results"):
        assert await _texts(wall.page, f"[data-module={module}] tbody tr td")
    assert await wall.page.evaluate("document.documentElement.scrollHeight <= innerHeight")
    assert await wall.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    # every chart has painted something: a canvas of one colour is an empty one
    await wall.page.wait_for_function(
        """() => [...document.querySelectorAll('canvas')].every((canvas) => {
            const pixels = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;
            return pixels.some((value) => value !== 0);
        })""",
        timeout=PATIENCE,
    )
    assert wall.hosts == {urlsplit(console.url).netloc}
    assert wall.complaints == []


async def _versions(page: Page) -> dict[str, int]:
    versions: dict[str, int] = await page.evaluate(VERSIONS)
    return versions


async def _reach(page: Page, versions: dict[str, int]) -> None:
    """Wait until the wall shows these versions."""
    await page.wait_for_function(
        f"(wanted) => Object.entries(wanted).every(([module, version]) => ({VERSIONS})()[module] >= version)",
        arg=versions,
        timeout=PATIENCE,
    )


async def test_each_module_refreshes_at_its_own_rate_and_the_trend_when_asked(
    open_page: Callable[..., Any], serving: tuple[Console, Doors]
) -> None:
    console = serving[0]
    wall: Watched = await open_page(f"{console.url}/wall")
    page = wall.page
    await page.wait_for_function(LIVE, timeout=PATIENCE)
    rates = {module: about.refresh for module, about in MODULES.items() if about.refresh}
    console.pass_time(1_000)  # everything is due, so all rates count from the same moment
    start = await _versions(page)
    await _reach(page, {module: start[module] + 1 for module in rates})
    start = await _versions(page)
    for seconds in range(5, 65, 5):
        console.pass_time(5)
        await _reach(page, {module: start[module] + seconds // rate for module, rate in rates.items()})
    after = await _versions(page)
    assert {module: after[module] - start[module] for module in MODULES} == {
        "feed": 12, "map": 6, "audits": 6, "results": 4, "visits": 2, "hospitals": 1, "trend": 0,
    }  # fmt: skip
    await page.click("[data-module=trend] button")
    await _reach(page, {"trend": after["trend"] + 1})
    assert wall.complaints == []


async def test_many_walls_cost_the_store_as_much_as_one(
    open_page: Callable[..., Any], serving: tuple[Console, Doors]
) -> None:
    console = serving[0]
    walls = [await open_page(f"{console.url}/wall", 1280, 720) for _ in range(3)]
    for wall in walls:
        await wall.page.wait_for_function(LIVE, timeout=PATIENCE)
    before = await _versions(walls[0].page)
    reads = _reads_of_feed(console)
    console.pass_time(5)
    for wall in walls:
        await _reach(wall.page, {"feed": before["feed"] + 1})
    assert _reads_of_feed(console) == reads + 1


def _reads_of_feed(console: Console) -> float:
    told = httpx.get(f"{console.url}/metrics", timeout=60).text
    found = re.search(r'fundwatch_console_loads_total\{module="feed",outcome="read"\} ([\d.]+)', told)
    assert found
    return float(found[1])


async def test_the_numbers_are_those_of_the_api(open_page: Callable[..., Any], serving: tuple[Console, Doors]) -> None:
    console, doors = serving
    wall: Watched = await open_page(f"{console.url}/wall")
    await wall.page.wait_for_function(LIVE, timeout=PATIENCE)

    def rows(module: str) -> dict[str, list[dict[str, Any]]]:
        answer = httpx.get(f"{console.url}/api/panels/{module}", headers=doors.header("supervisor"), timeout=60)
        found: dict[str, list[dict[str, Any]]] = answer.json()["rows"]
        return found

    figures = rows("feed")["figures"][0]
    for name in ("settlements", "red", "yellow", "green"):
        assert (await _texts(wall.page, f"[data-figure={name}] .figure-value span"))[0] == f"{figures[name]:,}"
    first = rows("feed")["documents"][0]
    cells = await _texts(wall.page, "[data-module=feed] tbody tr:first-child td")
    assert cells[4:7] == [
        first["person"],
        f"{float(first['medfee_sumamt']):,.0f}",
        f"{float(first['fund_pay_sumamt']):,.0f}",
    ]
    ranked = rows("hospitals")["ranking"][0]
    cells = await _texts(wall.page, "[data-module=hospitals] .ranking tbody tr:first-child td")
    assert cells[:3] == [ranked["fixmedins_name"], words.short(ranked["fund"]), f"{ranked['outpatient_average']:,.0f}"]
    [audited] = rows("audits")["totals"]
    assert audited["asked"] > 0
    assert (await _texts(wall.page, "[data-module=audits] .fact-value"))[0] == f"{audited['asked']:,}"
    [found] = rows("results")["totals"]
    assert (await _texts(wall.page, "[data-module=results] .fact-value"))[0] == f"{found['agent_buying']:,}"
    ring = rows("results")["rings"][0]
    cells = await _texts(wall.page, "[data-module=results] tbody tr:first-child td")
    assert cells[1:4] == [
        words.word(words.SUBJECTS, ring["subject_type"]) + " " + ring["subject"],
        f"{ring['persons']:,}",
        f"{ring['institutions']:,}",
    ]
    place = next(row for row in rows("map")["institutions"] if row["light"])
    cells = await _texts(wall.page, "[data-module=map] tbody tr:first-child td")
    assert cells[1:] == [place["fixmedins_name"], f"{place['findings']:,}", f"{place['settlements']:,}"]
    frequent = rows("visits")["frequent"][0]
    cells = await _texts(wall.page, "[data-module=visits] tbody tr:first-child td")
    assert cells[:3] == [frequent["person"], f"{frequent['visits']:,}", f"{frequent['documents']:,}"]


async def test_no_page_shows_a_person(
    open_page: Callable[..., Any], serving: tuple[Console, Doors], city: City
) -> None:
    url = serving[0].url
    persons = {one.person_id for one in city.settlements}
    wall: Watched = await open_page(f"{url}/wall")
    await wall.page.wait_for_function(LIVE, timeout=PATIENCE)
    listed: Watched = await open_page(f"{url}/alerts")
    await listed.page.wait_for_selector("tbody tr td.wide", timeout=PATIENCE)
    one: Watched = await open_page(f"{url}/alerts/{city.alerts[-1].alert_id}")
    await one.page.wait_for_selector("tbody tr td", timeout=PATIENCE)
    for watched in (wall, listed, one):
        content = await watched.page.content()
        assert not [person for person in persons if person in content]
        assert watched.complaints == []
        assert watched.hosts == {urlsplit(url).netloc}


async def test_findings_are_filtered_and_opened(
    open_page: Callable[..., Any], serving: tuple[Console, Doors], city: City
) -> None:
    listed: Watched = await open_page(f"{serving[0].url}/alerts")
    page = listed.page
    await page.wait_for_selector("tbody tr td.wide", timeout=PATIENCE)
    await page.get_by_label("灯色").click()
    await page.get_by_role("option", name=re.compile("红灯")).click()
    red = [one for one in city.alerts if one.light == "red"]
    await page.wait_for_function(
        f"document.querySelectorAll('tbody tr td.wide').length === {len(red)}", timeout=PATIENCE
    )
    assert set(await _texts(page, "tbody .light")) == {"红"}
    await page.click("tbody tr:first-child")
    await page.wait_for_url("**/alerts/*", timeout=PATIENCE)
    await page.wait_for_selector(".desk-finding", timeout=PATIENCE)
    latest = max(red, key=lambda one: (one.raised_at, one.alert_id))
    assert latest.alert_id in await page.inner_text("main")
    assert words.without_persons(latest.explanation, latest.persons) in await page.inner_text("main")
    assert await page.locator("tbody tr").count() == len(latest.event_ids)
    await page.get_by_role("link", name="监控大屏").click()
    await page.wait_for_function(LIVE, timeout=PATIENCE)
    assert listed.complaints == []


async def test_a_store_that_hangs_is_said_and_got_over(
    open_page: Callable[..., Any],
    embedded_server: Callable[..., EmbeddedServer],
    start_console: Callable[..., Console],
    city: City,
    tmp_path: Path,
) -> None:
    server = embedded_server()
    settings = StoreSettings(clickhouse_url=server.url)
    migrate(connect(settings))
    sink = Sink(settings)
    sink.store(settlements=city.settlements[:200])
    sink.refresh()
    console = start_console(settings, None, tmp_path / "clock")
    wall: Watched = await open_page(f"{console.url}/wall")
    await wall.page.wait_for_function(LIVE, timeout=PATIENCE)
    os.kill(server.process.pid, signal.SIGSTOP)
    try:
        console.pass_time(5)
        await wall.page.wait_for_selector("[data-module=feed][data-state=broken]", timeout=PATIENCE)
        assert "数据中断" in await wall.page.inner_text("[data-module=feed]")
        assert await wall.page.locator("[data-module=trend][data-state=live]").count() == 1
    finally:
        os.kill(server.process.pid, signal.SIGCONT)
    console.pass_time(60)
    await wall.page.wait_for_function(LIVE, timeout=PATIENCE)
    assert wall.complaints == []
    assert "Traceback" not in console.output()
