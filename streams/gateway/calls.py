"""What the gateway is asked, free of the national form; and what is wrong with a request, by its field and its ``infcode``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from types import MappingProxyType
from typing import Final

from schemas.settlement import Settlement
from streams.errors import StreamsError

SUCCESS: Final = 0
INTERNAL: Final = -1
MALFORMED: Final = -101
MISSING: Final = -102
WRONG_VALUE: Final = -103
UNKNOWN_FINDING: Final = -104
MSGID_REUSED: Final = -105
UNAUTHENTICATED: Final = -201
FORBIDDEN: Final = -202
TOO_LARGE: Final = -203
TOO_MANY_REQUESTS: Final = -204
UNSUPPORTED_MEDIA_TYPE: Final = -205

INFCODES: Final[Mapping[int, str]] = MappingProxyType({
    SUCCESS: "answered; `output.undecided` true: there was no answer in time",
    INTERNAL: "a fault of ours; send again with the same `msgid`",
    MALFORMED: "the body is not JSON or XML, or not an object",
    MISSING: "a required field is missing or blank",
    WRONG_VALUE: "a field has a value it cannot have",
    UNKNOWN_FINDING: "`warn_rslt_id` is no `jr_id` we gave to this institution",
    MSGID_REUSED: "the same `msgid` came before with another content",
    UNAUTHENTICATED: "no token, or none we know",
    FORBIDDEN: "the token may not do this, or belongs to another institution",
    TOO_LARGE: "the request is too large",
    TOO_MANY_REQUESTS: "too many requests; wait as `Retry-After` says",
    UNSUPPORTED_MEDIA_TYPE: "neither JSON nor XML",
})  # fmt: skip
"""``infcode`` of every answer. The national table names 0 and negative numbers only; these are ours."""


class BadMessage(StreamsError):  # noqa: N818  the outcome a sender sees, not a fault of ours
    """A request that breaks the interface: ``field`` is the path of what is wrong, ``reason`` what was expected, ``infcode`` negative."""

    def __init__(self, field: str, reason: str, infcode: int = WRONG_VALUE) -> None:
        super().__init__(f"{field}: {reason}" if field else reason)
        self.field = field
        self.reason = reason
        self.infcode = infcode


@dataclass(frozen=True)
class PersonCall:
    """One insured person of a request: ``bill`` is what would be settled (None: nothing to bill yet), ``orders`` yuan by ``rx_id``."""

    person_id: str
    mdtrt_id: str
    bill: Settlement | None
    orders: Mapping[str, Decimal]


@dataclass(frozen=True)
class AuditCall:
    """A 3101 or 3102. ``at`` is the sender's time, ``request_text`` the request as JSON without names and ID numbers."""

    infno: str
    msgid: str
    institution_id: str
    area: str
    task_id: str
    scene: str
    rule_ids: tuple[str, ...]
    at: str
    department_id: str
    doctor_id: str
    persons: Sequence[PersonCall]
    request_text: str


@dataclass(frozen=True)
class FeedbackCall:
    """A 3103: what was done about findings, each as (``warn_rslt_id``, ``dspo_way``, reason)."""

    msgid: str
    institution_id: str
    area: str
    at: str
    warn_type: str
    warns: Sequence[tuple[str, str, str]]
    request_text: str
