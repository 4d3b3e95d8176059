"""chDB as several clients at once need it: handles on one data folder, each with its database, settings and session."""

from __future__ import annotations

import fcntl
import os
import re
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from queue import LifoQueue
from typing import Any, Final

from chdb.state.sqlitelike import Connection

from clickhouse.embedded.statements import Statement

BAD_ARGUMENTS: Final = 36
UNKNOWN_SESSION: Final = 372
SESSION_LOCKED: Final = 373
_SETTING: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_CODE: Final = re.compile(r"Code: (\d+)\. ")
_SESSIONS: Final = 64


class FolderInUse(Exception):  # noqa: N818  says what is, as the user reads it
    """Another process holds the data folder."""


class EngineError(Exception):
    """A statement failed: ClickHouse's code and its text, ``Code: 60. DB::Exception: ...``."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code = code


@dataclass(frozen=True)
class Answer:
    """What a statement gave: the body in ``format`` (None without a result set) and its counts."""

    body: bytes
    format: str | None
    summary: dict[str, str]


@dataclass
class Call:
    """How to run a statement: parameters without ``param_``, settings by name, and the session it belongs to, if any."""

    database: str = "default"
    parameters: Mapping[str, str] = field(default_factory=dict)
    settings: Mapping[str, str] = field(default_factory=dict)
    format: str = "TabSeparated"
    session: str | None = None
    session_timeout: float = 60.0
    session_must_exist: bool = False


class _Handle:
    """One chDB connection and what was SET on it by calls, so that only differences are set."""

    def __init__(self, location: str) -> None:
        self.connection = _open(location)
        self.lock = threading.Lock()
        self.database = "default"
        self.settings: dict[str, str] = {}
        self.expires = 0.0

    def prepare(self, call: Call) -> None:
        if call.database != self.database:
            self.connection.query(f"USE {_quoted(call.database, '`')}", "TabSeparated")
            self.database = call.database
        for name in [name for name in self.settings if name not in call.settings]:
            self.connection.query(f"SET {name} = DEFAULT", "TabSeparated")
            del self.settings[name]
        for name, value in call.settings.items():
            if self.settings.get(name) != value:
                if not _SETTING.fullmatch(name):
                    raise EngineError(115, f"Code: 115. DB::Exception: Unknown setting {name!r}. (UNKNOWN_SETTING)")
                self.connection.query(f"SET {name} = {_quoted(value)}", "TabSeparated")
                self.settings[name] = value


class Engine:
    """The store in one data folder; thread-safe. chDB allows one process per folder, so the folder is locked first."""

    def __init__(self, folder: Path, handles: int = 8) -> None:
        """Open ``folder`` (made if missing). Raises :class:`FolderInUse`, OSError if it cannot be written."""
        folder.mkdir(parents=True, exist_ok=True)
        if "?" in str(folder):
            raise OSError(f"expected a data folder without '?' in its path, got {folder}")
        self._lock_file = _claim(folder)
        self._location = f"{folder / 'store'}?log-level=error"
        self._first = _Handle(self._location)  # stays open: the engine ends with its last handle
        self._pool: LifoQueue[_Handle] = LifoQueue()
        self._size = handles
        for _ in range(handles):
            self._pool.put(_Handle(self._location))
        self._sessions: dict[str, _Handle] = {}
        self._sessions_lock = threading.Lock()
        self.version, self.timezone = (
            bytes(self._first.connection.query("SELECT version(), timezone()", "TabSeparated").bytes())
            .decode()
            .strip()
            .split("\t")
        )

    def run(self, statement: Statement, call: Call) -> Answer:
        """Run one statement to its end. Raises :class:`EngineError`."""
        with self._handle(call) as handle:
            try:
                handle.prepare(call)
                if statement.data is not None:
                    return _insert(handle.connection, statement)
                return _query(handle.connection, statement, call)
            except EngineError:
                raise
            except Exception as error:  # chDB raises ChdbError and bare RuntimeError alike
                raise _engine_error(error) from error
            finally:
                if statement.keeps and call.session is None:
                    self._renew(handle)

    def close(self) -> None:
        """Close every handle; waits for running statements."""
        for _ in range(self._size):
            self._pool.get().connection.close()
        with self._sessions_lock:
            for handle in self._sessions.values():
                with handle.lock:
                    handle.connection.close()
            self._sessions.clear()
        self._first.connection.close()
        self._lock_file.close()

    @contextmanager
    def _handle(self, call: Call) -> Iterator[_Handle]:
        if call.session is None:
            handle = self._pool.get()
            try:
                yield handle
            finally:
                self._pool.put(handle)
            return
        handle = self._session(call.session, must_exist=call.session_must_exist)
        try:
            yield handle
        finally:
            handle.expires = time.monotonic() + call.session_timeout
            handle.lock.release()

    def _session(self, name: str, *, must_exist: bool) -> _Handle:
        """The session's handle, locked for the caller."""
        with self._sessions_lock:
            now = time.monotonic()
            for other, handle in list(self._sessions.items()):
                if handle.expires < now and handle.lock.acquire(blocking=False):
                    del self._sessions[other]
                    handle.connection.close()
            found = self._sessions.get(name)
            if found is None:
                if must_exist:
                    raise EngineError(
                        UNKNOWN_SESSION, "Code: 372. DB::Exception: Session not found. (SESSION_NOT_FOUND)"
                    )
                if len(self._sessions) >= _SESSIONS:
                    raise EngineError(
                        202,
                        f"Code: 202. DB::Exception: Expected at most {_SESSIONS} sessions at a time: close some, or send no "
                        "session_id. (TOO_MANY_SIMULTANEOUS_QUERIES)",
                    )
                found = self._sessions[name] = _Handle(self._location)
            if not found.lock.acquire(blocking=False):
                raise EngineError(
                    SESSION_LOCKED,
                    f"Code: 373. DB::Exception: Session {name} is locked by a concurrent client. (SESSION_IS_LOCKED)",
                )
            return found

    def _renew(self, handle: _Handle) -> None:
        """Without a session, SET and USE end with their request, as on a server."""
        handle.connection.close()
        handle.connection = _open(self._location)
        handle.database = "default"
        handle.settings = {}


def _open(location: str) -> Any:
    connection = Connection(location)
    connection.query("SET implicit_select = 0", "TabSeparated")  # a convenience of clickhouse-local that no server has
    return connection


def _query(connection: Any, statement: Statement, call: Call) -> Answer:
    form = statement.format or call.format
    result = connection.query(statement.text, form, params=dict(call.parameters))
    body = bytes(result.bytes() or b"")
    summary = {
        "read_rows": str(result.storage_rows_read()),
        "read_bytes": str(result.storage_bytes_read()),
        "result_rows": str(result.rows_read()),
        "elapsed_ns": str(int(result.elapsed() * 1e9)),
    }
    return Answer(body, form if statement.answers else None, summary)


def _insert(connection: Any, statement: Statement) -> Answer:
    inserter = connection.send_insert(statement.text.decode(), statement.format)
    try:
        if statement.data:
            inserter.append(bytes(statement.data))
        result = inserter.finish()
    finally:
        inserter.close()
    written = {"written_rows": str(result.rows_written), "written_bytes": str(result.bytes_written)}
    return Answer(b"", None, written | {"elapsed_ns": str(int(result.elapsed * 1e9))})


def _engine_error(error: Exception) -> EngineError:
    text = str(error)
    codes = list(_CODE.finditer(text))
    if not codes:
        return EngineError(1002, f"Code: 1002. DB::Exception: {text or type(error).__name__}. (UNKNOWN_EXCEPTION)")
    last = (
        codes[-1] if text[: codes[-1].start()].count("\n") == 0 else codes[0]
    )  # chDB repeats the prefix when it wraps
    return EngineError(int(last[1]), text[last.start() :].strip())


def _quoted(text: str, quote: str = "'") -> str:
    escaped = text.replace("\\", "\\\\").replace(quote, "\\" + quote)
    return f"{quote}{escaped}{quote}"


def _claim(folder: Path) -> Any:
    handle = (folder / "lock").open("a+")
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        handle.seek(0)
        owner = handle.read().strip()
        handle.close()
        raise FolderInUse(
            f"the data folder {folder} is in use{f' by process {owner}' if owner else ''}: "
            "stop that process or choose another folder"
        ) from None
    handle.truncate(0)
    handle.write(str(os.getpid()))
    handle.flush()
    return handle
