"""What is settled and how it reads on the wire: receipts with money, boxes with trace codes, reversals."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from random import Random
from typing import Final

from schemas.settlement import SCHEMA_VERSION
from streams.simulator.catalogue import LINE_NAMES, Ailment, Article
from streams.simulator.city import SETTLEMENT_NAMES, Institution
from streams.simulator.people import Collector, Person

DAY: Final = 86_400
PHARMACY, OUTPATIENT, EMERGENCY_ROOM, CHRONIC_CARE, SPECIAL_CARE, INPATIENT = "41", "11", "13", "140104", "140201", "21"
_SETTLES: Final = {PHARMACY: "2102", INPATIENT: "2304"}
_REVERSES: Final = {PHARMACY: "2103", INPATIENT: "2305"}
_BOX_NUMBERS: Final = 10**13
# ends in 1: coprime to ten, so multiplying by it modulo a power of ten is a permutation: numbers look random and never repeat
_STRIDE: Final = 7_331_913_047_291
_SETTLEMENT_NUMBERS: Final = 10**15

_S, _L = SETTLEMENT_NAMES, LINE_NAMES
_HEAD: Final = (
    f'{{"{_S["event_id"]}":"%s","{_S["kind"]}":"%s","{_S["schema"]}":{SCHEMA_VERSION},"{_S["original_id"]}":%s,'
    f'"{_S["transaction"]}":"%s","{_S["message_at"]}":"%s","{_S["settlement_id"]}":"%s","{_S["visit_id"]}":"M%s",%s'
    f'"{_S["credential"]}":"%s","{_S["care_type"]}":"%s","{_S["settled_at"]}":"%s",'
    f'"{_S["begun_on"]}":"%s","{_S["ended_on"]}":"%s",%s"{_S["terminal_id"]}":%s,"{_S["operator_id"]}":"%s",'
    f'"{_S["fee"]}":"%s","{_S["fund_paid"]}":"%s","{_S["pooled_paid"]}":"%s","{_S["account_paid"]}":"%s",'
    f'"{_S["cash_paid"]}":"%s","{_S["in_scope"]}":"%s","{_S["refunded"]}":"%s","{_S["disease_code"]}":%s,'
    f'"{_S["diagnoses"]}":[%s],'
    f'"{_S["collector_id"]}":%s,"{_S["collector_relation"]}":%s,"{_S["long_prescription"]}":"%s","{_S["lines"]}":[%s]}}'
)
_BILLED: Final = f'%s"{_L["quantity"]}":"%d","{_L["price"]}":"%s","{_L["amount"]}":"%s","{_L["in_scope"]}":"%s","{_L["supply_days"]}":%s,'
_LINE: Final = (
    f'{{"{_L["line_id"]}":"%s-%d",%s"{_L["incurred_at"]}":"%s",%s"{_L["external_prescription"]}":"0",'
    f'"{_L["trace_codes"]}":[%s]}}'
)
_SOLD: Final = f'"{_L["doctor_id"]}":null,"{_L["department_id"]}":null,"{_L["prescription_id"]}":null,'
_ORDERED: Final = f'"{_L["doctor_id"]}":"D%s%06d","{_L["department_id"]}":"%s","{_L["prescription_id"]}":"R%s",'
_CLOCK: Final = tuple(f"{minute // 60:02d}:{minute % 60:02d}:" for minute in range(1440))
_CENTS: Final = tuple(f".{cents:02d}" for cents in range(100))
_SECONDS: Final = tuple(f"{second:02d}" for second in range(60))
_DEPARTMENTS: Final = ("A03", "A04", "A07", "A12", "A32", "A50")


@dataclass(slots=True)
class Item:
    """A fee line: ``count`` units of an article, ``days`` of supply in all (0 = none), ``traces`` the quoted trace codes."""

    article: Article
    count: int
    days: int = 0
    traces: str = ""


@dataclass(slots=True, eq=False)
class Receipt:
    """One settlement or reversal; money in fen, ``at`` in seconds of local time since the first simulated midnight."""

    serial: int
    at: int
    person: Person
    institution: Institution
    terminal: str
    care: str
    ailment: Ailment
    items: list[Item]
    fee: int
    fund: int
    account: int
    scope: int
    collector: Collector | None = None
    long_prescription: bool = False
    disease: str = ""
    begun_day: int = -1
    takes_back: Receipt | None = None

    @property
    def settlement_id(self) -> str:
        """Fifteen digits, unique in the city."""
        return f"{self.serial * _STRIDE % _SETTLEMENT_NUMBERS:015d}"


class Till:
    """Makes receipts: numbers them, prices them and hands out boxes; ``first`` is the first simulated local day."""

    def __init__(self, first: date, rng: Random, serial: int = 1) -> None:
        self._first = first
        self._rng = rng
        self._serial = serial
        self._boxes = serial
        self._days: dict[int, tuple[str, str]] = {}
        self._bills: dict[tuple[str, int, int], str] = {}

    def sell(
        self,
        person: Person,
        shop: Institution,
        at: int,
        basket: list[tuple[Article, int]],
        ailment: Ailment,
        *,
        terminal: str | None = None,
        collector: Collector | None = None,
        long_prescription: bool = False,
        traces: list[str] | None = None,
    ) -> Receipt:
        """A purchase at a pharmacy; ``traces`` replaces the fresh trace codes of the lines (boxes that were settled before)."""
        items = []
        for number, (drug, packs) in enumerate(basket):
            codes = self._boxes_of(drug, packs) if traces is None else traces[number]
            items.append(Item(drug, packs, drug.pack_days * packs, codes))
        terminal = self._terminal(shop) if terminal is None else terminal
        return self._receipt(
            person, shop, at, PHARMACY, ailment, items, terminal=terminal, collector=collector, long_prescription=long_prescription
        )  # fmt: skip

    def treat(
        self,
        person: Person,
        hospital: Institution,
        at: int,
        basket: list[tuple[Article, int]],
        ailment: Ailment,
        *,
        services: list[tuple[Article, int]],
        care: str = OUTPATIENT,
        disease: str = "",
        begun_day: int = -1,
    ) -> Receipt:
        """A visit or stay; a stay's drugs are used up in the ward and give no supply."""
        stays = care == INPATIENT
        items = []
        for drug, packs in basket:
            scanned = self._rng.random() < 0.5
            codes = self._boxes_of(drug, packs) if scanned and not stays else ""
            items.append(Item(drug, packs, 0 if stays else drug.pack_days * packs, codes))
        items += [Item(service, count) for service, count in services]
        # a third of the patients pay on the phone or in the ward: no counter sees them
        terminal = "" if stays or self._rng.random() < 0.35 else self._terminal(hospital)
        return self._receipt(
            person, hospital, at, care, ailment, items, terminal=terminal, disease=disease, begun_day=begun_day
        )  # fmt: skip

    def take_back(self, settled: Receipt, at: int) -> Receipt:
        """The reversal of a settlement, at the same institution."""
        terminal = self._terminal(settled.institution) if settled.terminal else ""
        return Receipt(
            self._next(), at, settled.person, settled.institution, terminal, settled.care, settled.ailment, settled.items,
            settled.fee, settled.fund, settled.account, settled.scope, settled.collector, settled.long_prescription,
            settled.disease, settled.begun_day, settled,
        )  # fmt: skip

    def settle_again(self, settled: Receipt, at: int) -> Receipt:
        """The same boxes settled again after a reversal."""
        return Receipt(
            self._next(), at, settled.person, settled.institution, settled.terminal, settled.care, settled.ailment,
            settled.items, settled.fee, settled.fund, settled.account, settled.scope, settled.collector,
            settled.long_prescription, settled.disease, settled.begun_day,
        )  # fmt: skip

    def event_id(self, receipt: Receipt) -> str:
        """Institution, time and a number that is never used twice."""
        day, second = divmod(receipt.at, DAY)
        clock = _CLOCK[second // 60]
        date_text = self._day(day)[1]
        return (
            f"{receipt.institution.code}{date_text}{clock[:2]}{clock[3:5]}{_SECONDS[second % 60]}{receipt.serial:010d}"
        )

    def wire(self, receipt: Receipt) -> bytes:
        """The settlement message: one JSON object in UTF-8, no newline."""
        day, second = divmod(receipt.at, DAY)
        date_text = self._day(day)[0]
        at = f"{date_text} {_CLOCK[second // 60]}{_SECONDS[second % 60]}"
        settlement_id = receipt.settlement_id
        original = receipt.takes_back
        visit = original.settlement_id if original is not None else settlement_id
        care = receipt.care
        order = _SOLD
        if care != PHARMACY:
            pick = receipt.serial * _STRIDE >> 9
            doctor = pick % 40 + int(receipt.institution.code[7:]) * 40
            order = _ORDERED % (receipt.institution.area, doctor, _DEPARTMENTS[pick % len(_DEPARTMENTS)], settlement_id)
        lines = [
            _LINE % (settlement_id, number, self._billed(item), at, order, item.traces)
            for number, item in enumerate(receipt.items, start=1)
        ]
        sign = "" if original is None else "-"
        fund = sign + _yuan(receipt.fund)
        collector = receipt.collector
        phone = receipt.serial % 3 == 0 or not receipt.terminal
        text = _HEAD % (
            self.event_id(receipt),
            "SETTLE" if original is None else "REVERSE",
            "null" if original is None else f'"{original.settlement_id}"',
            (_SETTLES if original is None else _REVERSES).get(care, "2207" if original is None else "2208"),
            at, settlement_id, visit, receipt.person.fragment, "01" if phone else "03", care, at,
            date_text if receipt.begun_day < 0 else self._day(receipt.begun_day)[0], date_text,
            receipt.institution.fragment, f'"{receipt.terminal}"' if receipt.terminal else "null",
            f"{receipt.institution.area}{receipt.institution.code[7:]}{receipt.serial % 9}",
            sign + _yuan(receipt.fee), fund, fund, sign + _yuan(receipt.account),
            sign + _yuan(receipt.fee - receipt.fund - receipt.account), sign + _yuan(receipt.scope),
            "0" if original is None else "1", f'"{receipt.disease}"' if receipt.disease else "null",
            receipt.ailment.fragment,
            "null" if collector is None else f'"{collector.token}"',
            "null" if collector is None else f'"{collector.relation}"',
            "1" if receipt.long_prescription else "0", ",".join(lines),
        )  # fmt: skip
        return text.encode("latin-1")  # of packed pieces: UTF-8

    def _billed(self, item: Item) -> str:
        """The part of a fee line that depends only on what is billed."""
        key = (item.article.code, item.count, item.days)
        known = self._bills.get(key)
        if known is None:
            article, amount = item.article, item.article.price * item.count
            scope, days = _yuan(amount * article.scope // 100), f'"{item.days}"' if item.days else "null"
            known = _BILLED % (article.fragment, item.count, _yuan(article.price), _yuan(amount), scope, days)
            self._bills[key] = known
        return known

    def _receipt(
        self,
        person: Person,
        institution: Institution,
        at: int,
        care: str,
        ailment: Ailment,
        items: list[Item],
        *,
        terminal: str,
        collector: Collector | None = None,
        long_prescription: bool = False,
        disease: str = "",
        begun_day: int = -1,
    ) -> Receipt:
        fee = scope = 0
        for item in items:
            amount = item.article.price * item.count
            fee += amount
            scope += amount * item.article.scope // 100
        fund = scope * self._fund_share(person, institution, care) // 1000
        account = int((fee - fund) * 0.6) if person.employee else 0
        return Receipt(
            self._next(), at, person, institution, terminal, care, ailment, items, fee, fund, account, scope, collector,
            long_prescription, disease, begun_day,
        )  # fmt: skip

    def _fund_share(self, person: Person, institution: Institution, care: str) -> int:
        share = 600 if person.employee else 500
        if person.age >= 60:
            share += 80
        if care in (INPATIENT, SPECIAL_CARE):
            share += 200
        elif institution.level == "03":
            share -= 80
        elif institution.level == "01":
            share += 70
        return share

    def _boxes_of(self, drug: Article, packs: int) -> str:
        codes = []
        for _ in range(packs):
            self._boxes += 1
            codes.append(f'"{drug.trace_prefix}{self._boxes * _STRIDE % _BOX_NUMBERS:013d}"')
        return ",".join(codes)

    def _terminal(self, institution: Institution) -> str:
        devices = institution.terminals
        return devices[int(self._rng.random() * len(devices))]

    def _next(self) -> int:
        self._serial += 1
        return self._serial

    def _day(self, day: int) -> tuple[str, str]:
        """A simulated day as ``yyyy-MM-dd`` and ``yyyyMMdd``."""
        known = self._days.get(day)
        if known is None:
            text = (self._first + timedelta(days=day)).isoformat()
            known = self._days[day] = (text, text.replace("-", ""))
        return known


def _yuan(fen: int) -> str:
    return f"{fen // 100}{_CENTS[fen % 100]}"
