"""Who lives in the city: families of one to five insured persons, their ailments, medicines and collectors, and care homes."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, timedelta
from random import Random
from typing import Final

from streams.simulator.catalogue import CHRONIC, KIDNEY, Ailment, Article, Catalogue
from streams.simulator.chance import pick
from streams.simulator.city import POOLING_AREA, SETTLEMENT_NAMES, City, Institution, Neighbourhood

FAMILY: Final = "1"
CARE_HOME: Final = "7"
OTHER: Final = "9"

_PERSON: Final = "".join(
    f'"{SETTLEMENT_NAMES[name]}":"%s",'
    for name in ("person_id", "sex", "born", "person_type", "insurance", "person_area")
)
_FAMILY_SIZES: Final = ((1, 0.2), (2, 0.3), (3, 0.27), (4, 0.15), (5, 0.08))
_DIALYSIS_SHARE: Final = 0.0008
_HOME_RESIDENTS: Final = (10, 20)
_PERSONS_PER_CARE_HOME: Final = 2_500
_SUPPLY: Final = (14, 28, 28, 30)
_EARLY: Final = 4  # days of stock at hand that do not keep people from taking the next packs along


@dataclass(slots=True, eq=False)
class Round:
    """Medicines fetched together: packs of each, the day each runs out and what they are for."""

    basket: list[tuple[Article, int]]
    until: list[int]
    ailment: Ailment

    def fetch(self, day: int) -> tuple[list[tuple[Article, int]], int]:
        """What is taken along on a day (all that runs out soon), and the day on which something runs out next."""
        soon = max(min(self.until), day + _EARLY)
        taken = []
        for number, (drug, packs) in enumerate(self.basket):
            if self.until[number] <= soon:
                taken.append((drug, packs))
                self.until[number] = max(self.until[number], day) + drug.pack_days * packs
        return taken, min(self.until)


@dataclass(slots=True, eq=False)
class Collector:
    """Who collects for others: a token, never a name, and the relation to the insured person."""

    token: str
    relation: str


@dataclass(slots=True, eq=False)
class Person:
    """An insured person; days are counted from the first simulated day."""

    person_id: str
    age: int
    employee: bool
    fragment: str
    home: Neighbourhood
    shop: Institution
    hospital: Institution
    rounds: list[Round] = field(default_factory=list)
    collector: Collector | None = None
    away_until: int = -1
    stocked_until: int = -1
    dialysis: bool = False


@dataclass(slots=True, eq=False)
class CareHome:
    """Residents whose medicines a filed collector fetches from one pharmacy."""

    residents: list[Person]
    shop: Institution
    collector: Collector


class Population:
    """``count`` persons in families and care homes; ages as of ``today``."""

    def __init__(self, city: City, catalogue: Catalogue, count: int, today: date, rng: Random) -> None:
        self.persons: list[Person] = []
        self.families: list[list[Person]] = []
        self.care_homes: list[CareHome] = []
        self._city, self._catalogue, self._today, self._rng = city, catalogue, today, rng
        homes = max(2, count // _PERSONS_PER_CARE_HOME)
        for _ in range(homes):
            self._open_care_home(min(rng.randint(*_HOME_RESIDENTS), count // (4 * homes)))
        while len(self.persons) < count:
            self._move_in(min(self._family_size(), count - len(self.persons)))
        adults = [person for person in self.persons if 35 <= person.age <= 80]
        for patient in rng.sample(adults, min(len(adults), max(2, round(count * _DIALYSIS_SHARE)))):
            patient.dialysis = True
            patient.rounds = [self._round([KIDNEY], {})]

    def _family_size(self) -> int:
        at = self._rng.random()
        for size, share in _FAMILY_SIZES:
            at -= share
            if at < 0:
                return size
        return 5

    def _move_in(self, size: int) -> None:
        rng = self._rng
        home = self._city.home(rng)
        head = min(88, max(22, round(rng.normalvariate(50 if size > 1 else 58, 15))))
        ages = [head]
        if size > 1:
            ages.append(max(20, head + rng.randint(-5, 5)))
        while len(ages) < size:
            elder = head + rng.randint(22, 30)
            child = head - rng.randint(22, 36)
            ages.append(child if child >= 0 and (elder > 92 or rng.random() < 0.75) else min(elder, 92))
        shop, hospital = home.pharmacies.draw(rng), home.hospitals.draw(rng)
        family = [self._person(age, home, shop, hospital) for age in ages]
        for person in family:
            if person.age >= 72 and person.rounds and rng.random() < 0.2:
                person.collector = self.collector(FAMILY)
        self.families.append(family)

    def _open_care_home(self, residents: int) -> None:
        rng = self._rng
        home = self._city.home(rng)
        shop = home.pharmacies.draw(rng)
        people = [self._person(rng.randint(74, 95), home, shop, home.centre) for _ in range(residents)]
        for person in people:
            if not person.rounds:
                person.rounds = [self._round([CHRONIC[0]], {})]
        self.care_homes.append(CareHome(people, shop, self.collector(CARE_HOME)))

    def collector(self, relation: str) -> Collector:
        """A new collector with a token of its own."""
        # 48 random bits behind a serial-free prefix: two collectors never share a token in any city of believable size
        return Collector(f"AG{self._rng.getrandbits(48):015d}", relation)

    def _person(self, age: int, home: Neighbourhood, shop: Institution, hospital: Institution) -> Person:
        rng = self._rng
        serial = len(self.persons)
        employee = age >= 22 and rng.random() < 0.45
        if employee:
            kind = "1201" if age >= 60 else pick(rng, ("1101", "1101", "1103"))
        else:
            kind = "1402" if age < 6 else "1403" if age < 18 else "1404" if age < 22 else "1501" if age < 60 else "1601"
        person_id = f"{home.area}{rng.randrange(1000):03d}{serial:07d}"
        born = self._today - timedelta(days=int((age + rng.random()) * 365.25))
        insurance = "310" if employee else "390"
        sex = "1" if rng.random() < 0.49 else "2"
        fragment = _PERSON % (person_id, sex, born.isoformat(), kind, insurance, POOLING_AREA)
        person = Person(person_id, age, employee, fragment, home, shop, hospital, self._regimen(age))
        self.persons.append(person)
        return person

    def _regimen(self, age: int) -> list[Round]:
        rng = self._rng
        band = 0 if age < 40 else 1 if age < 60 else 2
        ailments = [one for one in CHRONIC if rng.random() < one.share[band]]
        if not ailments:
            return []
        taken: dict[str, None] = {}
        if len(ailments) > 1 and rng.random() < 0.4:
            cut = len(ailments) // 2
            rounds = [self._round(ailments[:cut], taken), self._round(ailments[cut:], taken)]
            return [one for one in rounds if one.basket]
        return [self._round(ailments, taken)]

    def _round(self, ailments: list[Ailment], taken: dict[str, None]) -> Round:
        rng = self._rng
        days = pick(rng, _SUPPLY)
        basket = []
        for ailment in ailments:
            for generic in rng.sample(ailment.generics, min(len(ailment.generics), 1 if rng.random() < 0.7 else 2)):
                if generic not in taken:
                    taken[generic] = None
                    drug = pick(rng, self._catalogue.products[generic])
                    basket.append((drug, max(1, round(days / drug.pack_days))))
        left = rng.random()
        return Round(basket, [int(left * drug.pack_days * packs) for drug, packs in basket], ailments[0])
