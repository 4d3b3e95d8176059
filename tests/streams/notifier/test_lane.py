"""What goes to a receiver next, on a clock of the test's own."""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from streams.notifier.lane import MOST_MEMBERS, NEVER, Item, Job, Lane
from streams.notifier.receivers import Receiver
from streams.notifier.records import Key

ZONE = ZoneInfo("Asia/Shanghai")
NOON = datetime(2026, 3, 2, 12, tzinfo=ZONE).timestamp()
NIGHT = datetime(2026, 3, 2, 23, tzinfo=ZONE).timestamp()
MORNING = datetime(2026, 3, 3, 7, tzinfo=ZONE).timestamp()
SECRET = "whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="


def lane(**fields: Any) -> Lane:
    values = {"name": "r", "url": "https://r.example", "format": "wecom", "rate": 0, "storm": 0} | fields
    if values["format"] == "standard":
        values["secret"] = SECRET
    return Lane(Receiver.model_validate(values), ZONE, first_rest=10.0)


def item(number: int, subject: str = "", **fields: Any) -> Item:
    values: dict[str, Any] = {"light": "yellow", "place": ("rule", "H1"), "expires": NEVER} | fields
    return Item(key=Key(f"a{number}", "r"), subject=subject or f"s{number}", **values)


def names(job: Job | float) -> list[str]:
    assert isinstance(job, Job)
    return [one.key.alert_id for one in job.items]


def succeed(queue: Lane, job: Job | float) -> None:
    assert isinstance(job, Job)
    queue.breaker.went_well()
    queue.done(job)


def test_one_after_the_other_per_subject_and_beside_each_other_otherwise() -> None:
    queue = lane()
    for number, subject in enumerate(("x", "x", "y")):
        queue.add(item(number, subject), NOON)
    first, second = queue.choose(NOON), queue.choose(NOON)
    assert (names(first), names(second)) == (["a0"], ["a2"])
    assert queue.choose(NOON) == NEVER
    assert isinstance(first, Job)
    queue.retry(first, NOON + 5)
    assert queue.choose(NOON) == NOON + 5
    assert names(queue.choose(NOON + 5)) == ["a0"]
    succeed(queue, first)
    assert names(queue.choose(NOON + 5)) == ["a1"]


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.tuples(st.sampled_from("xyz"), st.booleans()), max_size=40))
def test_every_item_goes_and_in_order_per_subject_whatever_fails(steps: list[tuple[str, bool]]) -> None:
    queue, now, done = lane(format="standard"), NOON, []
    for number, (subject, _) in enumerate(steps):
        queue.add(item(number, subject), now)
    fails = Counter(number for number, (_, bad) in enumerate(steps) if bad)
    while len(queue):
        chosen = queue.choose(now)
        if not isinstance(chosen, Job):
            assert chosen < NEVER
            now = chosen
            continue
        number = int(names(chosen)[0][1:])
        if fails[number]:
            fails[number] -= 1
            queue.breaker.failed(now)
            queue.retry(chosen, now + 1)
        else:
            done.append(number)
            succeed(queue, chosen)
    for subject in "xyz":
        mine = [number for number in done if steps[number][0] == subject]
        assert mine == [number for number, (one, _) in enumerate(steps) if one == subject]


def test_what_the_rate_holds_back_goes_as_one_for_people_and_one_by_one_for_programs() -> None:
    for form, expected in (("wecom", [["a2", "a3", "a4"]]), ("standard", [["a2"], ["a3"], ["a4"]])):
        queue = lane(format=form, rate=4)
        for number in range(5):
            queue.add(item(number), NOON)
        for _ in range(2):
            succeed(queue, queue.choose(NOON))
        later = queue.choose(NOON)
        assert later == NOON + 15
        now, sent = later, []
        while len(queue):
            chosen = queue.choose(now)
            if isinstance(chosen, Job):
                sent.append(names(chosen))
                succeed(queue, chosen)
            else:
                now = chosen
        assert sent == expected


def test_in_quiet_hours_red_goes_and_the_rest_goes_as_one_in_the_morning() -> None:
    queue = lane(quiet=["22:00-07:00"])
    for number in range(3):
        queue.add(item(number), NIGHT)
    assert queue.choose(NIGHT) == MORNING
    queue.add(item(3, light="red"), NIGHT)
    assert names(queue.choose(NIGHT)) == ["a3"]
    queue.add(item(1, light="red"), NIGHT)
    worse = queue.choose(NIGHT)
    assert names(worse) == ["a1"]
    assert isinstance(worse, Job)
    queue.retry(worse, NIGHT + 1)
    assert names(queue.choose(NIGHT + 1)) == ["a1"]
    assert queue.choose(NIGHT + 1) == MORNING
    assert names(queue.choose(MORNING)) == ["a0", "a2"]


def test_a_retry_that_falls_into_quiet_hours_waits_too() -> None:
    queue = lane(quiet=["22:00-07:00"])
    queue.add(item(0), NOON)
    job = queue.choose(NOON)
    assert isinstance(job, Job)
    queue.retry(job, NIGHT)
    assert queue.choose(NIGHT) == MORNING
    assert queue.choose(MORNING) is job


def test_a_storm_becomes_one_message_a_minute_per_rule_and_place() -> None:
    queue = lane(storm=100)
    for number in range(300):
        queue.add(item(number, place=("rule", f"H{number % 3}")), NOON)
    now, sent = NOON, []
    while len(queue):
        chosen = queue.choose(now)
        if isinstance(chosen, Job):
            assert chosen.storm
            assert len({one.place for one in chosen.items}) == 1
            sent.append(chosen)
            succeed(queue, chosen)
        else:
            now = chosen
    assert [len(job.items) for job in sent] == [100, 100, 100]
    for number in range(300, 450):
        queue.add(item(number, place=("rule", "H0")), now + 1)
    assert queue.choose(now + 1) == pytest.approx(NOON + 65, abs=0.01)
    assert len(names(queue.choose(NOON + 65))) == 150


def test_a_storm_is_over_when_it_has_calmed() -> None:
    queue = lane(storm=10)
    for number in range(20):
        queue.add(item(number), NOON)
    assert queue.choose(NOON) == NOON + 5
    succeed(queue, queue.choose(NOON + 5))
    queue.add(item(100), NOON + 120)
    chosen = queue.choose(NOON + 120)
    assert isinstance(chosen, Job)
    assert (names(chosen), chosen.storm) == (["a100"], False)


def test_a_summary_never_grows_without_end() -> None:
    queue = lane(rate=2)
    for number in range(MOST_MEMBERS + 50):
        queue.add(item(number, subject=f"s{number % 7}"), NOON)
    succeed(queue, queue.choose(NOON))
    later = queue.choose(NOON)
    assert isinstance(later, float)
    job = queue.choose(later)
    assert len(names(job)) == MOST_MEMBERS
    succeed(queue, job)
    assert len(queue) == 49


def test_a_broken_receiver_is_tried_one_at_a_time() -> None:
    queue = lane(format="standard")
    for number in range(8):
        queue.add(item(number), NOON)
    for _ in range(5):
        job = queue.choose(NOON)
        assert isinstance(job, Job)
        queue.breaker.failed(NOON)
        queue.retry(job, NOON + 1)
    assert queue.choose(NOON) == NOON + 10
    assert isinstance(queue.choose(NOON + 10), Job)
    assert queue.choose(NOON + 10) == NEVER


def test_a_receiver_that_asks_for_it_gets_nothing_meanwhile() -> None:
    queue = lane(format="standard")
    queue.add(item(0), NOON)
    queue.pause(NOON + 90)
    assert queue.choose(NOON) == NOON + 90
    assert names(queue.choose(NOON + 90)) == ["a0"]


def test_what_is_over_age_is_taken_out_wherever_it_waits() -> None:
    queue = lane(format="standard")
    for number in range(3):
        queue.add(item(number, "x", expires=NOON + number), NOON)
    job = queue.choose(NOON)
    assert isinstance(job, Job)
    queue.retry(job, NOON + 100)
    assert [names(one) for one in queue.expired(NOON + 1)] == [["a0"], ["a1"]]
    assert names(queue.choose(NOON + 1)) == ["a2"]


def test_a_summary_made_before_a_restart_comes_first_and_keeps_its_subjects() -> None:
    queue = lane()
    queue.add(item(2, "x"), NOON)
    queue.resume(Job([item(0, "x"), item(1, "y")], summary=Key("summary-1", "r")))
    job = queue.choose(NOON)
    assert names(job) == ["a0", "a1"]
    assert queue.choose(NOON) == NEVER
    succeed(queue, job)
    assert names(queue.choose(NOON)) == ["a2"]
