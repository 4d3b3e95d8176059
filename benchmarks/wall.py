"""How long the queries of the wall take on a city's year.

Goal: 200 ms at p95 for every query (issue 5). Load: :class:`benchmarks.year.Year`, 36 million settlements of two million persons at two
thousand institutions, twelve million audits, forty thousand findings, in an embedded ClickHouse of its own. Every query of every module
and detail is asked one after another over HTTP, as console and Grafana do, for the city and for its busiest institution: 5 times to warm
up, then 50 times; first on tables that rest, then right after the stream went on in small batches.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from clickhouse_connect.driver.client import Client
from rich.console import Console
from rich.table import Table

from benchmarks.year import Year, fill, minutes_later, year_before
from clickhouse.client import connect
from clickhouse.migrate import migrate
from clickhouse.panels import DETAILS, MODULES, Query
from clickhouse.panels.macros import expanded
from clickhouse.settings import StoreSettings
from fundwatch import parts
from fundwatch.children import Child

GOAL_MS: Final = 200
_WARM_UP, _TIMES, _BATCHES = 5, 50, 12
_PERIODS: Final = {"30": {"period": "30"}, "year": {"period": "2025"}, "month": {"period": "2025-03"}}


@dataclass(frozen=True)
class Asked:
    """One query as it was asked: how long it took in milliseconds, how many rows came."""

    name: str
    reader: str
    parts: str
    took: tuple[float, ...]
    rows: int

    @property
    def p50(self) -> float:
        """Median."""
        return statistics.median(self.took)

    @property
    def p95(self) -> float:
        """95th percentile."""
        return statistics.quantiles(self.took, n=20)[18]


async def measure(folder: Path, year: Year | None = None) -> dict[str, Any]:
    """Percentiles of every query in milliseconds and the worst; how long the year took to fill in seconds."""
    year = year or Year()
    addresses = parts.Addresses.choose(None, None, None)
    child = Child(parts.clickhouse(addresses, folder))
    await child.launch()
    try:
        settings = StoreSettings(
            clickhouse_url=addresses.clickhouse, clickhouse_database="bench_wall", clickhouse_timeout=600
        )
        client = connect(settings)
        migrate(client)
        started = time.perf_counter()
        fill(client, year, _say)
        year_before(client)
        rest(client)
        filled = time.perf_counter() - started
        asked = ask_all(client, "at rest")
        minutes_later(client, year, batches=_BATCHES)
        asked += ask_all(client, "live")
    finally:
        await child.stop()
    _print(asked)
    return figures(asked) | {"wall_fill_s": round(filled)}


def ask_all(client: Client, state: str, *, warm_up: int = _WARM_UP, times: int = _TIMES) -> list[Asked]:
    """Ask every query for the city and for its busiest institution, each ``times`` times; ``state`` says how the tables are."""
    subjects = _subjects(client)
    readers = {"city": "", "institution": subjects["place"]}
    done = []
    for reader, institution in readers.items():
        for name, query, parameters in _queries():
            given = subjects | parameters | {"institution": institution}
            chosen = {key: given.get(key, value) for key, value in query.defaults.items() if f"{{{key}:" in query.sql}
            took, rows = _ask(client, query, chosen, warm_up, times)
            done.append(Asked(name, reader, state, took, rows))
        _say(f"wall: asked for the {reader}, {state}")
    return done


def figures(asked: list[Asked]) -> dict[str, Any]:
    """The worst query of all and of the wall's modules, how many are over the goal, and every p50 and p95 by query."""
    worst = max(asked, key=lambda one: one.p95)
    return {
        "wall_p95_ms": round(max(one.p95 for one in asked if one.name.partition(".")[0] in MODULES)),
        "wall_details_p95_ms": round(max(one.p95 for one in asked if one.name.partition(".")[0] in DETAILS)),
        "wall_worst": f"{worst.name}, {worst.reader}, {worst.parts}",
        "wall_over_goal": sum(one.p95 > GOAL_MS for one in asked),
        "wall_queries": {
            f"{one.name} {one.reader} {one.parts}": [round(one.p50, 1), round(one.p95, 1)] for one in asked
        },
    }


def rest(client: Client, within: float = 600) -> None:
    """Wait until nothing is left to merge, as on a system that has run for a year. Raises TimeoutError."""
    deadline = time.monotonic() + within
    quiet = 0
    while quiet < 3:
        merging = client.query("SELECT count() FROM system.merges").result_rows[0][0]
        quiet = 0 if merging else quiet + 1
        if time.monotonic() > deadline:
            raise TimeoutError(f"expected the merges to end within {within:.0f} s, {merging} are still running")
        time.sleep(0.5)


def _queries() -> Iterator[tuple[str, Query, dict[str, Any]]]:
    for module in (*MODULES.values(), *DETAILS.values()):
        for query in module.queries:
            if "period" in query.defaults:
                yield from (
                    (f"{module.name}.{query.name}.{period}", query, chosen) for period, chosen in _PERIODS.items()
                )
            else:
                yield f"{module.name}.{query.name}", query, {}


def _subjects(client: Client) -> dict[str, Any]:
    """Whom the details are about: the heaviest of each, as nobody looks at the lightest."""
    [(place,)] = client.query(
        "SELECT fixmedins_code FROM panel_months GROUP BY fixmedins_code ORDER BY sum(settlements) DESC LIMIT 1"
    ).result_rows
    [(alert,)] = client.query(
        "SELECT alert_id FROM alerts WHERE NOT shadow AND light = 'red' AND has(institutions, {place:String}) "
        "ORDER BY length(event_ids) DESC, alert_id LIMIT 1",
        parameters={"place": place},
    ).result_rows
    [(person,)] = client.query(
        expanded(
            "SELECT person_key(psn_no) FROM panel_visitors WHERE fixmedins_code = {place:String} ORDER BY place LIMIT 1"
        ),
        parameters={"place": place},
    ).result_rows
    return {"place": place, "alert": alert, "person": person}


def _ask(
    client: Client, query: Query, parameters: dict[str, Any], warm_up: int, times: int
) -> tuple[tuple[float, ...], int]:
    took = []
    for number in range(warm_up + times):
        started = time.perf_counter()
        rows = list(client.query(query.sql, parameters=parameters).named_results())
        if number >= warm_up:
            took.append(1000 * (time.perf_counter() - started))
    return tuple(took), len(rows)


def _print(asked: list[Asked]) -> None:
    table = Table(title=f"the wall's queries, milliseconds, goal {GOAL_MS} at p95")
    for heading in ("query", "reader", "tables", "rows", "p50", "p95"):
        table.add_column(heading, justify="right" if heading in ("rows", "p50", "p95") else "left")
    for one in sorted(asked, key=lambda one: -one.p95):
        table.add_row(one.name, one.reader, one.parts, str(one.rows), f"{one.p50:.0f}", f"{one.p95:.0f}")
    Console(file=sys.stderr).print(table)


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
