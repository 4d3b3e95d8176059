"""Two places too far apart for the time between; A and B are 94 km apart."""

from __future__ import annotations

import math
from typing import Any

import pytest

from detectors.rules.impossible_travel import great_circle
from schemas.alert import Alert
from tests.detectors import golden
from tests.detectors.harness import Drive, event, judge, reversal


def seen(*places: tuple[str, str], **fields: Any) -> list[dict[str, Any]]:
    """One settlement per (time, institution)."""
    return [event(number, at, **({"fixmedins_code": place} | fields)) for number, (at, place) in enumerate(places)]


def found(events: list[dict[str, Any]]) -> list[Alert]:
    return Drive(judge(), batch=100).run(events).of("impossible_travel")


@pytest.mark.parametrize(
    ("here", "there", "kilometres"),
    [
        ((0, 0), (0, 90), 6371 * math.pi / 2),
        ((0, 0), (0, 180), 6371 * math.pi),
        ((90, 0), (-90, 50), 6371 * math.pi),
        ((31.98, 120.89), (31.98, 120.89), 0),
        # Beijing to Shanghai as published
        ((39.9042, 116.4074), (31.2304, 121.4737), 1067),
    ],
)
def test_great_circle(here: tuple[float, float], there: tuple[float, float], kilometres: float) -> None:
    radians = [tuple(map(math.radians, place)) for place in (here, there)]
    assert great_circle(*radians) == pytest.approx(kilometres, abs=1)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("later", "minutes"),
    [("0d 10:00:00", 0), ("0d 10:08:00", 8), ("0d 10:08:59", None), ("0d 11:00:00", None)],
)
def test_three_hundred_an_hour_and_ten_minutes_of_grace(later: str, minutes: int | None) -> None:
    alerts = found(seen(("0d 10:00:00", "A"), (later, "B")))
    assert [alert.features["minutes"] for alert in alerts] == ([] if minutes is None else [minutes])
    assert all(alert.light == "yellow" and alert.features["distance_km"] == 94.3 for alert in alerts)


def test_one_that_lies_between_hides_nothing() -> None:
    (alert,) = found(seen(("0d 10:00:00", "A"), ("0d 10:01:00", "Z"), ("0d 10:02:00", "B")))
    assert alert.event_ids == ["E00000", "E00002"]


def test_unknown_places_and_stays_tell_nothing() -> None:
    assert found(seen(("0d 10:00:00", "A"), ("0d 10:01:00", "Z"))) == []
    assert found(seen(("0d 10:00:00", "A"), ("0d 10:01:00", "B"), med_type="21")) == []


def test_taken_back() -> None:
    first, second = seen(("0d 10:00:00", "A"), ("0d 10:05:00", "B"))
    assert found([first, reversal(1, "0d 10:01:00", first), second]) == []


@pytest.mark.parametrize(
    ("relations", "light"), [(("1", None), "green"), ((None, "7"), "green"), (("9", None), "yellow")]
)
def test_a_known_collector_may_be_elsewhere(relations: tuple[str | None, ...], light: str) -> None:
    events = seen(("0d 10:00:00", "A"), ("0d 10:05:00", "B"))
    (alert,) = found([made | {"agnter_rlts": held} for made, held in zip(events, relations, strict=True)])
    assert alert.light == light


def test_explanations() -> None:
    pair = seen(("0d 10:00:00", "A"), ("0d 10:05:00", "B"))
    golden.check("impossible_travel", {"a card": pair, "a collector": [pair[0] | {"agnter_rlts": "1"}, pair[1]]})
