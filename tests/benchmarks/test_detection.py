"""Parts, switched-off detectors and tables of the detection benchmark, on a small labelled city."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from pathlib import Path

import orjson
import pytest

from benchmarks.detection import (
    PARTS,
    WHOLE,
    Data,
    Outcome,
    Trial,
    half_of,
    models_of,
    of_half,
    run_all,
    tables,
    trials,
    without,
)
from detectors.backtest import open_settlements
from detectors.parameters import load_rules
from detectors.quality import Episode, measure, read_truth

SUPPLY = "agent_buying.days_supply"


@pytest.fixture(scope="module")
def outcomes(city: Data) -> dict[Trial, Outcome]:
    return run_all(city, [*(Trial(part) for part in PARTS), Trial(WHOLE, frozenset({SUPPLY}))], jobs=1)


def test_halves_share_no_settlement_and_leave_none_out(city: Data) -> None:
    lines = list(open_settlements(city.file))
    episodes = read_truth(city.truth)
    first, second = (set(of_half(lines, episodes, half)) for half in (0, 1))
    assert first | second == set(lines)
    assert first & second == set()
    assert 0.4 < len(first) / len(set(lines)) < 0.6


def test_an_episode_is_whole_in_the_half_of_its_first_person(city: Data) -> None:
    episodes = read_truth(city.truth)
    for half in (0, 1):
        present = {orjson.loads(line)["event_id"] for line in of_half(open_settlements(city.file), episodes, half)}
        for episode in episodes:
            held = sum(event in present for event in episode.event_ids)
            assert held == (len(episode.event_ids) if half_of(episode.persons[0]) == half else 0)


def test_persons_outside_their_episodes_are_in_one_half(city: Data) -> None:
    episodes = read_truth(city.truth)
    labelled = {event for episode in episodes for event in episode.event_ids}
    for half in (0, 1):
        for line in of_half(open_settlements(city.file), episodes, half):
            event = orjson.loads(line)
            assert event["event_id"] in labelled or half_of(event["psn_no"]) == half


def test_halves_measure_their_own_episodes(outcomes: dict[Trial, Outcome]) -> None:
    whole, first, second = (outcomes[Trial(part)].at[None] for part in PARTS)
    assert first.recall.of + second.recall.of == whole.recall.of
    assert first.events + second.events == whole.events
    assert first.recall.of > 0
    assert second.recall.of > 0


def test_a_detector_switched_off_says_nothing(outcomes: dict[Trial, Outcome]) -> None:
    everything, rest = outcomes[Trial()], outcomes[Trial(WHOLE, frozenset({SUPPLY}))]
    assert everything.alerts[SUPPLY] > 0
    assert SUPPLY not in rest.alerts
    untouched = everything.alerts.keys() - models_of(load_rules()) - {SUPPLY}
    assert {name: everything.alerts[name] for name in untouched} == {name: rest.alerts[name] for name in untouched}
    assert sum(everything.background.values()) == everything.at[None].background
    assert rest.at[None].caught.keys() < everything.at[None].caught.keys()


def test_the_rule_book_keeps_what_is_not_left_out() -> None:
    book = load_rules()
    off = without(book, frozenset({SUPPLY}))
    assert [rule.detector for rule in off.rules if not rule.enabled] == [
        rule.detector for rule in book.rules if not rule.enabled or rule.detector == SUPPLY
    ]
    assert off.general == book.general


def test_every_detector_is_left_out_once_and_models_apart() -> None:
    book = load_rules()
    names = frozenset(rule.detector for rule in book.rules if rule.enabled)
    models = models_of(book)
    assert "frequent_visits.unusual_pattern" in models
    assert SUPPLY not in models
    chosen = trials(book)
    assert len(chosen) == len(set(chosen))
    assert {Trial(WHOLE, frozenset({name})) for name in names} <= set(chosen)
    groups = [(frozenset[str](), True), (models, False), (models, True), (names - models, True)]
    assert {Trial(part, off, peers) for part in PARTS for off, peers in groups} <= set(chosen)


def test_without_models_there_are_no_groups() -> None:
    book = without(load_rules(), models_of(load_rules()))
    assert all(len(one.off) <= 1 for one in trials(book))


def made_up(*alerts: tuple[str, str, float]) -> Outcome:
    """A run of 10,004 settlements, four of them in episodes, by (detector, evidence, score) of its alerts."""
    episodes = [
        Episode(episode_id="E1", kind="A", label="fraud", event_ids=["a1", "a2"]),
        Episode(episode_id="E2", kind="E", label="fraud", event_ids=["e1", "e2"]),
    ]
    times = {"a1": "2026-01-01 00:00:00", "a2": "2026-01-02 00:00:00"}
    raised = [
        {"alert_id": f"{number}", "light": "red", "score": score, "raised_at": "2026-01-01 12:00:00", "event_ids": evidence.split()}
        for number, (_, evidence, score) in enumerate(alerts)
    ]  # fmt: skip
    return Outcome(
        at={budget: measure(episodes, raised, events=10_004, first_times=times, budget=budget) for budget in (3, 10, None)},
        alerts=Counter(detector for detector, _, _ in alerts),
        background=Counter(detector for detector, evidence, _ in alerts if evidence.startswith("x")),
    )  # fmt: skip


def test_tables_say_what_was_measured() -> None:
    supply, terminal = "agent_buying.days_supply", "agent_buying.shared_terminal"
    noise = [(terminal, f"x{number}", 0.8) for number in range(5)]
    runs = {
        **dict.fromkeys(map(Trial, PARTS), made_up((supply, "a1 a2", 0.7), (terminal, "e1 e2", 0.9), *noise)),
        Trial(WHOLE, frozenset({supply})): made_up((terminal, "e1 e2", 0.9), *noise),
        Trial(WHOLE, frozenset({terminal})): made_up((supply, "a1 a2", 0.7)),
    }
    others = frozenset(rule.detector for rule in load_rules().rules) - {supply, terminal}
    lines = tables(without(load_rules(), others), runs).splitlines()
    assert "| everything | whole | at 3 | 1/2 | 0/1 | 1/1 | – | 3.00 | 0.00 |" in lines
    assert "| everything | second half | all alerts | 2/2 | 1/1 | 1/1 | – | 5.00 | 0.50 |" in lines
    assert "| A | 0/1 | 1/1 | 1/1 | 0/1 | 1/1 | 1/1 | 0/1 | 1/1 | 1/1 |" in lines
    assert f"| {supply} | 1 | 0 | 0.500 (+0.000) | 0.500 (-0.500) | 0.500 (-0.500) | +0.00 | 1 A |" in lines
    assert f"| {terminal} | 6 | 5 | 0.500 (+0.000) | 0.500 (-0.500) | 0.500 (-0.500) | -5.00 | 1 E |" in lines


def test_the_command_prints_and_writes_the_same_from_processes_of_its_own(
    city: Data, outcomes: dict[Trial, Outcome], tmp_path: Path
) -> None:
    out = tmp_path / "tables.md"
    done = subprocess.run(
        [
            *(sys.executable, "-m", "benchmarks.detection", str(city.file), "--parts-only", "--jobs", "2"),
            *("--institutions", str(city.institutions), "--drugs", str(city.drugs), "--out", str(out)),
        ],
        capture_output=True,
        check=True,
    )
    assert done.stdout == out.read_bytes()
    assert done.stdout.decode() == tables(load_rules(), {Trial(part): outcomes[Trial(part)] for part in PARTS})
