"""Audits before settlement: what would be found is what is found once it is settled, and asking leaves no trace."""

from __future__ import annotations

import os
import time
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from detectors import Judge, PersonState, PlaceState, load_exceptions, load_rules
from detectors.audit import MOST, Auditor, joined
from schemas.alert import alerts_sha256
from schemas.audit import Answer, Finding, Patient, decode_answer, encode
from schemas.fact import Fact
from schemas.instants import Calendar
from tests.detectors.harness import (
    START,
    Drive,
    decode,
    drug,
    event,
    judge,
    reference,
    reversal,
    small_rules,
    visit,
)
from tests.detectors.test_properties import PATIENT, arriving, purchases

GOLDEN = Path(__file__).with_name("golden") / "audits.txt"
RULES = small_rules()


def bill(at: str, **fields: Any) -> dict[str, Any]:
    """What a hospital asks about: an outpatient visit with one order for a watched drug."""
    made = visit(900, at, **({"lines": [drug("X1", 7)]} | fields))
    made |= {"event_id": fields.get("event_id", "audit:1"), "setl_id": "audit:1"}
    for number, line in enumerate(made["lines"], 1):
        line["feedetl_sn"] = f"RX{number}"
    return made


def ask(drive: Drive, asked: dict[str, Any], rule_ids: tuple[str, ...] = ()) -> list[Finding]:
    """What the person's worker and those of all places would answer."""
    auditor = Auditor(drive.judge)
    settlement = decode(asked)
    findings, facts = auditor.bill(drive.person(settlement.person_id), settlement, rule_ids)
    for fact in facts:
        findings += auditor.place(place_of(drive, fact), fact, rule_ids, settlement)
    return findings


def place_of(drive: Drive, fact: Fact) -> PlaceState:
    known = drive.places.get((fact.kind, fact.place_id))
    return known if known is not None else drive.judge.place(fact.kind, fact.place_id, None)


def settled(events: list[dict[str, Any]], core: Judge | None = None) -> Drive:
    return Drive(core or judge(), batch=1000).run(events)


def buying(count: int, days: float | None, every: int = 1, **fields: Any) -> list[dict[str, Any]]:
    return [
        event(
            100 + number,
            f"{every * number}d 10:00:00",
            fixmedins_code="ABCDEFGH"[number % 8],
            lines=[drug("X1", days)],
            **fields,
        )
        for number in range(count)
    ]


def sold(code: str = "c") -> list[dict[str, Any]]:
    return [event(1, "0d 10:00:00", psn_no="P2-0001", lines=[drug("X3", 5, code)])]


QUEUE = [event(number, f"0d 10:0{number}:00", psn_no=f"P{number + 2}", lines=[drug("X1", 5)]) for number in range(5)]
COLLECTED = [event(number, f"{number}d 10:00:00", psn_no=f"P{number + 2}", agnter_certno="AG") for number in range(2)]
INSIDE = [event(1, "5d 10:00:00", fixmedins_code="B", lines=[drug("X3", 30)])]
DAILY = [visit(number, f"{number}d 10:00:00", fixmedins_code="AB"[number % 2]) for number in range(6)]
SCENES: dict[str, tuple[list[dict[str, Any]], dict[str, Any]]] = {
    "the same drug from several institutions": (
        buying(2, 10),
        bill("2d 09:00:00", fixmedins_code="C", lines=[drug("X2", 10, yuan="50.50"), drug("X3", 3, yuan="9.90")]),
    ),
    "far above need": (buying(3, 22.5, 2), bill("5d 10:00:00", fixmedins_code="A", lines=[drug("X1", 22.5)])),
    "unknown doses of one drug": (
        [made | {"lines": [drug("X9", None)]} for made in buying(5, None)],
        bill("6d 10:00:00", fixmedins_code="A", lines=[drug("X9", None)]),
    ),
    "under a long prescription": (
        buying(3, 22.5, 2, long_rx_flag="1"),
        bill("5d 10:00:00", fixmedins_code="A", lines=[drug("X1", 22.5)], long_rx_flag="1"),
    ),
    "little left": (buying(3, 7, 7), bill("21d 10:00:00", fixmedins_code="A")),
    "visits": (DAILY, bill("6d 10:00:00")),
    "visits without drugs, one hospital": (
        [made | {"lines": [], "fixmedins_code": "A"} for made in DAILY],
        bill("6d 10:00:00", lines=[]),
    ),
    "an admission that ends": (
        INSIDE,
        bill("9d 10:00:00", med_type="21", begndate="2025-03-02", lines=[drug("X4", 5)]),
    ),
    "a box sold before": (
        sold(),
        bill("20d 10:00:00", lines=[drug("X3", 5, "c", yuan="12.00"), drug("X4", 5, "d", yuan="7.00")]),
    ),
    "a crowd at the terminal": (QUEUE, bill("0d 10:06:00", med_type="41")),
    "a collector with many cards": (COLLECTED, bill("2d 10:00:00", agnter_certno="AG")),
    "two places too far apart": (
        [event(1, "1d 10:00:00", fixmedins_code="A")],
        bill("1d 10:05:00", fixmedins_code="B"),
    ),
    "more settlements than fit": (
        [visit(number, f"{number // 3}d 1{number % 3}:00:00", fixmedins_code=f"H{number:050}") for number in range(60)],
        bill("20d 10:00:00"),
    ),
    "more days than are told": (
        [visit(number, f"{number // 2}d 1{number % 2}:00:00") for number in range(24)],
        bill("13d 10:00:00"),
    ),
    "nobody knows the person": ([], bill("6d 10:00:00")),
}


def test_words() -> None:
    lines = []
    for scene, (events, asked) in SCENES.items():
        found = ask(settled(events), asked)
        for one in found:
            assert len(one.evidence) <= 500
            orders = ",".join(one.order_ids)
            lines += [
                f"{scene} | {one.rule_id} | {one.light} {one.severity} {one.score} | {orders} {one.amount}",
                f"    {one.explanation}",
                f"    {one.evidence}",
            ]
        lines += [] if found else [f"{scene} | nothing"]
    text = "\n".join(lines) + "\n"
    if os.environ.get("FUNDWATCH_WRITE_GOLDEN"):
        GOLDEN.write_text(text, "utf-8")
    assert text == GOLDEN.read_text("utf-8")


@pytest.mark.parametrize("scene", SCENES)
def test_what_would_be_found_is_found_once_it_is_settled(scene: str) -> None:
    events, asked = SCENES[scene]
    drive = settled(events)
    told = {(one.rule_id, one.light) for one in ask(drive, asked)}
    drive.run([asked])
    alerts = [
        alert for alert in drive.alerts if asked["event_id"] in alert.event_ids or "stay_overlap" in alert.detector
    ]
    assert told == {(alert.detector, alert.light) for alert in alerts}


def test_findings_travel() -> None:
    found = ask(settled(SCENES["a box sold before"][0]), SCENES["a box sold before"][1])
    answer = Answer(asks="1", msgid="1", part="person", findings=found)
    assert decode_answer(encode(answer)) == answer


def test_only_the_rules_that_are_asked() -> None:
    drive = settled([*DAILY, *buying(6, 30)])
    asked = bill("6d 10:00:00")
    everything = {one.rule_id for one in ask(drive, asked)}
    assert everything > {"frequent_visits.rolling_count", "agent_buying.generic_spread"}
    assert {one.rule_id for one in ask(drive, asked, ("agent_buying.generic_spread",))} == {
        "agent_buying.generic_spread"
    }
    assert ask(drive, asked, ("R01",)) == []


def test_reds_come_first() -> None:
    drive = settled(buying(8, 60, 1))
    lights = [one.light for one in ask(drive, bill("8d 10:00:00", lines=[drug("X1", 60), drug("X3", 60)]))]
    assert "red" in lights
    assert lights == sorted(lights, key=["red", "yellow", "green"].index)


def test_others_are_counted_and_hidden() -> None:
    events = [*sold(), event(2, "3d 10:00:00", psn_no="P3-0002", lines=[drug("X3", 5, "c")])]
    (found,) = ask(settled(events), bill("20d 10:00:00", lines=[drug("X3", 5, "c")]))
    assert found.light == "red"
    assert "（涉及其他2人）" in found.evidence
    assert not {"0001", "0002"} & {part[-4:] for part in str(found.features).replace("'", " ").split()}
    assert "0001" not in found.explanation + found.evidence
    own = [made | {"psn_no": "P1"} for made in events]
    (found,) = ask(settled(own), bill("20d 10:00:00", lines=[drug("X3", 5, "c")]))
    assert found.features["first_psn_no"] == "P1"
    assert "其他" not in found.evidence


def test_without_the_bill_a_place_names_no_orders() -> None:
    events, asked = SCENES["a box sold before"]
    drive = settled(events)
    auditor = Auditor(drive.judge)
    _, facts = auditor.bill(drive.person("P1"), decode(asked))
    (found,) = [one for fact in facts for one in auditor.place(place_of(drive, fact), fact)]
    assert (found.order_ids, found.amount) == ([], Decimal("70.50"))
    reverses = msgspec.structs.replace(facts[0], reverses="S1")
    assert auditor.place(place_of(drive, reverses), reverses) == []


def test_the_facts_are_those_of_the_settlement() -> None:
    events, asked = SCENES["a box sold before"]
    drive = settled(events)
    _, facts = Auditor(drive.judge).bill(drive.person("P1"), decode(asked | {"agnter_certno": "AG"}))
    assert facts == drive.judge.settle(drive.person("P1"), decode(asked | {"agnter_certno": "AG"}))
    assert {fact.kind for fact in facts} == {"terminal", "institution", "agent", "drug_code"}
    assert {fact.event_id for fact in facts} == {"audit:1"}


def test_a_reversal_and_a_refund_are_nothing() -> None:
    drive = settled(buying(8, 60))
    auditor, asked = Auditor(drive.judge), bill("8d 10:00:00")
    back = decode(reversal(1, "8d 10:00:00", asked))
    assert auditor.bill(drive.person("P1"), back) == ([], [])
    refund = msgspec.structs.replace(decode(asked), refunded="1")
    assert auditor.bill(drive.person("P1"), refund) == ([], [])


@pytest.mark.parametrize(
    ("asked_at", "counts"),
    [
        ("2d 10:00:00", True),
        ("2d 09:59:59", True),  # the pharmacy's clock is a second ahead
        ("2d 09:45:00", True),  # a quarter of an hour
        ("2d 09:44:59", False),  # that is no clock
    ],
)
def test_clocks_differ(asked_at: str, counts: bool) -> None:
    drive = settled([*buying(2, 10), event(2, "2d 10:00:00", fixmedins_code="C", lines=[drug("X1", 10)])])
    for event_id in ("audit:1", "A"):
        # an event id that sorts before all others makes no difference
        (found,) = ask(drive, bill(asked_at, fixmedins_code="D", event_id=event_id), ("agent_buying.generic_spread",))
        assert ("机构C" in found.evidence) is counts
    patient = Auditor(drive.judge).patient(drive.person("P1"), str(START.replace(day=3, hour=9, minute=44, second=59)))
    assert len(patient.visits) == 2
    patient = Auditor(drive.judge).patient(drive.person("P1"), str(START.replace(day=3, hour=9, minute=45)))
    assert len(patient.visits) == 3


def test_a_wrong_date_far_ahead_hides_nothing() -> None:
    drive = settled([*buying(2, 10), event(9, "2000d 10:00:00", lines=[drug("X1", 90)])])
    found = ask(drive, bill("2d 10:00:00", fixmedins_code="C"), ("agent_buying.generic_spread",))
    assert [one.features["fixmedins_cnt"] for one in found] == [3]


def test_what_is_too_old_for_the_ledger_finds_nothing() -> None:
    events = [visit(number, f"{400 + number}d 10:00:00") for number in range(20)]
    assert ask(settled(events), bill("0d 10:00:00")) == []


def test_what_was_taken_back_does_not_count() -> None:
    before = buying(2, 10)
    drive = settled([*before, reversal(1, "1d 12:00:00", before[1])])
    assert ask(drive, bill("2d 10:00:00", fixmedins_code="C")) == []


# -- a bill that was settled already


def paid(asked: dict[str, Any], number: int = 77, **fields: Any) -> dict[str, Any]:
    """The bill as it was settled."""
    return asked | {"event_id": f"E{number:05d}", "setl_id": f"S{number}"} | fields


@pytest.mark.parametrize("scene", SCENES)
@pytest.mark.parametrize("minutes", [0, 10])
def test_a_bill_that_was_settled_is_told_what_it_was_told_before(scene: str, minutes: int) -> None:
    """Also where another clock puts the settlement a little later than the question."""
    events, asked = SCENES[scene]
    if asked["med_type"] == "41":
        asked = asked | {"lines": [line | {"drug_trac_codg": ["own"]} for line in asked["lines"]]}
    drive = settled(events)
    before = ask(drive, asked)
    at = START.fromisoformat(asked["setl_time"]) + timedelta(minutes=minutes)
    drive.run([paid(asked, setl_time=str(at))])
    assert ask(drive, asked) == before


BOX, OTHER_BOX = [drug("X1", 22.5, "c")], [drug("X1", 22.5, "d")]
STAY = {"med_type": "21", "begndate": "2025-03-02", "lines": []}


@pytest.mark.parametrize(
    ("asked", "was_settled", "same"),
    [
        ({}, {}, True),
        ({}, {"setl_time": "2025-03-05 08:00:00"}, True),
        ({}, {"fixmedins_code": "B"}, False),
        ({}, {"mdtrt_id": "M901"}, False),
        ({}, {"psn_no": "P2"}, False),
        ({"lines": BOX}, {"lines": BOX}, True),
        # the visit's next bill: one prescription more
        ({"lines": BOX}, {"lines": OTHER_BOX}, False),
        ({"lines": BOX}, {}, True),
        # of pharmacies no visit is kept
        ({"med_type": "41", "lines": BOX}, {"lines": BOX}, True),
        ({"med_type": "41", "lines": BOX}, {"mdtrt_id": "M901"}, True),
        ({"med_type": "41", "lines": BOX}, {"setl_time": "2025-03-05 10:00:00"}, False),
        ({"med_type": "41", "lines": BOX}, {"med_type": "11"}, False),
        ({"med_type": "41"}, {}, False),
        (STAY, {}, True),
        (STAY, {"begndate": "2025-03-03"}, False),
        (STAY, {"setl_time": "2025-03-05 10:00:00"}, True),
        (STAY | {"begndate": None}, {}, False),
    ],
)  # fmt: skip
def test_what_was_settled_is_the_bill(asked: dict[str, Any], was_settled: dict[str, Any], same: bool) -> None:
    question = bill("5d 10:00:00", **({"lines": [drug("X1", 22.5)]} | asked))
    drive = settled([paid(question, **was_settled)])
    _, facts = Auditor(drive.judge).bill(drive.person("P1"), decode(question))
    assert {fact.settlement_id for fact in facts} == ({"S77"} if same else {"audit:1"})


def test_a_settled_bill_is_counted_once_everywhere() -> None:
    asked = bill("5d 10:30:00", lines=[drug("X1", 22.5, "c"), drug("X3", 5, "d")])
    drive = settled([*buying(3, 22.5, 2), paid(asked, setl_time="2025-03-06 10:00:00")])
    (found,) = ask(drive, asked)
    assert found.rule_id == "agent_buying.days_supply"
    assert (found.features["collections"], found.evidence[:4]) == (4, "此前3次")
    # the same boxes somewhere else are another matter
    found_there = {one.rule_id for one in ask(drive, asked | {"fixmedins_code": "B", "mdtrt_id": "M5"})}
    assert "agent_buying.trace_code_reuse" in found_there
    # and so are they where another person took one of them
    taken = event(50, "1d 10:00:00", psn_no="P2-0001", lines=[drug("X3", 5, "d")])
    (found, _) = ask(settled([taken, *buying(3, 22.5, 2), paid(asked)]), asked)[::-1]
    assert (found.rule_id, found.features["settlements"]) == ("agent_buying.trace_code_reuse", 2)


def test_a_settlement_taken_back_is_no_longer_the_bill() -> None:
    asked = bill("5d 11:00:00", lines=BOX)
    first, second = paid(asked, 77, setl_time="2025-03-06 10:00:00"), paid(asked, 78, setl_time="2025-03-06 10:50:00")
    back = reversal(1, "5d 10:30:00", first)
    drive = settled([first, back])
    assert ask(drive, asked) == []
    _, facts = Auditor(drive.judge).bill(drive.person("P1"), decode(asked))
    assert {fact.settlement_id for fact in facts} == {"audit:1"}
    drive.run([second])
    assert ask(drive, asked) == []


# -- findings that tell the same


def orders(asked: dict[str, Any]) -> dict[str, Decimal]:
    return {line["feedetl_sn"]: Decimal(line["det_item_fee_sumamt"]) for line in asked["lines"]}


def test_boxes_with_one_past_are_one_finding() -> None:
    before = [event(1, "0d 10:00:00", psn_no="P2-0001", lines=[drug("X3", 5, "a", "b", "c")])]
    lines = [drug("X3", 5, "a", "b", yuan="24.00"), drug("X3", 5, "c", yuan="12.00"), drug("X4", 5, "d", yuan="7.00")]
    asked = bill("20d 10:00:00", lines=lines)
    found = ask(settled(before), asked)
    assert [one.order_ids for one in found] == [["RX1"], ["RX1"], ["RX2"]]
    (one,) = joined(found, orders(asked))
    assert (one.order_ids, one.amount, one.light) == (["RX1", "RX2"], Decimal("36.00"), "red")
    assert one.explanation == found[0].explanation
    assert joined([one, *found], orders(asked)) == [one]
    assert [len(each.order_ids) for each in found] == [1, 1, 1]


def test_boxes_of_other_pasts_and_other_drugs_stay_apart() -> None:
    before = [
        event(1, "0d 10:00:00", psn_no="P2-0001", lines=[drug("X3", 5, "a")]),
        event(2, "3d 10:00:00", psn_no="P2-0001", lines=[drug("X3", 5, "b")]),
    ]
    asked = bill("20d 10:00:00", lines=[drug("X3", 5, "a"), drug("X3", 5, "b")])
    found = ask(settled(before), asked)
    assert len(joined(found, orders(asked))) == len(found) == 2
    drive = settled(
        [event(n, f"{n}d 10:00:00", fixmedins_code="AB"[n], lines=[drug("X1"), drug("X4")]) for n in (0, 1)]
    )
    asked = bill("2d 10:00:00", fixmedins_code="C", lines=[drug("X2"), drug("X4")])
    found = ask(drive, asked, ("agent_buying.generic_spread",))
    assert joined(found, orders(asked)) == found
    assert len(found) == 2


@pytest.mark.parametrize("scene", SCENES)
def test_nothing_else_is_joined(scene: str) -> None:
    events, asked = SCENES[scene]
    found = ask(settled(events), asked)
    assert joined(found, orders(asked)) == found


def test_what_names_no_orders_keeps_its_money() -> None:
    (one, *_) = ask(settled(DAILY), bill("6d 10:00:00", lines=[]))
    assert joined([one, one], {}) == [one]


FILED = """
[[exception]]
subject_type = "person"
subject_id = "P1"
rules = ["agent_buying"]
from = 2025-03-03
to = 2025-03-03
reason = "随访用药"
filed_by = "市医保中心 张三"
"""


def test_filed_exceptions_mute(tmp_path: Path) -> None:
    path = tmp_path / "exceptions.toml"
    path.write_text(FILED, "utf-8")
    book = load_rules()
    core = Judge(book, reference(), Calendar(), load_exceptions(path, book))
    drive = settled(buying(2, 10), core)
    (found,) = ask(drive, bill("2d 10:00:00", fixmedins_code="C"))
    assert (found.light, found.severity, found.features["filed_reason"]) == ("green", "3", "随访用药")
    assert found.explanation.endswith("仅作观察。")
    (found,) = ask(drive, bill("1d 12:00:00", fixmedins_code="C"))
    assert found.light == "yellow"


def test_shadow_is_not_asked_and_severity_is_configured(tmp_path: Path) -> None:
    path = tmp_path / "rules.toml"
    path.write_text("[rules.agent_buying.generic_spread]\nshadow = true\n[audit.severity]\nyellow = '21'\n", "utf-8")
    drive = settled([*DAILY, *buying(3, 30)], judge(path))
    found = {one.rule_id: one.severity for one in ask(drive, bill("6d 10:00:00"))}
    assert "agent_buying.generic_spread" not in found
    assert found["frequent_visits.rolling_count"] == "21"
    patient = Auditor(drive.judge).patient(drive.person("P1"), "2025-03-08 10:00:00")
    assert "agent_buying.generic_spread" not in {one.rule_id for one in patient.findings}


# -- a person before a visit


def patient_of(events: list[dict[str, Any]], at: str) -> Patient:
    drive = settled(events)
    return Auditor(drive.judge).patient(drive.person("P1"), at)


def test_nobody_knows_the_person() -> None:
    found = patient_of([], "2025-03-01 08:00:00")
    nothing = {"1": 0, "7": 0, "30": 0, "90": 0}
    assert found == Patient(person_id="P1", visits=[], medication=[], series=[], findings=[], counts=nothing)


def test_a_time_that_is_none() -> None:
    with pytest.raises(ValueError, match="isoformat"):
        patient_of([], "tomorrow")


def stay(number: int, at: str, began: str) -> dict[str, Any]:
    return event(number, at, med_type="21", begndate=began, lines=[drug("X1", 9)])


@pytest.mark.parametrize(
    ("events", "remaining", "gone"),
    [
        ([event(1, "0d 08:00:00", lines=[drug("X1", 10)])], 4.5, "2025-03-11"),
        # what was left counts on
        ([event(1, "0d 08:00:00", lines=[drug("X1", 5)]), event(2, "2d 08:00:00", lines=[drug("X2", 7)])], 6.5, "2025-03-13"),
        # used up
        ([event(1, "0d 08:00:00", lines=[drug("X1", 3)])], 0.0, "2025-03-04"),
        # not used while in hospital from the 3rd to the 5th
        ([event(1, "0d 08:00:00", lines=[drug("X1", 10)]), stay(2, "4d 00:00:00", "2025-03-03")], 6.5, "2025-03-13"),
        ([event(1, "0d 08:00:00", lines=[drug("X1", 2.5)]), stay(2, "4d 00:00:00", "2025-03-03")], 0.0, "2025-03-05"),
        # nobody knows how long it lasts
        ([event(1, "0d 08:00:00", lines=[drug("X1", 10)]), event(2, "1d 08:00:00", lines=[drug("X9", None)])], 4.5, "2025-03-11"),
        ([event(1, "0d 08:00:00", lines=[drug("X9", 10)]), event(2, "1d 08:00:00", lines=[drug("X9", None)])], None, None),
    ],
)  # fmt: skip
def test_what_is_in_hand(events: list[dict[str, Any]], remaining: float | None, gone: str | None) -> None:
    found = patient_of(events, "2025-03-06 20:00:00").medication
    names = {one.generic: (one.remaining_days, one.runs_out_on) for one in found}
    assert names.get("G1", names.get("X9")) == (remaining, gone)
    if "G1" in names:
        one = next(one for one in found if one.generic == "G1")
        assert (one.name, one.last_collected_at[:4]) == ("药G1", "2025")


@PATIENT
@given(purchases(), st.integers(0, 60 * 24 * 60))
def test_what_is_in_hand_lasts_until_it_is_gone(events: list[dict[str, Any]], minutes: int) -> None:
    """Asked again later, with nothing settled meanwhile, so much less is left."""
    drive = settled(events)
    auditor = Auditor(drive.judge)
    last = max(START.fromisoformat(made["setl_time"]) for made in events)
    later = last + timedelta(minutes=minutes)
    for person in ("P1", "P2"):
        first, then = (auditor.patient(drive.person(person), str(at)).medication for at in (last, later))
        known = {one.generic: one for one in then}
        for one in first:
            if one.generic in known and known[one.generic].remaining_days is not None and one.remaining_days:
                left = max(0.0, one.remaining_days - minutes / 1440)
                assert known[one.generic].remaining_days == pytest.approx(left, abs=0.11)
                assert known[one.generic].runs_out_on == one.runs_out_on


def test_what_staff_are_shown() -> None:
    dressing = [visit(10 + number, f"{20 + 2 * number}d 09:00:00", lines=[]) for number in range(4)]
    chronic = [visit(20 + number, f"{20 + 3 * number}d 08:00:00", med_type="140201") for number in range(3)]
    ended = [visit(30 + number, f"{number}d 08:00:00", lines=[], fixmedins_code="B") for number in range(3)]
    once = [visit(40, "20d 08:30:00", fixmedins_code="C", med_type="140201")]
    shop = [event(50, "26d 09:30:00", lines=[drug("X1", 3), drug("X3", 3)])]
    events = [*dressing, *chronic, *ended, *once, *shop]
    found = patient_of(events, "2025-04-02 12:00:00")
    assert (found.visits[0].at, found.visits[0].care) == ("2025-03-27 09:30:00", "pharmacy")
    assert (found.visits[0].fund, found.visits[0].generics) == (Decimal("70.50"), ["G1", "G2"])
    assert [one.at for one in found.visits] == sorted((one.at for one in found.visits), reverse=True)
    assert [(one.institution_id, one.since, one.until, one.visits) for one in found.series] == [
        ("A", "2025-03-21 08:00:00", "2025-03-27 09:00:00", 7)
    ]
    assert found.counts == {"1": 0, "7": 2, "30": 8, "90": 11}
    assert [one.generic for one in found.medication] == ["G1", "G2"]


def test_findings_that_stand() -> None:
    found = patient_of([*DAILY, visit(6, "6d 10:00:00")], "2025-03-08 10:00:00").findings
    assert [(one.rule_id, one.raised_at, one.muted) for one in found] == [
        ("frequent_visits.rolling_count", "2025-03-07 10:00:00", False)
    ]
    drive = settled([*DAILY, visit(6, "6d 10:00:00")])
    assert found[0].score == drive.alerts[0].score
    taken_back = [*DAILY, visit(6, "6d 10:00:00"), reversal(6, "6d 09:30:00", DAILY[3])]
    drive = Drive(judge()).run(taken_back)
    assert Auditor(drive.judge).patient(drive.person("P1"), "2025-03-08 10:00:00").findings == []
    assert patient_of([*DAILY, visit(6, "6d 10:00:00")], "2025-06-08 10:00:00").findings == []


def test_the_newest_of_very_many() -> None:
    events = [visit(number, START + timedelta(hours=number), lines=[drug(f"Y{number}")]) for number in range(70)]
    found = patient_of(events, "2025-03-10 08:00:00")
    assert len(found.visits) == len(found.medication) == MOST
    assert found.visits[0].generics == ["Y69"]
    assert found.medication[0].generic == "Y69"
    assert found.counts["7"] == 21


# -- asking leaves no trace


def asked_bills(draw: st.DrawFn, events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Bills of the same persons at any time before, between and after the events."""
    bills = []
    for number in range(draw(st.integers(1, 6))):
        like = draw(st.sampled_from(events))
        at = START.fromisoformat(like["setl_time"]) + timedelta(
            minutes=draw(st.sampled_from([-50_000, -1440, -20, -14, 0, 0, 1, 30, 700, 9000]))
        )
        names = {"event_id": f"audit:{number}", "setl_id": draw(st.sampled_from([f"audit:{number}", like["setl_id"]]))}
        bills.append(like | {"event_type": "SETTLE", "orig_setl_id": None, "setl_time": str(at)} | names)
        bills[-1]["fund_pay_sumamt"] = "10"
    return bills


def audit(drive: Drive, auditor: Auditor, asked: dict[str, Any]) -> None:
    settlement = decode(asked)
    state = drive.person(settlement.person_id)
    auditor.patient(state, str(asked["setl_time"]))
    _, facts = auditor.bill(state, settlement)
    for fact in facts:
        place = drive.places.get((fact.kind, fact.place_id))
        if place is not None:
            auditor.place(place, fact)


DERIVED = ("entries", "reversals", "memos", "dirty", "usual", "changed", "seen", "notes", "judged", "packed", "claimed")


def inside(state: PersonState | PlaceState) -> dict[str, Any]:
    """All that a ledger holds."""
    held = {name: getattr(state, name) for name in DERIVED}
    packed = state.packed
    return {
        name: msgspec.msgpack.encode(value) if name not in ("judged", "packed", "notes") else repr(value)
        for name, value in held.items()
        if name not in ("seen", "dirty")
    } | {
        "seen": held["seen"] and sorted(held["seen"]),
        "dirty": held["dirty"] and sorted(held["dirty"]),
        "id": id(packed),
    }


@PATIENT
@given(st.data())
def test_asking_leaves_no_trace(data: st.DataObject) -> None:
    """Bills of any time, between any two events: not a byte of a state and no alert is another."""
    events = data.draw(purchases())
    order = arriving(data.draw, events)
    bills = asked_bills(data.draw, events)
    batch, reload_every = data.draw(st.integers(1, 12)), data.draw(st.sampled_from([0, 1, 5]))
    quiet = Drive(judge(RULES), batch=batch, reload_every=reload_every)
    asked = Drive(judge(RULES), batch=batch, reload_every=reload_every)
    auditor = Auditor(asked.judge)
    for made in order:
        quiet.enter(made)
        asked.enter(made)
        states = [*asked.persons.values(), *asked.places.values()]
        before = [inside(state) for state in states]
        audit(asked, auditor, data.draw(st.sampled_from(bills)))
        assert [inside(state) for state in states] == before
        for state in states:
            if state.by_item is not None:
                found: dict[str, list[Any]] = {}
                for entry in state.entries:
                    for item in entry.named:
                        found.setdefault(item, []).append(entry)
                assert state.by_item == found
    quiet.review()
    asked.review()
    assert [alert.alert_id for alert in asked.published] == [alert.alert_id for alert in quiet.published]
    assert alerts_sha256(asked.published) == alerts_sha256(quiet.published)
    for one, other in ((asked.persons, quiet.persons), (asked.places, quiet.places)):
        assert {key: state.dump() for key, state in one.items()} == {key: state.dump() for key, state in other.items()}
    assert vars(asked.judge.tally) == vars(quiet.judge.tally)


def inserted(state: PersonState | PlaceState, event_id: str) -> set[tuple[Any, ...]]:
    """The matches at an entry that was really inserted, of the episodes that inserting it marked to be judged."""
    index = next((at for at, entry in enumerate(state.entries) if entry.event_id == event_id), None)
    if index is None or not state.counts_at_once(index):
        return set()
    found = set()
    for rule in state.scope.rules:
        for detail in rule.glance(state, index):
            if (rule.detector, detail, rule.period(state.entries[index].at)) in (state.dirty or ()):
                match = rule.judge(state.window(index, rule.width), detail, state)
                if match is not None:
                    explanation = rule.explain(match.features) if "first_psn_no" not in match.features else ""
                    found.add((rule.detector, match.score, match.light, explanation))
    return found


def told(findings: list[Finding]) -> set[tuple[Any, ...]]:
    return {
        (one.rule_id, one.score, one.light, one.explanation if "first_psn_no" not in one.features else "")
        for one in findings
    }


def boxes(wire: dict[str, Any]) -> set[str]:
    return {code for line in wire["lines"] for code in line["drug_trac_codg"]}


StateT = TypeVar("StateT", PersonState, PlaceState)


def without(state: StateT, settlement_ids: set[str]) -> StateT:
    """A state made of bytes that never heard of these, nothing of it to be judged."""
    state.entries = [entry for entry in state.entries if entry.settlement_id not in settlement_ids]  # type: ignore[misc]
    state.dirty = state.packed = None
    return state


def own_settlements(state: PersonState, events: list[dict[str, Any]], asked: dict[str, Any]) -> set[str]:
    """The settlements that are the bill, by the fields of the wire."""
    own = set()
    for made in events:
        if made["event_type"] != "SETTLE" or made["psn_no"] != asked["psn_no"]:
            continue
        same_box = boxes(made) & boxes(asked)
        visits = [one["med_type"] in ("11", "140201") for one in (made, asked)]
        if all(visits):
            same = made["mdtrt_id"] == asked["mdtrt_id"]
        else:
            same = not any(visits) and bool(same_box) and made["setl_time"][:10] == asked["setl_time"][:10]
        other_boxes = boxes(made) and boxes(asked) and not same_box
        here = made["fixmedins_code"] == asked["fixmedins_code"]
        if made["setl_id"] == asked["setl_id"] or (same and here and not other_boxes):
            own.add(made["setl_id"])
    held = {entry.settlement_id for entry in state.entries}
    return {one for one in own & held if state.reversed_at(one) is None}


@PATIENT
@given(st.data())
def test_what_is_told_is_what_is_found_when_it_is_inserted(data: st.DataObject) -> None:
    """Also by rules that ask what is usual: only closed weeks count, and a bill's own never is."""
    events = data.draw(purchases())
    drive = Drive(judge(RULES), batch=data.draw(st.integers(1, 12))).run(events)
    auditor = Auditor(drive.judge)
    calendar = drive.judge.calendar
    for asked in asked_bills(data.draw, events):
        state = drive.person(asked["psn_no"])
        own = own_settlements(state, events, asked)
        copy = without(drive.judge.person("P", state.dump()), own)
        at = calendar.instant(START.fromisoformat(asked["setl_time"]))
        # another clock
        at = max([at, *(entry.at for entry in copy.entries if at <= entry.at <= at + 900)])
        findings, facts = auditor.bill(state, decode(asked))
        assert all(fact.at == at for fact in facts)
        drive.judge.settle(copy, decode(asked | {"setl_time": calendar.text(at)}))
        assert told(findings) == inserted(copy, asked["event_id"])
        for fact in facts:
            place = place_of(drive, fact)
            there = drive.judge.place(fact.kind, fact.place_id, place.dump())
            # of several settlements of the bill a place leaves out the last it was told of
            told_of = [
                (made["setl_time"], made["event_id"], made["setl_id"])
                for made in events
                if made["setl_id"] in own
                and fact.place_id in {made["dev_no"], made["fixmedins_code"], made["agnter_certno"], *boxes(made)}
            ]
            assert fact.settlement_id == (max(told_of)[2] if told_of else asked["setl_id"])
            there = without(there, {fact.settlement_id} if told_of else set())
            near = [entry.at for entry in there.entries if at <= entry.at <= at + 900]
            as_asked = msgspec.structs.replace(fact, at=max([at, *near]), event_id=asked["event_id"])
            drive.judge.witness(there, as_asked)
            assert told(auditor.place(place, fact, (), decode(asked))) == inserted(there, asked["event_id"])


@pytest.mark.parametrize("late", [False, True])
def test_a_full_place_is_not_copied(late: bool) -> None:
    """Asking a terminal of 20,000 settlements costs hardly more than one of 200."""
    took = {}
    for size in (200, 20_000):
        drive = Drive(judge())
        state = drive.judge.place("terminal", "T", None)
        start = drive.judge.calendar.instant(START)
        for number in range(size):
            at = start + number * 60
            drive.judge.witness(
                state, Fact("terminal", "T", f"E{number}", f"S{number}", at, f"P{number % 500}", "A", 1, 2)
            )
        state.dirty = None
        before, auditor = state.dump(), Auditor(drive.judge)
        at = start + (size // 2 if late else size + 30) * 60 + 1
        fact = Fact("terminal", "T", "audit:1", "audit:1", at, "P1", "A", 1, 2, "", "", ("G1",))
        asked = decode(bill("0d 10:00:00"))
        auditor.place(state, fact, (), asked)
        best = 1.0
        for _ in range(50):
            begun = time.perf_counter()
            auditor.place(state, fact, (), asked)
            best = min(best, time.perf_counter() - begun)
        took[size] = best
        assert state.dump() == before
    assert took[20_000] < 10 * took[200] + 0.0005


def test_many_drugs_of_one_bill_are_told_apart() -> None:
    drive = settled(
        [event(n, f"{n}d 10:00:00", fixmedins_code="AB"[n], lines=[drug("X1"), drug("X4")]) for n in (0, 1)]
    )
    lines = [drug("X2", yuan="1.10"), drug("X4", yuan="2.20"), drug("X1", yuan="3.30")]
    asked = bill("2d 10:00:00", fixmedins_code="C", lines=lines)
    found = ask(drive, asked, ("agent_buying.generic_spread",))
    orders = {one.features["generic_code"]: (one.order_ids, one.amount) for one in found}
    assert orders == {"G1": (["RX1", "RX3"], Decimal("4.40")), "G3": (["RX2"], Decimal("2.20"))}
