"""Traffic that runs with the clock: some weeks of history, then settlements at a rate, with a scene for every rule."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from heapq import heappop, heappush
from pathlib import Path
from random import Random
from typing import Final

from schemas.instants import DEFAULT_ZONE, Calendar
from streams.simulator.catalogue import ACUTE, CONSULTATION, EMERGENCY, LABORATORY, Ailment, Article, Catalogue
from streams.simulator.chance import between, pick
from streams.simulator.city import City, Institution
from streams.simulator.episodes import Episodes
from streams.simulator.people import Person, Population
from streams.simulator.quiet import Counters
from streams.simulator.receipts import CHRONIC_CARE, DAY, EMERGENCY_ROOM, Receipt, Till
from streams.simulator.rhythm import Rhythm
from streams.simulator.scenes import CAST_SIZE, WAVE_SECONDS, Scenes
from streams.simulator.simulation import SETTLEMENTS_A_DAY, write_references
from streams.simulator.traffic import Episode, Traffic

_RESIDENTS: Final = 12_000  # have a history; about 30,000 settlements in 30 days
_PERSONS_PER_RATE: Final = (
    6_000  # a person settles again after about 100 minutes, so everyday life stays below every limit
)
_MOST_PERSONS: Final = 300_000
_CORRECTED: Final = 0.006
_REPEATED: Final = 0.002
_CARE_HOMES: Final = 6  # of them collect in history; the scenes visit all


class LiveTraffic:
    """A demo's traffic: :meth:`history` up to the start, then :meth:`lines`, endless. Both may be read once."""

    def __init__(self, rate: float, seed: int, start: datetime, *, history_days: int, zone: str) -> None:
        if rate <= 0:
            raise ValueError(f"expected a rate above 0 settlements a second, got {rate}")
        if start.tzinfo is None:
            raise ValueError(f"expected a start with a time zone, got {start!r}")
        if history_days < 21:
            raise ValueError(f"expected at least 21 days of history (the scenes reach back so far), got {history_days}")
        self.rate, self.seed, self.start = rate, seed, start
        local = start.astimezone(Calendar(zone).zone)
        first = local.date() - timedelta(days=history_days)
        self._days = history_days + 1
        self._now = history_days * DAY + local.hour * 3_600 + local.minute * 60 + local.second
        persons = min(_MOST_PERSONS, int(_RESIDENTS + CAST_SIZE + _PERSONS_PER_RATE * rate))
        self._city = City(persons, self._random("city"))
        self._catalogue = Catalogue(self._random("drugs"))
        self._population = Population(self._city, self._catalogue, persons, first, self._random("people"))
        self._till = Till(first, self._random("till"))
        self._rng = self._random("live")
        cast, self._walkers = self._population.persons[-CAST_SIZE:], self._population.persons[:-CAST_SIZE]
        self._rng.shuffle(cast)
        self._counters = Counters(self._rng)
        self._scenes = Scenes(
            self._city,
            self._population,
            self._catalogue,
            self._till,
            cast,
            self._counters,
            self._now,
            self._random("scenes"),
        )
        residents = self._walkers[:_RESIDENTS]
        self._unstocked = set(range(_RESIDENTS, len(self._walkers)))
        self._past = Traffic(
            residents,
            self._population.care_homes[:_CARE_HOMES],
            self._catalogue,
            self._till,
            Rhythm(first),
            self._days,
            self._random("traffic"),
        )
        self._scenes.remember(self._past)

    @property
    def episodes(self) -> list[Episode]:
        """What was staged so far, in history and live."""
        return self._past.episodes + self._scenes.episodes

    @property
    def hospital(self) -> str:
        """The code of a large hospital of the city, for a demo that speaks as one."""
        return self._city.hospitals[0].code

    def history(self) -> Iterator[bytes]:
        """Settlements of the weeks before the start, in event-time order."""
        episodes = Episodes(
            self._city, self._population, self._catalogue, self._till, self._past, self._days, self._random("episodes")
        )
        episodes.schedule(_RESIDENTS * self._days * SETTLEMENTS_A_DAY)
        for day in range(self._days):
            episodes.begin(day)
            for receipt in self._past.day(day):
                if receipt.at <= self._now:
                    yield self._till.wire(receipt)

    def events(self) -> Iterator[tuple[float, bytes]]:
        """Pairs (seconds after the start, settlement message), endless, event times running with those seconds."""
        under_way: list[tuple[float, int, Receipt]] = []
        posted, wave, offset = 0, 0, 0.0
        order = list(range(len(self._walkers)))
        self._rng.shuffle(order)
        turn = 0
        while True:
            offset += self._rng.expovariate(self.rate)
            while wave * WAVE_SECONDS <= offset:
                for at, receipt in self._scenes.wave(wave):
                    posted += 1
                    heappush(under_way, (at, posted, receipt))
                wave += 1
            while under_way and under_way[0][0] <= offset:
                at, _, receipt = heappop(under_way)
                yield at, self._till.wire(receipt)
            receipt = self._everyday(order[turn % len(order)], self._now + int(offset))
            turn += 1
            yield offset, self._till.wire(receipt)
            fate = self._rng.random()
            posted += 1
            if fate < _CORRECTED:
                later = offset + self._rng.uniform(30, 600)
                taken_back = self._till.take_back(receipt, self._now + int(later))
                heappush(under_way, (later, posted, taken_back))
            elif fate < _CORRECTED + _REPEATED:
                heappush(under_way, (offset + self._rng.uniform(1, 60), posted, receipt))

    def lines(self, clock: Callable[[], float]) -> Iterator[tuple[float, bytes]]:
        """Pairs (seconds to wait, settlement message), endless; ``clock`` gives seconds since 1970 as ``time.time`` does.

        What became due while the system was starting has no wait, so event time catches up with the clock by itself.
        """
        begun = self.start.timestamp()
        for offset, line in self.events():
            yield max(0.0, begun + offset - clock()), line

    def write_references(self, path: Path) -> tuple[Path, Path]:
        """Write the institutions and drugs files beside a (perhaps never written) stream at ``path``; gives their paths."""
        return write_references(path, self._city, self._catalogue)

    def _random(self, purpose: str) -> Random:
        return Random(f"{self.seed}:live:{purpose}")  # noqa: S311  a simulation, nothing secret

    def _everyday(self, number: int, at: int) -> Receipt:
        """Something ordinary a person settles now, where no queue stands: a day's traffic must not look like a rush."""
        rng, till = self._rng, self._till
        person = self._walkers[number]
        fate = rng.random()
        if fate < 0.32:
            return self._visit(person, at, emergency=fate < 0.03)
        if person.rounds and number in self._unstocked:
            self._unstocked.discard(number)
            one = person.rounds[0]
            hospital = fate < 0.5
            place = person.hospital if hospital else person.shop
            if all(not self._counters.in_demand(place, drug.generic, at) for drug, _ in one.basket if drug.monitored):
                if hospital:
                    services = [(CONSULTATION, 1)]
                    receipt = till.treat(
                        person,
                        place,
                        at,
                        one.basket,
                        one.ailment,
                        services=services,
                        care=CHRONIC_CARE,
                        disease="M03900",
                    )
                    receipt.terminal = self._counters.terminal(place, at)
                    return receipt
                terminal = self._counters.terminal(place, at)
                return till.sell(
                    person, place, at, one.basket, one.ailment, terminal=terminal, collector=person.collector
                )
        ailment = pick(rng, ACUTE)
        terminal = self._counters.terminal(person.shop, at)
        return till.sell(person, person.shop, at, self._remedy(ailment, person.shop, at), ailment, terminal=terminal)

    def _visit(self, person: Person, at: int, *, emergency: bool) -> Receipt:
        rng = self._rng
        ailment = ACUTE[0] if rng.random() < 0.4 else pick(rng, ACUTE)
        hospital = person.hospital if emergency or rng.random() < 0.6 else person.home.centre
        services = [(EMERGENCY if emergency else CONSULTATION, 1)]
        if rng.random() < 0.5:
            services.append((LABORATORY, between(rng, 2, 30)))
        basket = self._remedy(ailment, hospital, at)
        if emergency:
            receipt = self._till.treat(person, hospital, at, basket, ailment, services=services, care=EMERGENCY_ROOM)
        else:
            receipt = self._till.treat(person, hospital, at, basket, ailment, services=services)
        receipt.terminal = self._counters.terminal(hospital, at)
        return receipt

    def _remedy(self, ailment: Ailment, place: Institution, at: int) -> list[tuple[Article, int]]:
        generics = [
            generic
            for generic in ailment.generics
            if not self._catalogue.products[generic][0].monitored or not self._counters.in_demand(place, generic, at)
        ]
        return [(pick(self._rng, self._catalogue.products[pick(self._rng, generics)]), 1)]


def live(rate: float, seed: int, start: datetime, *, history_days: int = 30, zone: str = DEFAULT_ZONE) -> LiveTraffic:
    """A demo's traffic of about ``rate`` settlements a second (scenes come on top, about 0.2 a second) from an aware ``start`` on.

    Deterministic for the same arguments. Raises ValueError for a rate not above 0, a start without zone, an unknown zone or less
    than 21 days of history.
    """
    return LiveTraffic(rate, seed, start, history_days=history_days, zone=zone)
