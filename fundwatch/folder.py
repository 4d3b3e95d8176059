"""The data folder of a demo: one run at a time, ours only, with ``demo.json`` telling where everything is."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path
from typing import Any, Final

import orjson
import psutil

from fundwatch.errors import DataFolderError
from streams.machine import hold_folder

_MARK: Final = ".fundwatch"
_DYING: Final = 10.0
"""Seconds we wait for the children of a killed run: they die with it, but not in the same instant."""


class DataFolder:
    """Holds the folder for one run, from :meth:`take` until :meth:`release` or the end of the process."""

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()
        self._lock: int | None = None

    @property
    def logs(self) -> Path:
        """Where every child's output goes."""
        return self.path / "logs"

    def take(self, *, anew: bool) -> None:
        """Make the folder ours; ``anew`` removes what an earlier run left.

        Raises DataFolderError or streams.errors.StreamsError, and has touched nothing then.
        """
        if anew:
            self._check_is_ours()
        self._lock = hold_folder(self.path, "a fundwatch demo")
        (self.path / _MARK).touch()
        self._await_last_children()
        if anew:
            for entry in self.path.iterdir():
                if entry.name in {_MARK, "lock"}:
                    continue
                if entry.is_dir() and not entry.is_symlink():
                    shutil.rmtree(entry)
                else:
                    entry.unlink()
        self.logs.mkdir(exist_ok=True)

    def tell(self, state: dict[str, Any]) -> None:
        """Replace ``demo.json`` in one step, so that a reader never sees half of it; it holds tokens: owner only."""
        part = self.path / "demo.json.part"
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            file.write(orjson.dumps(state, option=orjson.OPT_INDENT_2))
        part.replace(self.path / "demo.json")

    def release(self) -> None:
        """Let another run have the folder."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def _check_is_ours(self) -> None:
        found = {entry.name for entry in self.path.iterdir()} if self.path.exists() else set()
        if _MARK not in found and found - {"lock"}:
            raise DataFolderError(
                f"expected an empty folder or one that an earlier demo left, but {self.path} holds other things;"
                " give another --data-dir"
            )

    def _await_last_children(self) -> None:
        try:
            pids = orjson.loads((self.path / "demo.json").read_bytes())["pids"].values()
        except (OSError, ValueError, KeyError, AttributeError):
            return
        deadline = time.monotonic() + _DYING
        while left := [pid for pid in pids if self._works_here(pid)]:
            if time.monotonic() > deadline:
                raise DataFolderError(
                    f"expected the processes of the last run to be gone, but {left} still work in {self.path}; end them"
                )
            time.sleep(0.05)

    def _works_here(self, pid: object) -> bool:
        """Whether a process of the last run is still there; process ids are reused, so its command line has to name the folder."""
        try:
            return isinstance(pid, int) and any(str(self.path) in word for word in psutil.Process(pid).cmdline())
        except psutil.Error:
            return False
