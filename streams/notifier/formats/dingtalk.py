"""DingTalk's group robots (open.dingtalk.com, "自定义机器人发送群消息" and "自定义机器人安全设置"): Markdown, signed in the address."""

from __future__ import annotations

import base64
import hashlib
import hmac
from typing import Final

import httpx
import orjson

from streams.notifier.formats.message import Message, Request, robot_refusal
from streams.notifier.receivers import Receiver

LIMIT: Final = 20_000
"""Bytes of the whole message."""
_ENVELOPE: Final = 600


def render(receiver: Receiver, message: Message, now: float) -> Request:
    """Signed: HMAC-SHA256 with the secret over milliseconds, a line feed and the secret, base64, in the query."""
    card = message.card
    body = orjson.dumps(
        {"msgtype": "markdown", "markdown": {"title": card.title, "text": card.markdown((LIMIT - _ENVELOPE) * 9 // 10)}}
    )
    url, secret = httpx.URL(receiver.url), receiver.secret.get_secret_value()
    if secret:
        stamp = str(int(now * 1000))
        digest = hmac.digest(secret.encode(), f"{stamp}\n{secret}".encode(), hashlib.sha256)
        url = url.copy_merge_params({"timestamp": stamp, "sign": base64.b64encode(digest).decode()})
    return Request(str(url), {"content-type": "application/json; charset=utf-8"}, body)


def refusal(body: bytes) -> str:
    """``errcode`` is 0 for what was taken."""
    return robot_refusal(body, "errcode", "errmsg")
