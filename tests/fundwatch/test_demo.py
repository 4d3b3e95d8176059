"""The whole system as its user starts it: a subprocess, on real input, and nothing left behind however it ends."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from streams.access import ROLES
from tests.faults.run import pids, works_in

pytestmark = pytest.mark.embedded
READY_WITHIN = 120
STOPPED_WITHIN = 60


def environment(**own: str) -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("FUNDWATCH_")} | own


def fundwatch(*arguments: str, **own: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "fundwatch", *arguments],
        capture_output=True, text=True, env=environment(**own), timeout=240, check=False,
    )  # fmt: skip


@contextmanager
def running(data: Path, *options: str) -> Iterator[subprocess.Popen[str]]:
    """A demo that has said ``ready``; killed at the end if it still runs."""
    with (data.parent / "stderr").open("wb") as errors:
        demo = subprocess.Popen(
            [sys.executable, "-m", "fundwatch", "demo", "--data-dir", str(data), *options],
            stdout=subprocess.PIPE, stderr=errors, text=True, env=environment(),
        )  # fmt: skip
    try:
        assert demo.stdout is not None
        assert demo.stdout.readline().startswith("ready http://127.0.0.1:"), (data.parent / "stderr").read_text()
        yield demo
    finally:
        demo.kill()
        demo.wait()
        demo.communicate()


def until(true: Callable[[], bool], within: float = STOPPED_WITHIN) -> bool:
    deadline = time.monotonic() + within
    while not true():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def family(pid: int) -> list[int]:
    return [child.pid for child in psutil.Process(pid).children(recursive=True)]


def nobody_left(family: list[int], data: Path) -> bool:
    return not [pid for pid in family if works_in(pid, data)]


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """A small city's file with its reference files, and what the backtest says of it."""
    file = tmp_path_factory.mktemp("sample") / "city.jsonl.zst"
    made = fundwatch("simulate", "--persons", "1500", "--days", "20", "--seed", "3", "--out", str(file))
    assert made.returncode == 0, made.stderr
    written = json.loads(made.stdout.splitlines()[-1])
    options = ["--institutions", written["institutions"], "--drugs", written["drugs"]]
    judged = fundwatch("backtest", str(file), *options, "--alerts", str(file.parent / "alerts.jsonl"))
    assert judged.returncode == 0, judged.stderr
    return {
        "file": file,
        "options": options,
        "written": written,
        "figures": json.loads(judged.stdout.splitlines()[-1]),
        "alerts": (file.parent / "alerts.jsonl").read_text().splitlines(),
    }


def test_backtest_writes_every_alert_and_ends_with_the_figures(sample: dict[str, Any]) -> None:
    figures = sample["figures"]
    assert figures["settlements"] == sample["written"]["lines"]
    assert figures["alerts"] == len(sample["alerts"]) > 0
    assert {"alert_id", "detector", "light", "explanation", "event_ids"} <= json.loads(sample["alerts"][0]).keys()
    assert len(figures["alerts_sha256"]) == 64
    assert figures["seconds"] > 0


def test_backtest_reads_standard_input(sample: dict[str, Any]) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "fundwatch", "backtest", "-", *sample["options"]],
        input=sample["file"].read_bytes(), capture_output=True, env=environment(), check=True,
    )  # fmt: skip
    assert json.loads(done.stdout.splitlines()[-1])["alerts_sha256"] == sample["figures"]["alerts_sha256"]


def test_a_file_at_full_speed_ends_by_itself_with_the_figures_of_the_backtest(
    sample: dict[str, Any], tmp_path: Path
) -> None:
    data = tmp_path / "data"
    arguments = ["demo", "--input", str(sample["file"]), *sample["options"], "--speed", "max", "--duration", "200"]
    first = fundwatch(*arguments, "--data-dir", str(data))
    assert first.returncode == 0, first.stderr
    lines = first.stdout.splitlines()
    assert lines[0].startswith("ready http://127.0.0.1:")
    assert lines[0].endswith("/wall")
    tally = json.loads(lines[-1])
    expected = {
        "settlements_published": sample["written"]["lines"],
        "settlements_scored": sample["written"]["lines"],
        "settlements_stored": sample["written"]["settlements"],
        "alerts": sample["figures"]["alerts"],
        "alerts_sha256": sample["figures"]["alerts_sha256"],
        "dead_letters": 0,
        "consumer_lag": 0,
        "restarts": 0,
    }
    assert {name: tally[name] for name in expected} == expected
    assert tally["seconds"] < 200
    assert pids(data) == {}

    # the same file into the same folder: published again, known already
    again = fundwatch(*arguments, "--data-dir", str(data))
    assert again.returncode == 0, again.stderr
    second = json.loads(again.stdout.splitlines()[-1])
    assert second["settlements_published"] == tally["settlements_published"]
    same = ("settlements_stored", "alerts", "alerts_sha256", "dead_letters", "consumer_lag")
    assert {name: second[name] for name in same} == {name: tally[name] for name in same}


def test_live_traffic_until_a_signal(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with running(data) as demo:
        told = json.loads((data / "demo.json").read_text())
        assert told.keys() >= {
            "gateway",
            "console",
            "wall",
            "kafka",
            "clickhouse",
            "tokens",
            "his_fixmedins_code",
            "pids",
        }
        assert told["tokens"].keys() == set(ROLES)
        assert told["his_fixmedins_code"].startswith("H")
        assert told["pids"].keys() == {"kafka", "clickhouse", "worker", "gateway", "notifier", "console"}
        assert (data / "demo.json").stat().st_mode & 0o077 == 0, "the file holds tokens"
        assert httpx.get(told["wall"]).status_code == 200
        assert httpx.get(f"{told['gateway']}/readyz").json() == {"status": "ready"}
        assert demo.stdout is not None
        printed = [demo.stdout.readline().split() for _ in ROLES]
        assert {role: token for _, role, token in printed} == told["tokens"]
        panel = f"{told['console']}/api/panels/feed"
        assert httpx.get(panel).status_code == 401
        asked = httpx.get(panel, headers={"Authorization": f"Bearer {told['tokens']['supervisor']}"})
        assert asked.status_code == 200, asked.text

        settings = {"FUNDWATCH_KAFKA": told["kafka"], "FUNDWATCH_CLICKHOUSE_URL": told["clickhouse"]}
        healthy = fundwatch("doctor", **settings)
        assert healthy.returncode == 0, healthy.stdout + healthy.stderr

        other = fundwatch("demo", "--data-dir", str(data))
        assert other.returncode == 1
        assert str(data) in other.stderr
        assert "Traceback" not in other.stderr

        before = told["pids"]["console"]
        os.kill(before, signal.SIGKILL)
        assert until(lambda: pids(data).get("console", before) != before)

        started = family(demo.pid)
        demo.send_signal(signal.SIGTERM)
        rest, _ = demo.communicate(timeout=STOPPED_WITHIN)
        assert demo.returncode == 0
        tally = json.loads(rest.splitlines()[-1])
        assert tally["settlements_stored"] > 0
        assert tally["restarts"] == 1
        assert nobody_left(started, data)


def test_a_file_that_breaks_off_ends_the_demo_with_a_sentence(sample: dict[str, Any], tmp_path: Path) -> None:
    cut = tmp_path / "cut.jsonl.zst"
    cut.write_bytes(sample["file"].read_bytes()[:-100])
    done = fundwatch("demo", "--input", str(cut), "--speed", "max", "--data-dir", str(tmp_path / "data"))
    assert done.returncode == 1
    assert f"fundwatch: {cut} is damaged" in done.stderr
    assert "Traceback" not in done.stderr
    assert pids(tmp_path / "data") == {}


def test_killed_it_takes_its_processes_along(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with running(data) as demo:
        started = family(demo.pid)
        assert len(started) >= 4
        demo.kill()
        assert until(lambda: nobody_left(started, data))


def test_stopped_while_it_starts_it_leaves_nothing(tmp_path: Path) -> None:
    data = tmp_path / "data"
    demo = subprocess.Popen(
        [sys.executable, "-m", "fundwatch", "demo", "--data-dir", str(data)],
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment(),
    )  # fmt: skip
    try:
        assert until(lambda: bool(pids(data)), READY_WITHIN) or demo.poll() is not None
        started = family(demo.pid)
        demo.send_signal(signal.SIGINT)
        assert demo.wait(STOPPED_WITHIN) == 0
        assert nobody_left(started, data)
    finally:
        demo.kill()
        demo.communicate()
