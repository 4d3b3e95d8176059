"""Runs every measurement in one go and prints one table; ``--json FILE`` writes the same figures."""

from __future__ import annotations

import argparse
import asyncio
import json
import platform
import sys
import tempfile
from pathlib import Path
from typing import Any

import structlog
from rich.console import Console
from rich.table import Table

from benchmarks import audits, live, offline, startup, visible, wall
from benchmarks.stack import Load, cores, running
from streams.simulator import simulate

PERSONS, DAYS, SEED = 25_000, 60, 20_250_101
YEAR_PERSONS, YEAR_DAYS = 1_200, 540
"""A history longer than states reach back; a simulated person settles as often in 540 days as one of the public data in 275."""
MEASUREMENTS = ("startup", "backtest", "state", "live", "visible", "audits", "wall")
ROWS: list[tuple[str, str, str]] = [
    ("live_settlements_per_s", "live path, one worker, everything on", "settlements/s"),
    ("stock_faust_before_per_s", "empty stock Faust agent, before", "events/s"),
    ("stock_faust_after_per_s", "empty stock Faust agent, after", "events/s"),
    ("live_to_stock", "live path / empty stock Faust agent (goal 0.6)", "ratio"),
    ("backtest_settlements_per_s", "backtest, one core (goal 10,000)", "settlements/s"),
    ("visible_p50_s", "publish to visible at 500/s, p50", "s"),
    ("visible_p99_s", "publish to visible at 500/s, p99 (goal 1.5)", "s"),
    ("visible_never", "probes never visible (goal 0)", "settlements"),
    ("audit_p50_ms", "audit at 200/s beside 500 settlements/s, p50 (goal 15)", "ms"),
    ("audit_p99_ms", "audit at 200/s beside 500 settlements/s, p99 (goal 50)", "ms"),
    ("audit_p999_ms", "audit at 200/s beside 500 settlements/s, p99.9 (goal 200)", "ms"),
    ("audit_errors", "audits answered with an error (goal 0)", "requests"),
    ("audit_undecided", "audits undecided (goal 0)", "requests"),
    ("state_bytes_per_person", "state per active person after 60 days, mean (goal 2,048)", "bytes"),
    ("state_bytes_per_person_p99", "state per active person after 60 days, p99", "bytes"),
    ("state_year_bytes_per_person", "state per active person after 540 days, mean (goal 2,048)", "bytes"),
    ("state_year_bytes_per_person_p99", "state per active person after 540 days, p99", "bytes"),
    ("state_year_entries_per_person", "settlements kept of a person then", "settlements"),
    ("state_year_place_bytes_per_person", "state of all places then, per active person", "bytes"),
    ("state_full_person_bytes", "state of a person at the cap (goal 65,536)", "bytes"),
    ("state_full_place_bytes", "state of a place at the cap (goal 1,048,576)", "bytes"),
    ("state_year_dump_us", "dump of a touched state", "us"),
    ("state_year_load_us", "load of a person's state", "us"),
    ("wall_p95_ms", "the slowest query of the wall on a city's year of 36 million settlements, p95 (goal 200)", "ms"),
    ("wall_details_p95_ms", "the slowest query of the details behind it, p95 (goal 200)", "ms"),
    ("wall_over_goal", "queries of the wall and its details above 200 ms at p95 (goal 0)", "queries"),
    ("wall_fill_s", "filling that year", "s"),
    ("startup_median_s", "start-up to ready, median of 3 (goal 30)", "s"),
]


def main() -> None:
    """Measure what ``--only`` names, or everything."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks")
    parser.add_argument("--only", choices=MEASUREMENTS, action="append", help="measure only this; may be repeated")
    parser.add_argument("--json", type=Path, default=Path("build/bench.json"), help="where the figures go")
    chosen = parser.parse_args()
    wanted = tuple(chosen.only or MEASUREMENTS)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger("warning"))
    with tempfile.TemporaryDirectory(prefix="fundwatch-bench-") as folder:
        figures = asyncio.run(_measure(Path(folder), wanted))
    figures |= {"cores": cores(), "python": platform.python_version(), "seed": SEED}
    chosen.json.parent.mkdir(parents=True, exist_ok=True)
    chosen.json.write_text(json.dumps(figures, indent=2) + "\n")
    _print(figures)


async def _measure(folder: Path, wanted: tuple[str, ...]) -> dict[str, Any]:
    if wanted == ("wall",):
        return await wall.measure(folder / "wall")
    load = _load(folder / "city.jsonl", persons=PERSONS, days=DAYS)
    _say(f"load: {load.count} settlements of {PERSONS} persons over {DAYS} days, seed {SEED}")
    figures: dict[str, Any] = {"settlements": load.count}
    for name in wanted:
        _say(name)
        if name == "wall":
            figures |= await wall.measure(folder / name)
        elif name == "startup":
            figures |= startup.measure(_load(folder / "small.jsonl", persons=300, days=2).events)
        elif name == "backtest":
            figures |= offline.backtest(load)
        elif name == "state":
            figures |= offline.state(load, _load(folder / "year.jsonl", persons=YEAR_PERSONS, days=YEAR_DAYS))
        else:
            measurement = {"live": live, "visible": visible, "audits": audits}[name]
            async with running(folder / name) as stack:
                figures |= await measurement.measure(stack, load)
    return figures


def _load(events: Path, *, persons: int, days: int) -> Load:
    simulation = simulate(persons=persons, days=days, seed=SEED)
    written = simulation.write(events)
    return Load(events, written.institutions, written.drugs, written.lines)


def _print(figures: dict[str, Any]) -> None:
    table = Table(title=f"Fundwatch, {figures['cores']} cores, Python {figures['python']}, seed {figures['seed']}")
    for heading in ("measured", "figure", "unit"):
        table.add_column(heading, justify="right" if heading == "figure" else "left")
    for name, label, unit in ROWS:
        if name in figures:
            value = figures[name]
            table.add_row(label, f"{value:,}" if isinstance(value, int) else f"{value}", unit)
    Console().print(table)


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
