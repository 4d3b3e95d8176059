"""Clients of every role, and a console that serves the filled store."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from fastapi import FastAPI
from playwright.async_api import Page, async_playwright

from clickhouse.panels import MODULES
from clickhouse.settings import StoreSettings
from console.api import Sources, add_api
from console.app import reader
from console.boards import Boards
from console.store import Store
from streams.access import issue_token, load_tokens
from tests.fixtures_city import City

_START_SECONDS = 60.0
_ARGUMENTS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip
PATIENCE = 60_000  # milliseconds
LIVE = "document.querySelectorAll('[data-module][data-state=live]').length === 7"
"""True in a page once all modules were drawn."""
VERSIONS = """() => Object.fromEntries([...document.querySelectorAll('[data-module]')]
    .map((module) => [module.dataset.module, Number(module.dataset.version)]))"""
"""How often each module was read, by its name."""


@dataclass(frozen=True)
class Doors:
    """A tokens file with one client per role, and the token of each."""

    path: Path
    tokens: dict[str, str]

    def header(self, role: str) -> dict[str, str]:
        return {"authorization": f"Bearer {self.tokens[role]}"}


@pytest.fixture
def doors(tmp_path: Path, city: City) -> Doors:
    return make_doors(tmp_path / "tokens.toml", city)


def make_doors(path: Path, city: City) -> Doors:
    tokens = {role: issue_token(path, name=role, role=role) for role in ("supervisor", "oncall", "admin")}  # type: ignore[arg-type]
    tokens["office"] = issue_token(path, name="office", role="office", institution_id=city.own)
    tokens["his"] = issue_token(path, name="his", role="his", institution_id=city.own)
    return Doors(path, tokens)


@pytest.fixture
def make_api() -> Callable[[StoreSettings, Path | None], FastAPI]:
    """The API alone, without pages: ``make_api(store_settings, tokens_file)``."""

    def make(settings: StoreSettings, tokens: Path | None) -> FastAPI:
        app = FastAPI()
        store = Store(settings)
        boards = Boards(reader(store), {name: module.refresh for name, module in MODULES.items()})
        add_api(app, Sources(store, boards, load_tokens(tokens) if tokens else None))
        return app

    return make


@pytest.fixture
async def api(
    city: City, doors: Doors, make_api: Callable[[StoreSettings, Path | None], FastAPI]
) -> AsyncIterator[httpx.AsyncClient]:
    app = make_api(city.settings, doors.path)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://console") as client:
        yield client


@dataclass
class Console:
    """A console process: its address, what it wrote, and its clock if the test holds it."""

    process: subprocess.Popen[str]
    clock: Path | None = None
    lines: list[str] = field(default_factory=list)
    url: str = ""

    def read(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout as output:
            for line in output:
                self.lines.append(line)
                if found := re.search(r"console\.listening.*?port\W+(\d+)", re.sub(r"\x1b\[\d*m", "", line)):
                    self.url = f"http://127.0.0.1:{found[1]}"

    def pass_time(self, seconds: float) -> None:
        """Move the held clock on."""
        assert self.clock is not None
        moved = self.clock.with_suffix(".next")
        moved.write_text(str(float(self.clock.read_text()) + seconds))
        moved.replace(self.clock)

    def output(self) -> str:
        return "".join(self.lines)


@pytest.fixture(scope="session")
def start_console() -> Iterator[Callable[..., Console]]:
    """Starts console processes: ``start_console(store_settings, tokens_file, clock)``; with a ``clock`` file the test moves the time."""
    started: list[tuple[Console, threading.Thread]] = []

    def start(settings: StoreSettings, tokens: Path | None, clock: Path | None = None) -> Console:
        if clock is not None:
            clock.write_text("1000")
        environment = os.environ | {
            "FUNDWATCH_CLICKHOUSE_URL": settings.clickhouse_url,
            "FUNDWATCH_CLICKHOUSE_DATABASE": settings.clickhouse_database,
            "FUNDWATCH_CONSOLE_PORT": "0",
            "FUNDWATCH_TOKENS": str(tokens or ""),
        }
        console = Console(
            subprocess.Popen(
                [sys.executable, str(Path(__file__).with_name("serving.py")), *([str(clock)] if clock else [])],
                env=environment,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            ),
            clock,
        )
        reading = threading.Thread(target=console.read, daemon=True)
        reading.start()
        started.append((console, reading))
        deadline = time.monotonic() + _START_SECONDS
        while not _answers(console):
            assert console.process.poll() is None, console.output()
            assert time.monotonic() < deadline, console.output()
            time.sleep(0.05)
        return console

    yield start
    for console, reading in started:
        console.process.terminate()
        try:
            console.process.wait(20)
        except subprocess.TimeoutExpired:
            console.process.kill()
            console.process.wait()
        reading.join(10)


def _answers(console: Console) -> bool:
    try:
        return bool(console.url) and httpx.get(f"{console.url}/healthz").is_success
    except httpx.TransportError:
        return False


@pytest.fixture(scope="session")
def serving(
    city: City, start_console: Callable[..., Console], tmp_path_factory: pytest.TempPathFactory
) -> tuple[Console, Doors]:
    """A console on the filled store whose clock the tests move."""
    folder = tmp_path_factory.mktemp("console")
    doors = make_doors(folder / "tokens.toml", city)
    return start_console(city.settings, doors.path, folder / "clock"), doors


class Watched:
    """A page, and what it asked for and complained about."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.hosts: set[str] = set()
        self.complaints: list[str] = []
        page.on("request", lambda request: self.hosts.add(urlsplit(request.url).netloc))
        page.on("websocket", lambda socket: self.hosts.add(urlsplit(socket.url).netloc))
        page.on(
            "console",
            lambda message: self.complaints.append(message.text) if message.type in ("error", "warning") else None,
        )
        page.on("pageerror", lambda error: self.complaints.append(str(error)))


@pytest.fixture
async def open_page(needs_chromium: Path) -> AsyncIterator[Callable[..., Any]]:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=str(needs_chromium), args=_ARGUMENTS)

        async def opened(url: str, width: int = 1920, height: int = 1080) -> Watched:
            watched = Watched(await browser.new_page(viewport={"width": width, "height": height}))
            await watched.page.goto(url)
            return watched

        yield opened
        await browser.close()
