"""One faulty run: a demo on disturbed arrivals with processes killed, then everything it left compared with what must come out."""

from __future__ import annotations

import errno
import io
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
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
    data = folder / "data"
    tally, killed, left = _demo(arrivals, data, disturbance, *options)
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
        wrong.append(f"restarts: expected {len(killed)} or more, got {tally['restarts']}")
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
    arrivals: list[bytes], data: Path, disturbance: Disturbance, *options: str
) -> tuple[dict[str, Any], list[str], list[int]]:
    pipe, said = data.parent / "arrivals", data.parent / "said"
    os.mkfifo(pipe)
    command = [
        sys.executable, "-m", "fundwatch", "demo", "--input", str(pipe), "--speed", "max",
        "--duration", str(END_WITHIN), "--data-dir", str(data), *options,
    ]  # fmt: skip
    environment = {name: value for name, value in os.environ.items() if not name.startswith("FUNDWATCH_")}
    with said.open("wb") as output, (data.parent / "errors").open("wb") as errors:
        demo = subprocess.Popen(command, stdout=output, stderr=errors, env=environment)
    children: set[int] = set()
    killed: list[str] = []
    try:
        with _writing(pipe, demo) as file:
            children |= set(pids(data).values())
            written = 0
            for kill in disturbance.kills:
                reached = int(kill.at * len(arrivals))
                file.write(b"".join(line + b"\n" for line in arrivals[written:reached]))
                written = reached
                time.sleep(kill.delay)
                killed.append(kill.victim)
                children.add(_kill(demo, data, kill.victim))
            file.write(b"".join(line + b"\n" for line in arrivals[written:]))
        children |= set(pids(data).values())
        code = demo.wait(END_WITHIN + 60)
    except BrokenPipeError:
        code = demo.wait(END_WITHIN)
    finally:
        children |= set(pids(data).values())
        demo.kill()
        demo.wait()
    if code != 0:
        raise DifferenceError(f"the demo ended with {code}: {(data.parent / 'errors').read_text()[-2000:]}")
    tally = json.loads(said.read_text().splitlines()[-1])
    return tally, killed, [pid for pid in children if works_in(pid, data)]


@contextmanager
def _writing(pipe: Path, demo: subprocess.Popen[bytes]) -> Iterator[Any]:
    """The writing end of the pipe, which opens when the demo begins to read: the demo is ready then."""
    opened: list[int] = []

    def can_open() -> bool:
        if demo.poll() is not None:
            raise DifferenceError(f"the demo ended with {demo.returncode} before it was ready")
        try:
            opened.append(os.open(pipe, os.O_WRONLY | os.O_NONBLOCK))
        except OSError as error:
            if error.errno != errno.ENXIO:
                raise
        return bool(opened)

    _until(can_open, READY_WITHIN, "the demo was not ready")
    os.set_blocking(opened[0], True)
    with os.fdopen(opened[0], "wb", buffering=0) as raw, io.BufferedWriter(raw) as file:
        yield file


def _kill(demo: subprocess.Popen[bytes], data: Path, victim: str) -> int:
    """Kill a child as soon as there is one of that name, return when it is back; its process id."""
    found: list[int] = []

    def there() -> bool:
        found[:] = [pid for name, pid in pids(data).items() if name == victim]
        return bool(found) or demo.poll() is not None

    _until(there, READY_WITHIN, f"there was no {victim}")
    if not found:
        raise DifferenceError(f"the demo ended with {demo.returncode} before its input did")
    with suppress(ProcessLookupError):
        os.kill(found[0], signal.SIGKILL)
    _until(lambda: pids(data).get(victim, found[0]) != found[0], READY_WITHIN, f"{victim} was not started again")
    return found[0]


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
