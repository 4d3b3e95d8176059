"""The place's side: a fact read as an entry of the ledger of a terminal, institution, collector or trace code."""

from __future__ import annotations

from collections.abc import Iterable

from detectors.windows import Entry
from schemas.fact import Fact


class Sale(Entry, array_like=True, gc=False):
    """A settlement in a place's ledger; ``items`` (generics) and ``codes`` (item codes) only where monitored, and codes only at
    institutions, none of both at trace codes."""

    person_id: str
    relation: str
    codes: tuple[str, ...]

    @property
    def named(self) -> Iterable[str]:
        """Generics and item codes; a drug without a generic is its own."""
        return {*self.items, *self.codes} if self.codes else self.items


def read_sale(fact: Fact) -> Sale:
    """The entry of a fact that is no reversal."""
    return Sale(
        fact.at,
        fact.event_id,
        fact.settlement_id,
        fact.institution_id,
        fact.fund,
        fact.flags,
        fact.items,
        fact.person_id,
        fact.relation,
        fact.codes,
    )
