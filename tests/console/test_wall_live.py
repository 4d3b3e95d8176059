"""The wall while a replay runs through the whole system: data in seven modules, nothing covered or cut."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from clickhouse_connect.driver.client import Client
from playwright.async_api import Page
from playwright.async_api import TimeoutError as NotReached

from clickhouse.client import connect
from clickhouse.panels import run_panel
from clickhouse.settings import StoreSettings
from detectors.backtest import open_settlements
from fundwatch.hospital import Hospital
from tests.console.conftest import LIVE, PATIENCE, Watched
from tests.fundwatch.test_demo import READY_WITHIN, running, until

pytestmark = [pytest.mark.browser, pytest.mark.embedded, pytest.mark.timeout(500)]
_SAMPLE = Path(__file__).parents[1] / "data"
_AT_ONCE = 2_400  # settlements that are there before anybody looks; the others come one by one
_PAUSE = 0.25  # seconds between those
_FILLED = """() => [
    ['feed', 'tbody tr'], ['map', 'tbody tr'], ['hospitals', '.ranking tbody tr'], ['visits', 'tbody tr'], ['results', 'tbody tr'],
    ['visits', '.fact-value'], ['results', '.fact-value'], ['trend', '.fact-value'], ['audits', '.fact-value'],
].every(([module, part]) => /[1-9]/.test(document.querySelector(`[data-module=${module}] ${part}`)?.textContent))
    && [...document.querySelectorAll('canvas')].every((canvas) =>
        canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data.some((value) => value !== 0))"""
_FAULTS = """() => {
    const faults = [];
    const name = (one) => `${one.dataset?.module ?? one.className} ${one.textContent.slice(0, 20)}`;
    const parts = [...document.querySelectorAll('.module, .figure, .wall-title, [data-clock], [data-link]')];
    const boxes = parts.map((part) => part.getBoundingClientRect());
    const beyond = (inner, outer) =>
        inner.left < outer.left - 1 || inner.top < outer.top - 1 || inner.right > outer.right + 1 || inner.bottom > outer.bottom + 1;
    parts.forEach((part, number) => {
        const box = boxes[number];
        if (beyond(box, new DOMRect(0, 0, innerWidth, innerHeight))) faults.push(`off the screen: ${name(part)}`);
        boxes.slice(0, number).forEach((other, index) => {
            if (Math.min(box.right, other.right) - Math.max(box.left, other.left) > 0.5
                && Math.min(box.bottom, other.bottom) - Math.max(box.top, other.top) > 0.5)
                faults.push(`on each other: ${name(part)}, ${name(parts[index])}`);
        });
        for (const one of part.querySelectorAll('*')) {
            const style = getComputedStyle(one), inner = one.getBoundingClientRect();
            if (style.visibility === 'hidden' || !inner.width || !inner.height) continue;
            // a table is longer than its place: rows that do not fit whole are hidden, each is looked at by itself
            if (!one.querySelector('tr') && beyond(inner, box)) faults.push(`outside of its part: ${name(one)}`);
            const says = [...one.childNodes].some((node) => node.nodeType === Node.TEXT_NODE && node.textContent.trim());
            const wide = style.textOverflow !== 'ellipsis' && one.scrollWidth > one.clientWidth + 1;
            const high = style.overflowY !== 'visible' && one.scrollHeight > one.clientHeight + 1;
            if (says && style.display !== 'inline' && (wide || high)) faults.push(`cut: ${name(one)}`);
        }
    });
    return faults;
}"""


@pytest.fixture(scope="module")
def replay(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a demo that is told the public sample through a pipe, while its hospital asks about every fourth bill."""
    folder = tmp_path_factory.mktemp("replay")
    pipe, data, ended = folder / "arrivals", folder / "data", threading.Event()
    os.mkfifo(pipe)
    lines = [line + b"\n" for line in open_settlements(_SAMPLE / "public-sample.jsonl.zst")]

    def tell(hospital: Hospital) -> None:
        with suppress(BrokenPipeError), pipe.open("wb", buffering=0) as arrivals:
            arrivals.write(b"".join(lines[:_AT_ONCE]))
            for line in lines[_AT_ONCE:]:
                if ended.wait(_PAUSE):
                    return
                hospital.hear(line)
                arrivals.write(line)
            ended.wait()

    references = [
        part for name in ("institutions", "drugs") for part in (f"--{name}", str(_SAMPLE / f"public-sample.{name}.csv"))
    ]
    with running(data, "--input", str(pipe), "--speed", "max", *references):
        told = json.loads((data / "demo.json").read_text())
        hospital = Hospital(told["gateway"], told["tokens"]["his"], told["his_fixmedins_code"])
        telling = threading.Thread(target=tell, args=(hospital,), daemon=True)
        hospital.start()
        telling.start()
        client = connect(StoreSettings(clickhouse_url=told["clickhouse"]))
        # the trend is read when the wall is opened and then no more
        assert until(lambda: _judged(client), 2 * READY_WITHIN)
        yield told["console"]
        ended.set()
        telling.join(10)
        hospital.stop()


def _judged(client: Client) -> bool:
    """Whether every module has something to show."""
    months, found = run_panel(client, "trend")["months"], run_panel(client, "results")
    return bool(months and found["rings"] and run_panel(client, "audits")["totals"][0]["asked"])


async def _opened(open_page: Callable[..., Any], url: str, *size: int) -> Watched:
    """The wall once every module shows data."""
    wall: Watched = await open_page(url, *size)
    await wall.page.wait_for_function(LIVE, timeout=PATIENCE)
    await wall.page.wait_for_function(_FILLED, polling=500, timeout=PATIENCE)
    return wall


async def _nothing_covered_or_cut(page: Page) -> None:
    try:
        await page.wait_for_function(f"({_FAULTS})().length === 0", polling=500, timeout=PATIENCE / 6)
    except NotReached:
        assert await page.evaluate(_FAULTS) == []


@pytest.mark.parametrize(
    ("layout", "width", "height"),
    [("", 1920, 1080), ("", 3840, 2160), ("?layout=3x3", 3840, 2160), ("?layout=3x3", 5760, 3240)],
)
async def test_seven_modules_with_data_and_nothing_covered_or_cut(
    open_page: Callable[..., Any], replay: str, layout: str, width: int, height: int
) -> None:
    wall = await _opened(open_page, f"{replay}/wall{layout}", width, height)
    await _nothing_covered_or_cut(wall.page)
    tiles: list[dict[str, float]] = await wall.page.eval_on_selector_all(
        ".module", "all => all.map((one) => one.getBoundingClientRect().toJSON())"
    )
    if layout:  # no tile crosses the seam between two screens
        assert {(round(tile["width"]), round(tile["height"])) for tile in tiles} == {(width // 3, height // 3)}
        assert all(tile[side] * 3 % size < 3 for tile in tiles for side, size in (("left", width), ("top", height)))
    assert await wall.page.get_by_text("已连接").is_visible()
    assert wall.hosts == {urlsplit(replay).netloc}
    assert wall.complaints == []
