"""Shows whether the panels say what is stored: one screen for people, one JSON object for programs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Final

import orjson
import typer

from clickhouse.client import connect
from clickhouse.errors import StoreError
from clickhouse.reconcile import Comparison, Difference, reconcile, waiting_hours
from clickhouse.settings import StoreSettings

_SHOWN: Final = 12
AWAY: Final = 2


def compare_panels(settings: StoreSettings, *, as_json: bool) -> int:
    """Print what was compared and where it differs; 0 without a difference, 1 with one, 2 when the store does not answer."""
    try:
        client = connect(settings)
        waiting = waiting_hours(client)
        found = reconcile(client)
    except StoreError as error:
        typer.echo(f"fundwatch: nothing was compared, the store does not answer as it should: {error}", err=True)
        return AWAY
    differing = sum(comparison.differing for comparison in found)
    if as_json:
        whole = {"differing": differing, "waiting_hours": waiting, "aggregates": [asdict(each) for each in found]}
        typer.echo(orjson.dumps(whole).decode())
    else:
        typer.echo("\n".join(_screen(found, waiting, differing)))
    return 1 if differing else 0


def _screen(found: Sequence[Comparison], waiting: int, differing: int) -> list[str]:
    width = max(len(each.title) for each in found)
    lines = [f"{'aggregate':<{width}}  {'cells':>12}  {'differing':>9}"]
    lines += [f"{each.title:<{width}}  {each.cells:>12,}  {each.differing:>9,}" for each in found]
    shown = [difference for each in found for difference in each.first][:_SHOWN]
    lines += ["", *map(_line, shown)] if shown else []
    if waiting:
        lines += ["", f"{waiting} hours wait for their refresh: their differences go away by themselves"]
    lines += ["", "the panels say what is stored" if not differing else f"{differing} cells differ from what is stored"]
    return lines


def _line(difference: Difference) -> str:
    cell = " ".join(f"{key}={value}" for key, value in difference.cell.items() if value)
    return f"{difference.aggregate} {cell}: {difference.measure} panel={difference.panel} raw={difference.raw}"
