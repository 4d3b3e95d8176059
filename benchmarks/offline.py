"""The core alone: backtest on one core, and bytes of state.

Goals: backtest at least 10,000 settlements/s on one core with everything on (issue 2); state small enough to keep a city in memory.
Load: the run's city; the backtest runs as its own process, bound to one core, decoding included.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.stack import Load
from detectors.backtest import open_settlements
from detectors.judge import Judge
from detectors.parameters import load_rules
from detectors.reference import Reference
from detectors.state import PersonState
from schemas.instants import Calendar
from schemas.settlement import decode_settlement


def backtest(load: Load) -> dict[str, Any]:
    """Settlements/s of ``fundwatch backtest``, by its own clock."""
    core = {min(os.sched_getaffinity(0))}
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            [
                *(sys.executable, "-m", "fundwatch", "backtest", str(load.events)),
                *("--institutions", str(load.institutions), "--drugs", str(load.drugs)),
                *("--alerts", str(Path(folder) / "alerts.jsonl")),
            ],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            check=True,
            preexec_fn=lambda: os.sched_setaffinity(0, core),
        )
    figures = json.loads(done.stdout.splitlines()[-1])
    return {
        "backtest_settlements_per_s": round(figures["settlements"] / figures["seconds"]),
        "backtest_alerts": figures["alerts"],
    }


def state(load: Load) -> dict[str, Any]:
    """Bytes of state per active person, as kept in the changelog, and of all places per person."""
    judge = Judge(load_rules(None), Reference.load(load.institutions, load.drugs), Calendar())
    persons: dict[str, PersonState] = {}
    for line in open_settlements(load.events):
        settlement = decode_settlement(line)
        known = persons.get(settlement.person_id)
        if known is None:
            known = persons[settlement.person_id] = judge.person(settlement.person_id, None)
        judge.settle(known, settlement)
        judge.review(known)
    sizes = sorted(len(person.dump()) for person in persons.values())
    return {
        "state_bytes_per_person": round(statistics.mean(sizes)),
        "state_bytes_per_person_p99": sizes[int(len(sizes) * 0.99)],
        "state_persons": len(sizes),
    }
