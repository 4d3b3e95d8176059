"""``fundwatch simulate``: a synthetic settlement file from a seed, its reference files and its truth beside it."""

from __future__ import annotations

import time
from pathlib import Path

import orjson
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from fundwatch.errors import UsageError
from streams.simulator import simulate


def simulate_file(*, persons: int, days: int, seed: int, out: Path) -> None:
    """Write ``out`` (.jsonl or .jsonl.zst) and print what was written as one JSON object. Raises UsageError for what cannot be."""
    began = time.monotonic()
    columns = (
        BarColumn(),
        TextColumn("day {task.completed:.0f} of {task.total:.0f}, {task.fields[events]:,} settlements"),
    )
    try:
        simulation = simulate(persons=persons, days=days, seed=seed)
        with Progress(*columns, TimeElapsedColumn(), console=Console(stderr=True)) as bar:
            task = bar.add_task("", total=days, events=0)
            written = simulation.write(out, lambda done, events: bar.update(task, completed=done, events=events))
    except ValueError as error:
        raise UsageError(str(error)) from None
    figures = {
        "lines": written.lines,
        "settlements": written.settlements,
        "episodes": written.episodes,
        "file": str(written.path),
        "institutions": str(written.institutions),
        "drugs": str(written.drugs),
        "truth": str(written.truth),
        "seconds": round(time.monotonic() - began, 3),
    }
    print(orjson.dumps(figures).decode(), flush=True)
