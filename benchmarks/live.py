"""Live path beside an empty stock Faust agent.

Goal: at least 0.6 of the stock agent's events/s (issue 2). Load: the run's city, published before either starts, 8 partitions; the
stock agent reads the topic before and after the worker does, so that a machine that slows down slows both. Measured from the first
stored rows to the moment when every settlement and every fact is committed, which is after its alerts and rows are stored.
"""

from __future__ import annotations

import asyncio
import json
import statistics
import sys
import time
from typing import Any

from benchmarks.stack import Load, Stack, stored, until, worker
from detectors.backtest import open_settlements
from fundwatch.progress import Progress
from schemas.topics import FACTS, SETTLEMENTS
from streams.app import ensure_topics
from streams.replay import publish

NAME = "live"
WITHIN = 600.0


async def measure(stack: Stack, load: Load) -> dict[str, Any]:
    """Events/s of the worker and of the stock agent, and their ratio."""
    settings = stack.stream(NAME)
    await ensure_topics(settings)
    store = stack.store(NAME)
    topic = settings.topics.name(SETTLEMENTS)
    await asyncio.to_thread(publish, open_settlements(load.events), settings.kafka, topic)
    before = await _stock(stack, topic, load.count)
    live = await _worker(stack, load, stored(store), Progress(settings.kafka, settings.topics))
    after = await _stock(stack, topic, load.count)
    stock = statistics.mean([before, after])
    return {
        "live_settlements_per_s": round(live),
        "stock_faust_before_per_s": round(before),
        "stock_faust_after_per_s": round(after),
        "live_to_stock": round(live / stock, 2),
    }


async def _worker(stack: Stack, load: Load, rows: Any, progress: Progress) -> float:
    def begun() -> bool:
        return bool(rows() > 0)

    def done() -> bool:
        settlements = progress.lag(SETTLEMENTS)
        return settlements.committed == load.count and progress.lag(FACTS).records == 0

    async with worker(stack, load, NAME):
        started = await until(begun, WITHIN)
        already = rows()
        ended = await until(done, WITHIN, pause=0.2)
    return float((load.count - already) / (ended - started))


async def _stock(stack: Stack, topic: str, events: int) -> float:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "benchmarks.stock_faust",
        stack.addresses.kafka,
        topic,
        str(events),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    started = time.perf_counter()
    output, _ = await asyncio.wait_for(process.communicate(), WITHIN)
    for line in output.decode(errors="replace").splitlines():
        if line.startswith("{"):
            figures = json.loads(line)
            return float(figures["events"] / figures["seconds"])
    raise RuntimeError(f"the stock agent said nothing in {time.perf_counter() - started:.0f} s")
