"""The national answer to a call: findings as ``result[]``, no answer in time as ``undecided``, what is wrong as a negative ``infcode``."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from detectors.audit import joined
from schemas.alert import LIGHT_ORDER
from schemas.audit import Finding
from streams.gateway.calls import SUCCESS, AuditCall, PersonCall

AMOUNT_CALCULATED: Final = "1"
BEHAVIOUR: Final = "1"
CONCERNED: Final = "1"
"""``vola_amt_stas``, ``vola_bhvr_type`` and ``vola_item_type`` of all findings: no value list of the first two was ever published."""

LONGEST_ERROR: Final = 200
_CENT: Final = Decimal("0.01")


def judged(call: AuditCall, findings: Mapping[str, Sequence[Finding]]) -> list[tuple[str, str, Finding]]:
    """Every finding with its person and its ``jr_id``, the gravest first.

    Both hang on the message and the findings and on nothing else: parts of an answer come in any order, and another gateway that is sent
    the same message shall give the same ids.
    """
    found: list[tuple[str, str, Finding]] = []
    for person in call.persons:
        detail: dict[str, int] = {}
        # sorted first: which of two is kept, and so its id, must not hang on whose part came first
        for finding in joined(sorted(findings.get(person.person_id, ()), key=_gravest), person.orders):
            index = detail[finding.rule_id] = detail.get(finding.rule_id, -1) + 1
            told = "\n".join((call.institution_id, call.msgid, person.person_id, finding.rule_id, str(index)))
            found.append((person.person_id, hashlib.sha256(told.encode()).hexdigest()[:32], finding))
    return found


def _gravest(finding: Finding) -> tuple[object, ...]:
    return -LIGHT_ORDER[finding.light], -finding.score, finding.rule_id, finding.explanation, finding.order_ids


def answer(
    call: AuditCall, findings: Mapping[str, Sequence[Finding]] | None, *, received: datetime, refmsgid: str,
    responded: datetime | None = None, reminders: Mapping[str, Mapping[str, Any]] | None = None,
) -> dict[str, Any]:  # fmt: skip
    """The answer to an audit. ``findings`` by person (None: undecided); those explained by an exception (green) are not shown.

    ``reminders`` is, by person, the patient view as the caller may see it (:func:`streams.gateway.reminder.plain`); it is shown for those
    who have no bill yet. ``received`` is local and aware.
    """
    output: dict[str, Any] = {"result": []}
    if findings is None:
        output["undecided"] = True
    else:
        persons = {person.person_id: person for person in call.persons}
        output["result"] = [
            _result(call, persons[person_id], jr_id, finding)
            for person_id, jr_id, finding in judged(call, findings)
            if finding.light != "green"
        ]
    if reminders:
        output["reminders"] = [
            _reminder(person.person_id, reminders[person.person_id])
            for person in call.persons
            if person.bill is None and person.person_id in reminders
        ]
    return _reply(SUCCESS, "", output, received, responded, refmsgid)


def done(*, received: datetime, refmsgid: str, responded: datetime | None = None) -> dict[str, Any]:
    """The answer to a 3103 that was taken."""
    return _reply(SUCCESS, "", {}, received, responded, refmsgid)


def failure(
    infcode: int, field: str, reason: str, *, received: datetime, refmsgid: str, responded: datetime | None = None
) -> dict[str, Any]:
    """The answer to what cannot be answered: ``infcode`` negative, the field first in ``err_msg``."""
    told = f"{field}: {reason}" if field else reason
    return _reply(infcode, told[:LONGEST_ERROR], {}, received, responded, refmsgid)


def reference(area: str, at: datetime, sequence: int) -> str:
    """``inf_refmsgid``: area (6), local time (14), sequence (10)."""
    digits = "".join(one for one in area if one.isascii() and one.isdigit())
    return f"{digits[:6]:0<6}{at:%Y%m%d%H%M%S}{sequence % 10**10:010d}"


def _reminder(person_id: str, view: Mapping[str, Any]) -> dict[str, Any]:
    # whoever asks knows the number: under patn_id it is the sender's own, not the masked one of the view
    return {"patn_id": person_id, **{name: value for name, value in view.items() if name != "psn_no"}}


def _result(call: AuditCall, person: PersonCall, jr_id: str, finding: Finding) -> dict[str, Any]:
    details = [
        _detail(person, f"{jr_id}-{index}", order_id, person.orders.get(order_id, Decimal(0)))
        for index, order_id in enumerate(finding.order_ids)
    ] or [_detail(person, f"{jr_id}-0", "", finding.amount)]
    evidence = "；".join(
        filter(None, (finding.evidence.rstrip("。；"), f"依据：{finding.basis}" if finding.basis else ""))
    )
    told = {
        "jr_id": jr_id,
        "rule_id": finding.rule_id[:50],
        "rule_name": finding.title[:200],
        "vola_cont": finding.explanation[:500],
        "patn_id": person.person_id,
        "mdtrt_id": person.mdtrt_id,
        "judge_result_detail_dtos": details,
        "vola_amt": _yuan(finding.amount),
        "vola_amt_stas": AMOUNT_CALCULATED,
        "sev_deg": finding.severity[:3],
        "vola_evid": evidence[:500],
        "vola_bhvr_type": BEHAVIOUR,
    }
    if call.infno == "3101" and call.task_id:
        told["task_id"] = call.task_id
    return told


def _detail(person: PersonCall, jrd_id: str, order_id: str, amount: Decimal) -> dict[str, Any]:
    told = {"jrd_id": jrd_id, "patn_id": person.person_id, "mdtrt_id": person.mdtrt_id}
    if order_id:
        told["rx_id"] = order_id
    return {**told, "vola_item_type": CONCERNED, "vola_amt": _yuan(amount)}


def _yuan(amount: Decimal) -> float:
    # A JSON number either way: the shortest text of a float is the decimal it was made of, up to 15 digits.
    return float(amount.quantize(_CENT))


def _reply(
    infcode: int, error: str, output: dict[str, Any], received: datetime, responded: datetime | None, refmsgid: str
) -> dict[str, Any]:
    return {
        "infcode": infcode,
        "inf_refmsgid": refmsgid,
        "refmsg_time": _stamp(received),
        "respond_time": _stamp(responded or datetime.now(received.tzinfo)),
        "err_msg": error,
        "output": output,
    }


def _stamp(at: datetime) -> str:
    return f"{at:%Y%m%d%H%M%S}{at.microsecond // 1000:03d}"
