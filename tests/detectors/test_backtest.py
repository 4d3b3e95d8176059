"""The backtest on a sample of the public stream: streamed, exact, the same in any order within the lateness."""

from __future__ import annotations

import io
import os
import random
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path

import orjson
import pytest
import zstandard

from detectors import Judge, Reference, UnreadableInputError, load_rules
from detectors.backtest import BacktestResult, open_settlements, run
from schemas.instants import Calendar
from schemas.settlement import MAX_BYTES
from tests.detectors.oracle import expected

SAMPLE = Path(__file__).parents[1] / "data" / "public-sample.jsonl.zst"
REFERENCE = Reference.load(
    SAMPLE.with_name("public-sample.institutions.csv"), SAMPLE.with_name("public-sample.drugs.csv")
)


def judged(lines: list[bytes]) -> BacktestResult:
    return run(iter(lines), Judge(load_rules(), REFERENCE, Calendar()))


@pytest.fixture(scope="module")
def lines() -> list[bytes]:
    return list(open_settlements(SAMPLE))


@pytest.fixture(scope="module")
def result(lines: list[bytes]) -> BacktestResult:
    return judged(lines)


def test_figures(result: BacktestResult) -> None:
    assert (result.settlements, result.distinct, result.reversals, result.dead_letters) == (3003, 2961, 4, 0)
    assert len({alert.detector for alert in result.alerts}) >= 7
    assert {alert.light for alert in result.alerts} == {"red", "yellow", "green"}
    assert result.alerts == sorted(result.alerts, key=lambda alert: (alert.raised_at, alert.alert_id))


def test_equals_a_recount(lines: list[bytes], result: BacktestResult) -> None:
    drugs = {item: (drug.generic, drug.monitored) for item, drug in REFERENCE.drugs.items()}
    events = [orjson.loads(line) for line in lines]
    for event in events:
        sold = [line for line in event["lines"] if line["med_list_codg"] in drugs]
        event["lines"] = [line | {"prd_days": line["prd_days"] or "0"} for line in sold]
    parameters = {
        rule.detector: {name: parameter.value for name, parameter in rule.parameters.items()}
        for rule in load_rules().rules
        if rule.detector != "frequent_visits.unusual_pattern"  # learned, not counted
    }
    answer = expected(events, parameters, drugs)
    assert {
        alert.alert_id: (alert.light, alert.raised_at, alert.event_ids, str(alert.amount)) for alert in result.alerts
    } == {
        key: (alert["light"], alert["raised_at"], alert["event_ids"], alert["amount"]) for key, alert in answer.items()
    }


def test_places_heard_of_once_need_no_ledger(lines: list[bytes], result: BacktestResult) -> None:
    core = Judge(load_rules(), REFERENCE, Calendar())
    assert core.lone_kinds == {"drug_code"}
    core.lone_kinds = frozenset()
    assert run(iter(lines), core).alerts_sha256 == result.alerts_sha256


@pytest.mark.parametrize("seed", range(3))
def test_any_order_within_the_lateness_gives_the_same_digest(
    lines: list[bytes], result: BacktestResult, seed: int
) -> None:
    rng = random.Random(seed)
    arrivals = [
        (datetime.fromisoformat(orjson.loads(line)["setl_time"]).timestamp() + rng.uniform(0, 47 * 3600), line)
        for line in [*lines, *rng.sample(lines, 200)]
    ]
    shuffled = judged([line for _, line in sorted(arrivals)])
    assert shuffled.alerts_sha256 == result.alerts_sha256
    assert shuffled.distinct == result.distinct
    assert shuffled.late == 0


def test_what_cannot_be_read_is_counted_and_passed_over(lines: list[bytes]) -> None:
    few = lines[:50]
    broken = [b"not json", b"{}", b"\xff", b"x" * (MAX_BYTES + 1)]
    plain = judged(few)
    mixed = judged([line for pair in zip(few, broken * 13, strict=False) for line in pair])
    assert (mixed.dead_letters, mixed.settlements) == (50, 100)
    assert (mixed.distinct, mixed.alerts_sha256) == (plain.distinct, plain.alerts_sha256)


def test_progress_is_told_per_batch(lines: list[bytes]) -> None:
    told: list[int] = []
    run(iter(lines), Judge(load_rules(), REFERENCE, Calendar()), progress=told.append)
    assert told == [2000, 3003]


@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize("standard_input", [True, False])
def test_files_plain_packed_or_from_standard_input(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, packed: bool, standard_input: bool
) -> None:
    text = b'{"a":1}\n\n{"b":2}\r\n{"c":3}'
    # two frames: what appending to a .zst file gives
    data = zstandard.compress(text[:5]) + zstandard.compress(text[5:]) if packed else text
    path = tmp_path / "any-name"
    path.write_bytes(data)
    if standard_input:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))
    assert list(open_settlements("-" if standard_input else path)) == [b'{"a":1}', b'{"b":2}\r', b'{"c":3}']


def test_a_line_without_end_does_not_fill_the_memory(tmp_path: Path) -> None:
    path = tmp_path / "endless"
    path.write_bytes(b"x" * (5 << 20) + b"\ngood\n")
    first, second = open_settlements(path)
    assert len(first) > MAX_BYTES
    assert len(first) < 2 << 20
    assert second == b"good"


def test_damaged_and_missing_files_are_named(tmp_path: Path) -> None:
    path = tmp_path / "cut.zst"
    path.write_bytes(SAMPLE.read_bytes()[:100_000])
    with pytest.raises(UnreadableInputError, match=r"cut\.zst"):
        list(open_settlements(path))
    path.write_bytes(SAMPLE.read_bytes()[:1000] + b"\0" * 1000)
    with pytest.raises(UnreadableInputError, match=r"cut\.zst"):
        list(open_settlements(path))
    with pytest.raises(UnreadableInputError, match="cannot read"):
        list(open_settlements(tmp_path / "nowhere"))


def test_lines_of_a_pipe_are_read_as_they_come(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with ThreadPoolExecutor(1) as reader:
        lines = open_settlements(pipe)
        first = reader.submit(next, lines)
        with pipe.open("wb", buffering=0) as writing:
            writing.write(b'{"one": 1}\n')
            try:
                assert first.result(30) == b'{"one": 1}'
            finally:
                writing.close()
        assert list(lines) == []
