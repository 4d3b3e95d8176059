"""Many cards at one terminal."""

from __future__ import annotations

from typing import Any

import pytest

from tests.detectors import golden
from tests.detectors.harness import Drive, drug, event, judge, reversal


def queue(persons: int, seconds: int, day: int = 0, **fields: Any) -> list[dict[str, Any]]:
    """One purchase per person, ``seconds`` apart."""
    return [
        event(
            100_000 * day + number,
            f"{day}d 10:{number * seconds // 60:02d}:{number * seconds % 60:02d}",
            psn_no=f"P{number}",
            **fields,
        )
        for number in range(persons)
    ]


def trade(days: int, hourly: int) -> list[dict[str, Any]]:
    """A counter at work: so many customers in every hour from 8 to 18, each at another minute."""
    return [
        event(1_000 * day + 50 * hour + one, f"{day}d {hour:02d}:{one * 60 // hourly:02d}:30", psn_no=f"Q{day}.{hour}.{one}")
        for day in range(days)
        for hour in range(8, 18)
        for one in range(hourly)
    ]  # fmt: skip


def found(*parts: list[dict[str, Any]]) -> list[Any]:
    events = sorted((made for part in parts for made in part), key=lambda made: made["setl_time"])
    return Drive(judge(), batch=10_000).run(events).of("shared_terminal")


@pytest.mark.parametrize(("persons", "seconds", "hits"), [(6, 60, 1), (5, 60, 0), (6, 179, 1), (6, 180, 0)])
def test_a_new_terminal_has_an_absolute_limit(persons: int, seconds: int, hits: int) -> None:
    alerts = found(queue(persons, seconds))
    assert len(alerts) == hits
    for alert in alerts:
        assert (alert.subject_type, alert.subject_id, alert.family) == ("terminal", "A-T1", "agent_buying")
        assert len(alert.persons) == persons


@pytest.mark.parametrize(
    ("hourly", "persons", "hits"),
    [
        # hardly anybody ever comes: a family and two strangers are too many, five at a time when one is usual are not
        (1, 4, 0),
        (1, 6, 0),
        (1, 8, 1),
        # a busy counter
        (20, 8, 0),
        (20, 20, 1),
    ],
)
def test_a_known_terminal_is_held_against_its_own_traffic(hourly: int, persons: int, hits: int) -> None:
    assert len(found(trade(30, hourly), queue(persons, 40, day=31))) == hits


def test_a_quiet_hour_counts_sooner_than_a_busy_one() -> None:
    night = [made | {"setl_time": made["setl_time"].replace(" 10:", " 03:")} for made in queue(5, 40, day=31)]
    (alert,) = found(trade(30, 1), night)
    assert alert.features["expected"] < 0.01
    assert found(trade(30, 1), queue(5, 40, day=31)) == []


def test_the_same_watched_drug_makes_it_more_certain() -> None:
    (plain,) = found(queue(6, 60))
    (mixed,) = found([*queue(5, 60, lines=[drug("X1", 5)]), queue(6, 60)[5]])
    (same,) = found(queue(6, 60, lines=[drug("X1", 5)]))
    assert plain.score == mixed.score < same.score
    assert same.features["generic"] == "药G1"
    assert mixed.features["same_drug_psncnt"] == 5


def test_persons_are_counted_not_purchases_and_pharmacies_only() -> None:
    assert found([wire | {"psn_no": "P1"} for wire in queue(9, 20)]) == []
    assert found(queue(9, 20, med_type="11")) == []
    assert found(queue(9, 20, dev_no=None)) == []


@pytest.mark.parametrize("relation", ["1", "7", "01"])
def test_family_and_care_homes_mute_a_crowd(relation: str) -> None:
    (alert,) = found(queue(8, 30, agnter_rlts=relation))
    assert (alert.light, alert.features["muted_by"]) == ("green", "collector")
    mixed = [
        wire | {"agnter_rlts": None} if number < 6 else wire
        for number, wire in enumerate(queue(8, 30, agnter_rlts=relation))
    ]
    (alert,) = found(mixed)
    assert alert.light == "yellow"


def test_a_purchase_taken_back_at_another_terminal_leaves_the_crowd() -> None:
    events = queue(6, 60)
    back = reversal(1, "0d 10:04:30", events[0], dev_no="B-T9", fixmedins_code="B")
    for order in ([*events[:5], back, events[5]], [back, *events], [*events, back]):
        assert Drive(judge()).run(order).alerts == []


def test_explanations() -> None:
    golden.check(
        "shared_terminal",
        {
            "new": queue(6, 60),
            "care home": queue(6, 60, agnter_rlts="7"),
            "known, one drug": [*trade(30, 1), *queue(9, 30, day=31, lines=[drug("X1", 5)])],
        },
    )
