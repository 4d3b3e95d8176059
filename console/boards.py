"""Holds the rows behind every wall module: one query per module and refresh, however many people look."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, Final

import structlog
from prometheus_client import Counter, Histogram

from console.errors import BoardUnavailableError, told

Rows = dict[str, list[dict[str, Any]]]
"""Rows of a module by query name."""
Load = Callable[[str, str], Rows]
"""Reads a module for one institution (empty: all) from the store; blocking, may raise anything."""

_SCOPED_KEPT: Final = 256  # an office's boards are asked for now and then: the least recently used ones make room
_UNTIMED_AGE: Final = 60.0  # seconds a module without a timer may be old when somebody opens it
_EMPTY_AGE: Final = 5.0  # seconds after which a module that had nothing to show is read again: a new system fills up
_BEAT: Final = 0.25  # seconds between two looks at what is due

_loads = Counter("fundwatch_console_loads_total", "Reads of a module from the store", ["module", "outcome"])
_load_seconds = Histogram("fundwatch_console_load_seconds", "Time to read a module from the store", ["module"])
log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Snapshot:
    """What is known of a module: ``version`` counts the successful reads, ``broken`` says that the latest one failed."""

    module: str
    institution_id: str = ""
    rows: Rows = field(default_factory=dict)
    version: int = 0
    loaded_at: datetime | None = None
    broken: bool = False


Watcher = Callable[[Snapshot], None]


class _Board:
    def __init__(self, snapshot: Snapshot) -> None:
        self.snapshot = snapshot
        self.asked_at = float("-inf")
        self.running: asyncio.Task[None] | None = None


class Boards:
    """Keeps each module fresh at its own rate while somebody watches, and answers single questions from the same rows.

    ``rates`` gives seconds between two reads per module, None for a module that is read when asked only. ``clock`` is monotonic
    seconds. ``patience`` is how long a read may take before the module counts as broken; the read itself goes on.
    """

    def __init__(
        self,
        load: Load,
        rates: Mapping[str, float | None],
        *,
        clock: Callable[[], float] = time.monotonic,
        patience: float = 5.0,
    ) -> None:
        self._load = load
        self._rates = dict(rates)
        self._clock = clock
        self._patience = patience
        self._boards: OrderedDict[tuple[str, str], _Board] = OrderedDict()
        self._watchers: dict[tuple[str, str], set[Watcher]] = {}
        # one thread per module: a read that hangs must not keep another module waiting
        self._pool = ThreadPoolExecutor(max_workers=len(self._rates) + 2, thread_name_prefix="board")

    def watch(self, module: str, watcher: Watcher, institution_id: str = "") -> Callable[[], None]:
        """Call ``watcher`` with every new snapshot of a module until the returned function is called."""
        key = (module, institution_id)
        self._watchers.setdefault(key, set()).add(watcher)

        def leave() -> None:
            watchers = self._watchers.get(key, set())
            watchers.discard(watcher)
            if not watchers:
                self._watchers.pop(key, None)

        return leave

    def current(self, module: str, institution_id: str = "") -> Snapshot:
        """The latest snapshot of a module, without asking the store."""
        return self._board(module, institution_id).snapshot

    async def run(self) -> None:
        """Refresh what is due, for ever; ends by being cancelled."""
        try:
            while True:
                self.tick()
                await asyncio.sleep(_BEAT)
        finally:
            self._pool.shutdown(wait=False, cancel_futures=True)

    def tick(self) -> list[str]:
        """Start a read of every watched module whose time has come; the modules started."""
        now = self._clock()
        started = []
        for module, institution_id in tuple(self._watchers):
            rate, board = self._rates[module], self._board(module, institution_id)
            if rate is not None and self._is_due(board, rate, now) and self._start(board):
                started.append(module)
        return started

    @staticmethod
    def _is_due(board: _Board, rate: float, now: float) -> bool:
        snapshot = board.snapshot
        empty = snapshot.version > 0 and not any(snapshot.rows.values())
        return now - board.asked_at >= (min(rate, _EMPTY_AGE) if empty else rate)

    async def refresh(self, module: str, institution_id: str = "") -> Snapshot:
        """Read a module now, or join the read under way; the snapshot after it (or after ``patience``)."""
        board = self._board(module, institution_id)
        self._start(board)
        return await self._settled(board)

    async def recent(self, module: str, institution_id: str = "") -> Snapshot:
        """A snapshot no older than the module's rate; raises BoardUnavailableError when the store gives none."""
        board = self._board(module, institution_id)
        rate = self._rates[module]
        age = self._clock() - board.asked_at
        if board.snapshot.version == 0 or board.snapshot.broken or age >= (_UNTIMED_AGE if rate is None else rate):
            self._start(board)
        snapshot = await self._settled(board)
        if snapshot.broken or snapshot.version == 0:
            raise BoardUnavailableError(
                f"expected the store to answer for {module}, got none; try again, or ask fundwatch doctor"
            )
        return snapshot

    def _board(self, module: str, institution_id: str) -> _Board:
        key = (module, institution_id)
        board = self._boards.get(key)
        if board is None:
            board = self._boards[key] = _Board(Snapshot(module, institution_id))
            scoped = [old for old in self._boards if old[1] and old not in self._watchers]
            for old in [old for old in scoped if old != key][: max(len(scoped) - _SCOPED_KEPT, 0)]:
                del self._boards[old]
        self._boards.move_to_end(key)
        return board

    def _start(self, board: _Board) -> bool:
        if board.running is not None and not board.running.done():
            return False
        board.asked_at = self._clock()
        board.running = asyncio.get_running_loop().create_task(self._read(board))
        return True

    async def _settled(self, board: _Board) -> Snapshot:
        if board.running is not None and not board.running.done():
            await asyncio.wait({board.running}, timeout=self._patience + 1)
        return board.snapshot

    async def _read(self, board: _Board) -> None:
        module, institution_id = board.snapshot.module, board.snapshot.institution_id
        reading = asyncio.get_running_loop().run_in_executor(self._pool, self._timed_load, module, institution_id)
        done, _ = await asyncio.wait({reading}, timeout=self._patience)
        if not done:
            log.warning("board_slow", module=module, seconds=self._patience)
            self._publish(board, replace(board.snapshot, broken=True))
        try:
            rows = await reading
        except Exception as error:  # whatever the store's client raises, the wall goes on and says so
            _loads.labels(module, "failed").inc()
            log.warning("board_failed", module=module, **told(error))
            self._publish(board, replace(board.snapshot, broken=True))
            return
        _loads.labels(module, "read").inc()
        fresh = Snapshot(module, institution_id, rows, board.snapshot.version + 1, datetime.now(UTC))
        self._publish(board, fresh)

    def _timed_load(self, module: str, institution_id: str) -> Rows:
        with _load_seconds.labels(module).time():
            return self._load(module, institution_id)

    def _publish(self, board: _Board, snapshot: Snapshot) -> None:
        board.snapshot = snapshot
        for watcher in tuple(self._watchers.get((snapshot.module, snapshot.institution_id), ())):
            try:
                watcher(snapshot)
            except Exception as error:  # one viewer's page must not keep the others from seeing
                log.error("board_watcher_failed", module=snapshot.module, **told(error))
