"""Quality of a backtest as its caller sees it: truth beside the file, or not, or broken."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import zstandard

from detectors.quality import measure, read_truth
from schemas.alert import decode_alert
from streams.simulator import simulate
from tests.fundwatch.test_cli import run


@pytest.fixture(scope="module")
def city(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small labelled city: ``city.jsonl`` with its references and ``city.truth.jsonl``."""
    file = tmp_path_factory.mktemp("city") / "city.jsonl"
    simulate(persons=400, days=40, seed=3).write(file)
    return file


def backtest(file: Path, city: Path, *more: str) -> subprocess.CompletedProcess[bytes]:
    return run(
        "backtest", str(file), "--institutions", str(city.with_name("city.institutions.csv")),
        "--drugs", str(city.with_name("city.drugs.csv")), *more,
    )  # fmt: skip


def last_line(done: subprocess.CompletedProcess[bytes]) -> dict[str, Any]:
    assert done.returncode == 0, done.stderr.decode()
    figures: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return figures


def without_truth(city: Path, folder: Path) -> Path:
    return Path(shutil.copy(city, folder / "city.jsonl"))


def test_truth_beside_the_file_is_measured(city: Path, tmp_path: Path) -> None:
    alerts = tmp_path / "alerts.jsonl"
    done = backtest(city, city, "--alerts", str(alerts))
    quality = last_line(done)["quality"]
    episodes = read_truth(city.with_name("city.truth.jsonl"))
    assert quality["episodes"] == sum(episode.label == "fraud" for episode in episodes) > 5
    assert quality["look_alikes"] == len(episodes) - quality["episodes"] > 0
    assert [at["budget"] for at in quality["at"]] == [3, 10, None]
    assert done.stdout.count(b"\n") == 1
    assert b"recall" in done.stderr

    events = [json.loads(line) for line in city.read_bytes().splitlines()]
    times: dict[str, str] = {}
    for event in events:
        times.setdefault(event["event_id"], event["setl_time"])
    published = [decode_alert(line) for line in alerts.read_bytes().splitlines()]
    for figures in quality["at"]:
        recount = measure(episodes, published, events=len(events), first_times=times, budget=figures["budget"])
        assert figures == recount.figures()
    assert quality["at"][2]["recall"] > 0.5


def test_a_packed_file_has_its_truth_under_the_same_name(city: Path, tmp_path: Path) -> None:
    packed = tmp_path / "other.jsonl.zst"
    packed.write_bytes(zstandard.compress(city.read_bytes()))
    shutil.copy(city.with_name("city.truth.jsonl"), tmp_path / "other.truth.jsonl")
    assert last_line(backtest(packed, city))["quality"] == last_line(backtest(city, city))["quality"]


def test_without_truth_the_run_is_the_same_and_says_what_was_expected(city: Path, tmp_path: Path) -> None:
    file = without_truth(city, tmp_path)
    done = backtest(file, city)
    figures = last_line(done)
    assert figures["quality"] is None
    assert "city.truth.jsonl" in done.stderr.decode()
    assert "expected" in done.stderr.decode()
    assert figures["alerts_sha256"] == last_line(backtest(city, city))["alerts_sha256"]


@pytest.mark.parametrize("broken", [b"no JSON\n", b'{"episode_id": "E1"}\n', b"\xff\xfe\n", b"[" * 100_000])
def test_a_truth_file_that_cannot_be_does_not_spoil_the_run(city: Path, tmp_path: Path, broken: bytes) -> None:
    file = without_truth(city, tmp_path)
    file.with_name("city.truth.jsonl").write_bytes(broken)
    done = backtest(file, city)
    figures = last_line(done)
    assert figures["quality"] is None
    assert figures["alerts"] > 0
    assert b"Traceback" not in done.stderr
    assert b"expected" in done.stderr


def test_standard_input_has_nothing_beside_it(city: Path) -> None:
    done = run("backtest", "-", stdin=city.read_bytes()[:20_000])
    assert last_line(done)["quality"] is None
    assert b"quality" not in done.stderr
