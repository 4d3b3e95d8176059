"""What the demo plays beside the everyday traffic: waves of short scenes, one for every rule, with a past that makes them tell."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from random import Random
from typing import Final

from streams.simulator.catalogue import ACUTE, CHRONIC, CONSULTATION, Ailment, Article, Catalogue
from streams.simulator.chance import between, pick
from streams.simulator.city import City, Institution
from streams.simulator.people import OTHER, Collector, Person, Population
from streams.simulator.quiet import Counters
from streams.simulator.receipts import DAY, Receipt, Till
from streams.simulator.traffic import FRAUD, LEGITIMATE, Episode, Traffic

WAVE_SECONDS: Final = 240.0
REHEARSED: Final = 90
"""Waves with a cast and a past of their own, six hours of them; later waves come back to the same people."""

_CAST: Final = 23
CAST_SIZE: Final = _CAST * REHEARSED
"""Persons the waves need for themselves."""


@dataclass(slots=True)
class _Wave:
    """Who plays in a wave, and what they did before it."""

    cast: list[Person]
    drug: Article
    ailment: Ailment
    resold: Receipt
    hoarded: Article
    collector: Collector


class Scenes:
    """Waves of scenes; ``now`` is the instant of the demo's start, in seconds since the first simulated midnight."""

    def __init__(
        self,
        city: City,
        population: Population,
        catalogue: Catalogue,
        till: Till,
        cast: list[Person],
        counters: Counters,
        now: int,
        rng: Random,
    ) -> None:
        self._city, self._catalogue, self._till, self._now, self._rng = city, catalogue, till, now, rng
        self._counters = counters
        self._homes = population.care_homes
        self._large = [shop for shop in city.pharmacies if len(shop.terminals) >= 2]
        self.episodes: list[Episode] = []
        self._past: list[Receipt] = []
        self._waves = []
        for number in range(REHEARSED):
            actors = cast[number * _CAST : (number + 1) * _CAST]
            self._waves.append(self._rehearse(actors, population.collector(OTHER)))

    def remember(self, traffic: Traffic) -> None:
        """Put what the cast did in the weeks before into the traffic's days."""
        for receipt in self._past:
            traffic.plan(receipt)

    def wave(self, number: int) -> Iterator[tuple[float, Receipt]]:
        """The receipts of a wave with the seconds after the demo's start, scene by scene."""
        start = number * WAVE_SECONDS
        wave = self._waves[number % REHEARSED]
        for kind, label, receipts in (
            ("T", FRAUD, self._resale(wave, start + 8)),
            ("A", FRAUD, self._many_cards(wave, start + 15)),
            ("E", FRAUD, self._many_visits(wave, start + 30)),
            ("H2", LEGITIMATE, self._care_home(number, start + 40)),
            ("C", FRAUD, self._tour(wave, start + 60)),
            ("D", FRAUD, self._hoarding(wave, start + 80)),
            ("A", FRAUD, self._rush(wave, start + 90)),
            ("B", FRAUD, self._collecting(wave, start + 100)),
            ("H7", LEGITIMATE, self._correction(wave, start + 120)),
        ):
            episode = Episode(kind, label, {"wave": number})
            for offset, receipt in receipts:
                episode.event_ids.append(self._till.event_id(receipt))
                episode.persons[receipt.person.person_id] = None
                yield offset, receipt
            self.episodes.append(episode)

    def _rehearse(self, cast: list[Person], collector: Collector) -> _Wave:
        rng = self._rng
        drug = pick(rng, self._catalogue.watched)
        ailment = next((one for one in CHRONIC if drug.generic in one.generics), ACUTE[1])
        hoarded = pick(rng, self._catalogue.watched)
        resold = self._buy(cast[0], cast[0].shop, self._before(between(rng, 8, 20)), drug, 1, ailment)
        self._past.append(resold)
        patient = cast[8]
        for days in range(6, 0, -1):
            self._past.append(self._see(patient, patient.home.hospitals.draw(rng), self._before(days)))
        for days in (9, 3):
            packs = _packs(hoarded, 28)
            self._past.append(self._buy(cast[10], cast[10].shop, self._before(days), hoarded, packs, ailment))
        for person in cast[18:20]:
            shop = person.home.pharmacies.draw(rng)
            at = self._before(between(rng, 1, 4))
            self._past.append(self._buy(person, shop, at, drug, 1, ailment, collector=collector))
        return _Wave(cast, drug, ailment, resold, hoarded, collector)

    def _before(self, days: int) -> int:
        """An instant at a decent hour ``days`` days before the demo."""
        return (self._now // DAY - days) * DAY + between(self._rng, 9 * 3_600, 19 * 3_600)

    def _buy(
        self,
        person: Person,
        shop: Institution,
        at: int,
        drug: Article,
        packs: int,
        ailment: Ailment,
        *,
        terminal: str | None = None,
        collector: Collector | None = None,
        traces: list[str] | None = None,
    ) -> Receipt:
        if terminal is None and at >= self._now:
            terminal = self._counters.terminal(shop, at)
        return self._till.sell(
            person, shop, at, [(drug, packs)], ailment, terminal=terminal, collector=collector, traces=traces
        )

    def _see(self, person: Person, hospital: Institution, at: int) -> Receipt:
        ailment = pick(self._rng, ACUTE)
        drug = pick(self._rng, self._catalogue.products[pick(self._rng, ailment.generics)])
        receipt = self._till.treat(person, hospital, at, [(drug, 1)], ailment, services=[(CONSULTATION, 1)])
        if at >= self._now:
            receipt.terminal = self._counters.terminal(hospital, at)
        return receipt

    def _at(self, offset: float) -> int:
        return self._now + int(offset)

    def _resale(self, wave: _Wave, offset: float) -> Iterator[tuple[float, Receipt]]:
        """A box the fund has paid for before is settled again at another pharmacy."""
        shop = pick(self._rng, [shop for shop in self._large if shop is not wave.cast[0].shop])
        traces = [item.traces for item in wave.resold.items]
        drug, packs = wave.drug, wave.resold.items[0].count
        yield offset, self._buy(wave.cast[1], shop, self._at(offset), drug, packs, wave.ailment, traces=traces)

    def _many_cards(self, wave: _Wave, offset: float) -> Iterator[tuple[float, Receipt]]:
        shop = pick(self._rng, self._large)
        terminal = pick(self._rng, shop.terminals)
        for person in wave.cast[2:8]:
            yield offset, self._buy(person, shop, self._at(offset), wave.drug, 2, wave.ailment, terminal=terminal)
            offset += self._rng.uniform(4, 9)

    def _many_visits(self, wave: _Wave, offset: float) -> Iterator[tuple[float, Receipt]]:
        patient = wave.cast[8]
        for _ in range(3):
            yield offset, self._see(patient, patient.home.hospitals.draw(self._rng), self._at(offset))
            offset += self._rng.uniform(35, 50)

    def _care_home(self, number: int, offset: float) -> Iterator[tuple[float, Receipt]]:
        home = self._homes[number % len(self._homes)]
        terminal = home.shop.terminals[0]
        for person in home.residents[:8]:
            one = person.rounds[0]
            yield (
                offset,
                self._till.sell(
                    person,
                    home.shop,
                    self._at(offset),
                    one.basket,
                    one.ailment,
                    terminal=terminal,
                    collector=home.collector,
                ),
            )
            offset += self._rng.uniform(6, 12)

    def _tour(self, wave: _Wave, offset: float) -> Iterator[tuple[float, Receipt]]:
        """One person, the same drug, five pharmacies."""
        shops = self._rng.sample(self._city.pharmacies, 5)
        for shop in shops:
            yield offset, self._buy(wave.cast[9], shop, self._at(offset), wave.drug, 1, wave.ailment)
            offset += self._rng.uniform(12, 18)

    def _hoarding(self, wave: _Wave, offset: float) -> Iterator[tuple[float, Receipt]]:
        person, drug = wave.cast[10], wave.hoarded
        for _ in range(2):
            yield offset, self._buy(person, person.shop, self._at(offset), drug, _packs(drug, 28), wave.ailment)
            offset += 45

    def _rush(self, wave: _Wave, offset: float) -> Iterator[tuple[float, Receipt]]:
        """The same monitored drug again and again in one pharmacy, at its different terminals."""
        shop = pick(self._rng, self._large)
        for number, person in enumerate(wave.cast[11:18]):
            terminal = shop.terminals[number % len(shop.terminals)]
            yield offset, self._buy(person, shop, self._at(offset), wave.drug, 1, wave.ailment, terminal=terminal)
            offset += self._rng.uniform(6, 10)

    def _collecting(self, wave: _Wave, offset: float) -> Iterator[tuple[float, Receipt]]:
        for person in wave.cast[20:22]:
            shop = person.home.pharmacies.draw(self._rng)
            yield (
                offset,
                self._buy(person, shop, self._at(offset), wave.drug, 1, wave.ailment, collector=wave.collector),
            )
            offset += 30

    def _correction(self, wave: _Wave, offset: float) -> Iterator[tuple[float, Receipt]]:
        person = wave.cast[22]
        settled = self._buy(person, person.shop, self._at(offset), wave.drug, 1, wave.ailment)
        yield offset, settled
        yield offset + 20, self._till.take_back(settled, self._at(offset + 20))
        yield offset + 35, self._till.settle_again(settled, self._at(offset + 35))


def _packs(drug: Article, days: int) -> int:
    return max(1, round(days / drug.pack_days))
