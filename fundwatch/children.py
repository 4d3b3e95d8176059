"""Starts, watches, restarts and stops processes that never outlive the one that started them, whatever ends it.

A child is tied to its parent by the kernel (Linux), elsewhere by a watcher on a pipe: see :mod:`fundwatch.leash`. The kernel's tie
is to the *thread* that started the child: launch children from an event loop in the main thread.
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import structlog

from fundwatch.errors import StartError

_LEASH: Final = str(Path(__file__).with_name("leash.py"))
_KERNEL_TIES: Final = sys.platform == "linux"
_PROBE_SECONDS: Final = 0.1
_FIRST_PAUSE, _LONGEST_PAUSE = 0.2, 5.0
_HEALTHY_SECONDS: Final = 10.0
"""A child that was ready this long is restarted after the shortest pause again."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Part:
    """One process to run.

    ``ready`` asks the process itself whether it answers (blocking, a few seconds at most, called in a thread; None: running is
    enough). ``log`` receives both outputs, appended. ``attempts`` starts in a row that never became ready are too many.
    Times in seconds.
    """

    name: str
    argv: Sequence[str]
    log: Path
    ready: Callable[[], bool] | None = None
    env: Mapping[str, str] = field(default_factory=dict)
    start_within: float = 60.0
    stop_within: float = 15.0
    attempts: int = 5


class Tie:
    """The command line that runs a program on the leash, and the end of the pipe that holds it where the kernel does not."""

    def __init__(self, argv: Sequence[str], *, by_kernel: bool = _KERNEL_TIES) -> None:
        self._theirs, self._ours = (-1, -1) if by_kernel else os.pipe()
        self.argv = [sys.executable, "-I", "-S", _LEASH, str(os.getpid()), str(self._theirs), *argv]
        self.pass_fds = () if by_kernel else (self._theirs,)

    def started(self) -> None:
        """The child has its end of the pipe."""
        if self._theirs >= 0:
            os.close(self._theirs)

    def ended(self) -> None:
        """The child has ended: let its watcher go."""
        if self._ours >= 0:
            os.close(self._ours)


class Child:
    """A part that runs; ``restarts`` counts its processes after the first."""

    def __init__(self, part: Part) -> None:
        self.part = part
        self.restarts = 0
        self._wanted = True
        self._process: asyncio.subprocess.Process | None = None
        self._tie: Tie | None = None
        self._ready_at: float | None = None

    @property
    def pid(self) -> int | None:
        """The process id, None while there is no process."""
        process = self._process
        return None if process is None or process.returncode is not None else process.pid

    @property
    def ready(self) -> bool:
        """Whether the process of now has answered."""
        return self._ready_at is not None and self.pid is not None

    async def launch(self) -> None:
        """Start a process and return when it answers; raises StartError when it does not, having ended it."""
        part = self.part
        part.log.parent.mkdir(parents=True, exist_ok=True)
        self._ready_at = None
        self._tie = Tie(part.argv)
        with part.log.open("ab") as output:
            self._process = await asyncio.create_subprocess_exec(
                *self._tie.argv,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**os.environ, **part.env},
                process_group=0,
                pass_fds=self._tie.pass_fds,
            )
        self._tie.started()
        log.info("child_started", name=part.name, pid=self.pid)
        try:
            await self._await_ready(self._process)
        except BaseException:
            await self._end(0.0)
            raise
        self._ready_at = time.monotonic()
        log.info("child_ready", name=part.name, pid=self.pid)

    async def keep(self, changed: Callable[[], None] = lambda: None) -> None:
        """Start the process again whenever it ends, until :meth:`stop`; ``changed`` is called after every change of ``pid``.

        Pauses grow while its lives are short. Raises StartError when it failed to answer too many times in a row.
        """
        short_lives = failed_starts = 0
        while self._process is not None:
            code = await self._process.wait()
            self._clear()
            changed()
            if not self._wanted:
                return
            if self._ready_at is not None and time.monotonic() - self._ready_at > _HEALTHY_SECONDS:
                short_lives = 0
            pause = min(_FIRST_PAUSE * 2.0 ** min(short_lives, 8), _LONGEST_PAUSE)
            short_lives += 1
            log.warning("child_ended", name=self.part.name, exit_code=code, restart_in=pause)
            await asyncio.sleep(pause)
            if not self._wanted:
                return
            self.restarts += 1
            try:
                await self.launch()
                failed_starts = 0
            except StartError as error:
                failed_starts += 1
                if self._wanted:
                    log.error("child_start_failed", name=self.part.name, attempt=failed_starts, reason=str(error))
                    if failed_starts >= self.part.attempts:
                        raise
            changed()

    async def stop(self) -> None:
        """Ask the process to end, kill it when it has not in time; it is not started again. May be repeated."""
        self._wanted = False
        await self._end(self.part.stop_within)

    async def _end(self, patience: float) -> None:
        process = self._process
        if process is None:
            return
        if process.returncode is None and patience:
            with suppress(ProcessLookupError):
                process.terminate()
            with suppress(TimeoutError):
                await asyncio.wait_for(process.wait(), patience)
            if process.returncode is None:
                log.warning("child_killed", name=self.part.name, pid=process.pid, after=patience)
        if process.returncode is None:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()
        self._clear()

    async def _await_ready(self, process: asyncio.subprocess.Process) -> None:
        part = self.part
        deadline = time.monotonic() + part.start_within
        while True:
            answers = part.ready is None or await asyncio.to_thread(part.ready)
            # looked at after the answer: it may be another process that answers on the port this one did not get
            if process.returncode is not None:
                raise StartError(
                    f"expected {part.name} to answer, but it ended with {process.returncode}: {self._last_words()}"
                )
            if answers:
                return
            if time.monotonic() > deadline:
                raise StartError(
                    f"expected {part.name} to answer within {part.start_within:.0f} s, it did not; its log is {part.log}"
                )
            await asyncio.sleep(_PROBE_SECONDS)

    def _clear(self) -> None:
        if self._process is None or self._tie is None:
            return  # cleared already; its number may be another group's by now
        # what the process itself had started is in its group and must not hold ports and folders against the next one
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._tie.ended()
        self._tie = None

    def _last_words(self) -> str:
        lines = self.part.log.read_bytes()[-2_000:].decode(errors="replace").split("\n")
        said = [line.strip() for line in lines if line.strip()]
        return said[-1] if said else f"it said nothing in {self.part.log}"
