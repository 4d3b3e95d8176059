"""One collector, many cards."""

from __future__ import annotations

from typing import Any

import pytest

from tests.detectors import golden
from tests.detectors.harness import Drive, drug, event, judge


def cards(persons: int, days: float, **fields: Any) -> list[dict[str, Any]]:
    """One purchase per person for one collector who states no relation that excuses, ``days`` apart."""
    return [
        event(
            number,
            f"{int(number * days)}d {int(number * days % 1 * 24):02d}:00:00",
            **({"psn_no": f"P{number}", "agnter_certno": "AG1", "agnter_rlts": "9", "lines": [drug("X3", 5)]} | fields),
        )
        for number in range(persons)
    ]


def found(events: list[dict[str, Any]]) -> list[Any]:
    return Drive(judge()).run(events).of("collector_cards")


@pytest.mark.parametrize(
    ("persons", "days", "score"),
    [(3, 3, 0.7), (3, 3.5, 0), (2, 1, 0), (4, 2, 0.775), (5, 7, 0.7), (5, 7.5, 0), (4, 7, 0), (10, 3, 0.85)],
)
def test_three_in_a_week_or_five_in_a_month(persons: int, days: float, score: float) -> None:
    assert max((alert.score for alert in found(cards(persons, days))), default=0) == score


def test_shops_and_watched_drugs_raise_the_score() -> None:
    (plain,) = found(cards(3, 2))
    (watched,) = found(cards(3, 2, lines=[drug("X1", 5), drug("X4", 5)]))
    (shops,) = found([made | {"fixmedins_code": f"{number}"} for number, made in enumerate(cards(3, 2))])
    assert (plain.score, watched.score, shops.score) == (0.7, 0.8, 0.75)
    assert (watched.features["watched_generics"], watched.features["watched_share"]) == (2, 1.0)
    assert shops.features["fixmedins_cnt"] == 3


@pytest.mark.parametrize(
    ("relation", "light"), [("1", "green"), ("7", "green"), ("01", "green"), ("9", "yellow"), (None, "yellow")]
)
def test_family_and_care_homes_mute_others_do_not(relation: str | None, light: str) -> None:
    (alert,) = found(cards(4, 1, agnter_rlts=relation))
    assert (alert.subject_type, alert.subject_id, alert.light) == ("agent", "AG1", light)


def test_explanations() -> None:
    golden.check(
        "collector_cards",
        {
            "week": cards(3, 2, lines=[drug("X1", 5)]),
            "month": [made | {"fixmedins_code": "AB"[number % 2]} for number, made in enumerate(cards(6, 4))],
            "family, long prescription": [
                made | ({"agnter_rlts": "1"} if number else {"long_rx_flag": "1"})
                for number, made in enumerate(cards(3, 2))
            ],
        },
    )
