"""The Grafana wall page in a real browser, on a server that has its origin and shows stand-ins where Grafana shows dashboards."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.async_api import Page, async_playwright

import grafana
from clickhouse.panels import MODULES

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]
_WALL = Path(grafana.__file__).with_name("wall")
_TYPES = {".html": "text/html; charset=utf-8", ".css": "text/css", ".js": "text/javascript"}
_ARGUMENTS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip
_PATIENCE = 60_000  # milliseconds
_DASHBOARDS = [f"/grafana/d/fundwatch-{module}?kiosk" for module in MODULES]


@dataclass
class Origin:
    """What answers at one address: the page under /wall/, stand-ins under /grafana/; it can go away and come back."""

    asked: list[str] = field(default_factory=list)
    health: int = 200
    port: int = 0
    _server: ThreadingHTTPServer | None = None

    def start(self) -> None:
        origin = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                origin.asked.append(self.path)
                path = urlsplit(self.path).path
                if path.startswith("/grafana/d/"):
                    self._answer(200, _TYPES[".html"], f"<!doctype html><title>x</title><h1>{path}</h1>".encode())
                elif path == "/grafana/api/health":
                    self._answer(origin.health, "application/json", b'{"database": "ok"}')
                elif path.startswith("/wall/"):
                    file = _WALL / (path.removeprefix("/wall/") or "index.html")
                    self._answer(200, _TYPES[file.suffix], file.read_bytes())
                else:
                    self._answer(404, "text/plain", b"")

            def _answer(self, status: int, kind: str, body: bytes) -> None:
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  the base class names it
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def stop(self) -> None:
        if self._server:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    @property
    def wall(self) -> str:
        return f"http://127.0.0.1:{self.port}/wall/"

    def shown(self) -> list[str]:
        """Dashboards asked for, in order."""
        return [path for path in self.asked if path.startswith("/grafana/d/")]


class Watched:
    """A page, and what it asked for and complained about."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.hosts: set[str] = set()
        self.complaints: list[str] = []
        page.on("request", lambda request: self.hosts.add(urlsplit(request.url).netloc))
        page.on(
            "console",
            lambda message: self.complaints.append(message.text) if message.type in ("error", "warning") else None,
        )
        page.on("pageerror", lambda error: self.complaints.append(str(error)))

    async def link(self, state: str) -> None:
        await self.page.wait_for_selector(f".status[data-link={state}]", timeout=_PATIENCE)


@pytest.fixture
def origin() -> Iterator[Origin]:
    served = Origin()
    served.start()
    yield served
    served.stop()


@pytest.fixture
async def open_page(needs_chromium: Path) -> AsyncIterator[Callable[..., Any]]:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=str(needs_chromium), args=_ARGUMENTS)

        async def opened(url: str, width: int = 1920, height: int = 1080, at: str = "") -> Watched:
            context = await browser.new_context(
                viewport={"width": width, "height": height}, timezone_id="America/New_York", locale="en-US"
            )
            page = await context.new_page()
            if at:
                await page.clock.install(time=at)
            watched = Watched(page)
            await page.goto(url)
            return watched

        yield opened
        await browser.close()


async def test_the_frames_are_the_seven_dashboards_in_order_without_a_rhythm_of_their_own(
    open_page: Callable[..., Any], origin: Origin
) -> None:
    wall: Watched = await open_page(origin.wall)
    await wall.link("up")
    frames = await wall.page.eval_on_selector_all(
        "iframe", "all => all.map((one) => [one.getAttribute('src'), one.title])"
    )
    assert frames == [[path, module.title] for path, module in zip(_DASHBOARDS, MODULES.values(), strict=True)]
    assert sorted(origin.shown()) == sorted(_DASHBOARDS)
    assert not [path for path in origin.asked if "refresh=" in path]
    for name, module in MODULES.items():
        head = await wall.page.inner_text(f"[data-module={name}] .module-head")
        assert module.title in head
        assert (f"每 {module.refresh} 秒刷新" if module.refresh else "手动刷新") in head
    assert wall.hosts == {f"127.0.0.1:{origin.port}"}
    assert wall.complaints == []


@pytest.mark.parametrize("layout", ["single", "3x3"])
@pytest.mark.parametrize(("width", "height"), [(1920, 1080), (3840, 2160)])
async def test_nothing_overlaps_or_is_cut(
    open_page: Callable[..., Any], origin: Origin, layout: str, width: int, height: int
) -> None:
    wall: Watched = await open_page(f"{origin.wall}?layout={layout}", width, height)
    await wall.link("up")
    boxes: list[dict[str, float]] = await wall.page.eval_on_selector_all(
        ".wall > *", "all => all.map((one) => one.getBoundingClientRect().toJSON())"
    )
    assert len(boxes) == 9
    for number, box in enumerate(boxes):
        assert box["left"] >= 0
        assert box["top"] >= 0
        assert box["right"] <= width + 0.5
        assert box["bottom"] <= height + 0.5
        for other in boxes[:number]:
            assert (
                box["left"] >= other["right"] - 0.5
                or other["left"] >= box["right"] - 0.5
                or box["top"] >= other["bottom"] - 0.5
                or other["top"] >= box["bottom"] - 0.5
            )
    cut = await wall.page.eval_on_selector_all(
        "h1, h2, .module-rhythm, button, .clock, .status, .link-text",
        "all => all.filter((one) => one.scrollWidth > one.clientWidth + 1 && getComputedStyle(one).display !== 'inline')"
        ".map((one) => one.className || one.textContent)",
    )
    assert cut == []
    tiles = boxes[2:]
    if layout == "3x3":
        assert {(round(box["width"]), round(box["height"])) for box in boxes} == {(width // 3, height // 3)}
    else:
        assert min(box["width"] for box in tiles) > width / 4
    # a frame lays out for the usual screen and is drawn with the dots of this one
    inside = {frame.url: frame for frame in wall.page.frames if "/grafana/d/" in frame.url}
    assert len(inside) == 7
    for frame in inside.values():
        inner, ratio = await frame.evaluate("[innerWidth, devicePixelRatio]")
        assert 450 <= inner <= 970
        assert ratio == pytest.approx(max(1, width / (2880 if layout == "3x3" else 1920)), abs=0.01)


async def test_the_button_loads_the_trend_anew_and_nothing_else_also_by_keyboard(
    open_page: Callable[..., Any], origin: Origin
) -> None:
    wall: Watched = await open_page(origin.wall)
    await wall.link("up")
    await wall.page.wait_for_load_state("load")
    origin.asked.clear()
    button = wall.page.get_by_role("button", name="重新加载")
    async with wall.page.expect_request("**/d/fundwatch-trend?kiosk"):
        await button.click()
    for _ in range(100):
        if await button.evaluate("one => one === document.activeElement"):
            break
        await wall.page.keyboard.press("Tab")
    async with wall.page.expect_request("**/d/fundwatch-trend?kiosk"):
        await wall.page.keyboard.press("Enter")
    await wall.page.wait_for_load_state("networkidle")
    assert origin.shown() == ["/grafana/d/fundwatch-trend?kiosk"] * 2
    assert wall.complaints == []


async def test_all_that_can_be_used_is_reached_with_tab(open_page: Callable[..., Any], origin: Origin) -> None:
    wall: Watched = await open_page(origin.wall)
    await wall.link("up")
    reached: list[str] = []
    for _ in range(40):
        await wall.page.keyboard.press("Tab")
        name = await wall.page.evaluate(
            "(document.activeElement.title || document.activeElement.textContent).trim().slice(0, 20)"
        )
        if name in reached[:1]:
            break
        reached.append(name)
    assert {module.title for module in MODULES.values()} | {"重新加载", "单屏", "3×3 拼接屏"} <= set(reached)


async def test_the_clock_shows_the_fund_s_time_wherever_the_screen_is(
    open_page: Callable[..., Any], origin: Origin
) -> None:
    wall: Watched = await open_page(origin.wall, at="2025-06-30T16:05:09Z")
    await wall.page.wait_for_selector(".clock-time:has-text('00:05')", timeout=_PATIENCE)
    assert await wall.page.inner_text(".clock-date") == "2025年7月1日星期二"


async def test_a_grafana_that_goes_away_is_said_and_shown_again_when_it_is_back(
    open_page: Callable[..., Any], origin: Origin
) -> None:
    wall: Watched = await open_page(origin.wall)
    await wall.link("up")
    assert await wall.page.inner_text(".link-text") == "已连接"
    assert wall.complaints == []
    origin.stop()
    await wall.link("down")
    assert await wall.page.inner_text(".link-text") == "Grafana 连接中断"
    assert (await wall.page.inner_text(".link-note")).endswith("起")
    origin.health = 503
    origin.start()
    await wall.page.wait_for_selector(".link-text:has-text('Grafana 异常（503）')", timeout=_PATIENCE)
    origin.asked.clear()
    origin.health = 200
    await wall.link("up")
    await wall.page.wait_for_load_state("networkidle")
    assert sorted(origin.shown()) == sorted(_DASHBOARDS)
    assert not [text for text in wall.complaints if not text.startswith("Failed to load resource")]
