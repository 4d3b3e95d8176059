"""What an audit travels as: the gateway's question to the worker, the worker's answer, and what is kept of both.

Money is in yuan (decimal), spans in days, times are local ``yyyy-MM-dd HH:mm:ss`` unless said otherwise.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Final, Literal

import msgspec

from schemas.fact import Fact
from schemas.settlement import Settlement

SCHEMA_VERSION: Final = 1
PERSON_PART: Final = "person"
"""The part of an answer that comes from the worker that holds the person."""

QuestionKind = Literal["bill", "places", "patient"]


class Question(msgspec.Struct, kw_only=True, omit_defaults=True):
    """One value of ``audit.requests``, in the partition of the person (``bill``, ``patient``) or of the places (``places``).

    ``asks`` names the open request at its gateway instance, ``reply_to`` that instance's partition of ``audit.replies``, ``deadline_ms``
    the instant (milliseconds UTC) after which nobody waits any more. ``bill`` is what would be settled, as the settlement it would become:
    ``event_id`` made of the message, ``setl_time`` the sender's time, the ``line_id`` of a line the ``rx_id`` of its order.
    ``rule_ids`` limits the answer to these rules; empty: all. ``facts`` is what the person's worker asks the worker of other places.
    """

    schema: int = SCHEMA_VERSION
    kind: QuestionKind
    asks: str
    msgid: str
    reply_to: int
    deadline_ms: int
    person_id: str
    at: str
    bill: Settlement | None = None
    rule_ids: list[str] = []
    facts: list[Fact] = []


class Finding(msgspec.Struct, kw_only=True, omit_defaults=True):
    """What a rule would find, were the bill settled. ``light`` green: it matches, and an exception explains it.

    ``order_ids`` are the orders of the bill it is about (all where it is about the visit itself); ``amount`` their money; ``evidence`` the
    settlements before it that count, as a Chinese sentence without names.
    """

    rule_id: str
    rule_version: int
    title: str
    subject_type: str
    light: Literal["red", "yellow", "green"]
    severity: str
    """``sev_deg``, by the table of the rule file."""
    score: float
    explanation: str
    basis: str
    evidence: str
    order_ids: list[str] = []
    amount: Decimal = Decimal(0)
    features: dict[str, int | float | str] = {}
    person_id: str = ""
    """Whose bill it is about, since a message may hold several; the worker that was asked puts it there."""


class Seen(msgspec.Struct, kw_only=True):
    """A recent settlement of a patient. ``care``: outpatient, pharmacy or inpatient."""

    at: str
    institution_id: str
    care: Literal["outpatient", "pharmacy", "inpatient"]
    fund: Decimal
    generics: list[str]


class Medication(msgspec.Struct, kw_only=True):
    """What is in hand of one generic: ``remaining_days`` of supply (None: dose unknown), gone on the local day ``runs_out_on``."""

    generic: str
    name: str
    remaining_days: float | None
    runs_out_on: str | None
    last_collected_at: str
    collections: int
    institutions: int


class Series(msgspec.Struct, kw_only=True):
    """Treatments that come again at one institution: ``reason`` as in the table of exceptions."""

    institution_id: str
    reason: str
    since: str
    until: str
    visits: int


class OpenFinding(msgspec.Struct, kw_only=True):
    """A finding that stands."""

    rule_id: str
    title: str
    raised_at: str
    score: float
    muted: bool


class Patient(msgspec.Struct, kw_only=True):
    """What is known of a person before a visit (事前提醒), nothing masked: who may see what is the gateway's business."""

    person_id: str
    visits: list[Seen]
    medication: list[Medication]
    series: list[Series]
    findings: list[OpenFinding]
    counts: dict[str, int]
    """Visits in the last 1, 7, 30 and 90 days, by these names."""


def places_part(partition: int) -> str:
    """The part of an answer that comes from the worker that holds this partition of ``facts``."""
    return f"places:{partition}"


class Answer(msgspec.Struct, kw_only=True, omit_defaults=True):
    """One value of ``audit.replies``, in the asking gateway's partition.

    ``part`` is :data:`PERSON_PART` or a :func:`places_part`; the answer to a ``bill`` names in ``awaits`` the other parts that will come.
    """

    schema: int = SCHEMA_VERSION
    asks: str
    msgid: str
    part: str
    awaits: list[str] = []
    findings: list[Finding] = []
    patient: Patient | None = None


class Record(msgspec.Struct, kw_only=True, omit_defaults=True):
    """One value of ``audit.log``, keyed by ``msgid``: a request with its answer, as it is kept. No names, no ID numbers.

    ``asked_at`` is an instant in milliseconds UTC. ``request`` and ``answer`` are JSON texts; ``digest`` tells a message from another
    under the same ``msgid``. For 3103, ``feedback`` holds (warn_rslt_id, dspo_way, reason) of each warning.
    """

    schema: int = SCHEMA_VERSION
    audit_id: str
    msgid: str
    infno: str
    client: str
    face: Literal["json", "xml", "soap"] = "json"
    institution_id: str
    department_id: str = ""
    doctor_id: str = ""
    scene: str = ""
    person_ids: list[str] = []
    asked_at: int
    took_ms: float
    infcode: int
    undecided: bool = False
    findings: list[tuple[str, Finding]] = []
    """With their ``jr_id``; those shown and those explained."""
    feedback: list[tuple[str, str, str]] = []
    request: str
    answer: str
    digest: str


class Feedback(msgspec.Struct, kw_only=True, omit_defaults=True):
    """One value of ``feedback`` that comes from a hospital: what was done about a finding (3103)."""

    schema: int = SCHEMA_VERSION
    kind: Literal["audit"] = "audit"
    finding_id: str
    """``warn_rslt_id``, the ``jr_id`` of the answer."""
    person_id: str
    rule_id: str
    institution_id: str
    doctor_id: str
    continued: bool
    reason: str = ""
    at: str


_encode: Final = msgspec.json.Encoder(decimal_format="string").encode


def encode(value: Question | Answer | Record | Feedback) -> bytes:
    """The bytes of a message."""
    return _encode(value)


decode_question: Final = msgspec.json.Decoder(Question, strict=True).decode
decode_answer: Final = msgspec.json.Decoder(Answer, strict=True).decode
decode_record: Final = msgspec.json.Decoder(Record, strict=True).decode
