"""The settlements a demo is about: a file played again, or a simulated city that goes with the clock."""

from __future__ import annotations

import csv
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, Protocol

import orjson

from detectors.backtest import open_settlements
from detectors.reference import Reference
from fundwatch.errors import UsageError
from fundwatch.plan import Plan
from streams.replay import Publisher, publish
from streams.simulator import LiveTraffic, live

RATE: Final = 5.0
"""Simulated settlements a second at speed 1."""
_CATCH_UP_SECONDS: Final = 900.0
"""A city that is continued sends again what happened so long ago: deliveries known by their event ids count once."""
_UNKNOWN_INSTITUTION: Final = "H00000000000"


class Traffic(Protocol):
    """Publishes settlements from :meth:`run`, called in a thread, until done or stopped.

    ``institutions`` and ``drugs`` are the reference files of these settlements, ``his_institution`` a hospital among them; all three
    are there after :meth:`prepare`.
    """

    institutions: Path | None
    drugs: Path | None
    his_institution: str
    published: int
    heard: Callable[[bytes], None] | None
    """Called with each settlement that is made while one watches, just before it is published."""

    def prepare(self) -> None:
        """Whatever takes time before anything can be published."""

    def run(self, kafka: str, topic: str) -> None:
        """Publish; returns at the end, or soon after :meth:`stop`. Raises StreamsError or DetectorError."""

    def stop(self) -> None:
        """Publish no more."""


class FileTraffic:
    """A settlement file, in its order; ``speed`` is times event time, None for as fast as it goes."""

    def __init__(self, file: Path, speed: float | None, institutions: Path | None, drugs: Path | None) -> None:
        self.institutions, self.drugs = institutions, drugs
        self.his_institution = _first_hospital(institutions)
        self.published = 0
        self.heard: Callable[[bytes], None] | None = None
        self._file, self._speed = file, speed
        self._stopped = threading.Event()

    def prepare(self) -> None:
        """Nothing takes time here."""

    def run(self, kafka: str, topic: str) -> None:
        """Publish the file once."""
        lines = open_settlements(self._file)
        self.published = publish(lines, kafka, topic, speed=self._speed, stopped=self._stopped.is_set, told=self._told)

    def stop(self) -> None:
        """Publish no more."""
        self._stopped.set()

    def _told(self, count: int) -> None:
        self.published = count


class SimulatedTraffic:
    """A city at ``RATE * speed`` settlements a second, told from its seed and start.

    Both are kept in ``folder``, so that a folder that is continued goes on with the same city: the same people, and no box of
    medicine sold twice. Raises UsageError for another speed than the folder's city has.
    """

    def __init__(self, folder: Path, speed: float) -> None:
        kept = folder / "city.json"
        self._continued = kept.exists()
        if self._continued:
            story = orjson.loads(kept.read_bytes())
        else:
            story = {"seed": 7, "speed": speed, "start": datetime.now(UTC).isoformat()}
            kept.write_bytes(orjson.dumps(story))
        if story["speed"] != speed:
            raise UsageError(
                f"expected --speed {story['speed']:g}, at which the city in {folder} has lived so far, got {speed:g};"
                " give that, or another --data-dir"
            )
        self._folder, self._story = folder, story
        self.institutions: Path | None = None
        self.drugs: Path | None = None
        self.his_institution = _UNKNOWN_INSTITUTION
        self.published = 0
        self.heard: Callable[[bytes], None] | None = None
        self._stopped = threading.Event()

    def prepare(self) -> None:
        """Build the city."""
        self._city: LiveTraffic = live(
            RATE * self._story["speed"], self._story["seed"], datetime.fromisoformat(self._story["start"])
        )
        self.institutions, self.drugs = self._city.write_references(self._folder / "city.jsonl")
        self.his_institution = self._city.hospital

    def run(self, kafka: str, topic: str) -> None:
        """Publish the weeks before the start at once, then go with the clock."""
        if not self._continued:
            self.published = publish(self._city.history(), kafka, topic, stopped=self._stopped.is_set, told=self._told)
        before, publisher = self.published, Publisher(kafka, topic)
        begun = self._city.start.timestamp()
        for offset, line in self._city.events():
            wait = begun + offset - time.time()
            if self._continued and wait < -_CATCH_UP_SECONDS:
                continue
            if wait > 0:
                publisher.attend()
                self._stopped.wait(wait)
            if self._stopped.is_set():
                break
            if self.heard is not None:
                self.heard(line)
            publisher.publish(line)
            self.published = before + publisher.published
        publisher.finish()

    def stop(self) -> None:
        """Publish no more."""
        self._stopped.set()

    def _told(self, count: int) -> None:
        self.published = count


def choose_traffic(plan: Plan, folder: Path) -> Traffic:
    """The traffic of a plan; raises UsageError for a plan without sense, DetectorError for reference files that cannot be read."""
    if plan.input is not None:
        Reference.load(plan.institutions, plan.drugs)  # better refused now than by every start of the worker
        return FileTraffic(plan.input, plan.speed, plan.institutions, plan.drugs)
    if plan.speed is None:
        raise UsageError("expected --input with --speed max: the simulator goes with the clock, for example --speed 10")
    if plan.institutions is not None or plan.drugs is not None:
        raise UsageError("expected --institutions and --drugs with --input only: the simulated city has its own")
    return SimulatedTraffic(folder, plan.speed)


def _first_hospital(institutions: Path | None) -> str:
    if institutions is not None:
        with institutions.open(encoding="utf-8-sig", newline="") as file:
            for row in csv.DictReader(file):
                if row.get("fixmedins_type") == "1" and row.get("fixmedins_code"):
                    return row["fixmedins_code"]
    return _UNKNOWN_INSTITUTION
