"""A worker in a process of its own, for tests that kill it: its sink is a file, one JSON line per stored thing.

    worker_process.py FOLDER [DIE_AT]

It stores nothing while FOLDER/away exists, and with DIE_AT it kills itself (SIGKILL) when it stores alerts for that time, after their rows
and their Kafka messages went out and before the state behind them is saved.
"""

import os
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import orjson

from clickhouse.errors import StoreUnavailable
from schemas.alert import Alert
from schemas.audit import Record
from schemas.deadletter import DeadLetter
from schemas.settlement import Settlement
from streams.settings import StreamSettings
from streams.worker import serve

FOLDER = Path(sys.argv[1])
DIE_AT = int(sys.argv[2]) if len(sys.argv) > 2 else 0


class FileSink:
    def __init__(self) -> None:
        self._file = (FOLDER / "stored").open("ab", buffering=0)
        self._with_alerts = 0

    def store(
        self,
        *,
        settlements: Sequence[Settlement] = (),
        alerts: Sequence[Alert] = (),
        dead_letters: Sequence[DeadLetter] = (),
    ) -> None:
        if (FOLDER / "away").exists():
            raise StoreUnavailable("the test says so")
        rows: list[object] = [["settlement", settlement.event_id] for settlement in settlements]
        rows += [["alert", alert.alert_id, alert.revision] for alert in alerts]
        rows += [["dead", letter.field] for letter in dead_letters]
        self._file.write(b"".join(orjson.dumps(row) + b"\n" for row in rows))
        self._with_alerts += bool(alerts)
        if alerts and self._with_alerts == DIE_AT:
            time.sleep(0.5)  # not to wait for something: the messages of this flush shall be out, its state must not be
            os.kill(os.getpid(), signal.SIGKILL)

    def store_audits(self, records: Sequence[Record]) -> None:
        if (FOLDER / "away").exists():
            raise StoreUnavailable("the test says so")
        self._file.write(b"".join(orjson.dumps(["audit", record.audit_id]) + b"\n" for record in records))

    def refresh(self) -> None:
        pass


raise SystemExit(serve(StreamSettings(), FileSink))
