"""A simulated stretch of time as a stream in arrival order, and as files."""

from __future__ import annotations

import csv
import gc
import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from heapq import heappop, heappush
from pathlib import Path
from random import Random
from typing import BinaryIO, Final

import orjson
import zstandard

from schemas.reference import DRUG_COLUMNS, INSTITUTION_COLUMNS
from streams.simulator.catalogue import Catalogue
from streams.simulator.city import City
from streams.simulator.episodes import Episodes
from streams.simulator.people import Population
from streams.simulator.receipts import DAY, Till
from streams.simulator.rhythm import Rhythm
from streams.simulator.traffic import Episode, Traffic

FIRST_DAY: Final = date(2026, 1, 5)
FEWEST_PERSONS: Final = 200
SETTLEMENTS_A_DAY: Final = 0.085
"""Background settlements per person and day, about."""

_FAULTY: Final = 0.002  # share of settlements delivered again, and share that arrives late
_SUFFIXES: Final = (".jsonl", ".jsonl.zst")
_CHUNK: Final = 1 << 20
_COLLECT_AFTER: Final = 200_000
_PACKING: Final = 1  # level 3 packs a fifth smaller and takes twice as long

Progress = Callable[[int, int], None]
"""Called with the days done and the lines written so far."""


@dataclass(frozen=True)
class Written:
    """What :meth:`Simulation.write` wrote."""

    path: Path
    institutions: Path
    drugs: Path
    truth: Path
    lines: int
    settlements: int
    episodes: int


class Simulation:
    """A city over some days; every call of :meth:`lines` or :meth:`write` tells the same story from its beginning."""

    def __init__(self, persons: int, days: int, seed: int, start: date, *, repeats: bool, late: bool) -> None:
        if persons < FEWEST_PERSONS:
            raise ValueError(
                f"expected at least {FEWEST_PERSONS} persons, got {persons}: fewer cannot stage the episodes"
            )
        if days < 1:
            raise ValueError(f"expected at least 1 day, got {days}")
        self.persons, self.days, self.seed, self.start = persons, days, seed, start
        self._repeats, self._late = repeats, late
        self.settlements = 0
        """Distinct events told so far by the latest :meth:`lines`."""
        self._episodes: list[Episode] = []

    def lines(self, progress: Progress | None = None) -> Iterator[bytes]:
        """Settlement messages in arrival order, without newline; memory does not grow with the days."""
        city, catalogue = self._place()
        till = Till(self.start, self._random("till"))
        population = Population(city, catalogue, self.persons, self.start, self._random("people"))
        traffic = Traffic(
            population.persons,
            population.care_homes,
            catalogue,
            till,
            Rhythm(self.start),
            self.days,
            self._random("traffic"),
        )
        episodes = Episodes(city, population, catalogue, till, traffic, self.days, self._random("episodes"))
        episodes.schedule(self.persons * self.days * SETTLEMENTS_A_DAY)
        self._episodes = traffic.episodes
        self.settlements = 0
        told = 0
        post = _Post(self._random("arrival"), repeats=self._repeats, late=self._late)
        for day in range(self.days):
            episodes.begin(day)
            for receipt in traffic.day(day):
                self.settlements += 1
                line = till.wire(receipt)
                for earlier in post.arrived(receipt.at):
                    told += 1
                    yield earlier
                if post.at_once(receipt.at, line):
                    told += 1
                    yield line
            if progress is not None:
                progress(day + 1, told)
        yield from post.arrived(DAY * (self.days + 2))

    def truth(self) -> list[bytes]:
        """The labelled episodes of the latest :meth:`lines`, one JSON object each; complete once its stream has ended."""
        return [
            orjson.dumps(
                {
                    "episode_id": f"S{number:05d}",
                    "kind": one.kind,
                    "label": one.label,
                    "persons": list(one.persons),
                    "event_ids": one.event_ids,
                    "params": one.params,
                }
            )
            for number, one in enumerate(self._episodes)
        ]

    def write(self, path: Path, progress: Progress | None = None) -> Written:
        """Write the stream (``.jsonl`` or ``.jsonl.zst``) and, beside it, its reference files and its truth.

        Raises ValueError for another suffix, OSError when a file cannot be written.
        """
        truth_path = _beside(path, "truth.jsonl")
        institutions, drugs = self.write_references(path)
        count = 0
        with _rare_collections(), _opened(path) as file:
            buffer, size = [], 0
            for line in self.lines(progress):
                buffer.append(line)
                size += len(line)
                if size >= _CHUNK:
                    count += len(buffer)
                    file.write(b"\n".join(buffer) + b"\n")
                    buffer, size = [], 0
            if buffer:
                count += len(buffer)
                file.write(b"\n".join(buffer) + b"\n")
        truth = self.truth()
        truth_path.write_bytes(b"".join(row + b"\n" for row in truth))
        return Written(path, institutions, drugs, truth_path, count, self.settlements, len(truth))

    def write_references(self, path: Path) -> tuple[Path, Path]:
        """Write the institutions and drugs files that belong beside a stream at ``path``; gives their paths."""
        city, catalogue = self._place()
        return write_references(path, city, catalogue)

    def _place(self) -> tuple[City, Catalogue]:
        return City(self.persons, self._random("city")), Catalogue(self._random("drugs"))

    def _random(self, purpose: str) -> Random:
        # one generator for each purpose, so that a change in one part leaves the others as they were
        return Random(f"{self.seed}:{purpose}")  # noqa: S311  a simulation, nothing secret


class _Post:
    """Delivers messages in order of arrival: nearly all at once, a few late, a few twice."""

    def __init__(self, rng: Random, *, repeats: bool, late: bool) -> None:
        self._rng, self._repeats, self._late = rng, repeats, late
        self._under_way: list[tuple[int, int, bytes]] = []
        self._posted = 0

    def arrived(self, at: int) -> list[bytes]:
        """What was under way and has arrived by ``at``, in order of arrival."""
        waiting = self._under_way
        arrived = []
        while waiting and waiting[0][0] <= at:
            arrived.append(heappop(waiting)[2])
        return arrived

    def at_once(self, at: int, line: bytes) -> bool:
        """Whether a message sent at ``at`` arrives at once; a late one, or a second copy, is put under way."""
        fate = self._rng.random()
        if fate >= 2 * _FAULTY:
            return True
        if fate < _FAULTY:
            if self._late:
                self._post(at + self._rng.randint(300, DAY), line)
            return not self._late
        if self._repeats:
            self._post(at + int(min(DAY, self._rng.expovariate(1 / 3_000))), line)
        return True

    def _post(self, arrival: int, line: bytes) -> None:
        self._posted += 1
        heappush(self._under_way, (arrival, self._posted, line))


def simulate(
    persons: int, days: int, seed: int, start: date = FIRST_DAY, *, repeats: bool = True, late: bool = True
) -> Simulation:
    """A city of ``persons`` insured persons over ``days`` days from ``start``.

    ``repeats`` delivers 0.2 % of the settlements twice, ``late`` lets 0.2 % arrive up to 24 hours late. Raises ValueError for
    fewer than 200 persons or less than a day.
    """
    return Simulation(persons, days, seed, start, repeats=repeats, late=late)


def write_references(path: Path, city: City, catalogue: Catalogue) -> tuple[Path, Path]:
    """Write the reference files that belong beside a stream at ``path``; gives their paths (institutions, drugs)."""
    institutions, drugs = _beside(path, "institutions.csv"), _beside(path, "drugs.csv")
    for target, columns, rows in (
        (institutions, INSTITUTION_COLUMNS, city.rows()),
        (drugs, DRUG_COLUMNS, catalogue.rows()),
    ):
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(rows)
        target.write_text(text.getvalue(), encoding="utf-8", newline="")
    return institutions, drugs


def _beside(path: Path, suffix: str) -> Path:
    for known in reversed(_SUFFIXES):
        if path.name.endswith(known):
            return path.with_name(f"{path.name.removesuffix(known)}.{suffix}")
    raise ValueError(f"expected a file named *.jsonl or *.jsonl.zst, got {path.name!r}")


@contextmanager
def _rare_collections() -> Iterator[None]:
    """Receipts die by reference count; the cycle collector would only walk the whole city again and again, a fifth of the time."""
    usual = gc.get_threshold()
    gc.set_threshold(_COLLECT_AFTER, *usual[1:])
    try:
        yield
    finally:
        gc.set_threshold(*usual)


@contextmanager
def _opened(path: Path) -> Iterator[BinaryIO | zstandard.ZstdCompressionWriter]:
    with path.open("wb") as file:
        if path.suffix != ".zst":
            yield file
            return
        with zstandard.ZstdCompressor(level=_PACKING).stream_writer(file) as packed:
            yield packed
