"""Ledgers as bytes and back: a version byte, then msgpack."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, Generic

import msgspec

from detectors.errors import StateVersionError
from detectors.person import Visit
from detectors.place import Sale
from detectors.windows import EntryT, EpisodeKey, Ledger, Memo, Scope, Usual

STATE_VERSION: Final = 2
_VERSION_BYTE: Final = bytes([STATE_VERSION])
_ARRAY_OF_FIVE: Final = b"\x95"  # msgpack: the five fields of _Stored
_LONG_ARRAY: Final = b"\xdd"  # msgpack: an array with its length in four bytes
PACK_FROM: Final = 8
"""Shorter ledgers (most trace codes have one entry) are encoded faster than their encoding is kept."""


class _Stored(msgspec.Struct, Generic[EntryT], array_like=True, gc=False):
    entries: list[EntryT]
    reversals: dict[str, int] | None = None
    memos: dict[str, Memo] | None = None
    dirty: set[EpisodeKey] | None = None
    usual: dict[str, Usual] | None = None


_encoder: Final = msgspec.msgpack.Encoder()
_decode_person = msgspec.msgpack.Decoder(_Stored[Visit]).decode
_decode_place = msgspec.msgpack.Decoder(_Stored[Sale]).decode


class PersonState(Ledger[Visit], gc=False):
    """All that is remembered of one insured person."""

    def dump(self) -> bytes:
        """The state as bytes, for :meth:`detectors.judge.Judge.person`."""
        return _dump(self)


class PlaceState(Ledger[Sale], gc=False):
    """All that is remembered of one terminal, institution, collector or trace code."""

    def dump(self) -> bytes:
        """The state as bytes, for :meth:`detectors.judge.Judge.place`."""
        return _dump(self)


def _dump(ledger: Ledger[Any]) -> bytes:
    """A :class:`_Stored`, put together by hand so that entries which were dumped before need not be encoded again."""
    entries = ledger.entries
    if len(entries) < PACK_FROM:
        return _VERSION_BYTE + _encoder.encode(
            _Stored(entries, ledger.reversals, ledger.memos, ledger.dirty, ledger.usual)
        )
    packed = ledger.packed
    if packed is None:
        packed = ledger.packed = bytearray()
    for entry in entries[ledger.packed_count :]:
        _encoder.encode_into(entry, packed, -1)
    ledger.packed_count = len(entries)
    rest = (_encoder.encode(part) for part in (ledger.reversals, ledger.memos, ledger.dirty, ledger.usual))
    return b"".join((_VERSION_BYTE, _ARRAY_OF_FIVE, _LONG_ARRAY, len(entries).to_bytes(4, "big"), packed, *rest))


def load_person(scope: Scope, person_id: str, data: bytes | None) -> PersonState:
    """A new state, or the one that :meth:`PersonState.dump` gave; raises :class:`StateVersionError` for anything else."""
    if data is None:
        return PersonState(scope, "person", person_id, [])
    stored = _read(data, _decode_person)
    return PersonState(
        scope, "person", person_id, stored.entries, stored.reversals, stored.memos, stored.dirty, stored.usual
    )


def load_place(scope: Scope, kind: str, place_id: str, data: bytes | None) -> PlaceState:
    """A new state, or the one that :meth:`PlaceState.dump` gave; raises :class:`StateVersionError` for anything else."""
    if data is None:
        return PlaceState(scope, kind, place_id, [])
    stored = _read(data, _decode_place)
    return PlaceState(scope, kind, place_id, stored.entries, stored.reversals, stored.memos, stored.dirty, stored.usual)


def _read(data: bytes, decode: Callable[[bytes | memoryview], _Stored[Any]]) -> _Stored[Any]:
    if data[:1] != _VERSION_BYTE:
        came = data[0] if data else "nothing"
        raise StateVersionError(
            f"expected state of version {STATE_VERSION}, got {came}; "
            "start with an empty data folder (or state topics) and replay, or run the version that wrote it"
        )
    try:
        return decode(memoryview(data)[1:])
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise StateVersionError(
            f"expected state of version {STATE_VERSION}, got bytes it cannot read ({error}); they are damaged"
        ) from None
