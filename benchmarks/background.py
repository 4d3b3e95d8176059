"""A labelled file without its episodes: the persons, places, terminals and drugs that new episodes can be planted with."""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec
import orjson

from detectors.quality import Episode

CENT: Final = Decimal("0.01")
PERSON_FIELDS: Final = ("psn_no", "gend", "brdy", "insutype", "psn_type", "insuplc_admdvs", "mdtrt_cert_type")


class Drug(NamedTuple):
    """A product as the drug file has it: days a pack lasts, price in yuan."""

    code: str
    name: str
    generic: str
    days: int
    price: Decimal
    watched: bool


class Place(NamedTuple):
    """A pharmacy or hospital and the terminals its settlements came from."""

    code: str
    name: str
    level: str
    area: str
    terminals: tuple[str, ...]


class Person(NamedTuple):
    """Wire fields that stay the same from one settlement to the next, and the share of the fee the fund pays."""

    wire: dict[str, Any]
    fund_share: Decimal


class Head(msgspec.Struct):
    """What of a wire line is looked at, whatever else it says."""

    event_id: str
    setl_time: str
    psn_no: str
    fixmedins_code: str
    medfee_sumamt: Decimal
    fund_pay_sumamt: Decimal
    dev_no: str | None = None


@dataclass
class Background:
    """What a labelled file is without its episodes: who and what there is to plant with."""

    persons: list[Person]
    pharmacies: list[Place]
    hospitals: list[Place]
    drugs: list[Drug]
    first: datetime
    last: datetime
    labelled: frozenset[str]

    @classmethod
    def read(cls, lines: Iterable[bytes], episodes: Iterable[Episode], institutions: Path, drugs: Path) -> Background:
        """Read a file's lines once; events of ``episodes`` tell nothing."""
        labelled = frozenset(event for episode in episodes for event in episode.event_ids)
        persons: dict[str, Person] = {}
        terminals: dict[str, set[str]] = defaultdict(set)
        times = set()
        decode = msgspec.json.Decoder(Head).decode
        for line in lines:
            head = decode(line)
            if head.event_id in labelled:
                continue
            times.add(head.setl_time)
            if head.dev_no:
                terminals[head.fixmedins_code].add(head.dev_no)
            if head.psn_no not in persons and head.medfee_sumamt > 0:
                wire = orjson.loads(line)
                share = (head.fund_pay_sumamt / head.medfee_sumamt).quantize(CENT)
                persons[head.psn_no] = Person({name: wire.get(name) for name in PERSON_FIELDS}, share)
        places: dict[bool, list[Place]] = {True: [], False: []}
        for row in _rows(institutions):
            code = row["fixmedins_code"]
            known = tuple(sorted(terminals[code])) or (f"{code}-T1",)
            place = Place(code, row["fixmedins_name"], row["hosp_lv"], row["mdtrtarea_admvs"], known)
            places[row["fixmedins_type"] == "2"].append(place)
        products = [
            Drug(row["med_list_codg"], row["generic"], row["generic_code"], int(float(row["pack_days"])),
                 Decimal(row["pric"]), row["monitored"] == "1")
            for row in _rows(drugs)
            if float(row["pack_days"] or 0) >= 1
        ]  # fmt: skip
        return cls(
            persons=list(persons.values()),
            pharmacies=places[True],
            hospitals=places[False],
            drugs=products,
            first=datetime.fromisoformat(min(times)),
            last=datetime.fromisoformat(max(times)),
            labelled=labelled,
        )


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))
