from __future__ import annotations

import json
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.errors import Refused
from schemas.instants import Calendar
from schemas.settlement import code, decode_settlement
from tests.data.broken_inputs import BROKEN, GOOD, line, variant


@pytest.mark.parametrize(("value", "field"), [case[1:] for case in BROKEN], ids=[case[0] for case in BROKEN])
def test_broken_input_is_refused_and_the_field_named(value: bytes, field: str) -> None:
    with pytest.raises(Refused) as refusal:
        decode_settlement(value)
    assert refusal.value.field == field
    assert refusal.value.reason


def test_there_are_more_than_forty_kinds_of_broken_input() -> None:
    assert len({name for name, *_ in BROKEN}) >= 40


@pytest.mark.parametrize(
    "value",
    [
        variant(medfee_sumamt=100, fund_pay_sumamt=60.5),
        variant(med_type=41, hosp_lv=1),
        variant(med_type="9929", insutype="an unknown code"),
        variant(unknown_field={"deep": [1, 2, {"x": None}]}, psn_name="never read"),
        variant(agnter_certno=None, lines=None, diagnoses=None),
        variant(lines=[]),
        variant(agnter_certno="", dev_no="", hifp_pay="", lines=[{**GOOD["lines"][0], "prd_days": ""}]),
        variant(setl_time="2025-03-01T10:00:00+08:00", inf_time=None),
        variant(event_type="REVERSE", orig_setl_id="S-0", medfee_sumamt="-100.00", fund_pay_sumamt="-60.00"),
        variant(refd_setl_flag="1", medfee_sumamt="-5", fund_pay_sumamt="-2"),
    ],
)
def test_what_the_contract_tolerates_is_accepted(value: bytes) -> None:
    assert decode_settlement(value).person_id == "P-1"


def test_numbers_stay_exact() -> None:
    settlement = decode_settlement(variant(medfee_sumamt=0.1, fund_pay_sumamt="0.30"))
    assert settlement.fee == Decimal("0.1")
    assert settlement.fund_paid == Decimal("0.30")


def test_an_empty_string_in_an_optional_field_is_absent() -> None:
    settlement = decode_settlement(variant(dev_no="", lines=[{**GOOD["lines"][0], "prd_days": "", "rxno": ""}]))
    assert settlement.terminal_id is None
    assert settlement.lines is not None
    assert settlement.lines[0].supply_days is None


def test_negative_counts_are_fine_on_a_reversal() -> None:
    value = json.loads(line(cnt="-1", prd_days="-7"))
    value |= {"event_type": "REVERSE", "orig_setl_id": "S-0"}
    settlement = decode_settlement(json.dumps(value).encode())
    assert settlement.lines is not None
    assert settlement.lines[0].quantity == -1


@given(st.binary(max_size=400))
def test_no_bytes_break_the_decoder(value: bytes) -> None:
    with pytest.raises(Refused):
        decode_settlement(value)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    ),
    st.sampled_from(sorted(GOOD)),
)
def test_any_value_in_any_field_is_accepted_or_refused_by_name(replacement: object, name: str) -> None:
    try:
        accepted = decode_settlement(variant(**{name: replacement}))
    except Refused as refusal:
        outcome: str = refusal.field.split("[")[0].split(".")[0]
    else:
        outcome = name if accepted.person_id else "accepted without a person"
    assert outcome in (name, "setl_time", "")


def test_codes_read_as_text_whatever_they_came_as() -> None:
    assert [code(value) for value in ("41", 41, None)] == ["41", "41", ""]


def test_wire_times_are_local_unless_they_say_otherwise() -> None:
    calendar = Calendar("Asia/Shanghai")
    local = decode_settlement(variant()).settled_at
    zoned = decode_settlement(variant(setl_time="2025-03-01T02:00:00+00:00", inf_time=None)).settled_at
    assert calendar.instant(local) == calendar.instant(zoned) == 1_740_794_400
    assert calendar.text(1_740_794_400) == "2025-03-01 10:00:00"
