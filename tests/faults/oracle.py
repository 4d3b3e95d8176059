"""What must come out, worked out without any of the parts that are killed: plain counting of the file, and the backtest."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

import orjson

Cell = tuple[str, str, str, str]
Figures = tuple[int, int, int, Decimal, Decimal]


@dataclass(frozen=True)
class Expected:
    """``cells``: (hour, area, institution, care type) -> (events, settlements, reversals, fee, fund), fee and fund in yuan."""

    stored: int
    alerts: int
    alerts_sha256: str
    cells: dict[Cell, Figures]


def expected(lines: Sequence[bytes], institutions: Path | None, drugs: Path | None) -> Expected:
    """The figures for a file in its own, undisturbed order."""
    from detectors.backtest import run
    from detectors.judge import Judge
    from detectors.parameters import load_rules
    from detectors.reference import Reference
    from schemas.instants import Calendar

    judge = Judge(load_rules(None), Reference.load(institutions, drugs), Calendar())
    judged = run(lines, judge)
    return Expected(
        stored=len({orjson.loads(line)["event_id"] for line in lines}),
        alerts=len(judged.alerts),
        alerts_sha256=judged.alerts_sha256,
        cells=count_cells(lines),
    )


def count_cells(lines: Sequence[bytes]) -> dict[Cell, Figures]:
    """The panel hours by counting distinct events of the file."""
    seen: set[str] = set()
    cells: dict[Cell, list[Decimal]] = defaultdict(lambda: [Decimal()] * 5)
    for line in lines:
        event = orjson.loads(line)
        if event["event_id"] in seen:
            continue
        seen.add(event["event_id"])
        key = (
            event["setl_time"][:13] + ":00:00",
            event.get("mdtrtarea_admvs") or "",
            event["fixmedins_code"],
            str(event["med_type"]),
        )
        settled = event["event_type"] == "SETTLE"
        fee, fund = Decimal(event["medfee_sumamt"]), Decimal(event["fund_pay_sumamt"])
        # a reversal takes its money back, whichever sign the core system writes it with
        added = (1, settled, not settled, fee if settled else -abs(fee), fund if settled else -abs(fund))
        cells[key] = [known + new for known, new in zip(cells[key], added, strict=True)]
    return {key: (int(c[0]), int(c[1]), int(c[2]), c[3], c[4]) for key, c in cells.items()}
