"""Standard Webhooks (the specification of that name, version 1): the alert itself, signed, for programs."""

from __future__ import annotations

from datetime import UTC, datetime

from standardwebhooks import Webhook

from streams.notifier.formats.message import Message, Request
from streams.notifier.receivers import Receiver


def render(receiver: Receiver, message: Message, now: float) -> Request:
    """``webhook-id`` is the alert's; the library takes a moment's clock for UTC whatever its zone, so it gets UTC."""
    at = datetime.fromtimestamp(int(now), UTC)
    signature = Webhook(receiver.secret.get_secret_value()).sign(message.id, at, message.body.decode())
    headers = {
        "content-type": "application/json",
        "webhook-id": message.id,
        "webhook-timestamp": str(int(now)),
        "webhook-signature": signature,
    }
    return Request(receiver.url, headers, message.body)


def refusal(body: bytes) -> str:
    """The status alone decides."""
    return ""
