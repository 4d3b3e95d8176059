"""What the notifier reads of an alert: the fields it decides by, whatever else later versions of an alert carry."""

from __future__ import annotations

from decimal import Decimal
from typing import Final

import msgspec

_ORDER: Final = {"green": 0, "yellow": 1, "red": 2}


class Notice(msgspec.Struct, kw_only=True, frozen=True):
    """An alert as in the contract, or an operational one of the same form. ``amount`` in yuan."""

    alert_id: str
    revision: int
    family: str
    detector: str = ""
    subject_type: str
    subject_id: str
    light: str
    raised_at: str
    event_ids: list[str] = []
    persons: list[str] = []
    institutions: list[str] = []
    explanation: str
    rule_id: str
    shadow: bool = False
    amount: Decimal = Decimal(0)
    withdrawn: bool = False

    @property
    def people(self) -> list[str]:
        """Everyone whose identifier must not be shown."""
        subject = [self.subject_id] if self.subject_type in ("person", "agent") else []
        return [one for one in {*self.persons, *subject} if one]


class Told(msgspec.Struct, frozen=True):
    """What a receiver last heard of an alert. ``amount`` in yuan, ``evidence`` settlements."""

    revision: int
    light: str
    evidence: int
    amount: Decimal
    withdrawn: bool = False


read_notice = msgspec.json.Decoder(Notice).decode
"""Raises msgspec's DecodeError."""


def told(notice: Notice) -> Told:
    """What a receiver knows who was sent this."""
    return Told(notice.revision, notice.light, len(notice.event_ids), notice.amount, notice.withdrawn)


def severity(light: str) -> int:
    """How bad a light is; what is not known counts as green."""
    return _ORDER.get(light, 0)
