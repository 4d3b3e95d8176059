"""Rows wait for a store that is away, and rows the store will never take do not stop the others."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from clickhouse.errors import StoreRefused, StoreUnavailable
from streams.machine import free_port
from streams.meters import Meters, serve_metrics
from streams.storing import Storing


class Sink:
    def __init__(self, *answers: Exception | None) -> None:
        self.answers = list(answers)
        self.calls = 0

    def store(self, **_rows: Any) -> None:
        self.calls += 1
        answer = self.answers.pop(0)
        if answer is not None:
            raise answer

    def refresh(self) -> None:
        pass


async def test_a_store_that_is_away_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streams.storing._FIRST_PAUSE", 0)
    sink, meters = Sink(StoreUnavailable("away"), StoreUnavailable("away"), None), Meters()
    await Storing(sink, sink, meters).store([object()], [], [])  # type: ignore[list-item]
    assert (sink.calls, meters.store_retries) == (3, 2)


async def test_refused_rows_are_passed_over_and_a_refusal_without_rows_is_not() -> None:
    sink = Sink(StoreRefused("a bad row", event_ids=("E1",)), StoreRefused("another table"))
    storing = Storing(sink, sink, Meters())
    await storing.store([object()], [], [])  # type: ignore[list-item]
    with pytest.raises(StoreRefused, match="another table"):
        await storing.store([object()], [], [])  # type: ignore[list-item]


async def test_nothing_to_store_does_not_ask_the_store() -> None:
    sink = Sink()
    await Storing(sink, sink, Meters()).store([], [], [])
    assert sink.calls == 0


def test_meters_are_served_for_prometheus() -> None:
    port = free_port()
    stop = serve_metrics("127.0.0.1", port, Meters(scored=3))
    try:
        assert "fundwatch_worker_scored_total 3.0" in httpx.get(f"http://127.0.0.1:{port}/metrics").text
    finally:
        stop()
