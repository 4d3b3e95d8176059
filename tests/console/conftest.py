"""A store filled with a sample of the public stream and findings on it, clients of every role, and a console that serves it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI

from clickhouse.client import connect
from clickhouse.migrate import migrate
from clickhouse.panels import MODULES
from clickhouse.reference import load_institutions
from clickhouse.settings import StoreSettings
from clickhouse.sink import Sink
from console.api import Sources, add_api
from console.app import reader
from console.boards import Boards
from console.store import Store
from detectors.backtest import open_settlements, run
from detectors.judge import Judge
from detectors.parameters import load_rules
from detectors.reference import Reference
from schemas.alert import Alert, Window, alert_id
from schemas.instants import Calendar
from schemas.settlement import Settlement, decode_settlement
from streams.access import issue_token, load_tokens

_SAMPLE = Path(__file__).parents[1] / "data"
_START_SECONDS = 60.0


@dataclass(frozen=True)
class City:
    """What is in the filled store."""

    settings: StoreSettings
    settlements: list[Settlement]
    alerts: list[Alert]

    @property
    def own(self) -> str:
        """An institution with findings of its own and findings it shares with others."""
        return self.alerts[-1].institutions[0]


@pytest.fixture(scope="session")
def city(clickhouse_url: str) -> City:
    settings = StoreSettings(clickhouse_url=clickhouse_url, clickhouse_database=f"t{uuid.uuid4().hex[:12]}")
    client = connect(settings)
    migrate(client)
    institutions, drugs = _SAMPLE / "public-sample.institutions.csv", _SAMPLE / "public-sample.drugs.csv"
    load_institutions(client, institutions)
    lines = list(open_settlements(_SAMPLE / "public-sample.jsonl.zst"))
    settlements = [decode_settlement(line) for line in lines]
    judged = run(lines, Judge(load_rules(), Reference.load(institutions, drugs), Calendar()))
    alerts = [*judged.alerts, *_findings_of_the_last_day(settlements)]
    sink = Sink(settings)
    sink.store(settlements=settlements, alerts=alerts)
    sink.refresh()
    sink.close()
    return City(settings, settlements, alerts)


def _findings_of_the_last_day(settlements: list[Settlement]) -> list[Alert]:
    """One finding per light on the latest documents, each on two institutions, and one that names a single institution."""
    last = sorted((one for one in settlements if one.kind == "SETTLE"), key=lambda one: (one.settled_at, one.event_id))[
        -12:
    ]
    pairs = [("red", last[0:3]), ("yellow", last[3:6]), ("green", last[6:9])]
    home = last[-1].institution_id
    shared = next(one for one in reversed(last) if one.institution_id != home)
    return [_finding(light, documents) for light, documents in pairs] + [
        _finding("yellow", [last[-1]]),
        _finding("red", [last[-1], shared], first=home),
    ]


def _finding(light: str, documents: list[Settlement], first: str = "") -> Alert:
    at = max(one.settled_at for one in documents)
    persons = sorted({one.person_id for one in documents})
    places = sorted({one.institution_id for one in documents}, key=lambda place: (place != first, place))
    return Alert(
        alert_id=alert_id("agent_buying.trace_code_reuse", 1, "drug_code", documents[0].event_id, light),
        revision=1,
        detector="agent_buying.trace_code_reuse",
        family="agent_buying",
        subject_type="drug_code",
        subject_id=f"8{documents[0].event_id[-12:]}",
        light=light,  # type: ignore[arg-type]
        score=0.9,
        raised_at=f"{at:%Y-%m-%d %H:%M:%S}",
        event_ids=[one.event_id for one in documents],
        persons=persons,
        institutions=places,
        window=Window(start=f"{at - timedelta(days=30):%Y-%m-%d %H:%M:%S}", end=f"{at:%Y-%m-%d %H:%M:%S}"),
        explanation=f"追溯码在 {'、'.join(places)} 结算 {len(documents)} 次，首次为 {persons[0]}",
        features={"settlements": len(documents), "first": persons[0]},
        rule_id="agent_buying.trace_code_reuse",
        rule_version=1,
        amount=sum((one.fund_paid for one in documents), Decimal("0.00")),
    )


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
