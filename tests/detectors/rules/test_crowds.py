"""The rules that count persons at a place: shared terminal, same-drug rush, collector's cards."""

from __future__ import annotations

from typing import Any

import pytest

from tests.detectors.harness import Drive, drug, event, judge, reversal


def queue(persons: int, seconds: int, **fields: Any) -> list[dict[str, Any]]:
    """One purchase per person, ``seconds`` apart."""
    return [
        event(number, f"0d 10:{number * seconds // 60:02d}:{number * seconds % 60:02d}", psn_no=f"P{number}", **fields)
        for number in range(persons)
    ]


@pytest.mark.parametrize(("persons", "seconds", "found"), [(6, 60, 1), (5, 60, 0), (6, 179, 1), (6, 180, 0)])
def test_shared_terminal(persons: int, seconds: int, found: int) -> None:
    alerts = Drive(judge()).run(queue(persons, seconds)).alerts
    assert len(alerts) == found
    for alert in alerts:
        assert (alert.subject_type, alert.subject_id, alert.family) == ("terminal", "A-T1", "agent_buying")
        assert len(alert.persons) == persons


def test_shared_terminal_counts_persons_not_purchases_and_pharmacies_only() -> None:
    assert Drive(judge()).run([wire | {"psn_no": "P1"} for wire in queue(9, 20)]).alerts == []
    assert Drive(judge()).run(queue(9, 20, med_type="11")).alerts == []
    assert Drive(judge()).run(queue(9, 20, dev_no=None)).alerts == []


@pytest.mark.parametrize("relation", ["1", "7", "01"])
def test_family_and_care_homes_mute_a_crowd(relation: str) -> None:
    (alert,) = Drive(judge()).run(queue(8, 30, agnter_rlts=relation)).of("shared_terminal")
    assert (alert.light, alert.features["muted_by"]) == ("green", "collector")
    mixed = [
        wire | {"agnter_rlts": None} if number < 6 else wire
        for number, wire in enumerate(queue(8, 30, agnter_rlts=relation))
    ]
    (alert,) = Drive(judge()).run(mixed).of("shared_terminal")
    assert alert.light == "yellow"


def test_a_purchase_taken_back_at_another_terminal_leaves_the_crowd() -> None:
    events = queue(6, 60)
    back = reversal(1, "0d 10:04:30", events[0], dev_no="B-T9", fixmedins_code="B")
    for order in ([*events[:5], back, events[5]], [back, *events], [*events, back]):
        assert Drive(judge()).run(order).alerts == []


def test_same_drug_rush() -> None:
    bought = {"lines": [drug("X1", 5), drug("X3", 5)]}
    (alert,) = Drive(judge()).run(queue(4, 300, **bought)).alerts
    assert (alert.subject_type, alert.subject_id) == ("institution", "A")
    assert (alert.features["generic_code"], alert.features["grp_psncnt"]) == ("G1", 4)
    assert Drive(judge()).run(queue(3, 300, **bought)).alerts == []
    assert Drive(judge()).run(queue(4, 600, **bought)).alerts == []
    # not on the watch list
    assert Drive(judge()).run(queue(4, 300, lines=[drug("X3", 5)])).alerts == []
    # two drugs, two persons each
    halves = [wire | {"lines": [drug("X1" if number % 2 else "X4", 5)]} for number, wire in enumerate(queue(4, 300))]
    assert Drive(judge()).run(halves).alerts == []


def test_collector_cards() -> None:
    cards = [
        event(number, f"{number * 2}d 10:00:00", psn_no=f"P{number}", agnter_certno="AG1", agnter_rlts="9")
        for number in range(4)
    ]
    (alert,) = Drive(judge()).run(cards).alerts
    assert (alert.subject_type, alert.subject_id, alert.light, alert.features["grp_psncnt"]) == (
        "agent",
        "AG1",
        "yellow",
        4,
    )
    assert Drive(judge()).run(cards[:2]).alerts == []
    family = [wire | {"agnter_rlts": "1"} for wire in cards]
    (alert,) = Drive(judge()).run(family).alerts
    assert alert.light == "green"
