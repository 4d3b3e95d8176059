"""Whatever the arrival order, repetition, batching and restarts: the same alerts as a brute-force recount."""

from __future__ import annotations

import random
from collections import Counter
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from detectors import load_rules
from detectors.scope import CARE
from schemas.fact import Fact
from tests.detectors.harness import DRUGS, START, Drive, decode, drug, event, judge, reversal, small_rules
from tests.detectors.oracle import Parameters, expected

RULES = small_rules()
LATENESS = timedelta(hours=24)
PATIENT = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
"""A busy machine draws slowly; that says nothing about the judge."""


def parameters(rules: Path | None) -> Parameters:
    """Of the rules that can be recounted: what models have learned cannot, and two persons never teach them enough to speak.

    tests/detectors/models holds those to the same promises.
    """
    return {
        rule.detector: {name: parameter.value for name, parameter in rule.parameters.items()}
        for rule in load_rules(rules).rules
        if rule.detector != "frequent_visits.unusual_pattern"
    }  # type: ignore[return-value]


GAPS = st.sampled_from([0, 0, 1, 7, 40, 200, 700, 1500, 4000, 9000, 50_000])
"""Minutes between events: from the same second to more than a month."""


@st.composite
def purchases(draw: st.DrawFn, count: int = 25) -> list[dict[str, Any]]:
    """Settlements of two persons over days or months, some taken back, in event-time order."""
    events: list[dict[str, Any]] = []
    at = START
    for number in range(draw(st.integers(1, count))):
        at += timedelta(minutes=draw(GAPS), seconds=draw(st.sampled_from([0, 1, 59])))
        institution = draw(st.sampled_from("AB"))
        made = event(
            number,
            at,
            psn_no=draw(st.sampled_from(["P1", "P2"])),
            # several settlements of one visit, and one settlement sent under two event ids
            mdtrt_id=f"M{draw(st.sampled_from([number, number, number // 2]))}",
            setl_id=f"S{number}",
            med_type=draw(st.sampled_from(["11", "11", "41", "41", "140201", "21"])),
            fixmedins_code=institution,
            dev_no=draw(st.sampled_from([f"{institution}-T1", "T9", None])),
            fund_pay_sumamt=f"{draw(st.integers(0, 999))}.{draw(st.integers(0, 99)):02d}",
            agnter_certno=draw(st.sampled_from([None, None, "AG"])),
            agnter_rlts=draw(st.sampled_from([None, None, "1", "7", "9"])),
            long_rx_flag=draw(st.sampled_from(["0", "0", "0", "1"])),
            lines=[
                drug(
                    draw(st.sampled_from(sorted(DRUGS))),
                    draw(st.sampled_from([0.5, 5, 9, 14])),
                    *draw(st.lists(st.sampled_from("abc"), max_size=2)),
                )
                for _ in range(draw(st.integers(0, 2)))
            ],
        )
        events.append(made)
        for again in range(draw(st.sampled_from([0, 0, 0, 1, 2]))):
            back = at + timedelta(minutes=draw(st.sampled_from([-5, 0, 1, 30, 1440, 8000, 30_000])))
            other = {"dev_no": draw(st.sampled_from(["T9", None, "B-T1"])), "lines": []} if draw(st.booleans()) else {}
            events.append(reversal(10 * number + again, back, made, **other))
    return sorted(events, key=lambda made: made["setl_time"])


def happened(made: dict[str, Any]) -> float:
    """Event time in seconds since START."""
    return (START.fromisoformat(made["setl_time"]) - START).total_seconds()


def arriving(draw: st.DrawFn, events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The same events in an order that is possible within the lateness, some of them more than once."""
    delays = st.one_of(st.just(0.0), st.floats(0, LATENESS.total_seconds()))
    arrivals = [(happened(made) + draw(delays), made) for made in events]
    again = [
        (happened(made) + draw(st.floats(0, 40 * 86_400)), made) for made in events if draw(st.integers(0, 9)) == 0
    ]
    return [made for _, made in sorted(arrivals + again, key=lambda pair: pair[0])]


@PATIENT
@given(st.data())
def test_alerts_equal_a_recount(data: st.DataObject) -> None:
    events = data.draw(purchases())
    order = arriving(data.draw, events)
    drive = Drive(judge(RULES), batch=data.draw(st.integers(1, 12)), reload_every=data.draw(st.sampled_from([0, 1, 5])))
    assert drive.run(order).digested() == expected(events, parameters(RULES), DRUGS)
    assert drive.judge.tally.late == 0


@PATIENT
@given(st.data())
def test_places_may_hear_of_it_in_any_order(data: st.DataObject) -> None:
    """Facts come from many partitions: late, twice, a reversal before its settlement."""
    half = st.one_of(st.just(0.0), st.floats(0, LATENESS.total_seconds() / 2))
    told: list[tuple[float, Fact]] = []
    events = data.draw(purchases())
    persons = Drive(judge(RULES))
    for arrival, made in sorted(
        ((happened(made) + data.draw(half), made) for made in events), key=lambda pair: pair[0]
    ):
        for fact in persons.judge.settle(persons.person(made["psn_no"]), decode(made)):
            told += [(arrival + data.draw(half), fact) for _ in range(data.draw(st.sampled_from([1, 1, 1, 2])))]
    places = Drive(judge(RULES), batch=data.draw(st.integers(1, 12)))
    for _, fact in sorted(told, key=lambda pair: pair[0]):
        places.tell(fact)
        places.pause()
    places.review()
    answer = expected(events, parameters(RULES), DRUGS)
    assert places.digested() == {key: alert for key, alert in answer.items() if alert["subject_type"] != "person"}


@pytest.mark.parametrize("seed", range(3))
def test_long_streams_equal_a_recount(seed: int) -> None:
    """Hundreds of events over a year: entries are cleared away all the time."""
    rng = random.Random(seed)
    events: list[dict[str, Any]] = []
    at = START
    for number in range(500):
        at += timedelta(minutes=rng.choice([1, 20, 200, 900, 2500]))
        made = event(
            number,
            at,
            psn_no=rng.choice(["P1", "P2", "P3"]),
            med_type=rng.choice(["11", "41", "41"]),
            fixmedins_code=rng.choice("ABC"),
            dev_no=rng.choice(["T1", "T2"]),
            agnter_certno=rng.choice([None, "AG1", "AG2"]),
            agnter_rlts=rng.choice([None, "1", "9"]),
            lines=[drug(rng.choice(sorted(DRUGS)), rng.choice([3, 8]), rng.choice("abcdefgh"))],
        )
        events.append(made)
        if rng.random() < 0.1:
            events.append(
                reversal(number, at + timedelta(minutes=rng.choice([1, 60, 3000, 20_000, 60_000])), made, lines=[])
            )
    order = sorted(events, key=lambda made: happened(made) + rng.random() * 86_400)
    answer = expected(events, parameters(RULES), DRUGS)
    assert len(answer) > 100
    results = [
        Drive(judge(RULES), batch=batch, reload_every=reload).run(order).digested()
        for batch, reload in ((1, 0), (50, 7), (10_000, 0))
    ]
    assert results == [answer] * 3


@pytest.mark.parametrize("seed", range(2))
def test_crowded_shops_equal_a_recount(seed: int) -> None:
    """Groups that come and come back, strangers among regulars: what a rule claims stays when the rest is cleared away."""
    rng = random.Random(seed)
    events: list[dict[str, Any]] = []
    at = START
    for number in range(160):
        at += timedelta(hours=rng.choice([1, 5, 20, 60]))
        shop, item = rng.choice("AB"), rng.choice(["X1", "X1", "X2", "X4"])
        group = rng.sample(range(6), rng.randint(1, 4)) if rng.random() < 0.6 else [100 + number]
        for one in group:
            settled = at + timedelta(minutes=rng.randrange(300))
            made = event(10 * number + one % 10, settled, psn_no=f"P{one}", fixmedins_code=shop, lines=[drug(item, 5)])
            events.append(made | {"agnter_rlts": rng.choice([None, None, "1"])})
            if rng.random() < 0.05:
                events.append(reversal(10 * number + one % 10, settled + timedelta(days=rng.randrange(15)), made))
    order = sorted(events, key=lambda made: happened(made) + rng.random() * 86_400)
    answer = {
        key: one
        for key, one in expected(events, parameters(RULES), DRUGS).items()
        if one["subject_type"] == "institution"
    }
    found = Counter(one["detector"] for one in answer.values())
    assert min(found[f"agent_buying.{name}"] for name in ("returning_group", "item_surge", "same_drug_rush")) > 3
    for batch, reload in ((1, 0), (9, 7), (10_000, 0)):
        digested = Drive(judge(RULES), batch=batch, reload_every=reload).run(order).digested()
        assert {key: one for key, one in digested.items() if one["subject_type"] == "institution"} == answer


@PATIENT
@given(purchases(), st.integers(1, 9))
def test_repeating_everything_publishes_nothing(events: list[dict[str, Any]], batch: int) -> None:
    drive = Drive(judge(RULES), batch=batch).run(events)
    published = len(drive.published)
    drive.run(events)
    assert len(drive.published) == published
    assert not any(state.changed for state in (*drive.persons.values(), *drive.places.values()))


@PATIENT
@given(purchases(12), st.data())
def test_more_settlements_take_no_alert_away(events: list[dict[str, Any]], data: st.DataObject) -> None:
    """Of the rules that do not ask what is usual: where more is usual, less is found."""
    settlements = [made for made in events if made["event_type"] == "SETTLE"]
    fewer = [made for made in settlements if data.draw(st.booleans())]
    some = Drive(judge(RULES), batch=100).run(fewer)
    steady = {key for key, alert in some.digested().items() if not some.judge.rules[alert["detector"]].usual_slot}
    assert steady <= Drive(judge(RULES), batch=100).run(settlements).digested().keys()


@PATIENT
@given(purchases())
def test_rules_match_only_at_the_care_they_say_they_concern(events: list[dict[str, Any]]) -> None:
    drive = Drive(judge(RULES), batch=100).run(events)
    for state in (*drive.persons.values(), *drive.places.values()):
        for index, entry in enumerate(state.entries):
            for rule in state.scope.rules:
                assert rule.concerns(entry.flags & CARE) or not rule.glance(state, index)
