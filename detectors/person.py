"""The person's side: a settlement read as an entry of the person's ledger, and the facts it holds for places."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from decimal import Decimal
from typing import Final

from detectors.reference import Drug, Reference
from detectors.windows import Entry
from schemas.fact import CHRONIC, INPATIENT, LONG_PRESCRIPTION, PHARMACY, SERVICE_ONLY, Fact, PlaceKind
from schemas.instants import DAY
from schemas.settlement import Line, Settlement, code

PHARMACY_CARE: Final = frozenset({"41", "9929"})
DRUG_ITEMS: Final = frozenset({"101", "102", "105", "106"})
NO_VISIT: Final = PHARMACY | INPATIENT


class Visit(Entry, array_like=True, gc=False):
    """A settlement in its person's ledger.

    ``visit_id`` is empty unless it belongs to a visit (several settlements may belong to one). ``supplies`` are seconds of supply,
    one per item, 0 unknown; terminal, collector and trace codes are kept to tell those places of a reversal.
    """

    visit_id: str
    terminal_id: str
    agent_id: str
    supplies: tuple[int, ...]
    trace_codes: tuple[str, ...]


class Reader:
    """Reads settlements against the reference files, and tells places of the kinds that some rule looks at."""

    def __init__(self, reference: Reference, kinds: Iterable[PlaceKind]) -> None:
        self._drugs = reference.drugs
        self._watched = reference.monitored
        wanted = frozenset(kinds)
        self._terminals = "terminal" in wanted
        self._institutions = "institution" in wanted
        self._agents = "agent" in wanted
        self._drug_codes = "drug_code" in wanted
        self._care_flags: dict[object, int] = {}

    def visit(self, settlement: Settlement, at: int) -> Visit:
        """The entry of a SETTLE that happened at ``at``."""
        flags = self._care_flags.get(settlement.care_type)
        if flags is None:
            flags = self._care_flags[settlement.care_type] = _care_flags(code(settlement.care_type))
        items, supplies, traces = self._lines(settlement.lines or ())
        if not items:
            flags |= SERVICE_ONLY
        if settlement.long_prescription is not None and code(settlement.long_prescription) == "1":
            flags |= LONG_PRESCRIPTION
        return Visit(
            at,
            settlement.event_id,
            settlement.settlement_id,
            settlement.institution_id,
            int((settlement.fund_paid * 100).to_integral_value()),
            flags,
            items,
            "" if flags & NO_VISIT else settlement.visit_id,
            settlement.terminal_id or "",
            settlement.collector_id or "",
            supplies,
            traces,
        )

    def _lines(self, lines: Iterable[Line]) -> tuple[tuple[str, ...], tuple[int, ...], tuple[str, ...]]:
        supplies: dict[str, int] = {}
        traces: dict[str, None] = {}
        known = self._drugs
        for line in lines:
            item = line.item_code
            if item is not None:
                drug = known.get(item)
                if drug is not None or line.supply_days is not None or code(line.item_type) in DRUG_ITEMS:
                    generic = drug.generic if drug is not None else item
                    supplies[generic] = supplies.get(generic, 0) + _supply(line, drug)
            if line.trace_codes:
                traces.update(dict.fromkeys(line.trace_codes))
        return tuple(supplies), tuple(supplies.values()), tuple(traces)

    def facts(self, settlement: Settlement, visit: Visit) -> list[Fact]:
        """What the places of a SETTLE are told."""
        institution = visit.institution_id
        relation = "" if settlement.collector_relation is None else code(settlement.collector_relation).lstrip("0")
        told = (
            visit.event_id, visit.settlement_id, visit.at, settlement.person_id, institution, visit.fund, visit.flags, relation,
        )  # fmt: skip
        facts = []
        if self._terminals and visit.terminal_id:
            facts.append(Fact("terminal", visit.terminal_id, *told))
        if self._institutions:
            items = tuple([generic for generic in visit.items if generic in self._watched])
            if items:
                facts.append(Fact("institution", institution, *told, "", items))
        if self._agents and visit.agent_id:
            facts.append(Fact("agent", visit.agent_id, *told))
        if self._drug_codes:
            facts += [Fact("drug_code", trace, *told) for trace in visit.trace_codes]
        return facts

    def reversal_facts(
        self, person_id: str, event_id: str, settlement_id: str, at: int, named: Iterable[Visit]
    ) -> list[Fact]:
        """What the places named by ``named`` (the original, the reversal itself) are told when a settlement is taken back at ``at``."""
        places: dict[tuple[PlaceKind, str], str] = {}
        for visit in named:
            for place in self._places(visit):
                places.setdefault(place, visit.institution_id)
        return [
            Fact(kind, place, event_id, settlement_id, at, person_id, institution, 0, 0, "", settlement_id)
            for (kind, place), institution in places.items()
        ]

    def _places(self, visit: Visit) -> Iterator[tuple[PlaceKind, str]]:
        if self._terminals and visit.terminal_id:
            yield "terminal", visit.terminal_id
        if self._institutions and visit.items:
            # also when nothing is monitored today: the watch list may have been another when the original was told
            yield "institution", visit.institution_id
        if self._agents and visit.agent_id:
            yield "agent", visit.agent_id
        if self._drug_codes:
            for trace in visit.trace_codes:
                yield "drug_code", trace


def _care_flags(care_type: str) -> int:
    if care_type in PHARMACY_CARE:
        return PHARMACY
    if care_type.startswith("2") or care_type == "52":
        return INPATIENT
    return CHRONIC if care_type.startswith("14") else 0


def _supply(line: Line, drug: Drug | None) -> int:
    """Seconds of supply: as prescribed, else packs times what a pack lasts, else unknown (0)."""
    if line.supply_days:
        return max(0, int(line.supply_days * DAY))
    if drug is not None and drug.pack_seconds and line.quantity is not None:
        return max(0, int(line.quantity * Decimal(drug.pack_seconds)))
    return 0
