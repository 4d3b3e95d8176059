"""Labelled episodes beside a settlement file: how well a backtest found them, as a table and as figures."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.table import Table

from detectors.backtest import BacktestResult
from detectors.errors import TruthFileError
from detectors.quality import BUDGETS, Episode, Quality, measure, read_truth

_SUFFIXES: Final = (".jsonl.zst", ".jsonl")


def episodes_beside(file: Path) -> tuple[Episode, ...]:
    """The episodes of ``X.truth.jsonl`` for a file ``X.jsonl`` or ``X.jsonl.zst``; none, and a line on stderr, where it cannot be used."""
    stem = next((file.name.removesuffix(suffix) for suffix in _SUFFIXES if file.name.endswith(suffix)), None)
    if stem is None:
        return ()
    truth = file.with_name(f"{stem}.truth.jsonl")
    try:
        return read_truth(truth)
    except TruthFileError as error:
        print(f"quality is not measured: {error}", file=sys.stderr)
        return ()


def quality_of(result: BacktestResult, episodes: tuple[Episode, ...]) -> dict[str, Any] | None:
    """The figures at each budget and for all alerts, a table of them on stderr; None without episodes."""
    if not episodes:
        return None
    measured = [
        measure(episodes, result.alerts, events=result.settlements, first_times=result.first_times, budget=budget)
        for budget in (*BUDGETS, None)
    ]
    Console(stderr=True).print(_table(measured))
    return {
        "episodes": sum(episode.fraud for episode in episodes),
        "look_alikes": sum(not episode.fraud for episode in episodes),
        "at": [quality.figures() for quality in measured],
    }


def _table(measured: list[Quality]) -> Table:
    table = Table(title="labelled episodes found, by background alerts allowed per 10,000 settlements")
    table.add_column("")
    for quality in measured:
        table.add_column("all alerts" if quality.budget is None else f"{quality.budget:g}", justify="right")

    def row(label: str, cells: list[str]) -> None:
        table.add_row(label, *cells)

    row("recall", [_share(*quality.recall) for quality in measured])
    for family in measured[0].by_family():
        row(f"  {family}", [_share(*quality.by_family()[family]) for quality in measured])
    for kind in dict.fromkeys(episode.kind for episode in measured[0].episodes if episode.fraud):
        row(f"  kind {kind}", [_share(*quality.by_kind()[kind]) for quality in measured])
    row("look-alikes flagged", [_share(*quality.look_alikes) for quality in measured])
    for kind in dict.fromkeys(episode.kind for episode in measured[0].episodes if not episode.fraud):
        row(f"  kind {kind}", [_share(*quality.by_kind()[kind]) for quality in measured])
    row("background alerts per 10,000", [f"{quality.background_per_10k:.2f}" for quality in measured])
    row("median lead", ["–" if quality.median_lead is None else f"{quality.median_lead:.2f}" for quality in measured])
    return table


def _share(hits: int, of: int) -> str:
    return f"{hits}/{of} {hits / of:.0%}" if of else "–"
