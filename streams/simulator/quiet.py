"""Where there is room: keeps a whole day's traffic, played within minutes, from looking like a rush."""

from __future__ import annotations

from collections import deque
from random import Random
from typing import Final

from streams.simulator.city import Institution

_QUEUE: Final = 1_800
_SHELF: Final = 3_600
_USES: Final = 3


class Quiet:
    """Lets through three uses of each thing per span of ``seconds``."""

    def __init__(self, seconds: int) -> None:
        self._seconds = seconds
        self._uses: dict[str, deque[int]] = {}

    def room(self, thing: str, at: int) -> bool:
        """True, and one more use noted, if the thing was used less than three times lately; ``at`` may run a little ahead."""
        uses = self._uses.get(thing)
        if uses is None:
            uses = self._uses[thing] = deque(maxlen=_USES)
        if len(uses) == _USES and uses[0] > at - self._seconds:
            return False
        uses.append(at)
        return True


class Counters:
    """The terminals and shelves of the city."""

    def __init__(self, rng: Random) -> None:
        self._rng = rng
        self._terminals = Quiet(_QUEUE)
        self._shelves = Quiet(_SHELF)

    def terminal(self, place: Institution, at: int) -> str:
        """A terminal that has been quiet, or none: then the person pays on the phone."""
        first = int(self._rng.random() * len(place.terminals))
        for number in range(len(place.terminals)):
            terminal = place.terminals[(first + number) % len(place.terminals)]
            if self._terminals.room(terminal, at):
                return terminal
        return ""

    def in_demand(self, place: Institution, generic: str, at: int) -> bool:
        """True if a drug has been sold here so often lately that one more sale would look like a rush."""
        return not self._shelves.room(f"{place.code}{generic}", at)
