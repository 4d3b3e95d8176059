"""Grafana's alert webhook (grafana.com/docs, "Configure the webhook notifier"): checked, and turned into operational alerts."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterator
from datetime import datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

import orjson

from schemas.alert import alert_id
from streams.errors import StreamsError
from streams.notifier.notice import Notice
from streams.notifier.records import encode

SIGNATURE: Final = "x-grafana-alerting-signature"
STAMP: Final = "x-grafana-alerting-timestamp"
_TOLERANCE_SECONDS: Final = 300.0
_LIGHTS: Final = {"critical": "red", "warning": "yellow", "info": "green"}
_MOST_ALERTS: Final = 500
_LONGEST_TEXT: Final = 1_000


class BadHookError(StreamsError):
    """What came is not what our Grafana sends; ``status`` says it in HTTP."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


def check(secret: str, body: bytes, signature: str, stamp: str, now: float) -> None:
    """Raise BadHookError unless the body was signed with the secret within five minutes of ``now`` (seconds since 1970)."""
    if not secret:
        raise BadHookError(403, "expected FUNDWATCH_GRAFANA_WEBHOOK_SECRET to be set, it is not")
    expected = hmac.new(secret.encode(), f"{stamp}:".encode() + body, hashlib.sha256).hexdigest()
    if not stamp.isascii() or not hmac.compare_digest(expected.encode(), signature.strip().lower().encode()):
        raise BadHookError(401, f"expected a signature in {SIGNATURE}, got another or none")
    if not stamp.isdigit() or abs(now - int(stamp[:12])) > _TOLERANCE_SECONDS:
        raise BadHookError(401, f"expected {STAMP} within five minutes of now")


def alerts(body: bytes, now: float, zone: ZoneInfo) -> Iterator[bytes]:
    """The alerts of a message as JSON in the contract's form, family ``operations``; a resolved one is a withdrawal.

    The id stays from firing to resolved and is another one when it fires again. Raises BadHookError for another form.
    """
    try:
        told = orjson.loads(body)
        found = told["alerts"]
        if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
            raise TypeError
    except (ValueError, TypeError, KeyError):
        raise BadHookError(400, "expected Grafana's JSON with a list alerts, got something else") from None
    for one in found[:_MOST_ALERTS]:
        yield encode(_notice(one, now, zone))


def _notice(one: dict[str, Any], now: float, zone: ZoneInfo) -> Notice:
    labels, annotations = _texts(one.get("labels")), _texts(one.get("annotations"))
    name = labels.get("alertname", "grafana")
    fingerprint = str(one.get("fingerprint") or name)[:64]
    started = str(one.get("startsAt") or "")
    resolved = one.get("status") == "resolved"
    return Notice(
        alert_id=alert_id("operations.grafana", 1, "service", fingerprint, started),
        revision=2 if resolved else 1,
        family="operations",
        detector="operations.grafana",
        subject_type="service",
        subject_id=f"grafana:{fingerprint}",
        light=_LIGHTS.get(labels.get("severity", ""), "yellow"),
        raised_at=_local(started, now, zone),
        explanation=(annotations.get("summary") or annotations.get("description") or name)[:_LONGEST_TEXT],
        rule_id=name[:200],
        withdrawn=resolved,
    )


def _local(text: str, now: float, zone: ZoneInfo) -> str:
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        at = datetime.fromtimestamp(now, zone)
    return at.astimezone(zone).strftime("%Y-%m-%d %H:%M:%S")


def _texts(value: object) -> dict[str, str]:
    return {str(key): str(text) for key, text in value.items()} if isinstance(value, dict) else {}
