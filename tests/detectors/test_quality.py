"""The measure itself, against cases small enough to count on the fingers."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from detectors import TruthFileError
from detectors.quality import Episode, Quality, measure, read_truth
from schemas.alert import Alert, Window


def episode(name: str, kind: str, events: str, label: str = "fraud") -> Episode:
    return Episode(episode_id=name, kind=kind, label=label, event_ids=events.split())


def alert(name: str, events: str, *, score: float = 0.9, light: str = "yellow", at: str = "12") -> dict[str, Any]:
    return {
        "alert_id": name,
        "light": light,
        "score": score,
        "raised_at": f"2026-01-01 {at}:00:00",
        "event_ids": events.split(),
    }


EPISODES = (
    episode("shop", "A", "a1 a2 a3 a4"),
    episode("tour", "C", "c1 c2 c3"),
    episode("box", "T", "t1 t2"),
    episode("visits", "E", "e1 e2 e3"),
    episode("family", "H1", "h1 h2 h3", "legitimate"),
)
"""15 events; with 1,015 in all, a budget of 10 pays for exactly one background alert, one of 9.9 for none."""
TIMES = {event: f"2026-01-01 {hour:02}:00:00" for one in EPISODES for hour, event in enumerate(one.event_ids, 10)}


def measured(*alerts: Any, budget: float | None = None, events: int = 1_015) -> Quality:
    return measure(EPISODES, alerts, events=events, first_times=TIMES, budget=budget)


@pytest.mark.parametrize(
    ("events", "caught"),
    [
        ("a1 a2", {"shop"}),
        ("a1", set()),
        ("a1 x1 x2 x3", set()),
        ("a1 c1", {"tour"}),
        ("t2", {"box"}),
        ("e1 x1", set()),
        ("e3 e1 x1", {"visits"}),
        ("a1 a2 c1 t1 e1 e2 h1", {"shop", "tour", "box", "visits"}),
        ("x1 x2", set()),
    ],
)
def test_one_alert_must_hold_two_events_of_an_episode_and_one_of_kinds_c_and_t(events: str, caught: set[str]) -> None:
    assert set(measured(alert("1", events)).caught) == caught


def test_two_alerts_of_one_event_each_do_not_catch_together() -> None:
    assert measured(alert("1", "a1"), alert("2", "a2")).caught == {}


def test_green_asks_nobody_to_look() -> None:
    quality = measured(alert("1", "a1 a2 h1 h2", light="green"), alert("2", "x1", light="green"))
    assert (quality.alerts, quality.background, quality.caught, quality.flagged) == (0, 0, {}, frozenset())


def test_look_alikes_count_apart_from_recall() -> None:
    quality = measured(alert("1", "h1 h2"), alert("2", "c1"))
    assert quality.flagged == {"family"}
    assert quality.recall == (1, 4)
    assert quality.look_alikes == (1, 1)
    assert quality.precision == 0.5
    assert measured(alert("1", "h1")).flagged == frozenset()


def test_recall_by_family_and_kind() -> None:
    quality = measured(alert("1", "a1 a2"), alert("2", "e1 e2"))
    assert quality.by_family() == {"agent_buying": (1, 3), "frequent_visits": (1, 1)}
    assert quality.by_kind() == {"A": (1, 1), "C": (0, 1), "E": (1, 1), "H1": (0, 1), "T": (0, 1)}


def test_background_is_what_holds_no_labelled_event_at_all() -> None:
    quality = measured(alert("1", "x1 x2"), alert("2", "x3 a1"), alert("3", "x4 h1"))
    assert quality.background == 1
    assert quality.background_per_10k == 10.0
    assert quality.alerts == 3


def test_an_alert_grown_into_an_episode_is_no_background() -> None:
    grown = (alert("1", "x1 x2"), alert("1", "x1 x2 a1 a2", at="13"))
    assert measured(*grown).background == 0
    assert measured(*grown).alerts == 1


@pytest.mark.parametrize(
    ("at", "lead"), [("09", 0.0), ("10", 0.25), ("11", 0.5), ("12", 0.75), ("13", 1.0), ("23", 1.0)]
)
def test_lead_is_the_share_of_events_that_had_happened(at: str, lead: float) -> None:
    assert measured(alert("1", "a1 a2", at=at)).caught == {"shop": lead}


def test_the_first_alert_that_catches_counts_and_not_an_earlier_one_that_does_not() -> None:
    quality = measured(alert("1", "a1", at="10"), alert("2", "a1 a2 a3", at="12"), alert("3", "a1 a2", at="11"))
    assert quality.caught == {"shop": 0.5}


def test_median_lead_is_the_upper_of_two() -> None:
    assert measured().median_lead is None
    assert (
        measured(alert("1", "a1 a2", at="11"), alert("2", "t1", at="10"), alert("3", "c1", at="11")).median_lead == 0.5
    )
    assert measured(alert("1", "a1 a2", at="10"), alert("3", "c1", at="12")).median_lead == 1.0


def test_a_budget_keeps_the_highest_scores() -> None:
    alerts = (
        alert("low", "a1 a2", score=0.5),
        alert("first background", "x1", score=0.9),
        alert("second background", "x2", score=0.7),
        alert("high", "c1", score=0.95),
        alert("middle", "t1", score=0.8),
    )
    assert set(measured(*alerts, budget=10).caught) == {"tour", "box"}
    assert set(measured(*alerts, budget=9.9).caught) == {"tour"}
    assert set(measured(*alerts, budget=20).caught) == {"tour", "box", "shop"}
    assert measured(*alerts, budget=10).background == 1
    assert measured(*alerts, budget=10).alerts == 3


def test_the_budget_is_a_share_of_the_unlabelled_events() -> None:
    # 1,014 lines are 999 of background: 10 per 10,000 pay for 0.999 alerts
    assert measured(alert("1", "x1"), budget=10, events=1_014).alerts == 0
    assert measured(alert("1", "x1"), budget=10, events=1_015).alerts == 1


def test_revisions_stand_and_fall_together_by_their_highest_score() -> None:
    grown = [alert("grown", "x1", score=0.1), alert("grown", "x1 a1 a2", score=0.9)]
    background = [alert("b", "x2", score=0.8), alert("c", "x3", score=0.7)]
    quality = measured(*background, *grown, budget=10)
    assert (quality.alerts, quality.background, set(quality.caught)) == (2, 1, {"shop"})


def test_published_alerts_are_read_like_their_json() -> None:
    published = Alert(
        alert_id="1", revision=1, detector="a.b", family="a", subject_type="person", subject_id="p", light="red",
        score=0.9, raised_at="2026-01-01 11:00:00", event_ids=["a1", "a2"], persons=[], institutions=[],
        window=Window("2026-01-01 10:00:00", "2026-01-01 11:00:00"), explanation="", features={}, rule_id="a.b",
        rule_version=1, amount=Decimal(1),
    )  # fmt: skip
    as_json = alert("1", "a1 a2", light="red") | {"raised_at": "2026-01-01T11:00:00+08:00"}
    assert measured(published) == measured(as_json)
    assert measured(published).caught == {"shop": 0.5}


def test_figures_are_plain_numbers() -> None:
    assert measured(alert("1", "a1 a2", at="11"), alert("2", "x1"), budget=10).figures() == {
        "budget": 10,
        "alerts": 2,
        "background_alerts_per_10k": 10.0,
        "recall": 0.25,
        "recall_by_family": {"agent_buying": 0.333, "frequent_visits": 0.0},
        "caught_by_kind": {"A": [1, 1], "C": [0, 1], "E": [0, 1], "H1": [0, 1], "T": [0, 1]},
        "look_alikes_flagged": 0.0,
        "precision": 1.0,
        "median_lead": 0.5,
    }


def test_a_truth_file_is_read_row_by_row(tmp_path: Path) -> None:
    file = tmp_path / "x.truth.jsonl"
    file.write_text(
        '{"episode_id":"E1","kind":"A","label":"fraud","persons":["p"],"event_ids":["a","b"],"params":{"k":4}}\n\n'
        '{"episode_id":"E2","kind":"H3","label":"legitimate","event_ids":["c"],"more":1}\n'
    )
    first, second = read_truth(file)
    assert (first.fraud, first.family, first.needed, first.params) == (True, "agent_buying", 2, {"k": 4})
    assert (second.fraud, second.event_ids) == (False, ["c"])


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("not json\n", "line 1"),
        ('{"episode_id":"E1","kind":"A","label":"fraud","event_ids":["a"]}\n{"episode_id":"E2"}\n', "line 2"),
        ('{"episode_id":"E1","kind":"A","label":"fraud","event_ids":"a"}\n', "event_ids"),
        ('{"episode_id":"E1","kind":"A","label":"fraud","event_ids":[]}\n' * 2, "E1 again"),
    ],
)
def test_a_truth_file_that_cannot_be_says_where_and_what_was_expected(tmp_path: Path, text: str, says: str) -> None:
    file = tmp_path / "x.truth.jsonl"
    file.write_text(text)
    with pytest.raises(TruthFileError, match=says) as raised:
        read_truth(file)
    assert "expected" in str(raised.value)


def test_a_truth_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(TruthFileError, match=r"nowhere\.truth\.jsonl"):
        read_truth(tmp_path / "nowhere.truth.jsonl")
