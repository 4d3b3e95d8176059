"""The same drug from several institutions."""

from __future__ import annotations

from typing import Any

import pytest

from schemas.alert import Alert
from tests.detectors import golden
from tests.detectors.harness import Drive, drug, event, judge, reversal


def bought(*places: tuple[str, str], item: str = "X1", days: float | None = 7, **fields: Any) -> list[dict[str, Any]]:
    """One purchase per (time, institution)."""
    return [
        event(number, at, **({"fixmedins_code": place, "lines": [drug(item, days)]} | fields))
        for number, (at, place) in enumerate(places)
    ]


def found(events: list[dict[str, Any]]) -> list[Alert]:
    return Drive(judge(), batch=100).run(events).of("generic_spread")


THREE = (("0d 10:00:00", "A"), ("1d 10:00:00", "B"), ("2d 10:00:00", "C"))
FOUR = (("0d 10:00:00", "A"), ("4d 10:00:00", "B"), ("8d 10:00:00", "C"), ("12d 10:00:00", "D"))


@pytest.mark.parametrize(
    ("places", "item", "institutions"),
    [
        (THREE, "X1", 3),
        # the same place twice is one place
        ((*THREE[:2], ("2d 10:00:00", "A")), "X1", None),
        # three days to the second
        ((*THREE[:2], ("3d 09:59:59", "C")), "X1", 3),
        ((*THREE[:2], ("3d 10:00:00", "C")), "X1", None),
        (FOUR, "X1", 4),
        ((*FOUR[:3], ("14d 09:59:59", "D")), "X1", 4),
        ((*FOUR[:3], ("14d 10:00:00", "D")), "X1", None),
        # what nobody buys to sell on: one institution more
        (THREE, "X3", None),
        ((*THREE, ("2d 12:00:00", "D")), "X3", 4),
        (FOUR, "X3", None),
        ((*FOUR, ("12d 11:00:00", "E")), "X3", 5),
    ],
)
def test_institutions(places: tuple[tuple[str, str], ...], item: str, institutions: int | None) -> None:
    alerts = found(bought(*places, item=item))
    assert [alert.features["fixmedins_cnt"] for alert in alerts] == ([] if institutions is None else [institutions])
    assert all(alert.light == "yellow" for alert in alerts)


def test_a_generic_is_one_drug_and_another_is_another() -> None:
    events = bought(*THREE)
    assert len(found([events[0], events[1] | {"lines": [drug("X2", 7)]}, events[2]])) == 1
    assert found([events[0], events[1] | {"lines": [drug("X4", 7)]}, events[2]]) == []


def test_what_was_taken_back_and_what_hospitals_give_does_not_count() -> None:
    events = bought(*THREE)
    assert found([*events[:2], reversal(1, "1d 11:00:00", events[1]), events[2]]) == []
    assert found([events[0], events[1] | {"med_type": "21"}, events[2]]) == []


def ranked(events: list[dict[str, Any]]) -> float:
    (alert,) = found(events)
    return alert.score


def test_faster_and_more_rank_higher() -> None:
    quick = bought(("0d 10:00:00", "A"), ("0d 15:00:00", "B"), ("0d 20:00:00", "C"))
    more = bought(*THREE, ("2d 11:00:00", "D"))
    assert ranked(quick) > ranked(bought(*THREE))
    assert ranked(more) > ranked(bought(*THREE))


def test_usual_places_and_little_quantities_rank_lower() -> None:
    now = tuple((f"{40 + int(at[0])}{at[1:]}", place) for at, place in THREE)
    earlier = (("0d 10:00:00", "A"), ("20d 10:00:00", "B"))
    assert ranked(bought(*earlier, *now)) < ranked(bought(*now))
    assert 0.5 <= ranked(bought(*THREE, days=2)) < ranked(bought(*THREE))
    # an unknown quantity is not a little one
    fourth = (*THREE, ("2d 12:00:00", "D"))
    assert ranked(bought(*fourth, item="X9", days=None)) == ranked(bought(*fourth, item="X3"))


@pytest.mark.parametrize(
    ("changed", "muted_by"),
    [
        ({"long_rx_flag": "1"}, "long_prescription"),
        ({"diagnoses": [{"diag_code": "C50.9", "maindiag_flag": "1"}]}, "oncology"),
        ({"med_type": "11", "diagnoses": [{"diag_code": "J06.9", "maindiag_flag": "1"}]}, "condition"),
        # variants of one condition are one condition, and a pharmacy makes no diagnosis
        ({"med_type": "11", "diagnoses": [{"diag_code": "I10.x", "maindiag_flag": "1"}]}, None),
        ({"diagnoses": [{"diag_code": "J06.9", "maindiag_flag": "1"}]}, None),
        ({"mdtrtarea_admvs": "310100", "insuplc_admdvs": "320600"}, "away"),
    ],
)
def test_exceptions(changed: dict[str, Any], muted_by: str | None) -> None:
    events = bought(*THREE, diagnoses=[{"diag_code": "I10", "maindiag_flag": "1"}])
    (alert,) = found([*events[:2], events[2] | changed])
    assert (alert.light, alert.features.get("muted_by")) == ("green" if muted_by else "yellow", muted_by)


def test_one_prescription_may_be_filled_at_a_pharmacy() -> None:
    events = bought(*THREE)
    clinic = events[0] | {"med_type": "11"}
    (alert,) = found([clinic, *events[1:]])
    assert (alert.light, alert.features["muted_by"]) == ("green", "prescribed")
    (alert,) = found([clinic, *events[1:], *bought(("2d 11:00:00", "D"), event_id="E9", setl_id="S9")])
    assert alert.light == "yellow"


def test_who_lives_elsewhere_is_not_on_a_journey() -> None:
    (alert,) = found(bought(*THREE, mdtrtarea_admvs="310100", insuplc_admdvs="320600"))
    assert alert.light == "yellow"


def test_explanations() -> None:
    golden.check(
        "generic_spread",
        {
            "short": bought(*THREE),
            "long": bought(*FOUR),
            "quantity unknown": bought(*THREE, ("2d 12:00:00", "D"), item="X9", days=None),
            "not watched": bought(*THREE, ("2d 12:00:00", "D"), item="X3"),
            "prescription filled": [bought(*THREE)[0] | {"med_type": "11"}, *bought(*THREE)[1:]],
            "journey": [
                *bought(*THREE)[:2],
                bought(*THREE)[2] | {"mdtrtarea_admvs": "310100", "insuplc_admdvs": "320600"},
            ],
        },
    )
