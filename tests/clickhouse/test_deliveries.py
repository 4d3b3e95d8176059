"""Attempts are stored once however often, and the last word on a delivery is the latest."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from clickhouse_connect.driver.client import Client

from clickhouse.deliveries import DeliveryAttempt, DeliverySink
from clickhouse.errors import StoreUnavailable
from clickhouse.settings import StoreSettings

pytestmark = pytest.mark.embedded
FIRST = DeliveryAttempt(
    alert_id="a1", revision=1, receiver="值班群", attempt=1, state="failed", status=500, error="HTTP 500 '\\", family="agent_buying",
    rule_id="agent_buying.drug_rush", light="red", summary="", queued_ms=1_772_438_400_123, attempted_ms=1_772_438_400_456, took_ms=1.5,
)  # fmt: skip
SECOND = replace(FIRST, attempt=2, state="delivered", status=200, error="", attempted_ms=1_772_438_401_000)


def rows(store: Client, sql: str) -> list[tuple[Any, ...]]:
    return [tuple(row) for row in store.query(sql).result_rows]


def test_attempts_are_rows_and_the_last_word_is_the_latest(store: Client) -> None:
    sink = DeliverySink(store)
    sink.store([FIRST])
    assert rows(store, "SELECT state, attempts FROM deliveries") == [("failed", 1)]
    for _ in range(2):
        sink.store(
            [FIRST, SECOND, replace(FIRST, revision=2), replace(FIRST, receiver="other", attempt=0, state="given_up")]
        )
    tried = "SELECT revision, attempt, state, status FROM delivery_attempts WHERE receiver = '值班群' ORDER BY revision, attempt"
    assert rows(store, tried) == [
        (1, 1, "failed", 500), (1, 2, "delivered", 200), (2, 1, "failed", 500),
    ]  # fmt: skip
    assert rows(store, "SELECT receiver, revision, state, attempts FROM deliveries ORDER BY receiver, revision") == [
        ("other", 1, "given_up", 0), ("值班群", 1, "delivered", 2), ("值班群", 2, "failed", 1),
    ]  # fmt: skip
    times = "SELECT toString(queued_at), toString(attempted_at), error FROM delivery_attempts WHERE attempt = 1 AND revision = 1"
    assert rows(store, times) == [
        ("2026-03-02 16:00:00.123", "2026-03-02 16:00:00.456", "HTTP 500 '\\")
    ]  # fmt: skip


def test_a_store_that_is_away_or_without_tables_is_to_be_asked_again(store_settings: StoreSettings) -> None:
    with pytest.raises(StoreUnavailable):
        DeliverySink(store_settings).store([FIRST])
    with pytest.raises(StoreUnavailable):
        DeliverySink(StoreSettings(clickhouse_url="http://127.0.0.1:1")).store([FIRST])
    DeliverySink(StoreSettings(clickhouse_url="http://127.0.0.1:1")).store([])
