"""Mail (RFC 5321 and 5322) for people; its Message-ID is the same whenever it is sent again."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from email.message import EmailMessage
from email.utils import format_datetime

from streams.notifier.formats.message import Message
from streams.notifier.receivers import Receiver


def render(receiver: Receiver, message: Message, now: float) -> EmailMessage:
    """A plain-text mail, addresses as in the receivers file."""
    mail = EmailMessage()
    mail["From"] = receiver.sender
    mail["To"] = ", ".join(receiver.to)
    mail["Subject"] = message.card.title
    mail["Date"] = format_datetime(datetime.fromtimestamp(now, UTC))
    unique = hashlib.sha256(f"{message.id}|{message.revision}".encode()).hexdigest()[:32]
    mail["Message-ID"] = f"<{unique}@fundwatch.invalid>"
    mail["Auto-Submitted"] = "auto-generated"
    mail.set_content(message.card.text())
    return mail
