"""WeCom's group robots (developer.work.weixin.qq.com, "群机器人配置说明"): Markdown of at most 4096 bytes, no signature."""

from __future__ import annotations

from typing import Final

import orjson

from streams.notifier.formats.message import Message, Request, robot_refusal
from streams.notifier.receivers import Receiver

LIMIT: Final = 4096
"""Bytes of the content, not characters."""


def render(receiver: Receiver, message: Message, now: float) -> Request:
    """The key in the receiver's address is all the proof there is."""
    body = orjson.dumps({"msgtype": "markdown", "markdown": {"content": message.card.markdown(LIMIT)}})
    return Request(receiver.url, {"content-type": "application/json; charset=utf-8"}, body)


def refusal(body: bytes) -> str:
    """``errcode`` is 0 for what was taken."""
    return robot_refusal(body, "errcode", "errmsg")
