"""Stores how alerts were delivered: every attempt, and the last word on every alert, revision and receiver."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from clickhouse_connect.driver.client import Client

from clickhouse.client import connect, translated
from clickhouse.errors import StoreRefused, StoreUnavailable
from clickhouse.settings import StoreSettings

_ATTEMPTS: Final = (
    "alert_id", "revision", "receiver", "attempt", "state", "status", "error", "family", "rule_id", "light", "summary", "queued_at",
    "attempted_at", "took_ms",
)  # fmt: skip
_LATEST: Final = tuple("attempts" if name == "attempt" else name for name in _ATTEMPTS if name != "took_ms")


@dataclass(frozen=True)
class DeliveryAttempt:
    """One attempt: the ``attempt``-th (from 1; 0: given up without one) of that revision. ``*_ms`` at times since 1970."""

    alert_id: str
    revision: int
    receiver: str
    attempt: int
    state: str
    status: int
    error: str
    family: str
    rule_id: str
    light: str
    summary: str
    queued_ms: int
    attempted_ms: int
    took_ms: float


class DeliverySink:
    """Writes attempts and blocks until they are safe; one instance may be used by one thread at a time."""

    def __init__(self, store: Client | StoreSettings) -> None:
        """``store`` is a client or where to find one; it connects when it is first used."""
        self._store = store
        self._client = store if isinstance(store, Client) else None

    def store(self, attempts: Sequence[DeliveryAttempt]) -> None:
        """Insert; the same attempts once more change nothing. Raises StoreUnavailable: call again, nothing is ever refused for good."""
        if not attempts:
            return
        rows = [[_value(one, name) for name in _ATTEMPTS] for one in attempts]
        latest = [[_value(one, "attempt" if name == "attempts" else name) for name in _LATEST] for one in attempts]
        try:
            with translated():
                client = self._connected()
                client.insert("delivery_attempt_rows", rows, column_names=list(_ATTEMPTS), settings={"async_insert": 0})
                client.insert("delivery_rows", latest, column_names=list(_LATEST), settings={"async_insert": 0})
        except StoreRefused as refusal:
            # about the tables, which an operator can mend; there is nothing in these rows to refuse
            raise StoreUnavailable(str(refusal)) from refusal

    def _connected(self) -> Client:
        if self._client is None:
            assert isinstance(self._store, StoreSettings)
            self._client = connect(self._store)
        return self._client


def _value(one: DeliveryAttempt, name: str) -> Any:
    if name in ("queued_at", "attempted_at"):
        milliseconds = one.queued_ms if name == "queued_at" else one.attempted_ms
        return datetime.fromtimestamp(milliseconds / 1000, UTC)
    return getattr(one, name)
