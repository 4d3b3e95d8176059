"""The whole system on one machine: starts every part, sends traffic, keeps the parts alive, counts, and leaves nothing behind."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Coroutine
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import psutil
import structlog

from clickhouse.errors import StoreError
from clickhouse.settings import StoreSettings
from fundwatch import parts
from fundwatch.children import Child, Part
from fundwatch.errors import BrokerError
from fundwatch.folder import DataFolder
from fundwatch.hospital import Hospital
from fundwatch.plan import Plan
from fundwatch.progress import Progress
from fundwatch.settings import load
from fundwatch.storing import load_names, make_tables
from fundwatch.tally import Tally, count
from fundwatch.traffic import Traffic, choose_traffic
from schemas.topics import FACTS, SETTLEMENTS
from streams.access import BOUND_ROLES, ROLES, issue_token
from streams.machine import LOOPBACK
from streams.settings import StreamSettings

DEFAULT_FOLDER: Final = Path("data/demo")
_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_TICK_SECONDS: Final = 0.2
_PATIENCE_SECONDS: Final = 15.0
_DRAIN_SECONDS: Final = 10.0
_COUNT_WITHIN: Final = 60.0
"""Seconds the last count may wait for a broker or store that was killed a moment ago."""

log = structlog.get_logger(__name__)


def run(plan: Plan) -> int:
    """Run a demo to its end; the exit code.

    Without ``data_dir`` the default folder is begun anew; a folder that is named is continued, and settlements that were delivered
    there before are known by their event ids. Raises FundwatchError or an error of the part that could not do its work.
    """
    folder = DataFolder(plan.data_dir or DEFAULT_FOLDER)
    folder.take(anew=plan.data_dir is None)
    try:
        tally = asyncio.run(_Demo(plan, folder).run())
    finally:
        folder.release()
    if tally is not None:
        print(tally.line(), flush=True)
    return 0


class _Demo:
    def __init__(self, plan: Plan, folder: DataFolder) -> None:
        self._plan = plan
        self._folder = folder
        self._at = parts.Addresses.choose(plan.kafka_port, plan.clickhouse_port, plan.console_port, plan.gateway_port)
        self._traffic: Traffic = choose_traffic(plan, folder.path)
        self._topics = load(StreamSettings, kafka=self._at.kafka).topics
        self._progress = Progress(self._at.kafka, self._topics)
        self._store = load(
            StoreSettings, clickhouse_url=self._at.clickhouse, clickhouse_user="default", clickhouse_password=""
        )
        self._children: dict[str, Child] = {}
        self._keepers: dict[str, asyncio.Task[None]] = {}
        self._stop = asyncio.Event()
        self._told: dict[str, Any] = {}
        self._tokens_file = folder.path / "tokens.toml"
        self._tokens: dict[str, str] = {}

    async def run(self) -> Tally | None:
        """The figures at the end; None when a signal came before ``ready``."""
        loop = asyncio.get_running_loop()
        for number in _SIGNALS:
            loop.add_signal_handler(number, self._signalled)
        try:
            if not await self._unless_stopped(self._start()):
                return None
            ready, ready_seconds = time.monotonic(), time.time() - psutil.Process().create_time()
            print(f"ready {self._at.wall}", flush=True)
            for role, token in self._tokens.items():
                print(f"token {role} {token}", flush=True)
            await self._serve(ready)
            seconds = time.monotonic() - ready
            await self._end("gateway", "worker", "notifier", "console")
            return await self._count(seconds, ready_seconds)
        finally:
            await self._end("gateway", "worker", "notifier", "console")
            await self._end("kafka", "clickhouse")
            self._tell()

    def _signalled(self) -> None:
        self._stop.set()
        for number in _SIGNALS:  # a second signal ends us at once, and the children with us
            asyncio.get_running_loop().remove_signal_handler(number)

    async def _unless_stopped(self, work: Coroutine[Any, Any, None]) -> bool:
        task, stopped = asyncio.create_task(work), asyncio.create_task(self._stop.wait())
        while not (await asyncio.wait((task, stopped), timeout=_PATIENCE_SECONDS, return_when=asyncio.FIRST_COMPLETED))[
            0
        ]:
            # the first start on a machine fetches Kafka: somebody is sitting there and wonders
            waiting = [name for name, child in self._children.items() if not child.ready]
            log.info("still_starting", waiting_for=waiting, logs=str(self._folder.logs))
        stopped.cancel()
        if not task.done():
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
            return False
        task.result()
        return True

    async def _start(self) -> None:
        folder = self._folder.path
        try:
            async with asyncio.TaskGroup() as group:
                # Kafka's Java takes longest; everything that can do without it happens beside it
                broker = group.create_task(self._launch(parts.kafka(self._at, folder)))
                tables = group.create_task(self._start_store())
                await asyncio.to_thread(self._traffic.prepare)
                self._tokens = self._issue_tokens()
                own = self._environment()
                await tables
                group.create_task(asyncio.to_thread(load_names, self._store, self._traffic.institutions))
                group.create_task(self._launch(parts.console(self._at, folder, own)))
                await broker
                # beside the worker, which makes the topics: they answer nothing before these are there
                group.create_task(self._launch(parts.gateway(self._at.gateway, folder, own)))
                group.create_task(self._launch(parts.notifier(self._at, folder, own)))
                group.create_task(self._launch(parts.worker(folder, own, self._progress)))
        except* Exception as failed:
            raise failed.exceptions[0] from None

    def _issue_tokens(self) -> dict[str, str]:
        self._tokens_file.unlink(missing_ok=True)
        own = self._traffic.his_institution
        return {
            role: issue_token(
                self._tokens_file, name=f"demo-{role}", role=role, institution_id=own if role in BOUND_ROLES else ""
            )
            for role in ROLES
        }

    def _environment(self) -> dict[str, str]:
        """What the children are told: the demo's own addresses and files, whatever the environment says."""
        told = {
            "KAFKA": self._at.kafka,
            "CLICKHOUSE_URL": self._at.clickhouse,
            "CLICKHOUSE_USER": "default",
            "CLICKHOUSE_PASSWORD": "",
            "GATEWAY_HOST": LOOPBACK,
            "GATEWAY_PORT": self._at.gateway_port,
            "CONSOLE_HOST": LOOPBACK,
            "CONSOLE_PORT": self._at.console_port,
            "CONSOLE_URL": self._at.console,
            "NOTIFIER_HOST": LOOPBACK,
            "NOTIFIER_PORT": self._at.notifier_port,
            "NOTIFIER_INSTANCE": "demo",
            "TOKENS": self._tokens_file,
            "INSTITUTIONS": self._traffic.institutions,
            "DRUGS": self._traffic.drugs,
            "RULES": self._plan.rules.absolute() if self._plan.rules else None,
            "EXCEPTIONS": self._plan.exceptions.absolute() if self._plan.exceptions else None,
            # its own name in the group: a worker that is started again need not wait until the old one counts as gone
            "WORKER_INSTANCE": "demo",
        }
        return {f"FUNDWATCH_{name}": str(value) for name, value in told.items() if value is not None}

    async def _start_store(self) -> None:
        await self._launch(parts.clickhouse(self._at, self._folder.path))
        await asyncio.to_thread(make_tables, self._store)

    async def _launch(self, part: Part) -> None:
        child = self._children[part.name] = Child(part)
        await child.launch()
        self._tell()
        self._keepers[part.name] = asyncio.create_task(child.keep(self._tell))

    async def _serve(self, ready: float) -> None:
        plan = self._plan
        deadline = float("inf") if plan.duration is None else ready + plan.duration
        hospital = Hospital(self._at.gateway, self._tokens["his"], self._traffic.his_institution)
        hospital.start()
        self._traffic.heard = hospital.hear
        traffic = asyncio.create_task(
            asyncio.to_thread(self._traffic.run, self._at.kafka, self._topics.name(SETTLEMENTS))
        )
        try:
            while not self._stop.is_set() and time.monotonic() < deadline:
                for task in (traffic, *self._keepers.values()):
                    if task.done():
                        task.result()
                self._tell()
                ends = plan.input is not None and plan.speed is None and traffic.done()
                if ends and await asyncio.to_thread(self._all_stored):
                    return
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._stop.wait(), _TICK_SECONDS)
        finally:
            self._traffic.stop()
            await asyncio.wait((traffic,))
            await asyncio.to_thread(hospital.stop)
        await self._drain()

    async def _drain(self) -> None:
        """Let the worker finish what was published, unless that takes long or a signal asks us to hurry."""
        deadline = time.monotonic() + _DRAIN_SECONDS
        while not self._stop.is_set() and time.monotonic() < deadline:
            if await asyncio.to_thread(self._all_stored):
                return
            await asyncio.sleep(_TICK_SECONDS)

    def _all_stored(self) -> bool:
        try:
            # in this order: the facts of a settlement are in their topic before its offset is committed
            behind = self._progress.lag(SETTLEMENTS).records or self._progress.lag(FACTS).records
            return not behind
        except (BrokerError, StoreError):
            return False

    async def _count(self, seconds: float, ready_seconds: float) -> Tally:
        restarts = sum(child.restarts for child in self._children.values())
        deadline = time.monotonic() + _COUNT_WITHIN
        while True:
            try:
                return await asyncio.to_thread(
                    count, self._progress, self._store,
                    published=self._traffic.published, restarts=restarts, seconds=seconds, ready_seconds=ready_seconds,
                )  # fmt: skip
            except (BrokerError, StoreError):
                if time.monotonic() > deadline:
                    raise
                await asyncio.sleep(_TICK_SECONDS)

    async def _end(self, *names: str) -> None:
        await asyncio.gather(*(self._end_one(name) for name in names if name in self._children))

    async def _end_one(self, name: str) -> None:
        child, keeper = self._children[name], self._keepers.get(name)
        await child.stop()
        if keeper is not None:
            keeper.cancel()
            await asyncio.wait((keeper,))
            await child.stop()  # the keeper may have been about to start it again

    def _tell(self) -> None:
        pids = {name: child.pid for name, child in self._children.items() if child.pid is not None}
        state = {
            "gateway": self._at.gateway,
            "console": self._at.console,
            "wall": self._at.wall,
            "kafka": self._at.kafka,
            "clickhouse": self._at.clickhouse,
            "tokens": self._tokens,
            "his_fixmedins_code": self._traffic.his_institution,
            "pids": pids,
        }
        if state != self._told:
            self._folder.tell(state)
            self._told = state
