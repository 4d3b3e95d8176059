"""The history of audits under faults: ``python -m tests.faults.audits --requests 10000``.

A demo is given the sample and kept running. Every bill is asked about once in peace; then the same bills are asked about again and again,
each with a message of its own, some messages sent twice, while the worker is killed, paused and the gateway killed. Afterwards:

- every request was answered exactly once, decided or ``undecided``, or its connection ended because the gateway was killed;
- a decided answer says what was said in peace; the same message got the same answer;
- what is kept has every answered message once, with the answer that was given;
- after the last fault answers are decided again; how long that took is printed.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import orjson

from clickhouse.client import connect
from clickhouse.settings import StoreSettings
from detectors.backtest import open_settlements
from fundwatch.progress import Progress
from schemas.topics import SETTLEMENTS, Topics
from streams.simulator.audits import audit_request
from tests.faults.run import READY_WITHIN, DifferenceError, _until, _writing, pids

DATA = Path(__file__).parents[1] / "data"
BILLS = 200
RATE = 40.0
PATIENCE = 20.0
CONNECTIONS = 64
FAULTS = ("kill worker", "pause worker", "kill gateway", "pause worker", "kill worker")
PAUSE = 2.5
KEPT_WITHIN = 60.0


@dataclass
class History:
    """What came of every message: its answers as (seconds, found rules with their words, or None for undecided)."""

    answers: dict[str, list[tuple[float, Any]]] = field(default_factory=dict)
    broken: dict[str, str] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)


@dataclass
class Outcome:
    """For the report."""

    requests: int
    undecided: int
    broken: int
    longest: float
    """Seconds of the longest answer, from sent to read."""
    back_after: dict[str, float]
    """Seconds from the end of each fault to the first decided answer after it."""


def run(requests: int, seed: int, folder: Path, *, faults: tuple[str, ...] = FAULTS) -> Outcome:
    """One run; raises DifferenceError with everything that is not as it must be."""
    chance = random.Random(seed)
    lines = list(open_settlements(DATA / "public-sample.jsonl.zst"))
    events = [orjson.loads(line) for line in lines]
    settles = [event for event in events if event["event_type"] == "SETTLE" and event["lines"]]
    # the last bills of the sample: their persons have a history, and nothing comes after them
    bills = chance.sample(settles[-10 * BILLS :], BILLS)
    data, pipe = folder / "data", folder / "arrivals"
    os.mkfifo(pipe)
    command = [
        sys.executable, "-m", "fundwatch", "demo", "--input", str(pipe), "--speed", "max", "--data-dir", str(data),
        "--institutions", str(DATA / "public-sample.institutions.csv"), "--drugs", str(DATA / "public-sample.drugs.csv"),
    ]  # fmt: skip
    environment = {name: value for name, value in os.environ.items() if not name.startswith("FUNDWATCH_")}
    environment["FUNDWATCH_GATEWAY_RATE"] = "10000"
    with (folder / "said").open("wb") as output, (folder / "errors").open("wb") as errors:
        demo = subprocess.Popen(command, stdout=output, stderr=errors, env=environment)
    try:
        with _writing(pipe, demo) as file:
            file.write(b"".join(line + b"\n" for line in lines))
            file.flush()
            told = json.loads((data / "demo.json").read_text())
            progress = Progress(told["kafka"], Topics())
            _until(lambda: progress.lag(SETTLEMENTS).committed >= len(lines), READY_WITHIN, "the sample was not judged")
            outcome, history = asyncio.run(_ask_all(told, bills, requests, chance, data, faults))
            wrong = history.wrong + _compare_kept(told["clickhouse"], history)
            if wrong:
                raise DifferenceError("\n".join(wrong[:20]))
        demo.send_signal(signal.SIGTERM)
        if demo.wait(60) != 0:
            raise DifferenceError(f"the demo ended with {demo.returncode}: {(folder / 'errors').read_text()[-2000:]}")
    finally:
        demo.kill()
        demo.wait()
    return outcome


async def _ask_all(
    told: dict[str, Any], bills: list[dict[str, Any]], requests: int, chance: random.Random, data: Path, faults: tuple[str, ...]
) -> tuple[Outcome, History]:  # fmt: skip
    history = History()
    now = max(datetime.fromisoformat(bill["setl_time"]) for bill in bills)
    institution = told["his_fixmedins_code"]
    headers = {"Authorization": f"Bearer {told['tokens']['his']}"}
    limits = httpx.Limits(max_connections=CONNECTIONS, max_keepalive_connections=CONNECTIONS)
    # waiting for a connection of our own is no fault of the service
    patience = httpx.Timeout(PATIENCE, pool=None)
    decided_at: list[float] = []

    async with httpx.AsyncClient(base_url=told["gateway"], headers=headers, limits=limits, timeout=patience) as client:

        async def ask(bill: int, number: int) -> Any:
            body = audit_request(bills[bill], number % 10_000, institution_id=institution, at=str(now))
            # beyond 10,000 numbers only the message is of another second: what it asks about stays as in peace
            sent = now + timedelta(seconds=number // 10_000)
            body["msgid"] = f"{institution[:12]:0<12}{sent:%Y%m%d%H%M%S}{body['msgid'][-4:]}"
            try:
                response = await client.post("/api/3102", json=body)
            except httpx.HTTPError as error:
                history.broken[body["msgid"]] = repr(error)
                return None
            took = response.elapsed.total_seconds()
            reply = response.json()
            if response.status_code != 200 or reply["infcode"] != 0:
                history.wrong.append(f"{body['msgid']}: {response.status_code} {str(reply)[:200]}")
                return None
            found = None if reply["output"].get("undecided") else _found(reply)
            if found is not None:
                decided_at.append(time.monotonic())
            history.answers.setdefault(body["msgid"], []).append((took, found))
            return found

        calm: list[Any] = []
        for bill in range(len(bills)):
            found = await ask(bill, bill)
            if found is None:
                raise DifferenceError(f"bill {bill} was not decided in peace: {history.wrong or history.broken}")
            calm.append(found)

        tasks: list[asyncio.Task[Any]] = []

        async def one(number: int) -> None:
            bill = number % len(bills)
            found = await ask(bill, number)
            if found is not None and found != calm[bill]:
                history.wrong.append(f"bill {bill}, message {number}: expected {calm[bill]}, got {found}")

        faulting = asyncio.create_task(_disturb(faults, requests / RATE, data))
        started = time.monotonic()
        for number in range(len(bills), len(bills) + requests):
            due = started + (number - len(bills)) / RATE
            if (ahead := due - time.monotonic()) > 0:
                await asyncio.sleep(ahead)
            tasks.append(asyncio.create_task(one(number)))
            if chance.random() < 0.05:
                tasks.append(asyncio.create_task(one(number)))
        await asyncio.gather(*tasks)
        ended = await faulting
        # after the last fault all is decided again
        deadline = time.monotonic() + READY_WITHIN
        number = len(bills) + requests
        while await ask(number % len(bills), number) is None:
            number += 1
            if time.monotonic() > deadline:
                history.wrong.append(f"nothing was decided within {READY_WITHIN:.0f} s of the last fault")
                break
            await asyncio.sleep(0.2)

    for msgid, answers in history.answers.items():
        if len({json.dumps(found, sort_keys=True) for _, found in answers}) > 1:
            history.wrong.append(f"{msgid}: answered {len(answers)} times, not the same each time")
    back = {
        f"{place + 1} {fault}": round(min((at for at in decided_at if at >= over), default=float("inf")) - over, 2)
        for place, (fault, over) in enumerate(ended)
    }
    everything = [answer for answers in history.answers.values() for answer in answers]
    undecided = sum(found is None for _, found in everything)
    return Outcome(
        len(everything) + len(history.broken), undecided, len(history.broken), max(took for took, _ in everything), back
    ), history


async def _disturb(faults: tuple[str, ...], seconds: float, data: Path) -> list[tuple[str, float]]:
    """Do the faults spread over so many seconds; when each was over."""
    over: list[tuple[str, float]] = []
    for fault in faults:
        await asyncio.sleep(seconds / (len(faults) + 1))
        action, _, victim = fault.partition(" ")
        pid = pids(data)[victim]
        if action == "pause":
            os.kill(pid, signal.SIGSTOP)
            await asyncio.sleep(PAUSE)
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)
        else:
            os.kill(pid, signal.SIGKILL)
            while pids(data).get(victim, pid) == pid:
                await asyncio.sleep(0.05)
        over.append((fault, time.monotonic()))
    return over


def _found(reply: dict[str, Any]) -> list[list[Any]]:
    results = reply["output"]["result"]
    return sorted([one["rule_id"], one["vola_cont"], str(one["vola_amt"]), one["sev_deg"]] for one in results)


def _compare_kept(url: str, history: History) -> list[str]:
    """What the store says of the answered messages."""
    client = connect(StoreSettings(clickhouse_url=url))
    want = {msgid: answers[-1][1] is None for msgid, answers in history.answers.items()}

    def kept() -> dict[str, list[bool]]:
        found: dict[str, list[bool]] = {}
        for msgid, undecided in client.query("SELECT msgid, undecided FROM audits WHERE infcode = 0").result_rows:
            found.setdefault(msgid, []).append(bool(undecided))
        return found

    with suppress(DifferenceError):
        _until(lambda: want.keys() <= kept().keys(), KEPT_WITHIN, "not all was kept")
    found = kept()
    wrong = [f"{msgid}: answered, and not kept" for msgid in want if msgid not in found]
    wrong += [f"{msgid}: kept {len(rows)} times" for msgid, rows in found.items() if len(rows) != 1]
    wrong += [
        f"{msgid}: kept as undecided={found[msgid][0]}, answered as {undecided}"
        for msgid, undecided in want.items()
        if msgid in found and found[msgid][0] != undecided
    ]
    return wrong


def main() -> int:
    """One run from the command line; 1 if anything is not as it must be."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults.audits", description=__doc__)
    parser.add_argument("--requests", type=int, default=10_000, help="requests under faults (default %(default)s)")
    parser.add_argument(
        "--seed", type=int, default=1, help="which bills, and which messages twice (default %(default)s)"
    )
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="fundwatch-audits-") as folder:
        try:
            outcome = run(options.requests, options.seed, Path(folder))
        except DifferenceError as difference:
            print(f"FAILED\n{difference}")
            return 1
    print(
        f"{outcome.requests} requests, {outcome.undecided} undecided, {outcome.broken} cut off by the gateway's death,"
        f" longest answer {outcome.longest:.2f} s; decided again after (s): {outcome.back_after}"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
