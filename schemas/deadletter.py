"""A value that could not be judged: its original bytes, where they came from and why, so that it can be mended."""

from __future__ import annotations

from typing import Any, Final

import msgspec

SCHEMA_VERSION: Final = 1
MOST_KEPT: Final = 4 * 1024 * 1024
"""Bytes of a value: compressed a larger one fitted into its topic, as a dead letter it would fit into none."""


class DeadLetter(msgspec.Struct, kw_only=True, frozen=True):
    """``value`` and ``key`` are the original bytes (base64 on the wire), ``field`` the wire path of what is wrong."""

    topic: str
    partition: int
    offset: int
    field: str
    reason: str
    key: bytes | None
    value: bytes | None
    schema: int = SCHEMA_VERSION


def buried(record: Any, reason: str, field: str = "") -> DeadLetter:
    """The dead letter of a consumed record (``topic``, ``partition``, ``offset``, ``key``, ``value``), its value cut if it is too long."""
    value = record.value
    if value is not None and len(value) > MOST_KEPT:
        value, reason = value[:MOST_KEPT], f"{reason} (the first {MOST_KEPT} bytes are kept)"
    return DeadLetter(
        topic=record.topic, partition=record.partition, offset=record.offset, field=field, reason=reason, key=record.key, value=value
    )  # fmt: skip


encode_dead_letter = msgspec.json.Encoder().encode
decode_dead_letter = msgspec.json.Decoder(DeadLetter).decode
