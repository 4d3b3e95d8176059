"""``fundwatch backtest``: a settlement file through the worker's own judgement, the alerts into a file, the figures as JSON."""

from __future__ import annotations

import gc
import time
from datetime import date, timedelta
from pathlib import Path

import orjson
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from detectors.backtest import open_settlements
from detectors.backtest import run as judge_all
from detectors.filed import load_exceptions
from detectors.judge import Judge
from detectors.models.verdicts import load_verdicts
from detectors.parameters import load_rules
from detectors.reference import Reference
from fundwatch.errors import FundwatchError
from fundwatch.quality import episodes_beside, quality_of
from fundwatch.settings import load
from schemas.alert import encode_alert
from schemas.instants import Calendar
from streams.settings import StreamSettings


def backtest_file(
    file: Path,
    *,
    institutions: Path | None,
    drugs: Path | None,
    alerts: Path | None,
    rules: Path | None,
    exceptions: Path | None = None,
) -> None:
    """Judge ``file`` (``-`` is standard input), write one alert per line to ``alerts``, print the figures as the last line.

    What is None comes from the environment, as for the worker. Where a truth file lies beside ``file``, the figures say how well its
    episodes were found. Raises DetectorError for files that cannot be read.
    """
    settings = load(StreamSettings)
    episodes = episodes_beside(file)
    watch = frozenset(event for episode in episodes for event in episode.event_ids)
    began = time.monotonic()
    book = load_rules(rules or settings.rules)
    judge = Judge(
        book,
        Reference.load(institutions or settings.institutions, drugs or settings.drugs),
        Calendar(settings.timezone),
        load_exceptions(exceptions or settings.exceptions, book),
        load_verdicts(settings.verdicts),
    )
    # a run keeps what it keeps to its end: after 131,267 settlements 24 objects were garbage in cycles; the search took some 7 %
    gc.disable()
    columns = (SpinnerColumn(), TextColumn("{task.completed:,.0f} settlements"), TextColumn("{task.fields[rate]}"))
    with Progress(*columns, TimeElapsedColumn(), console=Console(stderr=True)) as bar:
        task = bar.add_task("", total=None, rate="")

        def advance(done: int) -> None:
            bar.update(task, completed=done, rate=f"{done / max(time.monotonic() - began, 1e-3):,.0f}/s")

        result = judge_all(open_settlements(file), judge, progress=advance, watch=watch, partitions=settings.partitions)
        advance(result.settlements)
    if alerts is not None:
        try:
            with alerts.open("wb") as out:
                out.writelines(encode_alert(alert) + b"\n" for alert in result.alerts)
        except OSError as error:
            raise FundwatchError(
                f"expected to write the alerts to {alerts}, got: {error.strerror}; give another --alerts"
            ) from None
    figures = {
        "settlements": result.settlements,
        "distinct": result.distinct,
        "dead_letters": result.dead_letters,
        "alerts": len(result.alerts),
        "alerts_sha256": result.alerts_sha256,
        "seconds": round(time.monotonic() - began, 3),
        "late": result.late,
        "too_old": result.too_old,
        "drifts": [
            {"what": one.what, "day": str(date(1970, 1, 1) + timedelta(days=one.day)), "partition": one.where}
            for one in result.drifts
        ],
        "quality": quality_of(result, episodes),
    }
    print(orjson.dumps(figures).decode(), flush=True)
