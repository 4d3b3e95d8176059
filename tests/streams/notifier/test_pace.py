"""Rates, quiet hours, pauses and breakers, on clocks of the test's own."""

from __future__ import annotations

import random
from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from streams.notifier.pace import Breaker, Pace, parse_span, pause, quiet_until

ZONE = ZoneInfo("Asia/Shanghai")


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.integers(1, 30),
    st.integers(0, 5),
    st.lists(st.integers(0, 20).map(lambda eighths: eighths / 8), min_size=1, max_size=120),
)
def test_no_window_ever_holds_more_than_allowed(a_minute: int, a_second: int, gaps: list[float]) -> None:
    pace, now, sent = Pace(a_minute, a_second), 1_000.0, []
    for gap in gaps:
        now = pace.free_at(now + gap)
        assert pace.free_at(now) == now
        pace.take(now)
        sent.append(now)
    for number, at in enumerate(sent):
        assert sum(at - 60 < other <= at for other in sent[: number + 1]) <= a_minute
        assert not a_second or sum(at - 1 < other <= at for other in sent[: number + 1]) <= a_second


def test_without_limits_everything_goes_at_once() -> None:
    pace = Pace()
    for _ in range(1_000):
        pace.take(5.0)
    assert pace.free_at(5.0) == 5.0


def at(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=ZONE).timestamp()


@pytest.mark.parametrize(
    ("now", "until"),
    [
        ("2026-03-02 21:59:59", None), ("2026-03-02 22:00:00", "2026-03-03 07:00:00"), ("2026-03-03 00:00:00", "2026-03-03 07:00:00"),
        ("2026-03-03 06:59:59", "2026-03-03 07:00:00"), ("2026-03-03 07:00:00", None), ("2026-03-03 12:45:00", "2026-03-03 13:30:00"),
    ],
)  # fmt: skip
def test_quiet_hours_are_local_and_may_pass_midnight(now: str, until: str | None) -> None:
    spans = [parse_span("22:00-07:00"), parse_span("12:30-13:30")]
    assert quiet_until(spans, at(now), ZONE) == (at(until) if until else None)


@pytest.mark.parametrize("text", ["", "22:00", "22:00-22:00", "25:00-07:00", "22:00-07:00+08:00", "a-b"])
def test_what_is_no_span_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="22:00-07:00"):
        parse_span(text)


def test_pauses_double_with_jitter_up_to_the_longest() -> None:
    chance = random.Random(1)
    for attempts in range(1, 60):
        whole = min(300.0, 2 ** (attempts - 1))
        some = {pause(attempts, 1.0, 300.0, chance) for _ in range(50)}
        assert all(whole / 2 <= one <= whole for one in some)
        assert len(some) > 40


def test_a_breaker_opens_after_five_tries_once_and_closes_when_it_went_well() -> None:
    breaker = Breaker(first_rest=10.0)
    for now in range(5):
        assert breaker.free_at(now) == now
        breaker.tries()
        breaker.failed(float(now))
    assert (breaker.is_open, breaker.free_at(5.0)) == (True, 14.0)
    breaker.tries()
    assert breaker.free_at(14.0) is None
    breaker.failed(14.0)
    assert breaker.free_at(14.0) == 34.0
    breaker.tries()
    breaker.untried()
    assert breaker.free_at(40.0) == 40.0
    breaker.tries()
    breaker.went_well()
    assert (breaker.is_open, breaker.free_at(41.0)) == (False, 41.0)


def test_rests_grow_to_twenty_times_the_first() -> None:
    breaker, now = Breaker(first_rest=1.0), 0.0
    for _ in range(30):
        breaker.tries()
        breaker.failed(now)
        free = breaker.free_at(now)
        assert free is not None
        assert free - now <= 20.0
        now = free
    breaker.tries()
    breaker.failed(now)
    assert breaker.free_at(now) == now + 20.0
