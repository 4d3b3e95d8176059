"""The worker process: runs the Faust app until it is told to stop, and ends with an exit code that says how it went."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import signal
import sys
import time
import traceback
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from typing import Any, Final, Protocol

import structlog
import uvloop
from aiokafka.errors import KafkaError

from clickhouse.client import connect
from clickhouse.errors import StoreError
from clickhouse.settings import StoreSettings
from clickhouse.sink import Sink
from streams.app import Parts, build, ensure_topics, load_judge
from streams.audit_log import AuditSink
from streams.errors import StreamsError, WorkerStalled
from streams.meters import Gauges, serve_metrics
from streams.settings import StreamSettings
from streams.storing import RowSink

_REPORT_SECONDS: Final = 10.0
_TICK_SECONDS: Final = 0.25
_FLUSH_SECONDS: Final = 8.0
_STOP_SECONDS: Final = 8.0
_SWITCH_SECONDS: Final = 0.001
FAILED: Final = 1
STALLED: Final = 75

log = structlog.get_logger(__name__)


def main(settings: StreamSettings | None = None, store: StoreSettings | None = None) -> int:
    """Run a worker in this process until SIGTERM or SIGINT; returns the exit code: 0 when everything judged is safe.

    A second signal ends it at once. Raises the errors of settings, rule and reference files before anything is started.
    """
    store = store or StoreSettings()
    return serve(settings or StreamSettings(), lambda: Sink(connect(store), timezone=store.timezone))


class WorkerSink(RowSink, AuditSink, Protocol):
    """All that a worker stores."""


def serve(settings: StreamSettings, open_sink: Callable[[], WorkerSink]) -> int:
    """As :func:`main`, with any sink; ``open_sink`` is called for each thread that stores: rows, panels and audits."""
    judge = load_judge(settings)
    for name in ("faust", "mode", "aiokafka", "kafka"):
        logging.getLogger(name).setLevel(logging.WARNING)
    # millions of long-lived objects that hold no cycles: the oldest generation is not worth walking every few seconds
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)
    # the loop gives the interpreter away with every read and write, and waits that long to have it back from a busy thread: 5 ms unless
    # said otherwise, several times for each audit
    sys.setswitchinterval(_SWITCH_SECONDS)
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return runner.run(_serve(settings, lambda: build(settings, judge, open_sink(), open_sink(), open_sink())))
    except (StreamsError, StoreError, KafkaError) as error:
        log.error("worker.cannot_start", error=f"{type(error).__name__}: {error}")
        return FAILED


async def _serve(settings: StreamSettings, make: Callable[[], Parts]) -> int:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, _on_signal, stop)
    await ensure_topics(settings)
    return await run(settings, make(), stop)


def _on_signal(stop: asyncio.Event) -> None:
    if stop.is_set():
        os._exit(FAILED)
    stop.set()


async def run(settings: StreamSettings, parts: Parts, stop: asyncio.Event) -> int:
    """Run a worker on this loop until ``stop`` is set or it fails; returns the exit code."""
    app = parts.app
    stop_metrics: Callable[[], None] = lambda: None  # noqa: E731
    if settings.worker_metrics_port:
        stop_metrics = serve_metrics(
            settings.worker_metrics_host, settings.worker_metrics_port, parts.meters, Gauges(lambda: gauges(parts))
        )
    await parts.sender.start()
    failed: asyncio.Future[BaseException] = asyncio.get_running_loop().create_future()
    background = [
        _spawn(coroutine, failed)
        for coroutine in (
            parts.outbox.run(), parts.places.watch(), parts.storing.keep_panels_fresh(), parts.letters.run(), _tick(parts), _report(parts),
            _watch(app, failed), *(part.run() for part in (parts.audits, parts.audit_log) if part is not None),
        )
    ]  # fmt: skip
    app.in_worker = True
    starting = _spawn(app.start(), failed)
    stopping: asyncio.Future[Any] = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait({asyncio.ensure_future(failed), stopping}, return_when=asyncio.FIRST_COMPLETED)
        code = FAILED if failed.done() else 0
        if failed.done():
            _log_failure(failed.result())
        else:
            code = await _flush(parts)
    finally:
        for task in [*background, starting, stopping]:
            task.cancel()
        await asyncio.gather(*background, starting, stopping, return_exceptions=True)
        await _end(parts)
        stop_metrics()
    log.info("worker.stopped", code=code, **parts.meters.snapshot())
    return code


def _log_failure(error: BaseException) -> None:
    # frames by name only: their variables hold persons
    frames = traceback.format_list(traceback.extract_tb(error.__traceback__))
    log.error("worker.failed", error=f"{type(error).__name__}: {error}", frames="".join(frames))


async def _flush(parts: Parts) -> int:
    log.info("worker.stopping")
    if not parts.app.consumer.started:
        return 0
    parts.app.consumer.stop_flow()
    try:
        await asyncio.wait_for(parts.outbox.close(), _FLUSH_SECONDS)
        await asyncio.wait_for(parts.app.consumer.commit(), _FLUSH_SECONDS)
    except Exception as error:  # whatever it is: nothing is lost, the next worker redoes what was not committed
        log.warning("worker.not_flushed", error=repr(error))
        return FAILED
    return 0


async def _end(parts: Parts) -> None:
    with suppress(TimeoutError):
        await asyncio.wait_for(parts.app.stop(), _STOP_SECONDS)
    await parts.storing.close()
    with suppress(TimeoutError):
        await asyncio.wait_for(parts.sender.stop(), _STOP_SECONDS)


def _spawn(
    coroutine: Coroutine[Any, Any, Any] | Awaitable[Any], failed: asyncio.Future[BaseException]
) -> asyncio.Task[Any]:
    async def guarded() -> None:
        try:
            await coroutine
        except asyncio.CancelledError:
            raise
        except BaseException as error:
            if not failed.done():
                failed.set_result(error)

    return asyncio.create_task(guarded())


async def _watch(app: Any, failed: asyncio.Future[BaseException]) -> None:
    """A Faust service that crashes takes the process with it: a fresh one restores itself from what is safe."""
    await app._crashed.wait()
    raise app.crash_reason or RuntimeError("Faust stopped by itself")


async def _tick(parts: Parts) -> None:
    while True:
        try:
            parts.outbox.tick()
        except WorkerStalled as error:
            # not one write more: also the orderly end would write
            log.error("worker.stalled", error=str(error))
            os._exit(STALLED)
        await asyncio.sleep(_TICK_SECONDS)


async def _report(parts: Parts) -> None:
    before, then = parts.meters.snapshot(), time.monotonic()
    while True:
        await asyncio.sleep(_REPORT_SECONDS)
        now, at = parts.meters.snapshot(), time.monotonic()
        flushes = now["flushes"] - before["flushes"]
        log.info(
            "worker.progress",
            per_second=round((now["scored"] - before["scored"]) / (at - then)),
            flush_ms=round(1000 * (now["flush_seconds"] - before["flush_seconds"]) / flushes) if flushes else 0,
            **now, **gauges(parts),
        )  # fmt: skip
        before, then = now, at


def gauges(parts: Parts) -> dict[str, float]:
    """What the worker holds now: lag in records, facts held back, states, and the judge's tally of late events."""
    consumer, tally = parts.app.consumer, parts.judge.tally
    return {
        "lag": consumer.lag, "held_facts": parts.places.held, "persons": len(parts.person_states), "places": len(parts.place_states),
        "late": tally.late, "too_old": tally.too_old, "over_cap": tally.over_cap,
    }  # fmt: skip
