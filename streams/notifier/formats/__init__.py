"""The forms a message takes: what is sent to which address, and whether the answer says that it was taken."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

from streams.notifier.formats import dingtalk, feishu, standard, wecom
from streams.notifier.formats.message import Message, Request
from streams.notifier.receivers import Receiver


class Form(NamedTuple):
    """``render`` makes the request for a message at a moment (seconds since 1970); ``refusal`` says why an answer of status 2xx is none."""

    render: Callable[[Receiver, Message, float], Request]
    refusal: Callable[[bytes], str]


HTTP_FORMS: Final[Mapping[str, Form]] = {
    "standard": Form(standard.render, standard.refusal),
    "dingtalk": Form(dingtalk.render, dingtalk.refusal),
    "wecom": Form(wecom.render, wecom.refusal),
    "feishu": Form(feishu.render, feishu.refusal),
}
"""Every format but mail, which is no HTTP."""

__all__ = ["HTTP_FORMS", "Form", "Message", "Request"]
