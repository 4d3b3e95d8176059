"""A value that could not be judged: its original bytes, where they came from and why, so that it can be mended."""

from __future__ import annotations

from typing import Final

import msgspec

SCHEMA_VERSION: Final = 1


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


encode_dead_letter = msgspec.json.Encoder().encode
decode_dead_letter = msgspec.json.Decoder(DeadLetter).decode
