"""One settled transaction as it travels on ``settlements``: strict and tolerant where the contract is.

Attributes have the field's English names; the wire keeps the national spelling of 5203/5204 (``rename``). Money is
Decimal yuan, times are wire times (naive means local); :class:`schemas.instants.Calendar` turns them into instants.
"""

from __future__ import annotations

import re
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Annotated, Any, Final, Literal

import msgspec
import orjson

from schemas.errors import Refused

SCHEMA_VERSION: Final = 1
MAX_BYTES: Final = 256 * 1024
EARLIEST: Final = datetime(2000, 1, 1)  # noqa: DTZ001  compared with naive wire times
LATEST: Final = datetime(2100, 1, 1)  # noqa: DTZ001

Identifier = Annotated[str, msgspec.Meta(min_length=1, max_length=128)]
Code = str | int
"""A coded value: some cores send 1 where the table says 01, so numbers are taken too; read them with :func:`code`."""


class Diagnosis(
    msgspec.Struct,
    kw_only=True,
    gc=False,
    rename={"code": "diag_code", "name": "diag_name", "main": "maindiag_flag", "kind": "diag_type"},
):
    """A diagnosis of the visit (ICD-10, insurance edition)."""

    code: str | None = None
    name: str | None = None
    main: Code | None = None
    kind: Code | None = None


class Line(
    msgspec.Struct,
    kw_only=True,
    gc=False,
    rename={
        "line_id": "feedetl_sn",
        "item_code": "med_list_codg",
        "item_name": "hilist_name",
        "item_type": "list_type",
        "charge_type": "med_chrgitm_type",
        "quantity": "cnt",
        "price": "pric",
        "amount": "det_item_fee_sumamt",
        "in_scope": "inscp_scp_amt",
        "supply_days": "prd_days",
        "incurred_at": "fee_ocur_time",
        "doctor_id": "bilg_dr_codg",
        "department_id": "bilg_dept_codg",
        "prescription_id": "rxno",
        "external_prescription": "rx_circ_flag",
        "trace_codes": "drug_trac_codg",
    },
):
    """A fee line: one drug, service or consumable. Quantities in sale units, money in yuan, supply in days."""

    line_id: str | None = None
    item_code: str | None = None
    item_name: str | None = None
    item_type: Code | None = None
    charge_type: Code | None = None
    quantity: Decimal | None = None
    price: Decimal | None = None
    amount: Decimal | None = None
    in_scope: Decimal | None = None
    supply_days: Decimal | None = None
    incurred_at: datetime | None = None
    doctor_id: str | None = None
    department_id: str | None = None
    prescription_id: str | None = None
    external_prescription: Code | None = None
    trace_codes: list[Identifier] | None = None


class Settlement(
    msgspec.Struct,
    kw_only=True,
    gc=False,
    rename={
        "kind": "event_type",
        "original_id": "orig_setl_id",
        "transaction": "infno",
        "message_at": "inf_time",
        "settlement_id": "setl_id",
        "visit_id": "mdtrt_id",
        "person_id": "psn_no",
        "sex": "gend",
        "born": "brdy",
        "person_type": "psn_type",
        "insurance": "insutype",
        "person_area": "insuplc_admdvs",
        "credential": "mdtrt_cert_type",
        "care_type": "med_type",
        "settled_at": "setl_time",
        "begun_on": "begndate",
        "ended_on": "enddate",
        "institution_id": "fixmedins_code",
        "institution_name": "fixmedins_name",
        "institution_level": "hosp_lv",
        "area": "mdtrtarea_admvs",
        "terminal_id": "dev_no",
        "operator_id": "opter_id",
        "fee": "medfee_sumamt",
        "fund_paid": "fund_pay_sumamt",
        "pooled_paid": "hifp_pay",
        "account_paid": "acct_pay",
        "cash_paid": "psn_cash_pay",
        "in_scope": "inscp_scp_amt",
        "refunded": "refd_setl_flag",
        "disease_code": "dise_codg",
        "collector_id": "agnter_certno",
        "collector_relation": "agnter_rlts",
        "long_prescription": "long_rx_flag",
    },
):
    """A settlement, or the reversal of one (``kind`` REVERSE takes back ``original_id``)."""

    event_id: Identifier
    kind: Literal["SETTLE", "REVERSE"]
    settlement_id: Identifier
    visit_id: Identifier
    person_id: Identifier
    care_type: Code
    settled_at: datetime
    institution_id: Identifier
    fee: Decimal
    fund_paid: Decimal
    schema: int = SCHEMA_VERSION
    original_id: str | None = None
    transaction: Code | None = None
    message_at: datetime | None = None
    sex: Code | None = None
    born: str | None = None
    person_type: Code | None = None
    insurance: Code | None = None
    person_area: Code | None = None
    credential: Code | None = None
    begun_on: str | None = None
    ended_on: str | None = None
    institution_name: str | None = None
    institution_level: Code | None = None
    area: Code | None = None
    terminal_id: str | None = None
    operator_id: str | None = None
    pooled_paid: Decimal | None = None
    account_paid: Decimal | None = None
    cash_paid: Decimal | None = None
    in_scope: Decimal | None = None
    refunded: Code | None = None
    disease_code: str | None = None
    diagnoses: list[Diagnosis] | None = None
    collector_id: str | None = None
    collector_relation: Code | None = None
    long_prescription: Code | None = None
    lines: list[Line] | None = None


_decode = msgspec.json.Decoder(Settlement).decode
_PATH = re.compile(r" - at `\$\.?(?P<path>[^`]*)`$")
_MISSING = re.compile(r"missing required field `(?P<name>[^`]+)`")
_MONEY_LIMIT: Final = Decimal(10) ** 14  # num(16,2)
_QUANTITY_LIMIT: Final = Decimal(10) ** 12  # num(16,4)
_DAYS_LIMIT: Final = Decimal(10_000)
_ZERO: Final = Decimal(0)


def code(value: Code | None) -> str:
    """A coded value as text; absent is the empty string."""
    return "" if value is None else str(value)


def decode_settlement(value: bytes | None) -> Settlement:
    """Decode one value of ``settlements``.

    Unknown fields are passed over, unknown codes accepted, numbers may be strings, an empty string in an optional
    field is the same as the field left out. Raises :class:`Refused`, naming the field, for what breaks the contract.
    """
    if not value:
        raise Refused("", "expected one JSON object, got an empty value")
    if len(value) > MAX_BYTES:
        raise Refused("", f"expected at most {MAX_BYTES} bytes, got {len(value)}")
    try:
        settlement = _decode(value)
    except msgspec.ValidationError as error:
        settlement = _decode_without_blanks(value, error)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, ValueError) as error:
        raise Refused("", f"expected one JSON object in UTF-8, {_lower(error)}") from None
    try:
        if _plainly_right(settlement):
            return settlement
    except InvalidOperation:  # comparing NaN
        pass
    _check(settlement)
    return settlement


def _decode_without_blanks(value: bytes, first: msgspec.ValidationError) -> Settlement:
    try:
        document = orjson.loads(value)
    except (ValueError, RecursionError):
        raise _refusal(first) from None
    if not isinstance(document, dict) or not _drop_blanks(document):
        raise _refusal(first)
    try:
        return msgspec.convert(document, Settlement, strict=True)
    except (msgspec.ValidationError, ValueError) as error:
        raise _refusal(error) from None


def _drop_blanks(node: dict[str, Any]) -> bool:
    """Remove empty strings from an object and the objects in its lists; True if there were any."""
    blank = [name for name, value in node.items() if value == ""]
    for name in blank:
        del node[name]
    inside = [
        _drop_blanks(item)
        for value in node.values()
        if isinstance(value, list)
        for item in value
        if isinstance(item, dict)
    ]
    return bool(blank) or any(inside)


def _refusal(error: Exception) -> Refused:
    text = str(error)
    path = _PATH.search(text)
    field = path["path"] if path else ""
    reason = text[: path.start()] if path else text
    if missing := _MISSING.search(reason):
        field = f"{field}.{missing['name']}" if field else missing["name"]
        reason = "required field is missing"
    return Refused(field, reason[:1].lower() + reason[1:])


def _lower(error: Exception) -> str:
    text = str(error) or type(error).__name__
    return text[:1].lower() + text[1:]


def _plainly_right(s: Settlement) -> bool:
    """The checks of :func:`_check` for the ordinary settlement, without the words: it is asked for every event."""
    at, sent = s.settled_at, s.message_at
    if s.kind != "SETTLE" or s.schema != SCHEMA_VERSION or at.tzinfo is not None or not EARLIEST <= at < LATEST:
        return False
    if sent is not None and (sent.tzinfo is not None or sent < at):
        return False
    if not (_ZERO <= s.fee < _MONEY_LIMIT and _ZERO <= s.fund_paid < _MONEY_LIMIT):
        return False
    for amount in (s.pooled_paid, s.account_paid, s.cash_paid, s.in_scope):
        if amount is not None and not _ZERO <= amount < _MONEY_LIMIT:
            return False
    for line in s.lines or ():
        if line.quantity is not None and not _ZERO <= line.quantity < _QUANTITY_LIMIT:
            return False
        if line.supply_days is not None and not _ZERO <= line.supply_days < _DAYS_LIMIT:
            return False
        for amount in (line.amount, line.price, line.in_scope):
            if amount is not None and not _ZERO <= amount < _MONEY_LIMIT:
                return False
    return True


def _check(s: Settlement) -> None:
    naive = s.settled_at.replace(tzinfo=None)
    if not EARLIEST <= naive < LATEST:
        raise Refused("setl_time", f"expected a time from 2000 to 2099, got {s.settled_at}")
    if s.message_at is not None and (naive - s.message_at.replace(tzinfo=None)).days >= 1:
        raise Refused("setl_time", f"expected a time before the message was sent ({s.message_at}), got {s.settled_at}")
    if s.schema != SCHEMA_VERSION:
        raise Refused("schema", f"expected schema version {SCHEMA_VERSION} or none, got {s.schema}")
    reverses = s.kind == "REVERSE"
    if reverses and not s.original_id:
        raise Refused("orig_setl_id", "expected the settlement that is taken back, got none")
    negative_is_fine = reverses or code(s.refunded) == "1"
    _check_amount("medfee_sumamt", s.fee, _MONEY_LIMIT, negative_is_fine)
    _check_amount("fund_pay_sumamt", s.fund_paid, _MONEY_LIMIT, negative_is_fine)
    for name, amount in (
        ("hifp_pay", s.pooled_paid),
        ("acct_pay", s.account_paid),
        ("psn_cash_pay", s.cash_paid),
        ("inscp_scp_amt", s.in_scope),
    ):
        if amount is not None:
            _check_amount(name, amount, _MONEY_LIMIT, negative_is_fine)
    for index, line in enumerate(s.lines or ()):
        if line.quantity is not None:
            _check_amount(f"lines[{index}].cnt", line.quantity, _QUANTITY_LIMIT, negative_is_fine)
        if line.supply_days is not None:
            _check_amount(f"lines[{index}].prd_days", line.supply_days, _DAYS_LIMIT, negative_is_fine)
        if line.amount is not None:
            _check_amount(f"lines[{index}].det_item_fee_sumamt", line.amount, _MONEY_LIMIT, negative_is_fine)
        if line.price is not None:
            _check_amount(f"lines[{index}].pric", line.price, _MONEY_LIMIT, negative_is_fine)
        if line.in_scope is not None:
            _check_amount(f"lines[{index}].inscp_scp_amt", line.in_scope, _MONEY_LIMIT, negative_is_fine)


def _check_amount(field: str, amount: Decimal, limit: Decimal, negative_is_fine: bool) -> None:
    if not amount.is_finite() or not -limit < amount < limit:
        raise Refused(field, f"expected a number between -{limit} and {limit}, got {amount}")
    if amount < 0 and not negative_is_fine:
        raise Refused(field, f"expected no negative number on a settlement, got {amount}")
