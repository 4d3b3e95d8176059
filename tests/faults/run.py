"""One faulty run: a demo on disturbed arrivals with processes killed, then everything it left compared with what must come out."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import psutil

from clickhouse.client import connect
from clickhouse.settings import StoreSettings
from streams.machine import LOOPBACK, free_port
from tests.faults.disturbance import Disturbance
from tests.faults.oracle import Cell, Expected, Figures

READY_WITHIN = 120.0
END_WITHIN = 240.0


class DifferenceError(AssertionError):
    """What came out is not what must come out."""


@dataclass
class Outcome:
    """What a run did, for the report."""

    tally: dict[str, Any]
    killed: list[str] = field(default_factory=list)


def run_disturbed(
    disturbance: Disturbance, arrivals: list[bytes], want: Expected, folder: Path, *options: str
) -> Outcome:
    """Run the demo on these arrivals and kill as the disturbance says; raises DifferenceError with every difference found."""
    file = folder / "arrivals.jsonl"
    file.write_bytes(b"".join(line + b"\n" for line in arrivals))
    data = folder / "data"
    tally, killed, left = _demo(file, data, disturbance, *options)
    wrong = [f"process {pid} is left over" for pid in left]
    promised = {
        "settlements_published": len(arrivals),
        "settlements_scored": len(arrivals) - disturbance.broken,
        "settlements_stored": want.stored,
        "dead_letters": disturbance.broken,
        "consumer_lag": 0,
        "alerts": want.alerts,
        "alerts_sha256": want.alerts_sha256,
    }
    wrong += [
        f"{name}: expected {value}, got {tally[name]}" for name, value in promised.items() if tally[name] != value
    ]
    if tally["restarts"] < len(killed):
        wrong.append(f"restarts: expected at least {len(killed)}, got {tally['restarts']}")
    with store_of(data) as client:
        shown = panel_cells(client)
        raw = client.query("SELECT count(), uniqExact(event_id) FROM settlements").result_rows[0]
    wrong += [f"fundwatch.settlements: {raw[0]} rows of {raw[1]} events"] * (raw[0] != raw[1])
    wrong += [
        f"panel hour {key}: expected {want.cells.get(key)}, got {shown.get(key)}"
        for key in sorted(want.cells.keys() | shown.keys())
        if want.cells.get(key) != shown.get(key)
    ][:5]
    if wrong:
        raise DifferenceError("\n".join(wrong))
    return Outcome(tally, killed)


@contextmanager
def store_of(data: Path) -> Iterator[Any]:
    """A client on the store a demo left in its data folder."""
    port = free_port()
    server = subprocess.Popen(
        [sys.executable, "-m", "clickhouse.embedded", "--data-dir", str(data / "clickhouse"), "--port", str(port)],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    url = f"http://{LOOPBACK}:{port}"
    try:
        _until(lambda: _pings(url), READY_WITHIN, "the embedded ClickHouse did not answer")
        yield connect(StoreSettings(clickhouse_url=url))
    finally:
        server.terminate()
        server.wait(30)


def panel_cells(client: Any) -> dict[Cell, Figures]:
    """What the panels read, in the oracle's form."""
    rows = client.query(
        "SELECT toString(hour), mdtrtarea_admvs, fixmedins_code, med_type, events, settlements, reversals, fee, fund"
        " FROM panel_hourly FINAL"
    ).result_rows
    return {(row[0], row[1], row[2], row[3]): (row[4], row[5], row[6], row[7], row[8]) for row in rows}


def _demo(
    file: Path, data: Path, disturbance: Disturbance, *options: str
) -> tuple[dict[str, Any], list[str], list[int]]:
    command = [
        sys.executable, "-m", "fundwatch", "demo", "--input", str(file), "--speed", "max",
        "--duration", str(END_WITHIN), "--data-dir", str(data), *options,
    ]  # fmt: skip
    environment = {name: value for name, value in os.environ.items() if not name.startswith("FUNDWATCH_")}
    with (data.parent / "stderr").open("wb") as errors:
        demo = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True, env=environment)
    lines: list[str] = []
    ready = threading.Event()

    def read() -> None:
        assert demo.stdout is not None
        for line in demo.stdout:
            lines.append(line)
            ready.set()
        ready.set()

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    children: set[int] = set()
    killed: list[str] = []
    try:
        if not ready.wait(READY_WITHIN) or not lines or not lines[0].startswith("ready "):
            raise DifferenceError(f"the demo did not become ready: {lines} {(data.parent / 'stderr').read_text()[-2000:]}")
        for kill in disturbance.kills:
            pid = _wait_for(demo, data, kill.victim, kill.after)
            if pid is None:
                break
            children.add(pid)
            with _gone():
                os.kill(pid, signal.SIGKILL)
                killed.append(kill.victim)
                _until(
                    lambda old=pid, name=kill.victim: demo.poll() is not None or pids(data).get(name, old) != old,
                    READY_WITHIN, f"{kill.victim} was not started again",
                )  # fmt: skip
        children |= set(pids(data).values())
        code = demo.wait(END_WITHIN + 60)
        reader.join(10)
    finally:
        children |= set(pids(data).values())
        demo.kill()
        demo.wait()
    if code != 0:
        raise DifferenceError(f"the demo ended with {code}: {(data.parent / 'stderr').read_text()[-2000:]}")
    return json.loads(lines[-1]), killed, [pid for pid in children if works_in(pid, data)]


def pids(data: Path) -> dict[str, int]:
    """The children as ``demo.json`` tells them now."""
    try:
        return dict(json.loads((data / "demo.json").read_text())["pids"])
    except (OSError, ValueError):
        return {}


def works_in(pid: int, data: Path) -> bool:
    """Whether a process is alive and belongs to the demo in this folder (ids are used again)."""
    try:
        process = psutil.Process(pid)
        return process.status() != psutil.STATUS_ZOMBIE and str(data) in " ".join(
            [*process.cmdline(), *process.environ().values()]
        )
    except psutil.Error:
        return False


def _wait_for(demo: subprocess.Popen[str], data: Path, victim: str, after: float) -> int | None:
    """The victim's process id ``after`` seconds from now; None when the demo ended before."""
    until = time.monotonic() + after
    while demo.poll() is None:
        pid = pids(data).get(victim)
        if time.monotonic() >= until and pid is not None:
            return pid
        time.sleep(0.01)
    return None


@contextmanager
def _gone() -> Iterator[None]:
    """A victim that ended by itself a moment ago is no fault of the run."""
    try:
        yield
    except ProcessLookupError:
        return


def _pings(url: str) -> bool:
    try:
        return httpx.get(f"{url}/ping", timeout=2).status_code == 200
    except httpx.HTTPError:
        return False


def _until(answered: Any, within: float, otherwise: str) -> None:
    deadline = time.monotonic() + within
    while not answered():
        if time.monotonic() > deadline:
            raise DifferenceError(f"{otherwise} within {within:.0f} s")
        time.sleep(0.02)
