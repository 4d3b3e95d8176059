"""Good reasons: which a settlement tells, which count for which rule, and that they mute and never hide."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors import RuleFileError, load_rules
from detectors.exemptions import REASONS, Excuses, told
from detectors.explain import EXCEPTIONS, MUTED_BY
from tests.detectors.harness import DRUGS, Drive, decode, drug, event, judge, small_rules, visit
from tests.detectors.oracle import expected
from tests.detectors.test_properties import PATIENT, arriving, parameters, purchases

GOLDEN = Path(__file__).with_name("golden") / "exceptions.txt"
RULES = small_rules()
CANCER = [{"diag_code": "C34.9", "maindiag_flag": "1"}]
TELLING: dict[str, dict[str, Any]] = {
    "collector": {"agnter_rlts": "7"},
    "long_prescription": {"long_rx_flag": "1"},
    "treatment_series": {"med_type": "140201"},
    "oncology": {"diagnoses": CANCER},
    "newborn": {"brdy": "2025-02-20"},
    "away": {"insuplc_admdvs": "320100", "mdtrtarea_admvs": "110101"},
}
"""Wire fields of a settlement with each reason."""


@pytest.mark.parametrize("reason", REASONS)
def test_a_settlement_tells_its_reason_and_counts_where_it_is_named(reason: str) -> None:
    core = judge()
    state = core.person("P1", None)
    core.settle(state, decode(visit(1, "0d 10:00:00", **TELLING[reason])))
    (entry,) = state.entries
    assert Excuses([reason]).reason(entry) == reason
    assert Excuses(REASONS).reason(entry) == reason
    assert Excuses(set(REASONS) - {reason}).reason(entry) is None


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"agnter_rlts": "9"},
        {"diagnoses": [{"diag_code": "D05.1"}]},
        {"brdy": "2025-01-20"},
        {"insuplc_admdvs": "320100", "mdtrtarea_admvs": "320124"},
        {"insuplc_admdvs": "320100"},
    ],
)
def test_what_is_no_reason(fields: dict[str, Any]) -> None:
    core = judge()
    state = core.person("P1", None)
    core.settle(state, decode(visit(1, "0d 10:00:00", **fields)))
    assert Excuses(REASONS).reason(state.entries[0]) is None


def test_the_first_of_several_reasons_is_told_and_each_once() -> None:
    core = judge()
    state = core.person("P1", None)
    core.settle(state, decode(visit(1, "0d 10:00:00", **TELLING["oncology"], **TELLING["collector"])))
    assert Excuses(REASONS).reason(state.entries[0]) == "collector"
    assert told(["oncology", "collector", "oncology"]) == "collector,oncology"


def test_every_reason_is_worded_and_every_rule_says_why() -> None:
    assert REASONS.keys() <= EXCEPTIONS.keys()  # rules may add reasons of their own
    for rule in load_rules().rules:
        assert rule.exceptions.keys() <= REASONS.keys()
        assert all(why.strip() for why in rule.exceptions.values()), rule.detector


def crowd(**fields: Any) -> list[dict[str, Any]]:
    """Eight persons at one terminal within minutes, one collector, one drug."""
    return [
        event(
            50 + number, f"0d 10:0{number}:00", psn_no=f"C{number}", agnter_certno="AG", lines=[drug("X1", 5)],
            **({"agnter_rlts": "9"} | fields),
        )
        for number in range(8)
    ]  # fmt: skip


def shopping(**fields: Any) -> list[dict[str, Any]]:
    """A doctor every day, at four institutions on the last, with a month's supply of the same drug each time."""
    days = [visit(number, f"{number}d 09:00:00", lines=[drug("X1", 30)], **fields) for number in range(7)]
    return [
        *days,
        *(
            visit(20 + number, f"6d 1{number}:00:00", fixmedins_code=f"B{number}", lines=[drug("X1", 30)], **fields)
            for number in range(3)
        ),
    ]


RULES_SEEN = (
    "rolling_count", "institutions_per_day", "days_supply", "shared_terminal", "same_drug_rush", "collector_cards",
)  # fmt: skip


def test_each_reason_mutes_the_rules_it_is_named_for_word_for_word() -> None:
    """Write anew with FUNDWATCH_WRITE_GOLDEN=1 and read the difference."""
    named = {rule.detector.partition(".")[2]: rule.exceptions for rule in load_rules().rules}
    lines = []
    for reason, fields in TELLING.items():
        drive = Drive(judge(), batch=1000).run([*crowd(**fields), *shopping(**fields)])
        for name in RULES_SEEN:
            findings = drive.of(name)
            # registered chronic care is no purchase at a pharmacy's counter
            assert findings or (reason, name) == ("treatment_series", "shared_terminal")
            for alert in findings:
                assert (alert.light == "green") == (reason in named[name]), (reason, name)
                assert alert.features.get(MUTED_BY) == (reason if reason in named[name] else None)
                if alert.light == "green":
                    lines.append(f"{reason} | {alert.detector} | {alert.light} {alert.score} | {alert.explanation}")
    text = "\n".join(lines) + "\n"
    if os.environ.get("FUNDWATCH_WRITE_GOLDEN"):
        GOLDEN.write_text(text, "utf-8")
    assert text == GOLDEN.read_text("utf-8")


def test_what_counts_is_for_the_authority_to_say(tmp_path: Path) -> None:
    rules = tmp_path / "rules.toml"
    rules.write_text('[rules.frequent_visits.rolling_count]\nexceptions = { oncology = "肿瘤" }\n', "utf-8")
    ill, long = (Drive(judge(rules)).run(shopping(**TELLING[name])) for name in ("oncology", "long_prescription"))
    assert [alert.light for alert in ill.of("rolling_count")] == ["green"]
    assert [alert.light for alert in long.of("rolling_count")] == ["yellow"]
    rules.write_text('[rules.frequent_visits.rolling_count]\nexceptions = { holiday = "休假" }\n', "utf-8")
    with pytest.raises(RuleFileError, match=r"rolling_count\.exceptions\.holiday: unknown name"):
        load_rules(rules)
    rules.write_text("[rules.frequent_visits.rolling_count]\nexceptions = 7\n")
    with pytest.raises(RuleFileError, match=r"rolling_count\.exceptions: expected a table"):
        load_rules(rules)


@settings(PATIENT, max_examples=60)
@given(st.data())
def test_reasons_of_every_kind_equal_a_recount(data: st.DataObject) -> None:
    reasons = st.sampled_from(
        [{}, {}, *TELLING.values(), {"psn_type": "1401"}, {"diagnoses": [{"diag_code": "Z51.1", "maindiag_flag": "1"}]}]
    )
    events = [
        made | (data.draw(reasons) if made["event_type"] == "SETTLE" else {}) for made in data.draw(purchases(18))
    ]
    drive = Drive(judge(RULES), batch=data.draw(st.integers(1, 12)), reload_every=data.draw(st.sampled_from([0, 3])))
    assert drive.run(arriving(data.draw, events)).digested() == expected(events, parameters(RULES), DRUGS)
