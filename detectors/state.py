"""Ledgers as bytes and back: a version byte, a checksum, then msgpack with the entries packed."""

from __future__ import annotations

from typing import Final
from zlib import crc32

import msgspec
import zstandard

from detectors.errors import StateVersionError
from detectors.packing import Packed, Rows
from detectors.person import Visit
from detectors.place import Sale
from detectors.scope import Scope
from detectors.usual import Usual
from detectors.windows import EntryT, EpisodeKey, Ledger, Memo

STATE_VERSION: Final = 3
_VERSION_BYTE: Final = bytes([STATE_VERSION])
_CHECK_BYTES: Final = 4
KEEP_FROM: Final = 3
"""Shorter ledgers (most trace codes have one entry) are packed anew at every dump: that is quicker than what keeping costs in memory."""


class _Stored(msgspec.Struct, array_like=True, gc=False):
    packed: Packed
    reversals: dict[str, int] | None = None
    memos: dict[str, Memo] | None = None
    dirty: list[EpisodeKey] | None = None
    usual: dict[str, Usual] | None = None


_encode: Final = msgspec.msgpack.Encoder().encode
_decode: Final = msgspec.msgpack.Decoder(_Stored).decode
_visits: Final = Rows(Visit)
_sales: Final = Rows(Sale)


class PersonState(Ledger[Visit], gc=False):
    """All that is remembered of one insured person."""

    def dump(self) -> bytes:
        """The state as bytes, for :meth:`detectors.judge.Judge.person`."""
        return _dump(self, _visits)


class PlaceState(Ledger[Sale], gc=False):
    """All that is remembered of one terminal, institution, collector or trace code."""

    def dump(self) -> bytes:
        """The state as bytes, for :meth:`detectors.judge.Judge.place`."""
        return _dump(self, _sales)


def _dump(ledger: Ledger[EntryT], rows: Rows[EntryT]) -> bytes:
    packed = ledger.packed
    if packed is None:
        packed = Packed([])
        if len(ledger.entries) >= KEEP_FROM:
            ledger.packed = packed
    packed.catch_up(ledger.entries, rows)
    # in order: the same state is the same bytes
    dirty = None if ledger.dirty is None else sorted(ledger.dirty)
    body = _encode(_Stored(packed.closed(), ledger.reversals, ledger.memos, dirty, ledger.usual))
    return b"".join((_VERSION_BYTE, _check(body), body))


def load_person(scope: Scope, person_id: str, data: bytes | None) -> PersonState:
    """A new state, or the one that :meth:`PersonState.dump` gave; raises :class:`StateVersionError` for anything else."""
    state = PersonState(scope, "person", person_id, [])
    if data is not None:
        _fill(state, data, _visits)
    return state


def load_place(scope: Scope, kind: str, place_id: str, data: bytes | None) -> PlaceState:
    """A new state, or the one that :meth:`PlaceState.dump` gave; raises :class:`StateVersionError` for anything else."""
    state = PlaceState(scope, kind, place_id, [])
    if data is not None:
        _fill(state, data, _sales)
    return state


def _fill(ledger: Ledger[EntryT], data: bytes, rows: Rows[EntryT]) -> None:
    if data[:1] != _VERSION_BYTE:
        came = data[0] if data else "nothing"
        raise StateVersionError(
            f"expected state of version {STATE_VERSION}, got {came}; "
            "start with an empty data folder (or state topics) and replay, or run the version that wrote it"
        )
    body = memoryview(data)[1 + _CHECK_BYTES :]
    try:
        if data[1 : 1 + _CHECK_BYTES] != _check(body):
            raise ValueError("another checksum")
        stored = _decode(body)
        ledger.entries = stored.packed.unpack(rows)
    except (msgspec.DecodeError, zstandard.ZstdError, ValueError) as error:
        raise StateVersionError(
            f"expected state of version {STATE_VERSION}, got bytes it cannot read ({error}); they are damaged"
        ) from None
    if len(ledger.entries) >= KEEP_FROM:
        ledger.packed = stored.packed
    ledger.reversals, ledger.memos = stored.reversals, stored.memos
    ledger.dirty = None if stored.dirty is None else set(stored.dirty)
    ledger.usual = stored.usual


def _check(body: bytes | memoryview) -> bytes:
    return crc32(body).to_bytes(_CHECK_BYTES, "big")
