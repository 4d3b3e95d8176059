"""What should be noticed and what only looks like it: labelled episodes placed into everyday life.

Fraud: A many cards at one terminal within minutes, B one collector with many people's cards, C one person, one drug, several
pharmacies, D supply far above need, E far too many visits, F clinic and pharmacy shopping together, T boxes settled before.
Legitimate: H1 family collector, H2 care home, H3 long prescription, H4 dialysis, H5 daily infusions or dressings, H6 stocking up
before a journey, H7 settled, reversed, settled again. H2, H4 and H5 come out of :mod:`streams.simulator.traffic` by themselves.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Any, Final

from streams.simulator.catalogue import ACUTE, CHRONIC, CONSULTATION, INFECTION, Ailment, Article, Catalogue
from streams.simulator.chance import between, pick
from streams.simulator.city import City, Institution
from streams.simulator.people import FAMILY, OTHER, Person, Population
from streams.simulator.receipts import DAY, Receipt, Till
from streams.simulator.rhythm import SHOPPING, VISITING
from streams.simulator.traffic import FRAUD, LEGITIMATE, Episode, Traffic

_PER_100_000: Final = {"A": 12, "B": 6, "C": 9, "D": 9, "E": 9, "F": 5, "T": 5, "H1": 8, "H3": 8, "H6": 5, "H7": 6}
"""Episodes of a kind per 100,000 background settlements, about as dense as in the public data."""


@dataclass(slots=True)
class _Script:
    """An episode to come: its kind, first day and parameters."""

    kind: str
    day: int
    params: dict[str, Any]


class Episodes:
    """Places labelled episodes; :meth:`begin` must be called for each day before the traffic's day is asked for."""

    def __init__(
        self,
        city: City,
        population: Population,
        catalogue: Catalogue,
        till: Till,
        traffic: Traffic,
        days: int,
        rng: Random,
    ) -> None:
        self._city, self._population, self._catalogue = city, population, catalogue
        self._till, self._traffic, self._days, self._rng = till, traffic, days, rng
        self._cast: set[str] = set()
        self._scripts: dict[int, list[_Script]] = {}
        self._acts: dict[str, Callable[[Episode, int], None]] = {
            "A": self._many_cards, "B": self._one_collector, "C": self._pharmacy_tour, "D": self._hoarding,
            "E": self._many_visits, "F": self._clinic_and_pharmacy, "T": self._boxes_sold_twice,
            "H1": self._family_collector, "H3": self._long_prescription, "H6": self._journey, "H7": self._corrections,
        }  # fmt: skip

    def schedule(self, settlements: float) -> None:
        """Spread episodes over the days, for about so many background settlements; a kind that does not fit is left out."""
        for kind, density in _PER_100_000.items():
            for _ in range(max(1, round(density * settlements / 100_000))):
                params, span = self._parameters(kind)
                if span <= self._days:
                    self.stage(kind, between(self._rng, 0, self._days - span), params)

    def stage(self, kind: str, day: int, params: dict[str, Any]) -> None:
        """Have one episode begin on a day."""
        self._scripts.setdefault(day, []).append(_Script(kind, day, params))

    def begin(self, day: int) -> None:
        """Plan what the episodes that begin on this day will settle, today and later."""
        for script in self._scripts.pop(day, ()):
            label = LEGITIMATE if script.kind.startswith("H") else FRAUD
            episode = Episode(script.kind, label, script.params)
            self._acts[script.kind](episode, day)
            if episode.event_ids:
                self._traffic.episodes.append(episode)

    def _parameters(self, kind: str) -> tuple[dict[str, Any], int]:
        """Parameters of an episode and the days it takes."""
        rng = self._rng
        match kind:
            case "A":
                params: dict[str, Any] = {
                    "k": between(rng, 4, 10),
                    "w": pick(rng, (5, 10, 20)),
                    "rep": pick(rng, (1, 1, 3)),
                }
                return params, 7 * params["rep"] - 5
            case "B":
                params = {"k": between(rng, 6, 12), "d": pick(rng, (5, 10, 20)), "known": rng.random() < 0.6}
                return params, params["d"] + 1
            case "C":
                params = {"p": between(rng, 3, 5), "d": between(rng, 1, 5)}
                return params, params["d"]
            case "D":
                params = {"ratio": pick(rng, (2.0, 3.0, 4.0)), "d": min(60, max(20, self._days - 2))}
                return params, params["d"]
            case "E":
                params = {"n": pick(rng, (12, 15, 20)), "d": between(rng, 7, 14), "orgs": between(rng, 1, 5)}
                return params, params["d"]
            case "F":
                params = {"n": between(rng, 4, 6), "drugs": 2}
                return params, params["n"] + 1
            case "T":
                params = {"d": min(pick(rng, (3, 10, 20, 60)), max(2, self._days - 1))}
                return params, params["d"] + 1
            case "H1":
                params = {"k": between(rng, 3, 4), "rounds": min(6, max(1, self._days // 30))}
                return params, 28 * params["rounds"] - 27
            case "H3":
                length = 84 if self._days >= 180 else 56 if self._days >= 110 else 28
                params = {"supply": length, "rounds": min(4, 1 + (self._days - 1) // length)}
                return params, length * (params["rounds"] - 1) + 1
            case "H6":
                return {"supply": 75}, 4
            case _:
                return {"times": 2}, 1

    def _people(self, count: int, *, families: bool = False) -> list[Person]:
        """Persons nobody else's episode uses; in a city too small for that, any."""
        chosen: list[Person] = []
        persons = self._population.persons
        if families:
            fitting = [
                one for one in self._population.families if len(one) >= count and one[0].person_id not in self._cast
            ]
            chosen = pick(self._rng, fitting)[:count] if fitting else []
        for attempt in range(60 * count):
            if len(chosen) == count:
                break
            person = pick(self._rng, persons)
            free = person.person_id not in self._cast and not person.dialysis and person.age >= 25
            if (free or attempt > 40 * count) and person not in chosen:
                chosen.append(person)
        self._cast.update(person.person_id for person in chosen)
        return chosen

    def _pharmacies(self, near: Person, count: int) -> list[Institution]:
        """Different pharmacies, the first ones in the person's neighbourhood."""
        around = dict.fromkeys(near.home.pharmacies.draw(self._rng) for _ in range(4 * count))
        found = list(around)[:count]
        while len(found) < count:
            other = pick(self._rng, self._city.pharmacies)
            if other not in found:
                found.append(other)
        return found

    def _watched(self) -> tuple[Article, Ailment]:
        drug = pick(self._rng, self._catalogue.watched)
        ailment = next((one for one in CHRONIC if drug.generic in one.generics), ACUTE[1])
        return drug, ailment

    def _daytime(self, day: int) -> int:
        return day * DAY + SHOPPING.draw(self._rng)

    def _keep(self, episode: Episode, receipt: Receipt) -> None:
        self._traffic.plan(receipt, episode)

    def _many_cards(self, episode: Episode, day: int) -> None:
        rng = self._rng
        cards = self._people(episode.params["k"])
        shop = pick(rng, self._city.pharmacies)
        terminal = pick(rng, shop.terminals)
        drug, ailment = self._watched()
        for repeat in range(episode.params["rep"]):
            start = min(self._daytime(day + 7 * repeat), (day + 7 * repeat) * DAY + 22 * 3_600)
            moments = sorted(rng.randrange(60 * episode.params["w"]) for _ in cards)
            for person, moment in zip(cards, moments, strict=True):
                packs = between(rng, 1, 3)
                self._keep(
                    episode, self._till.sell(person, shop, start + moment, [(drug, packs)], ailment, terminal=terminal)
                )

    def _one_collector(self, episode: Episode, day: int) -> None:
        rng = self._rng
        cards = self._people(episode.params["k"])
        collector = self._population.collector(OTHER) if episode.params["known"] else None
        shops = self._pharmacies(cards[0], 3)
        wares = [self._watched() for _ in range(2)]
        for person in cards:
            for _ in range(pick(rng, (1, 2, 2))):
                drug, ailment = pick(rng, wares)
                at = self._daytime(day + rng.randrange(episode.params["d"]))
                basket = [(drug, between(rng, 1, 2))]
                self._keep(episode, self._till.sell(person, pick(rng, shops), at, basket, ailment, collector=collector))

    def _pharmacy_tour(self, episode: Episode, day: int) -> None:
        rng = self._rng
        (person,) = self._people(1)
        drug, ailment = self._watched()
        at = day * DAY + between(rng, 9, 11) * 3_600
        last = (day + episode.params["d"] - 1) * DAY + 21 * 3_600
        shops = self._pharmacies(person, episode.params["p"])
        for number, shop in enumerate(shops):
            packs = max(1, round(pick(rng, (14, 28, 30)) / drug.pack_days))
            self._keep(episode, self._till.sell(person, shop, _open(at, rng), [(drug, packs)], ailment))
            left = len(shops) - 1 - number
            if left:
                at += max(1_800, round((last - at) / (left + 1) * rng.uniform(0.6, 1.2)))
                at = min(at, last)

    def _hoarding(self, episode: Episode, day: int) -> None:
        rng = self._rng
        (person,) = self._people(1)
        drug, ailment = self._watched()
        shops = self._pharmacies(person, 2)
        span, need = episode.params["d"], episode.params["ratio"] * episode.params["d"]
        bought: list[int] = []
        while sum(bought) * drug.pack_days < need:
            bought.append(max(1, round(pick(rng, (14, 28, 30)) / drug.pack_days)))
        for number, packs in enumerate(bought):
            at = self._daytime(day + number * span // len(bought))
            self._keep(episode, self._till.sell(person, pick(rng, shops), at, [(drug, packs)], ailment))

    def _many_visits(self, episode: Episode, day: int) -> None:
        rng = self._rng
        (person,) = self._people(1)
        wards = list(dict.fromkeys([person.home.centre] + [person.home.hospitals.draw(rng) for _ in range(20)]))
        wards = wards[: episode.params["orgs"]]
        count, span = episode.params["n"], episode.params["d"]
        for number in range(count):
            at = (day + number * span // count) * DAY + VISITING.draw(rng)
            ailment = pick(rng, ACUTE)
            drug = pick(rng, self._catalogue.products[pick(rng, ailment.generics)])
            services = [(CONSULTATION, 1)]
            self._keep(episode, self._till.treat(person, pick(rng, wards), at, [(drug, 1)], ailment, services=services))

    def _clinic_and_pharmacy(self, episode: Episode, day: int) -> None:
        rng = self._rng
        (person,) = self._people(1)
        wares = [self._watched() for _ in range(episode.params["drugs"])]
        for number in range(episode.params["n"]):
            drug, ailment = pick(rng, wares)
            at = (day + number) * DAY + VISITING.draw(rng)
            hospital = person.home.hospitals.draw(rng)
            self._keep(
                episode, self._till.treat(person, hospital, at, [(drug, 1)], ailment, services=[(CONSULTATION, 1)])
            )
            drug, ailment = pick(rng, wares)
            (shop,) = self._pharmacies(person, 1)
            at += between(rng, 1_800, 7_200)
            self._keep(episode, self._till.sell(person, shop, at, [(drug, 2)], ailment))

    def _boxes_sold_twice(self, episode: Episode, day: int) -> None:
        rng = self._rng
        first, second = self._people(2)
        drug, ailment = self._watched()
        basket = [(drug, between(rng, 1, 2))]
        sold = self._till.sell(first, first.shop, self._daytime(day), basket, ailment)
        other = pick(rng, [shop for shop in self._city.pharmacies if shop is not first.shop])
        at = self._daytime(day + episode.params["d"])
        traces = [item.traces for item in sold.items]
        self._keep(episode, sold)
        self._keep(episode, self._till.sell(second, other, at, basket, ailment, traces=traces))

    def _family_collector(self, episode: Episode, day: int) -> None:
        rng = self._rng
        family = self._people(episode.params["k"], families=True)
        collector = self._population.collector(FAMILY)
        shop = family[0].shop
        needs = []
        for _ in family:
            ailment = pick(rng, CHRONIC[:6])
            drug = pick(rng, self._catalogue.products[pick(rng, ailment.generics)])
            needs.append((drug, max(1, round(28 / drug.pack_days)), ailment))
        for one in range(episode.params["rounds"]):
            at = self._daytime(day + 28 * one)
            for person, (drug, packs, ailment) in zip(family, needs, strict=True):
                self._keep(episode, self._till.sell(person, shop, at, [(drug, packs)], ailment, collector=collector))
                at += between(rng, 20, 80)

    def _long_prescription(self, episode: Episode, day: int) -> None:
        rng = self._rng
        (person,) = self._people(1)
        drug, ailment = self._watched()
        basket = [(drug, max(1, round(episode.params["supply"] / drug.pack_days)))]
        for _ in range(episode.params["rounds"]):
            self._keep(
                episode,
                self._till.sell(person, person.shop, self._daytime(day), basket, ailment, long_prescription=True),
            )
            day += int(episode.params["supply"] * rng.uniform(0.85, 0.97))

    def _journey(self, episode: Episode, day: int) -> None:
        """A chronic patient buys for weeks ahead at once and is then not seen for as long."""
        patients = [one for one in self._people(12) if one.rounds]
        person = patients[0] if patients else self._people(1)[0]
        drug, _ = person.rounds[0].basket[0] if person.rounds else (self._watched()[0], 1)
        ailment = person.rounds[0].ailment if person.rounds else INFECTION
        for number, (days, shop) in enumerate(zip((30, 45), self._pharmacies(person, 2), strict=True)):
            packs = max(1, round(days / drug.pack_days))
            at = self._daytime(day + 2 * number)
            self._keep(episode, self._till.sell(person, shop, at, [(drug, packs)], ailment))
        person.stocked_until = day + episode.params["supply"]

    def _corrections(self, episode: Episode, day: int) -> None:
        rng = self._rng
        (person,) = self._people(1)
        drug, ailment = self._watched()
        at = self._daytime(day)
        settled = self._till.sell(person, person.shop, at, [(drug, 2)], ailment)
        self._keep(episode, settled)
        for _ in range(episode.params["times"]):
            at += between(rng, 60, 240)
            self._keep(episode, self._till.take_back(settled, at))
            at += between(rng, 60, 300)
            settled = self._till.settle_again(settled, at)
            self._keep(episode, settled)


def _open(at: int, rng: Random) -> int:
    """The same day within opening hours."""
    day, second = divmod(at, DAY)
    if 8 * 3_600 <= second < 22 * 3_600:
        return at
    return day * DAY + between(rng, 8 * 3_600, 21 * 3_600)
