"""What stands in the topic ``deliveries``: the last word on every alert and receiver, and orders to the notifier."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, NamedTuple

import msgspec

from streams.notifier.notice import Told

State = Literal["pending", "summarised", "delivered", "given_up", "dropped"]
"""Pending and summarised ones (part of a pending summary) are still to be sent; given up ones may be sent again by command; dropped
ones were withdrawn before anybody could have heard of them."""
Outcome = Literal["delivered", "failed", "given_up"]


class Key(NamedTuple):
    """An alert (or summary) and a receiver."""

    alert_id: str
    receiver: str

    def encode(self) -> bytes:
        """The key of its record."""
        return f"{self.alert_id}|{self.receiver}".encode()


class Attempt(msgspec.Struct, frozen=True, omit_defaults=True):
    """One attempt, the ``number``-th (from 1) of that revision; status 0: no answer. ``at_ms`` since 1970."""

    number: int
    revision: int
    outcome: Outcome
    at_ms: int
    took_ms: float
    status: int = 0
    error: str = ""
    queued_ms: int = 0
    light: str = ""
    summary: str = ""


class Delivery(msgspec.Struct, tag="delivery", kw_only=True, omit_defaults=True):
    """How an alert stands with a receiver. ``alert`` is its JSON for as long as it may have to be sent; ``queued_ms`` since 1970."""

    alert_id: str
    receiver: str
    subject_id: str
    revision: int
    state: State
    family: str = ""
    rule_id: str = ""
    light: str = ""
    place: str = ""
    alert: str = ""
    queued_ms: int
    order: int = 0
    """Among what was queued at one moment: the offset of the alert."""
    attempts: int = 0
    failures: int = 0
    """In a row, since it was queued."""
    tried: bool = False
    """Whether the receiver may have got it, though we were not told so."""
    last: Attempt | None = None
    told: Told | None = None
    summary: str = ""
    """Id of the summary it is, or was last, part of."""
    members: list[str] = []
    """Of a summary: the alerts."""
    storm: bool = False

    @property
    def key(self) -> Key:
        """Whose word this is."""
        return Key(self.alert_id, self.receiver)


class Resend(msgspec.Struct, tag="resend", frozen=True):
    """An order: send again what was given up, for one receiver or (empty) for all."""

    receiver: str = ""


class Posted(msgspec.Struct, tag="posted", frozen=True):
    """An alert that did not come over ``alerts``: the JSON of an operational one, received at ``at_ms`` since 1970."""

    alert: str
    at_ms: int


Record = Delivery | Resend | Posted

encode = msgspec.json.Encoder(decimal_format="string").encode
decode: Callable[[bytes], Record] = msgspec.json.Decoder(Record).decode
"""Raises msgspec's DecodeError."""
