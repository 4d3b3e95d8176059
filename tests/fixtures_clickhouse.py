"""The store for tests: one embedded ClickHouse for the session (and a real one, if an address is given), a database per test."""

from __future__ import annotations

import os
import select
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest
from clickhouse_connect.driver.client import Client

from clickhouse.client import connect
from clickhouse.migrate import migrate
from clickhouse.settings import StoreSettings
from schemas.alert import Alert, Window, alert_id
from schemas.settlement import Settlement, decode_settlement

_SERVER = os.environ.get("FUNDWATCH_TEST_CLICKHOUSE_URL")
_START_SECONDS = 60


class EmbeddedServer:
    """An embedded ClickHouse on a free port of loopback, in a process of its own."""

    def __init__(self, folder: Path, **environment: str) -> None:
        self._command = [sys.executable, "-m", "clickhouse.embedded", "--data-dir", str(folder), "--port", "0"]
        self._environment = os.environ | {"FUNDWATCH_TIMEZONE": "Asia/Shanghai"} | environment
        self.start()

    def start(self) -> None:
        self.process = subprocess.Popen(self._command, stdout=subprocess.PIPE, env=self._environment)
        assert self.process.stdout is not None
        ready, _, _ = select.select([self.process.stdout], [], [], _START_SECONDS)
        line = self.process.stdout.readline().decode() if ready else ""
        assert line.startswith("listening on "), f"the embedded ClickHouse did not start: {line!r}"
        self.url = line.removeprefix("listening on ").strip()
        deadline = time.monotonic() + _START_SECONDS
        while True:
            try:
                assert httpx.get(f"{self.url}/ping", timeout=_START_SECONDS).text == "Ok.\n"
                return
            except httpx.TransportError:
                assert time.monotonic() < deadline, "the embedded ClickHouse does not answer"

    def kill(self) -> None:
        """kill -9, as a machine does that runs out of memory."""
        self.process.kill()
        self._reap()

    def stop(self) -> int:
        """SIGTERM; returns the exit code."""
        self.process.terminate()
        return self._reap()

    def _reap(self) -> int:
        code = self.process.wait(60)
        assert self.process.stdout is not None
        self.process.stdout.close()
        return code


@pytest.fixture(scope="session", params=["embedded", *(["server"] if _SERVER else [])])
def clickhouse_url(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a ClickHouse shared by the whole session: take a :func:`store_settings`."""
    if request.param == "server":
        assert _SERVER is not None
        yield _SERVER
        return
    server = EmbeddedServer(tmp_path_factory.mktemp("clickhouse"))
    yield server.url
    server.stop()


@pytest.fixture
def store_settings(clickhouse_url: str) -> Iterator[StoreSettings]:
    """Settings for a database nobody else uses; it is dropped afterwards and need not have been made."""
    settings = StoreSettings(clickhouse_url=clickhouse_url, clickhouse_database=f"t{uuid.uuid4().hex[:12]}")
    yield settings
    client = connect(settings)
    client.command(f"DROP DATABASE IF EXISTS `{settings.clickhouse_database}`", use_database=False)
    client.close()


@pytest.fixture(scope="session")
def _migrated(clickhouse_url: str) -> Client:
    client = connect(StoreSettings(clickhouse_url=clickhouse_url, clickhouse_database=f"t{uuid.uuid4().hex[:12]}"))
    migrate(client)
    return client


def empty(client: Client) -> None:
    """Empty every table but the ledger of migrations."""
    tables = client.query(
        "SELECT name FROM system.tables WHERE database = currentDatabase() AND engine LIKE '%MergeTree' AND total_rows > 0 "
        "AND name != 'schema_migrations'"
    ).result_rows
    for (table,) in tables:
        client.command(f"TRUNCATE TABLE {table}")


@pytest.fixture
def store(_migrated: Client) -> Client:
    """A client on a migrated database that is empty; the database is the session's, so that nobody waits for migrations."""
    empty(_migrated)
    return _migrated


def wire_settlement(number: int = 1, **fields: Any) -> dict[str, Any]:
    """The wire form of settlement ``number``: every field filled, one line; ``fields`` replace."""
    return {
        "event_id": f"E{number:06d}", "event_type": "SETTLE", "orig_setl_id": None, "infno": "2102",
        "inf_time": "2025-03-10 09:30:01", "setl_id": f"S{number:06d}", "mdtrt_id": f"M{number}",
        "psn_no": f"3206{number % 7:012d}", "gend": "1", "brdy": "1986-01-15", "insutype": "390", "psn_type": "1101",
        "insuplc_admdvs": "320600", "mdtrt_cert_type": "03", "med_type": "41", "setl_time": "2025-03-10 09:30:00",
        "begndate": "2025-03-10", "enddate": "2025-03-10", "fixmedins_code": "P1", "fixmedins_name": "大药房1", "hosp_lv": "11",
        "mdtrtarea_admvs": "320602", "dev_no": "P1-T1", "opter_id": "o1", "medfee_sumamt": "100.10",
        "fund_pay_sumamt": "70.05", "hifp_pay": "70.05", "acct_pay": "20.00", "psn_cash_pay": "10.05",
        "inscp_scp_amt": "90.00", "refd_setl_flag": "0", "dise_codg": "E11",
        "diagnoses": [{"diag_code": "E11.9", "diag_name": "糖尿病", "maindiag_flag": "1", "diag_type": "1"}],
        "agnter_certno": "tok-1", "agnter_rlts": "1", "long_rx_flag": "0",
        "lines": [
            {
                "feedetl_sn": f"F{number}", "med_list_codg": "X1", "hilist_name": "二甲双胍", "list_type": "101",
                "med_chrgitm_type": "09", "cnt": "2", "pric": "50.05", "det_item_fee_sumamt": "100.10",
                "inscp_scp_amt": "90.00", "prd_days": "30", "fee_ocur_time": "2025-03-10 09:29:00", "bilg_dr_codg": "D1",
                "bilg_dept_codg": "A03", "rxno": "R1", "rx_circ_flag": "0", "drug_trac_codg": ["8100", "8101"],
            }
        ],
    } | fields  # fmt: skip


def settlement(number: int = 1, **fields: Any) -> Settlement:
    """Settlement ``number``, decoded as the worker does."""
    return decode_settlement(orjson.dumps(wire_settlement(number, **fields)))


def alert(number: int = 1, **fields: Any) -> Alert:
    """Alert ``number`` on person ``number`` with the settlement of the same number as evidence; ``fields`` replace."""
    person = f"3206{number % 7:012d}"
    values: dict[str, Any] = {
        "alert_id": alert_id("frequent_visits.rolling_count", 1, "person", person, str(number)),
        "revision": 1,
        "detector": "frequent_visits.rolling_count",
        "family": "frequent_visits",
        "subject_type": "person",
        "subject_id": person,
        "light": "yellow",
        "score": 0.1 + 0.2,
        "raised_at": "2025-03-10 09:30:00",
        "event_ids": [f"E{number:06d}"],
        "persons": [person],
        "institutions": ["P1"],
        "window": Window(start="2025-03-03 09:30:01", end="2025-03-10 09:30:00"),
        "explanation": f"参保人 {person} 7 天内就诊 9 次，上限 7 次",
        "features": {"visits": 9, "limit": 7, "rate": 0.1, "generic": "G'1\"\\\n"},
        "rule_id": "frequent_visits.rolling_count",
        "rule_version": 1,
        "amount": Decimal("70.05"),
    }
    return Alert(**(values | fields))


@pytest.fixture
def embedded_server(tmp_path: Path) -> Iterator[Callable[..., EmbeddedServer]]:
    """Starts embedded servers of a test's own; what still runs afterwards is killed."""
    started: list[EmbeddedServer] = []

    def start(name: str = "store", **environment: str) -> EmbeddedServer:
        started.append(EmbeddedServer(tmp_path / name, **environment))
        return started[-1]

    yield start
    for server in started:
        if server.process.poll() is None:
            server.kill()
