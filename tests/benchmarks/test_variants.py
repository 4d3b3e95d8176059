"""Variants of a labelled city: measured like any file, kept so that others can measure the same."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.detection import Data, Trial, trial
from benchmarks.variants import Outcome, report, vary

KINDS = ("A", "D", "T", "H3")


def varied(city: Data, keep: Path | None, off: frozenset[str] = frozenset()) -> Outcome:
    return vary(city.file, city.truth, city.institutions, city.drugs, None, off, 4, KINDS, keep, 7)


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("variants")


@pytest.fixture(scope="module")
def outcome(city: Data, kept: Path) -> Outcome:
    return varied(city, kept)


def test_the_kept_file_measures_the_same(outcome: Outcome, kept: Path) -> None:
    data = Data(*(kept / f"variant-7.{end}" for end in ("jsonl", "truth.jsonl", "institutions.csv", "drugs.csv")))
    again = trial(data, Trial())
    assert again.at == outcome.at
    assert {name: every for name, (every, _) in outcome.background.items()} == again.background


def test_only_what_was_asked_for_is_measured(outcome: Outcome) -> None:
    assert {kind: share.of for kind, share in outcome.at[None].by_kind().items()} == dict.fromkeys(KINDS, 4)


def test_boxes_settled_twice_are_found_and_named_as_missed_without_their_rule(city: Data, outcome: Outcome) -> None:
    assert outcome.at[None].by_kind()["T"] == (4, 4)
    blind = varied(city, None, frozenset({"agent_buying.trace_code_reuse"}))
    assert blind.at[None].by_kind()["T"].hits < 4
    lost = [
        one for one in blind.missed if one.episode.kind == "T" and one.episode.episode_id not in blind.at[None].caught
    ]
    assert lost
    assert {one.score for one in lost} == {None}
    assert f"| T | d {lost[0].episode.params['d']} | no alert |" in report([blind])


def test_the_cut_parts_what_is_looked_at_from_what_is_not(outcome: Outcome) -> None:
    for one in outcome.missed:
        assert one.score is None or one.score <= outcome.cut
    assert sum(above for _, above in outcome.background.values()) <= outcome.at[10].background


def test_seeds_are_pooled(outcome: Outcome) -> None:
    hits, of = outcome.at[10].by_kind()["D"]
    row = next(line for line in report([outcome, outcome]).splitlines() if line.startswith("| D | "))
    assert f"{2 * hits}/{2 * of}" in row


def test_the_command_prints_a_report(city: Data) -> None:
    done = subprocess.run(
        [
            *(sys.executable, "-m", "benchmarks.variants", str(city.file), "--seeds", "1"),
            *("--institutions", str(city.institutions), "--drugs", str(city.drugs)),
            *("--kinds", "T", "H5", "--per-kind", "2"),
        ],
        capture_output=True,
        check=True,
    )
    text = done.stdout.decode()
    assert "| T | 2/2 100% | 2/2 100% | 2/2 100% |" in text
    assert "| H5 | 0/2 0% |" in text
