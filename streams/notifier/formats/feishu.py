"""Feishu's custom bots (open.feishu.cn, "自定义机器人使用指南"): a card of at most 20 KB, signed in the body."""

from __future__ import annotations

import base64
import hashlib
import hmac
from typing import Any, Final

import orjson

from streams.notifier.formats.message import Message, Request, robot_refusal
from streams.notifier.receivers import Receiver

LIMIT: Final = 20_000
"""Bytes of the whole request body."""
_ENVELOPE: Final = 1_500
_COLOURS: Final = {"red": "red", "yellow": "yellow", "green": "green"}


def render(receiver: Receiver, message: Message, now: float) -> Request:
    """Signed: HMAC-SHA256 of nothing, with seconds, a line feed and the secret as the key, base64."""
    card = message.card
    text = card.markdown((LIMIT - _ENVELOPE) * 9 // 10, link="").removeprefix(f"### {card.title}").strip()
    elements: list[dict[str, Any]] = [{"tag": "div", "text": {"tag": "lark_md", "content": text or card.title}}]
    if card.link:
        button = {
            "tag": "button", "type": "primary", "url": card.link, "text": {"tag": "plain_text", "content": "查看详情"},
        }  # fmt: skip
        elements.append({"tag": "action", "actions": [button]})
    header = {"template": _COLOURS.get(card.light, "blue"), "title": {"tag": "plain_text", "content": card.title}}
    told: dict[str, Any] = {
        "msg_type": "interactive",
        "card": {"config": {"wide_screen_mode": True}, "header": header, "elements": elements},
    }
    secret = receiver.secret.get_secret_value()
    if secret:
        stamp = str(int(now))
        digest = hmac.digest(f"{stamp}\n{secret}".encode(), b"", hashlib.sha256)
        told |= {"timestamp": stamp, "sign": base64.b64encode(digest).decode()}
    return Request(receiver.url, {"content-type": "application/json; charset=utf-8"}, orjson.dumps(told))


def refusal(body: bytes) -> str:
    """``code`` is 0 for what was taken."""
    return robot_refusal(body, "code", "msg")
