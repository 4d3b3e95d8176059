"""A message before it has a form, and the request it becomes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import orjson

from streams.notifier.card import Card


@dataclass(frozen=True)
class Message:
    """``id`` is the same whenever this is sent again; ``body`` is the JSON for programs, ``card`` the text for people."""

    id: str
    revision: int
    body: bytes
    card: Card


@dataclass(frozen=True)
class Request:
    """An HTTP POST."""

    url: str
    headers: Mapping[str, str]
    body: bytes


def robot_refusal(body: bytes, field: str, words: str) -> str:
    """Why a robot did not take a message it answered with 200; empty if it did. ``field`` holds 0 then, ``words`` the reason."""
    try:
        answer = orjson.loads(body)
        code, said = answer[field], answer.get(words)
    except (ValueError, TypeError, KeyError, AttributeError):
        return f"expected JSON with {field}, got something else"
    return "" if code == 0 else f"{field} {code}: {str(said)[:200]}"
