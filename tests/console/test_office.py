"""An office at every path of the interface, and signed in at its wall: what another institution does changes nothing it is shown."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from playwright.async_api import async_playwright

from clickhouse.panels import MODULES
from clickhouse.settings import StoreSettings
from streams.access import issue_token
from tests.console.conftest import Console
from tests.fixtures_office import BOTH, OTHER, OWN, World

pytestmark = pytest.mark.embedded
PATHS = {
    "/api/panels/{module}": [f"/api/panels/{module}" for module in MODULES],
    "/api/alerts": ["/api/alerts", f"/api/alerts?subject={OTHER}", f"/api/alerts?subject={OTHER}-T1", f"/api/alerts?subject={BOTH}"],
    "/api/alerts/{alert_id}": [f"/api/alerts/{number:032x}" for number in range(1, 8)],
}  # fmt: skip
"""Every path an office may read, and what it may ask there. A new path says here how it keeps to the reader's institution."""


@pytest.fixture
async def clients(
    worlds: tuple[World, World], tmp_path: Path, make_api: Callable[[StoreSettings, Path | None], FastAPI]
) -> AsyncIterator[list[httpx.AsyncClient]]:
    token = issue_token(tmp_path / "tokens.toml", name="office", role="office", institution_id=OWN)
    async with AsyncExitStack() as stack:
        yield [
            await stack.enter_async_context(
                httpx.AsyncClient(
                    transport=httpx.ASGITransport(make_api(world.settings, tmp_path / "tokens.toml")),
                    base_url="http://console",
                    headers={"authorization": f"Bearer {token}"},
                )
            )
            for world in worlds
        ]


async def asked(client: httpx.AsyncClient, path: str) -> httpx.Response:
    """The answer, on a machine so busy that the store needs longer than the console is patient."""
    deadline = time.monotonic() + 120
    while (answer := await client.get(path)).status_code == 503 and time.monotonic() < deadline:
        await asyncio.sleep(0.2)
    return answer


def without_clocks(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: without_clocks(v) for k, v in value.items() if k not in ("loaded_at", "delay_seconds", "stored_at")}
    return [without_clocks(one) for one in value] if isinstance(value, list) else value


def texts(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for one in value.values():
            yield from texts(one)
    elif isinstance(value, list):
        for one in value:
            yield from texts(one)
    else:
        yield str(value)


async def test_every_path_is_looked_at(clients: list[httpx.AsyncClient]) -> None:
    document = (await clients[0].get("/openapi.json")).json()
    assert {
        path for path, methods in document["paths"].items() if "get" in methods and path.startswith("/api/")
    } == set(PATHS)


@pytest.mark.parametrize("path", [path for paths in PATHS.values() for path in paths])
async def test_an_office_reads_the_same_whatever_others_do(
    path: str, clients: list[httpx.AsyncClient], worlds: tuple[World, World]
) -> None:
    answers = [await asked(client, path) for client in clients]
    assert answers[0].status_code == answers[1].status_code
    assert answers[0].status_code in (200, 404)
    told = [without_clocks(answer.json()) for answer in answers]
    assert told[0] == told[1]
    for world, answer in zip(worlds, told, strict=True):
        shown = json.dumps(list(texts(answer)), ensure_ascii=False)
        assert not [mark for mark in world.marks if mark in shown], shown


async def test_an_office_reads_its_own(clients: list[httpx.AsyncClient]) -> None:
    assert [one["alert_id"][-1] for one in (await clients[0].get("/api/alerts")).json()["alerts"]] == list("54321")
    for number, status in ((1, 200), (4, 200), (6, 404), (7, 404)):
        assert (await clients[0].get(f"/api/alerts/{number:032x}")).status_code == status
    [row] = (await clients[0].get("/api/panels/map")).json()["rows"]["institutions"]
    assert row["fixmedins_code"] == OWN


@dataclass
class Office:
    """A console that knows no near network, and an office's token."""

    console: Console
    tokens: Path
    token: str

    def visit(self) -> httpx.Client:
        return httpx.Client(base_url=self.console.url, headers={"origin": self.console.url})


@pytest.fixture(scope="module")
def far_console(
    worlds: tuple[World, World], start_console: Callable[..., Console], tmp_path_factory: pytest.TempPathFactory
) -> tuple[Console, Path]:
    tokens = tmp_path_factory.mktemp("far") / "tokens.toml"
    tokens.write_text("")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FUNDWATCH_CONSOLE_NETWORKS", "192.0.2.0/24")
        return start_console(worlds[0].settings, tokens), tokens


@pytest.fixture
def office(far_console: tuple[Console, Path]) -> Office:
    console, tokens = far_console
    tokens.write_text("")
    return Office(console, tokens, issue_token(tokens, name="office", role="office", institution_id=OWN))


def test_an_office_signs_in_and_opens_its_wall_and_no_other_page(office: Office) -> None:
    with office.visit() as visitor:
        assert visitor.get("/wall").status_code == 403
        assert visitor.get("/office").status_code == 200
        assert visitor.get("/assets/console.css").status_code == 200
        entered = visitor.post("/office", data={"token": office.token})
        assert (entered.status_code, entered.headers["location"]) == (303, "/wall")
        cookie = entered.headers["set-cookie"].lower()
        assert "httponly" in cookie
        assert "samesite=strict" in cookie
        assert office.token not in entered.headers["set-cookie"]
        assert visitor.get("/wall").status_code == 200
        for page in ("/alerts", f"/alerts/{2:032x}", "/docs", "/"):
            assert visitor.get(page).status_code == 403, page
        assert visitor.post("/office/leave").status_code == 303
        assert visitor.get("/wall", headers={"cookie": cookie.split(";")[0]}).status_code == 403


def test_a_cookie_can_be_made_secure_and_not_open(office: Office) -> None:
    with office.visit() as visitor:
        entered = visitor.post("/office", data={"token": office.token}, headers={"x-forwarded-proto": "https"})
        assert "secure" in entered.headers["set-cookie"].lower()


@pytest.mark.parametrize("token", ["", "fw_unknown", "x" * 5_000, "the supervisor's"])
def test_nobody_else_is_let_in(office: Office, token: str) -> None:
    if token == "the supervisor's":
        token = issue_token(office.tokens, name="supervisor", role="supervisor")
    with office.visit() as visitor:
        assert visitor.post("/office", data={"token": token}).status_code in (401, 413)
        assert visitor.get("/wall").status_code == 403


def test_another_site_cannot_sign_a_browser_in(office: Office) -> None:
    with office.visit() as visitor:
        foreign = visitor.post("/office", data={"token": office.token}, headers={"origin": "http://elsewhere.example"})
        assert foreign.status_code == 403


def test_a_withdrawn_token_ends_its_sessions(office: Office) -> None:
    with office.visit() as visitor:
        visitor.post("/office", data={"token": office.token})
        assert visitor.get("/wall").status_code == 200
        office.tokens.write_text("")
        assert visitor.get("/wall").status_code == 403


@pytest.mark.browser
@pytest.mark.timeout(240)
async def test_an_office_sees_seven_modules_of_its_own(
    office: Office, worlds: tuple[World, World], needs_chromium: Path
) -> None:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=str(needs_chromium), args=["--no-sandbox"])
        page = await browser.new_page(viewport={"width": 1920, "height": 1080})
        frames: list[str] = []
        page.on("websocket", lambda socket: socket.on("framereceived", lambda frame: frames.append(str(frame))))
        await page.goto(f"{office.console.url}/office")
        await page.fill("input[name=token]", office.token)
        await page.click("form[action='/office'] button")
        await page.wait_for_function(
            "document.querySelectorAll('[data-module][data-state=live]').length === 7", timeout=90_000
        )
        shown = await page.content() + "".join(frames)
        assert OWN in shown
        assert not [mark for mark in worlds[0].marks if mark in shown]
        office.tokens.write_text("")
        await page.wait_for_function("location.pathname === '/office'", timeout=90_000)
        await browser.close()
