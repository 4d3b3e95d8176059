"""The gateway's line to ClickHouse, for findings shown longer ago than what is at hand; audits never wait for it."""

from __future__ import annotations

import threading
from typing import Final

import structlog
from clickhouse_connect.driver.client import Client

from clickhouse.audits import find_finding
from clickhouse.client import connect
from clickhouse.errors import StoreError
from clickhouse.settings import StoreSettings
from streams.gateway.kept import Shown

_PATIENCE: Final = 3.0

log = structlog.get_logger(__name__)


class Findings:
    """Looks findings up, from any thread; opened when first needed, and opened again after the store was away."""

    def __init__(self, settings: StoreSettings) -> None:
        self._settings = settings.model_copy(update={"clickhouse_timeout": min(_PATIENCE, settings.clickhouse_timeout)})
        self._lock = threading.Lock()
        self._client: Client | None = None

    def find(self, jr_id: str) -> Shown | None:
        """The finding shown under ``jr_id``; None if it is not there, or the store is not."""
        try:
            with self._lock:
                if self._client is None:
                    self._client = connect(self._settings)
                client = self._client
            row = find_finding(client, jr_id)
        except StoreError as error:
            log.warning("gateway.store_away", reason=type(error).__name__)
            return None
        if row is None:
            return None
        return Shown(
            institution_id=row["fixmedins_code"],
            person_id=row["psn_no"],
            rule_id=row["rule_id"],
            doctor_id=row["doctor_id"],
            department_id=row["department_id"],
        )

    def close(self) -> None:
        """Let go of the connection."""
        with self._lock:
            client, self._client = self._client, None
        if client is not None:
            client.close()
