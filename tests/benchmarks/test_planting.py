"""Planted episodes: valid on the wire, in the place of the old ones, and what their parameters say."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

import orjson
import pytest

from benchmarks.background import Background
from benchmarks.detection import Data
from benchmarks.planting import KINDS, Planted, plant
from detectors.backtest import open_settlements
from detectors.quality import Episode, read_truth
from detectors.reference import Reference
from schemas.settlement import decode_settlement

PER_KIND = 6


@pytest.fixture(scope="module")
def background(city: Data) -> Background:
    return Background.read(open_settlements(city.file), read_truth(city.truth), city.institutions, city.drugs)


@pytest.fixture(scope="module")
def planted(background: Background) -> Planted:
    return plant(background, seed=1, per_kind=PER_KIND)


@pytest.fixture(scope="module")
def stream(city: Data, background: Background, planted: Planted) -> list[bytes]:
    return list(planted.into(open_settlements(city.file), background.labelled))


def of_kind(planted: Planted, kind: str) -> list[tuple[Episode, list[dict[str, Any]]]]:
    events = {event["event_id"]: event for event in planted.events}
    return [
        (episode, sorted((events[one] for one in episode.event_ids), key=lambda event: event["setl_time"]))
        for episode in planted.episodes
        if episode.kind == kind
    ]


def time_of(event: dict[str, Any]) -> datetime:
    return datetime.fromisoformat(event["setl_time"])


def span(events: list[dict[str, Any]]) -> timedelta:
    return time_of(events[-1]) - time_of(events[0])


def test_every_line_is_a_settlement_that_adds_up(planted: Planted) -> None:
    for event in planted.events:
        settlement = decode_settlement(orjson.dumps(event))
        assert settlement.lines
        parts = (settlement.fund_paid, settlement.account_paid, settlement.cash_paid)
        assert all(part is not None for part in parts)
        assert sum(part for part in parts if part is not None) == settlement.fee
        amounts = sum(line.amount for line in settlement.lines if line.amount is not None)
        assert amounts == abs(settlement.fee)
    assert len({event["event_id"] for event in planted.events}) == len(planted.events)
    assert len({event["setl_id"] for event in planted.events}) == len(planted.events)


def test_old_episodes_go_and_the_background_stays_as_it_was(
    city: Data, background: Background, planted: Planted, stream: list[bytes]
) -> None:
    new = {event["event_id"] for event in planted.events}
    before = list(open_settlements(city.file))
    kept = [line for line in stream if orjson.loads(line)["event_id"] not in new]
    assert kept == [line for line in before if orjson.loads(line)["event_id"] not in background.labelled]
    assert len(kept) < len(before)
    assert Counter(orjson.loads(line)["event_id"] for line in stream if line not in set(kept)) == dict.fromkeys(new, 1)


def test_new_events_come_when_their_time_has_come(planted: Planted, stream: list[bytes]) -> None:
    new = {event["event_id"] for event in planted.events}
    latest = ""
    for line in stream:
        event = orjson.loads(line)
        if event["event_id"] in new:
            assert event["setl_time"] >= latest
            latest = event["setl_time"]
    position = {orjson.loads(line)["event_id"]: number for number, line in enumerate(stream)}
    halfway = stream[len(stream) // 2 :]
    early = orjson.loads(halfway[0])["setl_time"]
    assert all(
        position[event["event_id"]] <= len(stream) // 2 + 60 for event in planted.events if event["setl_time"] < early
    )


def test_every_kind_as_often_as_asked_and_nobody_in_two(planted: Planted) -> None:
    assert Counter(episode.kind for episode in planted.episodes) == dict.fromkeys(KINDS, PER_KIND)
    assert {episode.kind for episode in planted.episodes if not episode.fraud} == {
        kind for kind in KINDS if kind.startswith("H")
    }
    persons = Counter(person for episode in planted.episodes for person in episode.persons)
    assert max(persons.values()) == 1


def test_a_seed_gives_the_same_and_another_seed_others(background: Background, planted: Planted) -> None:
    again = plant(background, seed=1, per_kind=PER_KIND)
    assert (again.events, again.episodes) == (planted.events, planted.episodes)
    other = plant(background, seed=2, per_kind=PER_KIND)
    assert [one.params for one in other.episodes] != [one.params for one in planted.episodes]


def test_half_of_the_persons_are_known_to_the_background(background: Background, planted: Planted) -> None:
    known = {person.wire["psn_no"] for person in background.persons}
    persons = [person for episode in planted.episodes for person in episode.persons]
    assert 0.25 < sum(person in known for person in persons) / len(persons) < 0.75


def test_many_cards_at_one_terminal_within_minutes(planted: Planted) -> None:
    for episode, events in of_kind(planted, "A"):
        params = episode.params
        assert 3 <= params["k"] <= 12
        assert len({event["dev_no"] for event in events}) == 1
        assert len({event["lines"][0]["med_list_codg"] for event in events}) == 1
        assert len(episode.persons) <= params["k"]
        if params["rep"] == 1:
            assert len(episode.persons) == len(events) == params["k"]
            assert span(events) < timedelta(minutes=params["w"])
        gaps = sum(time_of(later) - time_of(earlier) > timedelta(days=2) for earlier, later in pairwise(events))
        assert gaps == params["rep"] - 1


def test_one_collector_has_a_token_or_none(planted: Planted) -> None:
    for episode, events in of_kind(planted, "B"):
        tokens = {event["agnter_certno"] for event in events}
        assert len(tokens) == 1
        assert (tokens != {None}) == episode.params["known"]
        assert len(episode.persons) == episode.params["k"]
        assert len({event["fixmedins_code"] for event in events}) <= episode.params["shops"]


def test_a_pharmacy_tour_is_one_drug_of_one_person(planted: Planted) -> None:
    for episode, events in of_kind(planted, "C"):
        assert len(episode.persons) == 1
        assert len({event["fixmedins_code"] for event in events}) == len(events) == episode.params["p"]
        assert len({event["lines"][0]["med_list_codg"] for event in events}) == 1
        assert span(events) < timedelta(days=episode.params["d"])


def test_hoarding_is_far_above_need(city: Data, planted: Planted) -> None:
    watched = Reference.load(None, city.drugs).drugs
    for episode, events in of_kind(planted, "D"):
        days = [int(event["lines"][0]["prd_days"]) for event in events]
        need = episode.params["ratio"] * episode.params["d"]
        assert sum(days) >= need > sum(days) - max(days)
        assert watched[events[0]["lines"][0]["med_list_codg"]].monitored


def test_visits_and_pairs(planted: Planted) -> None:
    for episode, events in of_kind(planted, "E"):
        assert len(events) == episode.params["n"]
        assert {event["med_type"] for event in events} == {"11"}
        assert len({event["fixmedins_code"] for event in events}) <= episode.params["orgs"]
    for episode, events in of_kind(planted, "F"):
        assert Counter(event["med_type"] for event in events) == {"11": episode.params["n"], "41": episode.params["n"]}
        assert span(events) < timedelta(days=episode.params["d"], hours=3)


def test_boxes_are_settled_twice(planted: Planted) -> None:
    for episode, (first, second) in of_kind(planted, "T"):
        assert first["lines"][0]["drug_trac_codg"] == second["lines"][0]["drug_trac_codg"] != []
        assert first["psn_no"] != second["psn_no"]
        assert first["fixmedins_code"] != second["fixmedins_code"]
        assert abs(span([first, second]) - timedelta(days=episode.params["d"])) <= timedelta(hours=4)
    ordinary = [
        trace
        for episode in planted.episodes
        for _, events in [(episode, [one for one in planted.events if one["event_id"] in episode.event_ids])]
        if episode.kind in {"A", "C", "D"}
        for event in events
        for line in event["lines"]
        for trace in line["drug_trac_codg"]
    ]
    assert len(ordinary) == len(set(ordinary))


def test_look_alikes_carry_their_reason(planted: Planted) -> None:
    for _, events in of_kind(planted, "H1"):
        assert {(event["agnter_certno"], event["agnter_rlts"]) for event in events} == {(None, "1")}
    for _, events in of_kind(planted, "H2"):
        assert {event["agnter_rlts"] for event in events} == {"7"}
        assert len({event["agnter_certno"] for event in events}) == 1
    for _, events in of_kind(planted, "H3"):
        assert {event["long_rx_flag"] for event in events} == {"1"}
    for _, events in of_kind(planted, "H4"):
        assert {event["med_type"] for event in events} == {"140201"}
    for _, events in of_kind(planted, "H5"):
        days = [time_of(event).date() for event in events]
        assert all(timedelta(0) <= later - day <= timedelta(2) for day, later in pairwise(days))
    for _, events in of_kind(planted, "H7"):
        taken_back = {event["orig_setl_id"] for event in events if event["event_type"] == "REVERSE"}
        left = [event for event in events if event["event_type"] == "SETTLE" and event["setl_id"] not in taken_back]
        assert len(left) == 1
        assert len(taken_back) == (len(events) - 1) / 2
