"""The short version of ``make test-faults``: one seed on a simulated city, with every process that keeps something killed."""

from __future__ import annotations

from pathlib import Path

import pytest

from streams.simulator import simulate
from tests.faults.disturbance import Disturbance
from tests.faults.oracle import expected
from tests.faults.run import run_disturbed

pytestmark = [pytest.mark.embedded, pytest.mark.faults]


VICTIMS = ("worker", "clickhouse", "worker", "kafka")


def test_kills_change_no_alert_and_no_panel_number(tmp_path: Path) -> None:
    city = simulate(persons=2_000, days=30, seed=5)
    lines = list(city.lines())
    institutions, drugs = city.write_references(tmp_path / "city.jsonl")
    want = expected(lines, institutions, drugs)
    assert want.alerts > 0
    disturbance = Disturbance.of(1, victims=VICTIMS)
    outcome = run_disturbed(
        disturbance, disturbance.arrivals(lines), want, tmp_path,
        "--institutions", str(institutions), "--drugs", str(drugs),
    )  # fmt: skip
    assert tuple(outcome.killed) == VICTIMS
