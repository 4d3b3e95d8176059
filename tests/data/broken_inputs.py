"""Forty and more values that break the contract, each with the wire path its dead letter must name ("" = the value as a whole)."""

from __future__ import annotations

import json
from typing import Any

GOOD: dict[str, Any] = {
    "event_id": "E-good", "event_type": "SETTLE", "setl_id": "S-good", "mdtrt_id": "M-1", "psn_no": "P-1", "med_type": "41",
    "setl_time": "2025-03-01 10:00:00", "inf_time": "2025-03-01 10:00:00", "fixmedins_code": "P32990100001",
    "medfee_sumamt": "100.00", "fund_pay_sumamt": "60.00", "dev_no": "T-1",
    "lines": [{"feedetl_sn": "1", "med_list_codg": "X01", "cnt": "1", "pric": "100", "det_item_fee_sumamt": "100.00",
               "prd_days": "7", "fee_ocur_time": "2025-03-01 10:00:00", "drug_trac_codg": ["8101"]}],
}  # fmt: skip


def variant(**changes: Any) -> bytes:
    """The good settlement with fields replaced."""
    return json.dumps({**GOOD, **changes}, ensure_ascii=False).encode()


def without(name: str) -> bytes:
    """The good settlement without one field."""
    return json.dumps({key: value for key, value in GOOD.items() if key != name}).encode()


def line(**changes: Any) -> bytes:
    """The good settlement with its one line changed."""
    return variant(lines=[{**GOOD["lines"][0], **changes}])


BROKEN: list[tuple[str, bytes, str]] = [
    ("empty", b"", ""),
    ("not json", b"hello", ""),
    ("cut off", variant()[:-20], ""),
    ("two objects", variant() + variant(), ""),
    ("an array", b"[]", ""),
    ("a number", b"42", ""),
    ("null", b"null", ""),
    ("gb18030 bytes", json.dumps({**GOOD, "fixmedins_name": "大药房"}, ensure_ascii=False).encode("gb18030"), ""),
    ("utf-16", json.dumps(GOOD).encode("utf-16"), ""),
    ("byte order mark", b"\xef\xbb\xbf" + variant(), ""),
    ("binary", bytes(range(256)), ""),
    ("deep nesting in an unknown field", b'{"x":' * 50_000 + b"1" + b"}" * 50_000, ""),
    ("deep array", b"[" * 100_000, ""),
    ("over 256 KiB", variant(fixmedins_name="x" * (256 * 1024)), ""),
    ("NaN literal", variant().replace(b'"100.00"', b"NaN", 1), ""),
    ("no event id", without("event_id"), "event_id"),
    ("no event type", without("event_type"), "event_type"),
    ("no settlement id", without("setl_id"), "setl_id"),
    ("no visit", without("mdtrt_id"), "mdtrt_id"),
    ("no person", without("psn_no"), "psn_no"),
    ("no kind of care", without("med_type"), "med_type"),
    ("no time", without("setl_time"), "setl_time"),
    ("no institution", without("fixmedins_code"), "fixmedins_code"),
    ("no fee", without("medfee_sumamt"), "medfee_sumamt"),
    ("no fund money", without("fund_pay_sumamt"), "fund_pay_sumamt"),
    ("null person", variant(psn_no=None), "psn_no"),
    ("empty person", variant(psn_no=""), "psn_no"),
    ("person is a number", variant(psn_no=12345), "psn_no"),
    ("person is an object", variant(psn_no={"id": "P-1"}), "psn_no"),
    ("endless event id", variant(event_id="e" * 5_000), "event_id"),
    ("unknown event type", variant(event_type="PAY"), "event_type"),
    ("reversal of nothing", variant(event_type="REVERSE"), "orig_setl_id"),
    ("money is a word", variant(medfee_sumamt="viel"), "medfee_sumamt"),
    ("money is true", variant(fund_pay_sumamt=True), "fund_pay_sumamt"),
    ("money is a list", variant(fund_pay_sumamt=["1"]), "fund_pay_sumamt"),
    ("money is NaN", variant(medfee_sumamt="NaN"), "medfee_sumamt"),
    ("money is infinite", variant(fund_pay_sumamt="Infinity"), "fund_pay_sumamt"),
    ("money beyond reason", variant(medfee_sumamt="1e400"), "medfee_sumamt"),
    ("negative fee on a settlement", variant(medfee_sumamt="-1.00"), "medfee_sumamt"),
    ("comma for a point", variant(medfee_sumamt="100,00"), "medfee_sumamt"),
    ("time without a day", variant(setl_time="10:00:00"), "setl_time"),
    ("the 30th of February", variant(setl_time="2025-02-30 10:00:00"), "setl_time"),
    ("25 o'clock", variant(setl_time="2025-03-01 25:00:00"), "setl_time"),
    ("the year 0001", variant(setl_time="0001-01-01 00:00:00", inf_time=None), "setl_time"),
    ("the year 9999", variant(setl_time="9999-12-31 23:59:59", inf_time=None), "setl_time"),
    ("settled a month after its message", variant(setl_time="2025-04-01 10:00:00"), "setl_time"),
    ("time is a number", variant(setl_time=1740794400), "setl_time"),
    ("lines is a word", variant(lines="X01"), "lines"),
    ("lines is an object", variant(lines={"cnt": 1}), "lines"),
    ("a line is a word", variant(lines=["X01"]), "lines[0]"),
    ("negative count", line(cnt="-3"), "lines[0].cnt"),
    ("count is a word", line(cnt="three"), "lines[0].cnt"),
    ("absurd count", line(cnt="1e15"), "lines[0].cnt"),
    ("negative days", line(prd_days="-7"), "lines[0].prd_days"),
    ("days for a thousand years", line(prd_days="400000"), "lines[0].prd_days"),
    ("trace codes are a word", line(drug_trac_codg="8101"), "lines[0].drug_trac_codg"),
    ("a trace code is a number", line(drug_trac_codg=[8101]), "lines[0].drug_trac_codg[0]"),
    ("an empty trace code", line(drug_trac_codg=[""]), "lines[0].drug_trac_codg[0]"),
    ("diagnoses are a word", variant(diagnoses="I10"), "diagnoses"),
    ("a schema of the future", variant(schema=99), "schema"),
]
"""(name, value, wire path)"""
