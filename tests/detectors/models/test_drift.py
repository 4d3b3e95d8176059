"""Changes of level are told, wandering about a level is not."""

from __future__ import annotations

import random
from datetime import datetime

import msgspec
import orjson
import pytest

from detectors.backtest import run
from detectors.models.drift import Drift, alert_drifts, jumps, turns
from schemas.instants import Calendar
from tests.detectors.harness import Drive, judge, visit
from tests.detectors.models.population import town

CALENDAR = Calendar()


def day(text: str) -> int:
    return CALENDAR.day(CALENDAR.instant(datetime.fromisoformat(text)))


@pytest.mark.parametrize("seed", range(20))
def test_a_steady_level_is_no_drift(seed: int) -> None:
    rng = random.Random(seed)
    assert turns([0.4 + rng.gauss(0, 0.03) for _ in range(64)]) == []


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("step", [0.2, -0.2])
def test_a_change_of_level_is_told_within_weeks(seed: int, step: float) -> None:
    rng = random.Random(seed)
    found = turns([0.5 + rng.gauss(0, 0.03) + (step if week >= 20 else 0) for week in range(40)])
    assert found
    assert 20 <= found[0] <= 24


def test_more_findings_a_day_are_told() -> None:
    rng = random.Random(1)
    steady = [rng.choice([1, 2, 3]) for _ in range(120)]
    assert jumps(steady) == []
    found = jumps([*steady, *(count + 9 for count in steady)])
    assert found
    assert 120 <= found[0] <= 135


def test_findings_are_counted_by_detector_and_day() -> None:
    events = [visit(number, f"{number // 4}d {8 + number % 4:02d}:00:00") for number in range(8)]
    (alert, *_) = Drive(judge()).run(events).of("rolling_count")
    days = [f"2025-0{1 + number // 28}-{1 + number % 28:02d} 10:00:00" for number in range(80)]
    few = [msgspec.structs.replace(alert, raised_at=text) for text in days]
    many = [one for one in few[50:] for _ in range(6)]
    (found, *_) = alert_drifts([*few, *many], day)
    assert found.what == alert.detector
    assert day(days[50]) <= found.day <= day(days[65])
    assert alert_drifts([msgspec.structs.replace(one, light="green") for one in [*few, *many]], day) == []
    assert alert_drifts([], day) == []


def test_a_town_that_changes_its_ways_is_noticed() -> None:
    """From one week on everybody is sent to three doctors a day."""
    quiet = Drive(judge(), batch=1_000).run(town(9, persons=60, weeks=30, burst_week=None))
    assert quiet.cohort is not None
    assert quiet.cohort.drifts() == []
    events = town(9, persons=60, weeks=30, burst_week=None)
    turned = events[2 * len(events) // 3]["setl_time"]
    more = []
    for number, made in enumerate(events):
        if made["event_type"] == "SETTLE" and made["setl_time"] > turned:
            for again in range(2):
                codes = {
                    "event_id": f"D{number}-{again}",
                    "setl_id": f"D{number}-{again}",
                    "mdtrt_id": f"D{number}-{again}",
                }
                more.append({**made, **codes, "fixmedins_code": "DE"[again], "med_type": "11"})
    lines = [orjson.dumps(made) for made in sorted([*events, *more], key=lambda made: made["setl_time"])]
    found = [one for one in run(lines, judge(), partitions=1).drifts if one.what == "risk_sco"]
    assert found
    assert all(one.where == 0 and isinstance(one, Drift) and one.day >= day(turned) for one in found)
