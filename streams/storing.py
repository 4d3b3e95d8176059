"""Rows into ClickHouse from an asyncio world: blocking calls on a thread, patience when the store is away."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import suppress
from typing import Final, Protocol

import structlog

from clickhouse.errors import StoreRefused, StoreUnavailable
from schemas.alert import Alert
from schemas.deadletter import DeadLetter
from schemas.settlement import Settlement
from streams.meters import Meters

REFRESH_SECONDS: Final = 2.0
_REFRESH_REST: Final = 4.0
_IDLE_SECONDS: Final = 5.0
_FIRST_PAUSE: Final = 0.1
_LONGEST_PAUSE: Final = 5.0

log = structlog.get_logger(__name__)


class RowSink(Protocol):
    """What the worker asks of :class:`clickhouse.sink.Sink`."""

    def store(
        self,
        *,
        settlements: Sequence[Settlement] = (),
        alerts: Sequence[Alert] = (),
        dead_letters: Sequence[DeadLetter] = (),
    ) -> object:
        """Insert and return when the rows are safe."""

    def refresh(self) -> object:
        """Bring the panel aggregates up to date."""


class Storing:
    """The sink as the flush uses it: returns only when the rows are safe, however long the store is away.

    ``panels`` refreshes the aggregates on a thread of its own: a sink serves one thread.
    """

    def __init__(self, sink: RowSink, panels: RowSink, meters: Meters) -> None:
        self._sink = sink
        self._panel_sink = panels
        self._meters = meters
        self._rows = ThreadPoolExecutor(1, thread_name_prefix="store")
        self._panels = ThreadPoolExecutor(1, thread_name_prefix="refresh")
        self._stale = asyncio.Event()

    async def store(self, settlements: list[Settlement], alerts: list[Alert], dead_letters: list[DeadLetter]) -> None:
        """Insert; tries again for as long as the store is unavailable.

        Rows that the store will never take are logged by event id and passed over: they would stop everything behind them for ever.
        Everything else of the same call is stored. Raises StoreRefused when the store refuses without naming rows.
        """
        if not (settlements or alerts or dead_letters):
            return
        await patiently(
            self._rows,
            lambda: self._sink.store(settlements=settlements, alerts=alerts, dead_letters=dead_letters),
            self._meters,
        )
        self._stale.set()

    async def keep_panels_fresh(self) -> None:
        """Recompute panel aggregates after rows arrived, at most every two seconds and a fifth of the time; never ends.

        Without rows of our own it looks now and then: days and audits follow the hours, and another worker may have left some.
        """
        loop = asyncio.get_running_loop()
        while True:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stale.wait(), _IDLE_SECONDS)
            self._stale.clear()
            started = loop.time()
            try:
                await loop.run_in_executor(self._panels, self._panel_sink.refresh)
            except StoreUnavailable as error:
                log.warning("panels.not_refreshed", error=str(error))
                self._stale.set()
            # a busy hour takes longer each time: it must not keep the store from taking rows
            await asyncio.sleep(max(REFRESH_SECONDS, _REFRESH_REST * (loop.time() - started)))

    async def close(self) -> None:
        """Refresh the panels once more if need be, and end the threads."""
        if self._stale.is_set():
            try:
                await asyncio.wait_for(
                    asyncio.get_running_loop().run_in_executor(self._panels, self._panel_sink.refresh), 5
                )
            except (StoreUnavailable, TimeoutError) as error:
                log.warning("panels.not_refreshed", error=str(error))
        self._rows.shutdown(wait=False)
        self._panels.shutdown(wait=False, cancel_futures=True)


async def patiently(thread: Executor, store: Callable[[], object], meters: Meters) -> None:
    """Call ``store`` on a thread, again for as long as the store is unavailable.

    Rows it will never take are logged by their ids and passed over. Raises StoreRefused when the store refuses without naming rows.
    """
    loop = asyncio.get_running_loop()
    pause = _FIRST_PAUSE
    while True:
        try:
            await loop.run_in_executor(thread, store)
        except StoreUnavailable as error:
            meters.store_retries += 1
            log.warning("store.unavailable", error=str(error), retry_in_seconds=pause)
            await asyncio.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)
        except StoreRefused as error:
            if not error.event_ids:
                raise
            log.error("store.refused", error=str(error), event_ids=error.event_ids)
            return
        else:
            return
