"""The console's line to ClickHouse: opened when first needed, impatient, and opened again after the store was away."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Final, TypeVar

from clickhouse_connect.driver.client import Client

from clickhouse.client import connect, translated
from clickhouse.errors import StoreError
from clickhouse.settings import StoreSettings

PATIENCE: Final = 8.0  # seconds: whoever looks at a screen would rather see that nothing comes

Answer = TypeVar("Answer")


class Store:
    """Runs questions against the store from any thread; every call raises :class:`StoreError` when none can be had."""

    def __init__(self, settings: StoreSettings) -> None:
        self._settings = settings.model_copy(update={"clickhouse_timeout": min(PATIENCE, settings.clickhouse_timeout)})
        self._lock = threading.Lock()
        self._client: Client | None = None

    @property
    def timezone(self) -> str:
        """The fund's IANA zone, in which all times are shown."""
        return self._settings.timezone

    def ask(self, question: Callable[[Client], Answer]) -> Answer:
        """The answer to a question that takes a client."""
        client = self._opened()
        with translated():
            return question(client)

    def answers(self) -> bool:
        """Whether the store answers now."""
        try:
            return str(self.ask(lambda client: client.command("SELECT 1"))) == "1"
        except StoreError:
            return False

    def close(self) -> None:
        """Let go of the connections."""
        with self._lock:
            client, self._client = self._client, None
        if client is not None:
            client.close()

    def _opened(self) -> Client:
        if self._client is not None:
            return self._client
        # connected outside the lock: where nothing answers, callers wait for the timeout together, not one after another
        fresh = connect(self._settings)
        with self._lock:
            if self._client is None:
                self._client = fresh
                return fresh
            known = self._client
        fresh.close()
        return known
