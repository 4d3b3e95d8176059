"""Entries as few bytes: what an entry repeats is referred to, digits are numbers, and rows are zipped in blocks that are kept."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence
from datetime import date
from functools import lru_cache
from types import GenericAlias
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

import msgspec
import zstandard

from schemas.instants import DAY, HOUR, MINUTE

if TYPE_CHECKING:
    from detectors.windows import Entry

EntryT = TypeVar("EntryT", bound="Entry")
Row = list[Any]

FIRST: Final = 8
"""Entries that make a block. Fewer stay loose: they are zipped again at every dump."""
ZIP_FROM: Final = 4
"""Fewer loose rows are not zipped: that costs 8 us, and with one or two it adds bytes."""
LARGEST: Final = 64
"""Two blocks of equal size become one, up to this many entries; beyond that little is saved."""
_MAGICLESS: Final = zstandard.FORMAT_ZSTD1_MAGICLESS  # four bytes less for each block
_zip: Final[Callable[[bytes], bytes]] = zstandard.ZstdCompressor(
    # higher levels take twice the time for 2 %; the size is a hint that keeps its tables small
    compression_params=zstandard.ZstdCompressionParameters.from_level(
        3, source_size=1 << 14, format=_MAGICLESS, write_content_size=True
    )
).compress
_unzip: Final[Callable[[bytes], bytes]] = zstandard.ZstdDecompressor(format=_MAGICLESS).decompress
_encode: Final = msgspec.msgpack.Encoder().encode
_split = msgspec.msgpack.Decoder(list[msgspec.Raw]).decode

_ESCAPED, _REFERRED = "\0\1"
_NATIONAL_OFFSET: Final = 8 * HOUR  # ids carry Beijing time whatever the zone of the fund
_CLOCK, _DATE = len("yyyyMMddHHmmss"), len("yyyyMMdd")
_WORD_DIGITS: Final = 18  # decimal digits that fit a 64-bit integer whatever they are, with a 1 before them
_TRACE_DIGITS: Final = 20  # of a drug trace code: nine bytes; product and box apart took more
_REFERENCES: Final = (("terminal_id", "institution_id"), ("visit_id", "settlement_id"))
_NUMBERS: Final = ("settlement_id", "person_id", "agent_id")
_REPEATS: Final = (("watched_fee", "drug_fee"), ("drug_fee", "fee"))


class Rows(Generic[EntryT]):
    """Turns entries of one kind into rows and back, exactly, whatever their strings hold.

    A row is the list of the entry's fields. Any kind of entry will do; fields with these names are shortened:

    - ``event_id`` of the national form, institution + yyyyMMddHHmmss + serial: the serial with a 1 before it, as an integer; negative
      if only the date is that of the entry (the message was sent a little later than its settlement).
    - ``terminal_id`` and ``visit_id`` refer to institution and settlement; unprintable strings, such as one that holds the mark of a
      reference, stand behind an escape.
    - ids of digits only are integers, trace codes of twenty digits nine bytes.
    - an amount equal to the next larger one is nil; supplies of whole days are days, others seconds behind a nil.
    """

    def __init__(self, kind: type[EntryT]) -> None:
        self._kind = kind
        fields = msgspec.structs.fields(kind)
        place = {field.name: number for number, field in enumerate(fields)}
        self._at, self._event, self._institution = place["at"], place["event_id"], place["institution_id"]
        self._references = [(place[own], place[other]) for own, other in _REFERENCES if own in place]
        self._numbers = [place[name] for name in _NUMBERS if name in place]
        self._repeats = [(place[own], place[other]) for own, other in _REPEATS if own in place]
        self._traces = place.get("trace_codes", -1)
        self._supplies = place.get("supplies", -1)
        kinds: dict[int, Any] = {number: field.type for number, field in enumerate(fields)}
        kinds |= dict.fromkeys((self._event, *self._numbers), str | int)
        kinds |= {own: int | None for own, _ in self._repeats}
        if self._traces >= 0:
            kinds[self._traces] = tuple[Any, ...]  # strings and bytes: msgspec takes no union of them
        if self._supplies >= 0:
            kinds[self._supplies] = tuple[int | None, ...]
        row = GenericAlias(tuple, tuple(kinds.values()))
        self._decode = msgspec.msgpack.Decoder(GenericAlias(list, row)).decode

    def pack(self, entries: Iterable[EntryT]) -> bytes:
        """The rows of entries, one after the other."""
        return b"".join([_encode(self._row(entry)) for entry in entries])

    def unpack(self, count: int, rows: Sequence[bytes]) -> list[EntryT]:
        """The entries of ``count`` packed rows. Raises msgspec.DecodeError."""
        return [self._entry(list(row)) for row in self._decode(b"".join((_array_of(count), *rows)))]

    def _row(self, entry: EntryT) -> Row:
        row = list(msgspec.structs.astuple(entry))
        event, institution = row[self._event], row[self._institution]
        if event.startswith(institution):
            row[self._event] = _short_event(event, len(institution), row[self._at])
        for own, other in self._references:
            text = row[own]
            if text:
                row[own] = text.replace(row[other], _REFERRED, 1) if text.isprintable() else _ESCAPED + text
        for number in self._numbers:
            text = row[number]
            if text.isdigit() and text[0] != "0" and len(text) <= _WORD_DIGITS and text.isascii():
                row[number] = int(text)
        for own, other in self._repeats:
            if row[own] == row[other]:
                row[own] = None
        if self._traces >= 0 and (codes := row[self._traces]):
            row[self._traces] = [_short_code(code) for code in codes]
        if self._supplies >= 0 and (spans := row[self._supplies]):
            days = [span // DAY for span in spans if not span % DAY]
            row[self._supplies] = days if len(days) == len(spans) else (None, *spans)
        return row

    def _entry(self, row: Row) -> EntryT:
        event = row[self._event]
        if event.__class__ is int:
            row[self._event] = _long_event(event, row[self._institution], row[self._at])
        for number in self._numbers:
            if row[number].__class__ is int:
                row[number] = str(row[number])
        for own, other in self._references:
            text = row[own]
            if not text.isprintable():
                row[own] = text[1:] if text[0] == _ESCAPED else text.replace(_REFERRED, row[other], 1)
        for own, other in reversed(self._repeats):
            if row[own] is None:
                row[own] = row[other]
        if self._traces >= 0 and (codes := row[self._traces]):
            row[self._traces] = tuple([code if code.__class__ is str else _long_code(code) for code in codes])
        if self._supplies >= 0 and (spans := row[self._supplies]):
            row[self._supplies] = spans[1:] if spans[0] is None else tuple([span * DAY for span in spans])
        return self._kind(*row)


class Block(msgspec.Struct, array_like=True, gc=False):
    """Neighbouring entries, zipped."""

    count: int
    rows: bytes


class Packed(msgspec.Struct, array_like=True, gc=False):
    """The oldest entries of a ledger as bytes: blocks, then loose rows; what came later is packed by :meth:`catch_up`."""

    blocks: list[Block]
    loose: int = 0
    rows: bytes = b""
    """The loose ones."""
    zipped: bool = False
    """Whether the loose rows are zipped, as only in the bytes of a dump."""

    def closed(self) -> Packed:
        """This as it is to be dumped."""
        return self if self.loose < ZIP_FROM else Packed(self.blocks, self.loose, _zip(self.rows), zipped=True)

    def catch_up(self, entries: Sequence[EntryT], rows: Rows[EntryT]) -> None:
        """Pack what is not packed yet of a ledger's entries."""
        start = 0
        blocks: list[Block] = []
        for block in self.blocks:
            end = start + block.count
            if block.rows:
                blocks.append(block)
            else:
                blocks += _rebuilt(entries[start:end], rows)
            start = end
        self.blocks = blocks
        start += self.loose
        while start < len(entries):
            room = min(FIRST - self.loose, len(entries) - start)
            self.rows += rows.pack(entries[start : start + room])
            self.loose += room
            start += room
            if self.loose == FIRST:
                self._close()

    def unpack(self, rows: Rows[EntryT]) -> list[EntryT]:
        """All packed entries. Raises msgspec.DecodeError and zstandard.ZstdError."""
        if self.zipped:
            self.rows, self.zipped = _unzip(self.rows), False
        count = sum([block.count for block in self.blocks]) + self.loose
        return rows.unpack(count, [*[_unzip(block.rows) for block in self.blocks], self.rows])

    def inserted(self, index: int) -> None:
        """An entry went in at ``index``: the block it fell into is packed anew at the next dump."""
        start = 0
        for block in self.blocks:
            if index < start + block.count:
                block.count += 1
                block.rows = b""
                return
            start += block.count
        if index < start + self.loose:
            self.loose, self.rows = 0, b""

    def dropped(self, old: int, kept: Sequence[int]) -> None:
        """Of the oldest ``old`` entries only those at the positions ``kept`` (ascending) are still there."""
        blocks: list[Block] = []
        start = 0
        for block in self.blocks:
            end = start + block.count
            if start < old:
                stay = [index - start for index in kept[bisect_left(kept, start) : bisect_left(kept, end)]]
                stay += range(old - start, block.count)
                if len(stay) < block.count:
                    _trim(block, stay)
                    if blocks and blocks[-1].count + block.count <= LARGEST:
                        _join(blocks[-1], block)
            if block.count:
                blocks.append(block)
            start = end
        self.blocks = blocks
        if start < old:
            self.loose, self.rows = 0, b""

    def _close(self) -> None:
        """Zip the loose rows, together with the blocks before them while these are of the same size."""
        count, rows = self.loose, self.rows
        self.loose, self.rows = 0, b""
        while self.blocks and self.blocks[-1].count == count < LARGEST:
            rows = _unzip(self.blocks.pop().rows) + rows
            count *= 2
        self.blocks.append(Block(count, _zip(rows)))


def _trim(block: Block, stay: Sequence[int]) -> None:
    """Leave only the rows at these positions."""
    if block.rows and stay:
        rows = _split(_array_of(block.count) + _unzip(block.rows))
        block.rows = _zip(b"".join([rows[index] for index in stay]))
    block.count = len(stay)


def _join(block: Block, behind: Block) -> None:
    """Move the rows of one block behind those of another; a block that is to be rebuilt makes the other one such."""
    if behind.count:
        block.rows = _zip(_unzip(block.rows) + _unzip(behind.rows)) if block.rows and behind.rows else b""
        block.count += behind.count
        behind.count = 0


def _rebuilt(entries: Sequence[EntryT], rows: Rows[EntryT]) -> list[Block]:
    # many late arrivals may have made it large
    step = LARGEST if len(entries) > 2 * LARGEST else len(entries)
    return [
        Block(len(part), _zip(rows.pack(part)))
        for part in (entries[start : start + step] for start in range(0, len(entries), step))
    ]


def _array_of(count: int) -> bytes:
    return b"\xdd" + count.to_bytes(4, "big")


def _short_event(event: str, start: int, at: int) -> str | int:
    clock = _clock(at)
    whole = event.startswith(clock, start)
    if not whole and not event.startswith(clock[:_DATE], start):
        return event
    serial = event[start + (_CLOCK if whole else _DATE) :]
    if not serial.isdigit() or len(serial) > _WORD_DIGITS or not serial.isascii():
        return event
    return int("1" + serial) if whole else -int("1" + serial)


def _long_event(number: int, institution: str, at: int) -> str:
    clock = _clock(at)
    return institution + clock + str(number)[1:] if number > 0 else institution + clock[:_DATE] + str(number)[2:]


def _short_code(code: str) -> str | bytes:
    if len(code) == _TRACE_DIGITS and code.isdigit() and code[0] != "0" and code.isascii():
        return int(code).to_bytes(9, "big")
    return code


def _long_code(code: bytes) -> str:
    return str(int.from_bytes(code, "big"))


def _clock(at: int) -> str:
    day, second = divmod(at + _NATIONAL_OFFSET, DAY)
    return _date(day) + _MINUTES[second // MINUTE] + _SECONDS[second % MINUTE]


@lru_cache(maxsize=4_096)
def _date(day: int) -> str:
    # the decoder lets through 2000 to 2100; what else a ledger may hold needs no date, only always the same text
    return date.fromordinal(_DAY_ZERO + day).strftime("%Y%m%d") if 0 <= day < _DAYS else "0" * _DATE


_DAYS: Final = 50_000
_DAY_ZERO: Final = date(1970, 1, 1).toordinal()
_MINUTES: Final = [f"{minute // 60:02}{minute % 60:02}" for minute in range(DAY // MINUTE)]
_SECONDS: Final = [f"{second:02}" for second in range(MINUTE)]
