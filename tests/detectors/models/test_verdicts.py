"""What supervisors said moves a finding in the list, and nothing else."""

from __future__ import annotations

import random
from pathlib import Path

import msgspec
import orjson
import pytest

from detectors import Judge, load_rules
from detectors.errors import VerdictFileError
from detectors.models.verdicts import Verdict, Verdicts, load_verdicts
from schemas.alert import Alert, alerts_sha256
from schemas.instants import Calendar
from tests.detectors.harness import Drive, judge, reference, visit

DETECTOR = "frequent_visits.rolling_count"


def verdicts(count: int, *, seed: int = 0) -> list[Verdict]:
    """Counts far beyond the limit are confirmed, those near it rejected."""
    rng = random.Random(seed)
    made = []
    for _ in range(count):
        visits = rng.choice([7, 8, 25, 30])
        made.append(Verdict(DETECTOR, 1 - 0.4 * 7 / visits, {"otp_cnt": visits, "limit": 7}, visits > 20))
    return made


def alerts(core: Judge, visits: int = 8) -> list[Alert]:
    return (
        Drive(core)
        .run([visit(number, f"{number // 4}d {8 + number % 4:02d}:00:00") for number in range(visits)])
        .alerts
    )


def finding(visits: int = 8) -> Alert:
    (alert,) = (one for one in alerts(judge(), visits) if one.detector == DETECTOR)
    return alert


def test_confirmed_and_rejected_findings_part() -> None:
    learned = Verdicts(verdicts(200))
    near, far = finding(8), finding(30)
    assert learned.rank(near) < near.score - 0.1
    assert learned.rank(far) > learned.rank(near) + 0.2


def test_few_verdicts_move_little_and_none_nothing() -> None:
    alert = finding()
    assert Verdicts().rank(alert) == alert.score
    assert 0 < abs(Verdicts(verdicts(1)).rank(alert) - alert.score) < 0.05
    other = [msgspec.structs.replace(one, detector="agent_buying.shared_terminal") for one in verdicts(100)]
    assert Verdicts(other).rank(alert) == alert.score


def test_what_an_exception_explains_stays_at_the_end() -> None:
    alert = msgspec.structs.replace(finding(), light="green", score=0.3)
    assert Verdicts(verdicts(200)).rank(alert) == 0.3


def test_the_same_verdicts_give_the_same_numbers() -> None:
    one, another = Verdicts(verdicts(120)), Verdicts(verdicts(120))
    assert [one.rank(finding(n)) for n in (8, 12, 30)] == [another.rank(finding(n)) for n in (8, 12, 30)]
    assert 0 <= min(one.rank(finding(n)) for n in (8, 12, 30)) <= max(one.rank(finding(n)) for n in (8, 12, 30)) <= 1


def test_only_scores_change(tmp_path: Path) -> None:
    file = tmp_path / "verdicts.jsonl"
    file.write_bytes(b"\n".join(orjson.dumps(msgspec.to_builtins(one)) for one in verdicts(60)))
    plain = alerts(judge())
    ranked = alerts(Judge(load_rules(), reference(), Calendar(), verdicts=load_verdicts(file)))
    assert alerts_sha256(ranked) == alerts_sha256(plain)
    assert [one.score for one in ranked] != [one.score for one in plain]
    assert [msgspec.structs.replace(one, score=0) for one in ranked] == [
        msgspec.structs.replace(one, score=0) for one in plain
    ]


def test_a_file_that_is_none(tmp_path: Path) -> None:
    assert load_verdicts(None) is None
    with pytest.raises(VerdictFileError, match="FUNDWATCH_VERDICTS"):
        load_verdicts(tmp_path / "nowhere.jsonl")
    file = tmp_path / "verdicts.jsonl"
    file.write_text('{"detector": "a.b", "score": 0.5, "features": {}, "confirmed": true}\n{"detector": "a.b"}\n')
    with pytest.raises(VerdictFileError, match="line 2: expected an object with detector"):
        load_verdicts(file)
