"""The person's side: a settlement read as an entry of the person's ledger, and the facts it holds for places."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import date, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import Any, Final

import msgspec

from detectors.reference import Drug, Reference
from detectors.scope import Tally
from detectors.windows import Entry, Ledger
from schemas.fact import (
    AWAY,
    CHRONIC,
    COLLECTED,
    INPATIENT,
    LONG_PRESCRIPTION,
    NEWBORN,
    ONCOLOGY,
    PHARMACY,
    SERVICE_ONLY,
    STRANGER,
    Fact,
    PlaceKind,
    with_age,
)
from schemas.instants import DAY, Calendar
from schemas.settlement import Line, Settlement, code

PHARMACY_CARE: Final = frozenset({"41", "9929"})
DRUG_ITEMS: Final = frozenset({"101", "102", "105", "106"})
LONGEST_ID: Final = 128
"""Characters; the contract allows no longer identifiers where it requires one."""
FEW_CODES: Final = 3
"""So many find room in any entry."""
NO_VISIT: Final = PHARMACY | INPATIENT
FEN: Final = Decimal(100)
"""In a yuan."""
EPOCH: Final = date(1970, 1, 1)
EPOCH_ORDINAL: Final = EPOCH.toordinal()
NEWBORN_DAYS: Final = 28
FAMILIAR_SPAN: Final = 84 * DAY
"""Who has settled at a place within this span is no stranger there: the longest prescription."""
FAMILIAR_GAP: Final = 3 * DAY
"""Settlements so shortly before a point may come later than it."""
NEWBORN_TYPE: Final = "1401"
STAY: Final = "\x00stay"
"""What stays in hospital are found by in a ledger; no item code begins like that."""
CARING_RELATIONS: Final = frozenset({"1", "7"})
"""Collectors who care for the insured: family, care institution."""


class Visit(Entry, array_like=True, gc=False):
    """A settlement in its person's ledger.

    ``visit_id`` is empty unless it belongs to a visit (several settlements may belong to one). ``supplies`` are seconds of supply,
    one per item, 0 unknown; terminal, collector and trace codes are kept to tell those places of a reversal. ``fee``, ``drug_fee`` and
    ``watched_fee`` are fen: the whole bill, its drugs, its monitored drugs. ``diagnosis`` is the main one, empty if unknown; ``began``
    the first instant of an inpatient stay's first day, else 0.
    """

    visit_id: str
    terminal_id: str
    agent_id: str
    supplies: tuple[int, ...]
    trace_codes: tuple[str, ...]
    fee: int
    drug_fee: int
    watched_fee: int
    diagnosis: str
    began: int

    @property
    def named(self) -> Iterable[str]:
        """The items, and stays in hospital by :data:`STAY`."""
        return (*self.items, STAY) if self.flags & INPATIENT else self.items


class Reader:
    """Reads settlements against the reference files, and tells places of the kinds that some rule looks at."""

    def __init__(
        self,
        reference: Reference,
        kinds: Iterable[PlaceKind],
        calendar: Calendar,
        *,
        tally: Tally | None = None,
        code_room: int = 2_000,
    ) -> None:
        self._tally = tally or Tally()
        self._code_room = code_room
        self._drugs = reference.drugs
        self._watched = reference.monitored
        self._watched_codes = frozenset(item for item, drug in reference.drugs.items() if drug.monitored)
        wanted = frozenset(kinds)
        self._terminals = "terminal" in wanted
        self._institutions = "institution" in wanted
        self._agents = "agent" in wanted
        self._drug_codes = "drug_code" in wanted
        self._care_flags: dict[object, int] = {}
        self._calendar = calendar

    def visit(self, settlement: Settlement, at: int) -> Visit:
        """The entry of a SETTLE that happened at ``at``."""
        flags = self._care_flags.get(settlement.care_type)
        if flags is None:
            flags = self._care_flags[settlement.care_type] = _care_flags(code(settlement.care_type))
        items, supplies, traces, drug_fee, watched_fee = self._lines(settlement.lines or ())
        if not items:
            flags |= SERVICE_ONLY
        flags |= self._personal_flags(settlement, at)
        diagnosis, oncology = _diagnosis(settlement)
        if oncology:
            flags |= ONCOLOGY
        if settlement.long_prescription is not None and code(settlement.long_prescription) == "1":
            flags |= LONG_PRESCRIPTION
        if settlement.collector_relation is not None and _relation(settlement) in CARING_RELATIONS:
            flags |= COLLECTED
        return Visit(
            at,
            settlement.event_id,
            settlement.settlement_id,
            settlement.institution_id,
            fen(settlement.fund_paid),
            flags,
            items,
            "" if flags & NO_VISIT else settlement.visit_id,
            self.known(settlement.terminal_id),
            self.known(settlement.collector_id),
            supplies,
            traces,
            fen(settlement.fee),
            drug_fee,
            watched_fee,
            self.known(diagnosis),
            self._begun(settlement.begun_on) if flags & INPATIENT and settlement.begun_on else 0,
        )

    def _personal_flags(self, settlement: Settlement, at: int) -> int:
        person_type, insured, here, born = (
            settlement.person_type, settlement.person_area, settlement.area, settlement.born,
        )  # fmt: skip
        flags = NEWBORN if person_type is not None and code(person_type) == NEWBORN_TYPE else 0
        if insured is not None and here is not None and code(insured)[:4] != code(here)[:4]:
            flags |= AWAY
        birth = _birth(born) if born else None
        if birth is not None:
            born_on, birthday = birth
            wire = settlement.settled_at
            day = wire.toordinal() - EPOCH_ORDINAL if wire.tzinfo is None else self._calendar.day(at)
            flags = with_age(flags, (_written_date(day) - birthday) // 10_000)
            if day - NEWBORN_DAYS <= born_on <= day:
                flags |= NEWBORN
        return flags

    def _begun(self, wire: str) -> int:
        day = read_date(wire)
        return 0 if day is None else self._calendar.day_start(day)

    def _lines(self, lines: Iterable[Line]) -> tuple[tuple[str, ...], tuple[int, ...], tuple[str, ...], int, int]:
        supplies: dict[str, int] = {}
        traces: dict[str, None] = {}
        known, watched = self._drugs, self._watched
        drug_fee = watched_fee = 0
        for line in lines:
            item = line.item_code
            if item is not None and len(item) > LONGEST_ID:
                item = self.known(item) or None
            if item is not None:
                drug = known.get(item)
                if drug is not None or line.supply_days is not None or code(line.item_type) in DRUG_ITEMS:
                    generic = drug.generic if drug is not None else item
                    supplies[generic] = supplies.get(generic, 0) + _supply(line, drug)
                    price = line.amount
                    if price is not None:
                        amount = fen(price)
                        drug_fee += amount
                        if generic in watched:
                            watched_fee += amount
            codes = line.trace_codes
            if codes:
                for trace in codes:
                    traces[trace] = None
        if len(supplies) + len(traces) > FEW_CODES:
            self._cut(supplies, traces)
        return tuple(supplies), tuple(supplies.values()), tuple(traces), drug_fee, watched_fee

    def _cut(self, *kinds: dict[str, Any]) -> None:
        """Leave the codes that find room in an entry: a message may be of 256 KiB, and its person's state holds a thousand entries."""
        room = self._code_room
        for codes in kinds:
            for name in list(codes):
                room -= len(name.encode())
                if room < 0:
                    del codes[name]
                    self._tally.cut += 1

    def known(self, identifier: str | None) -> str:
        """An optional identifier, empty if there is none or if it is longer than any."""
        if identifier is None or len(identifier) <= LONGEST_ID:
            return identifier or ""
        self._tally.cut += 1
        return ""

    def facts(self, settlement: Settlement, visit: Visit, ledger: Ledger[Visit]) -> list[Fact]:
        """What the places of a SETTLE are told; the ledger is that of its person."""
        institution, watched = visit.institution_id, self._watched
        relation = _relation(settlement)
        told = (
            visit.event_id, visit.settlement_id, visit.at, settlement.person_id, institution, visit.fund, visit.flags, relation,
        )  # fmt: skip
        facts = []
        items = tuple([generic for generic in visit.items if generic in watched])
        if self._terminals and visit.terminal_id:
            facts.append(Fact("terminal", visit.terminal_id, *told, "", items))
        if self._institutions and items:
            codes = dict.fromkeys(
                [
                    item
                    for line in settlement.lines or ()
                    if (item := line.item_code) is not None and item in self._watched_codes
                ]
            )
            if len(codes) > FEW_CODES:
                self._cut(codes)
            fact = Fact("institution", institution, *told, "", items, tuple(codes))
            if is_stranger(ledger, institution, visit.at):
                fact = msgspec.structs.replace(fact, flags=fact.flags | STRANGER)
            facts.append(fact)
        if self._agents and visit.agent_id:
            facts.append(Fact("agent", visit.agent_id, *told, "", items))
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


def visits_reach(entries: Sequence[Visit], index: int, width: int, least: int) -> bool:
    """Whether the visit at ``index`` and those before it within ``width`` are ``least`` settlements: what a glance may ask."""
    since, first = entries[index].at - width, index + 1 - least
    if first < 0 or (first < index and entries[first].at <= since):
        return False
    count, before = 1, index - 1
    while count < least and before >= 0 and entries[before].at > since:
        count += not entries[before].flags & NO_VISIT
        before -= 1
    return count >= least


def is_stranger(ledger: Ledger[Visit], institution_id: str, at: int) -> bool:
    """Whether a person has settled nothing at an institution for twelve weeks; the last days, which may not be complete, do not count."""
    entries = ledger.entries
    for index in ledger.span(at - FAMILIAR_SPAN, at - FAMILIAR_GAP):  # noqa: SIM110  a generator costs more on the hot path
        if entries[index].institution_id == institution_id:
            return False
    return True


def fen(yuan: Decimal) -> int:
    """Money in whole fen."""
    return round(yuan * FEN)


def read_date(wire: str) -> int | None:
    """The day of ``yyyy-MM-dd`` (what follows is passed over) as days since 1970-01-01; None for anything else."""
    try:
        return (date.fromisoformat(wire[:10]) - EPOCH).days
    except ValueError:
        return None


@lru_cache(maxsize=65_536)
def _written_date(day: int) -> int:
    """A day as the number yyyymmdd: the difference of two, without its last four digits, is the full years between them."""
    at = EPOCH + timedelta(days=day)
    return at.year * 10_000 + at.month * 100 + at.day


@lru_cache(maxsize=65_536)
def _birth(born: str) -> tuple[int, int] | None:
    """The day of birth, as a number of days and as :func:`_written_date` writes it."""
    day = read_date(born)
    return None if day is None else (day, _written_date(day))


def _relation(settlement: Settlement) -> str:
    relation = settlement.collector_relation
    return "" if relation is None else code(relation).lstrip("0")[:LONGEST_ID]


def _diagnosis(settlement: Settlement) -> tuple[str, bool]:
    """The main diagnosis (the first where none is marked), and whether any is cancer or its treatment."""
    diagnoses = settlement.diagnoses
    if not diagnoses:
        return "", False
    main, oncology = "", False
    for diagnosis in diagnoses:
        icd = diagnosis.code
        if icd:
            if not main or (diagnosis.main is not None and code(diagnosis.main) == "1"):
                main = icd
            oncology = oncology or is_cancer(icd)
    return main, oncology


def is_cancer(icd: str) -> bool:
    """ICD-10 C00 to C97 (malignant) and Z51 (radiotherapy, chemotherapy)."""
    return icd.startswith(("C", "Z51"))


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
