"""A finding about a person, place, collector or trace code, and the digest that shows two runs judged alike."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from decimal import Decimal
from typing import Any, Final, Literal

import msgspec
import orjson

SCHEMA_VERSION: Final = 1
MAX_EVIDENCE: Final = 200

Light = Literal["red", "yellow", "green"]
SubjectType = Literal["person", "terminal", "institution", "agent", "drug_code"]
LIGHT_ORDER: Final[dict[str, int]] = {"green": 0, "yellow": 1, "red": 2}


class Window(msgspec.Struct, frozen=True, rename={"start": "from", "end": "to"}):
    """The span of event time the finding rests on, both ends ``yyyy-MM-dd HH:mm:ss``."""

    start: str
    end: str


class Alert(msgspec.Struct, kw_only=True, frozen=True):
    """One revision of one alert; fields as in the contract.

    ``amount`` is fund money in yuan with two decimals. ``withdrawn`` marks the last revision of an alert whose
    condition no longer holds because a reversal arrived late: it is kept for the record and left out of lists and of
    the digest.
    """

    alert_id: str
    revision: int
    detector: str
    family: str
    subject_type: SubjectType
    subject_id: str
    light: Light
    score: float
    raised_at: str
    event_ids: list[str]
    persons: list[str]
    institutions: list[str]
    window: Window
    explanation: str
    features: dict[str, float | int | str]
    rule_id: str
    rule_version: int
    model_version: str | None = None
    shadow: bool = False
    amount: Decimal
    withdrawn: bool = False
    schema: int = SCHEMA_VERSION


def alert_id(detector: str, rule_version: int, subject_type: str, subject_id: str, episode: str) -> str:
    """The identity of an alert: 32 hex digits derived from what it is about, never from when it was noticed."""
    identity = "\x1f".join((detector, str(rule_version), subject_type, subject_id, episode))
    return hashlib.blake2b(identity.encode(), digest_size=16).hexdigest()


encode_alert = msgspec.json.Encoder(decimal_format="string").encode
decode_alert = msgspec.json.Decoder(Alert).decode

_DIGESTED: Final = (
    "alert_id", "detector", "subject_type", "subject_id", "light", "raised_at", "event_ids", "rule_id", "rule_version",
    "shadow", "amount",
)  # fmt: skip


def alerts_sha256(alerts: Iterable[Alert]) -> str:
    """The digest of a run: SHA-256 over the last revision of every alert not withdrawn, whatever their order."""
    last: dict[str, Alert] = {}
    for alert in alerts:
        known = last.get(alert.alert_id)
        if known is None or alert.revision >= known.revision:
            last[alert.alert_id] = alert
    rows = (_digest_row(last[key]) for key in sorted(last) if not last[key].withdrawn)
    return hashlib.sha256(b"\n".join(rows)).hexdigest()


def _digest_row(alert: Alert) -> bytes:
    row: dict[str, Any] = {name: getattr(alert, name) for name in _DIGESTED}
    row["amount"] = str(alert.amount)
    return orjson.dumps(row, option=orjson.OPT_SORT_KEYS)
