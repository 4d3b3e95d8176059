"""Audits beside the stream: what a hospital waits.

Goal (issue 4): with 500 settlements/s flowing beside, 200 requests/s for 60 s from 80 connections: p50 at most 15 ms, p99 at most 50 ms,
p99.9 at most 200 ms, no error, none undecided. Load: the run's city; each request is 3102 about a person of the city with that person's
drugs, sent at its own due time. A request that must wait for its connection counts from when it was due, so that a stall of the
service is not hidden (coordinated omission). The first five seconds warm up and do not count.
"""

from __future__ import annotations

import asyncio
import json
import statistics
import threading
import time
from itertools import islice
from typing import Any

import orjson

from benchmarks.stack import Load, Stack, gateway, worker
from detectors.backtest import open_settlements
from schemas.topics import SETTLEMENTS
from streams.access import issue_token
from streams.app import ensure_topics
from streams.replay import Publisher
from streams.simulator.audits import audit_request

NAME = "audits"
FLOW, RATE, CONNECTIONS, SECONDS, WARM_UP = 500, 200, 80, 60, 5
HOSPITALS = 8
_TICK_SECONDS = 0.1


async def measure(stack: Stack, load: Load) -> dict[str, Any]:
    """Percentiles of the wait in milliseconds, and how many answers were not what they should be."""
    settings = stack.stream(NAME)
    await ensure_topics(settings)
    stack.store(NAME)
    tokens = stack.folder / "tokens.toml"
    hospitals = [f"H{number:011d}" for number in range(HOSPITALS)]
    headers = [
        f"Authorization: Bearer {issue_token(tokens, name=name, role='his', institution_id=name)}" for name in hospitals
    ]
    requests = _requests(load, hospitals, headers)
    stop = threading.Event()
    async with worker(stack, load, NAME), gateway(stack, load, NAME, tokens, RATE * 2) as port:
        flow = asyncio.create_task(
            asyncio.to_thread(_flow, settings.kafka, settings.topics.name(SETTLEMENTS), load, stop)
        )
        try:
            took, wrong, undecided = await _ask(port, requests)
        finally:
            stop.set()
            await flow
    cuts = statistics.quantiles(took, n=1000)
    return {
        "audit_p50_ms": round(1000 * cuts[499], 1),
        "audit_p99_ms": round(1000 * cuts[989], 1),
        "audit_p999_ms": round(1000 * cuts[998], 1),
        "audit_requests": len(took),
        "audit_errors": wrong,
        "audit_undecided": undecided,
    }


def _requests(load: Load, hospitals: list[str], headers: list[str]) -> list[bytes]:
    made: list[bytes] = []
    events = (orjson.loads(line) for line in open_settlements(load.events))
    settles = (event for event in events if event["event_type"] == "SETTLE" and event["lines"])
    for number, event in enumerate(islice(settles, 0, RATE * (SECONDS + WARM_UP) * 4, 4)):
        hospital = number % len(hospitals)
        request = audit_request(event, number // len(hospitals) % 10_000, institution_id=hospitals[hospital])
        body = json.dumps(request, ensure_ascii=False).encode()
        head = (
            f"POST /api/3102 HTTP/1.1\r\nHost: gateway\r\n{headers[hospital]}\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\n\r\n"
        )
        made.append(head.encode() + body)
    return made


def _flow(kafka: str, topic: str, load: Load, stop: threading.Event) -> None:
    """Publish some settlements every tenth of a second: one at a time, the publisher would need half a processor."""
    publisher = Publisher(kafka, topic)
    events = open_settlements(load.events)
    started, tick = time.perf_counter(), 0
    while not stop.is_set() and (some := list(islice(events, int(FLOW * _TICK_SECONDS)))):
        for line in some:
            publisher.publish(line)
        tick += 1
        publisher.attend()
        time.sleep(max(0.0, started + tick * _TICK_SECONDS - time.perf_counter()))
    publisher.finish()


async def _ask(port: int, requests: list[bytes]) -> tuple[list[float], int, int]:
    took: list[float] = []
    wrong = undecided = 0
    started = time.perf_counter() + 0.5

    async def connection(first: int) -> None:
        nonlocal wrong, undecided
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for number in range(first, len(requests), CONNECTIONS):
            due = started + number / RATE
            if (ahead := due - time.perf_counter()) > 0:
                await asyncio.sleep(ahead)
            writer.write(requests[number])
            status, body = await _read(reader)
            if number < RATE * WARM_UP:
                continue
            took.append(time.perf_counter() - due)
            reply = json.loads(body)
            wrong += status != 200 or reply["infcode"] != 0
            undecided += bool((reply.get("output") or {}).get("undecided"))
        writer.close()

    await asyncio.gather(*(connection(first) for first in range(CONNECTIONS)))
    return took, wrong, undecided


async def _read(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    head = await reader.readuntil(b"\r\n\r\n")
    lines = head.decode("latin-1").split("\r\n")
    length = next(int(line.partition(":")[2]) for line in lines if line.lower().startswith("content-length:"))
    return int(lines[0].split(" ")[1]), await reader.readexactly(length)
