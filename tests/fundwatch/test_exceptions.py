"""A file of exceptions as the commands take it: option, environment, worker."""

from __future__ import annotations

import json
from pathlib import Path

import orjson
import pytest

from schemas.alert import Alert, decode_alert
from streams.app import load_judge
from streams.settings import StreamSettings
from tests.detectors.harness import visit
from tests.fundwatch.test_cli import run

FILED = """
[[exception]]
subject_type = "person"
subject_id = "P1"
rules = ["*"]
from = 2025-01-01
to = 2025-12-31
reason = "每周三次血液透析"
filed_by = "市医保中心"
"""


@pytest.fixture
def filed(tmp_path: Path) -> Path:
    path = tmp_path / "exceptions.toml"
    path.write_text(FILED, "utf-8")
    return path


def backtest(folder: Path, *more: str, **environment: str) -> tuple[list[Alert], str]:
    file, out = folder / "visits.jsonl", folder / "alerts.jsonl"
    file.write_bytes(b"".join(orjson.dumps(visit(number, f"{number}d 10:00:00")) + b"\n" for number in range(9)))
    done = run("backtest", str(file), "--alerts", str(out), *more, **environment)
    assert done.returncode == 0, done.stderr.decode()
    digest: str = json.loads(done.stdout.splitlines()[-1])["alerts_sha256"]
    return [decode_alert(line) for line in out.read_bytes().splitlines()], digest


def test_backtest_takes_them_from_the_option_or_the_environment(tmp_path: Path, filed: Path) -> None:
    plain, digest = backtest(tmp_path)
    assert {alert.light for alert in plain} == {"yellow"}
    by_option = backtest(tmp_path, "--exceptions", str(filed))
    assert by_option == backtest(tmp_path, FUNDWATCH_EXCEPTIONS=str(filed))
    muted, another = by_option
    assert another != digest
    assert [alert.alert_id for alert in muted] == [alert.alert_id for alert in plain]
    assert {(alert.light, alert.features["filed_reason"]) for alert in muted} == {("green", "每周三次血液透析")}


def test_the_worker_judges_with_them(filed: Path) -> None:
    core = load_judge(StreamSettings(exceptions=filed))
    assert all(("P1" in rule.filed) == (rule.subject == "person") for rule in core.rules.values())
    assert not any(rule.filed for rule in load_judge(StreamSettings()).rules.values())
