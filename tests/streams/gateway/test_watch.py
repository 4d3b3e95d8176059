"""Thresholds on the figures of the last minute, on a clock the test holds."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from prometheus_client import generate_latest

from streams.gateway.watch import Threshold, UnknownThresholdError, Watch


@dataclass
class Clock:
    at: float = 1_000.0
    backlog: int = 0

    def __call__(self) -> float:
        return self.at


def watch_of(clock: Clock) -> Watch:
    return Watch(open_requests=lambda: 0, backlog=lambda: clock.backlog, clock=clock, now=clock)


def threshold(watch: Watch, name: str) -> Threshold:
    return next(one for one in watch.thresholds() if one.name == name)


def test_an_alarm_comes_with_the_figure_and_goes_with_it() -> None:
    clock = Clock()
    watch = watch_of(clock)
    for number in range(100):
        watch.answered("3102", 0.01, undecided=number < 5, rules=[])
    crossed = threshold(watch, "undecided_share")
    assert (crossed.measured, crossed.since) == (0.05, 1_000.0)
    clock.at += 30
    assert threshold(watch, "undecided_share").since == 1_000.0
    clock.at += 31
    kept = threshold(watch, "undecided_share")
    assert (kept.measured, kept.since) == (0.0, None)


def test_a_few_requests_say_nothing_about_a_share() -> None:
    watch = watch_of(Clock())
    for _ in range(9):
        watch.answered("3102", 9.0, undecided=True, rules=[])
        watch.request(refused="rate")
    assert [one.measured for one in watch.thresholds()] == [0, 0, 0, 0]


@pytest.mark.parametrize(("slow", "expected"), [(0, 0.01), (1, 0.01), (2, 0.8), (50, 0.8)])
def test_the_percentile_is_read_to_five_per_cent(slow: int, expected: float) -> None:
    watch = watch_of(Clock())
    for number in range(100):
        watch.answered("3102", 0.8 if number < slow else 0.01, undecided=False, rules=[])
    assert threshold(watch, "p99_seconds").measured == pytest.approx(expected, rel=0.06)


def test_refusals_and_a_backlog_raise_alarms_of_their_own() -> None:
    clock = Clock(backlog=5_000)
    watch = watch_of(clock)
    for number in range(20):
        watch.request(refused="size" if number % 2 else "")
    assert threshold(watch, "refused_share").measured == 0.5
    assert [one.name for one in watch.thresholds() if one.since is not None] == ["refused_share", "log_backlog"]
    text = generate_latest(watch.registry).decode()
    assert 'fundwatch_gateway_alarm{name="log_backlog"} 1.0' in text
    assert "fundwatch_gateway_log_backlog 5000.0" in text
    clock.backlog = 0
    assert threshold(watch, "log_backlog").since is None


def test_a_threshold_is_switched_off_and_on_and_moved() -> None:
    clock = Clock(backlog=5_000)
    watch = watch_of(clock)
    assert threshold(watch, "log_backlog").since is not None
    assert watch.change("log_backlog", value=None, on=False, by="test").since is None
    assert watch.change("log_backlog", value=6_000, on=True, by="test").since is None
    assert watch.change("log_backlog", value=4_999, on=None, by="test").since is not None
    with pytest.raises(UnknownThresholdError):
        watch.change("other", value=1, on=None, by="test")
