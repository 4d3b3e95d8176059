"""What a place (terminal, collector, trace code, ...) is told of a settlement, grouped per partition and batch."""

from __future__ import annotations

from typing import Final, Literal

import msgspec

SCHEMA_VERSION: Final = 1

PlaceKind = Literal["terminal", "institution", "agent", "drug_code"]


class Fact(msgspec.Struct, array_like=True, gc=False, frozen=True):
    """One settlement (or its reversal) as one place sees it.

    ``at`` is an instant (seconds UTC), ``fund`` integer fen. A reversal has ``reverses`` set to the settlement id it
    takes back, ``event_id`` and ``at`` of the reversal. The same fact may arrive twice and in any order.
    """

    kind: PlaceKind
    place_id: str
    event_id: str
    settlement_id: str
    at: int
    person_id: str
    institution_id: str
    fund: int
    flags: int = 0
    relation: str = ""
    reverses: str = ""


class FactBatch(msgspec.Struct, array_like=True, gc=False):
    """The facts for one partition of ``facts`` out of one batch of one partition of ``settlements``.

    ``progress`` is the largest event time (instant) seen in the source partition, ``caught_up`` says that its log held
    nothing more then; ``facts`` may be empty, to tell only the progress. ``offset`` is the last source offset covered.
    """

    schema: int
    source: int
    offset: int
    progress: int
    caught_up: bool
    facts: list[Fact]


LONG_PRESCRIPTION: Final = 1
"""Flag: the settlement stands under a long prescription on file."""

encode_facts = msgspec.msgpack.Encoder().encode
decode_facts = msgspec.msgpack.Decoder(FactBatch).decode
