"""The simulated city: repeatable, valid on the wire, believable, and labelled as it behaves."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections import Counter, defaultdict
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from itertools import islice, pairwise
from pathlib import Path
from typing import Any

import pytest
import zstandard

from schemas.reference import DRUG_COLUMNS, INSTITUTION_COLUMNS
from schemas.settlement import Settlement, code, decode_settlement
from streams.simulator import simulate
from streams.simulator.simulation import FIRST_DAY

PERSONS, DAYS, SEED = 4_000, 60, 11
LATEST_ARRIVAL = timedelta(hours=24)


@dataclass
class Told:
    lines: list[bytes]
    arrived: list[Settlement]
    events: dict[str, Settlement]
    truth: list[dict[str, Any]]


@pytest.fixture(scope="module")
def city() -> Told:
    simulation = simulate(PERSONS, DAYS, SEED)
    lines = list(simulation.lines())
    arrived = [decode_settlement(line) for line in lines]
    events = {one.event_id: one for one in arrived}
    return Told(lines, arrived, events, [json.loads(row) for row in simulation.truth()])


@pytest.fixture(scope="module")
def episodes(city: Told) -> dict[str, list[tuple[dict[str, Any], list[Settlement]]]]:
    found = defaultdict(list)
    for row in city.truth:
        events = sorted((city.events[event_id] for event_id in row["event_ids"]), key=lambda one: one.settled_at)
        found[row["kind"]].append((row, events))
    return found


def digest(lines: list[bytes]) -> str:
    return hashlib.sha256(b"\n".join(lines)).hexdigest()


def test_the_same_seed_tells_the_same_story(city: Told) -> None:
    assert digest(list(simulate(PERSONS, DAYS, SEED).lines())) == digest(city.lines)


def test_another_seed_tells_another_story() -> None:
    first, second = (next(iter(simulate(300, 3, seed).lines())) for seed in (1, 2))
    assert first != second


def test_a_stream_can_be_told_twice() -> None:
    simulation = simulate(300, 10, 1)
    first, truth = list(simulation.lines()), simulation.truth()
    assert list(simulation.lines()) == first
    assert simulation.truth() == truth


def test_files_are_the_same_under_another_hash_seed(tmp_path: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from streams.simulator import simulate;"
        "simulate(400, 8, 3).write(Path(sys.argv[1]))"
    )
    for hash_seed in ("0", "4242"):
        target = tmp_path / hash_seed / "city.jsonl.zst"
        target.parent.mkdir()
        environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
        subprocess.run([sys.executable, "-c", script, str(target)], check=True, env=environment)
    for name in ("city.jsonl.zst", "city.truth.jsonl", "city.institutions.csv", "city.drugs.csv"):
        assert (tmp_path / "0" / name).read_bytes() == (tmp_path / "4242" / name).read_bytes(), name


def test_every_line_keeps_the_contract_and_the_public_spelling(city: Told) -> None:
    names = set(json.loads(city.lines[0]))
    assert {"event_id", "psn_no", "setl_time", "fixmedins_code", "fund_pay_sumamt", "lines", "agnter_rlts"} <= names
    for line in city.lines[:: len(city.lines) // 500]:
        message = json.loads(line)
        assert set(message) == names
        assert message["lines"]
    for one in city.arrived:
        parts = (one.fund_paid, one.account_paid, one.cash_paid)
        assert sum((part for part in parts if part is not None), Decimal()) == one.fee


def test_ids_are_unique(city: Told) -> None:
    assert len({one.settlement_id for one in city.events.values()}) == len(city.events)


def test_a_box_is_settled_once_unless_it_is_resold(city: Told) -> None:
    taken_back = {one.original_id for one in city.events.values() if one.kind == "REVERSE"}
    settled = defaultdict(set)
    for one in city.events.values():
        if one.kind == "SETTLE" and one.settlement_id not in taken_back:
            for line in one.lines or ():
                for box in line.trace_codes or ():
                    settled[box].add(one.event_id)
    resold = {event for row in city.truth if row["kind"] == "T" for event in row["event_ids"]}
    twice = [events for events in settled.values() if len(events) > 1]
    assert twice
    assert all(events <= resold for events in twice)


def test_a_reversal_takes_back_an_earlier_settlement_of_the_same_person(city: Told) -> None:
    settled = {one.settlement_id: one for one in city.events.values() if one.kind == "SETTLE"}
    reversals = [one for one in city.events.values() if one.kind == "REVERSE"]
    assert 0.002 < len(reversals) / len(city.events) < 0.015
    assert len({one.original_id for one in reversals}) == len(reversals)
    for one in reversals:
        original = settled[one.original_id or ""]
        assert original.person_id == one.person_id
        assert original.settled_at < one.settled_at
        assert original.fund_paid == -one.fund_paid


def test_repeats_and_late_arrivals_stay_in_bounds(city: Told) -> None:
    repeats = len(city.arrived) - len(city.events)
    assert 0.001 < repeats / len(city.events) < 0.003
    latest = city.arrived[0].settled_at
    late = 0
    for one in city.arrived:
        if one.settled_at < latest:
            late += 1
            assert latest - one.settled_at <= LATEST_ARRIVAL
        latest = max(latest, one.settled_at)
    assert 0.002 < late / len(city.events) < 0.006  # late ones and repeated ones


def test_without_faults_the_stream_is_in_event_time_order() -> None:
    simulation = simulate(500, 10, 5, repeats=False, late=False)
    events = [decode_settlement(line) for line in simulation.lines()]
    times = [one.settled_at for one in events]
    assert times == sorted(times)
    assert len({one.event_id for one in events}) == len(events) == simulation.settlements


def test_days_and_hours_have_a_rhythm(city: Told) -> None:
    visits = [one for one in city.events.values() if code(one.care_type) == "11"]
    sales = [one for one in city.events.values() if code(one.care_type) == "41"]
    by_weekday = Counter(one.settled_at.weekday() for one in visits)
    assert by_weekday[0] > 1.5 * by_weekday[6]
    by_hour = Counter(one.settled_at.hour for one in visits)
    assert by_hour[9] > 3 * by_hour[12]
    night = sum(one.settled_at.hour < 6 for one in sales)
    assert night / len(sales) < 0.01
    first, last = (
        min(city.events.values(), key=lambda e: e.settled_at),
        max(city.events.values(), key=lambda e: e.settled_at),
    )
    assert first.settled_at.date() == FIRST_DAY
    assert last.settled_at.date() == FIRST_DAY + timedelta(days=DAYS - 1)


def test_kinds_of_care_have_their_shares(city: Told) -> None:
    shares = Counter(code(one.care_type) for one in city.events.values() if one.kind == "SETTLE")
    total = shares.total()
    assert 0.45 < shares["41"] / total < 0.75
    assert 0.12 < shares["11"] / total < 0.35
    assert 0.05 < shares["140104"] / total < 0.2
    for rare in ("13", "140201", "21"):
        assert 0 < shares[rare] / total < 0.05, rare
    per_day = total / PERSONS / DAYS
    assert 0.05 < per_day < 0.15


def test_people_stay_near_home(city: Told) -> None:
    sales = [one for one in city.events.values() if code(one.care_type) == "41"]
    at_home = sum(one.person_id.startswith(code(one.area)) for one in sales)
    assert at_home / len(sales) > 0.9
    assert len({code(one.area) for one in city.events.values()}) == 9


def test_the_truth_has_every_kind_and_only_events_that_were_told(city: Told) -> None:
    kinds = {(row["kind"], row["label"]) for row in city.truth}
    fraud, legitimate = {(kind, "fraud") for kind in "ABCDEFT"}, {(f"H{n}", "legitimate") for n in range(1, 8)}
    assert kinds == fraud | legitimate
    listed = [event for row in city.truth for event in row["event_ids"]]
    assert set(listed) <= set(city.events)
    assert len(listed) == len(set(listed))
    for row in city.truth:
        assert set(row) == {"episode_id", "kind", "label", "persons", "event_ids", "params"}
        assert set(row["persons"]) == {city.events[event].person_id for event in row["event_ids"]}


def test_episodes_of_agent_buying_look_as_labelled(episodes: Any) -> None:
    for row, events in episodes["A"]:
        assert len({one.terminal_id for one in events}) == 1
        assert len(events) == row["params"]["k"] * row["params"]["rep"]
        first = events[: row["params"]["k"]]
        assert first[-1].settled_at - first[0].settled_at <= timedelta(minutes=row["params"]["w"])
    for row, events in episodes["B"]:
        assert len({one.person_id for one in events}) == row["params"]["k"]
        assert len({one.collector_id for one in events}) == 1
        assert (events[0].collector_id is not None) == row["params"]["known"]
    for row, events in episodes["C"]:
        assert len({one.institution_id for one in events}) == row["params"]["p"]
        assert len({one.person_id for one in events}) == 1
        assert (events[-1].settled_at.date() - events[0].settled_at.date()).days < row["params"]["d"]
    for row, events in episodes["D"]:
        supply = sum(float(line.supply_days or 0) for one in events for line in one.lines or ())
        assert supply >= row["params"]["ratio"] * row["params"]["d"]
    for _, events in episodes["T"]:
        sold, again = ([line.trace_codes for line in one.lines or ()] for one in events)
        assert sold == again
        assert events[0].institution_id != events[1].institution_id
        assert events[0].person_id != events[1].person_id


def test_episodes_of_frequent_visits_look_as_labelled(episodes: Any) -> None:
    for row, events in episodes["E"]:
        assert len(events) == row["params"]["n"]
        assert (events[-1].settled_at.date() - events[0].settled_at.date()).days < row["params"]["d"]
        assert len({one.institution_id for one in events}) <= row["params"]["orgs"]
    for row, events in episodes["F"]:
        assert Counter(code(one.care_type) for one in events) == {"11": row["params"]["n"], "41": row["params"]["n"]}


def test_look_alikes_look_as_labelled(episodes: Any) -> None:
    for kind, relation in (("H1", "1"), ("H2", "7")):
        for _, events in episodes[kind]:
            assert {code(one.collector_relation) for one in events} == {relation}
            assert len({one.collector_id for one in events}) == 1
    assert all(code(one.long_prescription) == "1" for _, events in episodes["H3"] for one in events)
    for _, events in episodes["H4"]:
        assert {code(one.care_type) for one in events} == {"140201"}
        gaps = {(b.settled_at.date() - a.settled_at.date()).days for a, b in pairwise(events)}
        assert gaps <= {2, 3}
    for _, events in episodes["H5"]:
        days = [one.settled_at.date() for one in events]
        assert days == [days[0] + timedelta(days=number) for number in range(len(days))]
    for _, events in episodes["H7"]:
        assert [one.kind for one in events] == ["SETTLE", "REVERSE", "SETTLE", "REVERSE", "SETTLE"]


def test_the_stream_begins_before_the_days_are_simulated() -> None:
    done: list[int] = []
    stream = simulate(500, 400, 3).lines(lambda days, _: done.append(days))
    assert len(list(islice(stream, 50))) == 50
    assert len(done) < 10


def test_files_come_with_references_and_truth(tmp_path: Path) -> None:
    steps: list[tuple[int, int]] = []
    simulation = simulate(500, 12, 9)
    written = simulation.write(tmp_path / "city.jsonl.zst", lambda days, lines: steps.append((days, lines)))
    with zstandard.open(written.path, "rb") as file:
        lines = file.read().splitlines()
    assert lines == list(simulation.lines())
    assert written.lines == len(lines)
    assert written.settlements == len(set(lines))
    assert steps[-1][0] == 12
    assert written.truth.read_bytes().splitlines() == simulation.truth()
    institutions = [row.split(",") for row in written.institutions.read_text("utf-8").splitlines()]
    drugs = [row.split(",") for row in written.drugs.read_text("utf-8").splitlines()]
    assert (tuple(institutions[0]), tuple(drugs[0])) == (INSTITUTION_COLUMNS, DRUG_COLUMNS)
    known, sold = {row[0] for row in institutions}, {row[0] for row in drugs}
    assert len(known) == len(institutions)
    for line in lines:
        one = decode_settlement(line)
        assert one.institution_id in known
        assert all(each.item_code in sold for each in one.lines or () if code(each.item_type) == "101")


def test_a_plain_file_holds_the_same_lines(tmp_path: Path) -> None:
    simulation = simulate(300, 5, 9)
    written = simulation.write(tmp_path / "city.jsonl")
    assert written.path.read_bytes().splitlines() == list(simulation.lines())


@pytest.mark.parametrize(("persons", "days"), [(200, 1), (200, 2), (250, 20)])
def test_small_and_short_cities_work(persons: int, days: int) -> None:
    simulation = simulate(persons, days, 1)
    ids = {decode_settlement(line).event_id for line in simulation.lines()}
    assert {event for row in simulation.truth() for event in json.loads(row)["event_ids"]} <= ids


def test_wrong_arguments_are_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="at least 200 persons, got 10"):
        simulate(10, 5, 1)
    with pytest.raises(ValueError, match="at least 1 day, got 0"):
        simulate(500, 0, 1)
    with pytest.raises(ValueError, match=r"named \*\.jsonl"):
        simulate(500, 1, 1).write(tmp_path / "city.csv")


def test_a_city_may_begin_on_any_day() -> None:
    first = decode_settlement(next(iter(simulate(300, 2, 1, date(2025, 12, 31)).lines())))
    assert first.settled_at.date() == date(2025, 12, 31)
