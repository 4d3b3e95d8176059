"""What a place is told of a settlement: packed, keyed by place, grouped per partition and batch."""

from __future__ import annotations

from typing import Final, Literal

import msgspec

SCHEMA_VERSION: Final = 3

PlaceKind = Literal["terminal", "institution", "agent", "drug_code"]

LONG_PRESCRIPTION: Final = 1
"""Flag: the settlement stands under a long prescription on file."""
PHARMACY: Final = 2
"""Flag: bought at a pharmacy counter, so it is no visit."""
INPATIENT: Final = 4
"""Flag: settles a stay in hospital."""
CHRONIC: Final = 8
"""Flag: outpatient care of a registered chronic or special disease (dialysis and the like)."""
SERVICE_ONLY: Final = 16
"""Flag: no drug among the lines (dressing, infusion, dialysis session)."""
NEWBORN: Final = 32
"""Flag: the insured is a newborn (up to 28 days old, or of person type 1401)."""
ONCOLOGY: Final = 64
"""Flag: a diagnosis of cancer or its treatment (ICD-10 C00 to C97, Z51)."""
AWAY: Final = 128
"""Flag: settled in another city (first four digits of the area) than the one that insures."""
COLLECTED: Final = 256
"""Flag: collected by family (relation 1) or a care institution (relation 7)."""
STRANGER: Final = 512
"""Flag: the person had settled nothing at that institution for twelve weeks (institution facts only)."""
_AGE_SHIFT: Final = 16
_AGE_MASK: Final = 127


def with_age(flags: int, years: int | None) -> int:
    """Flags that carry the age at settlement in full years."""
    return flags if years is None else flags | min(max(years, 0) + 1, _AGE_MASK) << _AGE_SHIFT


def age_of(flags: int) -> int | None:
    """Full years of age at settlement, 126 at most; None where unknown."""
    held = flags >> _AGE_SHIFT & _AGE_MASK
    return held - 1 if held else None


class Fact(msgspec.Struct, array_like=True, gc=False, frozen=True):
    """One settlement (or its reversal) as one place sees it.

    ``at`` is an instant (seconds UTC), ``fund`` integer fen, ``items`` the monitored generics among the lines (not told to trace codes)
    and ``codes`` their item codes (institution facts only). A reversal has ``reverses`` set to the settlement id it takes back and
    ``at`` of the reversal; its ``event_id`` is that of the event which told it. The same fact may arrive twice and in any order.
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
    items: tuple[str, ...] = ()
    codes: tuple[str, ...] = ()


class FactBatch(msgspec.Struct, array_like=True, gc=False):
    """The facts for one partition of ``facts`` out of one flush of one partition of ``settlements``.

    ``offset`` is the last source offset covered, ``progress`` the event time (instant) the source has come to there; ``facts`` may
    be empty, to tell only these. Of several batches that share a flush only the last says how far they reach.
    """

    source: int
    offset: int
    progress: int
    facts: list[Fact]


class FactRecord(msgspec.Struct, array_like=True, gc=False):
    """A record of ``facts``: what one flush has for one partition, from all the sources that were in it."""

    schema: int
    batches: list[FactBatch]


encode_facts = msgspec.msgpack.Encoder().encode
decode_facts = msgspec.msgpack.Decoder(FactRecord).decode
