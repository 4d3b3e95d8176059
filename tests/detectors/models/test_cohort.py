"""What a partition's persons teach is the same whatever the order within the lateness, the repetitions, the batches and the restarts."""

from __future__ import annotations

import random
from collections.abc import Iterable
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest

from detectors.errors import StateVersionError
from detectors.models import cohort as module
from detectors.models.cohort import KEPT_SNAPSHOTS, MAIN, OPEN_WEEKS, SAMPLES, Cohort, Learned, row_names
from tests.detectors.harness import START, Drive, drug, event, judge, visit
from tests.detectors.models.population import BURST, town

HOURS = 47
"""Of the lateness of 48 that arrivals may take."""
UNUSUAL = "frequent_visits.unusual_pattern"


def snapshots(drive: Drive) -> list[Learned]:
    assert drive.cohort is not None
    return drive.cohort.history()


def rows(drive: Drive) -> dict[str, bytes]:
    assert drive.cohort is not None
    return drive.cohort.rows(whole=True)


def arriving(events: Iterable[dict[str, Any]], seed: int, hours: float = HOURS) -> list[dict[str, Any]]:
    """In an order possible within the lateness, one in ten twice, the second time up to 30 days later."""
    rng = random.Random(seed)
    arrivals = []
    for made in events:
        at = datetime.fromisoformat(made["setl_time"]).timestamp()
        arrivals.append((at + rng.uniform(0, hours * 3_600), made))
        if rng.random() < 0.1:
            arrivals.append((at + rng.uniform(0, 30 * 86_400), made))
    return [made for _, made in sorted(arrivals, key=lambda pair: pair[0])]


@pytest.fixture(scope="module")
def events() -> list[dict[str, Any]]:
    return town(1)


@pytest.fixture(scope="module")
def result(events: list[dict[str, Any]]) -> Drive:
    return Drive(judge(), batch=500).run(events)


def test_somebody_unlike_the_peers_is_found_and_nobody_else(result: Drive) -> None:
    found = [alert for alert in result.alerts if alert.detector == UNUSUAL]
    assert {alert.subject_id for alert in found} == {BURST}
    assert {alert.light for alert in found} <= {"yellow", "red"}
    assert all(alert.features["risk_sco"] > alert.features["peer_limit"] for alert in found)


@pytest.mark.parametrize(("seed", "batch", "reload_every"), [(1, 1, 0), (2, 50, 97), (3, 1_000, 333), (4, 7, 11)])
def test_any_order_restart_and_batch_give_the_same(
    events: list[dict[str, Any]], result: Drive, seed: int, batch: int, reload_every: int
) -> None:
    other = Drive(judge(), batch=batch, reload_every=reload_every).run(arriving(events, seed))
    assert rows(other) == rows(result)
    assert other.digested() == result.digested()
    assert [(alert.score, alert.features) for alert in other.alerts] == [
        (alert.score, alert.features) for alert in result.alerts
    ]


def test_batches_change_nothing_even_beyond_the_lateness(events: list[dict[str, Any]]) -> None:
    """The worker cuts its batches by the clock, so what the log holds must say it all."""
    order = arriving(events, 5, hours=9 * 24)
    one, another = (
        Drive(judge(), batch=batch, reload_every=reload).run(order) for batch, reload in ((1, 0), (400, 150))
    )
    assert rows(one) == rows(another)
    assert one.digested() == another.digested()


def test_what_comes_back_as_rows_is_complete_piece_by_piece(events: list[dict[str, Any]], result: Drive) -> None:
    """As the worker keeps them: only what changed is written at each flush."""
    kept: dict[str, bytes] = {}
    drive = Drive(judge())
    for number, made in enumerate(events):
        drive.enter(made)
        if number % 40 == 0:
            assert drive.cohort is not None
            kept |= drive.cohort.rows()
            assert not drive.cohort.changed
            drive.cohort = drive.judge.cohort(drive.person, kept)
            drive.persons = {
                key: drive.judge.person(key, state.dump(), drive.cohort) for key, state in drive.persons.items()
            }
    drive.review()
    assert rows(drive) == rows(result)


def test_learns_nothing_that_a_rule_finds(monkeypatch: pytest.MonkeyPatch, events: list[dict[str, Any]]) -> None:
    learned: list[tuple[str, int]] = []
    original = Cohort._find_sample

    def spy(self: Cohort, sample: Any, closed: int) -> tuple[str, list[float]] | None:
        found = original(self, sample, closed)
        if found is not None:
            learned.append((sample.person_id, sample.at))
        return found

    monkeypatch.setattr(module.Cohort, "_find_sample", spy)
    drive = Drive(judge(), batch=500).run(events)
    limit = drive.judge.book.rule("frequent_visits.rolling_count").whole("short_limit")
    burst = [entry.at for entry in drive.person(BURST).entries if entry.event_id >= "E90000"]
    flagged = {(BURST, at) for at in burst[limit - 1 :]}
    assert flagged
    assert learned
    assert not flagged & set(learned)


def test_learns_nothing_that_was_taken_back_in_time() -> None:
    """A visit reversed before its week closes teaches nothing; one reversed later was a visit when it was learned."""
    events = town(2, weeks=3, burst_week=None)
    visits = [made for made in events if made["event_type"] == "SETTLE" and made["med_type"] == "11"]
    assert visits
    taught = {}
    for days in (0, 1, 60):
        extra = visit(80_000, "9d 10:00", psn_no="P001")
        back = {
            **extra,
            "event_id": "R80000",
            "event_type": "REVERSE",
            "orig_setl_id": extra["setl_id"],
            "setl_id": "RS80000",
            "setl_time": str(datetime.fromisoformat(extra["setl_time"]) + timedelta(days=days)),
        }
        made = events if days == 0 else sorted([*events, extra, back], key=lambda one: one["setl_time"])
        drive = Drive(judge()).run([one for one in made if one["setl_time"] < str(START + timedelta(days=20))])
        taught[days] = [sum(stored.count for stored in one.groups.values()) for one in snapshots(drive)]
    assert taught[1] == taught[0]
    assert sum(taught[60]) > sum(taught[0])


def test_a_week_is_judged_with_what_was_closed_before_it(events: list[dict[str, Any]], result: Drive) -> None:
    """Whatever happens from three days before a week on, its snapshot stays the same."""
    week = snapshots(result)[-4]
    closed = datetime(1969, 12, 29) + timedelta(weeks=week.week, days=-3)  # noqa: DTZ001  wire times carry no zone
    before = [made for made in events if made["setl_time"] < str(closed)]
    after = [made | {"med_type": "41"} for made in events if made["setl_time"] >= str(closed)]
    other = {one.week: one for one in snapshots(Drive(judge()).run([*before, *after]))}
    assert other[week.week] == week
    assert other[week.week + 1] != snapshots(result)[-3]


def test_sizes_are_bounded() -> None:
    many = [
        visit(
            number,
            START + timedelta(seconds=number * 300),
            psn_no=f"P{number % 50}",
            brdy=f"{1930 + number % 90}-01-01",
        )
        for number in range(4_200)
    ]
    drive = Drive(judge(), batch=10_000)
    largest = 0
    for made in many:
        drive.enter(made)
        if drive.cohort is not None:
            assert len(drive.cohort._open) <= OPEN_WEEKS
            assert all(len(samples) <= SAMPLES for samples in drive.cohort._open.values())
    for name, data in rows(drive).items():
        largest = max(largest, len(data) if name != MAIN else 0)
    assert rows(drive).keys() <= set(row_names())
    assert 0 < largest < 30_000
    assert len(rows(drive)[MAIN]) < 30_000


def test_old_snapshots_go() -> None:
    quiet = [visit(number, START + timedelta(days=number), psn_no=f"P{number % 5}") for number in range(600)]
    kept = snapshots(Drive(judge(), batch=50).run(quiet))
    assert len(kept) == KEPT_SNAPSHOTS
    assert [one.week for one in kept] == list(range(kept[0].week, kept[0].week + KEPT_SNAPSHOTS))


def test_wrong_dates_do_no_harm(events: list[dict[str, Any]], result: Drive) -> None:
    """A date years ahead builds nothing, is judged with nothing and leaves the weeks before it to go on."""
    rng = random.Random(3)
    wrong = [
        visit(70_000 + number, f"20{rng.randint(27, 90)}-{rng.randint(1, 12):02d}-03 09:00:00", psn_no=f"W{number}")
        for number in range(12)
    ]
    order = list(events)
    for made in wrong:
        order.insert(rng.randrange(len(order)), made)
    other = Drive(judge(), batch=100, reload_every=211).run(order)
    assert snapshots(other) == snapshots(result)
    assert [alert for alert in other.alerts if alert.detector == UNUSUAL] == result.of("unusual_pattern")


def test_after_a_quiet_time_a_week_is_learned_first() -> None:
    first, second = town(4, weeks=12, burst_week=None), town(5, weeks=12, burst_week=1)
    gap = timedelta(weeks=40)
    moved = [
        {
            **made,
            "event_id": f"Q{made['event_id']}",
            "setl_id": f"Q{made['setl_id']}",
            "orig_setl_id": made["orig_setl_id"] and f"Q{made['orig_setl_id']}",
            "mdtrt_id": f"Q{made['mdtrt_id']}",
            "setl_time": str(datetime.fromisoformat(made["setl_time"]) + gap),
        }
        for made in second
    ]
    whole = Drive(judge(), batch=77).run([*first, *moved])
    weeks = [one.week for one in snapshots(whole)]
    assert max(later - before for before, later in pairwise(weeks)) > 20
    shuffled = Drive(judge(), batch=5, reload_every=50).run(arriving([*first, *moved], 8))
    assert rows(shuffled) == rows(whole)
    assert shuffled.digested() == whole.digested()


def test_refuses_rows_of_another_version(result: Drive) -> None:
    core = judge()
    good = rows(result)
    with pytest.raises(StateVersionError, match="expected models of version 1"):
        core.cohort(Drive(core).person, good | {MAIN: b"\x63" + good[MAIN][1:]})
    with pytest.raises(StateVersionError, match="cannot be read"):
        core.cohort(Drive(core).person, good | {MAIN: good[MAIN][:3]})


def test_purchases_and_stays_are_no_visits() -> None:
    others = [
        event(number, START + timedelta(hours=6 * number), med_type=("41", "21")[number % 2], lines=[drug()])
        for number in range(200)
    ]
    drive = Drive(judge(), batch=50).run(others)
    assert not snapshots(drive)
    assert MAIN not in rows(drive) or not drive.cohort._open  # type: ignore[union-attr]
