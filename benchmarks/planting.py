"""Other episodes for a real background: the labelled ones out, new ones in, of persons, places and parameters drawn from a seed.

The ranges are wide on purpose, from what nobody could tell from everyday life to what nobody could overlook: the point is to see where
the judgement begins to find a kind, not to reach a figure. Episodes A to F and T are fraud, H1 to H5 and H7 look alike and are fine
(see the kinds in :mod:`streams.simulator.episodes`). Half of the persons are known to the background, half appear in their episode only.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import ROUND_HALF_UP, Decimal
from random import Random
from typing import Any, Final

import msgspec
import orjson

from benchmarks.background import CENT, Background, Drug, Head, Person, Place
from detectors.quality import FRAUD, Episode

KINDS: Final = ("A", "B", "C", "D", "E", "F", "T", "H1", "H2", "H3", "H4", "H5", "H7")
HOUR, DAY = 3_600, 86_400
CONSULTATION: Final = "001102000010000"
FAMILY, HOME, OTHER = "1", "7", "9"


@dataclass
class Planted:
    """New events by time, as wire dicts, and the episodes they belong to."""

    events: list[dict[str, Any]] = field(default_factory=list)
    episodes: list[Episode] = field(default_factory=list)

    def into(self, lines: Iterable[bytes], labelled: frozenset[str]) -> Iterator[bytes]:
        """The lines without the events in ``labelled``, the new events among them when their time has come."""
        decode = msgspec.json.Decoder(Head).decode
        coming = iter(self.events)
        event = next(coming, None)
        for line in lines:
            head = decode(line)
            while event is not None and event["setl_time"] <= head.setl_time:
                yield orjson.dumps(event)
                event = next(coming, None)
            if head.event_id not in labelled:
                yield line
        while event is not None:
            yield orjson.dumps(event)
            event = next(coming, None)


def plant(background: Background, *, seed: int, per_kind: int, kinds: Sequence[str] = KINDS) -> Planted:
    """So many episodes of each kind, each with parameters of its own; a pure function of its arguments."""
    planter = _Planter(background, Random(f"fundwatch variants {seed}"))
    for kind in kinds:
        for _ in range(per_kind):
            planter.add(kind)
    planter.planted.events.sort(key=lambda event: (event["setl_time"], event["event_id"]))
    return planter.planted


class _Planter:
    def __init__(self, background: Background, rng: Random) -> None:
        self._background, self._rng = background, rng
        self._known = rng.sample(background.persons, len(background.persons))
        self._watched = [drug for drug in background.drugs if drug.watched]
        self._ordinary = [drug for drug in background.drugs if not drug.watched]
        self._span = int((background.last - background.first).total_seconds())
        self._events: list[dict[str, Any]] = []
        self._acts: dict[str, Callable[[], dict[str, Any]]] = {
            "A": self._many_cards, "B": self._one_collector, "C": self._pharmacy_tour, "D": self._hoarding,
            "E": self._many_visits, "F": self._clinic_and_pharmacy, "T": self._boxes_sold_twice,
            "H1": self._family_collector, "H2": self._care_home, "H3": self._long_prescription,
            "H4": self._dialysis, "H5": self._daily_dressing, "H7": self._corrections,
        }  # fmt: skip
        self.planted = Planted()

    def add(self, kind: str) -> None:
        self._events = []
        params = self._acts[kind]()
        number = len(self.planted.episodes)
        self.planted.events += self._events
        self.planted.episodes.append(
            Episode(
                episode_id=f"V{number:05}",
                kind=kind,
                label="legitimate" if kind.startswith("H") else FRAUD,
                persons=list(dict.fromkeys(event["psn_no"] for event in self._events)),
                event_ids=[event["event_id"] for event in self._events],
                params=params,
            )
        )

    def _many_cards(self) -> dict[str, Any]:
        rng = self._rng
        cards, minutes, times = rng.randint(3, 12), rng.randint(3, 40), rng.randint(1, 4)
        persons, shop, drug = self._people(cards), rng.choice(self._background.pharmacies), rng.choice(self._watched)
        terminal = rng.choice(shop.terminals)
        gap = rng.randint(5, 35) * DAY
        start = self._start(gap * (times - 1) + DAY)
        for time in range(times):
            there = [person for person in persons if times == 1 or rng.random() < 0.9] or persons[:2]
            begin = start + time * gap + rng.randrange(-6 * HOUR, 6 * HOUR) * (time > 0)
            for person in there:
                at = begin + rng.randrange(60 * minutes)
                self._sell(person, shop, at, [(drug, rng.randint(1, 3))], terminal=terminal)
        return {"k": cards, "w": minutes, "rep": times, "gap": gap // DAY}

    def _one_collector(self) -> dict[str, Any]:
        rng = self._rng
        cards, days, count, known = rng.randint(5, 12), rng.randint(7, 30), rng.randint(2, 5), rng.random() < 0.5
        collector = (f"AG{rng.randrange(10**14):014}", OTHER) if known else None
        shops, drugs = rng.sample(self._background.pharmacies, count), rng.sample(self._watched, 2)
        start = self._start(days * DAY)
        for person in self._people(cards):
            for _ in range(rng.randint(1, 2)):
                at = start + rng.randrange(days * DAY)
                self._sell(person, rng.choice(shops), at, [(rng.choice(drugs), rng.randint(1, 2))], collector=collector)
        return {"k": cards, "d": days, "shops": count, "known": known}

    def _pharmacy_tour(self) -> dict[str, Any]:
        rng = self._rng
        (person,), drug, count, days = self._people(1), rng.choice(self._watched), rng.randint(3, 6), rng.randint(1, 14)
        start = self._start(days * DAY)
        for shop in rng.sample(self._background.pharmacies, count):
            self._sell(person, shop, start + rng.randrange(days * DAY), [(drug, rng.randint(1, 2))])
        return {"p": count, "d": days, "pack": drug.days}

    def _hoarding(self) -> dict[str, Any]:
        rng = self._rng
        (person,), drug = self._people(1), rng.choice(self._watched)
        ratio, days, count = round(rng.uniform(1.8, 5), 1), rng.randint(45, 120), rng.randint(1, 3)
        shops, start, bought = rng.sample(self._background.pharmacies, count), self._start(days * DAY), 0
        while bought < ratio * days:
            packs = rng.randint(1, 3)
            bought += packs * drug.days
            self._sell(person, rng.choice(shops), start + rng.randrange(days * DAY), [(drug, packs)])
        return {"ratio": ratio, "d": days, "shops": count, "pack": drug.days}

    def _many_visits(self) -> dict[str, Any]:
        rng = self._rng
        (person,), count, days, places = self._people(1), rng.randint(8, 25), rng.randint(6, 25), rng.randint(1, 5)
        wards, start = rng.sample(self._background.hospitals, places), self._start(days * DAY)
        for _ in range(count):
            at = start + rng.randrange(days * DAY)
            drug, illness = rng.choice(self._background.drugs), rng.choice(("J06.9", "K29.5", "M54.5", "R51", "I10"))
            self._treat(person, rng.choice(wards), at, [(drug, 1)], illness)
        return {"n": count, "d": days, "orgs": places}

    def _clinic_and_pharmacy(self) -> dict[str, Any]:
        rng = self._rng
        (person,), pairs, days = self._people(1), rng.randint(3, 8), rng.randint(2, 7)
        drugs, start = rng.sample(self._watched, 2), self._start((days + 1) * DAY)
        for _ in range(pairs):
            at = start + rng.randrange(days * DAY)
            self._treat(person, rng.choice(self._background.hospitals), at, [(rng.choice(drugs), 1)], "I10")
            at += rng.randrange(HOUR // 2, 5 * HOUR // 2)
            self._sell(person, rng.choice(self._background.pharmacies), at, [(rng.choice(drugs), 2)])
        return {"n": pairs, "d": days}

    def _boxes_sold_twice(self) -> dict[str, Any]:
        rng = self._rng
        first, second = self._people(2)
        drug, packs, days = rng.choice(self._watched), rng.randint(1, 2), rng.randint(1, 200)
        days = min(days, self._span // DAY - 2)
        one, other = rng.sample(self._background.pharmacies, 2)
        start = self._start((days + 1) * DAY)
        traces = self._sell(first, one, start, [(drug, packs)])["lines"][0]["drug_trac_codg"]
        again = self._sell(second, other, start + days * DAY + rng.randrange(-4 * HOUR, 4 * HOUR), [(drug, packs)])
        again["lines"][0]["drug_trac_codg"] = traces
        return {"d": days}

    def _family_collector(self) -> dict[str, Any]:
        rng = self._rng
        count, rounds = rng.randint(2, 4), rng.randint(3, 8)
        family, shop = self._people(count), rng.choice(self._background.pharmacies)
        needs = [rng.choice(self._watched if rng.random() < 0.3 else self._ordinary) for _ in family]
        start = self._start(rounds * 31 * DAY)
        for number in range(rounds):
            at = start + number * 28 * DAY + rng.randrange(2 * DAY)
            for person, drug in zip(family, needs, strict=True):
                self._sell(person, shop, at, [(drug, _packs(drug, 28))], collector=(None, FAMILY))
                at += rng.randint(5, 80)
        return {"k": count, "rounds": rounds}

    def _care_home(self) -> dict[str, Any]:
        rng = self._rng
        count, rounds = rng.randint(10, 25), rng.randint(2, 4)
        shop, collector = rng.choice(self._background.pharmacies), (f"NH{rng.randrange(10**14):014}", HOME)
        needs = [(person, rng.choice(self._ordinary)) for person in self._people(count)]
        start = self._start(rounds * 30 * DAY)
        for number in range(rounds):
            begin = start + number * 28 * DAY + rng.randrange(2 * DAY)
            for person, drug in needs:
                at = begin + rng.randrange(45 * 60)
                self._sell(person, shop, at, [(drug, _packs(drug, 28))], collector=collector)
        return {"k": count, "rounds": rounds}

    def _long_prescription(self) -> dict[str, Any]:
        rng = self._rng
        (person,), drug = self._people(1), rng.choice(self._watched)
        supply = rng.randint(28, 90)
        shop, packs = rng.choice(self._background.pharmacies), _packs(drug, supply)
        rounds = max(2, min(4, self._span // DAY // supply))
        at = self._start(rounds * supply * DAY)
        for _ in range(rounds):
            self._sell(person, shop, at, [(drug, packs)], long_prescription=True)
            at += int(packs * drug.days * DAY * rng.uniform(0.85, 0.97))
        return {"supply": packs * drug.days, "rounds": rounds}

    def _dialysis(self) -> dict[str, Any]:
        rng = self._rng
        (person,), ward, weeks = self._people(1), rng.choice(self._background.hospitals), rng.randint(4, 12)
        start, hour = self._day(self._start(weeks * 7 * DAY)), rng.randint(7, 15)
        for number in range(3 * weeks):
            day = number // 3 * 7 + (0, 2, 4)[number % 3]
            at = start + day * DAY + hour * HOUR + rng.randrange(HOUR)
            self._treat(person, ward, at, [], "N18.5", care="140201")
        return {"weeks": weeks}

    def _daily_dressing(self) -> dict[str, Any]:
        rng = self._rng
        (person,), ward, count = self._people(1), rng.choice(self._background.hospitals), rng.randint(7, 20)
        start, hour = self._day(self._start((count + 1) * DAY)), rng.randint(0, 21)
        for day in range(count):
            self._treat(person, ward, start + day * DAY + hour * HOUR + rng.randrange(3 * HOUR), [], "L03.1")
        return {"n": count}

    def _corrections(self) -> dict[str, Any]:
        rng = self._rng
        (person,), drug, times = self._people(1), rng.choice(self._watched), rng.randint(1, 3)
        shop, basket, at = rng.choice(self._background.pharmacies), [(drug, rng.randint(1, 3))], self._start(DAY)
        for _ in range(times):
            sold = self._sell(person, shop, at, basket)
            at += rng.randint(60, 600)
            self._take_back(sold, at)
            at += rng.randint(60, 600)
        self._sell(person, shop, at, basket)
        return {"times": times}

    def _people(self, count: int) -> list[Person]:
        """Persons no other episode has: with equal odds one of the background or a new one that looks like one of it."""
        rng = self._rng
        people = []
        for _ in range(count):
            if self._known and rng.random() < 0.5:
                people.append(self._known.pop())
                continue
            alike = rng.choice(self._background.persons)
            number = f"{alike.wire['psn_no'][:4]}9{rng.randrange(10**11):011}"
            people.append(alike._replace(wire=alike.wire | {"psn_no": number}))
        return people

    def _start(self, length: int) -> int:
        """Seconds after the first settlement at which something of this length begins."""
        return self._rng.randrange(max(1, self._span - length))

    def _day(self, at: int) -> int:
        """The midnight before, as seconds after the first settlement."""
        moment = self._background.first + timedelta(seconds=at)
        return at - int((moment - moment.replace(hour=0, minute=0, second=0)).total_seconds())

    def _sell(
        self,
        person: Person,
        shop: Place,
        at: int,
        basket: list[tuple[Drug, int]],
        *,
        terminal: str | None = None,
        collector: tuple[str | None, str] | None = None,
        long_prescription: bool = False,
    ) -> dict[str, Any]:
        lines = [self._drug_line(number, drug, packs, traced=True) for number, (drug, packs) in enumerate(basket, 1)]
        event = self._settle(person, shop, at, "41", "2102", lines, "I10", terminal)
        if collector is not None:
            event["agnter_certno"], event["agnter_rlts"] = collector
        if long_prescription:
            event["long_rx_flag"] = "1"
        return event

    def _treat(
        self, person: Person, ward: Place, at: int, basket: list[tuple[Drug, int]], illness: str, *, care: str = "11"
    ) -> dict[str, Any]:
        lines = [self._drug_line(number, drug, packs, traced=False) for number, (drug, packs) in enumerate(basket, 1)]
        fee = Decimal(round(self._rng.lognormvariate(4, 0.7) * 100)) / 100
        lines.append(
            _line("x", CONSULTATION, "诊查费及检查", "201", "02", 1, fee, None, []) | {"inscp_scp_amt": str(fee)}
        )
        return self._settle(person, ward, at, care, "2207", lines, illness, None)

    def _drug_line(self, number: int, drug: Drug, packs: int, *, traced: bool) -> dict[str, Any]:
        stem = "8" + drug.code[-6:]
        traces = [f"{stem}{self._rng.randrange(10**13):013}" for _ in range(packs)] if traced else []
        return _line(str(number), drug.code, drug.name, "101", "09", packs, drug.price, drug.days * packs, traces)

    def _settle(
        self,
        person: Person,
        place: Place,
        at: int,
        care: str,
        transaction: str,
        lines: list[dict[str, Any]],
        illness: str,
        terminal: str | None,
    ) -> dict[str, Any]:
        rng = self._rng
        moment = self._background.first + timedelta(seconds=at)
        time, day = moment.isoformat(" "), moment.date().isoformat()
        number = f"{rng.randrange(10**15):015}"
        for line in lines:
            line["feedetl_sn"] = f"{number}-{line['feedetl_sn']}"
            line["fee_ocur_time"] = time
        fee = sum((Decimal(line["det_item_fee_sumamt"]) for line in lines), Decimal(0))
        fund = _cents(fee * person.fund_share)
        account = _cents((fee - fund) * Decimal("0.6"))
        event = {
            "event_id": f"{place.code}{moment:%Y%m%d%H%M%S}{rng.randrange(10**10):010}",
            "event_type": "SETTLE", "orig_setl_id": None, "infno": transaction, "inf_time": time,
            "setl_id": number, "mdtrt_id": f"M{number}", **person.wire, "med_type": care, "setl_time": time,
            "begndate": day, "enddate": day, "fixmedins_code": place.code, "fixmedins_name": place.name,
            "hosp_lv": place.level, "mdtrtarea_admvs": place.area,
            "dev_no": terminal or rng.choice(place.terminals), "opter_id": None,
            "medfee_sumamt": str(fee), "fund_pay_sumamt": str(fund), "hifp_pay": str(fund), "acct_pay": str(account),
            "psn_cash_pay": str(fee - fund - account), "inscp_scp_amt": str(_cents(fee * Decimal("0.9"))),
            "refd_setl_flag": "0", "dise_codg": None,
            "diagnoses": [{"diag_code": illness, "diag_name": illness, "maindiag_flag": "1", "diag_type": "1"}],
            "agnter_certno": None, "agnter_rlts": None, "long_rx_flag": "0", "lines": lines,
        }  # fmt: skip
        self._events.append(event)
        return event

    def _take_back(self, settled: dict[str, Any], at: int) -> None:
        moment = self._background.first + timedelta(seconds=at)
        time = moment.isoformat(" ")
        number = f"{self._rng.randrange(10**15):015}"
        money = ("medfee_sumamt", "fund_pay_sumamt", "hifp_pay", "acct_pay", "psn_cash_pay", "inscp_scp_amt")
        event = settled | {name: f"-{settled[name]}" for name in money}
        self._events.append(
            event
            | {
                "event_id": f"{settled['fixmedins_code']}{moment:%Y%m%d%H%M%S}{self._rng.randrange(10**10):010}",
                "event_type": "REVERSE", "orig_setl_id": settled["setl_id"], "infno": "2103", "inf_time": time,
                "setl_id": number, "mdtrt_id": f"M{number}", "setl_time": time, "refd_setl_flag": "1",
            }
        )  # fmt: skip


def _line(
    number: str, code: str, name: str, kind: str, charge: str, count: int, price: Decimal, days: int | None,
    traces: list[str],
) -> dict[str, Any]:  # fmt: skip
    amount = price * count
    return {
        "feedetl_sn": number, "med_list_codg": code, "hilist_name": name, "list_type": kind, "med_chrgitm_type": charge,
        "cnt": str(count), "pric": str(price), "det_item_fee_sumamt": str(amount),
        "inscp_scp_amt": str(_cents(amount * Decimal("0.9"))), "prd_days": None if days is None else str(days),
        "fee_ocur_time": "", "rx_circ_flag": "0", "drug_trac_codg": traces,
    }  # fmt: skip


def _packs(drug: Drug, days: int) -> int:
    return max(1, round(days / drug.days))


def _cents(amount: Decimal) -> Decimal:
    return amount.quantize(CENT, ROUND_HALF_UP)
