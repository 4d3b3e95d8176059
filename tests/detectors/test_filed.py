"""Filed exceptions: what can be filed, whom and when it mutes, and that the finding stays."""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors import ExceptionFileError, FiledException, Judge, load_exceptions, load_rules
from schemas.instants import Calendar
from tests.detectors.harness import DRUGS, START, Drive, drug, event, reference, small_rules, visit
from tests.detectors.oracle import expected
from tests.detectors.test_properties import PATIENT, arriving, parameters, purchases

GOLDEN = Path(__file__).with_name("golden") / "filed.txt"
RULES = small_rules()
DIALYSIS = """
[[exception]]
subject_type = "person"
subject_id = "P1"
rules = ["frequent_visits"]
from = 2025-03-01
to = 2025-12-31
reason = "终末期肾病，每周三次血液透析"
filed_by = "市医保中心 张三"
"""


def file(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "exceptions.toml"
    path.write_text(text, "utf-8")
    return path


def judge(path: Path | None, rules: Path | None = None) -> Judge:
    book = load_rules(rules)
    return Judge(book, reference(), Calendar(), load_exceptions(path, book))


def daily(count: int = 7) -> list[dict[str, Any]]:
    return [visit(number, f"{number}d 10:00:00") for number in range(count)]


def test_a_filed_exception_mutes_and_keeps(tmp_path: Path) -> None:
    (open_alert,) = Drive(judge(None)).run(daily()).of("rolling_count")
    (alert,) = Drive(judge(file(tmp_path, DIALYSIS))).run(daily()).of("rolling_count")
    assert (alert.alert_id, alert.event_ids, alert.amount) == (
        open_alert.alert_id,
        open_alert.event_ids,
        open_alert.amount,
    )
    assert (open_alert.light, alert.light) == ("yellow", "green")
    assert alert.score < open_alert.score / 2
    assert alert.features == open_alert.features | {
        "muted_by": "filed", "filed_reason": "终末期肾病，每周三次血液透析", "filed_from": "2025-03-01", "filed_to": "2025-12-31",
        "filed_by": "市医保中心 张三",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("old", "new", "light"),
    [
        ('["frequent_visits"]', '["frequent_visits.rolling_count"]', "green"),
        ('["frequent_visits"]', '["*"]', "green"),
        ('["frequent_visits"]', '["agent_buying", "frequent_visits"]', "green"),
        ('["frequent_visits"]', '["agent_buying"]', "yellow"),
        ('["frequent_visits"]', '["frequent_visits.institutions_per_day"]', "yellow"),
        ('"P1"', '"P2"', "yellow"),
        # the seventh visit is the point; both dates are included
        ("2025-03-01", "2025-03-07", "green"),
        ("2025-03-01", "2025-03-08", "yellow"),
        ("2025-12-31", "2025-03-07", "green"),
        ("2025-12-31", "2025-03-06", "yellow"),
    ],
)
def test_whom_what_and_when(tmp_path: Path, old: str, new: str, light: str) -> None:
    (alert,) = Drive(judge(file(tmp_path, DIALYSIS.replace(old, new)))).run(daily()).of("rolling_count")
    assert alert.light == light


def test_dates_are_local(tmp_path: Path) -> None:
    path = file(tmp_path, DIALYSIS.replace("2025-12-31", "2025-03-07"))
    for clock, light in (("6d 23:59:59", "green"), ("7d 00:00:00", "yellow")):
        (alert,) = Drive(judge(path)).run([*daily(6), visit(99, clock)]).of("rolling_count")
        assert alert.light == light


def test_what_goes_on_beyond_the_exception_is_seen(tmp_path: Path) -> None:
    path = file(tmp_path, DIALYSIS.replace("2025-12-31", "2025-03-07"))
    drive = Drive(judge(path)).run(daily(9))
    lights = [alert.light for alert in drive.published if alert.detector == "frequent_visits.rolling_count"]
    assert lights == ["green", "yellow", "yellow"]
    (alert,) = drive.of("rolling_count")
    assert "muted_by" not in alert.features
    assert len(alert.event_ids) == 9


def test_a_reason_of_its_own_is_told_before_a_filed_one(tmp_path: Path) -> None:
    events = [made | {"long_rx_flag": "1"} for made in daily()]
    (alert,) = Drive(judge(file(tmp_path, DIALYSIS))).run(events).of("rolling_count")
    assert alert.features["muted_by"] == "long_prescription"


def filed(kind: str, subject: str, rule: str, reason: str) -> str:
    return (
        f'[[exception]]\nsubject_type = "{kind}"\nsubject_id = "{subject}"\nrules = ["{rule}"]\n'
        f'from = 2025-01-01\nto = 2025-12-31\nreason = "{reason}"\nfiled_by = "市医保中心"\n'
    )


def test_explanations_word_for_word(tmp_path: Path) -> None:
    """Write anew with FUNDWATCH_WRITE_GOLDEN=1 and read the difference."""
    text = "".join(
        (
            filed("person", "P1", "frequent_visits.rolling_count", "终末期肾病，每周三次血液透析"),
            filed("person", "P1", "frequent_visits.institutions_per_day", "多学科会诊"),
            filed("person", "P1", "agent_buying.days_supply", "外派一年，外出备药"),
            filed("terminal", "A-T1", "agent_buying.shared_terminal", "养老院集中取药窗口"),
            filed("institution", "A", "agent_buying.same_drug_rush", "社区义诊集中配药"),
            filed("agent", "AG", "agent_buying.collector_cards", "福寿养老院备案代办人"),
            filed("drug_code", "c", "agent_buying.trace_code_reuse", "药品拆零，追溯码重复扫描已核实"),
        )
    )
    crowd = [
        event(
            50 + number, f"0d 10:0{number}:00", psn_no=f"C{number}", agnter_certno="AG",
            lines=[drug("X1", 5, *("c" if number < 2 else ""))],
        )
        for number in range(8)
    ]  # fmt: skip
    shopping = [visit(number, f"{number}d 09:00:00", fixmedins_code="B", lines=[drug("X1", 15)]) for number in range(7)]
    shops = [visit(20 + number, f"7d 1{number}:00:00", fixmedins_code=f"C{number}") for number in range(4)]
    drive = Drive(judge(file(tmp_path, text)), batch=1000).run([*crowd, *shopping, *shops])
    named = {line.split('"')[1] for line in text.splitlines() if line.startswith("rules")}
    lines = [
        f"{alert.detector} | {alert.light} {alert.score} | {alert.explanation}"
        for alert in sorted(drive.alerts, key=lambda alert: alert.detector)
        if alert.detector in named
    ]
    assert {line.split(" | ")[0] for line in lines} == named
    assert {line.split(" | ")[1].split()[0] for line in lines} == {"green"}
    found = "\n".join(lines) + "\n"
    if os.environ.get("FUNDWATCH_WRITE_GOLDEN"):
        GOLDEN.write_text(found, "utf-8")
    assert found == GOLDEN.read_text("utf-8")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("[[exception]]", "[[exceptions]]", r"expected tables \[\[exception\]\] only, got exceptions"),
        ("[[exception]]", "[exception]", "with two brackets"),
        ("[[exception]]", "[[exception]", "is not TOML"),
        ('"person"', '"doctor"', r"exception 1: Invalid enum value 'doctor' - at `\$.subject_type`"),
        ('"P1"', '" "', "expected whom it concerns"),
        ("filed_by =", "author =", "contains unknown field `author`"),
        ('reason = "终末期肾病，每周三次血液透析"\n', "", "missing required field `reason`"),
        ('"终末期肾病，每周三次血液透析"', '"  "', "characters on one line in reason"),
        ('"终末期肾病，每周三次血液透析"', '"一\\n二"', "characters on one line in reason"),
        ('"市医保中心 张三"', f'"{"长" * 201}"', "characters on one line in filed_by"),
        ("2025-12-31", "2025-02-28", "expected from on or before to, got 2025-03-01 and 2025-02-28"),
        ("2025-12-31", "2025-12-31T10:00:00", "Expected `date`"),
        ("2025-12-31", '"soon"', "Invalid RFC3339 encoded date"),
        ('["frequent_visits"]', '"frequent_visits"', "Expected `array`"),
        ('["frequent_visits"]', "[]", "got an empty list"),
        ('["frequent_visits"]', '["frequent_visit"]', "unknown rule 'frequent_visit'; expected '\\*' or one of agent_buying"),
        ('["frequent_visits"]', '["agent_buying.shared_terminal"]', "shared_terminal judges terminal, got a person"),
        ('"person"', '"terminal"', "frequent_visits judges person, got a terminal; it would have no effect"),
    ],
)  # fmt: skip
def test_what_cannot_be_meant_is_refused(tmp_path: Path, old: str, new: str, message: str) -> None:
    path = file(tmp_path, DIALYSIS.replace(old, new))
    with pytest.raises(ExceptionFileError, match=message) as refused:
        load_exceptions(path, load_rules())
    assert str(path) in str(refused.value)
    assert "P1" not in str(refused.value)


def test_no_file_and_an_empty_one(tmp_path: Path) -> None:
    assert load_exceptions(None, load_rules()) == load_exceptions(file(tmp_path, ""), load_rules()) == ()
    with pytest.raises(ExceptionFileError, match="FUNDWATCH_EXCEPTIONS"):
        load_exceptions(tmp_path / "nowhere.toml", load_rules())


SUBJECTS = st.sampled_from(
    [("person", "P1"), ("person", "P2"), ("terminal", "T9"), ("institution", "A"), ("agent", "AG"), ("drug_code", "a")]
)
DAYS = st.integers(0, 60)


@st.composite
def exceptions(draw: st.DrawFn) -> list[dict[str, Any]]:
    tables = []
    for _ in range(draw(st.integers(1, 4))):
        kind, subject = draw(SUBJECTS)
        first = draw(DAYS)
        tables.append(
            {
                "subject_type": kind,
                "subject_id": subject,
                "rules": [draw(st.sampled_from(["*", "*" if kind != "person" else "frequent_visits"]))],
                "from": str((START + timedelta(days=first)).date()),
                "to": str((START + timedelta(days=first + draw(DAYS))).date()),
            }
        )
    return tables


@settings(PATIENT, max_examples=60)
@given(st.data())
def test_filed_exceptions_equal_a_recount(data: st.DataObject) -> None:
    """Whatever the order of arrival: alerts are a function of the events and the files."""
    tables, events = data.draw(exceptions()), data.draw(purchases())
    book = load_rules(RULES)
    listed = [msgspec.convert({**table, "reason": "备案", "filed_by": "中心"}, FiledException) for table in tables]
    core = Judge(book, reference(), Calendar(), listed)
    drive = Drive(core, batch=data.draw(st.integers(1, 12)), reload_every=data.draw(st.sampled_from([0, 1, 5])))
    assert drive.run(arriving(data.draw, events)).digested() == expected(events, parameters(RULES), DRUGS, tables)
