"""The figures a demo ends with, counted where outsiders would count them: in the topics and in ClickHouse."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import orjson

from clickhouse.client import connect
from clickhouse.reconcile import last_alerts, stored_dead_letters, stored_settlements
from clickhouse.settings import StoreSettings
from clickhouse.sink import Sink
from fundwatch.progress import Progress
from schemas.alert import alerts_sha256
from schemas.topics import FACTS, SETTLEMENTS


@dataclass(frozen=True)
class Tally:
    """The last line of a demo; every name is part of the contract or explains one that is.

    ``settlements_published`` is what this run published; the others count what the data folder holds: ``settlements_scored`` the
    records judged, ``settlements_stored`` the distinct events in ``fundwatch.settlements``, ``duplicates`` deliveries of an event that
    was there already. ``seconds`` run from ``ready`` to the end of the traffic or of the work, whichever is later.
    """

    settlements_published: int
    settlements_scored: int
    settlements_stored: int
    duplicates: int
    alerts: int
    alerts_sha256: str
    dead_letters: int
    consumer_lag: int
    restarts: int
    seconds: float
    ready_seconds: float

    def line(self) -> str:
        """One JSON object on one line."""
        return orjson.dumps(asdict(self)).decode()


def count(
    progress: Progress, store: StoreSettings, *, published: int, restarts: int, seconds: float, ready_seconds: float
) -> Tally:
    """Count now, with the panels brought up to date before; raises BrokerError or StoreError when one of the two does not answer."""
    client = connect(store)
    Sink(client, timezone=store.timezone).refresh()
    settlements, facts = progress.lag(SETTLEMENTS), progress.lag(FACTS)
    stored, dead = stored_settlements(client), stored_dead_letters(client)
    scored = settlements.committed - dead
    alerts = last_alerts(client)
    return Tally(
        settlements_published=published,
        settlements_scored=scored,
        settlements_stored=stored,
        duplicates=max(scored - stored, 0),  # rows are stored a moment before their offset is committed
        alerts=len(alerts),
        alerts_sha256=alerts_sha256(alerts),
        dead_letters=dead,
        consumer_lag=settlements.records + facts.records,
        restarts=restarts,
        seconds=round(seconds, 1),
        ready_seconds=round(ready_seconds, 1),
    )
