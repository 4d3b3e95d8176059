"""Everyday life, day by day: refills, purchases, visits, stays, series of treatments, and corrections at the counter."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import Any, Final

from streams.simulator.catalogue import (
    ACUTE,
    BED,
    CONSULTATION,
    DIALYSIS,
    DRESSING,
    EMERGENCY,
    IMAGING,
    INFECTION,
    INFUSION,
    KIDNEY,
    LABORATORY,
    NURSING,
    STAYS,
    WARD_CARE,
    WOUND,
    Ailment,
    Article,
    Catalogue,
)  # fmt: skip
from streams.simulator.chance import between, pick
from streams.simulator.city import Institution
from streams.simulator.people import CareHome, Person, Round
from streams.simulator.receipts import (
    CHRONIC_CARE,
    DAY,
    EMERGENCY_ROOM,
    INPATIENT,
    OUTPATIENT,
    SPECIAL_CARE,
    Receipt,
    Till,
)  # fmt: skip
from streams.simulator.rhythm import EMERGENCIES, SESSIONS, SHOPPING, VISITING, Rhythm

FRAUD: Final = "fraud"
LEGITIMATE: Final = "legitimate"

_REVERSED: Final = 0.006
_SETTLED_AGAIN: Final = 0.6
_SERIES: Final = 0.001  # of visits lead to daily infusions or dressings
_DIALYSIS_EPISODE: Final = 15
_HOME_SHOP_HABIT: Final = 0.8


@dataclass(slots=True)
class Episode:
    """A labelled stretch of behaviour; ``params`` say how it was made."""

    kind: str
    label: str
    params: dict[str, Any]
    event_ids: list[str] = field(default_factory=list)
    persons: dict[str, None] = field(default_factory=dict)
    """Person ids, in order of first appearance."""


class Traffic:
    """The background of ``days`` days; :meth:`day` must be asked for each day once, in order.

    Memory holds one day of receipts, what is already planned ahead and one appointment list per person, never the whole stream.
    """

    def __init__(
        self,
        persons: list[Person],
        care_homes: list[CareHome],
        catalogue: Catalogue,
        till: Till,
        rhythm: Rhythm,
        days: int,
        rng: Random,
    ) -> None:
        self.episodes: list[Episode] = []
        self._catalogue, self._till, self._rhythm, self._days, self._rng = catalogue, till, rhythm, days, rng
        self._planned: dict[int, list[Receipt]] = {}
        self._due: dict[int, list[tuple[Callable[..., None], Any]]] = {}
        for person in persons:
            self._settle_in(person)
        for home in care_homes:
            for person in home.residents:
                person.stocked_until = days  # the collector looks after their medicines
            self._appoint(rng.randrange(28), self._collection, home)

    def plan(self, receipt: Receipt, episode: Episode | None = None) -> None:
        """Put a receipt into its day and note it in its episode; one beyond the last day never happens."""
        day = receipt.at // DAY
        if day < self._days:
            self._planned.setdefault(day, []).append(receipt)
            if episode is not None:
                episode.event_ids.append(self._till.event_id(receipt))
                episode.persons[receipt.person.person_id] = None

    def day(self, day: int) -> list[Receipt]:
        """Everything settled on a day, in event-time order."""
        for handler, subject in self._due.pop(day, ()):
            handler(subject, day)
        receipts = self._planned.pop(day, [])
        receipts.sort(key=lambda receipt: (receipt.at, receipt.serial))
        return receipts

    def _appoint(self, day: int, handler: Callable[..., None], subject: Any) -> None:
        if day < self._days:
            self._due.setdefault(day, []).append((handler, subject))

    def _settle_in(self, person: Person) -> None:
        rng = self._rng
        for one in person.rounds:
            self._appoint(min(one.until), self._refill, (person, one))
        self._appoint(self._next_purchase(person, -1), self._purchase, person)
        self._appoint(self._next_visit(person, -1), self._visit, person)
        self._appoint(self._next_stay(person, 0), self._stay, person)
        if person.dialysis:
            self._appoint(rng.randrange(2), self._dialysis, (person, None))

    def _next_purchase(self, person: Person, day: int) -> int:
        rate = (0.016 + 0.0002 * person.age) * self._rhythm.season(day)
        return self._rhythm.shopping_day(day + 1 + int(self._rng.expovariate(rate)), self._rng)

    def _next_visit(self, person: Person, day: int) -> int:
        rate = (0.011 + 0.00022 * abs(person.age - 18)) * self._rhythm.season(day)
        return self._rhythm.visiting_day(day + 1 + int(self._rng.expovariate(rate)), self._rng)

    def _next_stay(self, person: Person, day: int) -> int:
        return day + 1 + int(self._rng.expovariate(0.0002 + 0.000006 * max(0, person.age - 30)))

    def _keep(self, receipt: Receipt) -> None:
        """Plan an everyday receipt; now and then it was wrong and is taken back, mostly at once."""
        self.plan(receipt)
        rng = self._rng
        if rng.random() < _REVERSED:
            later = between(rng, 90, 1_800) if rng.random() < 0.75 else between(rng, DAY // 2, 3 * DAY)
            self.plan(self._till.take_back(receipt, receipt.at + later))
            if rng.random() < _SETTLED_AGAIN:
                self.plan(self._till.settle_again(receipt, receipt.at + later + between(rng, 30, 600)))

    def _shop(self, person: Person) -> Institution:
        return person.shop if self._rng.random() < _HOME_SHOP_HABIT else person.home.pharmacies.draw(self._rng)

    def _hospital(self, person: Person) -> Institution:
        at = self._rng.random()
        if at < 0.35:
            return person.home.centre
        return person.hospital if at < 0.75 else person.home.hospitals.draw(self._rng)

    def _refill(self, subject: tuple[Person, Round], day: int) -> None:
        person, one = subject
        rng = self._rng
        if day < person.stocked_until or day <= person.away_until:
            again = max(person.stocked_until, person.away_until + 1)
            self._appoint(again + int(rng.random() * 3), self._refill, subject)
            return
        basket, runs_out = one.fetch(day)
        if rng.random() < 0.6:
            at = day * DAY + SHOPPING.draw(rng)
            shop = self._shop(person)
            self._keep(self._till.sell(person, shop, at, basket, one.ailment, collector=person.collector))
        else:
            at = day * DAY + VISITING.draw(rng)
            services = (
                [(CONSULTATION, 1), (LABORATORY, between(rng, 2, 12))] if rng.random() < 0.3 else [(CONSULTATION, 1)]
            )
            hospital = self._hospital(person)
            self._keep(
                self._till.treat(
                    person,
                    hospital,
                    at,
                    basket,
                    one.ailment,
                    services=services,
                    care=CHRONIC_CARE,
                    disease="M03900",
                )
            )
        # most people run short for a day or two, a few come early
        again = max(day + 3, runs_out + max(-4, round(rng.normalvariate(2.5, 2.5))))
        self._appoint(self._rhythm.shopping_day(again, rng), self._refill, subject)

    def _purchase(self, person: Person, day: int) -> None:
        rng = self._rng
        if day > person.away_until:
            ailment = pick(rng, ACUTE)
            self._keep(
                self._till.sell(
                    person, self._shop(person), day * DAY + SHOPPING.draw(rng), self._remedies(ailment), ailment
                )
            )
        self._appoint(self._next_purchase(person, day), self._purchase, person)

    def _remedies(self, ailment: Ailment) -> list[tuple[Article, int]]:
        rng = self._rng
        count = min(len(ailment.generics), 1 + (rng.random() < 0.35))
        at = int(rng.random() * len(ailment.generics))
        generics = [ailment.generics[(at + number) % len(ailment.generics)] for number in range(count)]
        return [(pick(rng, self._catalogue.products[generic]), 1 + (rng.random() < 0.3)) for generic in generics]

    def _visit(self, person: Person, day: int) -> None:
        rng = self._rng
        self._appoint(self._next_visit(person, day), self._visit, person)
        if day <= person.away_until:
            return
        if rng.random() < _SERIES and not person.dialysis:
            self._series(person, day)
            return
        ailment = ACUTE[0] if rng.random() < 0.4 else pick(rng, ACUTE)
        if rng.random() < 0.07:
            hospital = person.hospital if person.hospital.level != "01" else person.home.dialysis
            services = [(EMERGENCY, 1), (LABORATORY, between(rng, 5, 25)), (IMAGING, between(rng, 1, 20))]
            at = day * DAY + EMERGENCIES.draw(rng)
            self._keep(
                self._till.treat(
                    person, hospital, at, self._remedies(ailment), ailment, services=services, care=EMERGENCY_ROOM
                )
            )
            return
        services = [(CONSULTATION, 1)]
        if rng.random() < 0.45:
            services.append((LABORATORY, between(rng, 2, 30)))
        if rng.random() < 0.15:
            services.append((IMAGING, between(rng, 4, 40)))
        remedies = self._remedies(ailment) if rng.random() < 0.75 else []
        at = day * DAY + VISITING.draw(rng)
        self._keep(self._till.treat(person, self._hospital(person), at, remedies, ailment, services=services))
        if rng.random() < 0.15:
            later = at + between(rng, 1_500, 9_000)
            self._keep(self._till.sell(person, self._shop(person), later, self._remedies(ailment), ailment))

    def _stay(self, person: Person, day: int) -> None:
        rng = self._rng
        self._appoint(self._next_stay(person, day + 30), self._stay, person)
        if person.dialysis or day <= person.away_until:
            return
        nights = min(28, 2 + int(rng.expovariate(1 / 6)))
        person.away_until = day + nights
        ailment = pick(rng, STAYS)
        hospital = person.hospital if person.hospital.level != "01" else person.home.dialysis
        services = [
            (BED, nights),
            (NURSING, nights),
            (WARD_CARE, nights * between(rng, 3, 9)),
            (LABORATORY, nights * 6),
        ]
        drugs = [(pick(rng, self._catalogue.drugs), between(rng, 1, 4)) for _ in range(2)]
        at = (day + nights) * DAY + VISITING.draw(rng)
        self._keep(
            self._till.treat(person, hospital, at, drugs, ailment, services=services, care=INPATIENT, begun_day=day)
        )

    def _dialysis(self, subject: tuple[Person, Episode | None], day: int) -> None:
        """Mondays, Wednesdays, Fridays or the days after them; every fifteen sessions are one labelled episode."""
        person, episode = subject
        rng = self._rng
        if self._rhythm.weekday(day) == 6:
            self._appoint(day + 1, self._dialysis, subject)
            return
        if episode is None or len(episode.event_ids) == _DIALYSIS_EPISODE:
            episode = Episode("H4", LEGITIMATE, {"n": _DIALYSIS_EPISODE})
            self.episodes.append(episode)
        at = day * DAY + SESSIONS.draw(rng)
        receipt = self._till.treat(
            person, person.home.dialysis, at, [], KIDNEY, services=[(DIALYSIS, 1)], care=SPECIAL_CARE, disease="M07801"
        )
        self.plan(receipt, episode)
        weekend = self._rhythm.weekday(day) in (4, 5)
        self._appoint(day + (3 if weekend else 2), self._dialysis, (person, episode))

    def _series(self, person: Person, day: int) -> None:
        """Infusions or dressings every day at one place."""
        rng = self._rng
        count = min(between(rng, 5, 12), self._days - day)
        episode = Episode("H5", LEGITIMATE, {"n": count})
        ailment, service = (INFECTION, INFUSION) if rng.random() < 0.6 else (WOUND, DRESSING)
        person.away_until = max(person.away_until, day + count - 1)
        for number in range(count):
            at = (day + number) * DAY + VISITING.draw(rng)
            services = [(CONSULTATION, 1), (service, 1)] if number == 0 else [(service, 1)]
            receipt = self._till.treat(person, person.home.centre, at, [], ailment, services=services, care=OUTPATIENT)
            self.plan(receipt, episode)
        self.episodes.append(episode)

    def _collection(self, home: CareHome, day: int) -> None:
        """The filed collector fetches the month's medicines of every resident who is there."""
        rng = self._rng
        present = [person for person in home.residents if person.away_until < day]
        episode = Episode("H2", LEGITIMATE, {"k": len(present)})
        at = day * DAY + SHOPPING.draw(rng) // 2 + 6 * 3_600
        for person in present:
            for one in person.rounds:
                packs = [(drug, max(1, round(28 / drug.pack_days))) for drug, _ in one.basket]
                receipt = self._till.sell(person, home.shop, at, packs, one.ailment, collector=home.collector)
                self.plan(receipt, episode)
                at += between(rng, 25, 110)
        if episode.event_ids:
            self.episodes.append(episode)
        self._appoint(self._rhythm.shopping_day(day + 28, rng), self._collection, home)
