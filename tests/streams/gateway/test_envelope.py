"""The national envelope: what is lenient, what is strict, what a bill is made of, and what an answer says."""

from __future__ import annotations

import json
import re
from datetime import datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.audit import Patient
from streams.gateway.calls import (
    INFCODES,
    INTERNAL,
    MALFORMED,
    MISSING,
    TOO_LARGE,
    WRONG_VALUE,
    AuditCall,
    BadMessage,
    FeedbackCall,
)
from streams.gateway.envelope import Reply, answer, done, failure, judged, parse_audit, parse_feedback, reference
from tests.streams.gateway.cases import (
    AUDIT_REQUIRED,
    AUDIT_WRONG,
    FEEDBACK_REQUIRED,
    FEEDBACK_WRONG,
    LENIENT,
    SAME,
    O,
    P,
    V,
    W,
)
from tests.streams.gateway.messages import (
    HERE,
    NAMES,
    PERSON,
    audit,
    changed,
    feedback,
    finding,
    order,
    patient,
    visit,
)

AT = datetime(2025, 6, 3, 9, 10, 0, 123456, ZoneInfo("Asia/Shanghai"))


def refusal(infno: str, body: object) -> BadMessage:
    with pytest.raises(BadMessage) as told:
        parse_feedback(body) if infno == "3103" else parse_audit(infno, body)
    return told.value


# what identifies ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("infno", ["3101", "3102"])
@pytest.mark.parametrize("path", AUDIT_REQUIRED)
@pytest.mark.parametrize("absent", [None, "", "  ", "gone"])
def test_what_identifies_an_audit_must_come(infno: str, path: str, absent: str | None) -> None:
    objects = {"input", "input.data", "input.data.patient_dtos", f"{P}.fsi_encounter_dtos", f"{O}.cnt", f"{O}.sumamt"}
    if absent == "  " and path in objects:
        return
    body = changed(audit(infno), path, absent, gone=absent == "gone")
    refused = refusal(infno, body)
    assert (refused.field, refused.infcode) == (path, WRONG_VALUE if (path, absent) == ("infno", "  ") else MISSING)


@pytest.mark.parametrize("path", FEEDBACK_REQUIRED)
@pytest.mark.parametrize("absent", [None, "", "gone"])
def test_what_identifies_feedback_must_come(path: str, absent: str | None) -> None:
    refused = refusal("3103", changed(feedback(), path, absent, gone=absent == "gone"))
    assert (refused.field, refused.infcode) == (path, MISSING)


@pytest.mark.parametrize(("path", "value"), AUDIT_WRONG, ids=lambda one: str(one)[:40])
def test_a_wrong_value_is_named(path: str, value: Any) -> None:
    refused = refusal("3102", changed(audit("3102"), path, value))
    assert (refused.field, refused.infcode) == (path, WRONG_VALUE)
    assert refused.reason.startswith("expected ")
    assert "got " in refused.reason


@pytest.mark.parametrize(("path", "value"), FEEDBACK_WRONG)
def test_a_wrong_value_of_feedback_is_named(path: str, value: Any) -> None:
    refused = refusal("3103", changed(feedback(), path, value))
    assert (refused.field, refused.infcode) == (path, WRONG_VALUE)


@pytest.mark.parametrize("body", [None, [], "text", 3, True, [audit()]])
def test_a_body_that_is_no_object_is_malformed(body: object) -> None:
    assert refusal("3102", body).infcode == refusal("3103", body).infcode == MALFORMED


def test_a_person_twice_is_refused() -> None:
    refused = refusal("3102", audit(patient_dtos=[patient(), patient()]))
    assert (refused.field, refused.infcode) == ("input.data.patient_dtos[1].patn_id", WRONG_VALUE)


def test_orders_are_counted_over_the_whole_request() -> None:
    many = [
        patient(patn_id=f"P{n}", fsi_encounter_dtos=[visit(fsi_order_dtos=[order(m) for m in range(251)])])
        for n in "12"
    ]
    refused = refusal("3102", audit(patient_dtos=many))
    assert refused.field == "input.data.patient_dtos[1].fsi_encounter_dtos[0].fsi_order_dtos"


def test_too_much_is_refused_before_it_is_read() -> None:
    assert refusal("3102", changed(audit(), "input.data.patient_dtos", [{}] * 6000)).infcode == TOO_LARGE
    long = [order(n, drug_trac_codg=[f"{m:0128d}" for m in range(50)]) for n in range(60)]
    refused = refusal("3102", changed(audit(), f"{V}.fsi_order_dtos", long))
    assert (refused.field, refused.infcode) == (V, TOO_LARGE)


def test_a_name_is_never_repeated_in_a_refusal() -> None:
    refused = refusal("3102", changed(audit(), f"{P}.patn_name", [NAMES[0]]))
    assert NAMES[0] not in str(refused)


def test_a_collector_is_named_by_a_token_never_by_an_id_number() -> None:
    # made up: 1900, area 000000
    told = refusal("3102", audit(patient_dtos=[patient(agnter_certno="000000190001010009")]))
    assert (told.field, told.infcode) == ("input.data.patient_dtos[0].agnter_certno", -103)
    assert "000000" not in told.reason
    for token in ("000000190001010004", "AG000000190001010009", "12345678901234567"):
        parse_audit("3102", audit(patient_dtos=[patient(agnter_certno=token)]))


def test_hainans_names_are_used_where_the_sender_used_them() -> None:
    told = patient()
    (one,) = told.pop("fsi_encounter_dtos")
    one["order_dtos"], one["diagnose_dtos"] = one.pop("fsi_order_dtos"), one.pop("fsi_diagnose_dtos")
    body = audit(patient_dtos=[{**told, "encounter_dtos": [one]}])
    assert bill(body) == bill(audit())
    path = f"{P}.encounter_dtos[0]"
    assert refusal("3102", changed(body, f"{path}.order_dtos[1].cnt", "x")).field == f"{path}.order_dtos[1].cnt"
    assert refusal("3102", changed(body, f"{path}.order_dtos[1].cnt", -1)).field == f"{path}.order_dtos[1].cnt"
    assert refusal("3102", changed(body, f"{path}.medins_id", "other")).field == f"{path}.medins_id"


# where the world is lenient ---------------------------------------------------------------------------------------------


def bill(body: dict[str, Any], infno: str = "3102") -> Any:
    (person,) = parse_audit(infno, body).persons
    return person.bill


@pytest.mark.parametrize(("path", "value"), SAME, ids=lambda one: str(one)[:40])
def test_what_the_world_sends_means_the_same(path: str, value: Any) -> None:
    assert bill(changed(audit(), path, value)) == bill(audit())


@pytest.mark.parametrize("path", sorted(LENIENT))
def test_everything_else_may_be_missing_blank_or_null(path: str) -> None:
    calls = [
        parse_audit("3102", changed(audit(), path, value, gone=value == "gone")) for value in (None, "", [], "gone")
        if value != [] or "dtos" in path.rpartition(".")[2] or path.endswith("rule_ids")
    ]  # fmt: skip
    assert len({repr(call.persons) for call in calls}) == 1


def test_the_current_visit_and_its_current_orders_are_the_bill() -> None:
    before = visit(mdtrt_id="M0", medins_id="H44010000001", fsi_order_dtos=[order(7)])
    one = visit(fsi_order_dtos=[order(1, curr_drord_flag="0"), order(2), order(3, curr_drord_flag=None)])
    for visits in ([before, one], [one, before]):
        (person,) = parse_audit("3102", audit(patient_dtos=[patient(fsi_encounter_dtos=visits)])).persons
        assert person.bill is not None
        assert (person.mdtrt_id, [line.line_id for line in person.bill.lines or ()]) == ("M1", ["RX2", "RX3"])
        assert person.orders == {"RX2": Decimal("70.4"), "RX3": Decimal("70.4")}
    (person,) = parse_audit(
        "3102", audit(patient_dtos=[patient(curr_mdtrt_id="", fsi_encounter_dtos=[before, one])])
    ).persons
    assert person.mdtrt_id == "M1"


@pytest.mark.parametrize(
    ("scene", "told"),
    [
        ("1", {}), ("01", {}), ("1", {"fsi_encounter_dtos": []}), ("3", {"fsi_encounter_dtos": ""}),
        ("6", {"fsi_encounter_dtos": [visit(fsi_order_dtos=[])]}),
        ("6", {"fsi_encounter_dtos": [visit(fsi_order_dtos=[order(1, curr_drord_flag="0")])]}),
    ],
)  # fmt: skip
def test_without_orders_there_is_no_bill(scene: str, told: dict[str, Any]) -> None:
    (person,) = parse_audit("3101", audit("3101", trig_scen=scene, patient_dtos=[patient(**told)])).persons
    assert (person.person_id, person.mdtrt_id, person.bill) == (PERSON, "M1", None)


# what it becomes ------------------------------------------------------------------------------------------------------


def test_a_call_says_who_asks_about_what() -> None:
    call = parse_audit("3101", audit("3101", rule_ids=["a", "b"], trig_scen="06"))
    assert (call.infno, call.msgid, call.institution_id, call.area) == (
        "3101",
        f"{HERE}202506030910000001",
        HERE,
        "310101",
    )
    assert (call.task_id, call.scene, call.rule_ids, call.at) == ("T-1", "6", ("a", "b"), "2025-06-03 09:10:00")
    assert (call.department_id, call.doctor_id) == ("A03", "D310101000001")


def test_a_bill_is_the_settlement_it_would_become() -> None:
    made = bill(audit())
    assert made.event_id == made.settlement_id == f"audit:{HERE}202506030910000001:0"
    assert (made.kind, made.visit_id, made.person_id, made.institution_id) == ("SETTLE", "M1", PERSON, HERE)
    assert str(made.settled_at) == "2025-06-03 09:10:00"
    assert (made.care_type, made.sex, made.born, made.insurance) == ("11", "1", "1960-02-03", "310")
    assert (made.person_area, made.area, made.terminal_id, made.operator_id) == ("310101", "310101", "T01", "O1")
    assert (made.fee, made.fund_paid, made.begun_on) == (Decimal("140.80"), Decimal("126.72"), None)
    assert (made.collector_id, made.collector_relation, made.long_prescription) == (NAMES[5], "1", "1")
    assert [(one.code, one.main) for one in made.diagnoses] == [("E11.9", "1")]
    line = made.lines[1]
    assert (line.line_id, line.item_code, line.item_type, line.charge_type) == (
        "RX2",
        "XA10BAE037A001010000002",
        "101",
        "09",
    )
    assert (line.quantity, line.price, line.amount, line.supply_days) == (2, Decimal("35.2"), Decimal("70.4"), 30)
    assert (line.doctor_id, line.department_id, line.prescription_id) == ("D310101000001", "A03", "R1")
    assert line.trace_codes == ["81000000000000000001"]


def test_what_is_not_said_of_a_bill_is_worked_out() -> None:
    bare = visit(
        medfee_sumamt="",
        hifp_payamt=None,
        fsi_diagnose_dtos=[],
        medins_admdvs="310115",
        agnter_certno="",
        agnter_rlts="",
    )
    body = audit(patient_dtos=[patient(fsi_encounter_dtos=[bare], agnter_certno="token", agnter_rlts="7")])
    made = bill(changed(body, "mdtrtarea_admvs", ""))
    assert (made.fee, made.fund_paid, made.area) == (Decimal("140.8"), 0, "310115")
    assert (made.collector_id, made.collector_relation) == ("token", "7")
    assert [(one.code, one.main) for one in made.diagnoses] == [("E11.9", "1")]


@pytest.mark.parametrize(("kind", "care"), [("2", "11"), ("1", "21"), ("", "2105"), ("", "52")])
def test_a_stay_begins_when_it_was_begun(kind: str, care: str) -> None:
    for written in ("2025-05-28 10:00:00", "20250528100000", "2025-05-28"):
        stay = visit(med_mdtrt_type=kind, med_type=care, adm_date=written)
        assert bill(audit(patient_dtos=[patient(fsi_encounter_dtos=[stay])])).begun_on == "2025-05-28"


def test_what_is_kept_names_nobody() -> None:
    for text in (parse_audit("3102", audit()).request_text, parse_feedback(feedback()).request_text):
        assert not [name for name in NAMES if name in text]
        kept = json.loads(text)
        assert kept["msgid"] == f"{HERE}202506030910000001"
        assert not {"opter_name", "cainfo", "dev_safe_info", "sign_no"} & kept.keys()
    kept = json.loads(parse_audit("3102", changed(audit(), f"{O}.certno", "310101196002030000")).request_text)
    assert "certno" not in json.dumps(kept)
    assert kept["input"]["data"]["patient_dtos"][0]["fsi_encounter_dtos"][0]["fsi_order_dtos"][0]["rx_id"] == "RX1"


def test_feedback_is_read() -> None:
    call = parse_feedback(feedback())
    assert (call.msgid, call.institution_id, call.warn_type, call.at) == (
        f"{HERE}202506030910000001", HERE, "2", "2025-06-03 09:10:00"
    )  # fmt: skip
    assert call.warns == [("a" * 32, "1", "病情需要，外出两个月"), ("b" * 32, "2", "")]
    one = {"warn_rslt_id": "c", "dspo_way": 2}
    assert parse_feedback(feedback(warn_type=1, warns=one)).warns == [("c", "2", "")]
    assert parse_feedback(changed(feedback(), "insuplc_admdvs", gone=True)).area == "310101"


# what is answered -----------------------------------------------------------------------------------------------------


def reply(told: dict[str, Any]) -> dict[str, Any]:
    """As it stands on the wire; it must be what the published model says, with nothing the model does not know."""
    wire: dict[str, Any] = json.loads(json.dumps(told))
    assert Reply.model_validate(wire).model_dump(exclude_unset=True) == wire
    return wire


def test_findings_are_told_in_the_national_form() -> None:
    call = parse_audit("3101", audit("3101"))
    found = {
        PERSON: [finding(), finding(order_ids=["RX1", "RX2"], severity="2", light="yellow"), finding(light="green")]
    }
    told = reply(answer(call, found, received=AT, refmsgid=reference("310101", AT, 7), responded=AT))
    assert (told["infcode"], told["err_msg"], told["inf_refmsgid"]) == (0, "", "310101202506030910000000000007")
    assert told["refmsg_time"] == told["respond_time"] == "20250603091000123"
    first, second = told["output"]["result"]
    assert {**first, "jr_id": "", "judge_result_detail_dtos": []} == {
        "jr_id": "", "rule_id": "frequent_visits.days_supply", "rule_name": "提前取药", "vola_cont": "本次取药前仍有 41 天用量。",
        "patn_id": PERSON, "mdtrt_id": "M1", "judge_result_detail_dtos": [], "vola_amt": 70.4, "vola_amt_stas": "1", "sev_deg": "1",
        "vola_evid": "2025-05-20 在他院取同一通用名 60 天用量；依据：长期处方管理规范", "vola_bhvr_type": "1", "task_id": "T-1",
    }  # fmt: skip
    assert first["judge_result_detail_dtos"] == [
        {
            "jrd_id": f"{first['jr_id']}-0",
            "patn_id": PERSON,
            "mdtrt_id": "M1",
            "rx_id": "RX1",
            "vola_item_type": "1",
            "vola_amt": 70.4,
        }
    ]
    assert [one["rx_id"] for one in second["judge_result_detail_dtos"]] == ["RX1", "RX2"]
    assert second["sev_deg"] == "2"
    assert "undecided" not in told["output"]


def test_the_id_of_a_finding_hangs_on_the_message_and_the_finding() -> None:
    told_twice = [finding(), finding(explanation="另一种药仍有 3 天用量。"), finding(rule_id="other")]
    call, found = parse_audit("3102", audit()), {PERSON: told_twice}
    ids = [jr_id for _, jr_id, _ in judged(call, found)]
    assert len({*ids}) == 3
    assert ids == [jr_id for _, jr_id, _ in judged(parse_audit("3102", audit()), found)]
    backwards = {PERSON: found[PERSON][::-1]}
    assert judged(call, backwards) == judged(call, found)
    other = parse_audit("3102", changed(audit(), "msgid", f"{HERE}202506030910000002"))
    assert not {*ids} & {jr_id for _, jr_id, _ in judged(other, found)}
    assert all(re.fullmatch("[0-9a-f]{32}", jr_id) for jr_id in ids)


def test_two_boxes_with_the_same_past_are_one_finding_of_two_orders() -> None:
    call = parse_audit("3102", audit())
    orders = sorted(call.persons[0].orders)
    assert len(orders) > 1
    ((_, _, one),) = judged(call, {PERSON: [finding(order_ids=[order]) for order in orders]})
    assert sorted(one.order_ids) == orders
    assert one.amount == sum(call.persons[0].orders.values())


def test_only_3101_gets_its_task_back() -> None:
    told = answer(parse_audit("3102", audit()), {PERSON: [finding()]}, received=AT, refmsgid="x")
    assert "task_id" not in told["output"]["result"][0]


def test_a_finding_about_no_order_is_told_with_its_money() -> None:
    told = reply(answer(parse_audit("3102", audit()), {PERSON: [finding(order_ids=[])]}, received=AT, refmsgid="x"))
    (detail,) = told["output"]["result"][0]["judge_result_detail_dtos"]
    assert (detail.get("rx_id"), detail["vola_amt"]) == (None, 70.4)


def test_long_words_are_cut_to_their_lengths() -> None:
    long = finding(
        rule_id="r" * 60,
        title="题" * 300,
        explanation="文" * 600,
        evidence="据" * 400,
        basis="基" * 400,
        severity="1234",
    )
    (told,) = reply(answer(parse_audit("3102", audit()), {PERSON: [long]}, received=AT, refmsgid="x"))["output"][
        "result"
    ]
    lengths = [len(told[name]) for name in ("rule_id", "rule_name", "vola_cont", "vola_evid", "sev_deg")]
    assert lengths == [50, 200, 500, 500, 3]


def test_nothing_found_and_nothing_known_in_time_are_not_the_same() -> None:
    call = parse_audit("3102", audit())
    assert reply(answer(call, {}, received=AT, refmsgid="x"))["output"] == {"result": []}
    assert reply(answer(call, None, received=AT, refmsgid="x"))["output"] == {"result": [], "undecided": True}


def test_the_reminder_is_given_to_those_without_a_bill() -> None:
    view = {
        "psn_no": "P3***",
        "visits": [],
        "medication": [],
        "series": [],
        "findings": [],
        "counts": [{"days": 30, "visits": 4}],
    }
    for scene, given_to in (("1", [PERSON]), ("6", [])):
        call = parse_audit("3101", audit("3101", trig_scen=scene))
        told = reply(answer(call, {}, received=AT, refmsgid="x", reminders={PERSON: view}))
        assert [one["patn_id"] for one in told["output"].get("reminders", [])] == given_to


def test_failures_name_the_field_within_their_room() -> None:
    told = reply(failure(MISSING, f"{O}.cnt", "required, and none came", received=AT, refmsgid="x"))
    assert (told["infcode"], told["output"]) == (MISSING, {})
    assert told["err_msg"] == f"{O}.cnt: required, and none came"
    assert len(failure(INTERNAL, "", "x" * 300, received=AT, refmsgid="x")["err_msg"]) == 200
    assert reply(done(received=AT, refmsgid="x"))["infcode"] == 0
    assert all(code <= 0 for code in INFCODES)


@pytest.mark.parametrize(
    ("area", "told"),
    [("310101", "310101"), ("", "000000"), ("3101", "310100"), ("31010199", "310101"), ("沪", "000000")],
)
def test_a_reference_is_thirty_digits(area: str, told: str) -> None:
    made = reference(area, AT, 10**10 + 5)
    assert made == f"{told}202506030910000000000005"
    assert len(made) == 30


# whatever comes -------------------------------------------------------------------------------------------------------

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
PATHS = sorted(
    {*AUDIT_REQUIRED, *LENIENT, *(path for path, _ in SAME + AUDIT_WRONG), P, V, O, "input.data.patient_dtos"}
)
PATHS = [path for path in PATHS if not path.startswith(f"{O}.drug_trac_codg[")]


def read(infno: str, body: object) -> None:
    told: object
    try:
        told = parse_feedback(body) if infno == "3103" else parse_audit(infno, body)
    except BadMessage as refused:
        told = refused
    if isinstance(told, BadMessage):
        assert told.infcode in INFCODES
        assert len(failure(told.infcode, told.field, told.reason, received=AT, refmsgid="x")["err_msg"]) <= 200
    else:
        assert isinstance(told, FeedbackCall if infno == "3103" else AuditCall)
        json.loads(told.request_text)


@given(JSON)
def test_any_body_is_a_call_or_a_refusal(body: object) -> None:
    for infno in ("3101", "3102", "3103"):
        read(infno, body)


@settings(deadline=None, max_examples=400)
@given(st.dictionaries(st.sampled_from(PATHS), JSON, min_size=1, max_size=4))
def test_any_value_anywhere_is_a_call_or_a_refusal(changes: dict[str, Any]) -> None:
    body = audit()
    for path, value in sorted(changes.items(), key=lambda one: -len(one[0])):
        body = changed(body, path, value)
    read("3102", body)


@given(st.dictionaries(st.sampled_from([*FEEDBACK_REQUIRED, f"{W}.dspo_way_rea"]), JSON, max_size=2))
def test_any_feedback_is_a_call_or_a_refusal(changes: dict[str, Any]) -> None:
    body = feedback()
    for path, value in sorted(changes.items(), key=lambda one: -len(one[0])):
        body = changed(body, path, value)
    read("3103", body)


def test_depth_and_odd_text_are_survived() -> None:
    deep: Any = {}
    for _ in range(5_000):
        deep = {"input": deep}
    read("3102", deep)
    deep = []
    for _ in range(5_000):
        deep = [deep]
    read("3102", changed(audit(), f"{P}.fsi_his_data_dto", deep))
    read("3102", changed(audit(), f"{O}.rx_id", "\ud800"))
    read("3102", changed(audit(), f"{O}.spec", "\ud800"))
    read("3102", changed(audit(), f"{O}.unknown", "\ud800"))
    read("3102", changed(audit(), f"{O}.cnt", "1e-999999"))
    read("3102", changed(audit(), f"{O}.rx_id", 10**5000))


def test_a_patient_of_the_worker_fits_the_answer() -> None:
    fields = {field for field in Patient.__struct_fields__ if field != "person_id"}
    assert fields == {"visits", "medication", "series", "findings", "counts"}
