"""Live traffic: event time runs with the clock, and every rule has its scene within three minutes."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from itertools import islice, takewhile

import pytest

from schemas.settlement import Settlement, code, decode_settlement
from streams.simulator import LiveTraffic, live

CHINA = timezone(timedelta(hours=8))
START = datetime(2026, 3, 4, 10, 15, tzinfo=CHINA)
RATE, MINUTES = 2.0, 4


@pytest.fixture(scope="module")
def traffic() -> LiveTraffic:
    return live(RATE, 7, START)


@pytest.fixture(scope="module")
def past(traffic: LiveTraffic) -> list[Settlement]:
    return [decode_settlement(line) for line in traffic.history()]


@pytest.fixture(scope="module")
def present(traffic: LiveTraffic, past: list[Settlement]) -> list[tuple[float, Settlement]]:
    assert past
    soon = takewhile(lambda pair: pair[0] < MINUTES * 60, traffic.events())
    return [(offset, decode_settlement(line)) for offset, line in soon]


def test_history_leads_up_to_the_start(past: list[Settlement]) -> None:
    times = [one.settled_at for one in past]
    assert times == sorted(times)
    assert times[-1] <= START.replace(tzinfo=None)
    days = Counter(moment.date() for moment in times)
    assert len(days) == 31
    assert min(list(days.values())[:-1]) > 500


def test_event_time_runs_with_the_clock_at_about_the_rate(present: list[tuple[float, Settlement]]) -> None:
    offsets = [offset for offset, _ in present]
    assert offsets == sorted(offsets)
    assert RATE * MINUTES * 60 * 0.8 < len(present) < (RATE + 0.3) * MINUTES * 60 * 1.2
    once = {}
    for offset, one in present:
        if one.event_id not in once:
            once[one.event_id] = one
            assert one.settled_at == (START + timedelta(seconds=int(offset))).replace(tzinfo=None)


def test_there_is_a_scene_for_every_rule(past: list[Settlement], present: list[tuple[float, Settlement]]) -> None:
    events = [one for _, one in present]
    before = defaultdict(list)
    for one in past:
        before[one.person_id].append(one)
    cards, shops, visits, holders, boxes = (defaultdict(set) for _ in range(5))
    for one in events:
        if one.kind == "REVERSE":
            continue
        if one.terminal_id:
            cards[one.terminal_id].add(one.person_id)
        shops[one.person_id].add(one.institution_id)
        if code(one.care_type) == "11":
            visits[one.person_id].add(one.event_id)
        if one.collector_id and code(one.collector_relation) == "9":
            holders[one.collector_id].add(one.person_id)
        for line in one.lines or ():
            for box in line.trace_codes or ():
                boxes[box].add(one.settlement_id)
    assert max(map(len, cards.values())) >= 6
    assert max(map(len, shops.values())) >= 5
    week = START.replace(tzinfo=None) - timedelta(days=7)
    assert any(len(ids) + sum(one.settled_at > week for one in before[who]) >= 7 for who, ids in visits.items())
    collector, now = next(iter(holders.items()))
    earlier = {one.person_id for one in past if one.collector_id == collector and one.settled_at > week}
    assert len(now | earlier) >= 3
    sold_before = {box for one in past for line in one.lines or () for box in line.trace_codes or ()}
    assert sold_before & set(boxes)
    assert any(code(one.collector_relation) == "7" for one in events)
    assert any(one.kind == "REVERSE" for one in events)


def test_everyday_traffic_leaves_terminals_quiet(traffic: LiveTraffic, present: list[tuple[float, Settlement]]) -> None:
    staged = {event for episode in traffic.episodes for event in episode.event_ids}
    cards = defaultdict(set)
    for _, one in present:
        if one.event_id not in staged and one.terminal_id:
            cards[one.terminal_id].add(one.person_id)
    assert max(map(len, cards.values())) <= 3


def test_the_same_seed_and_start_give_the_same_traffic() -> None:
    first, second = (live(1, 3, START) for _ in range(2))
    assert list(islice(first.history(), 2_000)) == list(islice(second.history(), 2_000))
    first, second = (live(1, 3, START) for _ in range(2))
    assert list(islice(first.events(), 300)) == list(islice(second.events(), 300))


def test_waits_follow_the_clock_and_never_fall_behind() -> None:
    ticks: Iterator[float] = iter([START.timestamp() + 100] * 2 + [START.timestamp()] * 100)
    pairs = list(islice(live(1, 3, START).lines(lambda: next(ticks)), 6))
    assert [delay for delay, _ in pairs[:2]] == [0.0, 0.0]
    assert all(delay > 0 for delay, _ in pairs[2:])


def test_a_start_in_another_zone_is_told_in_local_time() -> None:
    line = next(iter(live(1, 3, datetime(2026, 3, 4, 20, 0, tzinfo=UTC)).events()))[1]
    assert decode_settlement(line).settled_at.date() == datetime(2026, 3, 5, tzinfo=CHINA).date()


def test_wrong_arguments_are_named() -> None:
    with pytest.raises(ValueError, match="rate above 0"):
        live(0, 1, START)
    with pytest.raises(ValueError, match="with a time zone"):
        live(1, 1, START.replace(tzinfo=None))
    with pytest.raises(ValueError, match="at least 21 days"):
        live(1, 1, START, history_days=3)
