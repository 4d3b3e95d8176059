"""From publish to visible in ClickHouse.

Goal: p99 at most 1.5 s at 500 settlements/s (issue 2). Load: an open loop of 500/s for 40 s out of the run's city; each settlement is
published at its own due time whether or not earlier ones are visible, so a stall is not hidden. Every tenth one is looked for in
ClickHouse every 30 ms, which is the resolution; the first five seconds warm up.
"""

from __future__ import annotations

import asyncio
import statistics
import threading
import time
from itertools import islice
from typing import Any

import orjson

from benchmarks.stack import Load, Stack, worker
from clickhouse.client import connect
from detectors.backtest import open_settlements
from schemas.topics import SETTLEMENTS
from streams.app import ensure_topics
from streams.replay import Publisher

NAME = "visible"
PER_SECOND, SECONDS, WARM_UP = 500, 40, 5
EVERY = 10
LONGEST = 30.0


class _Watch:
    """Probes under way and how long those that arrived took."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.due: dict[str, float] = {}
        self.took: list[float] = []


async def measure(stack: Stack, load: Load) -> dict[str, Any]:
    """Percentiles of the time from due to visible, in seconds."""
    settings = stack.stream(NAME)
    await ensure_topics(settings)
    client = connect(stack.store(NAME))
    watch = _Watch()
    finished = threading.Event()
    topic = settings.topics.name(SETTLEMENTS)
    async with worker(stack, load, NAME):
        sender = asyncio.create_task(asyncio.to_thread(_send, settings.kafka, topic, load, watch))
        looker = asyncio.create_task(asyncio.to_thread(_look, client, watch, finished))
        await sender
        finished.set()
        await looker
    cuts = statistics.quantiles(watch.took, n=100)
    return {
        "visible_p50_s": round(cuts[49], 3),
        "visible_p99_s": round(cuts[98], 3),
        "visible_max_s": round(max(watch.took), 3),
        "visible_probes": len(watch.took),
        "visible_never": len(watch.due),
    }


def _send(kafka: str, topic: str, load: Load, watch: _Watch) -> None:
    publisher = Publisher(kafka, topic)
    started = time.perf_counter() + 0.5
    known: set[str] = set()
    for number, line in enumerate(islice(open_settlements(load.events), PER_SECOND * SECONDS)):
        due = started + number / PER_SECOND
        while (ahead := due - time.perf_counter()) > 0:
            publisher.attend(min(ahead, 0.01))
        if number % EVERY == 0 and number >= PER_SECOND * WARM_UP:
            event_id = orjson.loads(line)["event_id"]
            if event_id not in known:
                with watch.lock:
                    watch.due[event_id] = due
        publisher.publish(line)
    publisher.finish()


def _look(client: Any, watch: _Watch, finished: threading.Event) -> None:
    patience = None
    while True:
        with watch.lock:
            waiting = list(watch.due)
        if finished.is_set():
            patience = patience or time.perf_counter() + LONGEST
            if not waiting or time.perf_counter() > patience:
                return
        if waiting:
            found = client.query(
                "SELECT event_id FROM settlement_rows WHERE event_id IN {ids:Array(String)}",
                parameters={"ids": waiting},
            ).result_rows
            now = time.perf_counter()
            with watch.lock:
                watch.took += [now - watch.due.pop(event_id) for (event_id,) in set(found)]
        time.sleep(0.03)
