"""Who hears of an alert, and whether a further revision is worth another message."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Final

from streams.notifier.notice import Notice, Told, severity
from streams.notifier.receivers import Receiver

_FIRST_LEVEL: Final = 1
MOST_EVIDENCE: Final = 200
"""An alert names so many settlements at most (contract 4); from there on only its money shows that it grows."""


def matches(receiver: Receiver, notice: Notice, areas: Mapping[str, str]) -> bool:
    """Whether a receiver is to hear of alerts like this at all; ``areas`` has the area code of each institution.

    An area of the receiver covers every code that begins with it. Shadow alerts are nobody's; a higher level hears what is escalated.
    """
    if notice.shadow or receiver.level != _FIRST_LEVEL or notice.light not in receiver.lights:
        return False
    if receiver.families and notice.family not in receiver.families:
        return False
    if receiver.institutions and not set(receiver.institutions) & set(notice.institutions):
        return False
    here = [areas.get(institution, "") for institution in notice.institutions]
    return not receiver.areas or any(code.startswith(area) for code in here for area in receiver.areas)


def is_news(notice: Notice, before: Told | None, growth: float) -> bool:
    """Whether somebody who was told ``before`` wants to hear this: first news, a worse light, grown evidence, the end of it."""
    if before is None:
        return not notice.withdrawn
    if notice.revision <= before.revision:
        return False
    if notice.withdrawn or before.withdrawn:
        return notice.withdrawn != before.withdrawn
    if severity(notice.light) > severity(before.light):
        return True
    evidence = len(notice.event_ids)
    if evidence >= growth * before.evidence and evidence > before.evidence:
        return True
    return evidence >= MOST_EVIDENCE and notice.amount >= Decimal(str(growth)) * before.amount > 0
