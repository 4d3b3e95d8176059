"""A box that hardly ever sells, taken by several within days."""

from __future__ import annotations

from typing import Any

import pytest

from tests.detectors import golden
from tests.detectors.harness import Drive, drug, event, judge, reversal


def trade(days: int, every: int = 1, item: str = "X4") -> list[dict[str, Any]]:
    """A shop at work: one box of a watched drug every few days, by ever other persons."""
    return [
        event(9_000 + 1_000 * int(item[1]) + day, f"{day}d 09:00:00", psn_no=f"Q{day}", lines=[drug(item, 5)])
        for day in range(0, days, every)
    ]


def bought(first_day: int, *persons: str, item: str = "X1", every: int = 2, **fields: Any) -> list[dict[str, Any]]:
    """The persons, one after the other, some days apart."""
    return [
        event(number, f"{first_day + every * number}d 1{number % 10}:00:00", **({"psn_no": person, "lines": [drug(item, 5)]} | fields))
        for number, person in enumerate(persons)
    ]  # fmt: skip


def found(*parts: list[dict[str, Any]]) -> list[Any]:
    events = sorted((made for part in parts for made in part), key=lambda made: made["setl_time"])
    return Drive(judge(), batch=100).run(events).of("item_surge")


def test_three_strangers_for_a_box_that_never_sold() -> None:
    (alert,) = found(trade(84), bought(70, "P1", "P2", "P3"))
    assert (alert.subject_type, alert.subject_id, alert.light) == ("institution", "A", "yellow")
    assert (alert.features["med_list_codg"], alert.features["usual_sales"]) == ("X1", 0)
    assert alert.persons == ["P1", "P2", "P3"]
    assert alert.features["chance"] < 1 / 3_000


def test_many_more_are_red() -> None:
    (alert,) = found(trade(84), bought(70, *(f"P{number}" for number in range(9)), every=1))
    assert alert.light == "red"


@pytest.mark.parametrize(
    "others",
    [
        bought(70, "P1", "P2"),
        # the same persons again and again
        bought(70, "P1", "P2", "P1", "P2", "P1", "P2", every=1),
        # over too many days
        bought(40, "P1", "P2", "P3", "P4", "P5", every=10),
        # not watched; no pharmacy
        bought(70, "P1", "P2", "P3", item="X3"),
        bought(70, "P1", "P2", "P3", med_type="11"),
        # another box of the same drug each time
        bought(70, "P1", "P3") + [made | {"event_id": f"O{made['event_id']}"} for made in bought(71, "P2", "P4", item="X2")],
    ],
)  # fmt: skip
def test_others_are_left_alone(others: list[dict[str, Any]]) -> None:
    assert found(trade(84), others) == []


@pytest.mark.parametrize(
    ("days_before", "hits"),
    [(30, 0), (83, 0), (85, 1), (4, 0), (2, 1)],
    ids=["month", "quarter", "longer", "days", "yesterday"],
)
def test_who_has_been_there_is_no_stranger(days_before: int, hits: int) -> None:
    """A visit for anything; one so short before may not be known yet, and may belong to it."""
    surge = bought(95, "P1", "P2", "P3", every=1)
    before = [
        event(500 + number, f"{95 + number - days_before}d 12:00:00", psn_no=f"P{1 + number}", med_type="11")
        for number in range(3)
    ]
    assert len(found(trade(110), before, surge)) == hits
    elsewhere = [made | {"fixmedins_code": "B"} for made in before]
    assert len(found(trade(110), elsewhere, surge)) == 1


def test_what_often_sells_is_no_surprise() -> None:
    surge = bought(70, "P1", "P2", "P3", "P4", "P5")
    assert found(trade(84), trade(84, every=4, item="X1"), surge) == []


def test_a_new_shop_is_not_judged() -> None:
    surge = bought(50, *(f"P{number}" for number in range(8)), every=1)
    assert found(trade(60), surge) == []
    later = bought(70, *(f"P{number}" for number in range(8)), every=1)
    assert len(found(trade(80), later)) == 1


def test_family_mutes_and_taken_back_counts_no_more() -> None:
    surge = bought(70, "P1", "P2", "P3", agnter_rlts="7")
    (alert,) = found(trade(84), surge)
    assert (alert.light, alert.features["muted_by"]) == ("green", "collector")
    surge = bought(70, "P1", "P2", "P3", agnter_rlts="9")
    assert [alert.light for alert in found(trade(84), surge)] == ["yellow"]
    assert found(trade(84), surge, [reversal(1, "71d 10:00:00", surge[0])]) == []


def test_common_boxes_are_not_kept() -> None:
    """Beyond the short retention only rare boxes that others took too stay in the ledger."""
    busy = [
        event(20_000 + 20 * day + hour, f"{day}d {hour:02d}:20:00", psn_no=f"Q{day}.{hour}", lines=[drug("X4", 5)])
        for day in range(84)
        for hour in range(2, 22)
    ]
    surge = bought(70, "P1", "P2", "P3", "P4", "P5")
    drive = Drive(judge(), batch=40).run(sorted(busy + surge, key=lambda made: made["setl_time"]))
    entries = drive.places["institution", "A"].entries
    assert len(drive.of("item_surge")) == 1
    assert {entry.person_id for entry in entries} >= {"P1", "P2", "P3", "P4", "P5"}
    assert len(entries) < 5 * 20


def test_explanations() -> None:
    surge = bought(70, "P1", "P2", "P3", "P4", "P5")
    events = sorted([*trade(84), *surge], key=lambda made: made["setl_time"])
    golden.check(
        "item_surge",
        {"strangers": events, "care home": [made | {"agnter_rlts": "7"} for made in events]},
    )
