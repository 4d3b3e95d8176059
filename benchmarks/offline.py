"""The core alone: backtest on one core, and bytes of state.

Goals: backtest at least 10,000 settlements/s on one core with everything on (issue 2); state of 2,048 bytes per active person on
average (issue 3).
Load: the run's city; the backtest runs as its own process, bound to one core, decoding included.
"""

from __future__ import annotations

import gc
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import islice
from operator import attrgetter
from pathlib import Path
from typing import Any

from benchmarks.stack import Load
from detectors.backtest import BATCH, open_settlements
from detectors.judge import Judge
from detectors.models.cohort import Cohort
from detectors.parameters import load_rules
from detectors.reference import Reference
from detectors.state import PersonState, PlaceState
from schemas.fact import PlaceKind
from schemas.instants import Calendar
from schemas.settlement import Settlement, decode_settlement


def backtest(load: Load) -> dict[str, Any]:
    """Settlements/s of ``fundwatch backtest``, by its own clock."""
    core = {min(os.sched_getaffinity(0))}
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            [
                *(sys.executable, "-m", "fundwatch", "backtest", str(load.events)),
                *("--institutions", str(load.institutions), "--drugs", str(load.drugs)),
                *("--alerts", str(Path(folder) / "alerts.jsonl")),
            ],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            check=True,
            preexec_fn=lambda: os.sched_setaffinity(0, core),
        )
    figures = json.loads(done.stdout.splitlines()[-1])
    return {
        "backtest_settlements_per_s": round(figures["settlements"] / figures["seconds"]),
        "backtest_alerts": figures["alerts"],
    }


@dataclass
class _City:
    """The states of a whole city, dumped as the worker does: what a batch touched, once per batch."""

    judge: Judge
    cohort: Cohort | None = None
    persons: dict[str, PersonState] = field(default_factory=dict)
    places: dict[tuple[PlaceKind, str], PlaceState] = field(default_factory=dict)
    dumps: int = 0
    seconds: float = 0.0

    def enter(self, settlements: Iterable[Settlement]) -> None:
        """A batch, with its reviews and dumps."""
        touched: dict[int, PersonState | PlaceState] = {}
        for settlement in settlements:
            person = self.persons.get(settlement.person_id)
            if person is None:
                person = self.persons[settlement.person_id] = self.judge.person(settlement.person_id, None, self.cohort)
            for fact in self.judge.settle(person, settlement):
                key = fact.kind, fact.place_id
                place = self.places.get(key)
                if place is None:
                    place = self.places[key] = self.judge.place(*key, None)
                self.judge.witness(place, fact)
                touched[id(place)] = place
            touched[id(person)] = person
        for state in touched.values():
            self.judge.review(state)
        begun = time.process_time()
        for state in touched.values():
            state.dump()
        self.seconds += time.process_time() - begun
        self.dumps += len(touched)


def state(city: Load, year: Load) -> dict[str, Any]:
    """Bytes of state as kept in the changelogs: per active person, of places per person, of full ledgers; what dumps and loads cost.

    ``year`` is fewer persons over as long as states reach back, so that each has as many settlements as a real one.
    """
    kept = _kept(year)
    figures = {f"state_{name}": figure for name, figure in _figures(_kept(city)).items()}
    figures |= {f"state_year_{name}": figure for name, figure in _figures(kept).items()}
    return figures | _full(kept)


def _kept(load: Load) -> _City:
    # as the worker does
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)
    judge = Judge(load_rules(None), Reference.load(load.institutions, load.drugs), Calendar())
    city = _City(judge)
    city.cohort = judge.cohort(city.persons.__getitem__)
    settlements = map(decode_settlement, open_settlements(load.events))
    while batch := list(islice(settlements, BATCH)):
        city.enter(batch)
    return city


def _figures(city: _City) -> dict[str, Any]:
    dumped = {key: person.dump() for key, person in city.persons.items()}
    begun = time.process_time()
    for key, data in dumped.items():
        city.judge.person(key, data)
    seconds = time.process_time() - begun
    sizes = sorted(map(len, dumped.values()))
    return {
        "persons": len(sizes),
        "entries_per_person": round(statistics.mean(len(person.entries) for person in city.persons.values()), 1),
        "bytes_per_person": round(statistics.mean(sizes)),
        "bytes_per_person_p99": sizes[int(len(sizes) * 0.99)],
        "place_bytes_per_person": round(sum(len(place.dump()) for place in city.places.values()) / len(sizes)),
        "peers_bytes": 0 if city.cohort is None else sum(map(len, city.cohort.rows(whole=True).values())),
        "dump_us": round(city.seconds / city.dumps * 1e6, 1),
        "load_us": round(seconds / len(sizes) * 1e6, 1),
    }


def _full(city: _City) -> dict[str, Any]:
    """A person and a place at their caps, made of the settlements of many."""
    person, terminal = city.judge.person("full", None), city.judge.place("terminal", "full", None)
    visits = [entry for state in city.persons.values() for entry in state.entries]
    sales = {entry.event_id: entry for state in city.places.values() for entry in state.entries}.values()
    order = attrgetter("at", "event_id")
    person.entries = sorted(visits, key=order)[: city.judge.book.person_cap]
    terminal.entries = sorted(sales, key=order)[: city.judge.book.place_cap]
    return {
        "state_full_person_entries": len(person.entries),
        "state_full_person_bytes": len(person.dump()),
        "state_full_place_entries": len(terminal.entries),
        "state_full_place_bytes": len(terminal.dump()),
    }
