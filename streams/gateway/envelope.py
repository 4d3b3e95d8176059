"""The national envelope read: a request as the call it makes, or what is wrong with it, by its field."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Final, TypeVar

import msgspec
from pydantic import ValidationError

from schemas.errors import Refused
from schemas.settlement import MAX_BYTES, Settlement, decode_settlement
from streams.gateway.answers import answer, done, failure, judged, reference
from streams.gateway.calls import (
    INFCODES,
    MALFORMED,
    MISSING,
    TOO_LARGE,
    AuditCall,
    BadMessage,
    FeedbackCall,
    PersonCall,
)
from streams.gateway.dtos import MOST_ORDERS, AuditRequest, Encounter, Envelope, FeedbackRequest, Order, PatientDto
from streams.gateway.replies import Reply

__all__ = [
    "INFCODES", "AuditCall", "AuditRequest", "BadMessage", "FeedbackCall", "FeedbackRequest", "PersonCall", "Reply", "answer", "done",
    "failure", "judged", "parse_audit", "parse_feedback", "reference",
]  # fmt: skip

AT_REGISTRATION: Final = frozenset({"1", "3"})
"""``trig_scen`` of a registration, outpatient or inpatient: there may be no visit to look at yet."""

_DEEPEST: Final = 12
_MOST_OBJECTS: Final = 5_000
"""Of a request: 500 orders, their visits and diagnoses stay far below; a body of nothing but empty objects is not worth checking."""
_ROOT: Final = "input.data.patient_dtos"
_MISSING_TYPES: Final = frozenset({"missing", "string_too_short"})
_encode_bill: Final = msgspec.json.Encoder(decimal_format="string").encode
_ORDER_FIELDS: Final = {"feedetl_sn": "rx_id", "det_item_fee_sumamt": "sumamt"}
_VISIT_FIELDS: Final = {"fund_pay_sumamt": "hifp_payamt", "hifp_pay": "hifp_payamt", "acct_pay": "acct_payamt"}

R = TypeVar("R", bound=Envelope)


def parse_audit(infno: str, body: object) -> AuditCall:
    """The call in a decoded body of transaction ``infno``; raises :class:`BadMessage` for anything else."""
    document, request = _read(AuditRequest, infno, body)
    data = request.input.data
    scene = (data.trig_scen or "").lstrip("0")
    persons: list[PersonCall] = []
    department_id = doctor_id = ""
    seen: set[str] = set()
    orders_left = MOST_ORDERS
    for number, patient in enumerate(data.patient_dtos):
        path = f"{_ROOT}[{number}]"
        if patient.patn_id in seen:
            raise BadMessage(f"{path}.patn_id", "expected each person once in a request, got one twice")
        seen.add(patient.patn_id)
        visits = patient.fsi_encounter_dtos
        names = _names(document, number)
        if not visits and scene not in AT_REGISTRATION:
            raise BadMessage(f"{path}.{names[0]}", "required, except at a registration, and none came", MISSING)
        for index, visit in enumerate(visits):
            orders_left -= len(visit.fsi_order_dtos)
            if orders_left < 0:
                field = f"{path}.{names[0]}[{index}].{names[1]}"
                raise BadMessage(field, f"expected at most {MOST_ORDERS} orders in a request, got more")
        current = _current(patient)
        if current is None:
            persons.append(PersonCall(patient.patn_id, patient.curr_mdtrt_id or "", None, {}))
            continue
        visit = visits[current]
        path = f"{path}.{names[0]}[{current}]"
        if visit.medins_id != request.fixmedins_code:
            raise BadMessage(
                f"{path}.medins_id", "expected the fixmedins_code of the sender in the current visit, got another"
            )
        orders = _current_orders(visit, f"{path}.{names[1]}")
        bill = None
        if orders and scene != "1":
            bill = _bill(request, patient, visit, orders, number, path, names[1])
        amounts = {order.rx_id: order.sumamt for _, order in orders}
        persons.append(PersonCall(patient.patn_id, visit.mdtrt_id, bill, amounts))
        first = orders[0][1] if orders else None
        department_id = department_id or (first and first.drord_dept_codg) or visit.adm_dept_codg or ""
        doctor_id = doctor_id or (first and first.drord_dr_codg) or visit.dr_codg or ""
    return AuditCall(
        infno=infno, msgid=request.msgid, institution_id=request.fixmedins_code, area=_area(request), task_id=data.task_id or "",
        scene=scene, rule_ids=tuple(data.rule_ids), at=request.inf_time, department_id=department_id, doctor_id=doctor_id,
        persons=persons, request_text=_kept(request),
    )  # fmt: skip


def parse_feedback(body: object) -> FeedbackCall:
    """The call in a decoded body of 3103; raises :class:`BadMessage` for anything else."""
    _, request = _read(FeedbackRequest, "3103", body)
    data = request.input.data
    for index, warn in enumerate(data.warns):
        if warn.dspo_way == "1" and not warn.dspo_way_rea:
            field = f"input.data.warns[{index}].dspo_way_rea"
            raise BadMessage(field, "required where dspo_way is 1 (continued), and none came", MISSING)
    warns = [(warn.warn_rslt_id, warn.dspo_way, (warn.dspo_way_rea or "")[:500]) for warn in data.warns]
    return FeedbackCall(
        msgid=request.msgid, institution_id=request.fixmedins_code, area=_area(request), at=request.inf_time,
        warn_type=data.warn_type, warns=warns, request_text=_kept(request),
    )  # fmt: skip


def _read(kind: type[R], infno: str, body: object) -> tuple[dict[str, Any], R]:
    if not isinstance(body, dict):
        raise BadMessage("", f"expected one object, got {_described(body)}", MALFORMED)
    document: dict[str, Any] = _Blanks().without(body, 0) or {}
    try:
        came = document.get("infno")
        if came is not None and str(came).strip() != infno:
            raise BadMessage("infno", f"expected {infno} as in the path, got another")
        return document, kind.model_validate(document)
    except ValidationError as error:
        raise _refusal(error) from None
    except ValueError:  # an integer of more digits than Python writes out
        raise BadMessage("", "expected numbers of at most 4300 digits, got a longer one", MALFORMED) from None


class _Blanks:
    """Leaves out what is empty: an empty string, null and a missing field are the same to us."""

    def __init__(self) -> None:
        self._objects = 0

    def without(self, node: Any, depth: int) -> Any:
        """``node`` as it would be, had its blanks not been sent; None where nothing is left or it is deeper than any field."""
        kind = type(node)
        if kind is str:
            return node or None
        if kind is dict:
            self._objects += 1
            if self._objects > _MOST_OBJECTS:
                raise BadMessage("input", f"expected at most {_MOST_OBJECTS} objects in a request, got more", TOO_LARGE)
            if depth > _DEEPEST:
                return None
            kept = {}
            for name, value in node.items():
                if value is None or value == "":
                    continue
                if type(value) in _NESTED:
                    value = self.without(value, depth + 1)
                kept[name] = value
            return kept
        if kind is list:
            if depth > _DEEPEST:
                return None
            return [
                self.without(one, depth + 1) if type(one) in _NESTED else one
                for one in node
                if one is not None and one != ""
            ]
        return node


_NESTED: Final = frozenset({dict, list})


def _refusal(error: ValidationError) -> BadMessage:
    # Only the first: a sender mends one field at a time, and the answer holds 200 characters. Its input is asked for because what came
    # tells more than what is wanted; it is described by kind and length, never repeated.
    try:
        first = error.errors(include_url=False)[0]
    except UnicodeError:  # the report of a lone surrogate cannot be written
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
    field = ""
    for step in first["loc"]:
        field += f"[{step}]" if isinstance(step, int) else f".{step}" if field else step
    kind, limits, came = first["type"], first.get("ctx", {}), first.get("input")
    if kind in _MISSING_TYPES or (kind == "too_short" and not came):
        return BadMessage(field, "required, and none came", MISSING)
    expected = {
        "string_too_long": f"at most {limits.get('max_length')} characters",
        "too_long": f"at most {limits.get('max_length')}",
        "string_type": "text",
        "string_unicode": "text in UTF-8",
        "list_type": "a list, or one object",
        "literal_error": limits.get("expected", ""),
        "greater_than": f"more than {limits.get('gt')}",
        "less_than": f"less than {limits.get('lt')}",
        "value_error": str(limits.get("error", "")).removeprefix("expected "),
    }.get(kind)
    if expected is None:
        expected = (
            "an object" if kind.startswith("model") else "a number" if kind.startswith("decimal") else "another value"
        )
    return BadMessage(field, f"expected {expected}, got {_described(came)}")


def _described(value: object) -> str:
    if isinstance(value, str):
        return f"text of {len(value)} characters"
    if isinstance(value, bool) or value is None:
        return "null" if value is None else str(value).lower()
    if isinstance(value, list):
        return f"a list of {len(value)}"
    return "an object" if isinstance(value, dict) else "a number"


def _names(document: dict[str, Any], number: int) -> tuple[str, str]:
    """What this sender calls visits and orders."""
    patients = document["input"]["data"]["patient_dtos"]
    patient = patients[number] if isinstance(patients, list) else patients
    if "encounter_dtos" in patient and "fsi_encounter_dtos" not in patient:
        return "encounter_dtos", "order_dtos"
    return "fsi_encounter_dtos", "fsi_order_dtos"


def _current(patient: PatientDto) -> int | None:
    """The visit it is about: the one named, else the last."""
    visits = patient.fsi_encounter_dtos
    for index, visit in enumerate(visits):
        if visit.mdtrt_id == patient.curr_mdtrt_id:
            return index
    return len(visits) - 1 if visits else None


def _current_orders(visit: Encounter, path: str) -> list[tuple[int, Order]]:
    found: dict[str, tuple[int, Order]] = {}
    for index, order in enumerate(visit.fsi_order_dtos):
        if order.curr_drord_flag != "0" and found.setdefault(order.rx_id, (index, order))[0] != index:
            raise BadMessage(f"{path}[{index}].rx_id", "expected each order of a visit once, got one twice")
    return list(found.values())


def _bill(
    request: AuditRequest, patient: PatientDto, visit: Encounter, orders: list[tuple[int, Order]], number: int, path: str,
    orders_name: str,
) -> Settlement:  # fmt: skip
    """What would be settled, read the way a settlement is."""
    event_id = f"audit:{request.msgid}:{number}"
    bill = {
        "event_id": event_id, "event_type": "SETTLE", "setl_id": event_id, "mdtrt_id": visit.mdtrt_id, "psn_no": patient.patn_id,
        "infno": request.infno, "inf_time": request.inf_time, "setl_time": request.inf_time, "gend": patient.gend,
        "brdy": _day(patient.brdy), "insutype": visit.insutype, "insuplc_admdvs": request.insuplc_admdvs, "med_type": visit.med_type,
        "begndate": _day(visit.adm_date) if _inpatient(visit) else None, "fixmedins_code": request.fixmedins_code,
        "hosp_lv": visit.medins_lv, "mdtrtarea_admvs": request.mdtrtarea_admvs or visit.medins_admdvs, "dev_no": request.dev_no,
        "opter_id": request.opter, "fund_pay_sumamt": visit.hifp_payamt or Decimal(0), "hifp_pay": visit.hifp_payamt,
        "acct_pay": visit.acct_payamt,
        "medfee_sumamt": sum(order.sumamt for _, order in orders) if visit.medfee_sumamt is None else visit.medfee_sumamt,
        "diagnoses": _diagnoses(visit),
        "agnter_certno": visit.agnter_certno or patient.agnter_certno, "agnter_rlts": visit.agnter_rlts or patient.agnter_rlts,
        "long_rx_flag": visit.long_rx_flag or patient.long_rx_flag,
        "lines": [
            {
                "feedetl_sn": order.rx_id, "med_list_codg": order.hilist_code, "hilist_name": order.hilist_name,
                "list_type": order.hilist_type, "med_chrgitm_type": order.chrg_type, "cnt": order.cnt, "pric": order.pric,
                "det_item_fee_sumamt": order.sumamt, "prd_days": order.prd_days, "bilg_dr_codg": order.drord_dr_codg,
                "bilg_dept_codg": order.drord_dept_codg, "rxno": order.rxno, "drug_trac_codg": order.drug_trac_codg or None,
            }
            for _, order in orders
        ],
    }  # fmt: skip
    encoded = _encode_bill(bill)
    if len(encoded) > MAX_BYTES:
        raise BadMessage(path, f"expected a visit of at most {MAX_BYTES} bytes, got {len(encoded)}", TOO_LARGE)
    try:
        return decode_settlement(encoded)
    except Refused as refused:
        raise BadMessage(_sender_path(refused.field, orders, path, orders_name), refused.reason) from None


def _sender_path(field: str, orders: list[tuple[int, Order]], path: str, orders_name: str) -> str:
    """Where in the request stands what is wrong at ``field`` of the settlement made of it."""
    head, dot, name = field.partition(".")
    if dot and head.startswith("lines["):
        index = orders[int(head[len("lines[") : -1])][0]
        return f"{path}.{orders_name}[{index}].{_ORDER_FIELDS.get(name, name)}"
    return f"{path}.{_VISIT_FIELDS.get(field, field)}"


def _diagnoses(visit: Encounter) -> list[dict[str, Any]] | None:
    told = [
        {"diag_code": one.dise_codg, "diag_name": one.dise_name, "maindiag_flag": one.maindise_flag}
        for one in visit.fsi_diagnose_dtos
    ]
    if not told and visit.dscg_main_dise_codg:
        told = [{"diag_code": visit.dscg_main_dise_codg, "diag_name": visit.dscg_main_dise_name, "maindiag_flag": "1"}]
    return told or None


def _inpatient(visit: Encounter) -> bool:
    return visit.med_mdtrt_type == "2" or visit.med_type.startswith("2") or visit.med_type == "52"


def _day(text: str | None) -> str | None:
    """``yyyy-MM-dd`` of a date, also of one written without dashes."""
    if text and len(text) >= 8 and text[:8].isdigit():
        return f"{text[:4]}-{text[4:6]}-{text[6:8]}"
    return text[:10] if text else None


def _area(request: Envelope) -> str:
    return request.mdtrtarea_admvs or request.insuplc_admdvs or ""


def _kept(request: Envelope) -> str:
    return request.model_dump_json(exclude_unset=True, exclude_none=True)
