"""Cards that come back together."""

from __future__ import annotations

from typing import Any

import pytest

from tests.detectors import golden
from tests.detectors.harness import Drive, drug, event, judge, reversal


def visit_of(day: int, *persons: str, minutes: int = 3, **fields: Any) -> list[dict[str, Any]]:
    """The persons at one shop for the same drug, minutes apart."""
    return [
        event(
            100 * day + number,
            f"{day}d 10:{number * minutes:02d}:00",
            **({"psn_no": person, "lines": [drug("X1", 5)]} | fields),
        )
        for number, person in enumerate(persons)
    ]


def found(*visits: list[dict[str, Any]]) -> list[Any]:
    return Drive(judge()).run([made for visit in visits for made in visit]).of("returning_group")


def test_three_of_them_again_are_asked_four_are_certain() -> None:
    first = visit_of(0, "P1", "P2", "P3", "P4")
    (alert,) = found(first, visit_of(30, "P1", "P2", "P4"))
    assert (alert.subject_type, alert.subject_id, alert.light) == ("institution", "A", "yellow")
    assert (alert.features["returned_persons"], alert.features["times"]) == (3, 2)
    assert alert.event_ids == ["E00000", "E00001", "E00003", "E03000", "E03001", "E03002"]
    (alert,) = found(first, visit_of(30, "P5", "P4", "P3", "P2", "P1"))
    assert (alert.light, alert.features["returned_persons"], alert.features["grp_psncnt"]) == ("red", 4, 5)


def test_the_third_time_is_certain() -> None:
    twice, thrice = found(*(visit_of(day, "P1", "P2", "P3") for day in (0, 20, 45)))
    assert (twice.light, thrice.light, thrice.features["times"]) == ("yellow", "red", 3)
    assert thrice.score > twice.score


@pytest.mark.parametrize(
    "again",
    [
        # only two of them
        visit_of(30, "P1", "P2", "P5"),
        # the same day
        [made | {"setl_time": "2025-03-01 19:00:00", "event_id": f"L{made['event_id']}"} for made in visit_of(0, "P1", "P2", "P3")],
        # still there after midnight
        [
            made | {"setl_time": "2025-03-02 00:05:00", "event_id": f"L{made['event_id']}"}
            for made in visit_of(0, "P1", "P2", "P3")
        ],
        # too long after
        visit_of(60, "P1", "P2", "P3"),
        # not together
        visit_of(30, "P1", "P2", "P3", minutes=16),
        # another drug, one that is not watched, another shop, no pharmacy
        visit_of(30, "P1", "P2", "P3", lines=[drug("X4", 5)]),
        visit_of(30, "P1", "P2", "P3", lines=[drug("X3", 5)]),
        visit_of(30, "P1", "P2", "P3", fixmedins_code="B"),
        visit_of(30, "P1", "P2", "P3", med_type="11"),
    ],
)  # fmt: skip
def test_others_are_left_alone(again: list[dict[str, Any]]) -> None:
    first = visit_of(0, "P1", "P2", "P3")
    if again[0]["setl_time"].endswith("00:05:00"):
        first = [made | {"setl_time": "2025-03-01 23:40:00"} for made in first]
    assert found(first, again) == []


@pytest.mark.parametrize("relation", ["1", "7"])
def test_family_and_care_homes_stay_green(relation: str) -> None:
    (alert,) = found(*(visit_of(day, "P1", "P2", "P3", "P4", agnter_rlts=relation) for day in (0, 30)))
    assert (alert.light, alert.features["muted_by"]) == ("green", "collector")
    (alert,) = found(*(visit_of(day, "P1", "P2", "P3", "P4", agnter_rlts="9") for day in (0, 30)))
    assert alert.light == "red"


def test_what_was_taken_back_in_between_was_no_visit() -> None:
    first, again = visit_of(0, "P1", "P2", "P3"), visit_of(30, "P1", "P2", "P3")
    assert found(first, [reversal(1, "9d 10:00:00", first[0])], again) == []
    (alert,) = found(first, again, [reversal(1, "31d 10:00:00", first[0])])
    assert str(alert.amount) == "352.50"


def test_where_many_always_buy_it_nobody_is_together() -> None:
    """A drug of which every half hour sells several: three at once are no group, and their sales need not be kept."""
    queue = [
        event(
            10_000 + number, f"{number // 60}d {8 + number % 60 // 5:02d}:{number % 5 * 12:02d}:00", psn_no=f"Q{number}"
        )
        | {"lines": [drug("X1", 5)]}
        for number in range(40 * 60)
    ]
    group = [*visit_of(25, "P1", "P2", "P3"), *visit_of(35, "P1", "P2", "P3")]
    drive = Drive(judge(), batch=50).run(sorted(queue + group, key=lambda made: made["setl_time"]))
    assert drive.of("returning_group") == []
    assert len(drive.places["institution", "A"].entries) < 20 * 60


def test_explanations() -> None:
    family = [made for day in (0, 30) for made in visit_of(day, "P1", "P2", "P3", agnter_rlts="1")]
    ring = [made for day in (0, 25, 50) for made in visit_of(day, "P1", "P2", "P3", "P4")]
    golden.check("returning_group", {"family": family, "ring": ring})
