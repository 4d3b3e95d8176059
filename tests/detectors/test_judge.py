"""The judge's own promises: facts, identity, revisions, state as bytes, a rule that is one file."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType

import msgspec
import pytest

from detectors import Judge, RuleFileError, StateVersionError, load_rules
from detectors.rule import Rule
from detectors.state import STATE_VERSION
from schemas.alert import alert_id
from schemas.fact import COLLECTED, INPATIENT, LONG_PRESCRIPTION, PHARMACY, SERVICE_ONLY, STRANGER, Fact
from schemas.instants import Calendar
from tests.detectors.harness import Drive, decode, drug, event, judge, reference, reversal, visit

AT = 1740794400  # 2025-03-01 10:00:00 in Shanghai


def test_facts_of_a_settlement() -> None:
    core = judge()
    state = core.person("P1", None)
    wire = event(
        1, "0d 10:00:00", agnter_certno="AG", agnter_rlts="01", lines=[drug("X1", 5, "c1", "c2"), drug("X3", 5, "c2")]
    )
    common = ("E00001", "S1", AT, "P1", "A", 7050, PHARMACY | COLLECTED, "1")
    facts = [
        Fact("terminal", "A-T1", *common, "", ("G1",)),
        Fact("institution", "A", *common[:-2], common[-2] | STRANGER, "1", "", ("G1",), ("X1",)),
        Fact("agent", "AG", *common, "", ("G1",)),
        Fact("drug_code", "c1", *common),
        Fact("drug_code", "c2", *common),
    ]
    assert core.settle(state, decode(wire)) == facts
    assert state.changed
    # the same again: the same facts, nothing new
    assert core.settle(state, decode(wire)) == facts
    assert not state.changed


@pytest.mark.parametrize(
    ("before", "stranger"),
    [
        ([], True),
        (["10d 10:00:00"], False),
        # twelve weeks to the second
        (["6d 10:00:00"], False),
        (["6d 09:59:59"], True),
        # three days before: what is nearer may come later
        (["87d 09:59:59"], False),
        (["87d 10:00:00"], True),
    ],
)
def test_who_is_a_stranger_at_an_institution(before: list[str], stranger: bool) -> None:
    """Also when the earlier visit comes late, and at that institution alone."""
    visits = [visit(number, at) for number, at in enumerate(before)]
    bought = decode(event(9, "90d 10:00:00", lines=[drug("X1", 5)]))
    core = judge()
    for shop, known in (("A", not stranger), ("B", False)):
        state = core.person("P1", None)
        for made in [visit(8, "89d 10:00:00"), *visits]:
            core.settle(state, decode(made | {"fixmedins_code": shop}))
        flags = [fact.flags for fact in core.settle(state, bought) if fact.kind == "institution"]
        assert [bool(flag & STRANGER) for flag in flags] == [not known]


def test_nothing_to_tell_of_a_visit_without_places() -> None:
    core = judge()
    assert core.settle(core.person("P1", None), decode(visit(1, "0d 10:00:00", dev_no=None))) == []


@pytest.mark.parametrize(
    ("fields", "flags"),
    [
        ({"med_type": "41", "lines": [drug()]}, PHARMACY),
        ({"med_type": 41, "lines": []}, PHARMACY | SERVICE_ONLY),
        ({"med_type": "2105", "lines": [drug()]}, INPATIENT),
        ({"med_type": "11", "lines": [drug()], "long_rx_flag": 1}, LONG_PRESCRIPTION),
        ({"med_type": "unknown", "lines": [{"med_list_codg": "service", "list_type": "201"}]}, SERVICE_ONLY),
    ],
)
def test_flags(fields: dict[str, object], flags: int) -> None:
    core = judge()
    (fact, *_) = core.settle(core.person("P1", None), decode(event(1, "0d 10:00:00", **fields)))
    assert fact.flags == flags


def test_a_reversal_tells_the_places_of_both() -> None:
    core = judge()
    original = event(1, "0d 10:00:00", agnter_certno="AG", lines=[drug("X1", 5, "c1")])
    back = reversal(1, "0d 12:00:00", original, dev_no="B-T9", fixmedins_code="B", agnter_certno=None)
    places = {("terminal", "A-T1"), ("institution", "A"), ("agent", "AG"), ("drug_code", "c1")}
    named = {("terminal", "B-T9"), ("institution", "B"), ("drug_code", "c1")}

    in_order = core.person("P1", None)
    core.settle(in_order, decode(original))
    told = core.settle(in_order, decode(back))
    assert {(fact.kind, fact.place_id) for fact in told} == places | named
    assert {(fact.reverses, fact.at, fact.settlement_id) for fact in told} == {("S1", AT + 7200, "S1")}

    first = core.person("P1", None)
    assert {(fact.kind, fact.place_id) for fact in core.settle(first, decode(back))} == named
    told = [fact for fact in core.settle(first, decode(original)) if fact.reverses]
    assert {(fact.kind, fact.place_id, fact.at) for fact in told} == {(*place, AT + 7200) for place in places}


def test_only_kinds_that_a_rule_reads_are_told(tmp_path: Path) -> None:
    rules = tmp_path / "rules.toml"
    rules.write_text(
        "[rules.agent_buying]\n"
        + "".join(f"{name}.enabled = false\n" for name in ("shared_terminal", "trace_code_reuse"))
    )
    core = judge(rules)
    assert core.kinds == {"institution", "agent"}
    facts = core.settle(core.person("P1", None), decode(event(1, "0d 10:00:00", lines=[drug("X1", 5, "c1")])))
    assert [fact.kind for fact in facts] == ["institution"]


def test_a_refund_row_is_no_visit() -> None:
    core = judge()
    state = core.person("P1", None)
    assert core.settle(state, decode(event(1, "0d 10:00:00", fund_pay_sumamt="-5") | {"refd_setl_flag": "1"})) == []
    assert not state.changed


def test_identity_is_rule_subject_and_period() -> None:
    drive = Drive(judge()).run(
        [event(number, f"0d 10:0{number}:00", psn_no=f"P{number}", lines=[drug()]) for number in range(6)]
    )
    (alert,) = drive.of("shared_terminal")
    assert alert.alert_id == alert_id("agent_buying.shared_terminal", 1, "terminal", "A-T1", f"{AT // 86_400}|")
    (alert,) = drive.of("same_drug_rush")
    assert alert.alert_id == alert_id("agent_buying.same_drug_rush", 1, "institution", "A", f"{AT // 86_400}|G1")


def test_evidence_is_the_oldest_two_hundred() -> None:
    drive = Drive(judge(), batch=1000).run(
        [event(number, f"0d 10:{number // 60:02d}:{number % 60:02d}", psn_no=f"P{number}") for number in range(300)]
    )
    (alert,) = drive.alerts
    assert alert.event_ids == [f"E{number:05d}" for number in range(200)]
    assert str(alert.amount) == "14100.00"
    assert len(alert.persons) == 200


def test_state_survives_as_bytes_with_unpublished_work() -> None:
    core = judge()
    state = core.person("P1", None)
    for number in range(7):
        core.settle(state, decode(visit(number, f"{number}d 10:00:00")))
    again = core.person("P1", state.dump())
    (alert,) = core.review(again)
    assert alert == core.review(state)[0]
    assert core.review(core.person("P1", again.dump())) == []
    assert state.dump() == again.dump()


def test_a_dump_is_the_same_however_it_came_about() -> None:
    core = judge()
    often, once = core.person("P1", None), core.person("P1", None)
    for number in (*range(20), 5, 18, 17, *range(20, 30)):
        wire = visit(number if number != 17 else 99, f"{number}d 10:00:0{number % 7}")
        core.settle(often, decode(wire))
        core.settle(once, decode(wire))
        often.dump()
    assert often.dump() == once.dump() == core.person("P1", once.dump()).dump()


@pytest.mark.parametrize(
    "data", [b"", b"\x77\x90", *(bytes([STATE_VERSION]) + rest for rest in (b"", b"\xff\xff", b"\x93\x01\x02\x03"))]
)
def test_foreign_state_is_refused(data: bytes) -> None:
    with pytest.raises(StateVersionError, match=f"expected state of version {STATE_VERSION}"):
        judge().person("P1", data)
    with pytest.raises(StateVersionError, match=f"expected state of version {STATE_VERSION}"):
        judge().place("terminal", "T", data)


def test_alerts_of_closed_episodes_are_forgotten() -> None:
    drive = Drive(judge())
    drive.run([visit(number, f"{number}d 10:00:00") for number in range(7)])
    state = drive.persons["P1"]
    assert len(state.memos or ()) == 1
    drive.run([visit(100 + number, f"{600 + number}d 10:00:00") for number in range(3)])
    assert not state.memos
    assert len(state.entries) == 3


def test_a_shadow_rule_says_so(tmp_path: Path) -> None:
    rules = tmp_path / "rules.toml"
    rules.write_text("[rules.agent_buying.trace_code_reuse]\nshadow = true\nversion = 4\n")
    sold = [event(number, f"{number}d 10:00:00", lines=[drug("X1", 5, "c")]) for number in range(2)]
    (alert,) = Drive(judge(rules)).run(sold).alerts
    assert (alert.shadow, alert.rule_version) == (True, 4)


def test_a_rule_is_found_by_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    book = load_rules()
    other = msgspec.structs.replace(
        book.rule("frequent_visits.rolling_count"), detector="frequent_visits.not_written_yet"
    )
    with pytest.raises(RuleFileError, match=r"no detectors/rules/not_written_yet\.py"):
        Judge(msgspec.structs.replace(book, rules=(other,)), reference(), Calendar())

    module = ModuleType("detectors.rules.not_written_yet")
    original = sys.modules["detectors.rules.rolling_count"].RULE
    module.RULE = type("Written", (original,), {"detector": other.detector})  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, module.__name__, module)
    core = Judge(msgspec.structs.replace(book, rules=(other,)), reference(), Calendar())
    assert isinstance(core.rules[other.detector], Rule)

    module.RULE.detector = "another.name"  # type: ignore[attr-defined]
    with pytest.raises(RuleFileError, match="give them the same name"):
        Judge(msgspec.structs.replace(book, rules=(other,)), reference(), Calendar())


def test_a_rule_without_its_parameter_says_which() -> None:
    book = load_rules()
    bare = msgspec.structs.replace(book.rule("agent_buying.collector_cards"), parameters={})
    with pytest.raises(RuleFileError, match="expected the parameter window"):
        Judge(msgspec.structs.replace(book, rules=(bare,)), reference(), Calendar())
